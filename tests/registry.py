"""Every path and combinator of the library: what each object is, and how to make it.

Every law of `test_laws.py` runs on every entry. An entry says how far out it may be asked, where
its mass is and what it costs; nothing is built before a test asks for it.
"""

import functools
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import jax.random as jr
import pytest

from liouville.maps import Exp
from liouville.paths import AbstractPath
from makers import (
    Maker,
    autoregressive,
    backwards,
    conditional_bridge,
    contextual,
    coupled,
    ensemble,
    exchanged,
    factorised,
    factorised_mixture,
    full_gauge,
    gauged,
    given_context,
    growing,
    inertial,
    joined,
    leaf,
    low_rank_gauge,
    mixture,
    narrow,
    on_local_clock,
    product,
    pushforward,
    recalled,
    rescaled,
    retimed,
    routed,
    selected,
    standardised,
    tied,
    triggered,
    triggered_by_power_laws,
    weighted,
)
from maps_cases import MAPS

Cost = Literal["low", "middle", "high"]
Bounds = tuple[tuple[float, float] | None, ...]


@dataclass(frozen=True)
class Entry:
    """A path, and what the checks must know of it.

    Attributes:
        make: from a random key to the path, its parameters of moderate size.
        dim: the number of coordinates.
        cost: which laws run by default: `low` all, `middle` the equation of continuity, `high`
            none. All run with `-m slow`.
        tails: how far out the equations are asked, in units of space. Scales lie between a third
            and three, so 60 is 20 of the largest of them.
        far: how far out single precision is asked.
        support: the bounds of each coordinate, none for the line, infinite ones for heavy tails;
            none at all for the whole space.
        box: half the width of the box that holds the mass, in standard deviations. By default
            wide: the tails of a logistic part are longer than the spread of all parts says.
        nodes: of the quadrature of the mass, along each axis.
        mass: the error of the quadrature, where a density with kinks makes it converge slowly.
        steps: of the trajectories that are followed.
        idle: what the names of learned arrays contain on which nothing need depend. The weight of
            a lone part is one, whatever its logit; such logits need not be named.
    """

    make: Maker
    dim: int
    cost: Cost = "high"
    tails: float = 60.0
    far: float = 10.0**6.5
    support: Bounds | None = None
    box: float = 20.0
    nodes: int = field(default=0)
    mass: float | None = None
    steps: int = 200
    idle: tuple[str, ...] = ()

    def __post_init__(self):
        """Few nodes in the plane, many on the line."""
        if not self.nodes:
            object.__setattr__(self, "nodes", 321 if self.dim == 2 else 4001)


# Parts in moving frames: family, scale, kind of curve, parts and dimension. Every two choices meet
# in some entry, and one part and several in one, two and three dimensions.
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
    ("gaussian", "turning", "cubic", 2, 2),
    ("gaussian", "leading", "cubic", 2, 3),
    ("logistic", "leading", "fast", 2, 4),
)
_OTHER_LEAVES = (
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
    ("gaussian", "full", "started", 2, 2),
)


def _leaf(family, scale, kind, parts, dim, cost) -> Entry:
    return Entry(leaf(family, scale, kind, parts, dim), dim, cost)


PARTS = {"-".join(row[:3]): _leaf(*row, "high") for row in (*_LEAVES, *_OTHER_LEAVES)}
PARTS["gaussian-diagonal-linear"] = replace(PARTS["gaussian-diagonal-linear"], cost="low")
# With that, both families and all scales; curves have tests of their own.
for _name in (
    "gaussian-turning-cubic",
    "gaussian-leading-cubic",
    "logistic-diagonal-network",
    "logistic-full-still",
):
    PARTS[_name] = replace(PARTS[_name], cost="middle")

# Heavy tails: no box holds all but a hundred-millionth of the mass.
_HEAVY: dict[int, Any] = {
    dim: {"support": ((-math.inf, math.inf),) * dim, "box": 12.0} for dim in (1, 2, 3)
}
_STUDENT: tuple[tuple[str, str, int, int, Cost], ...] = (
    ("diagonal", "linear", 2, 1, "low"),
    ("full", "cubic", 3, 2, "high"),
    ("turning", "network", 2, 2, "high"),
    ("full", "fast", 1, 3, "high"),
    ("leading", "linear", 2, 3, "high"),
)
STUDENT = {
    f"student-{scale}-{kind}": Entry(
        leaf("student", scale, kind, parts, dim), dim, cost, **_HEAVY[dim]
    )
    for scale, kind, parts, dim, cost in _STUDENT
}

# Parts whose weights move.
WEIGHTED = {
    "weighted-full": Entry(weighted("gaussian", "full", 3, 2), 2),
    "weighted-leading-4d": Entry(weighted("gaussian", "leading", 2, 4), 4),
    "weighted-turning-3d": Entry(weighted("gaussian", "turning", 2, 3), 3),
    "weighted-logistic": Entry(weighted("logistic", "diagonal", 3, 2), 2),
}

_LAST_BIAS = ".exchange.potentials.network.rest.layers[1].bias"

# Parts whose masses grow, and motion in place of growth.
GROWING = {
    "growing-linear-1d": Entry(growing("gaussian", "diagonal", "linear", 2, 1), 1, "low"),
    "growing-full": Entry(growing("gaussian", "full", "cubic", 3, 2), 2),
    "growing-student": Entry(growing("student", "full", "network", 2, 2), 2, **_HEAVY[2]),
    "growing-tied": Entry(tied(3, 2), 2),
    "growing-logistic-3d": Entry(growing("logistic", "diagonal", "fast", 2, 3), 3),
    # A constant in the potential moves nothing.
    "exchanged": Entry(
        exchanged(growing("gaussian", "diagonal", "cubic", 2, 2), 2),
        2,
        "middle",
        idle=(_LAST_BIAS,),
    ),
    "exchanged-gated": Entry(
        exchanged(leaf("gaussian", "full", "linear", 2, 2), 2, True), 2, idle=(_LAST_BIAS,)
    ),
}

# Positions and momenta.
INERTIAL = {
    "inertial": Entry(inertial("cubic", 2, 1), 2, "middle"),
    "inertial-4d": Entry(inertial("clamped", 2, 2), 4),
}

# Independent coordinates, and mixtures of them: every two choices meet.
_FACTORISED = (
    ("gaussian", "linear", 1),
    ("gaussian", "cubic", 2),
    ("gaussian", "network", 3),
    ("logistic", "linear", 2),
    ("logistic", "cubic", 3),
    ("logistic", "network", 1),
    ("gaussian", "linear", 3),
    ("logistic", "cubic", 1),
    ("logistic", "network", 2),
)
# The tails of the widest logistic part: beyond 20 deviations of all parts together one on the line
# still has 1.1e-8, whatever the number of nodes; beyond 40 none has. In the plane the narrowest
# part is a tenth of a deviation wide, for which 321 nodes are few: they miss 5e-8.
_WIDE: dict[int, Any] = {1: {"box": 40.0, "nodes": 8001}, 2: {"nodes": 641}, 3: {}}
FACTORISED = {
    f"factorised-{family}-{kind}-{dim}d": Entry(factorised(family, kind, 3, dim), dim, **_WIDE[dim])
    for family, kind, dim in _FACTORISED
}
FACTORISED_MIXTURES = {
    f"factorised-mixture-{family}-{kind}-{dim}d": Entry(
        factorised_mixture(factorised(family, kind, 2, dim), 3, kind), dim, **_WIDE[dim]
    )
    for family, kind, dim in _FACTORISED
} | {
    "factorised-mixture-lone-parts": Entry(
        factorised_mixture(factorised("gaussian", "linear", 1, 1), 3, "linear"), 1
    )
}
FACTORISED["factorised-gaussian-cubic-2d"] = replace(
    FACTORISED["factorised-gaussian-cubic-2d"], cost="middle"
)

# Families of one's own: a density that falls doubly exponentially is asked where it is a number,
# and the trapezoidal rule is exact to the square of its step where one has a kink.
_OWN: dict[str, dict[str, Any]] = {
    family: {"tails": 1.2, "far": 3.0, "box": 25.0, "mass": mass}
    for family, mass in (("gumbel", None), ("laplace", 1e-3))
}
FUNCTIONS = {
    name: entry
    for family, known in _OWN.items()
    for name, entry in {
        f"functions-{family}": Entry(leaf(family, "diagonal", "cubic", 2, 2), 2, **known),
        f"functions-{family}-factorised": Entry(factorised(family, "cubic", 2, 1), 1, **known),
        f"functions-{family}-factorised-mixture": Entry(
            factorised_mixture(factorised(family, "cubic", 1, 2), 2, "cubic"), 2, **known
        ),
    }.items()
}

_TURNED = (1, 0)
AUTOREGRESSIVE = {
    "autoregressive": Entry(autoregressive(2, family="logistic", order=_TURNED), 2, "middle"),
    "autoregressive-hard-logistic-2d": Entry(
        autoregressive(2, 3, family="logistic", order=_TURNED), 2
    ),
    "autoregressive-free-logistic-3d": Entry(
        autoregressive(3, family="logistic", hard=False, order=(2, 0, 1)), 3
    ),
    "autoregressive-hard-gaussian-2d": Entry(autoregressive(2, 3, order=_TURNED), 2),
    # With one coordinate the first layer has nothing to read.
    "autoregressive-free-gaussian-1d": Entry(
        autoregressive(1, 3, hard=False, depth=1), 1, idle=(".space",)
    ),
    "autoregressive-hard-gaussian-4d": Entry(autoregressive(4, order=(3, 1, 0, 2), depth=3), 4),
    "autoregressive-still-weights": Entry(autoregressive(2, 3, moving_weights=False), 2),
    "autoregressive-conditioned": Entry(
        given_context(autoregressive(2, family="logistic", context=3), (0.3, -1.0, 0.5)), 2
    ),
}

# The points of a spline's knots: there the slope of the density jumps, and the trapezoidal rule is
# exact to the square of its step, (24 / 4000)^2 on the line and (24 / 1280)^2 in the plane, times
# a jump of up to ten. The divergence jumps where a trajectory passes a knot, which costs a share of
# the jump times the step: with 100 steps the median of 64 trajectories loses 2.5e-3 nats, with 800
# steps 3.8e-4.
_KNOTS: dict[int, Any] = {
    1: {"mass": 1e-5, "box": 12.0},
    2: {"mass": 2e-3, "box": 12.0, "nodes": 1281},
    3: {},
}
_MAP_DIMS = {
    "flow-affine-2d": 2,
    "elementwise-affine": 3,
    "elementwise-spline": 2,
    "coupling-affine": 3,
    "coupling-spline": 3,
    "linear": 3,
    "permutation": 5,
    "flow-affine-5d": 5,
    "flow-affine-1d": 1,
    "flow-spline-1d": 1,
    "flow-spline-2d-linear": 2,
}


def _through(mapping: str, base: Literal["still", "moving"]) -> Entry:
    dim = _MAP_DIMS[mapping]
    start = leaf("gaussian", "full", "cubic", 2, dim) if base == "moving" else None
    knots = {**_KNOTS[dim], "steps": 800} if "spline" in mapping else {}
    # An affine flow is a product of scales, and sixty units out its density is exp(-1e8), whose
    # terms leave more than the absolute residual: `test_pushforward.py` asks there.
    return Entry(pushforward(start, MAPS[mapping]), dim, tails=10.0, **knots)


PUSHED = {f"pushforward-{name}": _through(name, "moving") for name in _MAP_DIMS} | {
    f"pushforward-{name}-at-rest": _through(name, "still")
    for name in ("elementwise-affine", "flow-spline-1d", "flow-spline-2d-linear", "flow-affine-5d")
}

# Densities on a half line, an interval, or both. Single precision cannot tell a point from the
# bound of an interval that is nearer than its rounding.
_BASE = narrow(leaf("gaussian", "full", "cubic", 2, 2))
_LINE = narrow(leaf("gaussian", "diagonal", "linear", 2, 1))
_POSITIVE = pushforward(_LINE, lambda key: Exp((0.5,)))
_HALF, _UNIT = (0.5, math.inf), (-1.0, 2.0)
BOUNDED = {
    "bounded-exp": Entry(_POSITIVE, 1, "middle", support=(_HALF,)),
    "bounded-softplus": Entry(
        pushforward(_BASE, MAPS["softplus"]), 2, support=((0.0, math.inf), (-2.0, math.inf))
    ),
    "bounded-logit": Entry(pushforward(_BASE, MAPS["logit"]), 2, support=(None, _UNIT), far=1e4),
    "bounded-flow": Entry(
        pushforward(_BASE, MAPS["bounded-flow"]), 2, support=((0.0, math.inf), _UNIT), far=1e4
    ),
    "mixture-of-bounded": Entry(mixture(_POSITIVE, _POSITIVE), 1, support=(_HALF,)),
    "product-of-bounded": Entry(
        product(_POSITIVE, leaf("gaussian", "diagonal", "linear", 2, 1)), 2, support=(_HALF, None)
    ),
}

# What knows of events before the interval.
# What follows from the past (zones, scores, routes) is found before a time is asked and stands
# beside the law it was found from, of which nothing else depends on much.
PLACES = {
    "triggered-power": Entry(
        triggered_by_power_laws, 2, nodes=2001, idle=(".brood.", ".history."), **_HEAVY[2]
    ),
    "triggered": Entry(triggered, 2, idle=(".brood.", ".history.")),
    "recalled": Entry(recalled, 2, idle=(".base.", ".history.")),
    "routed": Entry(routed, 2, idle=(".law.", ".history.")),
    "on-local-clock": Entry(on_local_clock, 2, idle=(".history.",)),
}

HARD = {
    "coupled-weights": Entry(coupled, 2),
    "joined": Entry(joined, 2),
}

# Combinators around parts in moving frames.
COMBINED = {
    "mixture": Entry(
        mixture(
            leaf("gaussian", "full", "fast", 1, 2), leaf("logistic", "diagonal", "linear", 2, 2)
        ),
        2,
        "middle",
    ),
    "mixture-of-autoregressive": Entry(
        mixture(
            autoregressive(2, order=_TURNED),
            autoregressive(2, 1, hard=False, family="logistic"),
        ),
        2,
    ),
    "product": Entry(
        product(
            leaf("logistic", "diagonal", "linear", 2, 1), leaf("gaussian", "full", "network", 3, 1)
        ),
        2,
        "middle",
    ),
    "product-3d": Entry(
        product(
            leaf("gaussian", "full", "smooth", 2, 2), leaf("logistic", "diagonal", "linear", 3, 1)
        ),
        3,
    ),
    "gauged": Entry(
        gauged(leaf("gaussian", "diagonal", "cubic", 2, 2), full_gauge(2)), 2, "middle"
    ),
    "gauged-gated-3d": Entry(
        gauged(leaf("gaussian", "full", "fast", 2, 3), full_gauge(3, gated=True)), 3
    ),
    "gauged-low-rank-3d": Entry(
        gauged(leaf("logistic", "diagonal", "monotone", 2, 3), low_rank_gauge(3, 2)), 3
    ),
    "gauged-low-rank-gated": Entry(
        gauged(leaf("gaussian", "diagonal", "network", 1, 2), low_rank_gauge(2, 2, gated=True)),
        2,
    ),
    "ensemble": Entry(ensemble(leaf("gaussian", "diagonal", "cubic", 2, 2), 3), 2, "middle"),
    "ensemble-of-autoregressive": Entry(ensemble(autoregressive(2, family="logistic"), 2), 2),
    "contextual": Entry(contextual(autoregressive(2, family="logistic", context=2), 2), 2),
    "contextual-selected": Entry(
        contextual(selected(leaf("gaussian", "full", "cubic", 2, 2), 3), 3), 2
    ),
    "contextual-standardised": Entry(
        given_context(standardised(autoregressive(2, family="logistic", context=2), 2), (1.4, 0.9)),
        2,
    ),
    "contextual-bridge": Entry(
        given_context(conditional_bridge(2, 2, 2, 1), (0.4,)), 2, **_HEAVY[2]
    ),
    "time-change": Entry(retimed(leaf("gaussian", "full", "cubic", 2, 2)), 2, "middle"),
    "rescaled": Entry(rescaled(leaf("gaussian", "full", "cubic", 2, 2)), 2, "middle"),
    "reversed": Entry(backwards(leaf("logistic", "diagonal", "smooth", 2, 1)), 1, "middle"),
    "mixture-of-gauged-and-product": Entry(
        mixture(
            gauged(leaf("gaussian", "full", "network", 1, 2), full_gauge(2)),
            product(
                leaf("gaussian", "diagonal", "linear", 2, 1),
                leaf("logistic", "diagonal", "network", 1, 1),
            ),
        ),
        2,
    ),
    "reversed-time-change-of-gauged-mixture": Entry(
        backwards(
            retimed(
                gauged(
                    mixture(
                        leaf("gaussian", "full", "linear", 1, 2),
                        leaf("logistic", "full", "network", 1, 2),
                    ),
                    low_rank_gauge(2, 1, gated=True),
                )
            )
        ),
        2,
    ),
}

# A kind of path is put into combinators as soon as it has an entry of two coordinates here.
GROUPS = (
    *(PARTS, STUDENT, WEIGHTED, GROWING, INERTIAL, FACTORISED, FACTORISED_MIXTURES),
    *(AUTOREGRESSIVE, PUSHED, PLACES),
)


def _in_a_mixture(path: Maker) -> Maker:
    return gauged(mixture(path, leaf("gaussian", "full", "cubic", 1, 2)), full_gauge(2))


def _in_a_product(path: Maker) -> Maker:
    still = leaf("logistic", "diagonal", "linear", 2, 1)
    return backwards(retimed(rescaled(ensemble(product(path, still), 2))))


COMBINATORS: dict[str, tuple[int, Callable[[Maker], Maker]]] = {
    "gauged-mixture-of": (2, _in_a_mixture),
    "moved-ensemble-of": (3, _in_a_product),
}


def _combinations() -> dict[str, Entry]:
    first = [next((n, e) for n, e in group.items() if e.dim == 2) for group in GROUPS]
    return {
        f"{combinator}-{name}": replace(
            entry,
            make=around(entry.make),
            dim=dim,
            cost="high",
            # In other units and at another pace the motion is faster.
            steps=800,
            support=entry.support and (*entry.support, None)[:dim],
        )
        for name, entry in first
        for combinator, (dim, around) in COMBINATORS.items()
    }


ENTRIES: dict[str, Entry] = {
    name: entry
    for group in (*GROUPS, BOUNDED, FUNCTIONS, HARD, COMBINED, _combinations())
    for name, entry in group.items()
}


def entries(*costs: str, at_most: int | None = None) -> list[Any]:
    """All entries for a test that runs on each, those of other costs as slow ones.

    Args:
        costs: of the entries on which it runs by default.
        at_most: leaves out entries of more dimensions.
    """
    return [
        pytest.param(name, marks=() if entry.cost in costs else pytest.mark.slow)
        for name, entry in ENTRIES.items()
        if at_most is None or entry.dim <= at_most
    ]


@functools.cache
def build(name: str, seed: int = 0) -> AbstractPath:
    """The entry of a name, the same object at every call."""
    return ENTRIES[name].make(jr.fold_in(jr.key(seed), zlib.crc32(name.encode())))
