"""YAML as version 1.2 reads it."""

import re
from typing import Any

import yaml

from liouville.errors import LiouvilleError


class _Loader(yaml.SafeLoader):
    """YAML 1.2 scalars, which hold no surprises, and no repeated keys.

    YAML 1.1 reads ``off`` as false, ``010`` as 8, ``1:30`` as 90 and ``1e-3`` as text.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Refuses repeated keys, which PyYAML overwrites silently."""
        seen = set()
        for child, _ in getattr(node, "value", ()):
            if child.value in seen and isinstance(child.value, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {child.value!r} is repeated", child.start_mark
                )
            seen.add(child.value if isinstance(child.value, str) else id(child))
        return super().construct_mapping(node, deep=deep)

    def construct_decimal(self, node: Any) -> int:
        """A whole number, in base ten whatever its first digit."""
        return int(self.construct_scalar(node))


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
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise LiouvilleError(
            f"cannot read {source}{where} as YAML: {problem}; correct it (key: value lines)"
        ) from None
