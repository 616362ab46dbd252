"""A small training run, alone in its process, that tests interrupt, kill and resume.

    python trainee.py FOLDER STEPS [--eager] [--distributed] [--until STEP]

It writes checkpoints and metrics into FOLDER, resumes whatever it finds there, and prints a line
when the first chunk is done and one when it ends. With `--eager` every chunk is checkpointed, with
`--distributed` it is one process of a job. `--until` stops it, as a user would, at a step.
"""

import os
import signal
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from liouville.runs.job import ending, join, leave

jax.config.update("jax_enable_x64", True)


def path():
    """Two parts on the line that start alike but for their places."""
    from liouville.curves import Knots
    from liouville.paths import LocationScale

    times = (0.0, 0.5, 1.0)
    places = jnp.broadcast_to(jnp.asarray([[-0.5], [0.5]]), (3, 2, 1))
    return LocationScale(Knots(times, places), Knots(times, jnp.zeros((3, 2, 1))), jnp.zeros(2))


def objective():
    """The likelihood of two snapshots, in batches, plus energy: both draw random numbers."""
    from liouville.objectives import KineticEnergy, NegativeLogLikelihood

    rng = np.random.default_rng(0)
    clouds = [rng.normal(size=(20, 1)), 1.0 + 0.5 * rng.normal(size=(12, 1))]
    likelihood = NegativeLogLikelihood((0.0, 1.0), clouds, batch_size=4)
    return likelihood + 0.05 * KineticEnergy(interval=(0.0, 1.0), times=2, particles=4)


def run(folder: Path, steps: int, *, eager: bool = False, on_chunk=None):
    """Trains for a number of steps in all, going on from a checkpoint if there is one."""
    from liouville.training import fit

    return fit(
        path(),
        objective(),
        steps=steps,
        optimizer=0.05,
        chunk=5,
        log_every=2,
        checkpoint=folder / "checkpoint.lv",
        checkpoint_every=5 if eager else 50,
        metrics=folder / "metrics.jsonl",
        resume=True,
        on_chunk=on_chunk,
    )


def main() -> None:
    """Runs what the command line says."""
    begun = False

    def announce(step: int) -> None:
        """Says that compilation is over."""
        nonlocal begun
        if not begun:
            print("begun", step, flush=True)
            begun = True
        if step == until:
            os.kill(os.getpid(), signal.SIGTERM)

    until = int(sys.argv[sys.argv.index("--until") + 1]) if "--until" in sys.argv else None
    if "--distributed" in sys.argv:
        join()
    done = run(Path(sys.argv[1]), int(sys.argv[2]), eager="--eager" in sys.argv, on_chunk=announce)
    print(done.reason, done.step, flush=True)
    leave()


if __name__ == "__main__":
    with ending():
        main()
