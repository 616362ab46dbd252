"""Every path and combinator of the library once, with random parameters of moderate size.

An entry maps a name to a constructor of a random key. All live on one interval with unequal
knots that starts below zero, so that nothing rests on times from 0 to 1.
"""

import functools
import zlib
from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array

from liouville.curves import AbstractCurve, Constant, HardEnded, HardStarted, Knots, Network
from liouville.gauges import AbstractGauge, FullGauge, LowRankGauge
from liouville.maps import coupling_flow
from liouville.numerics.networks import MLP
from liouville.numerics.parameters import Fixed, split
from liouville.numerics.types import RandomKey
from liouville.numerics.weights import CoupledWeights
from liouville.paths import (
    AbstractPath,
    Autoregressive,
    Contextual,
    Diagonal,
    Ensemble,
    Factorised,
    FactorisedMixture,
    Full,
    Gauged,
    Gaussian,
    Joined,
    LocationScale,
    Logistic,
    Mixture,
    Product,
    Pushforward,
    Rescaled,
    Reversed,
    Selected,
    TimeChange,
    Turning,
)
from liouville.processes import (
    Encoder,
    History,
    HistoryFree,
    Offspring,
    Recalled,
    Routed,
    Triggered,
)

INTERVAL = (-1.0, 2.5)
TIMES = (-1.0, 0.2, 0.9, 2.5)
FAMILIES = {"gaussian": Gaussian(), "logistic": Logistic()}
SCALES = {"diagonal": Diagonal(), "full": Full(), "turning": Turning()}
CURVES = ("linear", "cubic", "monotone", "network", "smooth", "fast", "started", "still")


def _generator(key: RandomKey) -> np.random.Generator:
    """NumPy's generator seeded by a key: its draws compile nothing, whatever their shape."""
    return np.random.default_rng(np.asarray(jr.key_data(key)))


def jolted(tree: Any, key: RandomKey, size: float = 0.3) -> Any:
    """A copy whose learned leaves are all moved, so that no network is left at its zero start."""
    learned, rest = split(tree)
    leaves, structure = jax.tree.flatten(learned)
    rng = _generator(key)
    moved = [leaf + jnp.asarray(size * rng.normal(size=leaf.shape), leaf.dtype) for leaf in leaves]
    return eqx.combine(jax.tree.unflatten(structure, moved), rest)


def cast(tree: Any, dtype: type) -> Any:
    """A copy whose arrays of real numbers have another dtype."""
    return jax.tree.map(lambda a: a.astype(dtype) if eqx.is_inexact_array(a) else a, tree)


def curve(kind: str, shape: tuple[int, ...], key: RandomKey, spread: float = 1.0) -> AbstractCurve:
    """A random curve of a kind; values within a few times `spread` of zero."""

    rng = _generator(key)

    def draw(*lead: int) -> Array:
        return jnp.asarray(spread * rng.normal(size=(*lead, *shape)))

    if kind in ("linear", "cubic", "monotone"):
        return Knots(TIMES, draw(len(TIMES)), kind)  # pyright: ignore[reportArgumentType]
    if kind == "still":
        return Constant(draw())
    network = Network(draw(), INTERVAL, width=8, depth=1, frequencies=2, key=key)
    if kind == "network":
        return network
    if kind == "started":
        return HardStarted(draw(), network, INTERVAL)
    return HardEnded(INTERVAL, draw(2), network, "smooth" if kind == "smooth" else "fast")


def location_scale(
    family: str, scale: str, kind: str, parts: int, dim: int, key: RandomKey
) -> LocationScale:
    """A random path of parts whose locations and scales run along curves of one kind.

    Where the locations stand still the scales move, since a path at rest would be no test.
    """
    keys = jr.split(key, 4)
    raw_shape = SCALES[scale].raw_shape(parts, dim)
    path = LocationScale(
        curve(kind, (parts, dim), keys[0]),
        curve("cubic" if kind == "still" else kind, raw_shape, keys[1], 0.4),
        _logits(parts, keys[2]),
        FAMILIES[family],
        SCALES[scale],
    )
    return jolted(path, keys[3], 0.2)


def _logits(parts: int, key: RandomKey) -> Array:
    return jnp.asarray(0.5 * _generator(key).normal(size=parts))


def _leaf(
    family: str, scale: str, kind: str, parts: int, dim: int
) -> Callable[[RandomKey], AbstractPath]:
    return lambda key: location_scale(family, scale, kind, parts, dim, key)


def _gauged(path: Callable, gauge: Callable[..., AbstractGauge]) -> Callable:
    def make(key):
        keys = jr.split(key, 3)
        return jolted(Gauged(path(keys[0]), gauge(key=keys[1])), keys[2], 0.2)

    return make


def _full_gauge(dim: int, gated: bool = False) -> Callable[..., AbstractGauge]:
    return lambda key: FullGauge(dim, INTERVAL, width=8, depth=2, gated=gated, key=key)


def _low_rank_gauge(dim: int, rank: int, gated: bool = False) -> Callable[..., AbstractGauge]:
    return lambda key: LowRankGauge(dim, rank, INTERVAL, width=8, depth=2, gated=gated, key=key)


def _mixture(*parts: Callable[[RandomKey], AbstractPath]) -> Callable[[RandomKey], AbstractPath]:
    def make(key):
        keys = jr.split(key, len(parts) + 1)
        made = [part(k) for part, k in zip(parts, keys)]
        return Mixture(made, _logits(len(parts), keys[-1]))

    return make


def _ensemble(path: Callable[[RandomKey], AbstractPath], size: int) -> Callable:
    return lambda key: Ensemble.of([path(k) for k in jr.split(key, size)])


def _product(*parts: Callable[[RandomKey], AbstractPath]) -> Callable[[RandomKey], AbstractPath]:
    return lambda key: Product([p(k) for p, k in zip(parts, jr.split(key, len(parts)))])


def _retimed(path: Callable[[RandomKey], AbstractPath]) -> Callable[[RandomKey], AbstractPath]:
    def make(key):
        keys = jr.split(key)
        slow = jnp.asarray([-1.0, -0.4, 1.6, 2.5] + 0.1 * _generator(keys[1]).normal(size=4))
        return TimeChange(path(keys[0]), Knots(TIMES, slow, "cubic"))

    return make


def _rescaled(path: Callable[[RandomKey], AbstractPath]) -> Callable[[RandomKey], AbstractPath]:
    def make(key):
        inner = path(key)
        center, scale = 0.3 + jnp.arange(float(inner.dim)), 0.7 + 0.5 * jnp.arange(inner.dim)
        # The curves outside their interval are as lawful as inside.
        return Rescaled(inner, Fixed(center), Fixed(scale), origin=0.25, duration=1.5)

    return make


def _reversed(path: Callable[[RandomKey], AbstractPath]) -> Callable[[RandomKey], AbstractPath]:
    return lambda key: Reversed(path(key), INTERVAL)


def _factorised(family: str, kind: str, parts: int, dim: int) -> Callable[[RandomKey], Factorised]:
    def make(key):
        keys = jr.split(key, 4)
        location, scale, logits = (
            curve(kind, (parts, dim), k, size) for k, size in zip(keys, (1.0, 0.4, 0.5))
        )
        return jolted(Factorised(location, scale, logits, FAMILIES[family]), keys[3], 0.2)

    return make


def _factorised_mixture(part: Callable, size: int, kind: str) -> Callable:
    def make(key):
        keys = jr.split(key, size + 2)
        made = [part(k) for k in keys[:size]]
        weights = curve(kind, (size,), keys[-2], 0.7)
        return jolted(FactorisedMixture.of(made, weights), keys[-1], 0.2)

    return make


def _weighted(family: str, scale: str, parts: int, dim: int) -> Callable:
    """Parts whose weights run along a curve as well."""

    def make(key):
        keys = jr.split(key)
        still = location_scale(family, scale, "cubic", parts, dim, keys[0])
        moving = curve("cubic", (parts,), keys[1], 0.7)
        return LocationScale(
            still.location, still.raw_scale, moving, FAMILIES[family], SCALES[scale]
        )

    return make


def history(key: RandomKey, n: int = 4, dim: int = 2, before: float = -1.0) -> History:
    """Events before the interval, so that a path that knows them does not jump in it."""
    rng = _generator(key)
    times = before - np.cumsum(rng.exponential(size=n))[::-1] - 0.1
    return History.of(times, rng.normal(size=(n, dim)), rng.exponential(size=n), origin=0.4)


def _triggered(key: RandomKey) -> AbstractPath:
    keys = jr.split(key, 4)
    parts, rates, dim = 2, 3, 2
    network = MLP(dim, parts * (dim + dim * dim + rates), width=8, depth=1, key=keys[3])
    offspring = Offspring(
        jnp.zeros((parts, dim)),
        jnp.asarray(np.log([0.5, 1.0])[:, None, None] * np.eye(dim)),
        jnp.zeros((parts, rates)),
        jnp.log(jnp.asarray([0.1, 0.5, 2.0])),
        network=network,
        productivity=jnp.asarray(0.5),
        reach=jnp.asarray(0.1),
        raw_spread=jnp.zeros(parts),
    )
    # The clock of the sequence runs ahead of the local one by the origin of the history.
    background = location_scale("gaussian", "full", "cubic", 2, dim, keys[0])
    places = jolted(Triggered(background, offspring), keys[2], 0.1)
    return places.after(history(keys[1]))


def _routed(key: RandomKey) -> AbstractPath:
    keys = jr.split(key, 4)
    parts = location_scale("gaussian", "full", "cubic", 3, 2, keys[0])
    network = MLP(2, 3, width=8, depth=1, key=keys[1])
    rates = jnp.log(jnp.asarray([0.2, 1.0]))
    law = Routed(parts, jnp.zeros(3), network, jnp.ones(2), rates, jnp.asarray(0.5))
    return jolted(law, keys[2], 0.2).after(history(keys[3]))


def _recalled(key: RandomKey) -> AbstractPath:
    keys = jr.split(key, 5)
    parts, dim = 3, 2
    encoder = Encoder.of(dim, jnp.asarray([0.2, 1.0]), size=3, width=8, key=keys[0])
    location = jr.normal(keys[1], (parts, dim))
    raw = jnp.zeros((parts, dim, dim))
    outputs = location.size + raw.size + parts
    network = MLP(encoder.outputs, outputs, width=8, depth=1, key=keys[2])
    places = Recalled(encoder, network, location, raw, jnp.zeros(parts))
    return jolted(places, keys[3], 0.2).after(history(keys[4]))


def _on_local_clock(key: RandomKey) -> AbstractPath:
    keys = jr.split(key)
    own = location_scale("gaussian", "full", "cubic", 2, 2, keys[0])
    return HistoryFree(own).after(history(keys[1]))


def _autoregressive(family: str, dim: int, order: tuple[int, ...], context: int = 0) -> Callable:
    def make(key):
        path = Autoregressive.standard(
            dim,
            2,
            INTERVAL,
            order=order,
            family=FAMILIES[family],
            units=4,
            frequencies=2,
            floor=-1.5,
            context=context,
            key=key,
        )
        return jolted(path, key, 0.2)

    return make


def _pushforward(base: Callable, kind: Literal["affine", "spline"], dim: int) -> Callable:
    def make(key):
        keys = jr.split(key, 3)
        flow = coupling_flow(dim, INTERVAL, layers=2, width=8, depth=1, kind=kind, key=keys[0])
        return jolted(Pushforward(base(keys[1]), flow), keys[2], 0.2)

    return make


def _hard_piece(
    times: tuple[float, float], ends: list[np.ndarray], pairs: np.ndarray, key: RandomKey
) -> LocationScale:
    """Parts that run between end parts given by location and log-scale, coupled in weight."""
    keys = jr.split(key, 3)
    masses = [np.full(len(end[0]), 1.0 / len(end[0])) for end in ends]

    def hard(quantity: int, own: RandomKey) -> HardEnded:
        rows = jnp.asarray([end[quantity][side] for end, side in zip(ends, pairs)])
        inside = Network(jnp.zeros(rows.shape[1:]), times, width=8, depth=1, frequencies=2, key=own)
        return HardEnded(times, rows, inside, "fast", 0.1)

    weights = CoupledWeights.of(np.full(pairs.shape[1], 1.0), *pairs, *masses)
    path = LocationScale(hard(0, keys[0]), hard(1, keys[1]), weights)
    return jolted(path, keys[2], 0.2)


def _ends(*parts: int) -> Callable[[RandomKey], list[np.ndarray]]:
    def make(key):
        rng = _generator(key)
        return [np.stack([rng.normal(size=(n, 2)), 0.3 * rng.normal(size=(n, 2))]) for n in parts]

    return make


def _pairs(n: int, m: int) -> np.ndarray:
    return np.stack([np.repeat(np.arange(n), m), np.tile(np.arange(m), n)])


def _coupled(key: RandomKey) -> LocationScale:
    return _hard_piece(INTERVAL, _ends(2, 2)(key), _pairs(2, 2), key)


def _joined(key: RandomKey) -> Joined:
    """Two pieces with unequal numbers of parts, which meet in a mixture of two parts.

    They meet outside the times between which the laws carry points along, for the velocity jumps.
    """
    first, middle, last = _ends(2, 2, 1)(key)
    keys = jr.split(key)
    return Joined(
        [
            _hard_piece((-1.0, 1.2), [first, middle], _pairs(2, 2), keys[0]),
            _hard_piece((1.2, 2.5), [middle, last], _pairs(2, 1), keys[1]),
        ],
        (-1.0, 1.2, 2.5),
    )


def _contextual(path: Callable[[RandomKey], AbstractPath], size: int) -> Callable:
    return lambda key: Contextual.of_classes(path(key), jnp.arange(1.0, size + 1.0))


def _selected(path: Callable[[RandomKey], AbstractPath], size: int) -> Callable:
    return lambda key: Selected.of([path(k) for k in jr.split(key, size)])


# Family, scale, kind of curve, parts and dimension. Every two choices meet in some entry, and one
# part and several in one, two and three dimensions; `REST` has the other combinations.
_LEAVES = (
    ("gaussian", "diagonal", "linear", 3, 1),
    ("logistic", "full", "linear", 1, 3),
    ("gaussian", "full", "cubic", 1, 2),
    ("logistic", "diagonal", "cubic", 3, 1),
    ("gaussian", "diagonal", "monotone", 3, 2),
    ("logistic", "full", "monotone", 2, 2),
    ("gaussian", "full", "network", 2, 3),
    ("logistic", "diagonal", "network", 1, 2),
    ("gaussian", "diagonal", "smooth", 1, 1),
    ("logistic", "full", "smooth", 2, 1),
    ("gaussian", "full", "fast", 3, 2),
    ("logistic", "diagonal", "fast", 2, 3),
    ("gaussian", "diagonal", "still", 2, 2),
    ("logistic", "full", "still", 3, 2),
)
_REST = (
    ("gaussian", "full", "linear", 3, 2),
    ("logistic", "diagonal", "linear", 2, 2),
    ("gaussian", "diagonal", "cubic", 1, 2),
    ("logistic", "full", "cubic", 3, 2),
    ("gaussian", "full", "monotone", 2, 1),
    ("logistic", "diagonal", "monotone", 2, 3),
    ("gaussian", "diagonal", "network", 2, 3),
    ("logistic", "full", "network", 2, 2),
    ("gaussian", "full", "smooth", 1, 3),
    ("logistic", "diagonal", "smooth", 2, 1),
    ("gaussian", "diagonal", "fast", 2, 2),
    ("logistic", "full", "fast", 2, 3),
    ("gaussian", "full", "still", 2, 3),
    ("logistic", "diagonal", "still", 3, 2),
)

PATHS = {"-".join(entry[:3]): _leaf(*entry) for entry in _LEAVES}
REST = {"-".join(entry[:3]): _leaf(*entry) for entry in _REST}
PATHS |= {
    "mixture": _mixture(
        _leaf("gaussian", "full", "fast", 1, 2),
        _leaf("logistic", "diagonal", "linear", 2, 2),
    ),
    "product": _product(
        _leaf("logistic", "diagonal", "linear", 2, 1), _leaf("gaussian", "full", "network", 3, 1)
    ),
    "product-3d": _product(
        _leaf("gaussian", "full", "smooth", 2, 2), _leaf("logistic", "diagonal", "linear", 3, 1)
    ),
    "gauged": _gauged(_leaf("gaussian", "diagonal", "cubic", 2, 2), _full_gauge(2)),
    "gauged-gated-3d": _gauged(_leaf("gaussian", "full", "fast", 2, 3), _full_gauge(3, gated=True)),
    "gauged-low-rank-3d": _gauged(
        _leaf("logistic", "diagonal", "monotone", 2, 3), _low_rank_gauge(3, 2)
    ),
    "gauged-low-rank-gated": _gauged(
        _leaf("gaussian", "diagonal", "network", 1, 2), _low_rank_gauge(2, 2, gated=True)
    ),
    "ensemble": _ensemble(_leaf("gaussian", "diagonal", "cubic", 2, 2), 3),
    "factorised": _factorised("gaussian", "cubic", 3, 2),
    "autoregressive": _autoregressive("logistic", 2, (1, 0)),
    "pushforward": _pushforward(_leaf("gaussian", "full", "cubic", 2, 2), "spline", 2),
    "contextual": _contextual(_autoregressive("logistic", 2, (0, 1), 2), 2),
    "coupled-weights": _coupled,
    "joined": _joined,
    "time-change": _retimed(_leaf("gaussian", "full", "cubic", 2, 2)),
    "turning": _leaf("gaussian", "turning", "cubic", 2, 2),
    "rescaled": _rescaled(_leaf("gaussian", "full", "cubic", 2, 2)),
    "reversed": _reversed(_leaf("logistic", "diagonal", "smooth", 2, 1)),
    "mixture-of-gauged-and-product": _mixture(
        _gauged(_leaf("gaussian", "full", "network", 1, 2), _full_gauge(2)),
        _product(
            _leaf("gaussian", "diagonal", "linear", 2, 1),
            _leaf("logistic", "diagonal", "network", 1, 1),
        ),
    ),
    "reversed-time-change-of-gauged-mixture": _reversed(
        _retimed(
            _gauged(
                _mixture(
                    _leaf("gaussian", "full", "linear", 1, 2),
                    _leaf("logistic", "full", "network", 1, 2),
                ),
                _low_rank_gauge(2, 1, gated=True),
            )
        )
    ),
}

REST |= {
    "hard-started": _leaf("gaussian", "full", "started", 2, 2),
    "factorised-mixture-line": _factorised_mixture(
        _factorised("gaussian", "linear", 1, 1), 3, "linear"
    ),
    "weighted-full": _weighted("gaussian", "full", 3, 2),
    "weighted-turning-3d": _weighted("gaussian", "turning", 2, 3),
    "weighted-logistic": _weighted("logistic", "diagonal", 3, 2),
    "triggered": _triggered,
    "recalled": _recalled,
    "routed": _routed,
    "on-local-clock": _on_local_clock,
    "factorised-mixture-3d": _factorised_mixture(
        _factorised("logistic", "network", 2, 3), 3, "network"
    ),
    "contextual-selected": _contextual(_selected(_leaf("gaussian", "full", "cubic", 2, 2), 3), 3),
}

# Entries on which the dearer laws are run: every family and scale, and every combinator. The
# first few in every run of the tests, the others when the slow ones are asked for.
FEW = (
    "gaussian-diagonal-linear",
    "logistic-full-still",
    "mixture",
    "gauged-gated-3d",
)
MORE = (
    "joined",
    "contextual",
    "factorised-mixture-3d",
    "pushforward",
    "contextual-selected",
    "gaussian-full-network",
    "ensemble",
    "product",
    "reversed-time-change-of-gauged-mixture",
)
CHOSEN = FEW + MORE


@functools.cache
def build(name: str, seed: int = 0) -> AbstractPath:
    """The entry of a name, the same object at every call."""
    return (PATHS | REST)[name](jr.fold_in(jr.key(seed), zlib.crc32(name.encode())))
