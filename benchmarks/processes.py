"""Training by 1, 2 and 4 processes of this machine, and on 1, 2 and 4 forced devices of one.

    python benchmarks/processes.py [--steps 100]

The likelihood and energy of a mixture of full parts, in batches. Of processes: the largest
difference of the losses from those of one, relative; seconds from the loss of one process (by
SIGKILL) to the end of the others, and what they say; seconds until the job, started again with half
as many, has trained on. Of devices, each with the same number of rows (weak scaling): seconds of
the processors for a row, relative to one device. On a machine with as many cores as devices the
clock would say the same; with fewer, only the processors can.
"""

import argparse
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PARTS, DIMS, CELLS, ROWS, TIMES = 16, 10, 20_000, 1024, 3


def train(folder: Path, steps: int, rows: int, every: int) -> dict[str, float]:
    """One training, going on from a checkpoint if there is one; seconds a step beyond compiling."""
    import jax.numpy as jnp

    from liouville.curves import Knots
    from liouville.objectives import KineticEnergy, NegativeLogLikelihood
    from liouville.paths import Full, LocationScale
    from liouville.training import fit

    rng = np.random.default_rng(0)
    clock = np.linspace(0.0, 1.0, TIMES)
    means = rng.normal(size=(TIMES, PARTS, DIMS))
    scale = Full()
    raw = scale.from_covariance(jnp.asarray(np.broadcast_to(np.eye(DIMS), (*means.shape, DIMS))))
    knots = (Knots(tuple(clock), jnp.asarray(v)) for v in (means, raw))
    path = LocationScale(*knots, jnp.zeros(PARTS), scale=scale)
    clouds = [rng.normal(size=(CELLS, DIMS)) + t for t in clock]
    objective = NegativeLogLikelihood(clock, clouds, batch_size=rows) + 0.01 * KineticEnergy(
        interval=(0.0, 1.0), times=8, particles=64
    )
    marks: list[tuple[float, float]] = []

    def mark(step: int) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        marks.append((time.perf_counter(), used.ru_utime + used.ru_stime))
        if len(marks) == 1:
            print("training", step, flush=True)

    fit(
        path,
        objective,
        steps=steps,
        optimizer=0.01,
        chunk=10,
        log_every=1,
        checkpoint=folder / "checkpoint.lv",
        checkpoint_every=every,
        metrics=folder / "metrics.jsonl",
        resume=True,
        progress=False,
        on_chunk=mark,
    )
    done = 10 * max(len(marks) - 1, 1)
    clock_, processors = np.subtract(marks[-1], marks[0]) / done
    return {"clock": clock_, "processors": processors}


def start(number: int, folder: Path, *arguments: object) -> list[subprocess.Popen]:
    """A job of so many processes of this file."""
    folder.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job = {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}", "JAX_NUM_PROCESSES": str(number)}
    command = [sys.executable, __file__, "--worker", str(folder), *map(str, arguments)]
    return [
        subprocess.Popen(
            command,
            env={**os.environ, **job, "JAX_PROCESS_ID": str(own)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for own in range(number)
    ]


def wait_for_training(process: subprocess.Popen) -> str:
    """Waits until a process has trained for a chunk, and returns what it says then."""
    assert process.stdout is not None
    while not (line := process.stdout.readline()).startswith("training"):
        if not line:
            raise SystemExit(process.communicate()[1])
    return line.strip()


def losses(folder: Path) -> np.ndarray:
    """The losses of a log, step by step."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return np.array([json.loads(line)["loss"] for line in lines])


def compare_processes(place: Path, steps: int) -> None:
    """Losses of 1, 2 and 4 processes."""
    print("| processes | largest relative difference of a loss | last loss |\n|---:|---:|---:|")
    for number in (1, 2, 4):
        for process in start(number, place / str(number), steps):
            _, err = process.communicate()
            if process.returncode:
                raise SystemExit(err)
        own, one = losses(place / str(number)), losses(place / "1")
        print(f"| {number} | {np.max(np.abs(own / one - 1.0)):.1e} | {own[-1]:.6f} |", flush=True)


def lose_one(place: Path) -> None:
    """Kills one of four, and starts two."""
    job = start(4, place / "lost", 10**6, "--every", 10)
    for process in job:
        wait_for_training(process)
    time.sleep(5.0)
    job[2].send_signal(signal.SIGKILL)
    begun = time.perf_counter()
    said = {process.communicate()[1].strip() for process in job if process is not job[2]}
    print(f"\nthe other three ended after {time.perf_counter() - begun:.1f} s and said: {said}")
    before = len(losses(place / "lost"))
    begun = time.perf_counter()
    job = start(2, place / "lost", 10**6, "--every", 10)
    line = wait_for_training(job[0])
    seconds = time.perf_counter() - begun
    print(f"two went on after {seconds:.1f} s; the log had {before} steps, and now: {line}")
    for process in job:
        process.kill()


def compare_devices(place: Path, steps: int) -> None:
    """Seconds of the processors for a row on forced devices."""
    print("\n| devices | rows a step and time | s a step | of the processors | a row |")
    print("|---:|---:|---:|---:|---:|")
    one = None
    for number in (1, 2, 4):
        folder = place / f"devices-{number}"
        folder.mkdir()
        flags = f"--xla_force_host_platform_device_count={number}"
        command = [sys.executable, __file__, "--worker", folder, steps, "--rows", ROWS * number]
        environment = {**os.environ, "XLA_FLAGS": flags}
        done = subprocess.run(
            [*map(str, command), "--alone"], env=environment, stdout=subprocess.PIPE, check=True
        )
        took = json.loads(done.stdout.splitlines()[-1])
        row = took["processors"] / number
        one = row if one is None else one
        print(
            f"| {number} | {ROWS * number} | {took['clock']:.3f} | {took['processors']:.3f} "
            f"| {row / one:.2f} |",
            flush=True,
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--worker", nargs=2, metavar=("FOLDER", "STEPS"), help=argparse.SUPPRESS)
    parser.add_argument("--every", type=int, default=50, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=ROWS, help=argparse.SUPPRESS)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        from liouville.runs.job import ending, join, leave

        with ending():
            if not chosen.alone:
                join()
            folder, steps = chosen.worker
            print(json.dumps(train(Path(folder), int(steps), chosen.rows, chosen.every)))
            leave()
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        compare_processes(place, chosen.steps)
        lose_one(place)
        compare_devices(place, chosen.steps)


if __name__ == "__main__":
    main()
