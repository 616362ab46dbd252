"""Events of several kinds, and events in time alone, from files to forecasts."""

import dataclasses
import json
import warnings
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np
import pytest

from commands import call, draw_nothing, error_of
from liouville.data import Events, read_events
from liouville.errors import LiouvilleError
from liouville.problems.kinds import KindsProcess
from liouville.processes import InheritedKinds, Kinds, Nowhere
from liouville.tasks.events.config import EventsConfig
from liouville.tasks.events.files import load_events
from liouville.tasks.events.fit import fit_events
from liouville.tasks.events.inherited import MOST_KINDS, inherited
from liouville.tasks.events.kinds import (
    INDEPENDENT,
    LAST,
    chances_of_parents,
    mean_chances,
    offspring,
    plain_laws,
)
from liouville.tasks.events.measure import parameters
from liouville.tasks.events.split import divide
from test_events_cli import FAST, read

MATRIX = np.array([[0.3, 0.3, 0.0], [0.0, 0.2, 0.4], [0.25, 0.0, 0.1]])
TRUTH = KindsProcess(np.array([0.3, 0.2, 0.1]), MATRIX, 2.0)
NAMES = ("assault", "burglary", "theft")


def events_of(truth: KindsProcess, count: float, seed: int = 0) -> Events:
    drawn = truth.sample(count / truth.rate, seed=seed)
    columns = (drawn.times, drawn.places, drawn.sequence, drawn.windows, drawn.marks)
    more = {"features": ("x", "y")[: drawn.places.shape[1]], "kinds": NAMES, "mark_name": "kind"}
    return Events(*columns, **more, source="a known process").check()


def write(file: Path, header: str, columns: list[np.ndarray]) -> Path:
    rows = zip(*(column.tolist() for column in columns), strict=True)
    file.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return file


def table(file: Path, events: Events, header: str = "t,what") -> Path:
    kinds = np.array(events.kinds)[events.marks.astype(int)]  # pyright: ignore
    return write(file, header, [events.times, kinds])


# Reading.


def test_a_table_without_coordinates_is_read_as_events_in_time_with_a_word(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "t,what,easting", [np.arange(4.0)] * 3)
    with pytest.warns(UserWarning, match="in time alone; not used: what, easting. Name coord"):
        found = read_events(file, window="0,5")
    assert (found.dim, found.features, found.is_geographic) == (0, (), False)
    assert found.places.shape == (4, 0)
    assert "in time alone" in found.describe()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = read_events(file, window="0,5", features="none", mark="what", kinds=True)
    assert (told.features, told.kinds) == ((), ("0", "1", "2", "3"))
    given = read_events(np.arange(6.0).reshape(3, 2), window="0,5", features="none")
    assert (given.dim, given.mark_name) == (0, "mark")
    np.savez(tmp_path / "a.npz", one=np.array([[0.0, 3.0], [1.0, 4.0]]))
    packed = read_events(tmp_path / "a.npz", window="0,5", features="none", mark="size")
    assert (packed.dim, packed.mark_name, packed.marks.tolist()) == (0, "size", [3.0, 4.0])  # pyright: ignore
    # Checks do without places, too.
    twice = read_events(file, window="0,5", features="none").keep(np.array([0, 0, 1, 2]))
    with pytest.warns(UserWarning, match="1 events of .* repeat"):
        assert len(twice.check(min_events=1)) == 3


def test_half_of_a_place_is_no_event_in_time(tmp_path: Path) -> None:
    for name in ("lat", "start_lng", "y"):
        file = write(tmp_path / "a.csv", f"t,{name},b", [np.arange(4.0)] * 3)
        with pytest.raises(LiouvilleError, match=f"or x and y, but '{name}'; name .*'none'"):
            read_events(file, window="0,5")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert read_events(file, window="0,5", features="none").dim == 0


# Shares of children.


def draws_of_kinds(law: InheritedKinds, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Chances of parents by kind, which are sharp for some events, and kinds drawn with them."""
    rng = np.random.default_rng(seed)
    chances = rng.dirichlet(np.full(law.kinds + 1, 0.3), n)
    rows = np.concatenate([np.asarray(law.alone.probabilities)[None], np.asarray(law.shares)])
    shares = (chances @ rows).cumsum(axis=1)
    return chances, np.minimum((rng.uniform(size=(n, 1)) > shares).sum(axis=1), law.kinds - 1)


def test_shares_of_children_are_recovered_and_few_events_are_drawn_to_one_law() -> None:
    law = InheritedKinds.of([0.5, 0.3, 0.2], [[0.1, 0.8, 0.1], [0.2, 0.1, 0.7], [0.6, 0.2, 0.2]])
    chances, kinds = draws_of_kinds(law, 6000, 0)
    fold = np.arange(6000) * 10 // 6000
    found = inherited(chances, kinds, fold)
    np.testing.assert_allclose(np.asarray(found.law.shares), np.asarray(law.shares), atol=0.06)
    np.testing.assert_allclose(
        np.asarray(found.law.alone.probabilities), [0.5, 0.3, 0.2], atol=0.05
    )
    assert found.law.same is None
    assert found.counts.sum() <= 3 * 100.0
    # Children that are alike whatever their parent: what is drawn to one law is nearer to it.
    alike = InheritedKinds.of([0.5, 0.3, 0.2], np.tile([0.2, 0.3, 0.5], (3, 1)))
    chances, kinds = draws_of_kinds(alike, 200, 1)
    few = inherited(chances, kinds, np.arange(200) * 10 // 200)
    assert few.counts.sum(axis=1).min() >= 30.0
    assert np.abs(np.asarray(few.law.shares) - np.asarray(alike.shares)).max() < 0.2


def test_many_kinds_have_one_law_beside_their_own() -> None:
    count = MOST_KINDS + 5
    law = InheritedKinds.of(np.ones(count), np.arange(1.0, count + 1)[None], 0.4)
    chances, kinds = draws_of_kinds(law, 8000, 0)
    found = inherited(chances, kinds, np.arange(8000) * 10 // 8000)
    assert found.law.children.shape == (1, count - 1)
    assert float(1.0 / (1.0 + np.exp(-np.asarray(found.law.same)))) == pytest.approx(0.4, abs=0.05)
    error = np.asarray(found.law.shares) - np.asarray(law.shares)
    assert np.sqrt((error**2).mean()) < 0.01
    assert not found.counts.any()


def test_plain_laws_of_kinds() -> None:
    truth = KindsProcess(np.array([1.0, 1.0, 1.0]), 0.8 * np.roll(np.eye(3), 1, axis=1), 50.0)
    parts = divide(events_of(truth, 4000.0), EventsConfig())
    assert parts.test is not None
    laws = plain_laws(parts.training, parts.test)
    assert laws[INDEPENDENT].shape == (int(parts.test.counts.sum()),)
    # One chain at a time, nearly: the kind before says the next one.
    assert laws[LAST].mean() > laws[INDEPENDENT].mean() + 0.05
    marks = parts.test.marks[~parts.test.is_history].astype(int)  # pyright: ignore
    shares = np.bincount(parts.training.marks.astype(int)) + 1.0  # pyright: ignore
    np.testing.assert_allclose(laws[INDEPENDENT], np.log(shares / shares.sum())[marks])
    sequences = Events(
        np.array([1.0, 2.0, 1.5]),
        np.zeros((3, 0)),
        np.array([0, 0, 1]),
        np.tile([0.0, 3.0], (2, 1)),
        np.array([0.0, 1.0, 1.0]),
        features=(),
        kinds=NAMES,
    )
    own = plain_laws(sequences, sequences)[LAST]
    # The first of a sequence has none before it; each row has three events of the shares more.
    np.testing.assert_allclose(np.exp(own), [(1 + 1) / 5, (1 + 1.5) / 4, (1 + 1.5) / 5])


# Fits.


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("kinds")
    events = events_of(TRUTH, 300.0)
    file, out = table(folder / "events.csv", events), folder / "RUN"
    end = f"0,{events.windows[0, 1]:g}"
    settings = [*FAST, "--set", "measure.baselines=true"]
    own = ("--mark", "what", "--window", end, "--out", out)
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        assert call("fit", "events", file, *own, *settings) == 0
    return out


@pytest.mark.slow
def test_a_run_in_time_alone_has_a_matrix_and_no_places(run: Path, capsys) -> None:
    summary = json.loads((run / "summary.json").read_text())
    assert not [name for name in summary if "space" in name or "place" in name]
    assert [row["an event of"] for row in summary["offspring by kind"]] == list(NAMES)
    model = load_events(run)
    assert isinstance(model.process.places, Nowhere)
    assert isinstance(model.process.marks, InheritedKinds)
    assert model.dim == 0
    rows = {row["model"]: row for row in summary["baselines"]}
    assert set(rows) == {
        "homogeneous Poisson",
        "Hawkes, one exponential",
        INDEPENDENT,
        LAST,
        "ETAS in time",
    }
    for name in (INDEPENDENT, LAST, "ETAS in time", "Hawkes, one exponential"):
        assert np.isfinite(rows[name]["test nats of marks"])
    assert {row["in"] for row in summary["gains"]} == {"time", "kinds", "all"}
    assert told(capsys, "info", run)["where"] == "Nowhere"


@pytest.mark.slow
def test_the_report_of_a_run_in_time_alone(run: Path) -> None:
    assert call("plot", run) == 0
    report = (run / "report.html").read_text()
    assert "in time alone" in report
    assert "Which kinds trigger which" in report
    figures = {file.name for file in (run / "figures").iterdir()}
    assert {"offspring.png", "marks.png", "rate.png", "triggering.png"} <= figures
    assert not {"map.png", "movie.gif"} & figures


@pytest.mark.slow
def test_a_matrix_that_explodes_is_said(run: Path) -> None:
    model, events = load_events(run), events_of(TRUTH, 300.0)
    events = dataclasses.replace(events, mark_name="what", features=())
    own = offspring(model, events)
    assert own is not None
    assert own.branching_ratio < 1.0
    levels = model.process.intensity.productivity.log_levels  # pyright: ignore
    wild = eqx.tree_at(lambda p: p.intensity.productivity.log_levels, model.process, levels + 2.0)
    with pytest.warns(UserWarning, match=r"explodes: its branching ratio is"):
        found = parameters(dataclasses.replace(model, process=wild), events)
    assert found["branching ratio"] == pytest.approx(np.exp(2.0) * own.branching_ratio, rel=1e-3)


def told(capsys, *arguments: object) -> dict[str, Any]:
    """What a command says as JSON."""
    capsys.readouterr()
    assert call(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def refused(capsys, *arguments: object) -> str:
    capsys.readouterr()
    assert call(*arguments) == 2
    return error_of(capsys)


@pytest.mark.slow
def test_questions_to_a_run_in_time_alone(run: Path, tmp_path: Path, capsys) -> None:
    out, late = tmp_path / "a.csv", ("--drop-future", "--out", tmp_path / "a.csv")
    told(capsys, "query", run, "--time", "200", *late)
    (row,) = read(out)
    assert set(row) == {"time", "rate per time", *(f"chance of {name}" for name in NAMES)}
    assert sum(float(row[f"chance of {name}"]) for name in NAMES) == pytest.approx(1.0, abs=1e-5)
    asked = write(tmp_path / "at.csv", "t", [np.array([200.0, 210.0])])
    told(capsys, "query", run, "--at", asked, *late)
    assert float(read(out)[0]["rate per time"]) == pytest.approx(float(row["rate per time"]))
    assert "no points" in refused(capsys, "query", run, *late)
    assert f"test nats of marks, {LAST}" in told(capsys, "evaluate", run)
    new = table(tmp_path / "new.csv", events_of(TRUTH, 200.0, seed=3))
    window = ("--from", "50", "--to", "100")
    scored = told(capsys, "evaluate", run, "--data", new, *window)
    total = scored["nats in time"] + scored["nats of marks"]
    assert scored["nats in all"] == pytest.approx(total, abs=1e-3)
    assert "no places" in refused(capsys, "evaluate", run, "--data", new, *window, "--tests")


@pytest.mark.slow
def test_forecasts_of_a_run_in_time_alone(run: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "FORECAST"
    found = told(
        capsys, "forecast", run, "--horizon", "10", "-n", "50", "--grid", "2.5", "--out", folder
    )
    spans = read(folder / "expected.csv")
    ends = [float(row["end"]) - float(row["begin"]) for row in spans]
    assert ends == pytest.approx([2.5] * 4, abs=1e-3)
    whole = sum(float(row["expected"]) for row in spans)
    assert whole == pytest.approx(found["expected events"], abs=1e-4)
    by_kind = {n: sum(float(row[f"expected {n}"]) for row in spans) for n in NAMES}
    assert by_kind == pytest.approx(found["expected events by kind"], abs=1e-4)
    drawn = read(folder / "catalogues.csv")
    assert set(drawn[0]) == {"catalogue", "time", "what"}
    assert {row["what"] for row in drawn} == set(NAMES)
    small = ("--horizon", "10", "--grid", "1e-9", "--out", tmp_path / "B")
    assert "spans of time; give a larger" in refused(capsys, "forecast", run, *small)
    placed = ("--horizon", "10", "--region", "0,0,1,1", "--out", tmp_path / "B")
    assert "in time alone; leave --region" in refused(capsys, "forecast", run, *placed)
    assert not (tmp_path / "B").exists()


@pytest.mark.slow
def test_kinds_in_space_that_nobody_inherits_and_those_of_parents() -> None:
    truth = KindsProcess(np.array([0.3, 0.2, 0.1]), MATRIX, 2.0, spread=0.02)
    events = events_of(truth, 250.0)
    brief = {"training.steps": 10, "training.chunk": 10, "training.validate_every": 10}
    brief |= {"measure.baselines": False, "objective.reach": 32, "places.network": False}
    found = fit_events(events, brief | {"training.checkpoint_every": 10}, progress=False)
    model = found.model
    assert isinstance(model.process.marks, InheritedKinds)
    assert model.process.parents == "places"
    known = events.keep(events.times < 100.0)
    near = np.stack([known.places[-1], known.places[-1] + 0.4])
    chances = model.kind_chances(float(known.times[-1]) + 0.1, near, known)
    assert chances.shape == (2, 3)
    np.testing.assert_allclose(chances.sum(axis=1), 1.0, atol=1e-5)
    assert np.abs(chances[0] - chances[1]).max() > 0.05
    drawn = model.forecast(events, float(events.windows[0, 1]), 5.0, 20)
    assert set(np.unique(drawn.marks)) <= {0.0, 1.0, 2.0}
    calm = fit_events(
        events,
        {
            **brief,
            "training.checkpoint_every": 10,
            "times.model": "poisson",
            "places.model": "static",
        },
        progress=False,
    )
    assert isinstance(calm.model.process.marks, Kinds)
    assert offspring(calm.model, events) is None
    assert "branching ratio" not in calm.summary
    np.testing.assert_allclose(mean_chances(calm.model, events).sum(), 1.0, atol=1e-5)


@pytest.mark.slow
def test_the_matrix_is_recovered() -> None:
    parts = divide(events_of(TRUTH, 5000.0, seed=2), EventsConfig())
    assert parts.test is not None
    settings = {"training.steps": 100, "measure.baselines": False}
    model = fit_events(parts, settings, progress=False).model
    found = offspring(model, parts.training)
    assert found is not None
    assert np.abs((found.matrix - MATRIX) / found.errors).max() < 3.0
    assert found.branching_ratio == pytest.approx(TRUTH.branching_ratio, abs=0.05)
    chances, kinds = chances_of_parents(model, parts.training)
    np.testing.assert_allclose(chances.sum(axis=1), 1.0, atol=1e-4)
    assert len(kinds) == int(parts.training.counts.sum())
    drawn = TRUTH.sample(5000.0 / TRUTH.rate, seed=2)
    late = drawn.times >= float(parts.test.windows[0, 0])
    scores = model.scores(parts.test)
    assert scores.nats_of_marks < -TRUTH.log_kinds(drawn)[late].mean() + 0.01
    means = mean_chances(model, parts.test)
    shares = np.bincount(parts.test.marks[~parts.test.is_history].astype(int)) / late.sum()  # pyright: ignore
    np.testing.assert_allclose(means, shares, atol=0.06)
