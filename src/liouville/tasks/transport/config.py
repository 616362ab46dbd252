"""The configuration of a transport problem. Plain data: nothing here imports JAX."""

from dataclasses import dataclass
from typing import Literal

from liouville.runs.config import option
from liouville.tasks.settings import ReportConfig, TrainingConfig


@dataclass(frozen=True)
class DataConfig:
    """The distributions, and when they are met."""

    ends: tuple[str, ...] = option(
        (),
        "files or names of distributions, in the order of time",
        argument="SOURCE TARGET [MORE]...",
    )
    times: tuple[float, ...] | None = option(
        None, "one increasing time each; 0, 1, 2, ...", flag="--times"
    )
    features: tuple[str, ...] | None = option(
        None, "columns to use as coordinates", flag="--features"
    )
    dims: int | None = option(None, "keep the first so many coordinates", flag="--dims")
    scaling: Literal["global", "robust", "none"] = option(
        "global",
        "divide space by one number, which keeps ratios of distances, of standard deviations or of "
        "quartiles, which outliers do not move; or leave it",
        flag="--scaling",
    )
    test: float = option(0.1, "share of the samples of a file kept for the report alone")
    draws: int = option(20000, "draws that stand for a named distribution that is no mixture")
    min_samples: int = option(10, "fewest samples of an end")


@dataclass(frozen=True)
class EndsConfig:
    """The mixtures that samples are replaced by."""

    parts: int | None = option(
        None, "parts of every end; by default chosen by BIC", flag="--end-parts"
    )
    most: int = option(40, "the most parts that are tried")
    restarts: int = option(1, "starts for each number of parts")


@dataclass(frozen=True)
class PathConfig:
    """The moving parts between two ends."""

    parts: int = option(
        32, "moving parts of a piece, at least one for each pair of end parts", flag="--parts"
    )
    opening: float = option(0.02, "share of a piece in which parts leave their common start")
    weights: Literal["learned", "fixed"] = option("learned", "how mass is shared among the parts")
    gauge: bool = option(False, "add a divergence-free flux, which costs as much time again")
    width: int = option(32, "units of a layer of the gauge and of the flow below")
    layers: int = option(
        4, "couplings of the flow between ends that are densities seen through maps"
    )
    min_scale: float = option(1e-3, "smallest scale of a part, in standardised units")


@dataclass(frozen=True)
class ObjectiveConfig:
    """Kinetic energy, of the velocity or of the drift."""

    sigma: float = option(
        0.0, "noise, in length per square root of time; 0: optimal transport", flag="--sigma"
    )
    pull: float = option(0.0, "the reference drifts at -pull * x (with noise); one over time")
    asymmetry: float = option(0.0, "weight of the Jacobian asymmetry, zero for gradient fields")
    times: int = option(16, "times a step at which the energy is measured")
    crowding: float = option(0.9, "how much denser these times are at the ends of a piece")
    particles: int = option(128, "particles at each of them")


@dataclass(frozen=True)
class CertificateConfig:
    """How the optimality is measured."""

    points: int = option(1000, "points of each end for the discrete problem")
    repeats: int = option(2, "independent discrete problems")


@dataclass(frozen=True)
class TransportConfig:
    """Find the path of least energy through distributions, which it meets exactly."""

    data: DataConfig = DataConfig()
    ends: EndsConfig = EndsConfig()
    path: PathConfig = PathConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    training: TrainingConfig = TrainingConfig(
        steps=600, rate=0.01, patience=2, tolerance=1e-3, checkpoint_every=200
    )
    certificate: CertificateConfig = CertificateConfig()
    report: ReportConfig = ReportConfig()
