"""Settings that all tasks share. Plain data: nothing here imports JAX."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from liouville.errors import LiouvilleError
from liouville.runs import config as configuration
from liouville.runs.config import Range, option

# Ranges of settings of one kind.
COUNT = Range(low=1, high=100_000)  # of parts, units of a layer, coordinates
DRAWS = Range(low=1, high=10**9)  # of points, particles, times, steps
FEW = Range(low=1, high=1000)  # of layers, members, repetitions
NOT_NEGATIVE = Range(low=0)
POSITIVE = Range(above=0)
SHARE = Range(low=0, below=1)
MOST_SEED = 2**32 - 1
"""The largest seed; random numbers do not depend on higher bits."""

Config = TypeVar("Config")


@dataclass(frozen=True)
class TrainingConfig:
    """The optimisation."""

    steps: int | None = option(
        None, "most steps; null: chosen from the data", flag="--steps", within=DRAWS
    )
    rate: float | None = option(None, "learning rate; null: chosen from the data", within=POSITIVE)
    weight_decay: float | None = option(
        0.0, "pull of learned numbers toward zero; null: chosen from the data", within=NOT_NEGATIVE
    )
    average: float = option(
        0.99,
        "share the moving average of the parameters keeps at a step",
        within=Range(low=0, below=1),
    )
    patience: int | None = option(
        None, "validations without progress before stopping; null: never", within=DRAWS
    )
    tolerance: float = option(
        0.0, "progress is an improvement by more than this share", within=NOT_NEGATIVE
    )
    validate_every: int = option(50, "steps between validations", within=DRAWS)
    checkpoint_every: int = option(500, "steps between checkpoints", within=DRAWS)
    chunk: int = option(50, "steps a compiled call", within=Range(low=1, high=10**6))
    seed: int = option(
        0, "seed of all random numbers", flag="--seed", within=Range(low=0, high=MOST_SEED)
    )

    def __post_init__(self):
        # What happens every so many steps falls between two compiled calls.
        for name in ("validate_every", "checkpoint_every"):
            if getattr(self, name) % max(self.chunk, 1):
                raise LiouvilleError(
                    f"training.{name} is {getattr(self, name)}, which is no multiple of "
                    f"training.chunk {self.chunk}; change one of them"
                )


@dataclass(frozen=True)
class ReportConfig:
    """The report."""

    movie: bool = option(True, "make the film of the moving density")


def settings_of(
    kind: type[Config], given: Any = None, keywords: Mapping[str, Any] | None = None
) -> Config:
    """A configuration that a user gave in Python, or made of some of its values.

    Args:
        kind: the class of the configuration.
        given: a configuration, or some of its values by dotted key.
        keywords: values by the names of the flags of the command line, `time_key` for
            `--time-key`; they win over those of `given`. Text is read as the command line reads it.

    Raises:
        LiouvilleError: if it is neither, a keyword is no flag, or a value cannot be used.
    """
    is_mapping = isinstance(given, Mapping) and all(isinstance(key, str) for key in given)
    if given is not None and not isinstance(given, kind) and not is_mapping:
        raise LiouvilleError(
            f"settings are of type {type(given).__name__}; give a {kind.__name__}, or a dictionary "
            "of values by dotted key, such as {'training.steps': 500}"
        )
    flags, values = _by_key(kind, keywords or {})
    told: Any = given
    base = told if isinstance(told, kind) else configuration.merge(kind, values=told)
    return configuration.merge(kind, file=configuration.to_dict(base), flags=flags, values=values)


def _by_key(kind: type, keywords: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Keywords by dotted key: those that are text, as the flags are, and the others."""
    keys = {
        entry.flag.lstrip("-").replace("-", "_"): entry.key
        for entry in configuration.describe(kind)
        if entry.flag
    }
    texts, values = {}, {}
    for name, value in keywords.items():
        if name not in keys:
            raise LiouvilleError(
                f"unknown argument {name!r}; {configuration.suggestion(name, list(keys))}; all "
                "other settings go by dotted key: settings={'training.steps': 500}"
            )
        value = _plain(value)
        (texts if isinstance(value, str) else values)[keys[name]] = value
    return texts, values


def _plain(value: Any) -> Any:
    """A value as a configuration holds it: of paths, NumPy's numbers and mappings of labels."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return ",".join(f"{label}={number}" for label, number in value.items())
    # Numbers and arrays of NumPy, without importing it.
    return value.tolist() if hasattr(value, "tolist") else value


def check_training(config: Any) -> None:
    """Refuses training options that are null where the task cannot choose them.

    What a task leaves open by default it can choose; what has a number it cannot.
    """
    for name, default in vars(type(config)().training).items():
        is_open = default is None or name == "patience"
        if getattr(config.training, name) is None and not is_open:
            raise LiouvilleError(f"training.{name} is null; give a number, such as {default}")
