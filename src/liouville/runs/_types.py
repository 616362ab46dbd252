"""The types of the fields of a configuration, in words too."""

import dataclasses
import difflib
import types
from collections.abc import Sequence
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from liouville.errors import LiouvilleError
from liouville.runs._options import REQUIRED, Range


def fields_of(cls: type) -> list[dataclasses.Field[Any]]:
    """The fields of a configuration that may be given."""
    return [field for field in dataclasses.fields(cast(Any, cls)) if field.init]


def is_config(annotation: Any) -> bool:
    """Whether a type is that of a configuration."""
    return isinstance(annotation, type) and dataclasses.is_dataclass(annotation)


def members_of(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself."""
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def type_at(cls: type, key: str) -> Any:
    """The type of the field that a dotted key leads to."""
    annotation: Any = cls
    done: list[str] = []
    for name in key.split("."):
        members = members_of(annotation)
        if open_keys := [get_args(m)[1] for m in members if get_origin(m) is dict]:
            annotation = open_keys[0]
            done.append(name)
            continue
        nested = [member for member in members if is_config(member)]
        if not nested:
            raise LiouvilleError(
                f"unknown configuration key {key!r}; {'.'.join(done)!r} has no keys of its own, it "
                f"is {in_words(annotation)}"
            )
        hints = {f.name: get_type_hints(c)[f.name] for c in nested for f in fields_of(c)}
        if name not in hints:
            raise unknown_key(key, name, list(hints))
        annotation = hints[name]
        done.append(name)
    return annotation


def unknown_key(key: str, name: str, names: Sequence[str]) -> LiouvilleError:
    """The error of a name that is not among those of the fields."""
    return LiouvilleError(f"unknown configuration key {key!r}; {suggestion(name, names)}")


def suggestion(name: str, names: Sequence[str]) -> str:
    """What to write in place of an unknown name: the nearest one, and all that there are."""
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}Valid keys: {', '.join(names) or 'none'}"


def in_words(annotation: Any, bounds: Range | None = None) -> str:
    """The values that a type takes, for messages and help."""
    members = members_of(annotation)
    if len(members) > 1:
        return " or ".join(in_words(member, bounds) for member in members)
    if annotation is type(None):
        return "null"
    if is_config(annotation):
        return f"a mapping of {', '.join(field.name for field in fields_of(annotation))}"
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(map(str, get_args(annotation)))
    if get_origin(annotation) is tuple:
        items = get_args(annotation)
        if len(items) == 2 and items[1] is Ellipsis:
            return f"a list of {in_words(items[0], bounds)}"
        return f"a list of {len(items)}: {', '.join(in_words(i, bounds) for i in items)}"
    if get_origin(annotation) is dict:
        return f"a mapping of names to {in_words(get_args(annotation)[1], bounds)}"
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    said = words.get(annotation, getattr(annotation, "__name__", str(annotation)))
    return f"{said} {bounds}" if annotation in (int, float) and bounds and str(bounds) else said


def default_of(field: dataclasses.Field[Any]) -> Any:
    """The value of a field that is not given, `REQUIRED` if there is none."""
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return REQUIRED
