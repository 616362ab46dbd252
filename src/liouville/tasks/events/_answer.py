"""What the report of a point process says first."""

import math
from collections.abc import Mapping
from typing import Any

from liouville.plots import Answer, Key
from liouville.runs.words import in_words, is_noise

_POOR = 0.01  # p-values below are those of a model that is not true
# What most often makes residuals those of another model, and how to say so.
_WHY_TIMES = "small events missed after great ones (data.short_term), or a rhythm (times.period)"
_WHY_PLACES = "a border that is not given (--region), or --places routed or moving"


def answer(summary: Mapping[str, Any]) -> Answer:
    """Nats of the events kept from training, the gain over ETAS, and the tests of residuals."""
    parts = [part for part in ("test", "validation") if f"{part} nats in time" in summary]
    if not parts:
        return Answer((), [(False, "No events were kept, so nothing says how good the fit is.")])
    part, keys, said = parts[0], [], []
    for kind in ("in time", "in space"):
        if (value := summary.get(f"{part} nats {kind}")) is not None:
            keys.append(Key(f"nats {kind} per {part} event; less is better", value))
    for row in summary.get("gains", ()):
        gain, error = row["nats per event"], row["nats per event_error"]
        if gain is None:
            continue
        error = math.nan if error is None else error
        told = f"It gains {in_words((gain, error), 'nats an event')}, over {row['gain over']} "
        said.append((gain > 0 and not is_noise(gain, error), f"{told}in {row['in']}."))
        keys.insert(
            0, Key(f"nats an event gained over {row['gain over']} in {row['in']}", gain, error)
        )
    if (ratio := summary.get("branching ratio")) is not None:
        keys.append(Key("branching ratio", ratio))
    for name, text in summary.items():
        if name.startswith("liouville above the truth"):
            where = name.partition(", ")[2]
            is_near = "clearly more" not in text
            said.append((is_near, f"Above the truth, which is known here, {where}: {text}."))
    start = f"{part} p-value, "
    values = {k.removeprefix(start): v for k, v in summary.items() if k.startswith(start)}
    poor = {name: p for name, p in values.items() if p < _POOR}
    if values and not poor:
        said.append((True, f"The residuals of {', '.join(values)} look as those of a true model."))
    for name, p in poor.items():
        told = f"The residuals of {name} are not those of a true model (p = {p:.1g})."
        why = _WHY_TIMES if name == "times" else _WHY_PLACES
        said.append((False, f"{told} See Residuals, {part}; it may be {why}."))
    return Answer(keys[:3], said)
