from typing import Any, Literal

import jax.numpy as jnp
import jax.random as jr

from liouville.curves import AbstractCurve, HardStarted, Network, Opening
from liouville.maps._base import AbstractMap
from liouville.maps._chain import Chain
from liouville.maps._coupling import Coupling
from liouville.maps._elementwise import Elementwise
from liouville.maps._groups import partitions
from liouville.maps._linear import Linear
from liouville.maps._scalars import Affine, Spline
from liouville.numerics.types import RandomKey

Kind = Literal["affine", "spline"]


def coupling_flow(
    dim: int,
    interval: tuple[float, float],
    *,
    layers: int = 6,
    width: int = 64,
    depth: int = 2,
    kind: Kind = "affine",
    bins: int = 8,
    box: float = 4.0,
    linear: bool = False,
    hard_start: bool = True,
    gate: Opening = "linear",
    context: int = 0,
    key: RandomKey,
) -> Chain:
    """A chain of couplings that take turns in which coordinates move; the identity at first.

    Two layers after each other swap the groups of one partition of the coordinates; pair after
    pair the partition changes (even and odd, first and second half, pairs, quarters, ...), so that
    soon any two coordinates meet. No coordinate changes its place, which keeps the identity at
    the start. On the line there is nothing to couple: the layers are functions of the coordinate
    whose parameters run along curves, and one affine function is as good as many.

    Args:
        dim: the number of coordinates.
        interval: `(start, end)` of the times.
        layers: the number of couplings; two or more for every coordinate to move.
        width: units of the layers of each network.
        depth: hidden layers of each network.
        kind: `affine`, for smooth densities and speed, or `spline`, for sharp and separated ones.
        bins: bins of a spline.
        box: half the width of the box of a spline, in units of the base.
        linear: whether a `Linear` map with a moving matrix follows each pair of couplings, which
            suits strong correlations in few dimensions: it has `dim**2` parameters.
        hard_start: whether the flow is the identity at `start`, whatever its parameters.
        gate: how a hard start opens.
        context: the size of the context, or zero.
        key: random key.

    Raises:
        ValueError: on an unknown kind, or fewer layers than it takes to move every coordinate.
    """
    if kind not in ("affine", "spline"):
        raise ValueError(f"kind is {kind!r}; use 'affine' or 'spline'")
    if dim < 1 or layers < (1 if dim == 1 else 2):
        raise ValueError(
            f"a flow of {dim} coordinates in {layers} layers leaves some of them where they are; "
            "give dim >= 1, and layers >= 2 for two coordinates or more"
        )
    scalar = Affine() if kind == "affine" else Spline(bins, box)
    opened: Opening | None = gate if hard_start else None
    keys = jr.split(key, 2 * layers)

    sizes: dict[str, Any] = {"width": width, "depth": depth, "context": context}

    def curve(shape: tuple[int, ...], key: RandomKey) -> AbstractCurve:
        zeros = jnp.zeros(shape)
        network = Network(zeros, interval, **sizes, key=key)
        return network if opened is None else HardStarted(zeros, network, interval, opened)

    if dim == 1:
        count = 1 if kind == "affine" else layers
        return Chain([Elementwise(curve((scalar.parameters, 1), k), scalar) for k in keys[:count]])
    maps: list[AbstractMap] = []
    halves = partitions(dim)
    for layer in range(layers):
        first, second = halves[(layer // 2) % len(halves)]
        kept, moved = (first, second) if layer % 2 == 0 else (second, first)
        maps.append(
            Coupling(kept, moved, interval, scalar=scalar, gate=opened, **sizes, key=keys[layer])
        )
        if linear and layer % 2 == 1:
            matrix_key, shift_key = jr.split(keys[layers + layer])
            maps.append(Linear(curve((dim, dim), matrix_key), curve((dim,), shift_key)))
    return Chain(maps)
