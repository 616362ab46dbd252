"""Settings that all tasks share. Plain data: nothing here imports JAX."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from liouville.errors import LiouvilleError
from liouville.runs import config as configuration
from liouville.runs.config import option

Config = TypeVar("Config")


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


def settings_of(kind: type[Config], given: Any) -> Config:
    """A configuration that a user gave in Python, or made of some of its values by dotted key.

    Raises:
        LiouvilleError: if it is neither, or a value cannot be used.
    """
    if isinstance(given, kind):
        return given
    is_mapping = isinstance(given, Mapping) and all(isinstance(key, str) for key in given)
    if given is not None and not is_mapping:
        raise LiouvilleError(
            f"settings are of type {type(given).__name__}; give a {kind.__name__}, or a dictionary "
            "of values by dotted key, such as {'training.steps': 500}"
        )
    return configuration.merge(kind, values=given)


def file_of(source: Any, what: str) -> str:
    """The name of a file that a user gave; refuses what is none, so that it is not read as one.

    Raises:
        LiouvilleError: if it is neither text nor a path.
    """
    if not isinstance(source, str | Path):
        raise LiouvilleError(f"{what} are of type {type(source).__name__}; give a file or a record")
    return str(source)
