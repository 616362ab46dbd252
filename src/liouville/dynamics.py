r"""Stochastic dynamics that share a path's densities, and rollouts that check them.

With $dX = b\,dt + g\,dW$ the law of $X$ obeys $\partial_t\rho = -\nabla\cdot(\rho b) +
\tfrac12 g^2 \Delta\rho$. Comparing with the continuity equation, any path $(\rho, u)$ is the law
of the process with drift $b = u + \tfrac12 g^2 \nabla\log\rho$, for every $g(t)$. The noise is a
number or one for each coordinate: then $g^2$ is the diagonal matrix of its squares.

Nothing here is used in training: rollouts verify a path and draw its trajectories.
"""

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.paths import AbstractMarginal, AbstractPath
from liouville.quantities import score

Method = Literal["euler", "heun", "rk4"]
Constant = float | Scalar | Float[Array, " dim"]
Noise = Constant | Callable[[Scalar], Scalar | Float[Array, " dim"]]
Diffusion = Callable[[Scalar, Point], Float[Array, "dim dim"]]


def drift(marginal: AbstractMarginal, x: Point, g: Constant) -> Point:
    r"""The Fokker-Planck drift $b = u + \tfrac12 g^2 \nabla\log\rho$ at one point.

    Args:
        marginal: the path at one time.
        x: point, shape `(dim,)`.
        g: the noise at that time, in space per square root of time, of shape `()` or `(dim,)`;
            zero gives the velocity.
    """
    return marginal.velocity(x) + 0.5 * g**2 * score(marginal, x)


def reverse_drift(marginal: AbstractMarginal, x: Point, g: Constant) -> Point:
    r"""The drift $u - \tfrac12 g^2 \nabla\log\rho$ of the time-reversed process.

    Run from late to early with noise of strength $g$, $X_{t - h} = X_t - h\, b + g \sqrt h\, Z$
    has the path's laws (Anderson 1982).
    """
    return marginal.velocity(x) - 0.5 * g**2 * score(marginal, x)


def matrix_drift(path: AbstractPath, t: Scalar, x: Point, diffusion: Diffusion) -> Point:
    r"""The drift $b = u + \tfrac12(\nabla\cdot D + D\nabla\log\rho)$ for $D = G G^\top$.

    The law of $dX = b\,dt + G\,dW$ (Itô) obeys $\partial_t\rho = -\nabla\cdot(\rho b) + \tfrac12
    \sum_{ij} \partial_i\partial_j (D_{ij}\rho)$; the divergence of $D$ is taken row by row.

    Args:
        path: the path.
        t: time, shape `()`.
        x: point, shape `(dim,)`.
        diffusion: the symmetric matrix field $D(t, x)$, shape `(dim, dim)`.
    """
    marginal = path.at(t)
    derivative = jax.jacfwd(lambda y: diffusion(t, y))(x)
    row_divergence = jnp.einsum("ijj->i", derivative)
    return marginal.velocity(x) + 0.5 * (row_divergence + diffusion(t, x) @ score(marginal, x))


def control(marginal: AbstractMarginal, x: Point, reference: Point, sigma: Constant) -> Point:
    r"""The control $c = (b - f)/\sigma$ that turns $dX = f\,dt + \sigma\,dW$ into the path.

    Args:
        marginal: the path at one time.
        x: point, shape `(dim,)`.
        reference: the reference drift $f(t, x)$, shape `(dim,)`.
        sigma: the noise, positive, of shape `()` or `(dim,)`.
    """
    return (drift(marginal, x, sigma) - reference) / sigma


@eqx.filter_jit
def solve_ode(
    path: AbstractPath,
    x0: Points,
    times: Float[Array, " times"],
    *,
    steps: int = 100,
    method: Method = "rk4",
) -> Float[Array, "times n dim"]:
    r"""Carries points along $\dot x = u_t(x)$, forwards or backwards in time.

    Args:
        path: the path.
        x0: points at `times[0]`, shape `(n, dim)`.
        times: times at which the points are wanted, monotone, shape `(times,)`.
        steps: the number of equal steps between two neighbouring times.
        method: Euler (order 1), Heun (2) or the classical Runge-Kutta method (4).

    Returns:
        The points at all times, shape `(times, n, dim)`; the first row is `x0`.
    """

    def slope(t, x):
        return jax.vmap(path.at(t).velocity)(x)

    def step(x, t, h, _):
        return runge_kutta_step(slope, t, x, h, method)

    return _scan_steps(step, x0, times, steps)


@eqx.filter_jit
def solve_growing(
    path: AbstractPath,
    x0: Points,
    times: Float[Array, " times"],
    *,
    steps: int = 100,
    method: Method = "rk4",
) -> tuple[Float[Array, "times n dim"], Float[Array, "times n"]]:
    r"""Carries points along $\dot x = u_t(x)$ with masses that grow at the rate $h_t(x)$.

    Points drawn from $\rho_{t_0}$ with weights $\tfrac1n M_{t_0} e^{w_t}$ have the law $M_t\rho_t$.
    Args are those of `solve_ode`.

    Returns:
        The points at all times, shape `(times, n, dim)`, and $w_t = \int_{t_0}^t h_s(x_s)\,ds$,
        shape `(times, n)`; the first rows are `x0` and zeros.
    """

    def slope(t, state):
        marginal = path.at(t)
        return jax.vmap(lambda x: (marginal.velocity(x), marginal.growth(x)))(state[0])

    def step(state, t, h, _):
        return runge_kutta_step(slope, t, state, h, method)

    return _scan_steps(step, (x0, jnp.zeros_like(x0[:, 0])), times, steps)


# Nodes and weights of methods in which each stage starts from the slope of the one before.
_METHODS = {
    "euler": ((0.0,), (1.0,)),
    "heun": ((0.0, 1.0), (0.5, 0.5)),
    "rk4": ((0.0, 0.5, 0.5, 1.0), (1 / 6, 1 / 3, 1 / 3, 1 / 6)),
}
# The slope may jump where curves have knots. Steps that end there ask for it just inside, by so
# many roundings of the time: at the knot itself they would be of the first order only.
_ROUNDINGS = 8


def runge_kutta_step(
    slope: Callable[[Scalar, Any], Any], t: Scalar, state: Any, h: Scalar, method: Method = "rk4"
) -> Any:
    r"""One step of an explicit Runge-Kutta method for $\dot y = f(t, y)$.

    The stages are a scan, so that $f$ is compiled once whatever their number.

    Args:
        slope: $f$, from a time of shape `()` and a state to a state.
        t: time, shape `()`.
        state: any pytree of arrays.
        h: the step, shape `()`.
        method: Euler (order 1), Heun (2) or the classical method (4).
    """

    def ahead(rates, share):
        return jax.tree.map(lambda y, k: y + share * h * k, state, rates)

    def stage(carry, coefficients):
        last, total = carry
        node, weight = coefficients
        rates = slope(t + jnp.clip(node * h, low, high), ahead(last, node))
        return (rates, jax.tree.map(lambda s, k: s + weight * k, total, rates)), None

    nodes, weights = (jnp.asarray(c, h.dtype) for c in _METHODS[method])
    ends = jnp.sort(jnp.stack([jnp.zeros_like(h), h]))
    inside = _ROUNDINGS * jnp.finfo(h.dtype).eps * jnp.maximum(jnp.abs(t), jnp.abs(t + h))
    low, high = ends + jnp.minimum(inside, 0.25 * jnp.abs(h)) * jnp.asarray([1.0, -1.0], h.dtype)
    zero = jax.tree.map(jnp.zeros_like, state)
    (_, mean), _ = jax.lax.scan(stage, (zero, zero), (nodes, weights))
    return ahead(mean, 1.0)


@eqx.filter_jit
def solve_sde(
    path: AbstractPath,
    x0: Points,
    times: Float[Array, " times"],
    *,
    g: Noise,
    steps: int = 100,
    key: RandomKey,
) -> Float[Array, "times n dim"]:
    r"""Euler-Maruyama for $dX = b\,dt + g\,dW$ with the Fokker-Planck drift of the path.

    Decreasing `times` run the time-reversed process, with `reverse_drift`.

    Args:
        path: the path.
        x0: points at `times[0]`, shape `(n, dim)`.
        times: times at which the points are wanted, monotone, shape `(times,)`.
        g: the noise, of shape `()` or `(dim,)`, or a function of time that gives one.
        steps: the number of equal steps between two neighbouring times.
        key: random key; step `i` uses `fold_in(key, i)`.

    Returns:
        The points at all times, shape `(times, n, dim)`; the first row is `x0`.
    """
    step = _noisy_step(path, g, key)
    return _scan_steps(lambda x, t, h, i: step(x, t, h, i)[0], x0, times, steps)


@eqx.filter_jit
def solve_growing_sde(
    path: AbstractPath,
    x0: Points,
    times: Float[Array, " times"],
    *,
    g: Noise,
    steps: int = 100,
    key: RandomKey,
) -> tuple[Float[Array, "times n dim"], Float[Array, "times n"]]:
    r"""`solve_sde` with masses that grow at the rate $h_t(x)$, as in `solve_growing`.

    The law of the weighted points obeys $\partial_t(M\rho) = -\nabla\cdot(M\rho b) +
    \tfrac12 g^2\Delta(M\rho) + h M\rho$ (Feynman and Kac), which is that of the path.

    Returns:
        The points, shape `(times, n, dim)`, and $w_t = \int_{t_0}^t h_s(X_s)\,ds$, shape
        `(times, n)`.
    """
    move = _noisy_step(path, g, key)

    def step(state, t, h, i):
        x, log_weight = state
        moved, marginal = move(x, t, h, i)
        return moved, log_weight + h * jax.vmap(marginal.growth)(x)

    return _scan_steps(step, (x0, jnp.zeros_like(x0[:, 0])), times, steps)


def _noisy_step(path: AbstractPath, g: Noise, key: RandomKey) -> Callable:
    """A step of Euler-Maruyama, and the marginal from which it started."""

    def step(x, t, h, i):
        marginal = path.at(t)
        noise = jnp.asarray(g(t) if callable(g) else g, x.dtype)
        # On the way back (h < 0) the score pulls with the other sign.
        pull = 0.5 * noise**2 * jnp.sign(h)
        slope = jax.vmap(lambda y: marginal.velocity(y) + pull * score(marginal, y))(x)
        dw = jnp.sqrt(jnp.abs(h)) * jr.normal(jr.fold_in(key, i), x.shape, x.dtype)
        return x + h * slope + noise * dw, marginal

    return step


def _scan_steps(step: Callable, x0: Any, times: Float[Array, " times"], steps: int) -> Any:
    """One compiled scan over all steps of all pieces; only the wanted times are kept."""

    def piece(x, ends):
        start, end, number = ends
        h = (end - start) / steps

        def small(x, i):
            return step(x, start + i * h, h, number * steps + i), None

        x, _ = jax.lax.scan(small, x, jnp.arange(steps))
        return x, x

    numbers = jnp.arange(times.shape[0] - 1)
    _, later = jax.lax.scan(piece, x0, (times[:-1], times[1:], numbers))
    return jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), x0, later)


def diffrax_terms(
    path: AbstractPath,
    *,
    g: Noise | None = None,
    key: RandomKey | None = None,
    interval: tuple[float, float] | None = None,
):
    r"""The path's dynamics as Diffrax terms for one point, to verify it with adaptive solvers.

    Args:
        path: the path.
        g: the noise; `None` for the ordinary differential equation $\dot x = u$.
        key: random key of the Brownian motion; needed with `g`.
        interval: times between which the Brownian motion lives; needed with `g`.

    Returns:
        An `ODETerm`, or a `MultiTerm` of an `ODETerm` and a `ControlTerm`.

    Raises:
        ImportError: without Diffrax; install `liouville[verify]`.
        ValueError: with `g` but without `key` or `interval`.
    """
    try:
        import diffrax
    except ImportError as error:
        raise ImportError("Diffrax is missing: pip install 'liouville[verify]'") from error
    if g is None:
        return diffrax.ODETerm(lambda t, x, _: path.at(jnp.asarray(t)).velocity(x))
    if key is None or interval is None:
        raise ValueError("diffrax_terms with g needs key and interval for its Brownian motion")

    def noise(t):
        return jnp.asarray(g(t) if callable(g) else g)

    width = abs(interval[1] - interval[0])
    motion = diffrax.VirtualBrownianTree(
        min(interval), max(interval), tol=width * 1e-4, shape=(path.dim,), key=key
    )
    return diffrax.MultiTerm(
        diffrax.ODETerm(lambda t, x, _: drift(path.at(jnp.asarray(t)), x, noise(t))),
        diffrax.ControlTerm(lambda t, x, _: noise(t) * jnp.eye(path.dim), motion),
    )
