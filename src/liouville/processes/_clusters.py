from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from liouville.errors import LiouvilleError
from liouville.numerics.types import RandomKey, as_float
from liouville.processes._base import AbstractMarks
from liouville.processes._hawkes import Hawkes, HawkesHazard, Poisson, PoissonHazard
from liouville.processes._history import History
from liouville.processes._kernels import AbstractKernel
from liouville.processes._next import inverse_mass
from liouville.processes._rates import AbstractRate

# Arrays are padded to this length, or to it times a power of the next: few shapes are compiled.
_LEAST, _STEP = 1024, 8
# So many times the events that one catalogue may have are those of all catalogues together.
_MOST_TOGETHER = 100


class Clusters(NamedTuple):
    """Simulated events of many catalogues, by catalogue and time.

    Attributes:
        number: of the catalogue, from 0, shape `(n,)`.
        times: local times, shape `(n,)`.
        marks: shape `(n,)`; zeros without marks.
    """

    number: np.ndarray
    times: np.ndarray
    marks: np.ndarray


def exploded(most: int, horizon: float) -> LiouvilleError:
    """What is raised of a catalogue that has more events than there may be."""
    return LiouvilleError(
        f"a simulated catalogue has more than {most} events in {horizon:g} units of time: the "
        "process explodes; shorten the horizon, or fit with more events (its branching ratio is in "
        "the report)"
    )


def simulate_clusters(
    intensity: Hawkes | Poisson,
    marks: AbstractMarks | None,
    history: History,
    horizon: float,
    n: int,
    *,
    most: int,
    seed: int,
) -> Clusters:
    r"""Draws what follows a history in many catalogues at once, exactly.

    A Hawkes process is a sum of independent Poisson processes, of the background and of the direct
    children of every event: $\kappa(m_i)\,g(t - t_i)$. So all catalogues are drawn generation by
    generation, without a step from event to event (Hawkes and Oakes, J. Appl. Prob. 11, 1974).
    What an event triggers must not depend on its place: with a heredity it does, see `follow`.
    Kinds that are inherited are drawn from those of the parents, which this process knows.

    Args:
        intensity: when events happen.
        marks: the law of marks; without it new events have the mark zero.
        history: the events up to local time zero, where the simulation begins.
        horizon: local time at which it ends.
        n: the number of catalogues.
        most: events of one catalogue above which the process counts as explosive.
        seed: of the draws.

    Raises:
        LiouvilleError: if a catalogue has more events.
        ValueError: if what an event triggers depends on its place.
    """
    if isinstance(intensity, Hawkes) and intensity.heredity is not None:
        raise ValueError("events with a heredity are no independent clusters; use follow")
    rng, key = np.random.default_rng(seed), jr.key(seed)
    number, times, parents = first_generation(intensity, history, horizon, n, rng)
    found: list[tuple[np.ndarray, ...]] = []
    total, generation = np.zeros(n, int), 0
    while len(times):
        own = _marks(marks, parents, jr.fold_in(key, generation))
        found.append((number, times, own))
        total += np.bincount(number, minlength=n)
        if not isinstance(intensity, Hawkes):
            break
        generation += 1
        left = horizon - times
        children = rng.poisson(_padded(_offspring_means, (left, own), intensity))
        grown = total + np.bincount(number, children, n)
        if grown.max() > most or grown.sum() > _MOST_TOGETHER * most:
            raise exploded(most, horizon)
        number, since = np.repeat(number, children), np.repeat(times, children)
        parents = np.repeat(own, children)
        times = since + _children_times(intensity, rng, 0.0 * since, since, horizon)
    columns = [np.concatenate(c) for c in zip(*found)] if found else [np.zeros(0)] * 3
    number, times, own = columns
    order = np.lexsort((times, number))
    return Clusters(number[order].astype(int), times[order], own[order])


def first_generation(
    intensity: Hawkes | Poisson, history: History, horizon: float, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Events of the background and direct children of known events, in many catalogues at once.

    Returns:
        Of each the number of the catalogue, the local time, and the mark of its parent, NaN for
        the background; in no order, shape `(events,)`.
    """
    rate = intensity.background if isinstance(intensity, Hawkes) else intensity.rate
    whole, means = _expected(intensity, rate, history, as_float(horizon))
    means = np.asarray(means, np.float64)
    counts = rng.poisson(float(whole), n)
    shares = rng.random(int(counts.sum())) * float(whole)
    times = _padded(_background_times, shares, rate, history.origin, as_float(horizon))
    counts = (counts, rng.poisson(means.sum(), n))
    chances = means / means.sum() if means.any() else None
    known = rng.choice(len(means), int(counts[1].sum()), p=chances)
    number = np.concatenate([np.repeat(np.arange(n), count) for count in counts])
    parents = np.full(int(counts[0].sum()), np.nan)
    parents = np.append(parents, np.asarray(history.marks, np.float64)[known])
    ages = -np.asarray(history.times, np.float64)[known]
    times = np.concatenate([times, _children_times(intensity, rng, ages, 0.0 * ages, horizon)])
    return number, times, parents


def _room(n: int) -> int:
    size = _LEAST
    while size < n:
        size *= _STEP
    return size


def _padded(
    function: Callable[..., Array], columns: np.ndarray | tuple[np.ndarray, ...], *fixed: Any
) -> np.ndarray:
    """A compiled function over columns of any length, shape `(n,)`, in one of few shapes."""
    columns = columns if isinstance(columns, tuple) else (columns,)
    n = len(columns[0])
    if not n:
        return np.zeros(0)
    size = _room(n)
    padded = (as_float(np.pad(column, (0, size - n), "edge")) for column in columns)
    return np.asarray(function(*fixed, *padded), np.float64)[:n]


def _children_times(
    intensity: Hawkes | Poisson,
    rng: np.random.Generator,
    ages: np.ndarray,
    since: np.ndarray,
    horizon: float,
) -> np.ndarray:
    """Times of children after `since`, when their parents have these ages, up to the horizon."""
    if not len(ages) or not isinstance(intensity, Hawkes):
        return np.zeros(0)
    columns = (ages, horizon - since, rng.random(len(ages)))
    return _padded(_kernel_times, columns, intensity.kernel)


def _marks(marks: AbstractMarks | None, parents: np.ndarray, key: RandomKey) -> np.ndarray:
    """Marks of events whose parents have these; NaN for those without a parent."""
    if marks is None:
        return np.zeros(len(parents))
    keys = jr.split(key, _room(len(parents)))
    return _padded(lambda given: _drawn_marks(marks, given, keys), parents)


@eqx.filter_jit
def _expected(
    intensity: Hawkes | Poisson, rate: AbstractRate, history: History, horizon: Array
) -> tuple[Array, Array]:
    """Events of the background up to the horizon, and direct children of each known event."""
    now = jnp.zeros_like(history.origin)
    whole = PoissonHazard(rate, history.origin).integral(now, horizon)
    hazard = intensity.after(history)
    if not isinstance(hazard, HawkesHazard):
        return whole, jnp.zeros_like(history.times)
    past = history.before(now, inclusive=True)
    masses = jax.vmap(lambda age: hazard.kernel.mass(age, horizon))(history.elapsed(now))
    return whole, jnp.where(past, jnp.exp(hazard.log_means) * masses, 0.0)


@eqx.filter_jit
def _offspring_means(intensity: Hawkes, left: Array, marks: Array) -> Float[Array, " n"]:
    masses = jax.vmap(intensity.kernel.cdf)(left)
    return jnp.exp(jax.vmap(intensity.productivity.log_mean)(marks)) * masses


@eqx.filter_jit
def _background_times(rate: AbstractRate, origin: Array, horizon: Array, targets: Array) -> Array:
    hazard, now = PoissonHazard(rate, origin), jnp.zeros_like(origin)

    def one(target: Array) -> Array:
        return inverse_mass(lambda d: hazard.integral(now, now + d), horizon, target)

    return jax.vmap(one)(targets)


@eqx.filter_jit
def _kernel_times(kernel: AbstractKernel, ages: Array, left: Array, shares: Array) -> Array:
    def one(age: Array, left: Array, share: Array) -> Array:
        target = share * kernel.mass(age, left)
        return inverse_mass(lambda d: kernel.mass(age, d), left, target)

    return jax.vmap(one)(ages, left, shares)


@eqx.filter_jit
def _drawn_marks(marks: AbstractMarks, parents: Array, keys: Array) -> Array:
    def one(parent: Array, key: Array) -> Array:
        is_child = jnp.isfinite(parent)
        child = marks.of_children(jnp.where(is_child, parent, 0.0)).sample(key=key)
        return jnp.where(is_child, child, marks.sample(key=key))

    return jax.vmap(one)(parents, keys)
