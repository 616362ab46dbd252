"""The configuration of a transport problem. Plain data: nothing here imports JAX."""

import itertools
import math
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
    """The distributions, and when they are met."""

    ends: tuple[str, ...] = option(
        (),
        "files or names of distributions, in the order of time",
        argument="SOURCE TARGET [MORE]...",
    )
    times: tuple[float, ...] | None = option(
        None, "one increasing time each; 0, 1, 2, ...", flag="--times"
    )
    masses: tuple[float, ...] | None = option(
        None, "the mass of each end, for unbalanced transport; by default one", flag="--masses"
    )
    weights: str | None = option(
        None, "column that says how much each sample counts", flag="--weights"
    )
    label: str | None = option(
        None, "column of classes: each goes to its own in the next end", flag="--label"
    )
    context: tuple[str, ...] | None = option(
        None,
        "columns of numbers on which the ends depend: of each value a plan of its own",
        flag="--context",
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
    scaling: Literal["global", "robust", "none"] = option(
        "global",
        "divide space by one number, which keeps ratios of distances, of standard deviations or of "
        "quartiles, which outliers do not move; or leave it",
        flag="--scaling",
    )
    test: float = option(
        0.1, "share of the samples of a file kept for the report alone", within=SHARE
    )
    draws: int = option(
        20000, "draws that stand for a named distribution that is no mixture", within=DRAWS
    )
    min_samples: int = option(10, "fewest samples of an end", within=Range(low=0, high=10**9))


@dataclass(frozen=True)
class EndsConfig:
    """The laws that samples are replaced by."""

    model: Literal["mixture", "auto", "warped", "autoregressive", "pushforward"] = option(
        "mixture",
        "law that stands for samples: a mixture, which is fast, a richer family of liouville fit "
        "density, or auto, the richer one where it says more of rows kept apart",
        flag="--ends",
    )
    parts: int | None = option(
        None,
        "parts of every end; by default as many as suit rows that are kept apart",
        flag="--end-parts",
        within=COUNT,
    )
    most: int = option(40, "the most parts that are tried", within=COUNT)


@dataclass(frozen=True)
class PathConfig:
    """The moving parts between two ends."""

    parts: int = option(
        32,
        "moving parts of a piece, at least one for each pair of end parts",
        flag="--parts",
        within=COUNT,
    )
    opening: float = option(
        0.02,
        "share of a piece in which parts leave their common start",
        within=Range(above=0, high=0.5),
    )
    weights: Literal["learned", "fixed"] = option("learned", "how mass is shared among the parts")
    gauge: bool = option(False, "add a divergence-free flux, which costs as much time again")
    width: int = option(32, "units of a layer of the gauge and of the flow below", within=COUNT)
    layers: int = option(
        4,
        "couplings of the flow between ends that are densities seen through maps",
        within=FEW,
    )
    min_scale: float = option(
        1e-3,
        "smallest scale of a part, in standardised units, unless those of an end are narrower",
        within=POSITIVE,
    )


@dataclass(frozen=True)
class ObjectiveConfig:
    """Kinetic energy, of the velocity or of the drift."""

    sigma: float = option(
        0.0,
        "noise, in length per square root of time; 0: optimal transport",
        flag="--sigma",
        within=NOT_NEGATIVE,
    )
    unbalanced: bool = option(
        False, "mass may grow and shrink on the way (Wasserstein-Fisher-Rao)", flag="--unbalanced"
    )
    delta: float | None = option(
        None,
        "length beyond which growth costs less than motion; by default .75 of the median step of "
        "the optimal transport, or half the widest standard deviation if that is more",
        flag="--delta",
        within=POSITIVE,
    )
    pull: float = option(0.0, "the reference drifts at -pull * x (with noise); one over time")
    asymmetry: float = option(
        0.0, "weight of the Jacobian asymmetry, zero for gradient fields", within=NOT_NEGATIVE
    )
    times: int = option(16, "times a step at which the energy is measured", within=DRAWS)
    crowding: float = option(
        0.9, "how much denser these times are at the ends of a piece", within=Range(low=0, below=1)
    )
    particles: int = option(128, "particles at each of them", within=DRAWS)


@dataclass(frozen=True)
class PlanConfig:
    """The law of the end given the start in closed form, with noise."""

    parts: int | None = option(
        None, "parts of the potential; by default chosen on draws kept aside", within=COUNT
    )
    most: int = option(64, "the most parts that are tried", within=COUNT)
    draws: int = option(20_000, "draws of each end that it is fitted to", within=DRAWS)


@dataclass(frozen=True)
class CertificateConfig:
    """How the optimality is measured."""

    points: int = option(
        1000, "points of each end for the discrete problem", within=Range(low=2, high=20_000)
    )
    repeats: int = option(2, "independent discrete problems", within=FEW)


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
    plan: PlanConfig = PlanConfig()
    certificate: CertificateConfig = CertificateConfig()
    report: ReportConfig = ReportConfig()

    def __post_init__(self):
        times, objective = self.data.times, self.objective
        if times is not None and not all(a < b for a, b in itertools.pairwise(times)):
            raise LiouvilleError(f"times {list(times)} are not increasing; sort ends and times")
        if objective.pull and not objective.sigma > 0:
            raise LiouvilleError(
                f"objective.pull is {objective.pull} but there is no noise; give --sigma"
            )
        if self.data.label is not None and self.data.context is not None:
            raise LiouvilleError(
                "--label and --context were both given; write the classes as columns of 0 and 1, "
                "or leave one out"
            )
        is_conditional = self.data.label is not None or self.data.context is not None
        if is_conditional and self.is_unbalanced:
            raise LiouvilleError(
                "conditional transport conserves mass; leave out --unbalanced, --masses and --delta"
            )
        if self.data.context is not None and objective.sigma:
            raise LiouvilleError(
                f"transport given --context is without noise, but objective.sigma is "
                f"{objective.sigma}; leave out --sigma, or make classes of the context (--label)"
            )
        if self.ends.model != "mixture" and (is_conditional or self.is_unbalanced):
            raise LiouvilleError(
                f"--ends {self.ends.model} is met by transport of equal masses without classes and "
                "contexts only; leave out --ends, or the others"
            )
        masses = self.data.masses
        if masses is not None and not all(0 < mass < math.inf for mass in masses):
            raise LiouvilleError(f"masses {list(masses)} are not all positive; give one each")
        if self.is_unbalanced and objective.sigma:
            raise LiouvilleError(
                f"unbalanced transport is without noise, but objective.sigma is {objective.sigma}; "
                "leave out --sigma, or --unbalanced, --masses and --delta"
            )

    @property
    def is_unbalanced(self) -> bool:
        """Whether mass may grow on the way."""
        objective = self.objective
        return objective.unbalanced or objective.delta is not None or self.data.masses is not None
