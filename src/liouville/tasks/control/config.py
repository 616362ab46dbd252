"""The configuration of a control problem. Plain data: nothing here imports JAX."""

from dataclasses import dataclass

from liouville.errors import LiouvilleError
from liouville.runs.config import Range, option
from liouville.tasks.settings import COUNT, DRAWS, POSITIVE, ReportConfig, TrainingConfig


@dataclass(frozen=True)
class ProblemConfig:
    """What is solved."""

    name: str = option(
        "", "name of a problem, or a Python file that makes `problem`", argument="NAME|FILE.py"
    )
    sha256: str | None = option(None, "SHA-256 that the Python file must have; filled in")
    sigma: float | None = option(
        None,
        "noise in length per root of time; that of the problem",
        flag="--sigma",
        within=POSITIVE,
    )


@dataclass(frozen=True)
class PathConfig:
    """The moving parts, and how they are laid around what is dear."""

    parts: int = option(
        32, "moving parts, at least one for each pair of end parts", flag="--parts", within=COUNT
    )
    leading: int = option(
        64,
        "coordinates with full covariances; in more parts stay whole, and covariances are diagonal "
        "beyond these where those of both ends are",
        within=COUNT,
    )
    knots: int = option(12, "inner knots of every curve", within=COUNT)
    opening: float | None = option(
        None,
        "share of the time in which parts leave their common start; null: .1, or less where an end "
        "is narrow beside the noise",
        within=Range(above=0, high=0.5),
    )
    min_scale: float = option(
        1e-3, "smallest scale of a part, in standardised units", within=POSITIVE
    )
    bends: int = option(
        8,
        "bent starts of every part, among which the cheapest way is chosen",
        within=Range(low=0, high=100_000),
    )
    bend_steps: int = option(600, "steps of descent from each of them", within=DRAWS)
    spread: float = option(
        1.2, "how far a bent start feels, in standard deviations of a bridge", within=POSITIVE
    )


@dataclass(frozen=True)
class ObjectiveConfig:
    """How the objective is estimated in training."""

    times: int | None = option(
        None,
        "times a step at which it is measured; null: 64, or 8 in more than a hundred coordinates",
        within=DRAWS,
    )
    particles: int = option(
        64, "particles at each of them, at least one for each part", within=DRAWS
    )
    places: int = option(1024, "particles for costs of the place, such as obstacles", within=DRAWS)
    crowding: float | None = option(
        None,
        "how much denser these times are near both ends; null: 0, or more where an end is narrow "
        "beside the noise",
        within=Range(low=0, below=1),
    )
    ramp: float = option(
        1.0,
        "share of the weight of stiff costs at the first step; it grows",
        within=Range(above=0, high=1),
    )


@dataclass(frozen=True)
class RolloutConfig:
    """The check on fresh noise after training."""

    trajectories: int = option(
        4000, "an even number of trajectories", within=Range(low=2, high=10**9)
    )
    steps: int = option(1000, "equal steps in time", within=DRAWS)

    def __post_init__(self):
        if self.trajectories % 2:
            raise LiouvilleError(
                f"rollout.trajectories is {self.trajectories}; give an even number, as pairs are "
                "drawn from two halves"
            )


_WEIGHTS = option({}, "of running costs by name; those of the problem")


@dataclass(frozen=True)
class ControlConfig:
    """Steer a population past obstacles at least cost, and check it on fresh noise.

    A Python file makes `problem = ControlProblem(...)`.
    """

    problem: ProblemConfig = ProblemConfig()
    weights: dict[str, float] = _WEIGHTS
    path: PathConfig = PathConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    training: TrainingConfig = TrainingConfig(rate=None, average=0.995)
    rollout: RolloutConfig = RolloutConfig()
    report: ReportConfig = ReportConfig()
