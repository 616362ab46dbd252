"""Answers of a path at many points: cut in blocks of few sizes, and compiled once for each."""

from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from scipy.special import softmax

from liouville import paths, quantities
from liouville.numerics.averages import error_of_average
from liouville.numerics.compiled import quickly

# The most and the fewest points evaluated in one compiled call: the most bounds the memory (block x
# parts x dim). Of different times no more come in one call than that their marginals, each of about
# as many numbers as the path, hold so many numbers together.
BLOCK, _LEAST, _NUMBERS = 4096, 64, 2**24
# A number of points is filled up to the next of sizes that are each so many times the last.
_GROWTH = 4
# Up to so many numbers of the path for all points together, a program that is compiled quickly has
# answered before one that is compiled well; of draws and trajectories, which are asked for once.
_BRIEF, _BRIEF_ONCE = 2**25, 2**28


def is_brief(path: paths.AbstractPath, points: int, *, once: bool = False) -> bool:
    """Whether to compile takes longer than to answer at so many points."""
    return points * numbers_in(path) <= (_BRIEF_ONCE if once else _BRIEF)


def numbers_in(path: paths.AbstractPath) -> int:
    """Of how many numbers a path is."""
    return sum(np.size(leaf) for leaf in jax.tree.leaves(path))


def rows(times: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cuts points in blocks of rows: all points of a row have one time, asked for once.

    A row is about as wide as the mean number of points a time: one time for all points is one row,
    another time for each a column, and what fills up ragged rows is a few times the points.
    Of paths of `size` numbers as many rows make a block as memory allows. Yields the time of every
    row, shape `(rows,)`, and the numbers of its points, `(rows, width)`, in which some come more
    than once.
    """
    if not len(times):
        return
    distinct, place, counts = np.unique(times, return_inverse=True, return_counts=True)
    width = _pad(-(-len(times) // len(distinct)), BLOCK, 1)
    order = np.argsort(place, kind="stable")
    first, rows = np.cumsum(counts) - counts, -(-counts // width)
    index = np.repeat(order[first], rows)[:, None] + np.zeros(width, int)
    place = place[order]
    position = np.arange(len(times)) - first[place]
    index[(np.cumsum(rows) - rows)[place] + position // width, position % width] = order
    most = 1 << max(_NUMBERS // max(size, 1), 1).bit_length() - 1
    most = min(most, BLOCK // width)
    for block in blocks(index, most, min(most, -(-_LEAST // width))):
        yield times[block[:, 0]], block


def blocks(x: np.ndarray, most: int = BLOCK, least: int = _LEAST) -> list[np.ndarray]:
    """Rows in blocks of few sizes, so that another number of points seldom compiles anew."""
    blocks = []
    for begin in range(0, len(x), most):
        block = x[begin : begin + most]
        more = _pad(len(block), most, least) - len(block)
        blocks.append(np.concatenate([block, np.repeat(block[-1:], more, axis=0)]))
    return blocks


@eqx.filter_jit
def answers_at(path: paths.AbstractPath, names: tuple[str, ...], times, x):
    """The named answers at points of shape `(times, n, dim)`; no others are compiled."""
    return jax.vmap(lambda t, points: _answers(path, names, t, points))(times, x)


@eqx.filter_jit
def answers_given(path: paths.AbstractPath, names: tuple[str, ...], times, contexts, x):
    """The same of a path of contexts, one for each time, shape `(times, size)`."""

    def at_one_time(t, context, points):
        return _answers(path.in_context(context), names, t, points)

    return jax.vmap(at_one_time)(times, contexts, x)


def _answers(path: paths.AbstractPath, names: tuple[str, ...], t, points) -> list[jax.Array]:
    marginal = path.at(t)
    if names == ("log_parts",):
        return [jax.vmap(marginal.log_parts)(points)]
    found = jax.vmap(lambda y: quantities.answers(marginal, y))(points)
    return [getattr(found, name) for name in names]


answers_quickly = quickly(answers_at)


@eqx.filter_jit
def errors_at(noise, path: paths.Ensemble, names: tuple[str, ...], times, x):
    """The standard errors of the named answers, or of the drift with a noise `(dim,)`."""

    def at_one_point(marginal, y):
        each = eqx.filter_vmap(lambda member: quantities.answers(member, y))(marginal.members)
        told = {**each._asdict(), "drift": each.velocity + 0.5 * noise**2 * each.score}
        # Densities are averaged by the members' weights, all else by their say at the point.
        say = jax.nn.softmax(marginal.log_weights + each.log_density)
        shares = {"log_density": jax.nn.softmax(marginal.log_weights)}
        return [error_of_average(told[name], shares.get(name, say)) for name in names]

    def at_one_time(t, points):
        marginal = path.at(t)
        return jax.vmap(lambda y: at_one_point(marginal, y))(points)

    return jax.vmap(at_one_time)(times, x)


@quickly
def log_masses(path: paths.AbstractPath, times):
    """The logarithm of the total mass at each time."""
    # A path that does not grow has a zero without shape and precision.
    return jax.vmap(lambda t: jnp.broadcast_to(path.at(t).log_mass, t.shape))(times)


@quickly
def log_part_masses(path: paths.AbstractPath, times):
    """The logarithms of the masses of the parts at each time."""
    return jax.vmap(lambda t: path.at(t).log_part_masses)(times)


def draw(path: paths.AbstractPath, t: jax.Array, key: jax.Array, count: int) -> np.ndarray:
    """Draws; of an average of paths each branch draws its own share of them.

    A branch picked anew for every point would be copied for every point.
    """
    size = _pad(count)
    branches = path.branches()
    if len(branches) == 1:
        sample = _sample_quickly if is_brief(path, size, once=True) else _sample
        return np.asarray(sample(path, t, key, size))[:count]
    keys = jr.split(key, len(branches) + 1)
    shares = np.array([share + log_masses(branch, t[None])[0] for share, branch in branches])
    # Nothing is compiled for it, and more draws keep the first ones.
    rng = np.random.default_rng(np.asarray(jr.key_data(keys[0])))
    label = np.searchsorted(np.cumsum(softmax(shares))[:-1], rng.random(count), side="right")
    drawn = np.empty((count, path.dim))
    for number, ((_, branch), own) in enumerate(zip(branches, keys[1:])):
        rows = np.flatnonzero(label == number)
        if len(rows):
            drawn[rows] = draw(branch, t, own, len(rows))
    return drawn


def _pad(count: int, most: int = BLOCK, least: int = _LEAST) -> int:
    """One of a few sizes, not below `count`: then another number of points seldom compiles."""
    size = least
    while size < min(count, most):
        size *= _GROWTH
    return min(most, size)


@eqx.filter_jit
def _sample(path: paths.AbstractPath, t, key, count: int):
    marginal = path.at(t)
    return jax.vmap(lambda k: marginal.sample(key=k))(jr.split(key, count))


_sample_quickly = quickly(_sample)
