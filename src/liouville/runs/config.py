"""Configurations: nested frozen dataclasses, filled from files and flags, with checked types.

A configuration is a frozen dataclass whose fields are numbers, text, booleans, tuples of those,
`Literal` choices, unions of those with None, or other configurations. A key is the path to a field,
with dots: ``model.width``. Values come, in rising priority, from the defaults, a YAML file, command
flags and ``key=value`` settings. A field's explanation, and the range of its numbers, are what
`option` was given.
"""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from liouville.errors import LiouvilleError
from liouville.runs._options import REQUIRED as REQUIRED
from liouville.runs._options import Range as Range
from liouville.runs._options import option as option
from liouville.runs._types import default_of, fields_of, in_words, is_config, members_of, type_at
from liouville.runs._types import suggestion as suggestion
from liouville.runs._values import build, coerce, plain
from liouville.runs._yaml import MOST_BYTES, parse_yaml
from liouville.runs.reading import read_text

T = TypeVar("T")


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
    return build(cls, data, "")


def to_dict(cfg: Any) -> dict[str, Any]:
    """Inverse of `from_dict`: plain values that JSON and YAML can hold, tuples as lists."""
    return plain(cfg)


def apply_settings(cfg: T, settings: Iterable[str]) -> T:
    """Changes fields by texts such as ``"model.width=64"``, read as YAML; a later one wins.

    Raises:
        LiouvilleError: If a text has no ``=``, or as in `from_dict`.
    """
    tree: dict[str, Any] = {}
    _overlay_settings(type(cfg), tree, settings)
    return build(type(cfg), tree, "", cfg)


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
        if isinstance(value, str) and str not in members_of(annotation := type_at(cls, key))
        else value
        for key, value in (flags or {}).items()
        if value is not None
    }
    for key, value in (given | dict(values or {})).items():
        type_at(cls, key)
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


def _describe(cls: type, prefix: str, instance: Any) -> list[Entry]:
    hints = get_type_hints(cls)
    entries = []
    for field in fields_of(cls):
        key, annotation = prefix + field.name, hints[field.name]
        default = default_of(field) if instance is None else getattr(instance, field.name)
        nested = [member for member in members_of(annotation) if is_config(member)]
        if nested != [annotation]:
            doc, flag, argument = (
                str(field.metadata.get(name, "")) for name in ("doc", "flag", "argument")
            )
            bounds = field.metadata.get("range", Range())
            words = in_words(annotation, bounds)
            entries.append(Entry(key, words, default, doc, flag, argument, annotation, bounds))
        for member in nested:
            inner = default if isinstance(default, member) else None
            entries += _describe(member, f"{key}.", inner)
    return entries


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of two nested mappings, the second one winning."""
    merged = dict(under)
    for key, value in over.items():
        if isinstance(value, Mapping):
            below = merged.get(key)
            value = _merge(below if isinstance(below, Mapping) else {}, value)
        merged[key] = value
    return merged


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
        _set(tree, key, _setting_value(type_at(cls, key), text.strip(), key))


def _setting_value(annotation: Any, text: str, key: str) -> Any:
    """The first reading of a setting's text that the field accepts."""
    value = parse_yaml(text, f"setting {key}")
    try:
        coerce(annotation, value, key)
    except LiouvilleError as error:
        # `name=007` means the text, although YAML reads a number; `sizes=64,64` means a list, and
        # so does `names=a,7`, of texts.
        readings: list[Any] = [text]
        tuples = [member for member in members_of(annotation) if get_origin(member) is tuple]
        if any(get_args(member)[:1] == (str,) for member in tuples):
            readings.append([word.strip() for word in text.split(",")])
        elif tuples:
            with contextlib.suppress(LiouvilleError):
                readings.append(parse_yaml(f"[{text}]", f"setting {key}"))
        for reading in readings:
            with contextlib.suppress(LiouvilleError):
                coerce(annotation, reading, key)
                return reading
        raise error from None
    return value
