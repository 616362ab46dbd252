"""Expected numbers of events in the cells of a grid."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from liouville.data import Events, Region
from liouville.errors import LiouvilleError
from liouville.numerics.types import as_float
from liouville.paths import Gaussian, LocationScaleMarginal
from liouville.processes import History, PointProcess, Polygon, shares_parts
from liouville.tasks.events._masses import Cells, Parts, density_of, masses_of, mesh, projected
from liouville.tasks.events.catalogues import Catalogue, Expected
from liouville.tasks.events.model import EventModel
from liouville.tasks.events.units import EventUnits

_CELLS = {1: 100, 2: 50, 3: 20}
_MOST_CELLS = 2_000_000
# Nodes of all cells together, and the most pieces of a cell along a side; a piece has two nodes.
_NODES, _PIECES = 400_000, 4
# Parts of simulated events, of which more are represented by some of them.
_MOST_LATE = 20_000
# Parts that together have less than this share are left out; those that change less stand still.
_NEGLIGIBLE, _STILL = 1e-7, 1e-3


class Grid(NamedTuple):
    """Cells of equal size in the coordinates."""

    edges: tuple[np.ndarray, ...]  # of every coordinate
    expected: np.ndarray  # events in every cell on average, (cells, cells, ...)
    mask: np.ndarray  # which cells have a part in the region, same shape
    is_exact: bool  # whether they are masses of the density, or else counts of simulated events
    region: Region | None = None  # where events count


def cells_of(
    model: EventModel, region: Region | None, known: Events, size: float | None = None
) -> Cells:
    """Cells that cover a region, or all known places if there is none.

    Their lower left corners are multiples of the size, as those of CSEP's regions are.

    Args:
        model: whose places they divide.
        region: where events count.
        known: places that are covered if there is no region.
        size: of a cell, in units of the coordinates; by default about 1/50 of the longest side.

    Raises:
        LiouvilleError: if the size is not positive or there are too many cells.
    """
    if region is not None:
        low, high = np.array(region.bounds[:2]), np.array(region.bounds[2:])
    else:
        places = known.places[:, : len(model.units.surface.center)]
        low, high = places.min(axis=0), places.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    dim = len(span)
    if size is None:
        size = round_number(float(span.max()) / _CELLS.get(dim, 10))
    if not size > 0:
        raise LiouvilleError(f"the grid has cells of size {size:g}; give a positive size")
    first = np.floor(low / size + 1e-6).astype(int)
    counts = np.maximum(np.ceil(high / size - 1e-6).astype(int) - first, 1)
    number = np.prod(counts.astype(float))
    if number > _MOST_CELLS:
        raise LiouvilleError(
            f"a grid of cells of size {size:g} has {number:.3g} of them; give a larger --grid"
        )
    # Rounded, so that neighbours have one edge also as text.
    edges = tuple(np.round(size * np.arange(i, i + n + 1), 10) for i, n in zip(first, counts))
    pieces = int(np.clip((_NODES / number) ** (1.0 / dim) / 2.0, 1, _PIECES))
    inside = [r for r in (region, model.region) if r is not None]
    return _with_nodes(model.units.surface, edges, size, pieces, inside, region)


def round_number(value: float) -> float:
    """The number of one digit, 1, 2 or 5, that is nearest."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(power * (1, 2, 5, 10)[np.searchsorted((1.5, 3.5, 7.5), value / power, "right")])


def _with_nodes(
    units: EventUnits,
    edges: tuple[np.ndarray, ...],
    size: float,
    pieces: int,
    inside: list[Region],
    region: Region | None,
) -> Cells:
    """The cells with Gauss-Legendre nodes, two along each side of a piece."""
    dim, piece = len(edges), size / pieces
    along = (np.arange(pieces)[:, None] + 0.5 + np.array([-0.5, 0.5]) / 3**0.5) * piece
    axes = tuple((e[:-1, None] + along.ravel()).ravel() for e in edges)
    places = mesh(axes)
    volumes = np.exp(units.log_volume(places.reshape(-1, dim))).reshape(places.shape[:-1])
    volumes *= (0.5 * piece) ** dim
    for where in dict.fromkeys(inside):
        volumes = np.where(where.contains(places), volumes, 0.0)
    # The longest side of a piece, of those in the corners and the middle of the grid.
    ends = mesh([e[[0, len(e) // 2, -1]] for e in edges]).reshape(-1, dim)
    here = units.to_model(ends)
    sides = [np.linalg.norm(units.to_model(ends + e) - here, axis=1) for e in piece * np.eye(dim)]
    return Cells(units, edges, region, axes, volumes, piece, float(np.max(sides)))


def expected_numbers(
    model: EventModel, cells: Cells, drawn: Catalogue, history: Events, start: float, horizon: float
) -> Grid:
    r"""The mean number of events in every cell.

    Each simulated event was drawn from a mixture given all before it, and the average of those
    mixtures is what is expected: no cell is empty because no event was drawn in it. The sum over
    the region of the model is the mean number of events.

    Parts wider than a piece of a cell are integrated by two Gauss-Legendre nodes along each of its
    sides, with an error below one percent of a cell within three widths of their middle; narrower
    ones are split into some hundred points that are counted. Parts that spread are taken at the
    mean time of each of four spans.

    Of places with a depth, cells are those of longitude and latitude and hold all depths.

    Densities that are no mixtures of Gaussian parts with such shares are counted altogether.
    """
    parts = _parts(model, drawn, history, start, horizon)
    mask = np.any(cells.by_cell(cells.volumes), axis=-1, keepdims=True)[..., 0]
    if parts is None:
        places = drawn.places[:, : len(cells.edges)]
        found, _ = np.histogramdd(places.reshape(-1, len(cells.edges)), cells.edges)
        return Grid(cells.edges, found / drawn.size, mask, False, cells.region)
    found = masses_of(cells, projected(parts, len(cells.edges)))
    if model.region is not None and cells.region is model.region and len(drawn.times):
        # The same number with less noise: all events are in the region.
        found *= len(drawn.times) / found.sum()
    return Grid(cells.edges, found / drawn.size, mask, True, cells.region)


def surface_intensity(
    model: EventModel,
    history: Events,
    now: float,
    axes: tuple[np.ndarray, np.ndarray],
    log_odds: np.ndarray | None = None,
) -> np.ndarray:
    """Events of all depths per unit of time and degree² on a grid, shape `(longitudes, latitudes)`.

    Args:
        model: of places with a depth.
        history: what is known.
        now: on the clock of the model.
        axes: longitudes and latitudes.
        log_odds: those of the events of the history, if they are known.

    Raises:
        LiouvilleError: if the density is no mixture of Gaussian parts.
    """
    known = model.counted(history)
    past, units = model._history(known, now, log_odds), model.units.surface
    found = _frames(model.process, past, jnp.zeros_like(past.origin)[None])
    if found is None:
        raise LiouvilleError("the density of places has no closed form without the depth")
    locations, scales = (np.asarray(a[0], np.float64) for a in found)
    shares = np.asarray(_weights(model.process, past), np.float64)
    rate = model.rate(np.array([now]), known, log_odds=log_odds)[0]
    parts = projected(Parts(rate * shares, locations, scales), 2)
    density = density_of(units, axes, parts, reach=np.inf)
    volumes = np.exp(units.log_volume(mesh(axes).reshape(-1, 2)))
    return density * volumes.reshape(density.shape)


def _parts(
    model: EventModel, drawn: Catalogue, history: Events, start: float, horizon: float
) -> Parts | None:
    """The parts from which events were drawn, with the number expected of each; none if unknown."""
    past = model._history(model.counted(history), start)
    process, expected = model.process, drawn.expected
    if not len(drawn.times) and shares_parts(process.places, past):
        # No catalogue has an event: what is expected is that of the rate until the first.
        region = None if model.region is None else model.units.polygon(model.region)
        number, shares = _until_first(process, past, as_float(horizon), region)
        weights = drawn.size * float(number) * np.asarray(shares, np.float64)[None]
        dim = model.dim
        none = (np.zeros((0, *more)) for more in ((), (dim,), (dim, dim)))
        expected = Expected(np.array([0.5 * horizon]), weights, *none)
    if expected is None:
        return None
    shared = _shared_parts(process, past, expected)
    if shared is None:
        return None
    late = Parts(expected.late, expected.centers, expected.scales)
    if len(late.weights) > _MOST_LATE:
        rows = np.random.default_rng(0).permutation(len(late.weights))[:_MOST_LATE]
        late = Parts(*(a[rows] for a in late))
        late = late._replace(weights=late.weights * (expected.late.sum() / late.weights.sum()))
    return Parts(*map(np.concatenate, zip(shared, late, strict=True)))


def _shared_parts(process: PointProcess, past: History, expected: Expected) -> Parts | None:
    """Those of the background and of known events; none if they are not Gaussian."""
    found = _frames(process, past, as_float(expected.times))
    if found is None:
        return None
    locations, scales = (np.asarray(a, np.float64) for a in found)
    widths = np.abs(scales).max(axis=(2, 3))
    moved = np.abs(locations - locations[:1]).max(axis=2) + np.abs(scales - scales[:1]).max(
        axis=(2, 3)
    )
    is_still = (moved <= _STILL * widths).all(axis=0)
    weights = np.array(expected.weights, np.float64)
    weights[0, is_still] = weights[:, is_still].sum(axis=0)
    weights[1:, is_still] = 0.0
    order = np.argsort(weights, axis=None)
    total = np.cumsum(weights.ravel()[order])
    kept = np.sort(order[total > _NEGLIGIBLE * total[-1]])
    dim = locations.shape[-1]
    return Parts(
        weights.ravel()[kept],
        locations.reshape(-1, dim)[kept],
        scales.reshape(-1, dim, dim)[kept],
    )


@eqx.filter_jit
def _frames(
    process: PointProcess, past: History, times: jax.Array
) -> tuple[jax.Array, jax.Array] | None:
    """Locations and scales of the parts given a history at local times; none if not Gaussian."""
    path = process.places.after(past)
    example = path.at(times[0])
    if not isinstance(example, LocationScaleMarginal) or not isinstance(example.family, Gaussian):
        return None

    def one(t: jax.Array) -> tuple[jax.Array, jax.Array]:
        marginal = path.at(t)
        assert isinstance(marginal, LocationScaleMarginal)
        frames = marginal.frames
        axes = jnp.eye(frames.location.shape[1], dtype=frames.location.dtype)
        columns = [frames.stretch(jnp.broadcast_to(e, frames.location.shape)) for e in axes]
        return frames.location, jnp.stack(columns, axis=-1)

    return jax.vmap(one)(times)


@eqx.filter_jit
def _weights(process: PointProcess, past: History) -> jax.Array:
    """The shares of the parts at the local time zero, which sum to one."""
    marginal = process.places.after(past).at(jnp.zeros_like(past.origin))
    assert isinstance(marginal, LocationScaleMarginal)
    return jax.nn.softmax(marginal.log_weights)


@eqx.filter_jit
def _until_first(
    process: PointProcess, past: History, horizon: jax.Array, region: Polygon | None
) -> tuple[jax.Array, jax.Array]:
    """The integral of the rate if nothing happens, and the shares of the parts in the middle.

    With their masses in the region, in which all events are, these sum to one.
    """
    now = jnp.zeros_like(past.origin)
    marginal = process.places.after(past).at(0.5 * horizon)
    assert isinstance(marginal, LocationScaleMarginal)
    inside = 1.0 if region is None else region.mass(marginal)
    shares = jnp.exp(marginal.log_weights) / inside
    return process.intensity.after(past).integral(now, horizon), shares
