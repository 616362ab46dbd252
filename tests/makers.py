"""Functions of a random key that make paths with parameters of moderate size.

All live on one interval with unequal knots that starts below zero, so that nothing rests on times
from 0 to 1.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array

from liouville.curves import (
    AbstractCurve,
    Clamped,
    Constant,
    HardEnded,
    HardStarted,
    Knots,
    Network,
    Tied,
)
from liouville.gauges import AbstractGauge, Exchange, FullGauge, LowRankGauge
from liouville.maps import AbstractMap
from liouville.numerics.conditioning import given
from liouville.numerics.networks import MLP
from liouville.numerics.parameters import Fixed, split
from liouville.numerics.types import RandomKey
from liouville.numerics.weights import CoupledWeights, GroupedWeights
from liouville.paths import (
    AbstractPath,
    Autoregressive,
    ConditionalBridge,
    ConditionalMixture,
    Contextual,
    Diagonal,
    Ensemble,
    Exchanged,
    Factorised,
    FactorisedMixture,
    FromFunctions,
    Full,
    Gauged,
    Gaussian,
    Inertial,
    Joined,
    Leading,
    LocationScale,
    Logistic,
    Masses,
    Mixture,
    Normal,
    Product,
    Pushforward,
    Rescaled,
    Reversed,
    Selected,
    Standardised,
    Student,
    TimeChange,
    Turning,
)
from liouville.processes import (
    ByMagnitude,
    Encoder,
    FinitePowerLaw,
    FreeZones,
    History,
    HistoryFree,
    PowerZones,
    Recalled,
    Routed,
    Triggered,
)

Maker = Callable[[RandomKey], AbstractPath]

INTERVAL = (-1.0, 2.5)
TIMES = (-1.0, 0.2, 0.9, 2.5)


def _log_half_below(z: Array) -> Array:
    """log F of the Laplace density; each branch at points where it is tame."""
    return jnp.where(z < 0, z - _LOG_TWO, jnp.log1p(-0.5 * jnp.exp(-jnp.abs(z))))


def _gumbel_survival(z: Array) -> Array:
    # log(1 - e^-y) with y = e^-z, by the form that keeps its digits on either side of y = 1.
    y = jnp.exp(-z)
    small = jnp.minimum(y, 1.0)
    return jnp.where(y < 1.0, jnp.log(-jnp.expm1(-small)), jnp.log1p(-jnp.exp(-y)))


_LOG_TWO = float(np.log(2.0))
LAPLACE = FromFunctions(
    lambda z: -jnp.abs(z) - _LOG_TWO,
    _log_half_below,
    lambda z: _log_half_below(-z),
    symmetric=True,
)
GUMBEL = FromFunctions(lambda z: -z - jnp.exp(-z), lambda z: -jnp.exp(-z), _gumbel_survival)
FAMILIES = {
    "gaussian": Gaussian(),
    "logistic": Logistic(),
    "laplace": LAPLACE,
    "gumbel": GUMBEL,
}
SCALES = {"diagonal": Diagonal(), "full": Full(), "turning": Turning(), "leading": Leading(2)}


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
    if kind == "clamped":
        return Clamped(TIMES, draw(2), draw(2), draw(len(TIMES) - 2))
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
        # More than four degrees of freedom, and others for each part.
        Student.of(np.linspace(5.0, 9.0, parts)) if family == "student" else FAMILIES[family],
        SCALES[scale],
    )
    return jolted(path, keys[3], 0.2)


def _logits(parts: int, key: RandomKey) -> Array:
    return jnp.asarray(0.5 * _generator(key).normal(size=parts))


def leaf(family: str, scale: str, kind: str, parts: int, dim: int) -> Maker:
    return lambda key: location_scale(family, scale, kind, parts, dim, key)


def inertial(kind: str, parts: int, d: int) -> Maker:
    """Positions and momenta in `2 * d` coordinates, on curves of one kind."""

    def make(key):
        keys = jr.split(key, 5)
        place, position, momentum = (
            curve(kind, shape, k, spread)
            for shape, k, spread in zip(
                [(parts, d), (parts, d, d), (parts, d, d)], keys, (1.0, 0.4, 0.4)
            )
        )
        path = Inertial(place, position, momentum, _logits(parts, keys[3]))
        return jolted(path, keys[4], 0.1)

    return make


def gauged(path: Callable, gauge: Callable[..., AbstractGauge]) -> Callable:
    def make(key):
        keys = jr.split(key, 3)
        # The gauge alone: a path may hold numbers that belong together.
        return Gauged(path(keys[0]), jolted(gauge(key=keys[1]), keys[2], 0.2))

    return make


def full_gauge(dim: int, gated: bool = False) -> Callable[..., AbstractGauge]:
    return lambda key: FullGauge(dim, INTERVAL, width=8, depth=2, gated=gated, key=key)


def low_rank_gauge(dim: int, rank: int, gated: bool = False) -> Callable[..., AbstractGauge]:
    return lambda key: LowRankGauge(dim, rank, INTERVAL, width=8, depth=2, gated=gated, key=key)


def mixture(*parts: Maker) -> Maker:
    def make(key):
        keys = jr.split(key, len(parts) + 1)
        made = [part(k) for part, k in zip(parts, keys)]
        return Mixture(made, _logits(len(parts), keys[-1]))

    return make


def ensemble(path: Maker, size: int) -> Callable:
    return lambda key: Ensemble.of([path(k) for k in jr.split(key, size)])


def product(*parts: Maker) -> Maker:
    return lambda key: Product([p(k) for p, k in zip(parts, jr.split(key, len(parts)))])


def retimed(path: Maker) -> Maker:
    def make(key):
        keys = jr.split(key)
        slow = jnp.asarray([-1.0, -0.4, 1.6, 2.5] + 0.1 * _generator(keys[1]).normal(size=4))
        return TimeChange(path(keys[0]), Knots(TIMES, slow, "cubic"))

    return make


def rescaled(path: Maker) -> Maker:
    def make(key):
        inner = path(key)
        center, scale = 0.3 + jnp.arange(float(inner.dim)), 0.7 + 0.5 * jnp.arange(inner.dim)
        # The curves outside their interval are as lawful as inside.
        return Rescaled(inner, Fixed(center), Fixed(scale), origin=0.25, duration=1.5)

    return make


def narrow(path: Maker, scale: float = 0.3) -> Maker:
    """Near zero: through an exponential, what is wide has moments beyond all numbers."""

    def make(key):
        inner = path(key)
        return Rescaled(inner, Fixed(jnp.zeros(inner.dim)), Fixed(jnp.full(inner.dim, scale)))

    return make


def backwards(path: Maker) -> Maker:
    return lambda key: Reversed(path(key), INTERVAL)


def factorised(family: str, kind: str, parts: int, dim: int) -> Callable[[RandomKey], Factorised]:
    def make(key):
        keys = jr.split(key, 4)
        location, scale, logits = (
            curve(kind, (parts, dim), k, size) for k, size in zip(keys, (1.0, 0.4, 0.5))
        )
        return jolted(Factorised(location, scale, logits, FAMILIES[family]), keys[3], 0.2)

    return make


def factorised_mixture(part: Callable, size: int, kind: str) -> Callable:
    def make(key):
        keys = jr.split(key, size + 2)
        made = [part(k) for k in keys[:size]]
        weights = curve(kind, (size,), keys[-2], 0.7)
        return jolted(FactorisedMixture.of(made, weights), keys[-1], 0.2)

    return make


def weighted(family: str, scale: str, parts: int, dim: int) -> Callable:
    """Parts whose weights run along a curve as well."""

    def make(key):
        keys = jr.split(key)
        still = location_scale(family, scale, "cubic", parts, dim, keys[0])
        moving = curve("cubic", (parts,), keys[1], 0.7)
        return LocationScale(
            still.location, still.raw_scale, moving, FAMILIES[family], SCALES[scale]
        )

    return make


def growing(family: str, scale: str, kind: str, parts: int, dim: int) -> Maker:
    """Parts whose masses grow and shrink along a curve."""

    def make(key):
        keys = jr.split(key)
        still = location_scale(family, scale, kind, parts, dim, keys[0])
        masses = jolted(Masses(curve(kind, (parts,), keys[1], 0.7)), keys[0], 0.2)
        return LocationScale(still.location, still.raw_scale, masses, still.family, still.scale)

    return make


def tied(parts: int, dim: int) -> Maker:
    """Parts whose masses at both ends have given sums in groups."""

    def make(key):
        keys = jr.split(key, 4)
        still = location_scale("gaussian", "full", "fast", parts, dim, keys[0])
        groups, totals = jnp.arange(parts) % 2, Fixed(jnp.asarray([0.4, 1.3]))
        start, end = (GroupedWeights(jr.normal(k, (parts,)), groups, totals) for k in keys[1:3])
        masses = Masses(Tied(start, end, curve("cubic", (parts,), keys[3], 0.7), INTERVAL))
        return LocationScale(still.location, still.raw_scale, masses, still.family, still.scale)

    return make


def exchanged(path: Maker, dim: int, gated: bool = False) -> Maker:
    def make(key):
        keys = jr.split(key, 3)
        exchange = Exchange(dim, INTERVAL, width=8, depth=2, gated=gated, key=keys[1])
        return Exchanged(path(keys[0]), jolted(exchange, keys[2], 0.2))

    return make


def history(key: RandomKey, n: int = 4, dim: int = 2, before: float = -1.0) -> History:
    """Events before the interval, so that a path that knows them does not jump in it."""
    rng = _generator(key)
    times = before - np.cumsum(rng.exponential(size=n))[::-1] - 0.1
    return History.of(times, rng.normal(size=(n, dim)), rng.exponential(size=n), origin=0.4)


def triggered(key: RandomKey) -> AbstractPath:
    keys = jr.split(key, 4)
    parts, rates, dim = 2, 3, 2
    network = MLP(dim, parts * (dim + dim * dim + rates), width=8, depth=1, key=keys[3])
    offspring = FreeZones(
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


def triggered_by_power_laws(key: RandomKey) -> AbstractPath:
    keys = jr.split(key, 4)
    network = MLP(4, 6, width=8, depth=1, key=keys[3])
    zones = PowerZones(
        ByMagnitude.of(0.8, 0.5, 0.0),
        FinitePowerLaw.of(0.3, 0.9, 100.0),
        jnp.asarray([[np.log(0.3), 0.0], [0.1, np.log(0.2)]]),
        jnp.asarray(np.log(0.7)),
        growth=jnp.asarray(0.1),
        raw_spread=jnp.asarray(0.0),
        log_spread_time=jnp.asarray(0.0),
        heredity=jnp.asarray(0.2),
        network=network,
    )
    background = location_scale("gaussian", "full", "cubic", 2, 2, keys[0])
    places = jolted(Triggered(background, zones), keys[2], 0.1)
    past = history(keys[1], n=3)
    return places.after(dataclasses.replace(past, log_odds=jnp.asarray([1.0, -2.0, 0.5])))


def routed(key: RandomKey) -> AbstractPath:
    keys = jr.split(key, 4)
    parts = location_scale("gaussian", "full", "cubic", 3, 2, keys[0])
    network = MLP(2, 3, width=8, depth=1, key=keys[1])
    rates = jnp.log(jnp.asarray([0.2, 1.0]))
    law = Routed(parts, jnp.zeros(3), network, jnp.ones(2), rates, jnp.asarray(0.5))
    return jolted(law, keys[2], 0.2).after(history(keys[3]))


def recalled(key: RandomKey) -> AbstractPath:
    keys = jr.split(key, 5)
    parts, dim = 3, 2
    encoder = Encoder.of(dim, jnp.asarray([0.2, 1.0]), size=3, width=8, key=keys[0])
    location = jr.normal(keys[1], (parts, dim))
    raw = jnp.zeros((parts, dim, dim))
    outputs = location.size + raw.size + parts
    network = MLP(encoder.outputs, outputs, width=8, depth=1, key=keys[2])
    places = Recalled(encoder, network, location, raw, jnp.zeros(parts))
    return jolted(places, keys[3], 0.2).after(history(keys[4]))


def on_local_clock(key: RandomKey) -> AbstractPath:
    keys = jr.split(key)
    own = location_scale("gaussian", "full", "cubic", 2, 2, keys[0])
    return HistoryFree(own).after(history(keys[1]))


def autoregressive(
    dim: int,
    parts: int = 2,
    *,
    family: str = "gaussian",
    hard: bool = True,
    order: tuple[int, ...] | None = None,
    context: int = 0,
    depth: int = 2,
    moving_weights: bool = True,
) -> Callable[[RandomKey], Autoregressive]:
    """Random parameters and, unless the path is hard, a random start."""

    def make(key):
        keys = jr.split(key, 3)
        path = Autoregressive.standard(
            dim,
            parts,
            INTERVAL,
            hard_start=hard,
            order=order,
            family=FAMILIES[family],
            units=4,
            depth=depth,
            frequencies=2,
            context=context,
            floor=-1.5,
            moving_weights=moving_weights,
            key=keys[0],
        )
        if not hard:
            start = 0.3 * jr.normal(keys[1], (3, dim, parts))
            path = eqx.tree_at(lambda p: p.start, path, Fixed(start))
        return jolted(path, keys[2], 0.2)

    return make


def given_context(path: Maker, context: tuple[float, ...]) -> Maker:
    return lambda key: given(path(key), jnp.asarray(context))


def pushforward(base: Maker | None, mapping: Callable[[RandomKey], AbstractMap]) -> Maker:
    """A base, or the normal density at rest, through a map."""

    def make(key):
        keys = jr.split(key, 3)
        made = jolted(mapping(keys[0]), keys[2], 0.2)
        return Pushforward(Normal(made.dim) if base is None else base(keys[1]), made)

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


def coupled(key: RandomKey) -> LocationScale:
    return _hard_piece(INTERVAL, _ends(2, 2)(key), _pairs(2, 2), key)


def joined(key: RandomKey) -> Joined:
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


def contextual(path: Maker, size: int) -> Callable:
    return lambda key: Contextual.of_classes(path(key), jnp.arange(1.0, size + 1.0))


def standardised(path: Maker, size: int) -> Callable:
    return lambda key: Standardised(path(key), Fixed(jnp.ones(size)), Fixed(0.4 * jnp.ones(size)))


def conditional_mixture(parts: int, dim: int, size: int, key: RandomKey) -> ConditionalMixture:
    """A law of a context whose network and lines are no longer zero."""
    keys = jr.split(key)
    count = parts * (1 + dim + dim**2)
    law = ConditionalMixture(
        jnp.zeros(count),
        jnp.zeros((count, size)),
        MLP(size, count, width=8, depth=1, key=keys[0]),
        Fixed(0.2 * jnp.ones(size)),
        Fixed(1.3 * jnp.ones(size)),
        parts,
        dim,
    )
    return jolted(law, keys[1], 0.3)


def conditional_bridge(first: int, last: int, dim: int, size: int) -> Callable:
    """Moving parts between two laws of a context."""

    def make(key):
        keys = jr.split(key, 4)
        start, end = (conditional_mixture(k, dim, size, own) for k, own in zip((first, last), keys))
        bridge = ConditionalBridge.between(start, end, INTERVAL, width=8, opening=0.2, key=keys[2])
        return jolted(bridge, keys[3], 0.2)

    return make


def selected(path: Maker, size: int) -> Callable:
    return lambda key: Selected.of([path(k) for k in jr.split(key, size)])
