"""Every path and combinator of the library once, with random parameters of moderate size.

An entry maps a name to a constructor of a random key. All live on one interval with unequal
knots that starts below zero, so that nothing rests on times from 0 to 1.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array

from liouville._types import RandomKey
from liouville.curves import AbstractCurve, Constant, HardEnded, Knots, Network
from liouville.gauges import AbstractGauge, FullGauge, LowRankGauge
from liouville.parameters import split
from liouville.paths import (
    AbstractPath,
    Diagonal,
    Full,
    Gauged,
    Gaussian,
    LocationScale,
    Logistic,
    Mixture,
    Product,
    Reversed,
    TimeChange,
)

INTERVAL = (-1.0, 2.5)
TIMES = (-1.0, 0.2, 0.9, 2.5)
FAMILIES = {"gaussian": Gaussian(), "logistic": Logistic()}
SCALES = {"diagonal": Diagonal(), "full": Full()}
CURVES = ("linear", "cubic", "monotone", "network", "smooth", "fast", "still")


def jolted(tree: AbstractPath, key: RandomKey, size: float = 0.3) -> AbstractPath:
    """A copy whose learned leaves are all moved, so that no network is left at its zero start."""
    learned, rest = split(tree)
    leaves, structure = jax.tree.flatten(learned)
    keys = jr.split(key, len(leaves))
    moved = [
        leaf + size * jr.normal(k, leaf.shape, leaf.dtype) for leaf, k in zip(leaves, keys)
    ]
    return eqx.combine(jax.tree.unflatten(structure, moved), rest)


def cast(tree: AbstractPath, dtype: type) -> AbstractPath:
    """A copy whose arrays of real numbers have another dtype."""
    return jax.tree.map(lambda a: a.astype(dtype) if eqx.is_inexact_array(a) else a, tree)


def curve(kind: str, shape: tuple[int, ...], key: RandomKey, spread: float = 1.0) -> AbstractCurve:
    """A random curve of a kind; values within a few times `spread` of zero."""

    def draw(*lead: int, number: int) -> Array:
        return spread * jr.normal(jr.fold_in(key, number), (*lead, *shape))

    if kind in ("linear", "cubic", "monotone"):
        return Knots(TIMES, draw(len(TIMES), number=0), kind)
    if kind == "still":
        return Constant(draw(number=1))
    network = Network(draw(number=2), INTERVAL, width=8, depth=1, frequencies=2, key=key)
    if kind == "network":
        return network
    ends = draw(2, number=3)
    return HardEnded(INTERVAL, ends, network, "smooth" if kind == "smooth" else "fast")


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
        0.5 * jr.normal(keys[2], (parts,)),
        FAMILIES[family],
        SCALES[scale],
    )
    return jolted(path, keys[3], 0.2)


def _leaf(*args) -> Callable[[RandomKey], AbstractPath]:
    return lambda key: location_scale(*args, key)


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
        return Mixture(made, 0.5 * jr.normal(keys[-1], (len(parts),)))

    return make


def _product(*parts: Callable[[RandomKey], AbstractPath]) -> Callable[[RandomKey], AbstractPath]:
    return lambda key: Product([p(k) for p, k in zip(parts, jr.split(key, len(parts)))])


def _retimed(path: Callable[[RandomKey], AbstractPath]) -> Callable[[RandomKey], AbstractPath]:
    def make(key):
        keys = jr.split(key)
        slow = jnp.asarray([-1.0, -0.4, 1.6, 2.5]) + 0.1 * jr.normal(keys[1], (4,))
        return TimeChange(path(keys[0]), Knots(TIMES, slow, "cubic"))

    return make


def _reversed(path: Callable[[RandomKey], AbstractPath]) -> Callable[[RandomKey], AbstractPath]:
    return lambda key: Reversed(path(key), INTERVAL)


# Parts and dimension of each leaf, so that one part and several meet 1, 2 and 3 dimensions.
_SIZES = {
    ("gaussian", "diagonal"): dict(
        zip(CURVES, [(3, 1), (1, 2), (3, 2), (2, 3), (3, 1), (2, 2), (2, 2)])
    ),
    ("gaussian", "full"): dict(
        zip(CURVES, [(3, 2), (1, 2), (2, 1), (2, 3), (1, 3), (3, 2), (2, 2)])
    ),
    ("logistic", "diagonal"): dict(
        zip(CURVES, [(2, 2), (3, 1), (2, 3), (1, 2), (2, 1), (1, 1), (3, 2)])
    ),
    ("logistic", "full"): dict(
        zip(CURVES, [(1, 3), (3, 2), (2, 2), (2, 2), (1, 1), (2, 3), (1, 2)])
    ),
}

PATHS: dict[str, Callable[[RandomKey], AbstractPath]] = {
    f"{family}-{scale}-{kind}": _leaf(family, scale, kind, *size)
    for (family, scale), sizes in _SIZES.items()
    for kind, size in sizes.items()
}
PATHS |= {
    "mixture": _mixture(
        _leaf("gaussian", "full", "network", 1, 2),
        _leaf("logistic", "diagonal", "cubic", 2, 2),
        _leaf("gaussian", "diagonal", "fast", 1, 2),
    ),
    "product": _product(
        _leaf("logistic", "diagonal", "monotone", 2, 1), _leaf("gaussian", "full", "cubic", 3, 1)
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
    "time-change": _retimed(_leaf("gaussian", "full", "cubic", 2, 2)),
    "reversed": _reversed(_leaf("logistic", "diagonal", "smooth", 2, 1)),
    "mixture-of-gauged-and-product": _mixture(
        _gauged(_leaf("gaussian", "full", "cubic", 1, 2), _full_gauge(2)),
        _product(
            _leaf("gaussian", "diagonal", "linear", 2, 1),
            _leaf("logistic", "diagonal", "network", 1, 1),
        ),
    ),
    "reversed-time-change-of-gauged-mixture": _reversed(
        _retimed(
            _gauged(
                _mixture(
                    _leaf("gaussian", "full", "cubic", 1, 2), _leaf("logistic", "full", "fast", 1, 2)
                ),
                _low_rank_gauge(2, 1, gated=True),
            )
        )
    ),
}

# Entries on which the dearer laws are run: every family, scale, kind of curve and combinator.
CHOSEN = (
    "gaussian-diagonal-linear",
    "gaussian-full-fast",
    "gaussian-full-network",
    "logistic-full-cubic",
    "mixture",
    "product",
    "gauged-gated-3d",
    "reversed-time-change-of-gauged-mixture",
)
