"""Figures of a summary that are finite, and those that are not."""

import math
from collections.abc import Mapping
from typing import Any


def finite(figures: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
    """Figures without those that are not finite, which are empty in tables; and these, by name."""
    kept: dict[str, Any] = {}
    lost: dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, float) and not math.isfinite(value):
            lost[name] = value
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            rows = [finite(row) for row in value]
            for number, (_, bad) in enumerate(rows):
                lost |= {f"{name}, row {number}, {key}": v for key, v in bad.items()}
            kept[name] = [dict.fromkeys(row) | row_kept for row, (row_kept, _) in zip(value, rows)]
        else:
            kept[name] = value
    return kept, lost


def not_finite(lost: Mapping[str, float]) -> str:
    """What was lost, in words."""
    name, value = next(iter(lost.items()))
    more = f" (and {len(lost) - 1} more figures)" if len(lost) > 1 else ""
    return f"the figure {name!r} is {value}{more}"
