"""Masses of Gaussian parts in the cells of a grid."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from liouville.data import Region
from liouville.tasks.events.units import EventUnits

# Points of all narrow parts together, and of one.
_POINTS, _LEAST_POINTS, _MOST_POINTS = 1_000_000, 64, 4096
# Parts as wide as so many pieces of a cell or more are looked at on a grid of half that step.
_LEVELS = (1.0, 4.0, 16.0)
# How far a part reaches, in its widths; the nodes along a side of a tile.
_REACH, _TILE = 6.0, 32


class Cells(NamedTuple):
    """The cells of a grid with the nodes of a quadrature, which all forecasts share."""

    units: EventUnits
    edges: tuple[np.ndarray, ...]
    region: Region | None  # where events count
    axes: tuple[np.ndarray, ...]  # the nodes of every coordinate
    volumes: np.ndarray  # of the model's space at the nodes, zero outside of the region
    piece: float  # the side of a piece of a cell
    side: float  # its longest side in the model's units

    @property
    def shape(self) -> tuple[int, ...]:
        """How many cells there are along every coordinate."""
        return tuple(len(edges) - 1 for edges in self.edges)

    def by_cell(self, values: np.ndarray) -> np.ndarray:
        """Values at the nodes, those of one cell last, shape `(*shape, nodes)`."""
        dim, each = len(self.axes), len(self.axes[0]) // self.shape[0]
        apart = values.reshape([n for cells in self.shape for n in (cells, each)])
        last = np.moveaxis(apart, range(1, 2 * dim, 2), range(dim, 2 * dim))
        return last.reshape(*self.shape, -1)


class Parts(NamedTuple):
    """Gaussian parts of an expected number of events, on the whole plane."""

    weights: np.ndarray  # events, (parts,)
    locations: np.ndarray  # (parts, dim)
    scales: np.ndarray  # x = location + scale @ z, (parts, dim, dim)


def mesh(axes: Sequence[np.ndarray]) -> np.ndarray:
    """The points of a grid, shape `(n, m, ..., dim)`."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def masses_of(cells: Cells, parts: Parts) -> np.ndarray:
    """The events of given parts in every cell, shape `(cells, cells, ...)`."""
    widths = np.linalg.svd(parts.scales, compute_uv=False)[:, -1] / cells.side
    level = np.searchsorted(_LEVELS, widths, side="right")
    of_level = [Parts(*(a[level == i] for a in parts)) for i in range(len(_LEVELS) + 1)]
    narrow, fine, *coarse = of_level
    density = density_of(cells.units, cells.axes, fine)
    for least, wide in zip(_LEVELS[1:], coarse, strict=True):
        if len(wide.weights):
            density += _interpolated(cells, wide, 0.5 * least * cells.piece)
    return cells.by_cell(density * cells.volumes).sum(axis=-1) + _scattered(cells, narrow)


def projected(parts: Parts, dim: int) -> Parts:
    """The parts along the first coordinates, all others integrated out."""
    if parts.locations.shape[1] == dim:
        return parts
    rows = parts.scales[:, :dim]
    scales = np.linalg.cholesky(rows @ np.swapaxes(rows, 1, 2))
    return Parts(parts.weights, parts.locations[:, :dim], scales)


def _interpolated(cells: Cells, parts: Parts, step: float) -> np.ndarray:
    """The density of wide parts at the nodes, from a coarser grid: its logarithm is smooth."""
    from scipy.interpolate import make_interp_spline

    ends = [(axis[0] - step, max(axis[-1], axis[0] + 3.0 * step) + step) for axis in cells.axes]
    axes = [np.linspace(a, b, int(np.ceil((b - a) / step)) + 1) for a, b in ends]
    found = np.log(density_of(cells.units, axes, parts, reach=np.inf) + np.finfo(float).tiny)
    for i, (axis, nodes) in enumerate(zip(axes, cells.axes, strict=True)):
        found = make_interp_spline(axis, found, axis=i)(nodes)
    return np.exp(found)


def density_of(
    units: EventUnits, axes: Sequence[np.ndarray], parts: Parts, reach: float = _REACH
) -> np.ndarray:
    """Events per unit of the model's space on a grid, tile by tile; far parts are passed over."""
    shape, dim = tuple(map(len, axes)), len(axes)
    found, nodes = np.zeros(shape), units.to_model(mesh(axes).reshape(-1, dim))
    nodes = nodes.reshape(*shape, dim)
    # Within reach single precision has the digits, seen from a middle of a tile; beyond, none.
    dtype = np.float32 if np.isfinite(reach) else np.float64
    inverse = np.linalg.inv(parts.scales)
    peaks = parts.weights * np.abs(np.linalg.det(inverse)) / (2.0 * np.pi) ** (dim / 2)
    radii = reach * np.linalg.norm(parts.scales, axis=(1, 2))
    for first in np.ndindex(*(-(-n // _TILE) for n in shape)):
        tile = tuple(slice(i * _TILE, (i + 1) * _TILE) for i in first)
        x = nodes[tile].reshape(-1, dim)
        low, high = x.min(axis=0), x.max(axis=0)
        apart = np.maximum(low - parts.locations, parts.locations - high).clip(0.0)
        near = np.linalg.norm(apart, axis=1) < radii
        if near.any():
            middle = 0.5 * (low + high)
            shifts = np.einsum("kij,kj->ik", inverse[near], parts.locations[near] - middle)
            x, squares = (x - middle).astype(dtype), np.zeros((len(x), len(peaks[near])), dtype)
            for rows, shift in zip(np.moveaxis(inverse[near], 1, 0), shifts, strict=True):
                squares += (x @ rows.T.astype(dtype) - shift.astype(dtype)) ** 2
            bells = np.exp(np.multiply(squares, -0.5, out=squares), out=squares)
            found[tile] = (bells @ peaks[near].astype(dtype)).reshape(found[tile].shape)
    return found


def _scattered(cells: Cells, parts: Parts) -> np.ndarray:
    """Masses of narrow parts by points of equal weight, spread evenly over each part."""
    shape, count = cells.shape, len(parts.weights)
    if not count:
        return np.zeros(shape)
    z = _even_points(int(np.clip(_POINTS / count, _LEAST_POINTS, _MOST_POINTS)), len(shape))
    x = parts.locations[:, None] + np.einsum("kij,nj->kni", parts.scales, z)
    places = cells.units.to_user(x.reshape(-1, len(shape)))
    weights = np.repeat(parts.weights / len(z), len(z))
    found, _ = np.histogramdd(places, cells.edges, weights=weights)
    # A cell on the border keeps the share of it that is inside.
    return found * (cells.by_cell(cells.volumes) > 0).mean(axis=-1)


def _even_points(n: int, dim: int) -> np.ndarray:
    """Points of the standard normal law, spread evenly, shape `(n, dim)`.

    Multiples of irrational numbers of bad approximation, modulo one, fill the cube evenly: powers
    of the root of x^(dim + 1) = x + 1, for one coordinate the golden ratio.
    """
    root = 1.5
    for _ in range(60):
        root = (1.0 + root) ** (1.0 / (dim + 1))
    shares = (0.5 + np.arange(1, n + 1)[:, None] * root ** -np.arange(1.0, dim + 1.0)) % 1.0
    return ndtri(shares)
