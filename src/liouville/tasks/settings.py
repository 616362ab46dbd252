"""Settings that all tasks share. Plain data: nothing here imports JAX."""

from dataclasses import dataclass

from liouville.runs.config import option


@dataclass(frozen=True)
class TrainingConfig:
    """The optimisation."""

    steps: int | None = option(None, "most steps; null: chosen from the data", flag="--steps")
    rate: float | None = option(None, "learning rate; null: chosen from the data")
    weight_decay: float | None = option(
        0.0, "pull of learned numbers toward zero; null: chosen from the data"
    )
    average: float = option(0.99, "share the moving average of the parameters keeps at a step")
    patience: int | None = option(None, "validations without progress before stopping; null: never")
    tolerance: float = option(0.0, "progress is an improvement by more than this share")
    validate_every: int = option(50, "steps between validations")
    checkpoint_every: int = option(500, "steps between checkpoints")
    chunk: int = option(50, "steps a compiled call")
    seed: int = option(0, "seed of all random numbers", flag="--seed")


@dataclass(frozen=True)
class ReportConfig:
    """The report."""

    movie: bool = option(True, "make the film of the moving density")
