"""The configuration of a fit to cells. Plain data: nothing here imports JAX."""

from dataclasses import dataclass
from typing import Literal

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
    time_key: str | None = option(
        None, "array, column or obs key that holds the time", flag="--time-key"
    )
    times: str | None = option(
        None, "times of labels that have no numbers: 'iPSC=18,MEF=0'", flag="--times"
    )
    bins: int | None = option(
        None,
        "cut pseudotime into so many bins of equal counts",
        flag="--bins",
        within=COUNT,
    )
    basis: str | None = option(
        None,
        "array of the coordinates: a key of obsm, X, raw, layers/NAME, or of an archive",
        flag="--basis",
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
    embedding: str | None = option(
        None, "two coordinates a cell, for pictures only", flag="--embedding"
    )
    color: str | None = option(
        None, "column of the group of each cell (type, cluster), for pictures only", flag="--color"
    )
    weights: str | None = option(None, "mass of each cell", flag="--weights")
    condition: str | None = option(
        None,
        "column of the condition of each cell, such as its genotype: where cells are is shared, "
        "how many are where differs",
        flag="--condition",
    )
    scaling: Literal["auto", "standard", "robust", "global", "none"] = option(
        "auto",
        "divide each coordinate by its spread (standard), by that of its quartiles, which outliers "
        "do not move (robust), all by one number (global), or none; auto: global for principal "
        "components and for spreads that differ at most tenfold, otherwise standard",
        flag="--scaling",
    )
    held_out: float = option(
        0.1, "share of cells of each time kept for validation", flag="--held-out", within=SHARE
    )
    memory: float | None = option(
        None,
        "most gigabytes the cells may take; of a file with more, which is read in pieces, as many "
        "as fit are chosen at random",
        flag="--memory",
        within=POSITIVE,
    )
    min_cells: int = option(10, "fewest cells a time may have", within=Range(low=0, high=10**9))


@dataclass(frozen=True)
class PathConfig:
    """The family of densities."""

    parts: int | None = option(
        None,
        "parts of a member; by default as many as cells kept apart show",
        flag="--parts",
        within=COUNT,
    )
    prior: float | None = option(
        None,
        "cells as which the common shape counts in the covariance of a part at the start; by "
        "default what cells kept apart show",
        within=NOT_NEGATIVE,
    )
    scale: Literal["auto", "diagonal", "leading", "full"] = option(
        "auto",
        "their covariance; leading: full in the first coordinates and diagonal beyond; auto: "
        "leading if there are more than those",
    )
    leading: int = option(50, "the first coordinates, if scale is leading", within=COUNT)
    members: int = option(
        6, "independently started paths that are averaged", flag="--members", within=FEW
    )
    bootstrap: str = option(
        "none",
        "what is drawn anew for each member, so that their spread is the error of the sample: "
        "none, cells, or a column of donors, of which whole ones are drawn",
        flag="--bootstrap",
    )
    family: Literal["auto", "gaussian", "student", "logistic"] = option(
        "auto",
        "shape of a part; student: of heavy tails; auto: gaussian or student, as cells kept apart "
        "show",
    )
    degrees: float | None = option(
        None,
        "degrees of freedom of student parts: the fewer, the heavier their tails; by default what "
        "cells kept apart show",
        within=POSITIVE,
    )
    interpolation: Literal["linear", "cubic", "monotone"] = option(
        "cubic", "how parameters run between snapshots"
    )
    tension: float = option(
        0.4, "pull of a cubic toward straight pieces, 0 to 1", within=Range(low=0, high=1)
    )
    knots: int = option(
        24,
        "most knots; with more snapshots they are spread evenly",
        within=Range(low=2, high=100_000),
    )
    min_scale: float = option(0.01, "smallest scale of a part, in scaled units", within=POSITIVE)

    @property
    def has_errors(self) -> bool:
        """Whether the spread of the members is the error of the sample."""
        return self.bootstrap != "none"


def donors_column(bootstrap: str) -> str | None:
    """The column of donors that `path.bootstrap` names, if it is one."""
    return None if bootstrap in ("none", "cells") else bootstrap


@dataclass(frozen=True)
class GrowthConfig:
    """Whether cells divide and die, and what it costs beside motion."""

    of: Literal["parts", "none"] = option(
        "parts", "what grows and shrinks; none: mass is conserved", flag="--growth"
    )
    mass: str = option(
        "relative",
        "the mass of a snapshot: relative (one at all times; proportions change), counts (of "
        "cells, or the sum of their weights), '0=400,1=442', a column, or a table of times and "
        "totals",
        flag="--mass",
    )
    mass_error: float = option(
        0.0,
        "relative standard error of these totals; at 0 they are met exactly",
        flag="--mass-error",
        within=NOT_NEGATIVE,
    )
    rates: str | None = option(
        None,
        "column of the rate at which each cell is expected to grow, in one over the unit of time",
        flag="--rates",
    )
    proliferation: str | None = option(
        None,
        "what tells division, for expected rates: a column of scores, genes, or a file of genes",
        flag="--proliferation",
    )
    apoptosis: str | None = option(None, "what tells death, likewise", flag="--apoptosis")
    delta: float | None = option(
        None,
        "length beyond which growth costs less than motion (scaled units); by default .75 of "
        "the median step of cells, or half the widest deviation of all if that is longer",
        flag="--delta",
        within=POSITIVE,
    )


@dataclass(frozen=True)
class GapsConfig:
    """What is assumed about the time between snapshots."""

    noise: float = option(
        1.0,
        "how far chance decides which cells of two snapshots are joined, in variances of the step "
        "between them; 0: at least displacement, so that a cell's place says all of its fate",
        within=NOT_NEGATIVE,
    )
    fill: bool = option(True, "put a snapshot of bent chains half-way between two snapshots")
    inertia: float = option(
        0.4, "reluctance to turn, in mean gaps between snapshots", within=NOT_NEGATIVE
    )
    pull: float = option(3.0, "pull toward where cells are seen; 0 for none", within=NOT_NEGATIVE)


@dataclass(frozen=True)
class ObjectiveConfig:
    """Likelihood plus kinetic energy."""

    energy: float | None = option(
        None,
        "weight of the kinetic energy (standardised units); by default from the data",
        flag="--energy",
        within=NOT_NEGATIVE,
    )
    energy_of: Literal["velocity", "drift"] = option("velocity", "whose energy")
    batch_size: int | None = option(
        None, "cells of each time a step; null: all, up to 4096", within=DRAWS
    )
    sigma: float | None = option(
        None,
        "noise of the diffusion, in length per root of time; by default 0.3 of each coordinate's "
        "spread over the root of the whole duration",
        flag="--sigma",
        within=POSITIVE,
    )
    times: int | None = option(
        None,
        "times a step at which the energy is measured; by default 32, and 8 in many coordinates",
        within=DRAWS,
    )
    particles: int = option(128, "particles at each of them", within=DRAWS)


@dataclass(frozen=True)
class CellsConfig:
    """Fit a moving density to snapshots of cells and write model, log and report."""

    data: DataConfig = DataConfig()
    path: PathConfig = PathConfig()
    growth: GrowthConfig = GrowthConfig()
    gaps: GapsConfig = GapsConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    training: TrainingConfig = TrainingConfig(
        steps=200,
        rate=None,
        average=0.97,
        patience=3,
        validate_every=20,
        checkpoint_every=20,
        chunk=20,
    )
    report: ReportConfig = ReportConfig()
