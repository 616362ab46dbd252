"""Commands that say what a fitted model tells of cells."""

from pathlib import Path
from typing import Annotated, Any

import typer

from liouville.cli._app import Extrapolate, Json, RunFolder, finish


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
