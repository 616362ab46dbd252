"""The configuration of a fit to samples. Plain data: nothing here imports JAX."""

from dataclasses import dataclass
from typing import Literal

from liouville.errors import LiouvilleError
from liouville.runs.config import Range, option
from liouville.tasks.settings import (
    COUNT,
    DRAWS,
    FEW,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    ReportConfig,
    TrainingConfig,
)


@dataclass(frozen=True)
class DataConfig:
    """What is read and how it is scaled."""

    file: str | None = option(
        None, "the data file: .csv, .parquet, .npz, .h5ad, ...; see docs/data.md", argument="DATA"
    )
    label: str | None = option(None, "column or array of the classes", flag="--label")
    context: tuple[str, ...] | None = option(
        None,
        "columns of numbers on which the density depends: of each value a density of its own",
        flag="--context",
    )
    weights: str | None = option(
        None, "column that says how much each sample counts", flag="--weights"
    )
    features: tuple[str, ...] | None = option(
        None, "columns to use as coordinates", flag="--features"
    )
    without: tuple[str, ...] | None = option(
        None, "columns that are no coordinates", flag="--without"
    )
    dims: int | None = option(
        None, "keep the first so many coordinates", flag="--dims", within=COUNT
    )
    basis: str | None = option(
        None,
        "array of the coordinates: a key of obsm, X, raw, layers/NAME, or of an archive",
        flag="--basis",
    )
    scaling: Literal["standard", "robust", "global", "none"] = option(
        "standard",
        "divide each coordinate by its spread, by that of its quartiles, which outliers do not "
        "move, all by one number, or none",
        flag="--scaling",
    )
    maps: Literal["auto", "none"] = option(
        "auto",
        "see columns that are positive, between natural bounds or heavy-tailed through a fixed "
        "map, where held-out rows gain by it",
        flag="--maps",
    )
    dequantise: Literal["auto", "uniform", "none"] = option(
        "auto", "fill the gaps of columns of whole steps with uniform noise"
    )
    noise: float | None = option(
        None,
        "width of the bells added to columns of whole steps, in standardised units, half a step "
        "at most; by default the wider, the fewer samples there are",
        within=NOT_NEGATIVE,
    )
    image: str | None = option(
        None, "samples are images of so many rows and columns: 8x8", flag="--image"
    )
    validation: float = option(0.1, "share of the samples that stops the training", within=SHARE)
    test: float = option(0.1, "share of the samples kept for the report alone", within=SHARE)
    memory: float | None = option(
        None,
        "most gigabytes the samples may take; of a file with more, which is read in pieces, as "
        "many as fit are chosen at random",
        flag="--memory",
        within=POSITIVE,
    )
    min_samples: int = option(20, "fewest samples", within=Range(low=0, high=10**9))


@dataclass(frozen=True)
class PathConfig:
    """The family of densities."""

    model: Literal["auto", "mixture", "warped", "autoregressive", "pushforward"] = option(
        "auto",
        "mixture of moving parts, the same seen through moving invertible maps, conditional "
        "mixtures, or the normal law seen through such maps",
        flag="--model",
    )
    start: Literal["hard", "fitted"] = option(
        "hard", "the standard normal law at time 0, exactly or by likelihood", flag="--start"
    )
    members: int | None = option(None, "independently started paths, averaged", within=FEW)
    parts: int | None = option(
        None,
        "parts of a mixture, by default as many as suit rows that are kept apart, or of each "
        "conditional mixture",
        within=COUNT,
    )
    width: int | None = option(
        None, "units of a layer, for each coordinate if autoregressive", within=COUNT
    )
    moving_weights: bool = option(
        True, "the weights of conditional mixtures may move, and carry mass across gaps"
    )
    marginals: bool | None = option(
        None,
        "see conditional mixtures through a fixed map that makes normal laws the columns' own; "
        "by default if most columns have whole steps",
    )
    depth: int = option(2, "hidden layers of a network", within=Range(low=0, high=1000))
    layers: int | None = option(None, "maps of a pushforward or a warped mixture", within=FEW)
    map: Literal["spline", "affine"] = option("spline", "coupling of such maps")
    bins: int | None = option(
        None, "bins of a spline; the more, the sharper an edge may be", within=COUNT
    )
    family: Literal["gaussian", "logistic"] = option(
        "gaussian", "shape of a part; a path of logistic parts starts as a logistic law"
    )
    min_scale: float = option(
        0.01,
        "smallest scale of a part, in standardised units, unless those of a mixture are narrower",
        within=POSITIVE,
    )


@dataclass(frozen=True)
class ObjectiveConfig:
    """Likelihood plus kinetic energy."""

    batch_size: int | None = option(None, "samples a step", within=DRAWS)
    energy: float = option(
        0.01,
        "weight of the kinetic energy for each coordinate",
        flag="--energy",
        within=NOT_NEGATIVE,
    )
    times: int = option(4, "times a step at which the energy is measured", within=DRAWS)
    particles: int = option(16, "particles at each of them", within=DRAWS)


@dataclass(frozen=True)
class DensityConfig:
    """Fit a density to samples, as the end of a path from the standard normal law."""

    data: DataConfig = DataConfig()
    path: PathConfig = PathConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    training: TrainingConfig = TrainingConfig(
        weight_decay=None, patience=5, validate_every=25, checkpoint_every=500, chunk=25
    )
    report: ReportConfig = ReportConfig()

    def __post_init__(self):
        if self.data.context is None:
            return
        if self.data.label is not None:
            raise LiouvilleError(
                "--label and --context were both given; write the classes as columns of 0 and 1, "
                "or leave one out"
            )
        is_bridge = self.path.model in ("auto", "mixture", "warped")
        if is_bridge and (self.path.start != "hard" or self.path.family != "gaussian"):
            raise LiouvilleError(
                "a mixture given --context starts hard and is of Gaussian parts; leave out "
                "path.start and path.family, or choose --model autoregressive"
            )
