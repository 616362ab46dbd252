"""Whether all that is learned has a gradient."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from liouville.checks._report import TOLERANCES, Report
from liouville.numerics.parameters import learned_leaves, split
from liouville.numerics.types import Scalar
from liouville.paths import AbstractPath


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
