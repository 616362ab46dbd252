import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from liouville.curves import HardEnded, Knots
from liouville.errors import LiouvilleError, TrainingError
from liouville.numerics.parameters import Fixed, learned_leaves, split
from liouville.numerics.types import RandomKey, Scalar
from liouville.objectives import AbstractTerm, KineticEnergy
from liouville.paths import AbstractPath, Full, LocationScale
from liouville.problems import bures
from liouville.training import fit, read_metrics, restore_state
from liouville.training._fit import check_schedule
from liouville.training._progress import ProgressBar
from liouville.training._state import initial_state
from test_problems import M0, M1, S0, S1
from tolerances import TRAINED
from trainee import objective, path, run

TRAINEE = Path(__file__).with_name("trainee.py")


def assert_same(a, b) -> None:
    """Equal in structure and bit for bit."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b)):
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()


def state_in(folder: Path, steps: int = 100):
    from liouville.training._fit import default_optimizer

    like = initial_state(path(), default_optimizer(0.05, steps))
    return restore_state(folder / "checkpoint.lv", like)[0]


def train(begin: Any, goal: Any, **options: Any) -> Any:
    """Trains in chunks of five steps, with everything that has a rhythm in that of the chunks."""
    rhythm: dict[str, Any] = {"chunk": 5, "validate_every": 5, "checkpoint_every": 5}
    return fit(begin, goal, **(rhythm | options))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of 100 steps that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(folder, 100)


# A known optimum.


def gaussian_energy(path: LocationScale, nodes: int = 24) -> float:
    """The kinetic energy of one Gaussian part from its moments, by quadrature piece by piece."""
    knots = np.linspace(0.0, 1.0, 7)
    points, weights = np.polynomial.legendre.leggauss(nodes)
    times = (knots[:-1, None] + (points + 1.0) / 2.0 * np.diff(knots)[:, None]).ravel()
    weights = (weights / 2.0 * np.diff(knots)[:, None]).ravel()

    @jax.jit
    @jax.vmap
    def power(t):
        frames: Any = path.at(t).frames
        velocity = frames.location_rate[0]
        spread = frames.generator[0] @ frames.factor[0]
        return 0.5 * (velocity @ velocity + jnp.sum(spread**2))

    return float(weights @ np.asarray(power(jnp.asarray(times))))


@pytest.mark.slow
def test_hard_ends_reach_the_bures_energy():
    ends = (0.0, 1.0)
    times = tuple(np.linspace(0.0, 1.0, 7).tolist())
    raw = Full().from_covariance(jnp.asarray([S0, S1]))[:, None]
    start = LocationScale(
        HardEnded(ends, jnp.asarray([M0, M1])[:, None], Knots(times, jnp.ones((7, 1, 2)))),
        HardEnded(ends, raw, Knots(times, 0.5 * jnp.ones((7, 1, 2, 2)))),
        jnp.zeros(1),
        scale=Full(),
    )
    least = 0.5 * bures(M0, S0, M1, S1)
    assert gaussian_energy(start) > 1.02 * least
    rhythm = {"chunk": 200, "validate_every": 200, "checkpoint_every": 200}
    energy = KineticEnergy(interval=ends, times=16, particles=16)
    done = train(start, energy, steps=400, optimizer=0.05, **rhythm)
    found = gaussian_energy(done.path)
    assert least <= found * (1.0 + 1e-9)
    assert found < least * (1.0 + TRAINED)
    # Training left the ends where they are, to the bit.
    for t, mean, p in ((0.0, M0, raw[0]), (1.0, M1, raw[1])):
        assert np.array_equal(done.path.location(jnp.asarray(t)), mean[None])
        assert np.array_equal(done.path.raw_scale(jnp.asarray(t)), p)


# Resuming.


def test_a_resumed_run_equals_the_uninterrupted_one(whole, tmp_path):
    folder, done = whole

    def stop(step):
        if step == 70:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        run(tmp_path, 100, on_chunk=stop)
    # The last checkpoint is at step 50; the metrics go on to 70, and a line of them is torn.
    assert int(state_in(tmp_path).step) == 50
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 71, "lo')
    again = run(tmp_path, 100)
    assert_same(again.path, done.path)
    assert_same(state_in(tmp_path), state_in(folder))
    assert (tmp_path / "metrics.jsonl").read_bytes() == (folder / "metrics.jsonl").read_bytes()
    assert [row["step"] for row in again.history] == [
        row["step"] for row in done.history if row["step"] > 50
    ]


def test_a_finished_run_resumes_to_itself(whole):
    folder, done = whole
    before = (folder / "metrics.jsonl").read_bytes()
    again = run(folder, 100)
    assert again.reason == "finished"
    assert again.history == []
    assert_same(again.path, done.path)
    assert (folder / "metrics.jsonl").read_bytes() == before


def test_without_resume_it_starts_anew(whole, tmp_path, capfd):
    folder, _ = whole
    (tmp_path / "metrics.jsonl").write_bytes((folder / "metrics.jsonl").read_bytes())
    train(path(), Offset(target=3.0), steps=5, metrics=tmp_path / "metrics.jsonl")
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows] == [5]
    assert set(rows[0]) == {"step", "loss", "offset", "gradient"}
    # And the progress bar is silent in a pipe.
    assert capfd.readouterr() == ("", "")


def test_a_checkpoint_of_another_model_is_refused(whole):
    folder, _ = whole
    other = eqx.tree_at(lambda p: p.logits, path(), jnp.zeros(2, jnp.float32))
    with pytest.raises(LiouvilleError, match=r"\.logits should be float32\(2,\), found float64"):
        restore_state(folder / "checkpoint.lv", initial_state(other, optax.adam(0.1)))
    smaller = initial_state(path(), optax.sgd(0.1))
    with pytest.raises(LiouvilleError, match="which this model does not have"):
        restore_state(folder / "checkpoint.lv", smaller)


# Logging.


def test_metrics_are_one_json_object_a_logged_step(whole):
    folder, done = whole
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert rows == done.history == read_metrics(folder / "metrics.jsonl")
    steps = [row["step"] for row in rows]
    # Every second step and the last of every chunk of five.
    assert steps == [i for i in range(1, 101) if i % 2 == 0 or i % 5 == 0]
    for row in rows:
        assert list(row) == ["step", "loss", "likelihood", "energy", "gradient"]
        assert np.isclose(row["loss"], row["likelihood"] + 0.05 * row["energy"], rtol=1e-12)
    assert done.reason == "finished"
    assert done.step == 100


def test_the_bar_shows_steps_and_terms(capsys):
    bar = ProgressBar(10, shown=True)
    bar.update(5, {"step": 5, "loss": 1.25, "gradient": 3.0})
    bar.close()
    text = capsys.readouterr().err
    assert "5/10" in text
    assert "loss 1.25" in text
    assert "gradient" not in text


# Failures and stops.


class Trap(AbstractTerm):
    """Zero, but not a number at one step (or its gradient is not)."""

    bad: RandomKey
    of: str = eqx.field(static=True)
    name: str = eqx.field(static=True, default="trap")

    def __call__(self, path: Any, *, key: RandomKey) -> Scalar:
        hit = jnp.all(jr.key_data(key) == jr.key_data(self.bad))
        zero = jnp.sum(path.logits) * 0.0
        if self.of == "value":
            return jnp.where(hit, jnp.nan, zero)
        return zero + jnp.where(hit, 1.0, 0.0) * jnp.sqrt(zero)


@pytest.mark.parametrize("of", ["value", "gradient"])
def test_a_number_that_is_none_is_named_and_kept_out(of, tmp_path):
    step = 12  # the thirteenth, in the middle of the third chunk
    trap = Trap(bad=jr.fold_in(jr.fold_in(jr.key(0), step), 1), of=of)
    files = {"checkpoint": tmp_path / "checkpoint.lv", "metrics": tmp_path / "metrics.jsonl"}
    settings = {"optimizer": 0.05, "log_every": 1, "steps": 40}
    if of == "gradient":
        # sqrt has an infinite slope at zero wherever its factor is not zero, and 0 * inf is NaN.
        trap = eqx.tree_at(lambda t: t.bad, trap, jr.key(99))
        step = 0
    with pytest.raises(TrainingError) as caught:
        train(path(), Offset(target=3.0) + trap, **settings, **files)
    error = caught.value
    assert (error.step, error.term) == (step + 1, "trap")
    assert f"step {step + 1}" in str(error)
    assert "'trap'" in str(error)
    assert of in str(error)
    assert "\n" not in str(error)
    # What is on disk is the state before that step, all of it finite.
    state = state_in(tmp_path, steps=40)
    assert int(state.step) == step
    assert not bool(state.failed)
    for tree in (state.learned, state.average, state.optimizer):
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(tree))
    assert [row["step"] for row in read_metrics(files["metrics"])] == list(range(1, step + 1))
    if of == "value":
        # Without the trap it goes on as if nothing had been, checkpoints in their old rhythm.
        calm = Offset(target=3.0) + eqx.tree_at(lambda t: t.bad, trap, jr.key(99))
        chunks = []
        resumed = train(path(), calm, **settings, **files, resume=True, on_chunk=chunks.append)
        assert chunks == [15, 20, 25, 30, 35, 40]
        assert_same(resumed.path, train(path(), calm, **settings).path)


class Offset(AbstractTerm):
    """How far the mean of all locations is from a target, squared."""

    target: float = eqx.field(static=True)
    name: str = eqx.field(static=True, default="offset")

    def __call__(self, path: Any, *, key: RandomKey) -> Scalar:
        return (jnp.mean(path.location(jnp.asarray(0.5))) - self.target) ** 2


def test_early_stopping_returns_the_best():
    """On the way to 3 the parameters pass 1, which the validation wants."""
    done = train(
        path(),
        Offset(target=3.0),
        steps=400,
        optimizer=optax.sgd(0.05),
        average=0.0,
        validation=Offset(target=1.0, name="valid"),
        patience=3,
    )
    values = [row["validation"] for row in done.history if "validation" in row]
    assert done.reason == "early"
    assert len(values) == done.step // 5 < 80
    best = int(np.argmin(values))
    assert 0 < best == len(values) - 4
    found = Offset(target=1.0)(done.path, key=jr.key(0))
    assert np.isclose(found, min(values), rtol=1e-12)


@pytest.mark.parametrize(("tolerance", "reason"), [(0.0, "finished"), (0.5, "early")])
def test_progress_within_the_tolerance_does_not_count(tolerance, reason):
    """A value that falls by a little at every validation is waited for, or is not."""
    done = train(
        path(),
        Offset(target=3.0),
        steps=40,
        optimizer=optax.sgd(0.001),
        average=0.0,
        validation=Offset(target=3.0),
        patience=2,
        tolerance=tolerance,
    )
    values = [row["validation"] for row in done.history if "validation" in row]
    assert np.all(np.diff(values) < 0)
    assert done.reason == reason
    # Two validations after that of the start are no progress.
    assert len(values) == (8 if reason == "finished" else 2)
    # Even the progress that was too small to wait for is returned.
    assert np.isclose(Offset(target=3.0)(done.path, key=jr.key(0)), values[-1], rtol=1e-12)


def test_a_start_that_is_never_bettered_is_returned():
    start = path()
    judge = Offset(target=0.0)
    found = train(start, Offset(target=3.0), steps=40, validation=judge, patience=2)
    assert found.reason == "early"
    assert judge(found.path, key=jr.key(0)) == judge(start, key=jr.key(0))


def test_the_average_is_returned_and_follows_the_parameters():
    """With an average of 0 it is the last iterate; else it lags behind it."""
    places, slow = [], optax.sgd(0.01)
    for average in (0.0, 0.99):
        done = train(path(), Offset(target=3.0), steps=50, optimizer=slow, average=average)
        places.append(float(jnp.mean(done.path.location.values[1])))
    assert 0.0 < places[1] < places[0] < 3.0


def test_fixed_leaves_do_not_move():
    values = jnp.asarray([[[-1.0], [1.0]], [[0.0], [3.0]]])
    start = LocationScale(
        HardEnded((0.0, 1.0), values, Knots((0.0, 0.5, 1.0), jnp.zeros((3, 2, 1)))),
        Knots((0.0, 1.0), jnp.zeros((2, 2, 1))),
        jnp.zeros(2),
    )
    done = train(start, objective().terms[1], steps=5)
    assert_same(split(done.path)[1], split(start)[1])
    before, after = learned_leaves(start), learned_leaves(done.path)
    assert ".location.inside.values" in after
    assert all(np.any(after[name] != before[name]) for name in after)


def test_a_path_without_anything_to_learn_is_refused():
    class Still(AbstractPath):
        inner: Fixed

        @property
        def dim(self):
            return 1

        def at(self, t):
            return self.inner.value.at(t)

    with pytest.raises(LiouvilleError, match="nothing to learn"):
        fit(Still(Fixed(path())), objective(), steps=5)


@pytest.mark.parametrize("name", ["validate_every", "checkpoint_every"])
def test_intervals_must_be_whole_chunks(name):
    with pytest.raises(LiouvilleError, match=f"{name} is 7, which is no multiple of chunk 5"):
        train(path(), objective(), steps=10, **{name: 7})


@pytest.mark.parametrize(
    ("chunk", "every", "message"),
    [
        (0, 5, "chunk is 0; give a positive number"),
        (5, 0, "training.name is 0; give a positive number"),
        (5, 12, "training.name is 12, which is no multiple of chunk 5"),
    ],
)
def test_a_schedule_is_checked_by_the_names_of_the_settings(chunk, every, message):
    check_schedule(5, {"training.name": 15})
    with pytest.raises(LiouvilleError, match=message):
        check_schedule(chunk, {"training.name": every})


TRACES = []


class Counted(AbstractTerm):
    """Counts how often it is traced."""

    name: str = eqx.field(static=True, default="counted")

    def __call__(self, path: Any, *, key: RandomKey) -> Scalar:
        TRACES.append(1)
        return jnp.sum(path.location(jnp.asarray(0.5)) ** 2)


def test_later_chunks_compile_nothing():
    seen = []
    train(path(), Counted(), steps=17, on_chunk=lambda step: seen.append((step, len(TRACES))))
    assert [step for step, _ in seen] == [5, 10, 15, 17]
    assert len({count for _, count in seen}) == 1


# Signals, in processes of their own.


def start(folder: Path, steps: int, *options: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(TRAINEE), str(folder), str(steps), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGINT]
)
def test_a_signal_leaves_a_checkpoint_that_resumes_to_the_same(number, tmp_path):
    steps = 40_000
    (tmp_path / "stopped").mkdir()
    process = start(tmp_path / "stopped", steps)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("begun")
    time.sleep(0.3)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    reason, step = out.split()
    assert reason == "interrupted"
    assert err == ""
    step = int(step)
    assert 0 < step < steps
    stopped = state_in(tmp_path / "stopped", steps)
    assert int(stopped.step) == step
    # A run of the same schedule that is stopped half way, resumed, and stopped in the same place.
    (tmp_path / "other").mkdir()
    twin = subprocess.run(
        [sys.executable, "-c", _TWIN, str(tmp_path / "other"), str(steps), str(step)],
        cwd=TRAINEE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert twin.returncode == 0, twin.stderr
    assert_same(state_in(tmp_path / "other", steps), stopped)
    metrics = [tmp_path / name / "metrics.jsonl" for name in ("stopped", "other")]
    assert metrics[0].read_bytes() == metrics[1].read_bytes()


_TWIN = """
import os, signal, sys
from pathlib import Path
from trainee import run
folder, steps, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
for goal in [last // 10 * 5, last] if last >= 30 else [last]:
    def stop(step):
        if step == goal - 5:
            os.kill(os.getpid(), signal.SIGTERM)
    done = run(folder, steps, on_chunk=stop)
    assert done.step == goal, (done.step, goal)
"""


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_stops_between_chunks(number, whole, tmp_path):
    """The same within this process, where the moment of the signal is known."""
    handlers = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]

    def send(step):
        if step == 30:
            signal.raise_signal(number)  # to this thread

    stopped = run(tmp_path, 100, on_chunk=send)
    assert stopped.reason == "interrupted"
    # The chunk that had begun was finished.
    assert stopped.step == int(state_in(tmp_path).step) == 35
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] == handlers
    if number == signal.SIGTERM:
        again = run(tmp_path, 100)
        assert_same(again.path, whole[1].path)
        metrics = [folder / "metrics.jsonl" for folder in (tmp_path, whole[0])]
        assert metrics[0].read_bytes() == metrics[1].read_bytes()


class Terminal(io.StringIO):
    """A stream that a person reads."""

    def isatty(self) -> bool:
        return True


def test_the_time_left_is_that_of_the_latest_steps(monkeypatch):
    clock = iter([0.0, 60.0, 61.0, 62.0, 63.0, 63.0])
    own = SimpleNamespace(monotonic=lambda: next(clock))
    monkeypatch.setattr("liouville.training._progress.time", own)
    terminal = Terminal()
    bar = ProgressBar(100, stream=terminal)
    for step in (10, 20, 30, 40):  # the first of which were compiled for a minute
        bar.update(step, {"step": step, "loss": 1.0})
    assert bar.seconds_left == pytest.approx(6.0)
    bar.close()
    told = terminal.getvalue().split("\r\x1b[2K")
    assert "compiling" in told[1]
    assert "left" not in told[2]
    assert "40/100  6 s left  loss 1" in told[5]
    assert told[6].endswith("40/100  in 63 s\n")


@pytest.mark.parametrize("columns", [30, 80])
def test_progress_keeps_to_the_width_of_the_terminal(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal = Terminal()
    bar = ProgressBar(4000, may_end_early=True, stream=terminal)
    for step in (10, 20):
        bar.update(step, {"step": step} | {f"a long name {i}": 1.0 for i in range(9)})
    lines = terminal.getvalue().split("\r\x1b[2K")
    assert max(map(len, lines)) == columns - 1
    assert "20/4000" in lines[-1]
    if columns == 80:
        assert "at most" in lines[-1]
