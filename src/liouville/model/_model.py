"""The fitted model as a user meets it: NumPy in and out, in the user's own units."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from scipy.special import log_softmax

from liouville import dynamics, paths, quantities
from liouville.data import Standardisation, numbers_of, points_among
from liouville.errors import LiouvilleError
from liouville.model._compiled import (
    BLOCK,
    answers_at,
    answers_given,
    answers_quickly,
    blocks,
    draw,
    errors_at,
    is_brief,
    log_masses,
    log_part_masses,
    numbers_in,
    rows,
)
from liouville.model._laws import bent_clock, law_of_draws, law_through, legs_between
from liouville.numerics import parameters
from liouville.numerics.arguments import check_counts, numbers, numbers_of_text
from liouville.numerics.arguments import number as one_number
from liouville.numerics.averages import error_of_average
from liouville.numerics.compiled import quickly
from liouville.numerics.finite import check_answers, point_name
from liouville.numerics.plans import ConditionalLaw, Plan
from liouville.runs import storage
from liouville.runs.notebook import html_table

# What NumPy makes an array of, and data frames and AnnData for points.
Numbers: TypeAlias = Any

# Steps of trajectories: in a gap between the model's times, in its whole interval, and in a piece.
_OF_GAP, _OF_ALL, _OF_PIECE = 8, 32, 2

# What is asked by itself: of many points, or not of `quantities.answers`.
_APART = (("log_density",), ("log_parts",))
_solve_quickly = quickly(dynamics.solve_growing)

# Further away, in units of the model, squares of points and powers of times leave single precision.
_FARTHEST = 1e12


def is_scalar(name: str) -> bool:
    """Whether an answer is one number at a point; the others are one for each coordinate."""
    return name in ("log_density", "growth")


class ModelAnswers(NamedTuple):
    """What a model says at points, in the user's units; see the methods of `Model`.

    Attributes:
        log_density: shape `(...)`.
        velocity: shape `(..., dim)`.
        score: shape `(..., dim)`.
        drift: shape `(..., dim)`.
        growth: shape `(...)`.
    """

    log_density: np.ndarray
    velocity: np.ndarray
    score: np.ndarray
    drift: np.ndarray
    growth: np.ndarray


class WeightedTrajectories(NamedTuple):
    r"""Points that are carried with their mass, in the user's units.

    Points drawn from the density at the first time have, with weights $e^{w_t}$, the density at
    the others; without them only if the path does not grow.

    Attributes:
        points: shape `(times, ..., dim)`; the first row is what was given.
        log_weights: $w_t = \int_{t_0}^t h_s(x_s)\,ds$, shape `(times, ...)`; the first row is 0.
    """

    points: np.ndarray
    log_weights: np.ndarray


@dataclass(frozen=True, eq=False)
class Model:
    r"""A path together with the units of the data it was fitted to.

    Points have any leading batch shape, `(..., dim)`: arrays of any library or nested lists, or a
    data frame or AnnData that has the columns `features`, in any order and among others. A time is
    a number, or an array or column of that batch shape. Log-densities are in nats per user's
    volume, velocities in the user's length per user's time, rates of growth in one over the user's
    time. All methods raise `LiouvilleError` on points of another dimension, on numbers that are not
    finite or 1e12 units of the model away, on times outside `interval` unless `extrapolate` is
    true, and on answers that are not finite, with the first point they are for.
    One alone may be infinite: the log-density is minus infinity
    outside the support of a path that has one (`liouville.maps.AbstractBounded`), where velocity
    and score are zero.

    With `std` an answer of shape `(...)` has shape `(2, ...)`, so that it can be taken apart as
    `value, error = model.velocity(t, x, std=True)`: the answer and its standard error, in the same
    unit, from the members of an average (`liouville.numerics.averages.error_of_average`). It is the
    error that a sample of other cells would make. Where the members were not fitted to cells drawn
    anew (`--bootstrap`) it leaves the sample out, and a warning says so.

    Attributes:
        path: the path, in standardised units.
        units: the map between the user's units and the standardised ones.
        times: the times of the snapshots, in the user's units.
        features: the names of the coordinates.
        time_name: the name of time.
        time_unit: the unit of time, or an empty string.
        sigma: the noise of `drift` and of stochastic trajectories, in the user's length per root of
            the user's time: a number, or one for each coordinate, shape `(dim,)`.
        notes: anything JSON can hold, for instance the versions of the libraries.
        classes: the names of the classes of a model that knows classes; it then answers for all
            of them together, and `given` for one.
        plans: for every gap between two of `times` the law of the end given the start in closed
            form, in standardised units; none, if the diffusion is known by its drift alone.
        is_drawn: whether answers that are not finite are given as they are: pictures leave such
            places out.
    """

    path: paths.AbstractPath
    units: Standardisation
    times: np.ndarray
    features: tuple[str, ...]
    time_name: str = "time"
    time_unit: str = ""
    sigma: float | np.ndarray = 0.0
    notes: dict[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    plans: tuple[Plan, ...] = ()
    is_drawn: bool = False

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.units.dim

    @property
    def contexts(self) -> tuple[str, ...]:
        """The names of the numbers on which the densities depend; `given` is of some of them."""
        return () if self.classes else tuple(self.notes.get("contexts", ()))

    @property
    def interval(self) -> tuple[float, float]:
        """The first and the last time of the data."""
        return float(np.min(self.times)), float(np.max(self.times))

    def given(self, label: object) -> "Model":
        """The model of one class, or of one context.

        Args:
            label: the class; its text is looked up among `classes`. Of a model that depends on
                numbers (`--context`) these numbers, in the user's units, or their text: `0.3,1`.

        Raises:
            LiouvilleError: if the model knows no such class, or these are no such numbers.
        """
        names = self.contexts
        if names:
            if isinstance(label, str):
                label = numbers_of_text(label)
            context = np.atleast_1d(numbers("the context", label))
            if context.shape != (len(names),) or not np.isfinite(context).all():
                raise LiouvilleError(
                    f"the context {np.asarray(label).tolist()} is not {len(names)} finite numbers; "
                    f"give {', '.join(names)}"
                )
            path = self.path.in_context(jnp.asarray(context, jnp.zeros(()).dtype))
            notes = {k: v for k, v in self.notes.items() if k != "contexts"}
            return replace(self, path=path, notes=notes)
        if str(label) not in self.classes:
            known = ", ".join(self.classes[:20]) or "none: it was fitted without classes"
            raise LiouvilleError(f"the model knows no class {str(label)!r}; its classes: {known}")
        path = self.path.in_context(self.classes.index(str(label)))
        return replace(self, path=path, classes=())

    def log_ratio(
        self,
        t: Numbers,
        x: Numbers,
        label: object,
        other: object,
        *,
        std: bool = False,
        extrapolate: bool = False,
    ) -> np.ndarray:
        r"""$\log\rho_t(x \mid a) - \log\rho_t(x \mid b)$ of two classes, shape `(...)`.

        It is of densities, whatever the masses of both are. With `std` its error is the spread of
        the members' own differences, in which what both classes share is no error.

        Args:
            t: time or times, in the user's units.
            x: points, shape `(..., dim)`.
            label: $a$, looked up among `classes`.
            other: $b$.
            std: whether its standard error is wanted besides, see `Model`.
            extrapolate: allow times outside `interval`.
        """
        one, two = self.given(label), self.given(other)

        def ratio(a: Model, b: Model) -> np.ndarray:
            return np.asarray(
                a.log_density(t, x, extrapolate=extrapolate)
                - b.log_density(t, x, extrapolate=extrapolate)
            )

        value = ratio(one, two)
        if not std:
            return value
        one._check_members()
        each = jnp.stack([ratio(a, b) for a, b in zip(one.members, two.members)])
        shares = jnp.full((len(each),), 1.0 / len(each))
        return np.stack([value, error_of_average(each, shares)])

    @property
    def path_in_user(self) -> paths.Rescaled:
        """The path in the user's units."""
        return paths.path_in_user(self.path, self.units)

    @property
    def members(self) -> "tuple[Model, ...]":
        """The models of which this one is the average; none, if it is no average."""
        if not isinstance(self.path, paths.Ensemble):
            return ()
        return tuple(replace(self, path=self.path.member(i)) for i in range(self.path.size))

    def answers(
        self,
        t: Numbers,
        x: Numbers,
        *,
        sigma: Numbers | None = None,
        std: bool = False,
        extrapolate: bool = False,
        contexts: Numbers | None = None,
    ) -> ModelAnswers:
        """Log-density, velocity, score, drift and growth in one pass; arguments as for `drift`.

        With `contexts` every point is asked about given its own, shape `(..., size)`, which is for
        models that depend on numbers.
        """
        x, names = self._points(x), quantities.Answers._fields
        if contexts is not None and std:
            raise LiouvilleError("no standard errors are known given contexts; leave out std")
        found = self._ask(names, t, x, extrapolate, contexts=contexts)
        log_density, velocity, score, growth = found
        answers = ModelAnswers(
            self._density(log_density, x),
            *self._motion(velocity, score, sigma),
            self.units.rate_to_user(growth),
        )
        for name, values in answers._asdict().items():
            self._checked(name, values, t, x)
        if not std:
            return answers
        errors = self._errors(answers._fields, t, x, sigma)
        return ModelAnswers(*map(np.stack, zip(answers, errors)))

    def log_density(
        self,
        t: Numbers,
        x: Numbers,
        *,
        std: bool = False,
        extrapolate: bool = False,
        contexts: Numbers | None = None,
    ) -> np.ndarray:
        r"""$\log\rho_t(x)$ in nats per user's volume, shape `(...)`.

        It is minus infinity where the density is zero, outside the support of a bounded path.

        Args:
            t: time or times, in the user's units.
            x: points, shape `(..., dim)`.
            std: whether its standard error is wanted besides, see `Model`.
            extrapolate: allow times outside `interval`.
            contexts: of every point its own, shape `(..., size)`: then it is
                $\log\rho_t(x \mid c)$. For models that depend on numbers.
        """
        x = self._points(x)
        if contexts is not None and std:
            raise LiouvilleError("no standard errors are known given contexts; leave out std")
        (value,) = self._ask(("log_density",), t, x, extrapolate, contexts=contexts)
        return self._answer("log_density", self._density(value, x), t, x, std)

    def velocity(
        self, t: Numbers, x: Numbers, *, std: bool = False, extrapolate: bool = False
    ) -> np.ndarray:
        """The velocity, shape `(..., dim)`; arguments as for `log_density`."""
        x = self._points(x)
        (value,) = self._ask(("velocity",), t, x, extrapolate)
        return self._answer("velocity", self.units.velocity_to_user(value), t, x, std)

    def score(
        self, t: Numbers, x: Numbers, *, std: bool = False, extrapolate: bool = False
    ) -> np.ndarray:
        r"""$\nabla\log\rho_t(x)$, shape `(..., dim)`; arguments as for `log_density`."""
        x = self._points(x)
        (value,) = self._ask(("score",), t, x, extrapolate)
        return self._answer("score", self.units.score_to_user(value), t, x, std)

    def drift(
        self,
        t: Numbers,
        x: Numbers,
        *,
        sigma: Numbers | None = None,
        std: bool = False,
        extrapolate: bool = False,
    ) -> np.ndarray:
        r"""The drift $u + \tfrac12\sigma^2\nabla\log\rho$ of the diffusion with the same law.

        Args:
            t: time or times, in the user's units.
            x: points, shape `(..., dim)`.
            sigma: the noise, as the attribute; by default the model's.
            std: whether its standard error is wanted besides, see `Model`.
            extrapolate: allow times outside `interval`.
        """
        x = self._points(x)
        velocity, score = self._ask(("velocity", "score"), t, x, extrapolate)
        return self._answer("drift", self._motion(velocity, score, sigma)[2], t, x, std, sigma)

    def growth(
        self, t: Numbers, x: Numbers, *, std: bool = False, extrapolate: bool = False
    ) -> np.ndarray:
        r"""The rate $h_t(x)$ at which mass grows, shape `(...)`; arguments as for `log_density`.

        It is zero everywhere for a path that conserves mass.
        """
        x = self._points(x)
        (value,) = self._ask(("growth",), t, x, extrapolate)
        return self._answer("growth", self.units.rate_to_user(value), t, x, std)

    def log_mass(self, t: Numbers, *, extrapolate: bool = False) -> np.ndarray:
        r"""$\log M_t$, the logarithm of the total mass, of the shape of `t`.

        It is zero for a path that conserves mass. What mass counts in, the task says.

        Args:
            t: time or times, any shape.
            extrapolate: allow times outside `interval`.
        """
        return self._masses(log_masses, t, extrapolate)

    def log_shares(self, t: Numbers, x: Numbers, *, extrapolate: bool = False) -> np.ndarray:
        r"""$\log\gamma_k$, how likely a point is of each part, shape `(..., parts)`.

        A part keeps its own mass at all times (`liouville.paths.AbstractMarginal.log_parts`); those
        of all members of an ensemble count. Arguments are those of `log_density`.
        """
        x = self._points(x)
        (value,) = self._ask(("log_parts",), t, x, extrapolate)
        # Where no part has density, outside the support of a bounded path, all are as likely.
        value = np.where(value.max(-1, keepdims=True) > -np.inf, value, 0.0)
        return log_softmax(value, axis=-1)

    def log_part_masses(self, t: Numbers, *, extrapolate: bool = False) -> np.ndarray:
        r"""$\log m_k$ of the parts of `log_shares`, `(..., parts)`; $\sum_k m_k$: `log_mass`."""
        return self._masses(log_part_masses, t, extrapolate)

    def sample(self, t: Numbers, n: int, *, seed: int = 0, extrapolate: bool = False) -> np.ndarray:
        """Independent draws from the density at one time, shape `(n, dim)`.

        Args:
            t: the time.
            n: the number of draws, one or more.
            seed: of the draws.
            extrapolate: allow a time outside `interval`.
        """
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise LiouvilleError(f"{n} samples were asked for; ask for one or more")
        clock = self._model_times(numbers("the time", t), extrapolate)
        if clock.shape:
            raise LiouvilleError(f"sample takes one time, got {len(clock)}; call it once a time")
        time = jnp.asarray(clock, jnp.zeros(()).dtype)
        # Draws come in whole blocks, so that another n compiles nothing and keeps the first ones.
        keys = jr.split(_key(seed), -(-n // BLOCK))
        drawn = [draw(self.path, time, key, BLOCK) for key in keys]
        found = self.units.to_user(np.concatenate(drawn)[:n])
        return self._checked("place", found, t, found)

    def trajectories(
        self,
        x0: Numbers,
        times: Sequence[float] | np.ndarray,
        *,
        seed: int = 0,
        stochastic: bool = False,
        sigma: Numbers | None = None,
        steps: int | None = None,
        extrapolate: bool = False,
    ) -> np.ndarray:
        """Carries points along the velocity, or along the diffusion with the same densities.

        Args:
            x0: points at `times[0]`, shape `(..., dim)`.
            times: two times or more, increasing or decreasing.
            seed: of the noise.
            stochastic: draw paths of the diffusion with noise `sigma`.
            sigma: the noise, as the attribute; by default the model's.
            steps: steps between two neighbouring times (Runge-Kutta of order 4, or
                Euler-Maruyama with eight times as many); by default eight in a mean gap between the
                model's times, 32 from the first to the last, and two at least.
            extrapolate: allow times outside `interval`.

        Returns:
            Shape `(len(times), ..., dim)`; the first row is `x0`. If the path grows, they are no
            draws from the density at later times: see `weighted_trajectories`.
        """
        return self.weighted_trajectories(
            x0,
            times,
            seed=seed,
            stochastic=stochastic,
            sigma=sigma,
            steps=steps,
            extrapolate=extrapolate,
        ).points

    def weighted_trajectories(
        self,
        x0: Numbers,
        times: Sequence[float] | np.ndarray,
        *,
        seed: int = 0,
        stochastic: bool = False,
        sigma: Numbers | None = None,
        steps: int | None = None,
        extrapolate: bool = False,
    ) -> WeightedTrajectories:
        """`trajectories` and the mass that their points gain; arguments are the same."""
        if steps is not None:
            check_counts(steps=steps)
        given, x0 = self._points(x0), self.points_to_model(x0)
        clock = numbers("the times of trajectories", times)
        signs = np.sign(np.diff(np.atleast_1d(clock)))
        if clock.ndim != 1 or not signs.any() or np.any(signs != signs[0]):
            raise LiouvilleError(
                "trajectories need two or more increasing (or decreasing) times, got "
                f"{clock.tolist()}"
            )
        noise = self._noise(sigma)
        if stochastic and not noise.any():
            raise LiouvilleError(
                "stochastic trajectories need noise, got sigma 0; give sigma, in your length per "
                "root of your time"
            )
        whole, wanted = (clock, np.arange(len(clock))) if steps else self._cut(clock)
        steps = steps or self._steps(whole)
        dtype = jnp.zeros(()).dtype
        model_times = jnp.asarray(self._model_times(whole, extrapolate), dtype)
        g = jnp.asarray(noise, dtype)
        moved = [np.empty((len(whole), 0, self.dim))]
        grown = [np.empty((len(whole), 0))]
        flat = x0.reshape(-1, self.dim)
        stages = 4 * steps * len(whole)
        is_short = is_brief(self.path, len(flat) * stages, once=True)
        solve = _solve_quickly if is_short else dynamics.solve_growing
        for number, block in enumerate(blocks(flat)):
            start, key = jnp.asarray(block, dtype), jr.fold_in(_key(seed), number)
            if stochastic:
                points, log_weights = dynamics.solve_growing_sde(
                    self.path, start, model_times, g=g, steps=8 * steps, key=key
                )
            else:
                points, log_weights = solve(self.path, start, model_times, steps=steps)
            moved.append(np.asarray(points))
            grown.append(np.asarray(log_weights))
        every = (np.concatenate(a, axis=1) for a in (moved, grown))
        places, gains = (a[wanted, : len(flat)] for a in every)
        found = self.units.to_user(places.reshape(len(clock), *x0.shape))
        gains = gains.reshape(len(clock), *x0.shape[:-1])
        for t, row, gain in zip(clock.tolist(), found, gains):
            self._checked("trajectory's place", row, t, given)
            self._checked("trajectory's log-weight", np.asarray(gain), t, given)
        return WeightedTrajectories(found, gains)

    def conditional(
        self,
        x: Numbers,
        *,
        start: float | None = None,
        end: float | None = None,
        draws: int = 200,
        seed: int = 0,
    ) -> ConditionalLaw:
        r"""The law of $X_{end}$ given $X_{start} = x$ of the diffusion.

        Within a gap that has a plan it is a mixture in closed form, with weights, means and
        covariances; `mean` is the barycentric map. Through several gaps, or without plans, it is
        known by draws, which have a mean and a covariance and no density.

        Args:
            x: points at `start`, shape `(..., dim)`.
            start: their time; by default the first.
            end: the time that is asked for; by default the last. Before `start` it is the way back,
                by draws.
            draws: how many of them, where there is no closed form.
            seed: of the draws.

        Raises:
            LiouvilleError: on points or times that do not fit, or a model without noise.
        """
        first, last = (float(t) for t in self.interval)
        start = first if start is None else one_number("the time of the points", start)
        end = last if end is None else one_number("the time that is asked for", end)
        if start == end:
            raise LiouvilleError(f"the law at time {start:g} given itself is x; give two times")
        check_counts(draws=draws)
        if not self._noise(None).any():
            raise LiouvilleError(
                "draws and laws of the end need noise, which the model has not; fit with --sigma, "
                "or ask for the map without draws"
            )
        found = self.points_to_model(x)
        self._model_times(np.array([start, end]), False)
        legs = legs_between(self.plans, self.times, start, end)
        if legs:
            law = law_through(legs, found, draws, seed)
            return law.rescaled(self.units.center, self.units.scale)
        repeated = np.broadcast_to(self._points(x), (draws, *found.shape))
        clock = bent_clock(self.times, start, end)
        return law_of_draws(
            self.trajectories(repeated, clock, steps=4, stochastic=True, seed=seed)[-1]
        )

    def _cut(self, clock: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Times with those in between at which curves may have knots, and where they are in them.

        These are the model's times and the middles between them.
        """
        known = np.unique(self.times).astype(float)
        knots = np.concatenate([known, 0.5 * (known[1:] + known[:-1])])
        low, high = np.sort(clock[[0, -1]])
        whole = np.union1d(clock, knots[(knots > low) & (knots < high)])
        wanted = np.searchsorted(whole, clock)
        if clock[0] < clock[-1]:
            return whole, wanted
        return whole[::-1], len(whole) - 1 - wanted

    def _steps(self, clock: np.ndarray) -> int:
        """How many steps the longest of the pieces between some times takes."""
        whole, gaps = np.ptp(self.times), len(np.unique(self.times)) - 1
        if not whole > 0:
            return _OF_ALL
        share = np.abs(np.diff(clock)).max() / whole
        return max(int(np.ceil(share * max(_OF_GAP * gaps, _OF_ALL))), _OF_PIECE)

    def save(self, file: Path | str) -> None:
        """Writes the model to a file: arrays and a description, no code.

        Raises:
            LiouvilleError: if the file cannot be written.
        """
        description, arrays = storage.describe(self.path)
        # The names of a path's arrays begin with a dot, those of a tuple with a bracket.
        plans, more = storage.describe(self.plans)
        content = {
            "path": description,
            "units": self.units.to_dict(),
            "times": np.asarray(self.times, float).tolist(),
            "features": list(self.features),
            "time_name": self.time_name,
            "time_unit": self.time_unit,
            "sigma": np.asarray(self.sigma, float).tolist(),
            "notes": self.notes,
            "classes": list(self.classes),
            "plans": plans,
        }
        storage.write(Path(file), arrays | more, content, kind="model")

    def facts(self) -> dict[str, Any]:
        """What `liouville info` says of the model, as JSON can hold it."""
        return {
            **self.notes,
            "path": type(self.path).__name__,
            "coordinates": self.dim,
            "features": list(self.features),
            "times": np.asarray(self.times).tolist(),
            "time": f"{self.time_name} {self.time_unit}".strip(),
            "sigma": np.asarray(self.sigma).tolist(),
            "parameters": sum(leaf.size for leaf in parameters.learned_leaves(self.path).values()),
        }

    def _contexts(self, contexts: Numbers, batch: tuple[int, ...]) -> np.ndarray:
        """The context of every point of a batch, shape `(points, size)`."""
        names, found = self.contexts, numbers("the contexts", contexts)
        if not names:
            raise LiouvilleError("the model depends on no numbers; leave out contexts")
        if found.shape != (*batch, len(names)) or not np.isfinite(found).all():
            raise LiouvilleError(
                f"contexts of shape {found.shape} for points of {batch} are not {len(names)} "
                f"finite numbers each; give {', '.join(names)} for every point"
            )
        return found.reshape(-1, len(names))

    def _shape(self, name: str) -> tuple[int, ...]:
        """The shape of an answer at one point."""
        if name != "log_parts":
            return () if is_scalar(name) else (self.dim,)
        time = jax.ShapeDtypeStruct((), jnp.zeros(()).dtype)
        return eqx.filter_eval_shape(lambda p, t: p.at(t).log_part_masses, self.path, time).shape

    def _repr_html_(self) -> str:
        return html_table((name, str(value)) for name, value in self.facts().items())

    def _points(self, x: Numbers) -> np.ndarray:
        """Points as an array in the user's units, by the names of columns if they have any."""
        return points_among(x, self.features)

    def points_to_model(self, x: Numbers) -> np.ndarray:
        """Points, shape `(..., dim)`, in the units of the model, after a look at them.

        Raises:
            LiouvilleError: if they have another dimension, or one is not finite or so far away that
                single precision cannot hold it; it names the first.
        """
        x = self._points(x)
        if x.ndim == 0 or x.shape[-1] != self.dim:
            raise LiouvilleError(
                f"points of shape {x.shape} do not fit a model of {self.dim} coordinates "
                f"({', '.join(self.features[:6])}{', ...' if self.dim > 6 else ''}); "
                f"give shape (..., {self.dim})"
            )
        with np.errstate(over="ignore"):
            found = self.units.to_model(x)
        far = np.argwhere(~(np.abs(found) < _FARTHEST))
        if len(far):
            *row, column = far[0].tolist()
            name, value = self.features[column], x[tuple(far[0])]
            if not np.isfinite(value):
                raise LiouvilleError(
                    f"a point has a NaN or infinite {name}: {point_name(row)}; remove or impute it"
                )
            raise LiouvilleError(
                f"{name} of {point_name(row)} is {value:g}, more than {_FARTHEST:g} units of the "
                "model away, where single precision ends; check its unit, or remove it"
            )
        return found

    def _noise(self, sigma: Numbers | None) -> np.ndarray:
        """The noise of every coordinate in the model's units, shape `(dim,)`."""
        given = self.sigma if sigma is None else numbers("sigma", sigma)
        with np.errstate(over="ignore"):
            found = self.units.noise_to_model(given)
        if not np.all(found < _FARTHEST):
            raise LiouvilleError(
                f"sigma is {given}, more than {_FARTHEST:g} units of the model; check its unit"
            )
        return found

    def _model_times(self, t: np.ndarray, extrapolate: bool) -> np.ndarray:
        start, end = self.interval
        if not np.isfinite(t).all():
            raise LiouvilleError("a time is NaN or infinite; remove it")
        slack = 1e-9 * (end - start)
        outside = t[(t < start - slack) | (t > end + slack)]
        if outside.size and not extrapolate:
            raise LiouvilleError(
                f"time {outside.flat[0]:g} is outside the fitted range {start:g} to {end:g}; "
                "choose a time inside, or allow it: --extrapolate (extrapolate=True in Python)"
            )
        with np.errstate(over="ignore"):
            found = np.asarray(self.units.time_to_model(t))
        far = ~(np.abs(found) < _FARTHEST)
        if far.any():
            raise LiouvilleError(
                f"time {t[far].flat[0]:g} is more than {_FARTHEST:g} durations of the data away, "
                "where single precision ends; check its unit"
            )
        return found

    def _density(self, value: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.asarray(value + self.units.log_volume(x))

    def _motion(
        self, velocity: np.ndarray, score: np.ndarray, sigma: Numbers | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Velocity, score and drift in the user's units."""
        with np.errstate(over="ignore", invalid="ignore"):  # refused by `_checked`
            drift = velocity + 0.5 * self._noise(sigma) ** 2 * score
            to_user = self.units.velocity_to_user
            return to_user(velocity), self.units.score_to_user(score), to_user(drift)

    def _masses(self, ask: Callable, t: Numbers, extrapolate: bool) -> np.ndarray:
        """What is asked of the marginals alone, at times of any shape."""
        clock = self._model_times(numbers("the time", t), extrapolate)
        flat = clock.astype(jnp.zeros(()).dtype).reshape(-1)
        found = np.concatenate([np.asarray(ask(self.path, b)) for b in blocks(flat)] or [flat])
        mass = found[: flat.size].reshape((*clock.shape, *found.shape[1:])).astype(float)
        if not (self.is_drawn or np.isfinite(mass).all()):
            wrong = np.argwhere(~np.isfinite(mass))[0]
            time = np.ravel(t)[np.ravel_multi_index(wrong[: clock.ndim], clock.shape or (1,))]
            bad = mass[tuple(wrong)]
            raise LiouvilleError(f"the log-mass at time {time:g} is {bad}; fit again")
        return mass

    def _checked(self, name: str, values: np.ndarray, t: Numbers, x: Numbers) -> np.ndarray:
        return values if self.is_drawn else check_answers(name, values, t, x)

    def _answer(
        self,
        name: str,
        values: np.ndarray,
        t: Numbers,
        x: np.ndarray,
        std: bool,
        sigma: Numbers | None = None,
    ) -> np.ndarray:
        """An answer after a look at it, with its standard error if that is wanted."""
        values = self._checked(name, values, t, x)
        if not std:
            return values
        return np.stack([values, *self._errors((name,), t, x, sigma)])

    def _errors(
        self, names: tuple[str, ...], t: Numbers, x: np.ndarray, sigma: Numbers | None
    ) -> list[np.ndarray]:
        """The standard errors of some answers, in the user's units; times were looked at before."""
        self._check_members()
        to_user = {
            "log_density": lambda error: error,
            "velocity": self.units.velocity_to_user,
            "score": self.units.score_to_user,
            "drift": self.units.velocity_to_user,
            "growth": self.units.rate_to_user,
        }
        noise = jnp.asarray(self._noise(sigma), jnp.zeros(()).dtype)
        found = self._ask(names, t, x, True, partial(errors_at, noise))
        return [to_user[name](error) for name, error in zip(names, found)]

    def _check_members(self) -> None:
        """Refuses a model without members, and says if their spread is not that of a sample."""
        members = len(self.members)
        if members < 2:
            raise LiouvilleError(
                f"the model has {members or 'no'} members{' only' if members else ''}, whose "
                "spread is the error of its answers; fit cells with --bootstrap cells"
            )
        if self.notes.get("bootstrap", "none") == "none":
            warnings.warn(
                "the members of this model were all fitted to the same cells: the errors are those "
                "of its start, and leave out that of the sample; fit with --bootstrap cells",
                stacklevel=4,
            )

    def _ask(
        self,
        names: tuple[str, ...],
        t: Numbers,
        x: Numbers,
        extrapolate: bool,
        function: Callable[..., list[jax.Array]] | None = None,
        *,
        contexts: Numbers | None = None,
    ) -> list[np.ndarray]:
        """Some of `quantities.Answers` at every point, or what else a function says of them.

        All are in the model's units, each given its context if there are some.
        """
        x = self.points_to_model(x)
        batch, flat = x.shape[:-1], x.reshape(-1, self.dim)
        t = numbers_of(t, "times")
        try:
            every = np.broadcast_to(t, batch).reshape(-1)
        except ValueError as error:
            raise LiouvilleError(
                f"times of shape {t.shape} do not fit points of shape {x.shape}; give one time, "
                "or one for each point"
            ) from error
        dtype = jnp.zeros(()).dtype
        shapes = [(*batch, *self._shape(name)) for name in names]
        results = [np.empty((len(flat), *shape[len(batch) :])) for shape in shapes]
        size = numbers_in(self.path)
        asked, keys = names, self._model_times(every, extrapolate)
        given = None
        if contexts is not None:
            given, keys = np.unique(
                np.column_stack([keys, self._contexts(contexts, batch)]),
                axis=0,
                return_inverse=True,
            )
        if function is None and given is None:
            is_quick = is_brief(self.path, len(flat))
            function = answers_quickly if is_quick else answers_at
            if is_quick and names not in _APART:  # the same program answers other questions, too
                asked = quantities.Answers._fields
        for times, index in rows(keys.ravel(), size):
            points = flat[index].astype(dtype)
            if given is None:
                assert function is not None
                found = function(self.path, asked, times.astype(dtype), points)
            else:
                row = given[times].astype(dtype)
                found = answers_given(self.path, asked, row[:, 0], row[:, 1:], points)
            for name, result in zip(names, results):
                result[index] = found[asked.index(name)]
        return [result.reshape(shape) for result, shape in zip(results, shapes)]


def _key(seed: int) -> jax.Array:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or abs(int(seed)) >= 2**63:
        raise LiouvilleError(f"the seed is {seed!r}; give a whole number below 2^63")
    return jr.key(int(seed))
