"""What a point process says given a history, compiled: in the model's own units."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from liouville.numerics.types import as_float
from liouville.processes import (
    AbstractMagnitudes,
    History,
    Kinds,
    PointProcess,
    Polygon,
    TriggeredPath,
    log_density,
)

# Places that are asked about at once.
_BLOCK = 1024


def by_block(
    function: Callable[[PointProcess, History, jax.Array], jax.Array],
    process: PointProcess,
    past: History,
    places: np.ndarray,
) -> np.ndarray:
    """A function of this file at places, in blocks of one size: one program for any number."""
    points = np.pad(places, [(0, -len(places) % _BLOCK), (0, 0)], "edge")
    blocks = (points[begin : begin + _BLOCK] for begin in range(0, len(points), _BLOCK))
    found = [function(process, past, as_float(block)) for block in blocks]
    return np.concatenate([np.asarray(a, np.float64) for a in found])[: len(places)]


class Answers(NamedTuple):
    """The rate and the densities of some places."""

    rate: jax.Array
    density: jax.Array


def answers(process: PointProcess, past: History, points: jax.Array) -> Answers:
    """Both, for those who ask for their shapes alone."""
    return Answers(_rate(process, past), densities(process, past, points))


@eqx.filter_jit
def _rate(process: PointProcess, past: History) -> jax.Array:
    return jnp.exp(process.intensity.after(past).log_rate(jnp.zeros_like(past.origin)))


@eqx.filter_jit
def rates(process: PointProcess, pasts: History) -> jax.Array:
    """Events per unit of time, each given a history of its own."""
    return jax.vmap(functools.partial(_rate, process))(pasts)


@eqx.filter_jit
def densities(process: PointProcess, past: History, points: jax.Array) -> jax.Array:
    """The log-density of the place of an event, now."""
    path, now = process.places.after(past), jnp.zeros_like(past.origin)
    return _at_points(lambda x: log_density(path, now, x), points)


@eqx.filter_jit
def log_survival(marks: AbstractMagnitudes, excess: jax.Array) -> jax.Array:
    """The log-chances of a mark as large or larger, of any shape."""
    return jnp.vectorize(marks.log_survival)(excess)


@eqx.filter_jit
def velocities(process: PointProcess, past: History, points: jax.Array) -> jax.Array:
    """The velocity of this density between events."""
    marginal = process.places.after(past).at(jnp.zeros_like(past.origin))
    return _at_points(marginal.velocity, points)


@eqx.filter_jit
def kind_chances(process: PointProcess, past: History, points: jax.Array) -> jax.Array:
    """The chance of each kind of an event at some places, now."""
    now = jnp.zeros_like(past.origin)

    def one(x: jax.Array) -> jax.Array:
        law = process.mark_law(past, now, x)
        assert isinstance(law, Kinds)
        return law.probabilities

    return _at_points(one, points)


def _at_points(function: Callable[[jax.Array], jax.Array], points: jax.Array) -> jax.Array:
    """Some points at once; all of them if they have no coordinates, which need no memory."""
    return jax.lax.map(function, points, batch_size=64 if points.size else None)


@eqx.filter_jit
def mass_of(process: PointProcess, past: History, region: Polygon) -> jax.Array:
    """The mass of the density of places in a region."""
    path, now = process.places.after(past), jnp.zeros_like(past.origin)
    mass = region.mass(path.at(now))
    return mass * jnp.exp(path.log_share(now)) if isinstance(path, TriggeredPath) else mass
