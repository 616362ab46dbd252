"""A self-exciting process whose parameters are known, and how near a fitted model is to it."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from liouville.data import Events
from liouville.errors import LiouvilleError
from liouville.problems.events import HawkesProcess, Sequences
from liouville.processes import (
    ByMagnitude,
    ConstantRate,
    Exponentials,
    FreeZones,
    GutenbergRichter,
    Hawkes,
    Triggered,
)
from liouville.runs.words import in_words
from liouville.tasks.events.model import EventModel
from liouville.tasks.events.split import Split, divide
from liouville.tasks.task import Demo

HORIZON = 600.0
SETTINGS: dict[str, Any] = {
    "times.exponentials": 1,
    "times.powers": 0,
    "times.knots": 1,
    "places.zones": "free",
    "places.widths": 1,
    "places.rates": 1,
    "places.spreads": False,
    "places.network": False,
    "training.steps": 400,
    "training.rate": 0.03,
    "objective.reach": 256,
}


@dataclass(frozen=True)
class Truth:
    """The process and the events drawn from it."""

    events: Events
    process: HawkesProcess
    drawn: Sequences  # the same events as the process knows them


def demo_events(seed: int = 0) -> Truth:
    """Draws a catalogue: background events in a square, each with children near it and soon after.

    Magnitudes are exponential above 3; an event has more children the larger it is.
    """
    process = HawkesProcess(
        rate=0.8,
        children=0.35,
        kernel=("exponential", 0.5),
        decay=2.3,
        slope=1.0,
        minimum=3.0,
        displacement=("gaussian", 0.02),
    )
    drawn = process.sample(HORIZON, seed=seed)
    events = Events(
        times=drawn.times,
        places=drawn.places,
        sequence=drawn.sequence,
        windows=drawn.windows,
        marks=drawn.marks,
        features=("x", "y"),
        time_unit="days",
        source="self-exciting process (demo)",
    )
    return Truth(events, process, drawn)


def compare_parameters(model: EventModel, truth: HawkesProcess) -> list[dict[str, Any]]:
    """The parameters of the process beside those of a model fitted with `SETTINGS`."""
    times, places, marks = model.process.intensity, model.process.places, model.process.marks
    if not (
        isinstance(times, Hawkes)
        and isinstance(times.background, ConstantRate)
        and isinstance(times.productivity, ByMagnitude)
        and isinstance(times.kernel, Exponentials)
        and isinstance(places, Triggered)
        and isinstance(places.zones, FreeZones)
        and isinstance(marks, GutenbergRichter)
        and truth.decay is not None
    ):
        raise LiouvilleError("the parameters of the demo are those of a model of its own settings")
    shift = truth.minimum - model.units.mark_origin
    slope, decay = float(times.productivity.slope), float(jnp.exp(marks.log_decay))
    children = float(jnp.exp(times.productivity.log_mean(jnp.asarray(shift))))
    law = places.zones
    zone = np.asarray(law.scale.frames(
        law.location, jnp.zeros_like(law.location), law.raw_scale, jnp.zeros_like(law.raw_scale),
        is_rotation_invariant=False,
    ).log_volumes)  # fmt: skip
    reach = 0.0 if law.reach is None else float(law.reach)
    spread = float(np.exp(zone.mean() / 2 + reach / decay)) * float(
        np.sqrt(model.units.scale.prod())
    )
    pairs = {
        "background events per day": (truth.rate, jnp.exp(times.background.log_level)),
        "children of the least event": (truth.children, children),
        "growth of children with magnitude": (truth.slope, slope),
        "branching ratio": (truth.branching_ratio, children * decay / max(decay - slope, 1e-9)),
        "mean delay of a child (days)": (truth.kernel[1], jnp.exp(-times.kernel.log_rates[0])),
        "standard deviation of its displacement": (truth.displacement[1], spread),
        "b-value": (truth.decay / np.log(10.0), decay / np.log(10.0)),
    }
    return [
        {"parameter": name, "true": float(true), "recovered": float(found)}
        for name, (true, found) in pairs.items()
    ]


def distance_to_truth(model: EventModel, truth: Truth, parts: Split) -> list[dict[str, Any]]:
    """Nats per event of the test events under the process they are from and under the model.

    The difference is the mean over the events, and has the standard error of this mean.
    """
    if parts.test is None:
        raise LiouvilleError("no event was kept for the test; give data.test a share")
    begin = float(parts.test.windows[0, 0])
    drawn, process = truth.drawn, truth.process
    late = drawn.times >= begin
    before = Sequences(*(a if i == 4 else a[~late] for i, a in enumerate(drawn)))
    before = before._replace(windows=np.array([[0.0, begin]]))
    # What the events do not share, they have in equal parts.
    integral = float(process.integrals(drawn)[0] - process.integrals(before)[0]) / int(late.sum())
    scores = model.scores(parts.test)
    ours = scores.nats_in_time + float(scores.log_rates.mean())
    pairs = {
        "in time": (integral - process.log_rates(drawn)[late], ours - scores.log_rates),
        "in space": (-process.log_places(drawn)[late], -scores.log_places),
    }
    return [
        {
            "test events": name,
            "the truth": float(true.mean()),
            "liouville": float(found.mean()),
            "above the truth": float((found - true).mean()),
            "above the truth_error": float((found - true).std() / np.sqrt(len(true))),
        }
        for name, (true, found) in pairs.items()
    ]


def demonstration(seed: int) -> Demo:
    """The catalogue, and how near the parameters and the likelihood of a fit are to the truth."""
    truth = demo_events(seed)
    events = truth.events

    def compare(fitted: Any) -> dict[str, Any]:
        rows = distance_to_truth(fitted.model, truth, divide(events, fitted.config))
        words = {
            f"liouville above the truth, {row['test events']}": in_words(
                (row["above the truth"], row["above the truth_error"]), "nats an event"
            )
            for row in rows
        }
        parameters = compare_parameters(fitted.model, truth.process)
        return {"parameters beside the truth": parameters, "events beside the truth": rows, **words}

    assert events.marks is not None
    columns = {name: events.places[:, i] for i, name in enumerate(events.features)}
    return Demo(
        "catalogue.csv",
        {"time": events.times, **columns, "magnitude": events.marks},
        {
            **SETTINGS,
            "training.seed": seed,
            "measure.baselines": False,
            "data.time": "time",
            "data.time_unit": "days",
            "data.features": "x,y",
            "data.mark": "magnitude",
            "data.window": f"0,{HORIZON:g}",
        },
        compare,
        (
            "liouville evaluate {run}",
            "liouville forecast {run} --horizon 30d --out forecast",
            "liouville query {run} --at {run}/catalogue.csv --time 600 --out answers.csv",
        ),
    )
