"""YAML as version 1.2 reads it, of files that anybody may have made."""

import re
from typing import Any

import yaml
from yaml.composer import ComposerError

from liouville.errors import LiouvilleError

MOST_BYTES = 2**18
"""Bytes of a YAML file: a configuration is short, and the parser is slow."""

_DEEPEST = 32
_MOST_DIGITS = 40


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


class _Loader(yaml.SafeLoader):
    """YAML 1.2 scalars, which hold no surprises, and no repeated keys.

    YAML 1.1 reads ``off`` as false, ``010`` as 8, ``1:30`` as 90 and ``1e-3`` as text. Aliases are
    refused, of which a few lines make billions of values or one that holds itself; so is what is
    nested deeply.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Composes a node, unless it is an alias or lies too deep."""
        event = self.peek_event()
        if self.check_event(yaml.AliasEvent):
            problem = f"*{event.anchor} refers to another value, which is not read; repeat it"
            raise ComposerError(None, None, problem, event.start_mark)
        if self.depth == _DEEPEST:
            problem = f"values are nested more than {_DEEPEST} deep"
            raise ComposerError(None, None, problem, event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Refuses repeated keys, which PyYAML overwrites silently."""
        seen = set()
        for child, _ in getattr(node, "value", ()):
            if isinstance(child.value, str) and child.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {child.value!r} is repeated", child.start_mark
                )
            seen.add(child.value if isinstance(child.value, str) else id(child))
        return super().construct_mapping(node, deep=deep)

    def construct_scalar(self, node: Any) -> Any:
        """Refuses halves of characters, such as an escape can make, which no file can hold."""
        text = super().construct_scalar(node)
        if not _is_text(text):
            raise yaml.constructor.ConstructorError(
                None, None, f"{text!r} holds half a character", node.start_mark
            )
        return text

    def construct_decimal(self, node: Any) -> int:
        """A whole number, in base ten whatever its first digit."""
        text = self.construct_scalar(node)
        if len(text) > _MOST_DIGITS:
            problem = f"the whole number {text} has more than {_MOST_DIGITS} digits"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return int(text)


def _resolve(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


_resolve("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
_resolve("null", r"^(?:~|null|Null|NULL|None|)$", "~nN\0")
_resolve("int", r"^[-+]?[0-9]+$", "-+0123456789")
_resolve(
    "float",
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)"
    r"|\.(?:nan|NaN|NAN))$",
    "-+.0123456789",
)
_Loader.yaml_implicit_resolvers[""] = _Loader.yaml_implicit_resolvers.pop("\0", [])
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_decimal)


def parse_yaml(text: str, source: str) -> Any:
    """The value of a YAML text; errors name its `source`."""
    if len(text) > MOST_BYTES:
        raise LiouvilleError(f"{source} has {len(text):,} characters; at most {MOST_BYTES:,} fit")
    mark = None
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        # A value that does not fit the tag before it, such as `!!int abc`.
        problem = "a value is not of the type that its tag (!!) says"
    where = f" line {mark.line + 1}" if mark is not None else ""
    raise LiouvilleError(
        f"cannot read {source}{where} as YAML: {problem}; correct it (key: value lines)"
    ) from None
