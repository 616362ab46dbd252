"""What a task is: a record of functions. The skeleton, the command line and the tests ask it."""

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from liouville.objectives import AbstractTerm, Objective
from liouville.runs.folder import Run
from liouville.training import Fit

Config = TypeVar("Config")
Data = TypeVar("Data")
Say = Callable[[str], None]


class Start(NamedTuple):
    """What training starts from.

    Attributes:
        config: the configuration with every open choice filled in.
        path: the path, or another module that the terms know.
        objective: what training makes small.
        validation: what ends training and picks the best path, or `None`.
        facts: what the summary says before anything is trained.
        known: whatever else the task's `model` and `measure` ask for.
        details: fields of the task's result that are known already.
        is_interrupted: whether the user stopped it before training began.
    """

    config: Any
    path: Any
    objective: Objective
    validation: AbstractTerm | Objective | None = None
    facts: Mapping[str, Any] = {}
    known: Any = None
    details: Mapping[str, Any] = {}
    is_interrupted: bool = False


class Rows(NamedTuple):
    """A table for a person, or a list for a program.

    A column `NAME_error` is the standard error of the column `NAME`, and is shown with it.
    """

    key: str  # its name in JSON
    title: str
    rows: list[dict[str, Any]]
    headings: Mapping[str, str]  # the columns in order, each with its heading
    remarks: Sequence[str] = ()  # lines below it


class NewData(NamedTuple):
    """Data on which a run is measured besides those it kept, and what of them counts.

    Attributes:
        file: the data.
        start: when what counts begins, as it was written.
        end: when it ends.
        catalogues: how many forecasts are drawn to be tested; 0 for no tests.
        grid: size of the cells of these tests, in units of the coordinates; by default the task's.
        seed: of all draws.
    """

    file: Path
    start: str | None = None
    end: str | None = None
    catalogues: int = 0
    grid: float | None = None
    seed: int = 0


class Demo(NamedTuple):
    """A demonstration: data whose truth is known.

    Attributes:
        file: what the file of the data is called, which the run keeps.
        columns: what it holds.
        flags: settings by dotted key.
        compare: what the summary of a fit says of the truth: tables and sentences by name.
        next: commands to go on with, in which `{run}` is the run.
    """

    file: str
    columns: Mapping[str, np.ndarray]
    flags: Mapping[str, Any]
    compare: Callable[[Any], Mapping[str, Any]]
    next: Sequence[str]


def later(place: str) -> Callable[..., Any]:
    """A function of a module that is imported when it is called, for what imports slowly.

    The place is module and function, such as `liouville.tasks.cells.report:contents`.
    """
    module, name = place.split(":")

    def call(*arguments: Any) -> Any:
        return getattr(importlib.import_module(module), name)(*arguments)

    return call


def tables_of(summary: Mapping[str, Any]) -> list[Rows]:
    """The tables among the figures of a summary: its lists of rows."""
    return [
        Rows(key, key, value, {n: n for row in value for n in row if not n.endswith("_error")})
        for key, value in summary.items()
        if isinstance(value, list) and value and isinstance(value[0], Mapping)
    ]


@dataclass(frozen=True, kw_only=True)
class Task(Generic[Config, Data]):
    """What `fit`, `evaluate`, `plot` and `demo` do for one kind of data.

    Attributes:
        name: of the task and of its room.
        config: the class of its configuration, with the groups `training` and `report`.
        result: the named tuple a fit returns: `model`, `config`, `history`, `summary`, `reason`,
            `data`, and what is special, with defaults for a fit that was interrupted.
        read: `(config, given)`: the data, read from where the configuration says or `given` in
            Python, and checked.
        arrays: the arrays by which the data are recognised again.
        resolve: `(data, config, progress)`: fills in open choices and makes the `Start`.
        model: `(start, fit)`: the model, in the user's units.
        measure: `(model, start, data)`: figures for the summary, and fields of the result.
        contents: `(result, data)`: the `liouville.plots.Page` of the report.
        evaluate: `(model, data, config)`: measures a run again.
        score: `(run, data, new, say)`: measures a run on `NewData`; its own data are `None` if they
            have gone. `None` if the task is not measured on other data than its own.
        judge: `(result, data, say)`: adds dear figures that only a run has.
        recall: `(model, data, config, summary)`: fields of the result of an earlier run.
        keeps: `(config, data)`: files by name that a run keeps of its data.
        recover: `(config, folder, trust)`: the data of a run, where `read` would run code. Then it
            is the code that the run keeps, and is run only if the user trusts it.
        tables: the tables of a summary, for a person.
        demo: `(seed)`: data with a known truth, or `None`.
    """

    name: str
    config: type[Config]
    result: Callable[..., Any]
    read: Callable[[Any, Any], Data]
    arrays: Callable[[Any], Iterable[np.ndarray | None]]
    resolve: Callable[[Any, Any, bool | None], Start]
    model: Callable[[Start, Fit], Any]
    measure: Callable[[Any, Start, Any], tuple[dict[str, Any], dict[str, Any]]]
    contents: Callable[[Any, Any], Any]
    evaluate: Callable[[Any, Any, Any], Mapping[str, Any] | Rows]
    score: Callable[[Run, Any, NewData, Say], Mapping[str, Any]] | None = None
    judge: Callable[[Any, Any, Say], Any] = lambda fitted, *_: fitted
    recall: Callable[[Any, Any, Any, Mapping[str, Any]], dict[str, Any]] = lambda *_: {}
    keeps: Callable[[Config, Data], Mapping[str, bytes]] = lambda *_: {}
    recover: Callable[[Config, Path, bool], Data] | None = None
    tables: Callable[[Mapping[str, Any]], list[Rows]] = tables_of
    demo: Callable[[int], Demo] | None = None
