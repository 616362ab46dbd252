"""The configuration of a fit to samples. Plain data: nothing here imports JAX."""

from dataclasses import dataclass, field
from typing import Any, Literal


def _option(default: Any, doc: str) -> Any:
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True)
class DataConfig:
    """What is read and how it is scaled."""

    file: str | None = _option(None, "the data file: .csv, .tsv, .npz or .npy")
    label: str | None = _option(None, "column or array of the classes")
    features: tuple[str, ...] | None = _option(None, "columns to use as coordinates")
    dims: int | None = _option(None, "keep the first so many coordinates")
    scaling: Literal["standard", "global", "none"] = _option(
        "standard", "divide each coordinate by its spread, all by one number, or none"
    )
    dequantise: Literal["auto", "uniform", "none"] = _option(
        "auto", "fill the gaps of columns of whole steps with uniform noise"
    )
    validation: float = _option(0.1, "share of the samples that stops the training")
    test: float = _option(0.1, "share of the samples kept for the report alone")
    min_samples: int = _option(20, "fewest samples")


@dataclass(frozen=True)
class PathConfig:
    """The family of densities."""

    family: Literal["auto", "mixture", "autoregressive", "pushforward"] = _option(
        "auto", "mixture of moving parts, conditional mixtures, or moving invertible maps"
    )
    start: Literal["hard", "fitted"] = _option(
        "hard", "the standard normal law at time 0, exactly or by likelihood"
    )
    members: int | None = _option(None, "independently started paths, averaged")
    parts: int | None = _option(None, "parts of a mixture, or of each conditional mixture")
    width: int | None = _option(None, "units of a layer, for each coordinate if autoregressive")
    moving_weights: bool = _option(
        True, "the weights of conditional mixtures may move, and carry mass across gaps"
    )
    depth: int = _option(2, "hidden layers of a network")
    layers: int = _option(8, "maps of a pushforward")
    map: Literal["spline", "affine"] = _option("spline", "coupling of a pushforward")
    kernel: Literal["gaussian", "logistic"] = _option(
        "gaussian", "shape of a part; a path of logistic parts starts as a logistic law"
    )
    min_scale: float = _option(0.01, "smallest scale of a part, in standardised units")


@dataclass(frozen=True)
class ObjectiveConfig:
    """Likelihood plus kinetic energy."""

    energy: float = _option(0.01, "weight of the kinetic energy for each coordinate")
    times: int = _option(4, "times a step at which the energy is measured")
    particles: int = _option(16, "particles at each of them")


@dataclass(frozen=True)
class TrainingConfig:
    """The optimisation."""

    steps: int | None = _option(None, "most steps; by default from the number of samples")
    rate: float = _option(3e-3, "learning rate")
    decay: float | None = _option(
        None, "weight decay of networks; by default the more, the fewer samples there are"
    )
    average: float = _option(0.99, "decay of the moving average of the parameters")
    patience: int | None = _option(5, "validations without progress before stopping; null: never")
    validate_every: int = _option(25, "steps between validations")
    checkpoint_every: int = _option(500, "steps between checkpoints")
    chunk: int = _option(25, "steps a compiled call")
    batch_size: int = _option(256, "samples a step")
    seed: int = _option(0, "of all random numbers")


@dataclass(frozen=True)
class ReportConfig:
    """The report."""

    movie: bool = _option(True, "make the GIF of the moving density")
    image: str | None = _option(None, "samples are images of so many rows and columns: 8x8")


@dataclass(frozen=True)
class DensityConfig:
    """Everything `liouville fit density` can be told."""

    data: DataConfig = DataConfig()
    path: PathConfig = PathConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    training: TrainingConfig = TrainingConfig()
    report: ReportConfig = ReportConfig()
