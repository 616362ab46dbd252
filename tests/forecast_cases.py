"""A small model of earthquakes in degrees and a history of it, that tests of forecasts share."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from liouville.curves import Constant
from liouville.data import Events, Region
from liouville.paths import Full, LocationScale
from liouville.processes import (
    ByMagnitude,
    ConstantRate,
    FreeZones,
    GutenbergRichter,
    Hawkes,
    PointProcess,
    PowerLaws,
    Reach,
    Triggered,
)
from liouville.tasks.events.model import EventModel
from liouville.tasks.events.units import EventUnits

LEAST = 4.0
REGION = Region.box(130.0, 30.0, 140.0, 38.0)


def places(*, spreads: bool = True) -> Triggered:
    """A wide background, and zones of two widths that fade and spread."""
    scale = Full()
    raw = scale.from_covariance(jnp.asarray([np.eye(2), 0.3 * np.eye(2)]))
    background = LocationScale(
        Constant(jnp.asarray([[0.0, 0.0], [0.5, -0.5]])),
        Constant(raw),
        jnp.zeros(2),
        scale=scale,
    )
    offspring = FreeZones(
        jnp.zeros((2, 2)),
        jnp.asarray(np.log([0.02, 0.2])[:, None, None] * np.eye(2)),
        jnp.asarray(np.log([[0.5, 0.2], [0.3, 0.2]])),
        jnp.log(jnp.asarray([5.0, 0.2])),
        productivity=jnp.asarray(0.8),
        reach=jnp.asarray(0.2),
        raw_spread=jnp.asarray([-1.0, -1.0]) if spreads else None,
    )
    return Triggered(background, offspring)


def process(*, rate: float = 1.0, children: float = 0.4) -> PointProcess:
    """More children after large magnitudes, by a power law in time."""
    hawkes = Hawkes(
        ConstantRate.of(rate), ByMagnitude.of(children, 0.8, 0.0), PowerLaws.of([0.1], [1.4])
    )
    return PointProcess(hawkes, places(), GutenbergRichter.of(1.0, 0.0))


def model(*, rate: float = 1.0, reach: int = 64, region: Region | None = REGION) -> EventModel:
    """The process on an equal-area map of the region."""
    rng = np.random.default_rng(0)
    sample = history(40, rng)
    units = dataclasses.replace(EventUnits.of(sample, geographic=True), mark_origin=LEAST)
    return EventModel(
        process(rate=rate),
        units,
        Reach(reach),
        ("longitude", "latitude"),
        time_unit="days",
        origin="2020-01-01T00:00:00Z",
        mark_name="magnitude",
        region=region,
    )


def history(n: int = 40, rng: np.random.Generator | None = None) -> Events:
    """Events of forty days in the middle of the region."""
    rng = np.random.default_rng(1) if rng is None else rng
    times = np.sort(rng.uniform(0.0, 40.0, n))
    where = np.clip(rng.normal([135.0, 34.0], [1.5, 1.2], (n, 2)), [130.5, 30.5], [139.5, 37.5])
    return events(times, where, LEAST + rng.exponential(0.4, n))


def events(times: np.ndarray, where: np.ndarray, marks: np.ndarray) -> Events:
    """Events of one sequence on the clock of the model."""
    return Events(
        times,
        where,
        np.zeros(len(times), int),
        np.array([[-1.0, 41.0]]),
        marks,
        features=("longitude", "latitude"),
        mark_name="magnitude",
        origin="2020-01-01T00:00:00Z",
        time_unit="days",
        is_geographic=True,
        source="the history",
    )


def with_others(known: Events, where: tuple[float, float], mark: float) -> Events:
    """The same history with thirty more events of the last day at one place."""
    times = np.concatenate([known.times, np.linspace(39.0, 39.99, 30)])
    order = np.argsort(times, kind="stable")
    places = np.concatenate([known.places, np.tile(where, (30, 1))])
    assert known.marks is not None
    marks = np.concatenate([known.marks, np.full(30, mark)])
    return events(times[order], places[order], marks[order])
