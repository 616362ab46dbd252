"""The fitted model as a user meets it: NumPy in and out, in the user's own units."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from scipy.special import log_softmax

from liouville import paths, quantities
from liouville.data import Standardisation, points_among
from liouville.errors import LiouvilleError
from liouville.model._answers import answers_in_contexts, answers_of, at_times, errors_of
from liouville.model._arguments import (
    Numbers,
    check_members,
    clock_of,
    contexts_of_points,
    key_of,
    noise_to_model,
    one_context,
    points_to_model,
    times_of_points,
    times_to_model,
)
from liouville.model._compiled import BLOCK, draw, log_masses, log_part_masses
from liouville.model._laws import bent_clock, law_of_draws, law_through, legs_between
from liouville.model._records import ModelAnswers, WeightedTrajectories
from liouville.model._trajectories import carried, cut, steps_of
from liouville.numerics import parameters
from liouville.numerics.arguments import check_counts, numbers
from liouville.numerics.arguments import number as one_number
from liouville.numerics.averages import error_of_average
from liouville.numerics.finite import check_answers
from liouville.numerics.plans import ConditionalLaw, Plan
from liouville.runs import storage
from liouville.runs.notebook import AbstractFacts


@dataclass(frozen=True, eq=False, repr=False)
class Model(AbstractFacts):
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
        if self.contexts:
            context = one_context(label, self.contexts)
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
        check_members(len(one.members), one.notes)
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
        names = ModelAnswers._fields
        return ModelAnswers(*self._answers(names, t, x, sigma, std, extrapolate, contexts))

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
        names = ("log_density",)
        return self._answers(names, t, x, None, std, extrapolate, contexts)[0]

    def velocity(
        self, t: Numbers, x: Numbers, *, std: bool = False, extrapolate: bool = False
    ) -> np.ndarray:
        """The velocity, shape `(..., dim)`; arguments as for `log_density`."""
        return self._answers(("velocity",), t, x, None, std, extrapolate)[0]

    def score(
        self, t: Numbers, x: Numbers, *, std: bool = False, extrapolate: bool = False
    ) -> np.ndarray:
        r"""$\nabla\log\rho_t(x)$, shape `(..., dim)`; arguments as for `log_density`."""
        return self._answers(("score",), t, x, None, std, extrapolate)[0]

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
        return self._answers(("drift",), t, x, sigma, std, extrapolate)[0]

    def growth(
        self, t: Numbers, x: Numbers, *, std: bool = False, extrapolate: bool = False
    ) -> np.ndarray:
        r"""The rate $h_t(x)$ at which mass grows, shape `(...)`; arguments as for `log_density`.

        It is zero everywhere for a path that conserves mass.
        """
        return self._answers(("growth",), t, x, None, std, extrapolate)[0]

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
        z = self.points_to_model(x)
        times = self._times_to_model(times_of_points(t, z.shape), extrapolate)
        (value,) = answers_of(self.path, ("log_parts",), times, z)
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
        clock = self._times_to_model(numbers("the time", t), extrapolate)
        if clock.shape:
            raise LiouvilleError(f"sample takes one time, got {len(clock)}; call it once a time")
        time = jnp.asarray(clock, jnp.zeros(()).dtype)
        # Draws come in whole blocks, so that another n compiles nothing and keeps the first ones.
        keys = jr.split(key_of(seed), -(-n // BLOCK))
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
        contexts: Numbers | None = None,
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
            contexts: of every point its own, shape `(..., size)`, for models that depend on
                numbers; without noise.

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
            contexts=contexts,
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
        contexts: Numbers | None = None,
    ) -> WeightedTrajectories:
        """`trajectories` and the mass that their points gain; arguments are the same."""
        if steps is not None:
            check_counts(steps=steps)
        x0 = points_among(x0, self.features)
        start, clock = self.points_to_model(x0), clock_of(times)
        noise = self._noise(sigma)
        if stochastic and not noise.any():
            raise LiouvilleError(
                "stochastic trajectories need noise, got sigma 0; give sigma, in your length per "
                "root of your time"
            )
        own = None
        if contexts is not None:
            own = contexts_of_points(contexts, self.contexts, start.shape[:-1])
            if stochastic:
                raise LiouvilleError(
                    "trajectories of points given their own contexts are without noise; leave out "
                    "stochastic, or ask the model of one: model.given(...)"
                )
        whole, wanted = (clock, np.arange(len(clock))) if steps else cut(self.times, clock)
        places, gains = carried(
            self.path,
            start,
            self._times_to_model(whole, extrapolate),
            steps=steps or steps_of(self.times, whole),
            noise=noise if stochastic else None,
            key=key_of(seed),
            contexts=own,
        )
        found, gains = self.units.to_user(places[wanted]), gains[wanted]
        for t, row, gain in zip(clock.tolist(), found, gains):
            self._checked("trajectory's place", row, t, x0)
            self._checked("trajectory's log-weight", np.asarray(gain), t, x0)
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
        self._times_to_model(np.array([start, end]), False)
        legs = legs_between(self.plans, self.times, start, end)
        if legs:
            law = law_through(legs, found, draws, seed)
            return law.rescaled(self.units.center, self.units.scale)
        repeated = np.broadcast_to(points_among(x, self.features), (draws, *found.shape))
        clock = bent_clock(self.times, start, end)
        return law_of_draws(
            self.trajectories(repeated, clock, steps=4, stochastic=True, seed=seed)[-1]
        )

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

    def points_to_model(self, x: Numbers) -> np.ndarray:
        """Points, shape `(..., dim)`, in the units of the model, after a look at them.

        Raises:
            LiouvilleError: if they have another dimension, or one is not finite or so far away that
                single precision cannot hold it; it names the first.
        """
        return points_to_model(points_among(x, self.features), self.units, self.features)

    def _times_to_model(self, t: np.ndarray, extrapolate: bool) -> np.ndarray:
        return times_to_model(t, self.units, self.interval, extrapolate)

    def _noise(self, sigma: Numbers | None) -> np.ndarray:
        """The noise of every coordinate in the model's units, shape `(dim,)`."""
        return noise_to_model(self.sigma if sigma is None else sigma, self.units)

    def _masses(self, ask: Callable, t: Numbers, extrapolate: bool) -> np.ndarray:
        """What is asked of the marginals alone, at times of any shape."""
        clock = self._times_to_model(numbers("the time", t), extrapolate)
        mass = at_times(ask, self.path, clock)
        if not (self.is_drawn or np.isfinite(mass).all()):
            wrong = np.argwhere(~np.isfinite(mass))[0]
            time = np.ravel(t)[np.ravel_multi_index(wrong[: clock.ndim], clock.shape or (1,))]
            bad = mass[tuple(wrong)]
            raise LiouvilleError(f"the log-mass at time {time:g} is {bad}; fit again")
        return mass

    def _checked(self, name: str, values: np.ndarray, t: Numbers, x: Numbers) -> np.ndarray:
        return values if self.is_drawn else check_answers(name, values, t, x)

    def _answers(
        self,
        names: tuple[str, ...],
        t: Numbers,
        x: Numbers,
        sigma: Numbers | None,
        std: bool,
        extrapolate: bool,
        contexts: Numbers | None = None,
    ) -> list[np.ndarray]:
        """Some of `ModelAnswers` after a look at them, with their errors if these are wanted."""
        x = points_among(x, self.features)
        if contexts is not None and std:
            raise LiouvilleError("no standard errors are known given contexts; leave out std")
        z = self.points_to_model(x)
        times = self._times_to_model(times_of_points(t, z.shape), extrapolate)
        needed = {*names, *(("velocity", "score") if "drift" in names else ())}
        asked = [name for name in quantities.Answers._fields if name in needed]
        if contexts is None:
            answers = answers_of(self.path, asked, times, z)
        else:
            given = contexts_of_points(contexts, self.contexts, times.shape)
            answers = answers_in_contexts(self.path, asked, times, z, given)
        found = dict(zip(asked, answers))
        with np.errstate(over="ignore", invalid="ignore"):  # refused by `_checked`
            if "drift" in names:
                noise = self._noise(sigma)
                found["drift"] = found["velocity"] + 0.5 * noise**2 * found["score"]
            if "log_density" in names:
                found["log_density"] = np.asarray(found["log_density"] + self.units.log_volume(x))
            values = [self._to_user(name, found[name]) for name in names]
        for name, value in zip(names, values):
            self._checked(name, value, t, x)
        if not std:
            return values
        check_members(len(self.members), self.notes)
        errors = errors_of(self.path, names, times, z, self._noise(sigma))
        pairs = zip(values, (self._to_user(name, error) for name, error in zip(names, errors)))
        return [np.stack(pair) for pair in pairs]

    def _to_user(self, name: str, value: np.ndarray) -> np.ndarray:
        """One of `ModelAnswers`, or its error, in the user's units; nats are nats."""
        to_user = {
            "velocity": self.units.velocity_to_user,
            "score": self.units.score_to_user,
            "drift": self.units.velocity_to_user,
            "growth": self.units.rate_to_user,
        }
        return to_user[name](value) if name in to_user else value
