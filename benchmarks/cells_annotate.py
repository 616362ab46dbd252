"""Time and memory of `liouville annotate`, from the file to the annotated file.

    python benchmarks/cells_annotate.py [--cells 50000 --dims 30 --genes 2000] [--terminal]

A population of twelve types that move and grow, with sparse counts, principal components with
loadings and a picture, is written as .h5ad; a model with default settings but few steps is fitted
to some of its cells. Memory is the most that the command took, beside the size of the file; what
it takes to start (JAX and the libraries) is measured by the same command on a hundred cells.
Seconds depend on what else the machine does.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from cells_scale import TYPES, population
from scipy.sparse import random as random_sparse

TIMES = 5


def cells_of(count: int, dims: int, genes: int) -> anndata.AnnData:
    """Cells as a pipeline leaves them: counts, components, loadings, a picture, types."""
    points, times = population(count, dims, TIMES)
    rng = np.random.default_rng(1)
    order = rng.permutation(len(points))
    points, times = points[order], times[order]
    kinds = np.argmin([np.abs(points[:, 0] - c) for c in np.linspace(-20, 20, TYPES)], axis=0)
    loadings, _ = np.linalg.qr(rng.normal(size=(genes, dims)))
    swirl = np.column_stack([points[:, 0] + 0.1 * points[:, 1] ** 2, points[:, 1]])
    return anndata.AnnData(
        X=random_sparse(len(points), genes, 0.1, "csr", np.float32, rng),
        obs=pd.DataFrame(
            {"day": times, "kind": pd.Categorical([f"type {kind}" for kind in kinds])},
            index=pd.Index([f"cell{i}" for i in range(len(points))]),
        ),
        var=pd.DataFrame(index=pd.Index([f"gene{i}" for i in range(genes)])),
        obsm={"X_pca": points, "X_umap": swirl.astype(np.float32)},
        varm={"PCs": loadings.astype(np.float32)},
    )


def command(*arguments: object) -> tuple[float, float, float]:
    """Seconds, seconds of the processor and gigabytes that a command of ours takes."""
    line = [sys.executable, "-m", "liouville", *map(str, arguments)]
    begun = time.monotonic()
    pid = os.posix_spawn(sys.executable, line, dict(os.environ))
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"{' '.join(line)} failed")
    busy = usage.ru_utime + usage.ru_stime
    return time.monotonic() - begun, busy, usage.ru_maxrss / 1e6


def write(folder: Path, cells: int, dims: int, genes: int) -> None:
    whole = cells_of(cells, dims, genes)
    for name, count in (("many", cells), ("few", 2750), ("least", 100)):
        whole[:count].write_h5ad(folder / f"{name}.h5ad")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=50_000)
    parser.add_argument("--dims", type=int, default=30)
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--terminal", action="store_true", help="fates of the types, too")
    asked = parser.parse_args()
    more = ["--terminal", "kind"] if asked.terminal else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own: a command is said to take at least what its parent took.
        maker = multiprocessing.get_context("spawn").Process(
            target=write, args=(folder, asked.cells, asked.dims, asked.genes)
        )
        maker.start()
        maker.join()
        run, out, many = folder / "RUN", folder / "out.h5ad", folder / "many.h5ad"
        fit = ("--time-key", "day", "--steps", "20", "--set", "report.movie=false", "--out", run)
        command("fit", "cells", folder / "few.h5ad", *fit)
        *_, start = command("annotate", run, folder / "least.h5ad", "-o", out)
        seconds, busy, most = command("annotate", run, many, "-o", out, *more)
        result = {
            "cells": asked.cells,
            "components": asked.dims,
            "genes": asked.genes,
            "fates": asked.terminal,
            "seconds": round(seconds, 1),
            "seconds of the processor": round(busy, 1),
            "GB at most": round(most, 2),
            "GB to start": round(start, 2),
            "GB of the file": round(many.stat().st_size / 1e9, 2),
            "GB written": round(out.stat().st_size / 1e9, 2),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
