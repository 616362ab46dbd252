"""Pinwheel: ten classes of events on the arms of a pinwheel, each of which excites the next.

    python benchmarks/events_pinwheel.py [--save]

2,000 sequences for training, 200 for validation and 200 for the test are drawn from the process
itself, whose floors are computed from its closed forms on the same test sequences: in time, in
space without a history, and in space with the history and the classes known. Nats per event, in
space in standardised units.
"""

import argparse
import time

import numpy as np
from results import Column, Table

from liouville.data import Events
from liouville.problems.events import PinwheelProcess, Sequences
from liouville.tasks.events.baselines import baselines
from liouville.tasks.events.fit import fit_events
from liouville.tasks.events.measure import standard_shift
from liouville.tasks.events.split import Split

FAMILIES = {
    "static mixture": {"places.model": "static"},
    "moving mixture": {"places.model": "moving"},
    "history, routed": {"places.model": "routed"},
}

COLUMNS = (
    *(Column("model"), Column("in time", ".3f"), Column("in space", ".3f")),
    Column("seconds", ".0f"),
)


def events_of(drawn: Sequences) -> Events:
    return Events(drawn.times, drawn.places, drawn.sequence, drawn.windows, source="pinwheel")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--families", nargs="*", default=list(FAMILIES), choices=FAMILIES)
    options.add_argument("--sequences", type=int, nargs=3, default=[2000, 200, 200])
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--set", nargs="*", default=[], help="further settings, key=value")
    options.add_argument("--save", action="store_true", help="write the table of the pages")
    chosen = options.parse_args()
    process = PinwheelProcess()
    drawn = [
        process.sample(n, seed=3 * chosen.seed + i + 1) for i, n in enumerate(chosen.sequences)
    ]
    parts = Split(*(events_of(d) for d in drawn))
    test, shift = drawn[2], standard_shift(parts)
    in_time = (process.integrals(test).sum() - process.log_rates(test).sum()) / len(test.times)
    table = Table("events_pinwheel", COLUMNS, keep=chosen.save)
    known = -float(np.mean(process.log_places(test))) - shift
    table.add({"model": "the process itself", "in time": float(in_time), "in space": known})
    free = -float(np.mean(process.log_places(test, given="nothing"))) - shift
    table.add({"model": "the process, history not used", "in space": free})
    settings = model = None
    for name in chosen.families:
        begun = time.monotonic()
        wishes = dict(FAMILIES[name])
        wishes |= {key: _number(value) for key, value in (s.split("=", 1) for s in chosen.set)}
        result = fit_events(parts, {**wishes, "training.seed": chosen.seed}, progress=False)
        settings, model = result.config, result.model
        found = result.summary
        row = {"model": f"ours, {name}", "in time": found["test nats in time"]}
        row |= {"in space": found["test nats in space, standardised"]}
        table.add({**row, "seconds": time.monotonic() - begun})
    if settings is not None and model is not None:
        for row in baselines(parts, settings, model):
            values = {
                "in time": "test nats in time",
                "in space": "test nats in space, standardised",
            }
            table.add({"model": row["model"], **{k: row.get(long) for k, long in values.items()}})


def _number(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return {"true": True, "false": False}.get(text, text)


if __name__ == "__main__":
    main()
