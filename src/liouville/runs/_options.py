"""How a field of a configuration is declared: its default, its explanation, its range."""

import dataclasses
import math
from typing import Any, NamedTuple


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


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED = _Required()
"""Stands for the default of a field that has none."""
