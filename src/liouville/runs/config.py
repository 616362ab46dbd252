"""Configurations: nested frozen dataclasses, filled from files and flags, with checked types.

A configuration is a frozen dataclass whose fields are numbers, text, booleans, tuples of those,
`Literal` choices, unions of those with None, or other configurations. A key is the path to a field,
with dots: ``model.width``. Values come, in rising priority, from the defaults, a YAML file, command
flags and ``key=value`` settings. A field's explanation, and the range of its numbers, are what
`option` was given.
"""

import contextlib
import dataclasses
import difflib
import math
import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, Union, cast, get_args, get_origin
from typing import get_type_hints as _type_hints

from liouville.errors import LiouvilleError
from liouville.runs._yaml import MOST_BYTES, parse_yaml
from liouville.runs.reading import read_text

T = TypeVar("T")

_LONGEST = 100  # characters of a value that a message repeats


class Range(NamedTuple):
    """The finite numbers that a setting takes: from `low` to `high`, above `above`, below `below`.

    Of a setting that is a list or a mapping it is the range of every number in it.
    """

    low: int | float | None = None
    high: int | float | None = None
    above: int | float | None = None
    below: int | float | None = None

    def holds(self, value: int | float) -> bool:
        """Whether a number is in the range; neither an infinite one nor NaN is in any."""
        return (
            (isinstance(value, int) or math.isfinite(value))
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        """The bounds as they follow a noun: `from 1 to 9`, `above 0 and below 1`, or nothing."""
        if self.low is not None and self.high is not None:
            return f"from {self.low:.15g} to {self.high:.15g}"
        words = {
            **{"above": self.above, "at least": self.low},
            **{"below": self.below, "at most": self.high},
        }
        said = [f"{word} {bound:.15g}" for word, bound in words.items() if bound is not None]
        return " and ".join(said)


def option(
    default: Any,
    doc: str,
    *,
    flag: str = "",
    argument: str = "",
    within: Range = Range(),  # noqa: B008 - it cannot change
) -> Any:
    """A field of a configuration, with its explanation for `describe` and the help of commands.

    The command line sets it by an option, `flag`, such as ``"--time-key"``, or by a positional
    `argument`, such as ``"DATA"``, if any. Numbers must be finite and `within` a range.
    """
    metadata = {"doc": doc, "flag": flag, "argument": argument, "range": within}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


class Entry(NamedTuple):
    """One field of a configuration, as `describe` lists it."""

    key: str  # path to the field, with dots
    type: str  # the values it takes, in words
    default: Any  # `REQUIRED` if it has none
    doc: str
    flag: str
    argument: str
    annotation: Any
    range: Range


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED = _Required()
"""Stands for the default of a field that has none."""


def from_dict(cls: type[T], data: Mapping[str, Any]) -> T:
    """Builds a configuration from plain values by field name.

    Whole floats are accepted as int, and int as float; a boolean is neither. Lists become tuples,
    and mappings nested configurations. Fields left out keep their defaults, those of a nested
    configuration the ones that its parent gives it.

    Raises:
        LiouvilleError: If a key is unknown, a value has the wrong type or is outside the range
            of its field, or a field without a default is missing; it names the key, the value
            and what is expected.
    """
    return _build(cls, data, "")


def to_dict(cfg: Any) -> dict[str, Any]:
    """Inverse of `from_dict`: plain values that JSON and YAML can hold, tuples as lists."""
    return {field.name: _plain(getattr(cfg, field.name)) for field in _fields(type(cfg))}


def apply_settings(cfg: T, settings: Iterable[str]) -> T:
    """Changes fields by texts such as ``"model.width=64"``, read as YAML; a later one wins.

    Raises:
        LiouvilleError: If a text has no ``=``, or as in `from_dict`.
    """
    tree: dict[str, Any] = {}
    _overlay_settings(type(cfg), tree, settings)
    return _build(type(cfg), tree, "", cfg)


def merge(
    cls: type[T],
    *,
    file: Mapping[str, Any] | None = None,
    flags: Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
    settings: Iterable[str] = (),
) -> T:
    """Builds a configuration from all its sources, the later ones winning; raises as `from_dict`.

    Args:
        cls: A dataclass.
        file: Values of a file, nested, as `load_yaml` gives them.
        flags: Values of command flags by dotted key; None means not given. A text is read as that
            of a setting, unless the field takes text as it is.
        values: Values by dotted key, each as it is, None too.
        settings: Texts as for `apply_settings`.
    """
    tree = _merge({}, file or {})
    given = {
        key: _setting_value(annotation, value, key)
        if isinstance(value, str) and str not in _members(annotation := _type_at(cls, key))
        else value
        for key, value in (flags or {}).items()
        if value is not None
    }
    for key, value in (given | dict(values or {})).items():
        _type_at(cls, key)
        _set(tree, key, value)
    _overlay_settings(cls, tree, settings)
    return from_dict(cls, tree)


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Reads a YAML 1.2 file of nested keys: ``1e-3`` is a number, and ``off`` is text.

    Raises:
        LiouvilleError: If the file is missing or unreadable, is not YAML, repeats a key, or is not
            made of ``key: value`` lines.
    """
    text = read_text(path, "configuration file", most=MOST_BYTES)
    data = parse_yaml(text, str(path))
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise LiouvilleError(
            f"{path} holds a {type(data).__name__}, not 'key: value' lines; write one key per line"
        )
    return data


def describe(cls: type) -> list[Entry]:
    """The fields of a configuration that hold a value, nested ones under their dotted keys."""
    return _describe(cls, "", None)


def _fields(cls: type) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(cast(Any, cls)) if field.init]


def _is_config(annotation: Any) -> bool:
    return isinstance(annotation, type) and dataclasses.is_dataclass(annotation)


def _members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself."""
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _build(cls: type[T], data: Any, prefix: str, base: Any = None) -> T:
    """A configuration from plain values; fields left out are those of `base`, if given."""
    if isinstance(data, cls):
        data = to_dict(data)  # made in Python: nothing of it was checked
    if not isinstance(data, Mapping):
        raise _wrong(prefix.rstrip("."), data, cls)
    hints = _type_hints(cls)
    names = [field.name for field in _fields(cls)]
    for name in data:
        if name not in names:
            raise _unknown_key(f"{prefix}{name}", str(name), names)
    values = {}
    for field in _fields(cls):
        name = field.name
        values[name] = _default(field) if base is None else getattr(base, name)
        if name in data:
            values[name] = _coerce(hints[name], data[name], prefix + name, values[name])
            _check_range(field, hints[name], values[name], prefix + name)
        elif values[name] is REQUIRED:
            raise LiouvilleError(
                f"configuration key {prefix + name!r} is missing and has no default; "
                f"give {_in_words(hints[name])}"
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


def _coerce(annotation: Any, value: Any, key: str, default: Any = None) -> Any:
    members = _members(annotation)
    # A member that the value already belongs to wins over one that it could be turned into.
    for member in sorted(members, key=lambda m: type(value) is not m):
        if _is_config(member) and (isinstance(value, Mapping) or len(members) == 1):
            base = default if isinstance(default, member) else None
            return _build(member, value, f"{key}.", base)
        if get_origin(member) is tuple and isinstance(value, list | tuple):
            return _coerce_tuple(member, value, key)
        if get_origin(member) is dict and isinstance(value, Mapping):
            _, kind = get_args(member)
            return {str(k): _coerce(kind, v, f"{key}.{k}") for k, v in value.items()}
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
        _coerce(item, part, f"{key}[{i}]")
        for i, (item, part) in enumerate(zip(items, value, strict=True))
    )


def _wrong(key: str, value: Any, annotation: Any, bounds: Range | None = None) -> LiouvilleError:
    if not key:
        return LiouvilleError(f"a configuration must be 'key: value' pairs, got {value!r}")
    words, shown = _in_words(annotation, bounds), repr(value)
    if bounds is not None and isinstance(value, float) and not math.isfinite(value):
        words = words.replace("a number", "a finite number")
    shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
    return LiouvilleError(f"{key} is {shown} but must be {words}")


def _unknown_key(key: str, name: str, names: Sequence[str]) -> LiouvilleError:
    return LiouvilleError(f"unknown configuration key {key!r}; {suggestion(name, names)}")


def suggestion(name: str, names: Sequence[str]) -> str:
    """What to write in place of an unknown name: the nearest one, and all that there are."""
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}Valid keys: {', '.join(names) or 'none'}"


def _in_words(annotation: Any, bounds: Range | None = None) -> str:
    """The values that a type takes, for messages and help."""
    members = _members(annotation)
    if len(members) > 1:
        return " or ".join(_in_words(member, bounds) for member in members)
    if annotation is type(None):
        return "null"
    if _is_config(annotation):
        return f"a mapping of {', '.join(field.name for field in _fields(annotation))}"
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(map(str, get_args(annotation)))
    if get_origin(annotation) is tuple:
        items = get_args(annotation)
        if len(items) == 2 and items[1] is Ellipsis:
            return f"a list of {_in_words(items[0], bounds)}"
        return f"a list of {len(items)}: {', '.join(_in_words(i, bounds) for i in items)}"
    if get_origin(annotation) is dict:
        return f"a mapping of names to {_in_words(get_args(annotation)[1], bounds)}"
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    said = words.get(annotation, getattr(annotation, "__name__", str(annotation)))
    return f"{said} {bounds}" if annotation in (int, float) and bounds and str(bounds) else said


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return REQUIRED


def _describe(cls: type, prefix: str, instance: Any) -> list[Entry]:
    hints = _type_hints(cls)
    entries = []
    for field in _fields(cls):
        key, annotation = prefix + field.name, hints[field.name]
        default = _default(field) if instance is None else getattr(instance, field.name)
        nested = [member for member in _members(annotation) if _is_config(member)]
        if nested != [annotation]:
            doc, flag, argument = (
                str(field.metadata.get(name, "")) for name in ("doc", "flag", "argument")
            )
            bounds = field.metadata.get("range", Range())
            words = _in_words(annotation, bounds)
            entries.append(Entry(key, words, default, doc, flag, argument, annotation, bounds))
        for member in nested:
            inner = default if isinstance(default, member) else None
            entries += _describe(member, f"{key}.", inner)
    return entries


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of two nested mappings, the second one winning."""
    merged = dict(under)
    for key, value in over.items():
        if isinstance(value, Mapping):
            below = merged.get(key)
            value = _merge(below if isinstance(below, Mapping) else {}, value)
        merged[key] = value
    return merged


def _type_at(cls: type, key: str) -> Any:
    """The type of the field that a dotted key leads to."""
    annotation: Any = cls
    done: list[str] = []
    for name in key.split("."):
        members = _members(annotation)
        if open_keys := [get_args(m)[1] for m in members if get_origin(m) is dict]:
            annotation = open_keys[0]
            done.append(name)
            continue
        nested = [member for member in members if _is_config(member)]
        if not nested:
            raise LiouvilleError(
                f"unknown configuration key {key!r}; {'.'.join(done)!r} has no keys of its own, it "
                f"is {_in_words(annotation)}"
            )
        hints = {f.name: _type_hints(c)[f.name] for c in nested for f in _fields(c)}
        if name not in hints:
            raise _unknown_key(key, name, list(hints))
        annotation = hints[name]
        done.append(name)
    return annotation


def _set(tree: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for depth, name in enumerate(parents):
        if tree.get(name) is None:
            tree[name] = {}
        if not isinstance(tree[name], dict):
            above = ".".join(parents[: depth + 1])
            raise LiouvilleError(
                f"cannot set {key!r}: {above} is {tree[name]!r}, not a mapping; correct it first"
            )
        tree = tree[name]
    tree.update(_merge(tree, {last: value}))


def _overlay_settings(cls: type, tree: dict[str, Any], settings: Iterable[str]) -> None:
    for setting in settings:
        key, equals, text = setting.partition("=")
        key = key.strip()
        if not equals or not key:
            raise LiouvilleError(f"cannot use the setting {setting!r}; write it as key=value")
        _set(tree, key, _setting_value(_type_at(cls, key), text.strip(), key))


def _setting_value(annotation: Any, text: str, key: str) -> Any:
    """The first reading of a setting's text that the field accepts."""
    value = parse_yaml(text, f"setting {key}")
    try:
        _coerce(annotation, value, key)
    except LiouvilleError as error:
        # `name=007` means the text, although YAML reads a number; `sizes=64,64` means a list, and
        # so does `names=a,7`, of texts.
        readings: list[Any] = [text]
        tuples = [member for member in _members(annotation) if get_origin(member) is tuple]
        if any(get_args(member)[:1] == (str,) for member in tuples):
            readings.append([word.strip() for word in text.split(",")])
        elif tuples:
            with contextlib.suppress(LiouvilleError):
                readings.append(parse_yaml(f"[{text}]", f"setting {key}"))
        for reading in readings:
            with contextlib.suppress(LiouvilleError):
                _coerce(annotation, reading, key)
                return reading
        raise error from None
    return value
