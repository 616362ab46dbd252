r"""What a population pays for every unit of time, and the term that adds it up.

A running cost looks at one marginal: `cost(t, marginal, points, weights, key=key)`, where the
weighted points are particles of it. All costs of a problem see the same particles, so that the
work of a time and of a point is done once. Functions that a user gave are looked at while JAX
traces, which costs nothing in training: a wrong one is a `LiouvilleError` that says what to write.
"""

import abc
from collections.abc import Callable, Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int

from liouville.numerics.functions import check_function
from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.objectives._base import AbstractTerm
from liouville.objectives._transport import Cost, Field, over_time
from liouville.paths import AbstractMarginal, AbstractPath
from liouville.quantities import score

# A number for all coordinates, one for each, a matrix, or a function of time and place of these.
# A matrix of fewer columns than rows is constant.
Noise = float | Float[Array, "..."] | Callable[[Scalar, Point], Float[Array, "..."]]
Kernel = Callable[[Point, Point], Scalar]

# All pairs of a time together have at most about so many coordinates.
_PAIRED = 2**22
Statistic = Callable[[Scalar, AbstractMarginal, Points, Float[Array, " n"]], Scalar]


class Crowd(eqx.Module):
    """A population as a drift meets it: points, shape `(n, dim)`, and weights of sum one."""

    points: Points
    weights: Float[Array, " n"]

    def mean(self, function: Callable[[Point], Array] | None = None) -> Array:
        """The mean of a function of one point over the population; of the point itself without."""
        values = self.points if function is None else jax.vmap(function)(self.points)
        return jnp.tensordot(self.weights, values, axes=1)


class MeanField(eqx.Module):
    r"""A drift that depends on the law of the population, $f(t, x, \rho_t)$ (McKean and Vlasov).

    The law is met as a `Crowd`: `lambda t, x, crowd: -2.0 * (x - crowd.mean())` pulls to the mean,
    `crowd.mean(lambda y: jnp.sin(y - x))` is the force of coupled phases.

    Attributes:
        drift: a function of time, point and crowd, for one point, written with `jax.numpy`.
        crowd: how many particles of a path it meets, drawn apart; where it is asked at more, it
            meets those. Means that are small in many coordinates need many.
    """

    drift: Callable[[Scalar, Point, Crowd], Point] = eqx.field(static=True)
    crowd: int = eqx.field(static=True, default=0)

    def among(self, points: Points, weights: Float[Array, " n"]) -> Field:
        """The drift of a point in the presence of these, as a function of time and point."""
        crowd = Crowd(points, weights)
        return lambda t, x: self.drift(t, x, crowd)


Drift = Field | MeanField


def drift_among(drift: Drift | None, points: Points, weights: Float[Array, " n"]) -> Field | None:
    """A drift as a function of time and point, among a population if it asks for one."""
    return drift.among(points, weights) if isinstance(drift, MeanField) else drift


def drift_within(
    drift: Drift | None,
    marginal: AbstractMarginal,
    points: Points,
    weights: Float[Array, " n"],
    *,
    key: RandomKey,
) -> Field | None:
    """A drift as a function of time and point in a marginal, of which these are particles."""
    if isinstance(drift, MeanField) and drift.crowd > points.shape[0]:
        points, weights = marginal.particles(drift.crowd, key=key)
    return drift_among(drift, points, weights)


class AbstractRunningCost(eqx.Module):
    """What one marginal pays for a unit of time."""

    @property
    def is_of_places(self) -> bool:
        """Whether only the points count, which makes many of them cheap."""
        return False

    def exact(self) -> "AbstractRunningCost":
        """The cost as it is, without what makes it easier to train with: what figures show."""
        return self

    @abc.abstractmethod
    def __call__(
        self,
        t: Scalar,
        marginal: AbstractMarginal,
        points: Points,
        weights: Float[Array, " n"],
        *,
        key: RandomKey,
    ) -> Scalar:
        """An unbiased estimate, with an unbiased gradient, shape `()`.

        Args:
            t: time, shape `()`.
            marginal: the path at that time.
            points: particles of it, shape `(n, dim)`.
            weights: their weights, of sum one.
            key: random key, for costs that draw more.
        """


class Effort(AbstractRunningCost):
    r"""The effort of control, $\tfrac12 E|c|^2$ for $dX = (f + \sigma c)\,dt + \sigma\,dW$.

    With $D = \sigma\sigma^\top$ and the Fokker-Planck drift $b = u + \tfrac12(\nabla\cdot D +
    D\nabla\log\rho)$ it is $\tfrac12 E (b - f)^\top D^{-1} (b - f)$: over time, the relative
    entropy of the controlled process to the uncontrolled one with the same start (Girsanov).

    Attributes:
        sigma: the noise, in space per square root of time: a positive number, one for each
            coordinate, an invertible matrix, or a function of time and place that gives one of
            these. A matrix of shape `(dim, noises)` leaves directions without noise and control:
            there the drift of the path must be $f$, as that of the positions of an
            `liouville.paths.Inertial` is their momentum.
        drift: the uncontrolled drift $f(t, x)$, or a `MeanField`, which meets the particles at
            which the effort is measured, or more; none for zero.

    Raises:
        ValueError: if a number is not positive.
    """

    sigma: Noise
    drift: Drift | None = None

    def __check_init__(self):
        """Without noise no finite effort moves the density exactly."""
        if isinstance(self.sigma, int | float) and not self.sigma > 0:
            raise ValueError(f"sigma is {self.sigma}; control acts through noise, so make it > 0")

    def __call__(self, t, marginal, points, weights, *, key) -> Scalar:
        """Half the mean square of the control."""
        one, dim = {"t": t, "x": points[0]}, points.shape[1]
        drift = drift_within(self.drift, marginal, points, weights, key=key)
        if drift is not None:
            check_function("the drift", drift, one, (dim,))
        if callable(self.sigma):
            check_function("sigma", self.sigma, one, noise_shape(self.sigma, t, points[0]))
        controls = jax.vmap(lambda x: control_at(t, marginal, x, self.sigma, drift))(points)
        return 0.5 * weights @ jnp.sum(controls**2, axis=-1)


def control_at(
    t: Scalar, marginal: AbstractMarginal, x: Point, sigma: Noise, drift: Field | None = None
) -> Point:
    r"""The control $c = \sigma^{-1}(b - f)$ at one point, $b$ the Fokker-Planck drift.

    The marginal is the path at time `t`; noise and uncontrolled drift are as in `Effort`. Of fewer
    noises than coordinates it is $(\sigma^\top\sigma)^{-1}\sigma^\top(b - f)$, one number for each.
    """
    velocity, slope = marginal.velocity(x), score(marginal, x)
    excess = velocity if drift is None else velocity - drift(t, x)
    if isinstance(sigma, int | float) or (not callable(sigma) and sigma.ndim == 1):
        return excess / sigma + 0.5 * sigma * slope
    if not callable(sigma):
        matrix = sigma
        if sigma.shape[0] != sigma.shape[1]:
            matrix, excess = sigma.T @ sigma, sigma.T @ excess
        return jnp.linalg.solve(matrix, excess) + 0.5 * sigma.T @ slope

    def diffusion(y):
        return noise_matrix(sigma, t, y) @ noise_matrix(sigma, t, y).T

    divergence = jnp.einsum("ijj->i", jax.jacfwd(diffusion)(x))
    push = excess + 0.5 * (divergence + diffusion(x) @ slope)
    return jnp.linalg.solve(noise_matrix(sigma, t, x), push)


def noise_matrix(sigma: Noise, t: Scalar, x: Point) -> Float[Array, "dim dim"]:
    """The noise at a time and a place as a matrix, in whichever form it was given."""
    value = sigma(t, x) if callable(sigma) else jnp.asarray(sigma, x.dtype)
    return value if value.ndim == 2 else value * jnp.eye(x.shape[0], dtype=x.dtype)


def noise_shape(sigma: Callable, t: Scalar, x: Point) -> tuple[int, ...]:
    """The shape that a function for the noise should have: its own, if that is one of a noise."""
    dim = x.shape[0]
    try:
        shape = jax.eval_shape(sigma, t, x).shape
    except Exception:  # a function of a user may raise anything; whoever checks it says so
        return (dim, dim)
    return shape if shape in ((), (dim,)) else (dim, dim)


class Potential(AbstractRunningCost):
    r"""A cost of the place, $E V(t, x)$.

    Its gradient passes through $V$. Where $V$ has no useful gradient, as an indicator, give
    `smoothing` $s > 0$: the cost is then $E V(t, x + s z)$ with $z \sim N(0, I)$ and the gradient
    with respect to the place is $E\,[V(x + s z) - V(x - s z)]\, z / 2s$, which asks for values
    alone (Nesterov and Spokoiny, Found. Comput. Math. 2017).

    Attributes:
        cost: $V$, from a time of shape `()` and a point to a number of shape `()`.
        smoothing: $s$, in units of space.
    """

    cost: Cost
    smoothing: float = eqx.field(static=True, default=0.0)

    @property
    def is_of_places(self) -> bool:
        """Density and velocity are not asked."""
        return True

    def exact(self) -> "Potential":
        """The cost without smoothing."""
        return Potential(self.cost)

    def __call__(self, t, marginal, points, weights, *, key) -> Scalar:
        """The mean cost."""
        del marginal
        check_function("the cost of a Potential", self.cost, {"t": t, "x": points[0]}, ())
        if not self.smoothing:
            return weights @ jax.vmap(lambda x: self.cost(t, x))(points)
        z = jr.normal(key, points.shape, points.dtype)
        return weights @ jax.vmap(lambda x, z: self.around(t, x, z))(points, z)

    def around(self, t: Scalar, x: Point, z: Point) -> Scalar:
        """The mean of $V(t, x + s z)$ and $V(t, x - s z)$, with the gradient of their difference.

        Averaged over normal $z$ it is the smoothed cost.
        """
        still = jax.lax.stop_gradient(x)
        above = self.cost(t, still + self.smoothing * z)
        below = self.cost(t, still - self.smoothing * z)
        slope = (above - below) * z / (2.0 * self.smoothing)
        # The bracket is zero; its derivative is the slope.
        return 0.5 * (above + below) + slope @ (x - still)


class Entropy(AbstractRunningCost):
    r"""The negative entropy $E\log\rho_t$ in nats: it keeps a crowd apart."""

    def __call__(self, t, marginal, points, weights, *, key) -> Scalar:
        """The mean log-density."""
        del t, key
        return weights @ jax.vmap(marginal.log_density)(points)


class Interaction(AbstractRunningCost):
    r"""What pairs pay, $E\,k(x, y)$ with $x$ and $y$ independent draws of the marginal.

    Attributes:
        kernel: $k$, symmetric, from two points to a number.
    """

    kernel: Kernel

    def __call__(self, t, marginal, points, weights, *, key) -> Scalar:
        """The mean over pairs of these particles and independent other ones, not too many."""
        del t
        check_function("the kernel", self.kernel, {"x": points[0], "y": points[0]}, ())
        count = max(1, min(points.shape[0], _PAIRED // points.size))
        others, shares = marginal.particles(count, key=key)
        pairs = jax.vmap(lambda x: jax.vmap(lambda y: self.kernel(x, y))(others))(points)
        return weights @ pairs @ shares


class Functional(AbstractRunningCost):
    """Any function of the time, the marginal and its particles.

    Attributes:
        of: from a time, a marginal, points and weights to a number.
    """

    of: Statistic

    def __call__(self, t, marginal, points, weights, *, key) -> Scalar:
        """Its value."""
        del key
        given = {"t": t, "marginal": marginal, "points": points, "weights": weights}
        check_function("the function of a Functional", self.of, given, ())
        return self.of(t, marginal, points, weights)


class Running(AbstractTerm):
    r"""$\int_{t_0}^{t_1} \sum_j \lambda_j\, c_j(\rho_t)\,dt$.

    Attributes:
        interval: $(t_0, t_1)$.
        names: of the running costs.
        costs: the running costs.
        weights: $\lambda$, shape `(costs,)`.
        ramp: for each cost, the share of its weight at the first step of training; it grows
            geometrically to one. Stiff costs start small.
        ramp_steps: the steps until all weights are whole.
        times: the number of stratified times a step.
        particles: the number of particles at each time.
        places: the number of particles for costs of the place, at least `particles`. An obstacle
            is met by few of them, and no density has to be computed at more.
        crowding: how much denser the times are near both ends: `stratified_times`.
        name: under which the term is logged.
    """

    interval: tuple[float, float] = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)
    costs: tuple[AbstractRunningCost, ...]
    weights: Float[Array, " costs"]
    ramp: Float[Array, " costs"]
    ramp_steps: int = eqx.field(static=True)
    times: int = eqx.field(static=True)
    particles: int = eqx.field(static=True)
    places: int = eqx.field(static=True)
    crowding: float = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __init__(
        self,
        interval: tuple[float, float],
        costs: Mapping[str, AbstractRunningCost],
        weights: Mapping[str, float] | None = None,
        *,
        ramp: Mapping[str, float] | None = None,
        ramp_steps: int = 0,
        times: int = 16,
        particles: int = 64,
        places: int = 0,
        crowding: float = 0.0,
        name: str = "cost",
    ):
        self.interval = interval
        self.names, self.costs = tuple(costs), tuple(costs.values())
        self.weights = jnp.array([(weights or {}).get(cost, 1.0) for cost in costs])
        self.ramp = jnp.array([(ramp or {}).get(cost, 1.0) for cost in costs])
        self.ramp_steps = ramp_steps
        self.times, self.particles, self.places = times, particles, max(places, particles)
        self.crowding, self.name = crowding, name

    def at(self, step: Int[Array, ""]) -> "Running":
        """The term at a step of training, its weights as far as they have grown."""
        if not self.ramp_steps:
            return self
        missing = jnp.clip(1.0 - step / self.ramp_steps, 0.0, 1.0)
        return eqx.tree_at(lambda term: term.weights, self, self.weights * self.ramp**missing)

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """An unbiased estimate of the weighted sum."""
        return self.weights @ self.each(path, key=key)

    def each(self, path: AbstractPath, *, key: RandomKey) -> Float[Array, " costs"]:
        """An unbiased estimate of every cost's integral, unweighted, shape `(costs,)`."""

        def at_one_time(t, marginal, points, weights, key):
            keys = jr.split(key, len(self.costs))
            many = (points, weights)
            if self.places > self.particles and any(c.is_of_places for c in self.costs):
                many = marginal.particles(self.places, key=jr.fold_in(key, len(self.costs)))
            return jnp.stack(
                [
                    cost(t, marginal, *(many if cost.is_of_places else (points, weights)), key=k)
                    for cost, k in zip(self.costs, keys)
                ]
            )

        return over_time(
            path, at_one_time, self.interval, self.times, self.particles, key, self.crowding
        )


class Terminal(AbstractTerm):
    r"""A cost of where the population ends, $E_{\rho_T} \varphi(x)$.

    Attributes:
        time: $T$.
        cost: $\varphi$, from a point to a number of shape `()`.
        particles: the number of particles.
        name: under which the term is logged.
    """

    time: float = eqx.field(static=True)
    cost: Callable[[Point], Scalar]
    particles: int = eqx.field(static=True, default=256)
    name: str = eqx.field(static=True, default="terminal")

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """An unbiased estimate of the mean."""
        points, weights = path.at(jnp.asarray(self.time)).particles(self.particles, key=key)
        check_function("the terminal cost", self.cost, {"x": points[0]}, ())
        return weights @ jax.vmap(self.cost)(points)
