"""Code of README and the guides: the blocks of a page, and the data that they speak of."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(liouville [^`\n]+)`")


class Block(NamedTuple):
    """A block of code of a page, and the line it begins at."""

    page: Path
    language: str
    code: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of code of a page, in their order."""
    text = page.read_text("utf-8")
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start(2)) + 1
        yield Block(page, found[1], found[2], line)


def commands(code: str) -> Iterator[list[str]]:
    """What a block types in a shell, command by command, without comments."""
    for line in code.replace("\\\n", " ").splitlines():
        for command in line.split("&&"):
            if words := shlex.split(command, comments=True):
                yield words


def inline(page: Path) -> Iterator[list[str]]:
    """Commands in the text of a page, of which arguments may be missing."""
    text = _BLOCK.sub("", page.read_text("utf-8"))
    for found in _INLINE.finditer(text):
        yield shlex.split(found[1])


def write_data(folder: Path, page: Path) -> None:
    """Simulated data under the names of the files that a page speaks of."""
    _cells(folder)
    _samples(folder)
    _events(folder)
    programs = [block.code for block in blocks(page) if "problem = ControlProblem(" in block.code]
    if programs:
        (folder / "scene.py").write_text(programs[0])
    if points := {"cells.md": "cells.csv", "density.md": "doses.csv"}.get(page.name):
        shutil.copy(folder / points, folder / "points.csv")


def _cells(folder: Path) -> None:
    import anndata
    import pandas as pd

    from liouville.problems import BranchingCells

    cells = BranchingCells().sample(40, founders=200)
    rng = np.random.default_rng(0)
    n = len(cells.times)
    table = pd.DataFrame(cells.points, columns=pd.Index([f"X_pca_{i + 1}" for i in range(5)]))
    table.insert(0, "time", cells.times)
    table.to_csv(folder / "cells.csv", index=False)
    obs = pd.DataFrame(
        {
            "day": cells.times,
            "cell_type": pd.Categorical(cells.names),
            "genotype": rng.choice(["ko", "wt"], n),
            "donor": rng.choice(["d1", "d2", "d3"], n),
            "S_score": rng.normal(size=n),
        },
        index=pd.Index([f"cell{i}" for i in range(n)]),
    )
    genes = [f"gene{i}" for i in range(6)]
    (folder / "death_genes.txt").write_text("\n".join(genes[:2]) + "\n")
    adata = anndata.AnnData(
        X=rng.gamma(1.0, size=(n, len(genes))),
        obs=obs,
        var=pd.DataFrame(index=pd.Index(genes)),
    )
    adata.obsm["X_pca"] = cells.points
    for name in ("cells.h5ad", "embryo.h5ad"):
        adata.write_h5ad(folder / name)
    stages = np.array(["MEF", "D2", "iPSC"])
    adata.obs = obs.assign(stage=stages[np.minimum(cells.times, 2).astype(int)])
    adata.write_h5ad(folder / "ipsc.h5ad")
    many = np.concatenate([cells.points, rng.normal(size=(n, 45))], axis=1)
    np.savez(folder / "many.npz", points=many, times=cells.times)


def _samples(folder: Path) -> None:
    rng = np.random.default_rng(1)
    names = ("moons", "SOURCE", "TARGET", "MORE", "POINTS", "A", "B", "monday", "friday", "sunday")
    more = {"A": ",kind,age,dose", "B": ",kind,age,dose", "samples": ",label"}
    for number, name in enumerate((*names, "samples")):
        lines = ["x,y" + more.get(name, "")]
        for x, y in rng.normal(size=(120, 2)) + 0.3 * number:
            kind, age, dose = rng.choice(["A", "B"]), rng.uniform(20, 60), rng.random()
            own = {",kind,age,dose": f",{kind},{age},{dose}", ",label": f",{kind}"}
            lines.append(f"{x},{y}{own.get(more.get(name, ''), '')}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    doses = np.column_stack([rng.normal(size=(120, 2)), rng.random(120), rng.uniform(20, 60, 120)])
    np.savetxt(folder / "doses.csv", doses, delimiter=",", header="x,y,dose,age", comments="")
    weighed = np.column_stack([doses, rng.uniform(0.5, 2.0, 120)])
    np.savetxt(folder / "trial.csv", weighed, delimiter=",", header="x,y,dose,age,w", comments="")
    digits = rng.integers(0, 17, (300, 64)).astype(float)
    np.savez(folder / "digits.npz", X=digits, y=rng.integers(0, 10, 300))


def _events(folder: Path) -> None:
    rng = np.random.default_rng(2)

    placed = "time,longitude,latitude,magnitude"

    def write(name: str, begin: str, days: float, columns: str = placed) -> None:
        seconds = np.sort(rng.uniform(0, 86_400 * days, 250)).astype("timedelta64[s]")
        lines = [columns]
        for stamp in np.datetime64(begin) + seconds:
            row = {
                "time": f"{stamp}Z",
                "longitude": f"{141 + rng.normal():.3f}",
                "latitude": f"{38 + rng.normal():.3f}",
                "magnitude": f"{4.5 + rng.exponential(0.4):.2f}",
                **dict.fromkeys(("kind", "offence"), rng.choice(["a", "b"])),
            }
            lines.append(",".join(row[column] for column in columns.split(",")))
        (folder / name).write_text("\n".join(lines) + "\n")

    year = 365.0
    write("japan.csv", "1990-01-01T00:00:00", 30 * year)
    write("until_today.csv", "2015-01-01T00:00:00", 5 * year)
    write("all.csv", "2015-01-01T00:00:00", 7 * year)
    write("NEW.csv", "2019-01-01T00:00:00", 2.1 * year)
    write("crimes.csv", "2020-01-01T00:00:00", year, "time,longitude,latitude,offence")
    write("calls.csv", "2020-01-01T00:00:00", year, "time,kind")
    (folder / "points.csv").write_text("time,longitude,latitude\n2020-01-08T00:00:00Z,141,38\n")
    (folder / "places.csv").write_text("longitude,latitude\n141,38\n142,37\n")
