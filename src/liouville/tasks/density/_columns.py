r"""How columns are seen by the path: in units of their spread, with bounds and tails taken away.

A column whose values keep within a natural bound, or lie farther out than parts of moderate spread
can say, is the image of one that does neither: $z = T(x)$ with a fixed map $T$ of each coordinate,
an exponential for positive numbers, a logistic function for shares, a hyperbolic sine for heavy
tails. Which one, if any, is what gives most to rows that were kept apart. The density of the path
in $x$, seen through the map, is the density of $z$, exactly.
"""

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from liouville.data import AbstractUnits, Samples, Standardisation
from liouville.maps import AbstractMap, Chain, Exp, Logit, Sinh, Softplus
from liouville.numerics.expectation import fit_by_validation
from liouville.numerics.robust import robust_spread
from liouville.paths import AbstractPath, Pushforward
from liouville.tasks.density.config import DataConfig

# A column has far tails where values lie farther out than so many robust spreads.
_FAR = 8.0
# A lower bound matters where it is nearer than so many robust spreads to the median.
_NEAR = 4.0
# Intervals that numbers are known to keep within, if they fill more than half of one.
_INTERVALS = ((0.0, 1.0), (-1.0, 1.0), (0.0, 100.0))
_FILLED = 0.5
# Bounds lie so much farther out, in standardised units: in single precision a value next to one is
# on it, where there is no density.
_ROUNDING = 1e-6
# Maps are chosen on so many rows, a fourth of which judge, by mixtures of at most so many parts;
# one must win by this many nats, and by this many standard errors.
_MOST_ROWS, _KEPT, _PARTS = 2000, 4, 8
_LEAST_GAIN, _ERRORS = 0.02, 2.0
# No row counts for more nats than this.
_MOST_GAIN = 5.0

# The maps by kind, and which fields of a view they take.
_MAPS = {
    "sinh": (Sinh, "low"),
    "exp": (Exp, "low"),
    "softplus": (Softplus, "low"),
    "logit": (Logit, "low", "high"),
}
_SAID = {
    "sinh": "(heavy tails: sinh)",
    "exp": "(positive: exp)",
    "softplus": "(positive: softplus)",
    "logit": "(between bounds: logistic)",
}


@dataclass(frozen=True, eq=False)
class Columns(AbstractUnits):
    """The units of a table and the map that its columns are seen through, if there is one."""

    units: Standardisation
    map: AbstractMap | None = None

    @property
    def scale(self) -> np.ndarray:
        """The unit of each column, shape `(d,)`; columns of whole steps are seen through no map."""
        return self.units.scale

    def to_model(self, points: np.ndarray) -> np.ndarray:
        """Points in the user's units, shape `(n, d)`, to those of the path."""
        z = self.units.to_model(points)
        return z if self.map is None else self._back(z)[0]

    def to_user(self, points: np.ndarray) -> np.ndarray:
        """Inverse of `to_model`."""
        return self.units.to_user(points if self.map is None else _images(self.map, points))

    def log_volume(self, points: np.ndarray) -> np.ndarray:
        """The log of the path's volume per user's volume at points `(n, d)`, shape `(n,)`."""
        volume = self.units.log_volume(points)
        return volume if self.map is None else volume - self._back(self.units.to_model(points))[1]

    def seen(self, path: AbstractPath) -> AbstractPath:
        """A path in the path's units as one in standardised units."""
        return path if self.map is None else Pushforward(path, self.map)

    def unseen(self, path: AbstractPath) -> AbstractPath:
        """Inverse of `seen`."""
        if self.map is None:
            return path
        assert isinstance(path, Pushforward)
        return path.base

    def _back(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert self.map is not None
        return _origins(self.map, z)


def columns_of(samples: Samples, options: DataConfig) -> Columns:
    """The units, and maps for the columns of training samples that need them; these are said."""
    units = samples.standardisation(options.scaling)
    if options.maps == "none":
        return Columns(units)
    lattice = samples.quantisation
    whole = np.zeros(samples.dim, bool) if lattice is None else lattice.is_discrete
    z = units.to_model(samples.points)
    zero = -units.center / units.scale
    bounds = (np.array(_INTERVALS).reshape(-1, 2, 1) - units.center) / units.scale
    found = [
        _View() if whole[i] else _view(z[:, i], float(zero[i]), bounds[..., i].tolist())
        for i in range(samples.dim)
    ]
    said = [f"{name} {view.said}" for name, view in zip(samples.features, found) if view.said]
    if said:
        more = f" and {len(said) - 6} more" if len(said) > 6 else ""
        warnings.warn(
            f"columns of {samples.source} are seen through maps: {', '.join(said[:6])}{more}; "
            "--set data.maps=none sees them as they are",
            stacklevel=2,
        )
    return Columns(units, _map_of(found))


class _View(NamedTuple):
    """How one column is seen: the kind of map, and its width or bounds."""

    kind: str = ""
    low: float = 0.0
    high: float = 0.0

    @property
    def bounds(self) -> int:
        """How many bounds it keeps."""
        return {"": 0, "sinh": 0, "logit": 2}.get(self.kind, 1)

    @property
    def said(self) -> str:
        """What it is, in words; empty for a column that is seen as it is."""
        return _SAID.get(self.kind, "")


def _view(z: np.ndarray, zero: float, intervals: list[list[float]]) -> _View:
    """The view of a column in its units, of the place of zero and of natural intervals."""
    candidates = [_View()]
    spread = float(robust_spread(z[:, None])[0]) or 1.0
    middle, least, most = float(np.median(z)), float(z.min()), float(z.max())
    has_tails = max(most - middle, middle - least) > _FAR * spread
    if has_tails:
        candidates.append(_View("sinh", spread))
    if zero <= least and middle - zero < _NEAR * spread:
        bound = zero - _margin(z, zero)
        candidates += [_View("exp", bound), _View("softplus", bound)]
    for low, high in intervals:
        if low <= least and most <= high and most - least > _FILLED * (high - low):
            candidates.append(_View("logit", low - _margin(z, low), high + _margin(z, high)))
    if len(candidates) == 1:
        return candidates[0]
    rows = np.random.default_rng(0).permutation(len(z))[:_MOST_ROWS]
    kept, rest = z[rows[::_KEPT], None], np.delete(z[rows], np.s_[::_KEPT])[:, None]
    nats = [_nats(view, rest, kept) for view in candidates]
    gains = [_gain(nats[0], each)[0] for each in nats]
    maps = range(1, len(candidates))
    best = max(maps, key=lambda i: gains[i])
    # Of about equal ones that which keeps the most bounds.
    lost = [_gain(each, nats[best]) for each in nats]
    near = [i for i in maps if lost[i][0] < max(_LEAST_GAIN, lost[i][1])]
    best = max(near, key=lambda i: (candidates[i].bounds, gains[i]))
    # One column alone may do without a map, but several with tails are far out one by one.
    least = max(_LEAST_GAIN, _ERRORS * _gain(nats[0], nats[best])[1])
    return candidates[best] if gains[best] > (-_LEAST_GAIN if has_tails else least) else _View()


def _margin(z: np.ndarray, bound: float) -> float:
    """How far a bound lies out: half the way to the value next to it, if it is one itself.

    Such a value was rounded or cut to the bound: it stands for those nearer to it than to the next.
    """
    away = np.abs(z - bound)
    if away.min() > 0.0 or not away.any():
        return _ROUNDING
    return max(float(away[away > 0.0].min()) / 2.0, _ROUNDING)


def _gain(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """The mean fall of nats, and its error, of which one far row would make as much again."""
    gain = np.clip(before - after, -_MOST_GAIN, _MOST_GAIN)
    return float(gain.mean()), float(gain.std() / np.sqrt(len(gain)))


def _nats(view: _View, training: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The negative log-density at kept values of a mixture that is fitted to others."""
    mapping = _map_of([view])
    if mapping is None:
        return -fit_by_validation(training, most=_PARTS).log_density(kept)
    x, volume = _origins(mapping, kept)
    mixture = fit_by_validation(_origins(mapping, training)[0], most=_PARTS)
    return volume - mixture.log_density(x)


def _map_of(views: list[_View]) -> AbstractMap | None:
    """The map of all columns; `None` if none is seen through one."""

    def field(kind: str, name: str) -> tuple[float | None, ...]:
        return tuple(getattr(view, name) if view.kind == kind else None for view in views)

    known = {view.kind for view in views}
    maps: list[AbstractMap] = [
        make(*(field(kind, name) for name in names))
        for kind, (make, *names) in _MAPS.items()
        if kind in known
    ]
    return None if not maps else maps[0] if len(maps) == 1 else Chain(maps)


def _origins(mapping: AbstractMap, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The origins of points, shape `(n, d)`, and the log-determinants there, shape `(n,)`."""
    x, volume = jax.vmap(mapping.at(jnp.ones(())).inverse)(jnp.asarray(y, jnp.zeros(()).dtype))
    return np.asarray(x, float), np.asarray(volume, float)


def _images(mapping: AbstractMap, x: np.ndarray) -> np.ndarray:
    transform = mapping.at(jnp.ones(()))
    found = jax.vmap(lambda p: transform.forward(p)[0])(jnp.asarray(x, jnp.zeros(()).dtype))
    return np.asarray(found, float)
