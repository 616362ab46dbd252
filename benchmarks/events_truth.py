"""Catalogues drawn from a known epidemic-type law: what is recovered, and how far the nats are.

    python benchmarks/events_truth.py            # 10,000 events, a power law, widths by magnitude
    python benchmarks/events_truth.py --seeds 3  # as many catalogues
    python benchmarks/events_truth.py --uniform  # a background without structure in a known box

With `--save` the tables of the pages are written.

The first eight tenths of the time are for training, a tenth for validation, a tenth for the test.
Nats per event of the test under the truth, the plain law that every fit has beside it, and the
fit by default settings; and the parameters of the plain law beside the true ones.
"""

import argparse
import dataclasses
import time
import warnings
from typing import Any

import numpy as np
from results import Column, Table

from liouville.data import Events, Region
from liouville.numerics.mixtures import GaussianMixture
from liouville.problems.events import HawkesProcess, Sequences
from liouville.tasks.events.config import EventsConfig
from liouville.tasks.events.fit import fit_events
from liouville.tasks.events.model import EventModel
from liouville.tasks.events.split import Split, divide

TRUTH = HawkesProcess(
    rate=1.0,
    children=0.16,
    kernel=("omori", 0.02, 1.2),
    decay=2.3,
    slope=1.6,
    minimum=3.0,
    displacement=("power", 0.02, 1.6),
    growth=0.4,
    box=((-20.0, -20.0), (20.0, 20.0)),
    mixture=GaussianMixture(
        np.array([0.5, 0.3, 0.2]),
        np.array([[0.0, 0.0], [2.0, 1.0], [-1.0, 2.0]]),
        np.array([[[1.0, 0.6], [0.6, 0.5]], [[0.1, 0.0], [0.0, 0.6]], [[0.2, -0.1], [-0.1, 0.1]]]),
    ),
)
NATS = (
    *(Column("catalogue"), Column("time, truth", ".4f"), Column("space, truth", ".4f")),
    *(
        Column("time, plain law", "+.4f", "min", "time"),
        Column("time, ours", "+.4f", "min", "time"),
    ),
    *(Column("space, plain law", "+.4f", "min", "space"),),
    *(Column("space, ours", "+.4f", "min", "space"), Column("events"), Column("seconds", ".0f")),
)
PARAMETERS = (
    *(Column("parameter of the plain law"), Column("true", ".4f")),
    *(Column("found", ".4f", error="deviation"), Column("deviation", ".4f")),
)
UNIFORM = dataclasses.replace(TRUTH, mixture=None)


def catalogue(truth: HawkesProcess, events: int, seed: int) -> tuple[Events, Sequences]:
    """About so many events, those in the box if its background has no other end."""
    horizon = events * (1.0 - truth.branching_ratio) / truth.rate
    drawn = truth.sample(horizon, seed=seed)
    region = Region.box(*np.ravel(truth.box)) if truth.mixture is None else None
    columns = (drawn.times, drawn.places, drawn.sequence, drawn.windows, drawn.marks)
    names: Any = {"features": ("x", "y"), "time_unit": "days", "source": "a known law"}
    return Events(*columns, region=region, **names).check(), drawn


def true_nats(truth: HawkesProcess, drawn: Sequences, parts: Split) -> tuple[float, float]:
    """Nats per event of the test in time and in space; all events are known to the truth.

    Children beyond the border of the box, less than one in a thousand, count in its integral.
    """
    test = parts.test
    assert test is not None
    begin = float(test.windows[0, 0])
    late = drawn.times >= begin
    before = Sequences(*(a if i == 4 else a[~late] for i, a in enumerate(drawn)))
    before = before._replace(windows=np.array([[0.0, begin]]))
    integral = float(truth.integrals(drawn)[0] - truth.integrals(before)[0])
    if test.region is not None:
        late &= test.region.contains(drawn.places)
    time_ = -float(truth.log_rates(drawn)[late].sum() - integral) / int(late.sum())
    return time_, -float(truth.log_places(drawn)[late].mean())


def recovered(model: EventModel) -> dict[str, tuple[float, float]]:
    """Parameters of the truth, which both backgrounds share, and of the plain law."""
    plain = model.plain
    assert plain is not None
    times: Any = plain.intensity
    zones = plain.places.zones  # pyright: ignore
    shift = TRUTH.minimum - model.units.mark_origin
    children = float(np.exp(times.productivity.log_mean(np.float32(shift))))
    c, p = float(np.exp(times.kernel.log_offset)), 1.0 + float(times.kernel.excess)
    # Ours is normalised up to a longest time, theirs for ever.
    share = 1.0 - (1.0 + times.kernel.longest / TRUTH.kernel[1]) ** (1.0 - TRUTH.kernel[2])
    scale = float(np.exp(zones.raw_scale[0, 0])) * float(np.sqrt(model.units.scale.prod()))
    growth = float(zones.growth)
    return {
        "background rate": (TRUTH.rate, float(np.exp(times.background.log_level))),
        "children of the least event": (TRUTH.children * share, children),
        "slope": (TRUTH.slope, float(times.productivity.slope)),
        "c": (TRUTH.kernel[1], c),
        "p": (TRUTH.kernel[2], p),
        "distance": (TRUTH.displacement[1], scale * np.exp(growth * shift)),
        "tail": (TRUTH.displacement[2], 1.0 + float(np.exp(zones.log_excess))),
        "growth of the distance": (TRUTH.growth, growth),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--events", type=int, default=10_000)
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument("--uniform", action="store_true")
    options.add_argument("--save", action="store_true", help="write the tables of the pages")
    chosen = options.parse_args()
    warnings.simplefilter("ignore")
    truth, name = (UNIFORM, "_uniform") if chosen.uniform else (TRUTH, "")
    note = "Nats per event of the test, those of both models less those of the truth."
    table, found = Table(f"events_truth{name}", NATS, keep=chosen.save, note=note), []
    for seed in range(chosen.seeds):
        events, drawn = catalogue(truth, chosen.events, seed)
        parts = divide(events, EventsConfig())
        assert parts.test is not None
        begun = time.monotonic()
        model = fit_events(parts, progress=False).model
        seconds, plain = time.monotonic() - begun, model.plain_model
        assert plain is not None
        true = true_nats(truth, drawn, parts)
        row = {"catalogue": f"seed {seed}", "time, truth": true[0], "space, truth": true[1]}
        for law, each in {"plain law": plain, "ours": model}.items():
            own = each.scores(parts.test)
            row[f"time, {law}"] = own.nats_in_time - true[0]
            row[f"space, {law}"] = own.nats_in_space - true[1]
        table.add({**row, "events": len(events), "seconds": seconds})
        found.append(recovered(model))
    print()
    note = f"Mean and standard deviation over {chosen.seeds} catalogues."
    table = Table(f"events_truth{name}_parameters", PARAMETERS, keep=chosen.save, note=note)
    for parameter, (true, _) in found[0].items():
        values = [row[parameter][1] for row in found]
        row = {"parameter of the plain law": parameter, "true": true, "found": np.mean(values)}
        table.add(row | ({"deviation": np.std(values, ddof=1)} if len(values) > 1 else {}))


if __name__ == "__main__":
    main()
