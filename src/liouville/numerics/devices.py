"""One program on many devices, of one process or of several: rows divided, all else copied.

The devices of all processes are a mesh of one axis, `data`. What a program does for many rows is
divided over it; numbers that are learned are on every device. Random numbers are counted by step
and by row, never by device, so that any number of devices finds the same up to rounding. On a
single device nothing here does anything.
"""

import contextlib
import json
import zlib
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Int

from liouville.errors import LiouvilleError

Tree = TypeVar("Tree")

_AXIS = "data"


def processes() -> int:
    """How many processes compute together; one, too, after `jax.distributed.shutdown`."""
    return jax.process_count() if jax.distributed.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that writes files and speaks."""
    return processes() == 1 or jax.process_index() == 0


def everywhere() -> contextlib.AbstractContextManager[Any]:
    """In this block, programs run on all devices of all processes, which must come to it alike."""
    mesh = _mesh()
    return contextlib.nullcontext() if mesh is None else jax.set_mesh(mesh)


def _mesh() -> Mesh | None:
    """All devices in a row, or `None` if there is one."""
    devices = jax.devices() if processes() > 1 else jax.local_devices()
    return None if len(devices) == 1 else Mesh(np.array(devices), (_AXIS,), (AxisType.Auto,))


def count() -> int:
    """How many devices share the rows of what is computed here: one outside `everywhere`."""
    return dict(jax.sharding.get_abstract_mesh().shape).get(_AXIS, 1)


def places(number: int) -> tuple[Int[Array, " m"], Bool[Array, " m"]]:
    """The numbers from 0 for so many things, such that each device has as many, and which count.

    The last is repeated until they are a multiple of the devices.
    """
    every = jnp.arange(-(-number // count()) * count())
    return jnp.minimum(every, number - 1), every < number


def divided(values: Array, axis: int = 0) -> Array:
    """The same values, an axis of which the devices divide; it is a multiple of their number."""
    return values if count() == 1 else jax.lax.with_sharding_constraint(values, _along(axis))


def shared(tree: Tree) -> Tree:
    """The same arrays, each whole on every device."""
    if count() == 1:
        return tree
    return jax.tree.map(lambda x: jax.lax.with_sharding_constraint(x, PartitionSpec()), tree)


def rows_of(values: Array, rows: Int[Array, "..."]) -> Array:
    """`values[rows]`, the last axis of `rows` divided over the devices, which divide the values.

    Each device looks up what it has of the rows, and hands it to the others. The last axis of the
    rows is a multiple of the number of devices.
    """
    if count() == 1:
        return values[rows]
    if len(values) % count():
        return divided(values[rows], rows.ndim - 1)

    def of_device(own: Array, rows: Array) -> Array:
        place = rows - jax.lax.axis_index(_AXIS) * len(own)
        is_own = (place >= 0) & (place < len(own))
        found = own[jnp.clip(place, 0, len(own) - 1)]
        found = jnp.where(is_own.reshape(*rows.shape, *[1] * (own.ndim - 1)), found, 0)
        # The sum is whole on each device: that of parts alone gives up after half a minute where
        # processors wait for one that compiles.
        return jax.lax.psum(found, _AXIS)

    specs = (_along(0), PartitionSpec())
    looked_up = jax.shard_map(of_device, in_specs=specs, out_specs=PartitionSpec())
    return divided(looked_up(values, rows), rows.ndim - 1)


def mean(function: Callable[..., Array], *rows: Array) -> Array:
    """The mean of a function of one row of each array, rows that the devices divide."""
    if count() == 1:
        return jax.vmap(function)(*rows).mean()
    number = len(rows[0])
    place, counts = places(number)
    found = jax.vmap(function)(*(divided(own[place]) for own in rows))
    return jnp.where(counts, found, 0.0).sum() / number


def _along(axis: int) -> PartitionSpec:
    return PartitionSpec(*[None] * axis, _AXIS)


def copied(tree: Tree) -> Tree:
    """The arrays of a pytree on every device; each process gives them all."""
    return _put(tree, PartitionSpec())


def spread(rows: Array) -> Array:
    """An array whose rows the devices divide, with rows of zeros at the end if they must.

    Each process gives the whole array and keeps its part.
    """
    if _size() == 1:
        return rows
    zeros = [(0, -len(rows) % _size()), *[(0, 0)] * (rows.ndim - 1)]
    padded: Any = np.pad(np.asarray(rows), zeros)
    return _put(padded, _along(0))


def _size() -> int:
    mesh = _mesh()
    return 1 if mesh is None else mesh.size


def _put(tree: Tree, spec: PartitionSpec) -> Tree:
    mesh = _mesh()
    if mesh is None:
        return tree
    sharding = NamedSharding(mesh, spec)

    def put(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array | np.ndarray):
            return leaf
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            key = put(jr.key_data(leaf))
            return jr.wrap_key_data(key, impl=jr.key_impl(leaf))
        own = np.asarray(leaf)
        return jax.make_array_from_callback(own.shape, sharding, lambda part: own[part])

    return jax.tree.map(put, tree)


def at_home(tree: Tree) -> Tree:
    """The arrays of a pytree, each whole on every device, back on one device of this process."""
    if _mesh() is None:
        return tree
    return jax.tree.map(lambda x: jnp.asarray(np.asarray(x)) if eqx.is_array(x) else x, tree)


def agreed(tree: Tree) -> Tree:
    """The arrays of a pytree as the first process has them, for all.

    Raises:
        LiouvilleError: if another process has arrays of other shapes.
    """
    if processes() == 1:
        return tree
    arrays, rest = eqx.partition(tree, eqx.is_array)
    leaves, structure = jax.tree.flatten(arrays)
    shapes = str([(leaf.shape, str(leaf.dtype)) for leaf in leaves])
    marks = np.zeros(processes(), np.int32)
    marks[jax.process_index()] = zlib.crc32(shapes.encode()) >> 1
    marks = _added(marks)
    if len(other := np.flatnonzero(marks != marks[0])):
        raise LiouvilleError(
            f"process {other[0]} begins with another model than process 0; give all processes the "
            "same data, settings and versions"
        )

    def of_first(leaf: Any) -> Any:
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return leaf  # from the settings, which are the same
        return jnp.asarray(_from_first(np.asarray(leaf)))

    return eqx.combine(jax.tree.unflatten(structure, map(of_first, leaves)), rest)


def told(content: Any = None) -> Any:
    """What the first process says to all, anything that JSON can hold; the others' is dropped."""
    if processes() == 1:
        return content
    text = np.frombuffer(json.dumps(content).encode(), np.uint8)
    length = int(_from_first(np.asarray(len(text), np.int32)))
    padded = np.zeros(length, np.uint8)
    if is_first():
        padded[:] = text
    return json.loads(_from_first(padded).tobytes())


def any_of(flag: bool) -> bool:
    """Whether it is so in any process."""
    return flag if processes() == 1 else bool(_added(np.asarray(flag, np.int32)))


def _from_first(values: np.ndarray) -> np.ndarray:
    return _added(values if is_first() else np.zeros_like(values))


def _added(values: np.ndarray) -> np.ndarray:
    """The sum over all processes of arrays, of which each has one of the same shape.

    Of what processors do together, sums alone wait for the slowest however long it takes.
    """
    mesh = _mesh()
    assert mesh is not None
    first = next(i for i, device in enumerate(mesh.devices) if device in jax.local_devices())

    def part(index: Any) -> np.ndarray:
        return values[None] if index[0].start == first else np.zeros_like(values)[None]

    each, whole = (NamedSharding(mesh, spec) for spec in (_along(0), PartitionSpec()))
    parts = jax.make_array_from_callback((mesh.size, *values.shape), each, part)
    return np.asarray(jax.jit(_sum_of_parts, out_shardings=whole)(parts))


def _sum_of_parts(parts: Array) -> Array:
    return parts.sum(axis=0, dtype=parts.dtype)
