"""The configuration of a fit to samples. Plain data: nothing here imports JAX."""

from dataclasses import dataclass
from typing import Literal

from liouville.runs.config import option


@dataclass(frozen=True)
class DataConfig:
    """What is read and how it is scaled."""

    file: str | None = option(None, "the data file: .csv, .tsv, .npz or .npy")
    label: str | None = option(None, "column or array of the classes")
    features: tuple[str, ...] | None = option(None, "columns to use as coordinates")
    dims: int | None = option(None, "keep the first so many coordinates")
    scaling: Literal["standard", "global", "none"] = option(
        "standard", "divide each coordinate by its spread, all by one number, or none"
    )
    dequantise: Literal["auto", "uniform", "none"] = option(
        "auto", "fill the gaps of columns of whole steps with uniform noise"
    )
    validation: float = option(0.1, "share of the samples that stops the training")
    test: float = option(0.1, "share of the samples kept for the report alone")
    min_samples: int = option(20, "fewest samples")


@dataclass(frozen=True)
class PathConfig:
    """The family of densities."""

    family: Literal["auto", "mixture", "warped", "autoregressive", "pushforward"] = option(
        "auto",
        "mixture of moving parts, the same seen through moving invertible maps, conditional "
        "mixtures, or the normal law seen through such maps",
    )
    start: Literal["hard", "fitted"] = option(
        "hard", "the standard normal law at time 0, exactly or by likelihood"
    )
    members: int | None = option(None, "independently started paths, averaged")
    parts: int | None = option(None, "parts of a mixture, or of each conditional mixture")
    width: int | None = option(None, "units of a layer, for each coordinate if autoregressive")
    moving_weights: bool = option(
        True, "the weights of conditional mixtures may move, and carry mass across gaps"
    )
    marginals: bool | None = option(
        None,
        "see conditional mixtures through a fixed map that makes normal laws the columns' own; "
        "by default if most columns have whole steps",
    )
    depth: int = option(2, "hidden layers of a network")
    layers: int | None = option(None, "maps of a pushforward or a warped mixture")
    map: Literal["spline", "affine"] = option("spline", "coupling of such maps")
    bins: int | None = option(None, "bins of a spline; the more, the sharper an edge may be")
    kernel: Literal["gaussian", "logistic"] = option(
        "gaussian", "shape of a part; a path of logistic parts starts as a logistic law"
    )
    min_scale: float = option(0.01, "smallest scale of a part, in standardised units")


@dataclass(frozen=True)
class ObjectiveConfig:
    """Likelihood plus kinetic energy."""

    energy: float = option(0.01, "weight of the kinetic energy for each coordinate")
    times: int = option(4, "times a step at which the energy is measured")
    particles: int = option(16, "particles at each of them")


@dataclass(frozen=True)
class TrainingConfig:
    """The optimisation."""

    steps: int | None = option(None, "most steps; by default from the number of samples")
    rate: float | None = option(None, "learning rate")
    decay: float | None = option(
        None, "weight decay of networks; by default the more, the fewer samples there are"
    )
    noise: float | None = option(
        None,
        "width of the bells added to columns of whole steps, in standardised units, half a step "
        "at most; by default the wider, the fewer samples there are",
    )
    average: float = option(0.99, "decay of the moving average of the parameters")
    patience: int | None = option(5, "validations without progress before stopping; null: never")
    validate_every: int = option(25, "steps between validations")
    checkpoint_every: int = option(500, "steps between checkpoints")
    chunk: int = option(25, "steps a compiled call")
    batch_size: int | None = option(None, "samples a step")
    seed: int = option(0, "of all random numbers")


@dataclass(frozen=True)
class ReportConfig:
    """The report."""

    movie: bool = option(True, "make the GIF of the moving density")
    image: str | None = option(None, "samples are images of so many rows and columns: 8x8")


@dataclass(frozen=True)
class DensityConfig:
    """Everything `liouville fit density` can be told."""

    data: DataConfig = DataConfig()
    path: PathConfig = PathConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    training: TrainingConfig = TrainingConfig()
    report: ReportConfig = ReportConfig()
