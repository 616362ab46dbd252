"""A transport problem in the model's units, and the objective that solves it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from liouville.data import Standardisation, check_times
from liouville.errors import LiouvilleError
from liouville.numerics.couplings import chains, growth_length
from liouville.numerics.functions import check_values
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.robust import robust_spread
from liouville.objectives import (
    AbstractTerm,
    Cost,
    Field,
    JacobianAsymmetry,
    KineticEnergy,
    Objective,
    OverPieces,
    PerContext,
    StateCost,
)
from liouville.paths import AbstractPath, function_in_model
from liouville.tasks.transport._images import Density
from liouville.tasks.transport.config import ObjectiveConfig, TransportConfig
from liouville.tasks.transport.ends import End

# A Jacobian costs as much as many velocities, so its asymmetry is measured at fewer particles.
_ASYMMETRY_SHARE = 8
# Spreads of less than such a part of the largest are lost, as their squares are rounded.
_LOST = 1e-8
# A part must be so many roundings of its points wide.
_NARROW = 30.0
# Points of an end that robust scaling measures, and at which a user's functions are asked.
_DRAWS, _LOOKED_AT = 4096, 32
# Points of each end by whose optimal coupling the length of growth is chosen.
_COUPLED = 512
# Contexts that are drawn each time the objective is asked for.
_CONTEXTS = 3


class Given(NamedTuple):
    """What a user gives."""

    ends: Sequence[Any]  # the distributions; before they are read, what names them
    reference: Field | None = None
    cost: Cost | None = None


class Problem(NamedTuple):
    """Ends in the model's units, and what moving between them costs."""

    ends: list[Density]
    times: tuple[float, ...]  # when they are met, from 0 to 1
    sigma: float
    reference: Field | None
    cost: Cost | None  # in units of the energy
    energy_scale: float  # the user's energy for one unit of the model's
    masses: tuple[float, ...] = ()  # of the ends; none, if mass is conserved
    delta: float = 0.0  # what growth costs, a length
    is_conditional: bool = False  # whether the ends depend on a context

    @property
    def pieces(self) -> list[tuple[Density, Density, tuple[float, float]]]:
        """Start, end and times of every piece."""
        spans = zip(self.times, self.times[1:])
        return list(zip(self.ends, self.ends[1:], spans))


def resolve_times(settings: TransportConfig, ends: Sequence[End]) -> TransportConfig:
    """The configuration with every automatic choice filled in.

    Raises:
        LiouvilleError: if there is not a time for each distribution, or a gauge on the line.
    """
    times = settings.data.times or tuple(float(i) for i in range(len(ends)))
    if len(times) != len(ends):
        raise LiouvilleError(f"{len(times)} times for {len(ends)} distributions; give one each")
    check_times(times, "time", "the ends")
    if settings.path.gauge and ends[0].dim < 2:
        raise LiouvilleError("path.gauge needs two coordinates or more; leave it out")
    data = dataclasses.replace(settings.data, times=times)
    if not settings.is_unbalanced:
        return dataclasses.replace(settings, data=data)
    for end in ends:
        if not isinstance(end.mixture, GaussianMixture):
            raise LiouvilleError(
                f"{end.source} is a density seen through maps, which unbalanced transport cannot "
                "meet; draw from it (liouville sample) and give the file"
            )
    masses = settings.data.masses or (1.0,) * len(ends)
    if len(masses) != len(ends):
        raise LiouvilleError(f"{len(masses)} masses for {len(ends)} distributions; give one each")
    delta = settings.objective.delta
    if delta is None:
        clouds = [end.mixture.spread(_COUPLED) for end in ends]
        delta = float(f"{growth_length(clouds, chains(clouds, _COUPLED)):.4g}")
    return dataclasses.replace(
        settings,
        data=dataclasses.replace(data, masses=masses),
        objective=dataclasses.replace(settings.objective, unbalanced=True, delta=delta),
    )


def units_of(ends: Sequence[End], settings: TransportConfig) -> Standardisation:
    """One number for all coordinates: the root of the mean variance of all ends together.

    Robust scaling takes that of the quartiles of their draws instead.
    """
    times, dim = settings.data.times, ends[0].dim
    assert times is not None
    origin, duration = times[0], times[-1] - times[0]
    if settings.data.scaling == "none":
        return Standardisation(np.zeros(dim), np.ones(dim), origin, duration)
    if settings.data.scaling == "robust":
        draws = np.concatenate([end.mixture.spread(_DRAWS) for end in ends])
        spread = float(np.sqrt(np.mean(robust_spread(draws) ** 2)))
        return Standardisation(np.median(draws, axis=0), np.full(dim, spread), origin, duration)
    means = np.stack([end.mixture.mean for end in ends])
    within = np.mean([np.trace(end.mixture.covariance) / dim for end in ends])
    spread = float(np.sqrt(within + means.var(axis=0).mean()))
    return Standardisation(means.mean(axis=0), np.full(dim, spread), origin, duration)


def check_functions(given: Given, settings: TransportConfig) -> None:
    """Evaluates reference and cost at points of the ends, when these are met.

    Raises:
        LiouvilleError: if one is no function of time and point, not written for JAX, of the wrong
            shape, or not finite there; it names the point.
    """
    assert settings.data.times is not None  # resolved
    for time, end in zip(settings.data.times, given.ends):
        points = end.mixture.spread(_LOOKED_AT)
        if given.reference is not None:
            check_values("the reference", given.reference, points, (end.dim,), time)
        if given.cost is not None:
            check_values("the cost", given.cost, points, (), time)


def say_misfits(ends: Sequence[End], units: Standardisation) -> None:
    """Warns of coordinates that the one scale of all does not fit.

    Raises:
        LiouvilleError: if squares of one are lost to rounding beside those of the others, or an end
            is narrower than rounding tells points apart.
    """
    within = [np.diagonal(end.mixture.covariance) for end in ends]
    between = np.stack([end.mixture.mean for end in ends]).var(axis=0)
    spread, names = np.sqrt(np.mean(within, axis=0) + between), ends[0].features
    least = int(np.argmin(spread))
    if spread[least] < _LOST * spread.max():
        raise LiouvilleError(
            f"the spread of {names[least]} is {spread[least]:.3g} beside {spread.max():.3g} of "
            f"{names[int(np.argmax(spread))]}, and distances count all coordinates alike; give "
            "them in units of like size, or leave one out (--without)"
        )
    for end in ends:
        _check_width(end, units.center)
    units.say_misfits(spread, names, "give them in units of like size, or leave them out")


def _check_width(end: End, center: np.ndarray) -> None:
    """Refuses a part of a mixture that is no wider than its points are rounded."""
    if not isinstance(end.mixture, GaussianMixture):
        return
    widths, ways = np.linalg.eigh(end.mixture.covariances)
    places = (end.mixture.means - center) ** 2 + np.einsum("kii->ki", end.mixture.covariances)
    eps = float(jnp.finfo(jnp.zeros(()).dtype).eps)
    rounded = eps * np.sqrt(np.einsum("ki,kij->kj", places, ways**2))
    widths = np.sqrt(np.maximum(widths, 0.0))
    part, way = np.unravel_index(np.argmin(widths / rounded), widths.shape)
    least = _NARROW * rounded[part, way]
    if widths[part, way] < least:
        raise LiouvilleError(
            f"a part of {end.source} is {widths[part, way]:.3g} wide in some direction, in which "
            f"its points are rounded by {rounded[part, way]:.1g}: add noise of {least:.1g} or more"
        )


def problem_of(given: Given, units: Standardisation, settings: TransportConfig) -> Problem:
    """The problem in the model's units.

    Raises:
        LiouvilleError: if a pull and a reference are given.
    """
    length, duration = float(units.scale[0]), units.time_scale
    energy_scale = length**2 / duration
    ends, reference, cost = given
    pull, masses, delta = settings.objective.pull, settings.data.masses, settings.objective.delta
    if settings.is_unbalanced and (reference is not None or cost is not None):
        raise LiouvilleError(
            "unbalanced transport has neither a reference nor a cost; leave them out, or "
            "--unbalanced, --masses and --delta"
        )
    if pull and reference is not None:
        raise LiouvilleError("both objective.pull and a reference were given; choose one")
    if pull:
        reference = _Pull(pull)
    scale = 1.0 / units.scale
    densities = [end.mixture.rescaled(-units.center * scale, scale) for end in ends]
    assert settings.data.times is not None
    return Problem(
        densities,
        tuple(float(units.time_to_model(t)) for t in settings.data.times),
        float(units.noise_to_model(settings.objective.sigma)[0]),
        None if reference is None else function_in_model(reference, units, duration / length),
        None if cost is None else function_in_model(cost, units, duration / energy_scale),
        energy_scale,
        masses or (),
        0.0 if delta is None else delta / length,
        ends[0].contexts is not None,
    )


def energy_term(
    problem: Problem,
    times: tuple[float, float],
    moments: int,
    particles: int,
    crowding: float = 0.9,
) -> KineticEnergy:
    """The energy of one piece, in the model's units."""
    return KineticEnergy(
        interval=times,
        g=problem.sigma,
        of="drift" if problem.sigma > 0 else "velocity",
        reference=problem.reference,
        delta=problem.delta,
        times=moments,
        particles=particles,
        crowding=crowding,
    )


def objective_of(problem: Problem, config: ObjectiveConfig) -> Objective:
    """What training makes small: energy, plus cost and asymmetry if there are any."""
    sizes: dict[str, Any] = {"times": config.times, "particles": config.particles}

    def over(name: str, term: Callable[[tuple[float, float]], AbstractTerm]) -> OverPieces:
        terms = (_in_contexts(problem, term(span)) for *_, span in problem.pieces)
        return OverPieces(terms=tuple(terms), name=name)

    def energy(span: tuple[float, float]) -> KineticEnergy:
        return energy_term(problem, span, config.times, config.particles, config.crowding)

    objective = over("energy", energy) * 1.0
    cost = problem.cost
    if cost is not None:
        objective += over("cost", lambda span: StateCost(interval=span, cost=cost, **sizes))
    if config.asymmetry:
        asymmetry = over("asymmetry", lambda span: JacobianAsymmetry(interval=span, **sizes))
        objective += config.asymmetry * asymmetry
    return objective


def total_term(
    problem: Problem, *, times: int, particles: int, asymmetry: float = 0.0
) -> OverPieces:
    """The whole objective as it is measured during training: energy, cost and asymmetry."""
    terms = tuple(
        _in_contexts(
            problem,
            _Total(
                energy=energy_term(problem, t, times, particles),
                cost=problem.cost,
                asymmetry=asymmetry,
            ),
        )
        for *_, t in problem.pieces
    )
    return OverPieces(terms=terms, name="total")


def _in_contexts(problem: Problem, term: AbstractTerm) -> AbstractTerm:
    """The term, or its mean over contexts."""
    return PerContext(term, _CONTEXTS) if problem.is_conditional else term


class _Pull(NamedTuple):
    rate: float

    def __call__(self, _: jax.Array, x: jax.Array) -> jax.Array:
        """The drift toward the origin, the same at all times."""
        return -self.rate * x


class _Total(AbstractTerm):
    energy: KineticEnergy
    cost: Cost | None
    asymmetry: float = eqx.field(static=True)
    name: str = eqx.field(static=True, default="total")

    def __call__(self, path: AbstractPath, *, key: jax.Array) -> jax.Array:
        """The sum for one piece; the energy alone may crowd its times at the ends."""
        value, of = self.energy(path, key=key), self.energy
        shared: dict[str, Any] = {"interval": of.interval, "times": of.times}
        if self.cost is not None:
            cost = StateCost(cost=self.cost, particles=of.particles, **shared)
            value = value + cost(path, key=key)
        if self.asymmetry:
            fewer = max(1, of.particles // _ASYMMETRY_SHARE)
            asymmetry = JacobianAsymmetry(particles=fewer, **shared)
            value = value + self.asymmetry * asymmetry(path, key=key)
        return value
