r"""Earthquakes of Japan: windows of thirty days, or a catalogue divided in time.

    python benchmarks/events_earthquakes.py FOLDER             # train.npz, val.npz, test.npz
    python benchmarks/events_earthquakes.py japan_catalog.csv  # train to 2012, test from 2016
    python benchmarks/events_earthquakes.py japan_catalog.csv --region 122,22,150,46
    python benchmarks/events_earthquakes.py swiss_catalog.csv --from 2012-01-01Z,2016-01-01Z \
        --select 'magnitude>=mc_current'

Nats per event, in space in standardised units (degrees over their standard deviation among the
training events). The windows overlap, so that some events of the test are in training windows as
well: the figures without them stand beside, and those without the swarm of June and July 2000.
With `--save` the tables of the pages are written.
"""

import argparse
import datetime
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from results import Column, Table

from liouville.data import Events, read_events
from liouville.runs.config import merge
from liouville.tasks.events.baselines import baselines
from liouville.tasks.events.config import EventsConfig
from liouville.tasks.events.fit import fit_events
from liouville.tasks.events.measure import gains, scores_of, standard_shift
from liouville.tasks.events.model import EventModel
from liouville.tasks.events.split import Split, divide

FAMILIES = {
    "static mixture": {"places.model": "static"},
    "moving mixture": {"places.model": "moving"},
    "history, zones alike": {"places.model": "triggered", "places.network": False},
    "history, zones by place": {"places.model": "triggered", "places.network": True},
    "history, encoded": {"places.model": "recalled"},
}
SWARM = (datetime.datetime(2000, 6, 1), datetime.datetime(2000, 8, 1))
KEYS = {
    f"{part}, {where}": f"{part} nats in {where}{', standardised' * (where == 'space')}"
    for part in ("validation", "test")
    for where in ("time", "space")
}
NATS = [Column(name, ".3f", "min") for name in KEYS]
GAIN = (
    *(Column("gain over"), Column("in"), Column("nats per event", ".3f", error="error")),
    *(Column("error", ".3f"), Column("95 % from", ".3f"), Column("to", ".3f")),
)
APART = (Column("no overlap", ".3f", "min"), Column("no swarm", ".3f", "min"))


def windows(folder: Path, name: str) -> Events:
    found = read_events(folder / f"{name}.npz", features="longitude,latitude", window=(0.0, 30.0))
    return found.check()


def days(events: Events) -> np.ndarray:
    """Days since 1970 of every event: windows are named by their first day."""
    first = [datetime.datetime.strptime(name, "%Y%m%d") for name in events.names]
    start = np.array([(d - datetime.datetime(1970, 1, 1)).days for d in first], float)
    return start[events.sequence] + events.times


def identities(events: Events) -> set[tuple[float, float, float]]:
    when = np.round(days(events), 3)
    return {tuple(row) for row in np.column_stack([when, np.round(events.places, 3)]).tolist()}


def masks(parts: Split, events: Events) -> dict[str, np.ndarray]:
    """Which events count in the columns beside all of them."""
    known = identities(parts.training)
    when = np.round(days(events), 3)
    rows = np.column_stack([when, np.round(events.places, 3)]).tolist()
    swarm = [(d - datetime.datetime(1970, 1, 1)).days for d in SWARM]
    return {
        "no overlap": np.array([tuple(row) not in known for row in rows]),
        "no swarm": (when < swarm[0]) | (when >= swarm[1]),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", type=Path)
    options.add_argument("--families", nargs="*", default=list(FAMILIES), choices=FAMILIES)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--steps", type=int, default=None)
    options.add_argument("--no-baselines", action="store_true")
    begins = ["2013-01-01Z", "2016-01-01Z"]
    options.add_argument("--from", dest="begins", type=lambda t: t.split(","), default=begins)
    options.add_argument("--select", default=None, help="conditions on rows")
    options.add_argument("--region", default=None, help="where the catalogue is that of")
    options.add_argument("--save", action="store_true", help="write the tables of the pages")
    chosen = options.parse_args()
    warnings.simplefilter("ignore")
    settings: dict[str, Any] = {"training.seed": chosen.seed, "training.steps": chosen.steps}
    if chosen.data.is_dir():
        parts = Split(*(windows(chosen.data, name) for name in ("train", "val", "test")))
        settings |= {"data.space": "plain"}
        assert parts.test is not None
        apart = masks(parts, parts.test)
        share = 1.0 - apart["no overlap"].mean()
        print(f"{share:.1%} of the test events are in training windows too")
    else:
        validate_from, test_from = chosen.begins
        settings |= {"data.validate_from": validate_from, "data.test_from": test_from}
        names: Any = {"features": "longitude,latitude", "mark": "magnitude"}
        names |= {"select": chosen.select, "region": chosen.region}
        events = read_events(chosen.data, **names).check()
        parts, apart = divide(events, merge(EventsConfig, flags=settings)), {}
    place = "windows" if chosen.data.is_dir() else chosen.data.stem.removesuffix("_catalog")
    columns = [Column("model"), *NATS, *(c for c in APART if c.name in apart)]
    note = "Nats per event, in space in standardised units."
    table = Table(
        f"earthquakes_{place}", [*columns, Column("seconds", ".0f")], keep=chosen.save, note=note
    )
    result = None
    for name in chosen.families:
        begun = time.monotonic()
        result = fit_events(parts, {**settings, **FAMILIES[name]}, progress=False)
        row = {"model": f"ours, {name}", **values(result.model, parts, apart)}
        table.add({**row, "seconds": time.monotonic() - begun})
    if result is not None and not chosen.no_baselines:
        law = result.model.plain_model
        others = {} if law is None else scores_of(law, parts)
        for found in baselines(parts, result.config, result.model, others):
            row = {name: found.get(key) for name, key in KEYS.items()}
            table.add({"model": found["model"], **row})
        print()
        table = Table(f"earthquakes_{place}_gain", GAIN, keep=chosen.save)
        for found in gains(scores_of(result.model, parts), others, parts):
            table.add({**found, "error": found["nats per event_error"]})


def values(model: EventModel, parts: Split, apart: dict[str, np.ndarray]) -> dict[str, float]:
    shift, found = standard_shift(parts), {}
    for part, events in (("validation", parts.validation), ("test", parts.test)):
        assert events is not None
        scores = model.scores(events)
        found[f"{part}, time"] = scores.nats_in_time
        found[f"{part}, space"] = scores.nats_in_space - shift
    places = {name: float(-scores.log_places[mask].mean()) for name, mask in apart.items()}
    return found | {name: value - shift for name, value in places.items()}


if __name__ == "__main__":
    main()
