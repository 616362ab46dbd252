r"""The laws a path must keep, measured: for users, for tests and for `liouville check`.

Each function measures one law and returns a `Report` that prints as one line. Tolerances stand
in one place, `TOLERANCES`, with their reasons; they hold for standardised units (coordinates and
times of order one).
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from liouville.dynamics import Constant, drift, runge_kutta_step
from liouville.numerics.parameters import learned_leaves, split
from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.paths import AbstractPath
from liouville.quantities import score

TOLERANCES: dict[str, dict[str, float]] = {
    # Relative to the sum of the magnitudes of the terms, so rounding alone, with a factor for
    # second derivatives far out in the tails where terms of 10^4 cancel to order one.
    "continuity": {"float64": 1e-11, "float32": 1e-3},
    "fokker-planck": {"float64": 1e-11, "float32": 1e-3},
    # The trapezoidal rule on a smooth density that vanishes at the ends of the box converges
    # faster than any power of the step; what is left is the mass outside the box.
    "mass": {"float64": 1e-8, "float32": 1e-4},
    "growth": {"float64": 1e-8, "float32": 1e-4},
    # In standard errors: the largest of some tens of normal variables is below 5 in all but one
    # of 10^5 draws.
    "sampler": {"float64": 5.0, "float32": 5.0},
    "particles": {"float64": 5.0, "float32": 5.0},
    # Error of the fourth order method with 200 steps, in nats. At a knot where the velocity jumps,
    # one stage of one step sees the other side, which costs a sixth of the jump times the step. A
    # wrong velocity costs tenths of a nat.
    "transport": {"float64": 1e-3, "float32": 5e-2},
    # A learned number whose gradient is exactly zero takes no part in the objective.
    "gradients": {"float64": 0.0, "float32": 0.0},
}


@dataclass(frozen=True)
class Report:
    """The outcome of one check.

    Attributes:
        law: the name of the law.
        value: what was measured.
        tolerance: the largest value that passes.
        detail: what the value is, in words.
    """

    law: str
    value: float
    tolerance: float
    detail: str

    @property
    def passed(self) -> bool:
        """Whether the value is a number not above the tolerance."""
        return bool(self.value <= self.tolerance)

    def __str__(self) -> str:
        mark = "ok  " if self.passed else "FAIL"
        return f"{mark} {self.law:<14} {self.value:9.2e} <= {self.tolerance:.0e}  {self.detail}"


def check_path(
    path: AbstractPath, times: Sequence[float], *, n: int = 512, seed: int = 0
) -> list[Report]:
    """Measures every law on a path, at its own samples and far out in its tails.

    Args:
        path: the path, in double precision if the tolerances are to mean much.
        times: two times or more, increasing. Name the knots if the velocity jumps at them: then
            transport is measured between neighbours, where its steps are accurate.
        n: the number of points at which the equations are tested.
        seed: of the points.
    """
    keys = jr.split(jr.key(seed), 6)
    start, end = times[0], times[-1]
    clock = start + (end - start) * jr.uniform(keys[0], (n,))
    near = eqx.filter_jit(jax.vmap(lambda t, k: path.at(t).sample(key=k)))
    points = near(clock, jr.split(keys[1], n))
    # Every other point is thrown 20 standard deviations out, where a wrong flux shows.
    away = points.std(0) * jr.normal(keys[2], points.shape)
    points = points + jnp.where(jnp.arange(n)[:, None] % 2 == 0, 0.0, 20.0) * away
    middle = jnp.asarray(0.5 * (start + end), points.dtype)
    reports = [
        continuity(path, clock, points),
        fokker_planck(path, clock, points, g=1.0),
        sampler(path, middle, key=keys[3]),
        particles(path, middle, key=keys[4]),
        max(
            (transport(path, piece, key=keys[5]) for piece in itertools.pairwise(times)),
            key=lambda report: report.value,
        ),
    ]
    if path.dim <= 2:
        reports += _of_mass(path, middle)
    return reports


def continuity(path: AbstractPath, times: Float[Array, " n"], points: Points) -> Report:
    r"""Measures $\partial_t\log(M\rho) + u\cdot\nabla\log\rho + \nabla\cdot u - h = 0$ by autodiff.

    Args:
        path: the path.
        times: one time for each point, shape `(n,)`.
        points: points, shape `(n, dim)`; far ones too, where a wrong flux shows.

    Returns:
        The largest residual divided by one plus the sum of the terms' magnitudes.
    """
    return _residual_report("continuity", _continuity_terms, path, times, points)


def fokker_planck(
    path: AbstractPath, times: Float[Array, " n"], points: Points, *, g: Constant = 1.0
) -> Report:
    r"""Measures the Fokker-Planck equation of $dX = b\,dt + g\,dW$, divided by $\rho$:

    $$\partial_t\log(M\rho) + b\cdot s + \nabla\cdot b - \tfrac12 g^2 (\nabla\cdot s + |s|^2) - h
      = 0, \qquad s = \nabla\log\rho.$$

    Args and result are those of `continuity`, with the noise `g`: a number, or one for each
    coordinate, shape `(dim,)`; $g^2$ is then the diagonal matrix $G$ of its squares, and the last
    term $-\tfrac12(\nabla\cdot G s + s \cdot G s)$.
    """  # noqa: D415
    terms = jax.tree_util.Partial(_fokker_planck_terms, jnp.asarray(g, points.dtype))
    return _residual_report("fokker-planck", terms, path, times, points)


def mass(
    path: AbstractPath,
    t: Scalar,
    *,
    box: float = 12.0,
    nodes: int = 801,
    support: Sequence[tuple[float, float] | None] | None = None,
    tolerance: float | None = None,
) -> Report:
    r"""Measures $|\int\rho_t - 1|$ by quadrature, in one or two dimensions.

    Args:
        path: the path.
        t: time, shape `()`.
        box: half the width of the box of integration, in standard deviations of the particles
            around their mean.
        nodes: the number of nodes along each axis.
        support: the bounds of each coordinate, `None` for the line. A bounded one is integrated
            over $s$, with $x = l + m e^s$ or $l + (h - l)/(1 + e^{-s})$ and `box` the half width in
            $s$; one from minus infinity to infinity, for heavy tails, with $x = m + b \sinh s$.
        tolerance: by default that of `TOLERANCES`; wider where a density has corners.

    Raises:
        ValueError: in more than two dimensions.
    """
    return _of_mass(path, t, box, nodes, support, tolerance)[0]


def growth(
    path: AbstractPath,
    t: Scalar,
    *,
    box: float = 12.0,
    nodes: int = 801,
    support: Sequence[tuple[float, float] | None] | None = None,
    tolerance: float | None = None,
) -> Report:
    r"""Measures $|\int\rho_t h_t - M_t'/M_t|$ by quadrature: the mass changes by what grows.

    Args and errors raised are those of `mass`.
    """
    return _of_mass(path, t, box, nodes, support, tolerance)[1]


def sampler(path: AbstractPath, t: Scalar, *, n: int = 4096, key: RandomKey) -> Report:
    r"""Measures whether samples have the density, by Stein's identities.

    For every density that decays, $E[s] = 0$ and $E[x_i s_j] = -\delta_{ij}$ with the score $s$;
    samples of another law break them. Coordinates are centred and scaled first.

    Args:
        path: the path.
        t: time, shape `()`.
        n: the number of samples.
        key: random key.
    """
    identities = _sample_identities(path, t, jr.split(key, n))
    error = jnp.sqrt(n) * jnp.abs(identities.mean(0)) / identities.std(0)
    detail = f"standard errors off Stein's identities, {n} samples at t = {float(t):.3g}"
    return _report("sampler", float(error.max()), detail, identities)


def particles(
    path: AbstractPath, t: Scalar, *, n: int = 256, repeats: int = 64, key: RandomKey
) -> Report:
    r"""Measures whether weighted particles are unbiased, by Stein's identities.

    Args:
        path: the path.
        t: time, shape `()`.
        n: the number of particles of a draw.
        repeats: the number of independent draws, from which the standard error is taken.
        key: random key.
    """
    draws = _particle_identities(path, t, jr.split(key, repeats), n)
    # Where every draw is exact up to rounding there is no standard error to divide by.
    floor = 1e3 * jnp.finfo(draws.dtype).eps
    error = jnp.sqrt(repeats) * jnp.abs(draws.mean(0)) / jnp.maximum(draws.std(0), floor)
    detail = f"standard errors off Stein's identities, {repeats} draws at t = {float(t):.3g}"
    return _report("particles", float(error.max()), detail, draws)


def transport(
    path: AbstractPath,
    interval: tuple[float, float],
    *,
    n: int = 256,
    steps: int = 200,
    key: RandomKey,
) -> Report:
    r"""Measures whether the velocity transports the density along its trajectories.

    Points start as samples of $\rho_{t_0}$ and follow $\dot x = u$; the density of mass along the
    way must follow $\tfrac{d}{dt}\log(M_t\rho_t(x_t)) = h - \nabla\cdot u$ (instantaneous change of
    variables), trajectory by trajectory.

    Args:
        path: the path.
        interval: $(t_0, t_1)$.
        n: the number of trajectories.
        steps: steps of the classical Runge-Kutta method.
        key: random key of the starting points.

    Returns:
        The median defect of $\log(M_{t_1}\rho_{t_1}(x_{t_1}))$, in nats.
    """
    ends = jnp.asarray(interval, jnp.zeros(()).dtype)
    values = _density_defects(path, ends, steps, jr.split(key, n))
    detail = f"nats lost along {n} trajectories over {interval[0]:.3g} to {interval[1]:.3g}"
    return _report("transport", float(jnp.median(values)), detail, values)


def gradients(path: AbstractPath, value: Callable[[AbstractPath], Scalar]) -> Report:
    """Counts the learned arrays whose gradient is not finite or vanishes altogether.

    Args:
        path: the path.
        value: a scalar function of the path that should depend on all of it.

    Returns:
        The number of such arrays, with their names.
    """
    learned, rest = split(path)
    gradient = jax.grad(lambda p: value(eqx.combine(p, rest)))(learned)
    idle = [
        name
        for name, g in learned_leaves(gradient).items()
        if not (jnp.isfinite(g).all() and jnp.any(g != 0))
    ]
    count = len(learned_leaves(path))
    names = f": {', '.join(idle)}" if idle else ""
    detail = f"of {count} learned arrays without a gradient{names}"
    return Report("gradients", float(len(idle)), TOLERANCES["gradients"]["float64"], detail)


def _of_mass(
    path: AbstractPath,
    t: Scalar,
    box: float = 12.0,
    nodes: int = 801,
    support: Sequence[tuple[float, float] | None] | None = None,
    tolerance: float | None = None,
) -> list[Report]:
    """What `mass` and `growth` measure, by one quadrature."""
    if path.dim > 2:
        raise ValueError(f"mass by quadrature needs one or two dimensions, got {path.dim}")
    axes, weights = _quadrature(path, t, box, nodes, tuple(support or (None,) * path.dim))
    total, gained = np.asarray(_grid_sums(path, t, axes, weights)).tolist()
    pace = float(eqx.filter_jit(jax.grad(lambda r: path.at(r).log_mass))(t))
    missed, at = abs(gained - pace) / (1.0 + abs(pace)), f"at t = {float(t):.3g}"
    reports = [
        _report("mass", abs(total - 1.0), f"|mass - 1| {at}", axes),
        _report("growth", missed, f"|growth - rate of the mass| {at}", axes),
    ]
    return [r if tolerance is None else replace(r, tolerance=tolerance) for r in reports]


# Compiled once for each structure of path: the path and the times are arguments, not constants.


@eqx.filter_jit
def _quadrature(
    path: AbstractPath,
    t: Scalar,
    box: float,
    nodes: int,
    support: tuple[tuple[float, float] | None, ...],
) -> tuple[Float[Array, "dim nodes"], Float[Array, "dim nodes"]]:
    """The nodes along each axis and their weights."""
    points, shares = path.at(t).particles(1024, key=jr.key(0))
    middle = shares @ points
    spread = jnp.sqrt(shares @ (points - middle) ** 2)
    unit = jnp.linspace(-box, box, nodes, dtype=points.dtype)
    step = unit[1] - unit[0]

    def axis(middle, spread, bounds):
        if bounds is None:
            return middle + spread * unit, jnp.full_like(unit, spread * step)
        low, high = bounds
        if math.isinf(low):
            return middle + spread * jnp.sinh(unit), spread * jnp.cosh(unit) * step
        if math.isinf(high):
            above = (middle - low) * jnp.exp(unit)
            return low + above, above * step
        share = jax.nn.sigmoid(unit)
        return low + (high - low) * share, (high - low) * share * (1.0 - share) * step

    axes, weights = zip(*map(axis, middle, spread, support))
    return jnp.stack(axes), jnp.stack(weights)


@eqx.filter_jit
def _grid_sums(
    path: AbstractPath,
    t: Scalar,
    axes: Float[Array, "dim nodes"],
    weights: Float[Array, "dim nodes"],
) -> Float[Array, "2"]:
    marginal = path.at(t)
    is_plane = path.dim == 2
    rest = axes[1] if is_plane else jnp.zeros((1,), axes.dtype)
    shares = weights[1] if is_plane else jnp.ones((1,), axes.dtype)

    def row(first):
        line = jax.vmap(lambda second: jnp.stack([first, second])[: path.dim])(rest)
        density = jnp.exp(jax.vmap(marginal.log_density)(line))
        grown = jnp.where(density > 0.0, density * jax.vmap(marginal.growth)(line), 0.0)
        return shares @ jnp.stack([density, grown], axis=1)

    return weights[0] @ jax.lax.map(row, axes[0], batch_size=64)


@eqx.filter_jit
def _sample_identities(
    path: AbstractPath, t: Scalar, keys: Key[Array, " n"]
) -> Float[Array, "n identities"]:
    marginal = path.at(t)
    return _stein(marginal, jax.vmap(lambda k: marginal.sample(key=k))(keys))


@eqx.filter_jit
def _particle_identities(
    path: AbstractPath, t: Scalar, keys: Key[Array, " repeats"], n: int
) -> Float[Array, "repeats identities"]:
    marginal = path.at(t)

    def once(key):
        points, weights = marginal.particles(n, key=key)
        # The weights join the identities: they must sum to one on average.
        return jnp.append(weights @ _stein(marginal, points), weights.sum() - 1.0)

    return jax.vmap(once)(keys)


@eqx.filter_jit
def _density_defects(
    path: AbstractPath, ends: Float[Array, "2"], steps: int, keys: Key[Array, " n"]
) -> Float[Array, " n"]:
    start, h = ends[0], (ends[1] - ends[0]) / steps

    def slope(t, state):
        x, _ = state
        marginal = path.at(t)
        velocity, trace = jax.vmap(lambda y: _value_and_trace(marginal.velocity, y))(x)
        return velocity, jax.vmap(marginal.growth)(x) - trace

    def step(state, i):
        return runge_kutta_step(slope, start + i * h, state, h), None

    first = path.at(start)
    x = jax.vmap(lambda k: first.sample(key=k))(keys)
    last = path.at(ends[1])
    state = (x, jax.vmap(first.log_density)(x) + first.log_mass)
    (x, carried), _ = jax.lax.scan(step, state, jnp.arange(steps))
    return jnp.abs(jax.vmap(last.log_density)(x) + last.log_mass - carried)


@eqx.filter_jit
def _terms_at(
    path: AbstractPath, terms: Callable, times: Float[Array, " n"], points: Points
) -> Float[Array, "n terms"]:
    return jax.vmap(lambda t, x: terms(path, t, x))(times, points)


def _continuity_terms(path: AbstractPath, t: Scalar, x: Point) -> Float[Array, " terms"]:
    marginal = path.at(t)
    velocity, trace = _value_and_trace(marginal.velocity, x)
    change = velocity @ score(marginal, x)
    return jnp.stack([_rate(path, t, x), change, trace, -marginal.growth(x)])


def _fokker_planck_terms(
    g: Array, path: AbstractPath, t: Scalar, x: Point
) -> Float[Array, " terms"]:
    marginal = path.at(t)
    s = score(marginal, x)
    b, drift_divergence = _value_and_trace(lambda y: drift(marginal, y, g), x)
    # The divergence of the diffusive flux over the density, its two terms.
    _, score_divergence = _value_and_trace(lambda y: g**2 * score(marginal, y), x)
    spread = [-0.5 * score_divergence, -0.5 * ((g**2 * s) @ s)]
    growth = marginal.growth(x)
    return jnp.stack([_rate(path, t, x), b @ s, drift_divergence, *spread, -growth])


def _rate(path: AbstractPath, t: Scalar, x: Point) -> Scalar:
    r"""$\partial_t\log(M\rho)$."""

    def log_density_of_mass(r):
        marginal = path.at(r)
        return marginal.log_density(x) + marginal.log_mass

    return jax.grad(log_density_of_mass)(t)


def _value_and_trace(field: Callable[[Point], Point], x: Point) -> tuple[Point, Scalar]:
    def twice(y):
        value = field(y)
        return value, value

    derivative, value = jax.jacfwd(twice, has_aux=True)(x)
    return value, jnp.trace(derivative)


def _residual_report(
    law: str, terms: Callable, path: AbstractPath, times: Float[Array, " n"], points: Points
) -> Report:
    values = _terms_at(path, terms, times, points)
    residual = jnp.abs(values.sum(-1)) / (1.0 + jnp.abs(values).sum(-1))
    worst = int(jnp.argmax(jnp.where(jnp.isfinite(residual), residual, jnp.inf)))
    detail = f"worst of {len(points)} points, relative to its terms, at t = {times[worst]:.3g}"
    return _report(law, float(residual[worst]), detail, residual)


def _stein(marginal, points: Points) -> Float[Array, "n identities"]:
    scores = jax.vmap(lambda x: score(marginal, x))(points)
    middle, spread = points.mean(0), points.std(0) + 1e-12
    z, s = (points - middle) / spread, scores * spread
    products = z[:, :, None] * s[:, None, :] + jnp.eye(points.shape[1], dtype=s.dtype)
    return jnp.concatenate([s, products.reshape(len(points), -1)], axis=1)


def _report(law: str, value: float, detail: str, like: Array) -> Report:
    return Report(law, value, TOLERANCES[law][str(np.dtype(like.dtype))], detail)
