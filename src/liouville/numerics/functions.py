"""Functions that a user wrote, looked at before anything is computed with them.

Whatever takes such a function asks here once: by abstract evaluation, which computes nothing, and
where points are known by its values at them. So a wrong signature, a wrong shape and NumPy where
JAX traces are one line wherever the function was given.
"""

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from liouville.errors import LiouvilleError
from liouville.numerics.finite import show

# What JAX says of code that wants numbers where it has none yet, and what to write instead; the
# first that fits counts.
_REMEDIES: tuple[tuple[type[Exception], str, str], ...] = (
    (
        jax.errors.TracerArrayConversionError,
        "uses NumPy or SciPy",
        "write it with jax.numpy, as jnp.sin for np.sin",
    ),
    (
        jax.errors.TracerBoolConversionError,
        "decides with Python's if, while, and or or",
        "use jnp.where(condition, a, b)",
    ),
    (
        jax.errors.TracerIntegerConversionError,
        "counts or indexes with a computed number",
        "use jnp.take or jnp.where",
    ),
    (
        jax.errors.ConcretizationTypeError,
        "makes a Python number of an array, as math.sin and float() do",
        "write it with jax.numpy",
    ),
)


def check_function(
    what: str, function: Any, arguments: Mapping[str, Any], shape: tuple[int, ...]
) -> None:
    """Refuses what cannot be called as it will be, without computing anything.

    It may be called where JAX traces, and then costs nothing at run time.

    Args:
        what: the name of the function in messages, such as `the drift`.
        function: what the user gave.
        arguments: an example of each argument, or its shape and dtype, by name and in order.
        shape: of the result, which is made of real numbers.

    Raises:
        LiouvilleError: if it is no function, takes other arguments, is not written for JAX, fails,
            or returns something else.
    """
    call = f"({', '.join(arguments)})"
    _check_signature(what, function, call, len(arguments))
    sizes = ", ".join(
        f"{name} of shape {value.shape}" for name, value in arguments.items() if _has_shape(value)
    )
    try:
        found = jax.eval_shape(function, *arguments.values())
    except LiouvilleError as error:  # of a function inside the function
        raise LiouvilleError(f"{what}: {error}") from None
    except Exception as error:  # the user's function may raise anything
        for kind, does, remedy in _REMEDIES:
            if isinstance(error, kind):
                raise LiouvilleError(f"{what} {does}, which JAX cannot trace; {remedy}") from error
        reason = (str(error).splitlines() or [""])[0][:160].rstrip(".")
        raise LiouvilleError(
            f"{what} fails with {sizes}: {type(error).__name__}: {reason}; write it for one point"
        ) from error
    wanted = f"it must return {'one number' if shape == () else f'an array of shape {shape}'}"
    if not isinstance(found, jax.ShapeDtypeStruct):
        raise LiouvilleError(
            f"{what} returns {_kind(found)} for {sizes}; {wanted}, as jnp.stack makes of several"
        )
    if found.shape != shape:
        raise LiouvilleError(
            f"{what} returns shape {found.shape} for {sizes}; {wanted}: write it for one point"
        )
    if not jnp.issubdtype(found.dtype, jnp.floating):
        raise LiouvilleError(
            f"{what} returns {found.dtype} for {sizes}; {wanted} of floating point, such as "
            "jnp.where(condition, 1.0, 0.0)"
        )


def check_values(
    what: str, function: Any, points: Any, shape: tuple[int, ...], t: float | None = None
) -> np.ndarray:
    """The values of a function at points, which must be finite and have a shape.

    Args:
        what: the name of the function in messages.
        function: of a point, or of time and point if there is a time.
        points: where the population is, shape `(n, dim)`.
        shape: of the result at one point.
        t: the time.

    Returns:
        Shape `(n, *shape)`.

    Raises:
        LiouvilleError: as `check_function`, or if a value is not finite; it names the point.
    """
    points = _array(points)
    arguments = {"x": points[0]} if t is None else {"t": _array(t), "x": points[0]}
    check_function(what, function, arguments, shape)
    one = function if t is None else partial(function, _array(t))
    values = np.asarray(jax.vmap(one)(points), float)
    bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if bad.any():
        when = "" if t is None else f"t = {t:.4g}, "
        raise LiouvilleError(
            f"{what} is {show(values[bad][0])} at {when}x = {show(np.asarray(points)[bad][0])}; "
            "make it finite wherever the population may be"
        )
    return values


def _check_signature(what: str, function: Any, call: str, count: int) -> None:
    if not callable(function):
        raise LiouvilleError(f"{what} is {_kind(function)}; give a function of {call}")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions of C have none
        return
    try:
        signature.bind(*range(count))
    except TypeError:
        raise LiouvilleError(
            f"{what} takes {str(signature).split(' ->')[0][:80]} but is asked with {call}; write "
            f"it as a function of {call}"
        ) from None


def _kind(value: Any) -> str:
    """What a value is, in words that fit a message."""
    if value is None:
        return "nothing (None)"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    shape = f" of shape {value.shape}" if _has_shape(value) else ""
    return f"of type {type(value).__name__}{shape}"


def _has_shape(value: Any) -> bool:
    return hasattr(value, "shape")


def _array(value: Any) -> jax.Array:
    return jnp.asarray(value, jnp.zeros(()).dtype)
