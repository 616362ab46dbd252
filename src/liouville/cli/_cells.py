"""Commands that say what a fitted model tells of cells."""

import warnings
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import typer

from liouville.cli._app import Extrapolate, Json, Out, RunFolder, Seed, finish, finish_table
from liouville.cli._query import SigmaOption
from liouville.errors import LiouvilleError

CellsFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="Cells with times and labels: .h5ad, .csv, ...")
]
ByOption = Annotated[
    Literal["parts", "flow", "diffusion"],
    typer.Option(help="How cells are followed; see docs/fates.md."),
]
GrowthOption = Annotated[
    bool, typer.Option(help="Count descendants, or follow cells as if none divided or died.")
]
DrawsOption = Annotated[int, typer.Option(min=1, help="Paths a cell, of the diffusion.")]


class _Labelled(NamedTuple):
    """The cells of a file."""

    file: Path
    points: np.ndarray
    times: np.ndarray
    labels: np.ndarray | None
    names: np.ndarray | None

    def at(self, model: Any, time: float, column: str | None) -> np.ndarray:
        """The rows of the cells of one time."""
        rows = np.flatnonzero(np.isclose(self.times, time, rtol=1e-9, atol=0.0))
        if not len(rows):
            there = ", ".join(f"{t:g}" for t in np.unique(self.times)[:12])
            what = "" if column is None else f" to be groups of {column!r}"
            raise LiouvilleError(
                f"no cells at {model.time_name} {time:g} in {self.file}{what}; name a time that "
                f"it has: {there}"
            )
        return rows


def fates(
    run: RunFolder,
    file: CellsFile,
    out: Out,
    terminal: Annotated[
        str | None,
        typer.Option(
            "--terminal",
            "--groups",
            metavar="COLUMN",
            help="Cell types at the end; by default the islands of the model's parts.",
        ),
    ] = None,
    by: ByOption = "parts",
    backward: Annotated[
        bool, typer.Option("--backward", help="Ancestors: where cells came from.")
    ] = False,
    to: Annotated[
        float | None,
        typer.Option("--to", help="Time of the groups; by default the last, backward the first."),
    ] = None,
    growth: GrowthOption = True,
    draws: DrawsOption = 64,
    sigma: SigmaOption = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Write the probability that each cell ends in each group, or came from it."""
    from liouville import cells as room
    from liouville.tasks.ask import identified, load

    model = load(run)
    cells = _read(run, model, file, terminal)
    end = model.interval[0 if backward else 1] if to is None else to
    groups = _groups(model, cells, end, terminal, seed)
    kept = cells.times >= end if backward else cells.times <= end
    if not kept.all():
        side = "before" if backward else "after"
        warnings.warn(
            f"{(~kept).sum()} cells of {file} {side} {model.time_name} {end:g} are left out",
            stacklevel=2,
        )
    x, t = cells.points[kept], cells.times[kept]
    options: dict[str, Any] = {"by": by, "draws": draws, "sigma": sigma, "seed": seed}
    if backward:
        found = room.ancestors(model, x, t, groups, end, **options)
    else:
        found = room.fates(model, x, t, groups, end, descendants=growth, **options)
    word = "ancestor" if backward else "fate"
    columns = {f"{word} {name}": found[:, i] for i, name in enumerate(groups.names)}
    names = None if cells.names is None else cells.names[kept]
    finish_table(out, {**identified(names), model.time_name: t, **columns}, as_json, "cells")


def transitions(
    run: RunFolder,
    file: CellsFile,
    out: Out,
    groups: Annotated[str, typer.Option(metavar="COLUMN", help="Cell types.")],
    start: Annotated[float, typer.Option("--from", help="Time of the rows.")],
    end: Annotated[float, typer.Option("--to", help="Time of the columns; it may be earlier.")],
    by: ByOption = "parts",
    growth: GrowthOption = True,
    draws: DrawsOption = 64,
    sigma: SigmaOption = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Write what becomes of each cell type between two times: rows that sum to one."""
    from liouville import cells as room
    from liouville.tasks.ask import load

    model = load(run)
    cells = _read(run, model, file, groups)
    ends = _groups(model, cells, end, groups, seed)
    rows = cells.at(model, start, groups)
    assert cells.labels is not None  # read under the name of the groups
    found = room.transitions(
        model, cells.points[rows], cells.labels[rows], start, ends, end,
        by=by, descendants=growth, draws=draws, sigma=sigma, seed=seed,
    )  # fmt: skip
    columns = {f"to {name}": found.table[:, i] for i, name in enumerate(found.targets)}
    # With descendants the shares are those of what is there at the other time.
    share = f"share at {end if growth else start:g}"
    named = {"from": np.array(found.sources), share: found.masses, **columns}
    finish_table(out, named, as_json, "groups")


def _read(run: Path, model: Any, file: Path, column: str | None) -> _Labelled:
    from liouville.data import labels_of
    from liouville.tasks.ask import points_for

    points, times, names = points_for(run, model, file, needs_time=True)
    assert times is not None  # asked for
    labels = None if column is None else labels_of(file, column)
    return _Labelled(file, points, times, labels, names)


def _groups(model: Any, cells: _Labelled, time: float, column: str | None, seed: int) -> Any:
    from liouville.cells import Groups

    model.log_mass(time)  # refuses times outside the model's before cells are looked for
    if cells.labels is None:
        return Groups.found(model, time, seed=seed)
    rows = cells.at(model, time, column)
    return Groups.of(cells.points[rows], cells.labels[rows])


def annotate(
    run: RunFolder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="AnnData: .h5ad or .zarr.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write, of the same kind.")],
    time_key: Annotated[
        str | None, typer.Option(help="Column of times; by default that of the fit.")
    ] = None,
    basis: Annotated[
        str | None, typer.Option(help="Array of the coordinates; by default that of the fit.")
    ] = None,
    times: Annotated[
        str | None, typer.Option(help="Times of labels: 'iPSC=18,MEF=0'; by default the fit's.")
    ] = None,
    embedding: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="A picture in obsm; by default all. May be repeated."),
    ] = None,
    loadings: Annotated[
        str | None, typer.Option(metavar="KEY", help="Loadings in varm; by default PCs.")
    ] = None,
    layer: Annotated[bool, typer.Option(help="Write velocities of genes.")] = True,
    terminal: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Cell types, for fates: those at the last time."),
    ] = None,
    key: Annotated[str, typer.Option(help="What the names of scalars begin with.")] = "liouville",
    velocity: Annotated[
        str, typer.Option(help="What the names of velocities begin with.")
    ] = "velocity",
    extrapolate: Extrapolate = False,
    as_json: Json = False,
) -> None:
    """Write a copy of an AnnData file with what a run says of its cells.

    Log-density, growth and speed in obs; velocities in obsm, on every embedding and in gene space;
    fates with --terminal. scanpy, scVelo and CellRank read the names as they are.
    """
    from liouville.cells import annotate_file
    from liouville.tasks.ask import load

    fitted = _of_run(run)
    told: dict[str, Any] = {"time_key": time_key, "basis": basis, "times": times}
    told |= {"embeddings": embedding or None, "loadings": loadings, "terminal": terminal}
    # Of the fit is what the user does not name.
    options = fitted | {name: value for name, value in told.items() if value is not None}
    written = annotate_file(
        file, out, load(run),
        layer=layer, key=key, velocity=velocity, extrapolate=extrapolate, **options,
    )  # fmt: skip
    finish({"file": str(out), "written": written}, as_json, [*written, f"in {out}"])


def _of_run(run: Path) -> dict[str, Any]:
    """How a run read its cells, and the figures of its summary, as `annotate` takes them."""
    from liouville.runs.folder import CONFIG_FILE, file_of, open_run
    from liouville.runs.reading import parse_json, read_text

    if not (run / CONFIG_FILE).is_file():  # a folder that holds a model alone
        return {}
    data = open_run(run).settings.get("data", {})
    found = {name: data.get(name) for name in ("time_key", "basis", "bins")}
    labels = data.get("times")  # of the ends of transport they are numbers
    found["times"] = labels if isinstance(labels, str) else None
    summary = file_of(run, "summary.json")
    if summary.is_file():
        found["figures"] = parse_json(read_text(summary, "summary"), summary, "fit again")
    return found
