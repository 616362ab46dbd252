"""What a user asks for: cells, density, transport, control and events, one room each.

`TASKS` is the only list of them. It holds what imports quickly, so that the command line can offer
its flags without JAX, and answer questions about a model without what only a fit needs.
"""

import importlib
from pathlib import Path
from typing import Any, NamedTuple

from liouville.errors import LiouvilleError
from liouville.tasks.cells.config import CellsConfig
from liouville.tasks.control.config import ControlConfig
from liouville.tasks.density.config import DensityConfig
from liouville.tasks.events.config import EventsConfig
from liouville.tasks.settings import check_training
from liouville.tasks.transport.config import TransportConfig


class Room(NamedTuple):
    """Where a task lives."""

    config: type
    ask: str = "liouville.tasks.ask"  # the module that loads its models and answers questions
    reader: str = ""  # the module whose `read(config)` needs no JAX
    leave_out: str = ""  # the module whose `leave_out_table` predicts times it has not seen
    has_demo: bool = False
    is_shared: bool = True  # whether several processes can divide the work of a fit


TASKS: dict[str, Room] = {
    "cells": Room(
        CellsConfig,
        reader="liouville.tasks.cells.read",
        leave_out="liouville.tasks.cells.leave_out",
        has_demo=True,
    ),
    "density": Room(DensityConfig, reader="liouville.tasks.density.read"),
    "transport": Room(TransportConfig),
    "control": Room(ControlConfig),
    "events": Room(
        EventsConfig,
        ask="liouville.tasks.events.ask",
        reader="liouville.tasks.events.read",
        has_demo=True,
        is_shared=False,
    ),
}


def room_of(name: str) -> Room:
    """Where the task of a name lives.

    Raises:
        LiouvilleError: if there is no such task.
    """
    if name not in TASKS:
        raise LiouvilleError(f"there is no task {name!r}; the tasks are: {', '.join(TASKS)}")
    return TASKS[name]


def read_early(name: str, config: Any) -> Any:
    """The data of a configuration, read and checked before JAX is imported.

    Returns:
        What `run_task` takes as `data`, or `None` if the task's data cannot be read without JAX.

    Raises:
        LiouvilleError: if the data, or the options of training, cannot be used.
    """
    check_training(config)
    reader = room_of(name).reader
    return importlib.import_module(reader).read(config) if reader else None


def load_task(name: str) -> Any:
    """The `liouville.tasks.task.Task` of a name: `TASK` in the module `fit` of its room."""
    room_of(name)
    return importlib.import_module(f"liouville.tasks.{name}.fit").TASK


def answers_of(name: str) -> Any:
    """The module with `load(folder)` and `query(run, question)` for runs of a task."""
    return importlib.import_module(room_of(name).ask)


def load_model(folder: Path, name: str) -> Any:
    """The model in the folder of a run of a task."""
    return answers_of(name).load(folder)
