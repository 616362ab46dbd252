"""The configuration of a fit to events. Plain data: nothing here imports JAX."""

from dataclasses import dataclass
from typing import Literal

from liouville.runs.config import option


@dataclass(frozen=True)
class DataConfig:
    """What is read, and how it is divided."""

    file: str | None = option(None, "the catalogue: .csv, .tsv, .parquet, .npz or QuakeML")
    time: str | None = option(None, "column of the times")
    features: tuple[str, ...] | None = option(None, "columns of the coordinates")
    mark: str | None = option(None, "column of the marks, such as the magnitude; none: no marks")
    least_mark: float | None = option(
        None, "leave out events with a smaller mark, such as the magnitude of completeness"
    )
    sequence: str | None = option(None, "column or array of the sequence an event belongs to")
    window: str | tuple[float, float] | None = option(
        None, "begin and end of observation: numbers, or stamps with a comma"
    )
    region: str | None = option(None, "west,south,east,north or a GeoJSON file")
    missing: Literal["refuse", "drop"] = option("refuse", "events with missing numbers")
    space: Literal["auto", "geographic", "plain"] = option(
        "auto", "longitude and latitude on an equal-area map in km, or coordinates as they are"
    )
    validation: float = option(0.1, "share of the events (or sequences) that stops the training")
    test: float = option(0.1, "share kept for the report alone: the latest, or whole sequences")
    validate_from: str | None = option(None, "first day of validation, instead of a share")
    test_from: str | None = option(None, "first day of the test, instead of a share")
    validation_file: str | None = option(None, "sequences for validation in a file of their own")
    test_file: str | None = option(None, "sequences for the test in a file of their own")
    min_events: int = option(20, "fewest events")


@dataclass(frozen=True)
class TimesConfig:
    """When events happen."""

    family: Literal["hawkes", "poisson", "neural"] = option(
        "hawkes", "self-exciting, of the clock alone, or a network of the history"
    )
    exponentials: int = option(3, "exponentials of the kernel")
    powers: int = option(1, "power laws of the kernel (Omori-Utsu)")
    pieces: int = option(1, "pieces of the background rate over a window; 1: constant")
    period: float | None = option(None, "period of the background rate, in units of time")
    harmonics: int = option(2, "harmonics of a periodic background")
    covariates: str | None = option(
        None, "table of what drives the background: a time and numbers, each row until the next"
    )


@dataclass(frozen=True)
class PlacesConfig:
    """Where events happen."""

    family: Literal["triggered", "routed", "recalled", "moving", "static"] = option(
        "triggered",
        "background and zones around past events; events that send the next ones elsewhere; a "
        "mixture read from an encoded history; a moving mixture without history; one that stays",
    )
    parts: int | None = option(None, "parts of the background; by default from the events")
    zones: int = option(6, "zones of different width around an event")
    rates: int = option(6, "exponential rates at which they fade")
    spreads: bool = option(True, "zones may spread with the time since the event")
    network: bool | None = option(
        None, "zones may differ from place to place, by a network; by default if events are many"
    )
    heads: int = option(8, "heads of the encoder of a history")
    width: int = option(64, "units of a layer")
    knots: int = option(8, "knots of a moving background")


@dataclass(frozen=True)
class TrainingConfig:
    """The optimisation."""

    reach: int = option(512, "latest past events an event sees")
    steps: int | None = option(None, "most steps; by default from the number of events")
    rate: float | None = option(None, "learning rate; by default from the number of events")
    decay: float = option(0.0, "weight decay")
    average: float = option(0.99, "decay of the moving average of the parameters")
    patience: int | None = option(5, "validations without progress before stopping; null: never")
    validate_every: int = option(100, "steps between validations")
    checkpoint_every: int = option(500, "steps between checkpoints")
    chunk: int = option(25, "steps a compiled call")
    batch_size: int = option(32, "excerpts a step")
    targets: int = option(32, "events an excerpt predicts")
    seed: int = option(0, "of all random numbers")


@dataclass(frozen=True)
class ReportConfig:
    """The report."""

    movie: bool = option(True, "make the GIF of the moving intensity")
    baselines: bool = option(True, "fit the plain models the figures stand beside")
    forecast: float | None = option(None, "horizon of a forecast from the end of the data")


@dataclass(frozen=True)
class EventsConfig:
    """Everything `liouville fit events` can be told."""

    data: DataConfig = DataConfig()
    times: TimesConfig = TimesConfig()
    places: PlacesConfig = PlacesConfig()
    training: TrainingConfig = TrainingConfig()
    report: ReportConfig = ReportConfig()
