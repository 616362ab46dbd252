"""Mass, and how it grows, by quadrature."""

import math
from collections.abc import Sequence
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from liouville.checks._report import Report, report_of
from liouville.numerics.types import Scalar
from liouville.paths import AbstractPath


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
    return mass_and_growth(path, t, box, nodes, support, tolerance)[0]


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
    return mass_and_growth(path, t, box, nodes, support, tolerance)[1]


def mass_and_growth(
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
        report_of("mass", abs(total - 1.0), f"|mass - 1| {at}", axes),
        report_of("growth", missed, f"|growth - rate of the mass| {at}", axes),
    ]
    return [r if tolerance is None else replace(r, tolerance=tolerance) for r in reports]


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
