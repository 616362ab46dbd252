"""The equations of continuity and of Fokker and Planck, measured at points by autodiff."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.checks._report import Report, report_of
from liouville.dynamics import Constant, drift
from liouville.numerics.types import Point, Points, Scalar
from liouville.paths import AbstractPath
from liouville.quantities import score


def continuity(path: AbstractPath, times: Float[Array, " n"], points: Points) -> Report:
    r"""Measures $\partial_t\log(M\rho) + u\cdot\nabla\log\rho + \nabla\cdot u - h = 0$ by autodiff.

    Args:
        path: the path.
        times: one time for each point, shape `(n,)`.
        points: points, shape `(n, dim)`; far ones too, where a wrong flux shows.

    Returns:
        The largest residual divided by one plus the sum of the terms' magnitudes.
    """
    return _residual_report("continuity", continuity_terms, path, times, points)


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


def _residual_report(
    law: str, terms: Callable, path: AbstractPath, times: Float[Array, " n"], points: Points
) -> Report:
    values = terms_at(path, terms, times, points)
    residual = jnp.abs(values.sum(-1)) / (1.0 + jnp.abs(values).sum(-1))
    worst = int(jnp.argmax(jnp.where(jnp.isfinite(residual), residual, jnp.inf)))
    detail = f"worst of {len(points)} points, relative to its terms, at t = {times[worst]:.3g}"
    return report_of(law, float(residual[worst]), detail, residual)


@eqx.filter_jit
def terms_at(
    path: AbstractPath, terms: Callable, times: Float[Array, " n"], points: Points
) -> Float[Array, "n terms"]:
    """The terms of an equation at points, each at its own time."""
    return jax.vmap(lambda t, x: terms(path, t, x))(times, points)


def continuity_terms(path: AbstractPath, t: Scalar, x: Point) -> Float[Array, " terms"]:
    """The terms of the equation of continuity, whose sum is zero."""
    marginal = path.at(t)
    velocity, trace = value_and_trace(marginal.velocity, x)
    change = velocity @ score(marginal, x)
    return jnp.stack([_rate(path, t, x), change, trace, -marginal.growth(x)])


def _fokker_planck_terms(
    g: Array, path: AbstractPath, t: Scalar, x: Point
) -> Float[Array, " terms"]:
    marginal = path.at(t)
    s = score(marginal, x)
    b, drift_divergence = value_and_trace(lambda y: drift(marginal, y, g), x)
    # The divergence of the diffusive flux over the density, its two terms.
    _, score_divergence = value_and_trace(lambda y: g**2 * score(marginal, y), x)
    spread = [-0.5 * score_divergence, -0.5 * ((g**2 * s) @ s)]
    growth = marginal.growth(x)
    return jnp.stack([_rate(path, t, x), b @ s, drift_divergence, *spread, -growth])


def _rate(path: AbstractPath, t: Scalar, x: Point) -> Scalar:
    r"""$\partial_t\log(M\rho)$."""

    def log_density_of_mass(r):
        marginal = path.at(r)
        return marginal.log_density(x) + marginal.log_mass

    return jax.grad(log_density_of_mass)(t)


def value_and_trace(field: Callable[[Point], Point], x: Point) -> tuple[Point, Scalar]:
    """A vector field at a point, and its divergence there."""

    def twice(y):
        value = field(y)
        return value, value

    derivative, value = jax.jacfwd(twice, has_aux=True)(x)
    return value, jnp.trace(derivative)
