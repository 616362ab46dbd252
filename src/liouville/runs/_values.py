"""Values of a configuration, each as its field has it, or refused."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from liouville.errors import LiouvilleError
from liouville.runs._options import REQUIRED, Range
from liouville.runs._types import (
    default_of,
    fields_of,
    in_words,
    is_config,
    members_of,
    unknown_key,
)

T = TypeVar("T")

_LONGEST = 100  # characters of a value that a message repeats


def build(cls: type[T], data: Any, prefix: str, base: Any = None) -> T:
    """A configuration from plain values; fields left out are those of `base`, if given."""
    if isinstance(data, cls):
        data = plain(data)  # made in Python: nothing of it was checked
    if not isinstance(data, Mapping):
        raise _wrong(prefix.rstrip("."), data, cls)
    hints = get_type_hints(cls)
    names = [field.name for field in fields_of(cls)]
    for name in data:
        if name not in names:
            raise unknown_key(f"{prefix}{name}", str(name), names)
    values = {}
    for field in fields_of(cls):
        name = field.name
        values[name] = default_of(field) if base is None else getattr(base, name)
        if name in data:
            values[name] = coerce(hints[name], data[name], prefix + name, values[name])
            _check_range(field, hints[name], values[name], prefix + name)
        elif values[name] is REQUIRED:
            raise LiouvilleError(
                f"configuration key {prefix + name!r} is missing and has no default; "
                f"give {in_words(hints[name])}"
            )
    try:
        return cls(**values)
    except LiouvilleError:
        raise
    except ValueError as error:
        where = f"in {prefix.rstrip('.')}: " if prefix else ""
        raise LiouvilleError(f"configuration refused: {where}{error}") from error


def _check_range(field: dataclasses.Field[Any], annotation: Any, value: Any, key: str) -> None:
    """Refuses numbers outside the range of a field, if it has one."""
    bounds: Range | None = field.metadata.get("range")
    if isinstance(value, tuple | dict):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for name, part in parts:
            place = f"{key}.{name}" if isinstance(value, dict) else f"{key}[{name}]"
            _check_range(field, annotation, part, place)
    elif bounds is not None and _is_number(value) and not bounds.holds(value):
        raise _wrong(key, value, annotation, bounds)


def coerce(annotation: Any, value: Any, key: str, default: Any = None) -> Any:
    """A value as a type has it; of a configuration, with fields left out as in the default."""
    members = members_of(annotation)
    # A member that the value already belongs to wins over one that it could be turned into.
    for member in sorted(members, key=lambda m: type(value) is not m):
        if is_config(member) and (isinstance(value, Mapping) or len(members) == 1):
            base = default if isinstance(default, member) else None
            return build(member, value, f"{key}.", base)
        if get_origin(member) is tuple and isinstance(value, list | tuple):
            return _coerce_tuple(member, value, key)
        if get_origin(member) is dict and isinstance(value, Mapping):
            _, kind = get_args(member)
            return {str(k): coerce(kind, v, f"{key}.{k}") for k, v in value.items()}
        try:
            return _coerce_scalar(member, value)
        except (TypeError, ValueError, OverflowError):
            continue
    raise _wrong(key, value, annotation)


def _coerce_scalar(member: Any, value: Any) -> Any:
    """The value as a member of a scalar type, or TypeError."""
    if member is Any:
        return value
    if get_origin(member) is Literal:
        # `1 == True`: the type must agree, too.
        matches = [c for c in get_args(member) if c == value and type(c) is type(value)]
        if matches:
            return matches[0]
    elif member is type(None):
        if value is None:
            return None
    elif member is int:
        if _is_number(value) and float(value).is_integer():
            return int(value)
    elif member is float:
        if _is_number(value) and not math.isnan(value):
            return float(value)
    elif isinstance(member, type) and isinstance(value, member):
        return value
    raise TypeError


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _coerce_tuple(annotation: Any, value: Sequence[Any], key: str) -> tuple[Any, ...]:
    items = get_args(annotation)
    if len(items) == 2 and items[1] is Ellipsis:
        items = (items[0],) * len(value)
    elif items == ((),):
        items = ()
    if len(items) != len(value):
        raise _wrong(key, value, annotation)
    return tuple(
        coerce(item, part, f"{key}[{i}]")
        for i, (item, part) in enumerate(zip(items, value, strict=True))
    )


def _wrong(key: str, value: Any, annotation: Any, bounds: Range | None = None) -> LiouvilleError:
    if not key:
        return LiouvilleError(f"a configuration must be 'key: value' pairs, got {value!r}")
    words, shown = in_words(annotation, bounds), repr(value)
    if bounds is not None and isinstance(value, float) and not math.isfinite(value):
        words = words.replace("a number", "a finite number")
    shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
    return LiouvilleError(f"{key} is {shown} but must be {words}")


def plain(value: Any) -> Any:
    """A value, or a configuration, as JSON and YAML can hold it; tuples are lists."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields_of(type(value))}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return value
