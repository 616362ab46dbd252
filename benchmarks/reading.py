"""How long it takes to read large tables, and the memory it takes, in a process of its own.

python benchmarks/reading.py [--rows 1000000] [--parquet-rows 10000000] [--columns 10] [--save]

Prints the seconds, those of all processors together, and the highest memory beyond that of the
process before, in megabytes and as a multiple of the file and of the array, for this library,
pandas and, with --loadtxt, numpy.loadtxt.
"""

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from results import Column, Table

COLUMNS = (
    *(Column("file"), Column("MB", ",.0f"), Column("reader"), Column("seconds", ".2f")),
    *(Column("of the processors", ".2f"), Column("highest memory, MB", ",.0f")),
    *(Column("times the file", ".1f"), Column("times the array", ".1f")),
)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--parquet-rows", type=int, default=10_000_000)
    options.add_argument("--columns", type=int, default=10)
    options.add_argument("--loadtxt", action="store_true", help="numpy.loadtxt too, which is slow")
    options.add_argument("--save", action="store_true", help="write the table of the pages")
    options.add_argument("--read", nargs=2, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.read:
        print(json.dumps(measured(*given.read)))
        return
    table = Table("reading", COLUMNS, keep=given.save)
    with tempfile.TemporaryDirectory() as folder:
        files = written(Path(folder), given.rows, given.parquet_rows, given.columns)
        for kind, file in files.items():
            size = file.stat().st_size / 1e6
            rows = given.rows if kind == "text" else given.parquet_rows
            readers = ["liouville", "pandas"] + ["loadtxt"] * (kind == "text" and given.loadtxt)
            for reader in readers:
                if reader == "pandas" and importlib.util.find_spec("pandas") is None:
                    continue
                command = [sys.executable, __file__, "--read", reader, str(file)]
                found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
                row = {"file": f"{kind}, {rows:,} x {given.columns}", "MB": size, "reader": reader}
                row |= {"seconds": found["seconds"], "of the processors": found["cpu"]}
                row |= {"highest memory, MB": found["peak"], "times the file": found["peak"] / size}
                table.add({**row, "times the array": found["peak"] / found["array"]})


def written(folder: Path, rows: int, parquet_rows: int, columns: int) -> dict[str, Path]:
    """A text table and a Parquet file of normal draws."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    rng = np.random.default_rng(0)
    names = [f"x{i + 1}" for i in range(columns)]
    text, packed = folder / "table.csv", folder / "table.parquet"
    csv.write_csv(pa.table({name: rng.normal(size=rows) for name in names}), text)
    table = pa.table({name: rng.normal(size=parquet_rows) for name in names})
    parquet.write_table(table, packed)
    return {"text": text, "parquet": packed}


def measured(reader: str, file: str) -> dict[str, float]:
    """Seconds and highest memory of one reading, in this process."""
    before = _highest()
    begun, worked = time.perf_counter(), time.process_time()
    if reader == "liouville":
        from liouville.data import read_samples

        points = read_samples(file).points
    elif reader == "pandas":
        import pandas as pd

        points = (pd.read_csv if file.endswith(".csv") else pd.read_parquet)(file).to_numpy()
    else:
        points = np.loadtxt(file, delimiter=",", skiprows=1)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - worked
    peak = _highest() - before
    return {"seconds": seconds, "cpu": cpu, "peak": peak, "array": points.nbytes / 1e6}


def _highest() -> float:
    """The highest memory of this process, in megabytes."""
    status = Path("/proc/self/status")
    if status.exists():  # what the system tells otherwise includes the parent's
        line = next(one for one in status.read_text().splitlines() if one.startswith("VmHWM"))
        return int(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
