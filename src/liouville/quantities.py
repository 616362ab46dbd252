r"""Functions of a marginal: what can be read off a density and its velocity.

All take a marginal (`path.at(t)`) and one point of shape `(dim,)`; use `jax.vmap` for many.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.numerics.types import Point, Points, Scalar
from liouville.paths import AbstractMarginal


class Answers(NamedTuple):
    r"""What a marginal says at one point.

    Attributes:
        log_density: $\log\rho_t(x)$ in nats, shape `()`.
        velocity: $u_t(x)$, shape `(dim,)`, in units of space per unit of time.
        score: $\nabla\log\rho_t(x)$, shape `(dim,)`, in one over units of space.
        growth: $h_t(x)$, shape `()`, in one over the unit of time; 0 where mass is conserved.
    """

    log_density: Scalar
    velocity: Point
    score: Point
    growth: Scalar


def answers(marginal: AbstractMarginal, x: Point) -> Answers:
    """All answers at one point; log-density and score are one value and its gradient."""
    log_density, slope = jax.value_and_grad(marginal.log_density)(x)
    return Answers(log_density, marginal.velocity(x), slope, marginal.growth(x))


def score(marginal: AbstractMarginal, x: Point) -> Point:
    r"""The score $\nabla\log\rho_t(x)$, shape `(dim,)`, in one over units of space."""
    return jax.grad(marginal.log_density)(x)


def flux(marginal: AbstractMarginal, x: Point) -> Point:
    r"""The flux $\rho_t(x)\, u_t(x)$, shape `(dim,)`; it underflows where the density does."""
    return jnp.exp(marginal.log_density(x)) * marginal.velocity(x)


def jacobian(marginal: AbstractMarginal, x: Point) -> Float[Array, "dim dim"]:
    r"""The Jacobian of the velocity, $\partial u_i / \partial x_j$ at place $(i, j)$."""
    return jax.jacfwd(marginal.velocity)(x)


def divergence(marginal: AbstractMarginal, x: Point) -> Scalar:
    r"""The divergence $\nabla\cdot u_t(x)$, exact, from `dim` forward-mode products."""
    return jnp.trace(jacobian(marginal, x))


def jacobian_asymmetry(marginal: AbstractMarginal, x: Point) -> Scalar:
    r"""$\tfrac12 \|Du - Du^\top\|_F^2$: zero everywhere exactly when $u$ is a gradient field.

    The velocity of least kinetic energy for a given density path is a gradient (Benamou and
    Brenier 2000), so this says how far a velocity is from optimal, whatever the density does.
    """
    derivative = jacobian(marginal, x)
    return 0.5 * jnp.sum((derivative - derivative.T) ** 2)


def kinetic_energy(velocities: Points, weights: Float[Array, " n"]) -> Scalar:
    r"""$\tfrac12 \sum_i w_i |u_i|^2$, an estimate of $\tfrac12 E_\rho |u|^2$.

    Args:
        velocities: velocities (or drifts) at weighted particles, shape `(n, dim)`.
        weights: the particles' weights, shape `(n,)`.
    """
    return 0.5 * jnp.sum(weights * jnp.sum(velocities**2, axis=-1))
