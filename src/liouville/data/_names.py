"""Names: those a user gives, and how a message shows them."""

import difflib
from collections.abc import Sequence
from typing import Any, get_args

from liouville.errors import LiouvilleError, shown


def names_among(
    names: str | Sequence[str], what: str, *, example: str = "PC1,PC2"
) -> tuple[str, ...]:
    """Names given as a list or separated by commas; refuses none, and one that stands twice."""
    parts = names.split(",") if isinstance(names, str) else names
    found = tuple(part.strip() for part in parts if part.strip())
    if not found or len(set(found)) < len(found):
        raise LiouvilleError(f"{what} must be different names, such as {example!r}, got {names!r}")
    return found


def check_choice(choice: str, choices: Any, what: str) -> None:
    """Refuses what is none of the literals of a type."""
    if choice not in get_args(choices):
        valid = ", ".join(get_args(choices))
        raise LiouvilleError(f"no {what} called {choice!r}; choose one of {valid}")


def not_found(kind: str, name: str, available: Sequence[str], source: str) -> LiouvilleError:
    """The error for a name that a file does not have: the nearest one, and those there are."""
    near = difflib.get_close_matches(name, available, n=1)
    hint = f"; did you mean {shown(near[0])!r}?" if near else "; name one of those it has."
    return LiouvilleError(
        f"no {kind} {shown(name)!r} in {source}{hint} It has: {listed(available)}"
    )


def listed(names: Sequence[str], limit: int = 12) -> str:
    """Names joined by commas, the rest counted: what a message can show of a long list."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(shown(name, 80) for name in names[:limit]) + more) if names else "none"
