"""Many devices and many processes find what one does, and no process outlives a lost one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from commands import call, error_of
from jobs import ended, start_job
from liouville.numerics import devices
from liouville.runs.job import LOST
from liouville.training import read_metrics
from test_training import state_in
from trainee import run

TRAINEE = Path(__file__).with_name("trainee.py")
STEPS = 100
SAME = 1e-9  # of losses in double precision, whose sums differ in their order


def train(folder: Path, processes: int) -> list[dict]:
    """The log of a training that so many processes share."""
    job = start_job(processes, [TRAINEE, folder, STEPS, "--distributed"])
    for code, out, err in ended(job):
        assert code == 0, err
        assert out.split()[-2:] == ["finished", str(STEPS)]
    return read_metrics(folder / "metrics.jsonl")


def assert_alike(rows: list[dict], others: list[dict]) -> None:
    """Two logs of the same training."""
    assert [row["step"] for row in rows] == [row["step"] for row in others]
    for name in ("loss", "likelihood", "energy"):
        found = [[row[name] for row in log] for log in (rows, others)]
        np.testing.assert_allclose(*found, rtol=SAME, atol=SAME)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The log of the same training by one process."""
    folder = tmp_path_factory.mktemp("alone")
    run(folder, STEPS)
    return read_metrics(folder / "metrics.jsonl")


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path, alone):
    assert_alike(train(tmp_path, 2), alone)


@pytest.mark.slow
def test_four_processes_train_as_one(tmp_path, alone):
    assert_alike(train(tmp_path, 4), alone)


@pytest.mark.slow
def test_any_number_of_processes_goes_on_with_what_others_began(tmp_path, alone):
    for processes, until in ((1, 25), (2, 50), (4, 75)):
        job = start_job(processes, [TRAINEE, tmp_path, STEPS, "--distributed", "--until", until])
        for code, out, err in ended(job):
            assert code == 0, err
            assert out.split()[-2] == "interrupted"
        assert until <= int(state_in(tmp_path, STEPS).step) < STEPS
    assert_alike(train(tmp_path, 1), alone)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 2])
def test_a_lost_process_ends_the_job_which_goes_on_when_started_again(tmp_path, victim):
    job = start_job(4, [TRAINEE, tmp_path, 10**6, "--eager", "--distributed"])
    for process in job:
        assert process.stdout is not None
        while not (line := process.stdout.readline()).startswith("begun"):
            assert line, process.communicate()
    job[victim].send_signal(signal.SIGKILL)
    begun = time.monotonic()
    found = ended(job)
    assert time.monotonic() - begun < 30.0
    for own, (code, _, err) in enumerate(found):
        if own != victim:
            assert code > 0 or code == -signal.SIGABRT
            assert err == f"{LOST}\n"
    reached = int(state_in(tmp_path, 10**6).step)
    assert reached > 0
    job = start_job(2, [TRAINEE, tmp_path, reached + 10, "--distributed"])
    assert all(code == 0 for code, *_ in ended(job))
    assert read_metrics(tmp_path / "metrics.jsonl")[-1]["step"] == reached + 10


def fit_cells(folder: Path, out: str, *more: object) -> list[object]:
    """The command of a brief fit of some cells, for which the numbers of parts are given."""
    file = folder / "cells.npz"
    if not file.exists():
        rng = np.random.default_rng(0)
        points = rng.normal(size=(120, 2)) + np.repeat([0.0, 1.0], 60)[:, None]
        np.savez(file, X=points, t=np.repeat([0.0, 1.0], 60))
    given = {"path.parts": 2, "path.prior": 2, "path.members": 2, "report.movie": "false"}
    given |= {"training.steps": 100, "training.patience": "null"}
    settings = [word for name, value in given.items() for word in ("--set", f"{name}={value}")]
    return ["-m", "liouville", "fit", "cells", file, "--out", folder / out, *settings, *more]


@pytest.mark.slow
def test_two_processes_fit_cells_as_one(tmp_path):
    alone = subprocess.run([sys.executable, *map(str, fit_cells(tmp_path, "alone"))], check=False)
    assert alone.returncode == 0
    first, second = ended(start_job(2, fit_cells(tmp_path, "both", "--distributed")))
    assert first[0] == second[0] == 0, first[2] + second[2]
    assert "model.lv" in first[1]
    assert "model.lv" not in second[1]
    assert (tmp_path / "both" / "report.html").is_file()
    logs = [read_metrics(tmp_path / run / "metrics.jsonl") for run in ("both", "alone")]
    losses = [[row["loss"] for row in log] for log in logs]
    np.testing.assert_allclose(*losses, rtol=1e-5)  # in single precision, as users have it


@pytest.mark.slow
def test_a_process_with_other_data_is_refused(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    commands = [fit_cells(folder, "RUN", "--distributed") for folder in (one, other)]
    points = np.random.default_rng(1).normal(size=(120, 2))
    np.savez(other / "cells.npz", X=points, t=np.repeat([0.0, 1.0], 60))
    begun = time.monotonic()
    first, second = ended(start_job(2, *commands))
    assert time.monotonic() - begun < 120.0
    assert second[0] == 2
    assert "error: the data are not those of process 0" in second[2]
    assert first[0] != 0
    assert LOST in first[2]


def test_one_device_changes_nothing():
    values = jnp.arange(6.0).reshape(3, 2)
    assert devices.count() == 1
    assert devices.divided(values) is values
    assert devices.shared(values) is values
    assert devices.spread(values) is values
    assert devices.told("this") == "this"
    assert devices.is_first()


LAWS = """
import jax, jax.numpy as jnp, numpy as np
from liouville.numerics import devices
from trainee import objective, path
from liouville.training._devices import on_all_devices

values, rows = jnp.arange(22.0).reshape(11, 2), jnp.array([[0, 3, 10, 10], [5, 4, 1, 0]])
spread = devices.spread(values)
with devices.everywhere():
    assert devices.count() == 4
    looked_up = jax.jit(devices.rows_of)
    for given in (values, spread):
        found = looked_up(given, rows)
        np.testing.assert_array_equal(found, values[rows])
    assert found.sharding.spec == jax.sharding.PartitionSpec(None, "data")
    square = jax.jit(lambda x: devices.mean(lambda row: row @ row, x))
    np.testing.assert_allclose(square(values), (values**2).sum(1).mean(), rtol=1e-6)
    place, counts = devices.places(6)
    assert place.tolist() == [0, 1, 2, 3, 4, 5, 5, 5] and counts.sum() == 6

# The devices divide the work, and do not each do all of it.
from liouville.objectives import NegativeLogLikelihood

from liouville.curves import Constant
from liouville.paths import LocationScale

rng = np.random.default_rng(0)
dear = LocationScale(
    Constant(jnp.asarray(rng.normal(size=(32, 8)))), Constant(jnp.zeros((32, 8))), jnp.zeros(32)
)
cloud = rng.normal(size=(4000, 8))
term = NegativeLogLikelihood((0.0, 1.0), [cloud, cloud], batch_size=1000)


def operations(path, term):
    step = jax.jit(jax.value_and_grad(lambda p: term(p, key=jax.random.key(0))))
    return step.lower(path).compile().cost_analysis()["flops"]


one = operations(dear, term)
with devices.everywhere():
    each = operations(*on_all_devices((dear, term)))
assert each < 0.4 * one, (each, one)

# Of all points, block after block, and of members of an ensemble.
from liouville.objectives import PerMember
from liouville.paths import Ensemble

pair = Ensemble.of([path(), path()])
clouds = [rng.normal(size=(5001, 1)), rng.normal(size=(7, 1))]
terms = [PerMember(NegativeLogLikelihood((0.0, 1.0), clouds, batch_size=n)) for n in (None, 6)]
terms.append(objective())
asked = list(zip((pair, pair, path()), terms))
value_of = lambda p, term: jax.jit(lambda p: term(p, key=jax.random.key(0)))(p)
values = [value_of(*one) for one in asked]
with devices.everywhere():
    for one, value in zip(asked, values):
        found = value_of(*on_all_devices(one))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), found, value)
"""


@pytest.mark.slow
def test_devices_of_one_process_divide_the_rows():
    flags = "--xla_force_host_platform_device_count=4"
    environment = {**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", LAWS], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_job_that_is_half_described_is_refused(monkeypatch, capsys, tmp_path):
    for name in ("JAX_COORDINATOR_ADDRESS", "JAX_PROCESS_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JAX_NUM_PROCESSES", "2")
    assert call("fit", "cells", tmp_path / "none.csv", "--distributed") == 2
    assert "JAX_COORDINATOR_ADDRESS is not set; give all of" in error_of(capsys)


def test_what_processes_cannot_divide_is_refused(capsys, tmp_path):
    assert call("fit", "events", tmp_path / "none.csv", "--distributed") == 2
    assert "fit events is the work of one process" in error_of(capsys)
