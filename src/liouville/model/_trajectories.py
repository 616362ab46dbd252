"""Points that a path carries with their mass, in the model's own units."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville import dynamics, paths
from liouville.model._compiled import blocks, is_brief
from liouville.numerics.compiled import quickly

# Steps of trajectories: in a gap between the model's times, in its whole interval, and in a piece.
_OF_GAP, _OF_ALL, _OF_PIECE = 8, 32, 2
# Steps of Euler and Maruyama for each of Runge and Kutta.
_OF_NOISE = 8
_solve_quickly = quickly(dynamics.solve_growing)


def carried(
    path: paths.AbstractPath,
    x: np.ndarray,
    times: np.ndarray,
    *,
    steps: int,
    noise: np.ndarray | None,
    key: jax.Array,
    contexts: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Where points `(..., dim)` are at some times, and the logarithms of what they weigh.

    Along the velocity without noise, else along the diffusion with one of shape `(dim,)`; or each
    along the velocity given a context of its own, shape `(points, size)`. Shapes are `(times, ...,
    dim)` and `(times, ...)`.
    """
    dtype = jnp.zeros(()).dtype
    clock, flat = jnp.asarray(times, dtype), x.reshape(-1, x.shape[-1])
    is_short = is_brief(path, len(flat) * 4 * steps * len(times), once=True)
    solve = _solve_quickly if is_short else dynamics.solve_growing
    moved = [np.empty((len(times), 0, flat.shape[1]))]
    grown = [np.empty((len(times), 0))]
    given = [None] * len(blocks(flat)) if contexts is None else blocks(contexts)
    for number, (block, own) in enumerate(zip(blocks(flat), given, strict=True)):
        start = jnp.asarray(block, dtype)
        if own is not None:
            points, log_weights = _solve_given(path, jnp.asarray(own, dtype), start, clock, steps)
        elif noise is None:
            points, log_weights = solve(path, start, clock, steps=steps)
        else:
            points, log_weights = dynamics.solve_growing_sde(
                path,
                start,
                clock,
                g=jnp.asarray(noise, dtype),
                steps=_OF_NOISE * steps,
                key=jr.fold_in(key, number),
            )
        moved.append(np.asarray(points))
        grown.append(np.asarray(log_weights))
    places, gains = (np.concatenate(a, axis=1)[:, : len(flat)] for a in (moved, grown))
    return places.reshape(len(times), *x.shape), gains.reshape(len(times), *x.shape[:-1])


@eqx.filter_jit
def _solve_given(path, contexts, points, clock, steps):
    """Each point along the velocity given its own context."""

    def one(context, point):
        moved, gained = dynamics.solve_growing(
            path.in_context(context), point[None], clock, steps=steps
        )
        return moved[:, 0], gained[:, 0]

    return jax.vmap(one, out_axes=1)(contexts, points)


def cut(times: np.ndarray, clock: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A clock with those times in between at which curves may have knots, and its places in them.

    These are the model's times and the middles between them.
    """
    known = np.unique(times).astype(float)
    knots = np.concatenate([known, 0.5 * (known[1:] + known[:-1])])
    low, high = np.sort(clock[[0, -1]])
    whole = np.union1d(clock, knots[(knots > low) & (knots < high)])
    wanted = np.searchsorted(whole, clock)
    if clock[0] < clock[-1]:
        return whole, wanted
    return whole[::-1], len(whole) - 1 - wanted


def steps_of(times: np.ndarray, clock: np.ndarray) -> int:
    """How many steps the longest of the pieces of a clock takes, by the model's times."""
    whole, gaps = np.ptp(times), len(np.unique(times)) - 1
    if not whole > 0:
        return _OF_ALL
    share = np.abs(np.diff(clock)).max() / whole
    return max(int(np.ceil(share * max(_OF_GAP * gaps, _OF_ALL))), _OF_PIECE)
