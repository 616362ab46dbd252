"""The configuration of a fit to events. Plain data: nothing here imports JAX."""

from dataclasses import dataclass
from typing import Literal

from liouville.runs.config import Range, option
from liouville.tasks.settings import (
    COUNT,
    DRAWS,
    FEW,
    POSITIVE,
    SHARE,
    ReportConfig,
    TrainingConfig,
)


@dataclass(frozen=True)
class DataConfig:
    """What is read, and how it is divided."""

    file: str | None = option(
        None,
        "the catalogue: .csv, .tsv, .txt, .parquet, .npz, .geojson, or QuakeML and others with "
        "obspy",
        argument="DATA",
    )
    time: str | None = option(
        None, "column of the times; or of dates and times of day, with a comma", flag="--time"
    )
    time_unit: Literal[
        "auto",
        "decimal-years",
        "epoch-seconds",
        "epoch-milliseconds",
        "epoch-microseconds",
        "seconds",
        "minutes",
        "hours",
        "days",
        "weeks",
        "years",
    ] = option("auto", "what one is in times that are plain numbers", flag="--time-unit")
    select: tuple[str, ...] | None = option(
        None,
        "conditions on rows, with commas: type=earthquake, depth<30, magType=mw|mww",
        flag="--select",
    )
    features: tuple[str, ...] | None = option(
        None, "columns of the coordinates; none: events in time alone", flag="--features"
    )
    mark: str | None = option(
        None, "column of the magnitude or the kind; none: no marks", flag="--mark"
    )
    mark_law: Literal["auto", "exponential", "detected", "mixture", "kinds"] = option(
        "auto", "law of the marks; kinds: numbers are names", flag="--mark-law"
    )
    least_mark: float | None = option(
        None, "leave out events with a smaller mark, such as the magnitude of completeness"
    )
    completeness: str | None = option(
        None,
        "magnitude from which events were seen, as it changes: a column, or a table of times and "
        "magnitudes",
        flag="--mc",
    )
    short_term: tuple[float, float] | None = option(
        None,
        "events are missed after great ones: below M - a - b log10(days), given as a,b such as "
        "4.5,0.75",
    )
    sequence: str | None = option(
        None, "column or array of the sequence an event belongs to", flag="--sequence"
    )
    counts: str | None = option(
        None,
        "column of how many events a row stands for, by default cases, count, ...; none: one",
        flag="--counts",
    )
    window: str | tuple[float, float] | None = option(
        None, "begin and end of observation: numbers, or stamps with a comma", flag="--window"
    )
    region: str | None = option(None, "west,south,east,north or a GeoJSON file", flag="--region")
    missing: Literal["refuse", "drop"] = option("refuse", "events with missing numbers")
    repeats: Literal["auto", "drop", "keep", "count"] = option(
        "auto",
        "events with the time, place and mark of another; count: their number is the mark; auto: "
        "kept where many share days and towns, else dropped",
        flag="--repeats",
    )
    space: Literal["auto", "geographic", "plain"] = option(
        "auto", "longitude and latitude on an equal-area map in km, or coordinates as they are"
    )
    validation: float = option(
        0.1, "share of the events (or sequences) that stops the training", within=SHARE
    )
    test: float = option(
        0.1, "share kept for the report alone: the latest, or whole sequences", within=SHARE
    )
    validate_from: str | None = option(
        None, "first day of validation, instead of a share", flag="--validate-from"
    )
    test_from: str | None = option(
        None, "first day of the test, instead of a share", flag="--test-from"
    )
    validation_file: str | None = option(None, "sequences for validation in a file of their own")
    test_file: str | None = option(None, "sequences for the test in a file of their own")
    min_events: int = option(20, "fewest events", within=Range(low=0, high=10**9))


@dataclass(frozen=True)
class TimesConfig:
    """When events happen."""

    model: Literal["hawkes", "poisson", "neural"] = option(
        "hawkes", "self-exciting, of the clock alone, or a network of the history", flag="--times"
    )
    exponentials: int = option(3, "exponentials of the kernel", within=Range(low=0, high=1000))
    powers: int = option(1, "power laws of the kernel (Omori-Utsu)", within=Range(low=0, high=1000))
    knots: int | None = option(
        None,
        "knots of the background rate, a line between each two, 1 for constant; by default what "
        "the events say",
        within=COUNT,
    )
    period: float | tuple[float, ...] | None = option(
        None,
        "periods of the background rate, in units of time; by default a day or a week, and a year, "
        "if the events keep to them",
        within=POSITIVE,
    )
    harmonics: int | tuple[int, ...] | None = option(
        None,
        "harmonics of each period, by default 2, or what tells the rhythm the best; 0: no periods",
        within=Range(low=0, high=1000),
    )
    covariates: str | None = option(
        None, "table of what drives the background: a time and numbers, each row until the next"
    )


@dataclass(frozen=True)
class PlacesConfig:
    """Where events happen."""

    model: Literal["triggered", "routed", "recalled", "moving", "static"] = option(
        "triggered",
        "background and zones around past events; events that send the next ones elsewhere; a "
        "mixture read from an encoded history; a moving mixture without history; one that stays",
        flag="--places",
    )
    parts: int | None = option(
        None, "parts of the background; by default from the events", within=COUNT
    )
    zones: Literal["power", "free"] = option(
        "power",
        "what is around a past event: a power law whose width grows with the magnitude, or "
        "Gaussians of free widths",
    )
    widths: int = option(6, "free zones around an event", within=FEW)
    rates: int = option(6, "exponential rates at which free zones fade", within=FEW)
    heredity: bool = option(
        True, "events that were triggered may trigger more, or fewer, than those that were not"
    )
    spreads: bool = option(True, "zones may spread with the time since the event")
    network: bool | None = option(
        None, "zones may differ from place to place, by a network; by default if events are many"
    )
    heads: int = option(8, "heads of the encoder of a history", within=FEW)
    width: int = option(64, "units of a layer", within=COUNT)
    knots: int = option(8, "knots of a moving background", within=Range(low=2, high=100_000))


@dataclass(frozen=True)
class ObjectiveConfig:
    """The likelihood, estimated from excerpts."""

    reach: int = option(512, "past events an event sees: those of the most influence", within=DRAWS)
    targets: int = option(32, "events an excerpt predicts", within=DRAWS)
    batch_size: int = option(32, "excerpts a step", within=DRAWS)


@dataclass(frozen=True)
class MeasureConfig:
    """What the figures stand beside."""

    baselines: bool = option(True, "fit the plain models the figures stand beside")


@dataclass(frozen=True)
class EventsConfig:
    """Fit a point process to events in space and time and write model, log and report."""

    data: DataConfig = DataConfig()
    times: TimesConfig = TimesConfig()
    places: PlacesConfig = PlacesConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    training: TrainingConfig = TrainingConfig(patience=8, validate_every=50, chunk=25)
    measure: MeasureConfig = MeasureConfig()
    report: ReportConfig = ReportConfig()
