"""Catalogues drawn from a known epidemic-type law: what is recovered, and how far the nats are.

    python benchmarks/events_truth.py            # 10,000 events, a power law, widths by magnitude
    python benchmarks/events_truth.py --seeds 3  # as many catalogues
    python benchmarks/events_truth.py --uniform  # a background without structure in a known box

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
    chosen = options.parse_args()
    warnings.simplefilter("ignore")
    differences, found, truth = [], [], UNIFORM if chosen.uniform else TRUTH
    print(f"{'nats per event of the test':32s} {'time':>9s} {'space':>9s}")
    for seed in range(chosen.seeds):
        events, drawn = catalogue(truth, chosen.events, seed)
        parts = divide(events, EventsConfig())
        assert parts.test is not None
        begun = time.monotonic()
        model = fit_events(parts, progress=False).model
        seconds, plain = time.monotonic() - begun, model.plain_model
        assert plain is not None
        true = true_nats(truth, drawn, parts)
        print(f"{f'truth ({len(events)} events)':32s} {true[0]:9.4f} {true[1]:9.4f}")
        rows = {"plain law": plain, f"ours ({seconds:.0f} s)": model}
        for name, each in rows.items():
            own = each.scores(parts.test)
            print(f"{name:32s} {own.nats_in_time:9.4f} {own.nats_in_space:9.4f}", flush=True)
        differences.append((own.nats_in_time - true[0], own.nats_in_space - true[1]))
        found.append(recovered(model))
    mean = np.mean(differences, axis=0)
    print(f"{'ours less truth, mean':32s} {mean[0]:9.4f} {mean[1]:9.4f}")
    print(f"\n{'parameter of the plain law':32s} {'true':>9s} {'found':>9s} {'spread':>9s}")
    for name in found[0]:
        values = [row[name][1] for row in found]
        spread = np.std(values, ddof=1) if len(values) > 1 else np.nan
        print(f"{name:32s} {found[0][name][0]:9.4f} {np.mean(values):9.4f} {spread:9.4f}")


if __name__ == "__main__":
    main()
