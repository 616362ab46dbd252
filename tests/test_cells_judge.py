"""How predictions and fits of cells are judged: sizes, weights, errors, and what is said."""

import dataclasses
import warnings

import numpy as np
import pytest

from liouville.data import Snapshots, Standardisation
from liouville.errors import LiouvilleError
from liouville.model import Model
from liouville.numerics.distances import Cloud
from liouville.numerics.mixtures import gaussian
from liouville.objectives import KineticEnergy
from liouville.tasks.cells._terms import Known
from liouville.tasks.cells.config import CellsConfig
from liouville.tasks.cells.demo import demo_cells
from liouville.tasks.cells.judge import Judge, Prediction, ranking_remarks
from liouville.tasks.cells.leave_out import _predictions
from liouville.tasks.cells.measure import ABOVE, compare_held_out, evaluate, measure
from liouville.tasks.task import Start
from registry import build
from tolerances import ROUNDING, STANDARD_ERRORS


def normal(n: int, dim: int = 2, shift: float = 0.0, seed: int = 0) -> Cloud:
    return Cloud.of(shift + np.random.default_rng(seed).normal(size=(n, dim)))


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(
        normal(400, seed=1), normal(300, shift=-2.0, seed=2), normal(250, shift=2.0, seed=3), 0.5
    )


def test_all_are_judged_at_one_size(judge):
    assert judge.size == 200
    truth = gaussian(np.zeros(2), np.eye(2))
    right = judge.figures(Prediction(normal(999, seed=4), truth.log_density))
    floors = judge.floors()
    for row in (right, floors["floor"]):
        assert abs(row["energy"]) < STANDARD_ERRORS * row["energy_error"]
    assert abs(right["w1"] - floors["floor"]["w1"]) < STANDARD_ERRORS * right["w1_error"]
    assert right["w1_all"] < right["w1"]  # more cells are nearer
    assert abs(right["variance"] - 1.0) < 0.2
    assert abs(right["nats"] - (1.0 + np.log(2 * np.pi))) < STANDARD_ERRORS * right["nats_error"]
    assert right["above"] < -STANDARD_ERRORS * right["above_error"]
    assert floors["floor"]["above"] < 0.0


def test_rivals_without_a_model(judge):
    rows = {name: judge.figures(rival) for name, rival in judge.rivals.items()}
    # Both neighbours shift by the same: transport half-way between them is the truth.
    assert rows["midpoint"]["energy"] < 0.05 < rows["both neighbours"]["energy"]
    assert rows["midpoint"]["w1"] < rows["random midpoint"]["w1"] < rows["no motion"]["w1"]
    assert abs(rows["random midpoint"]["variance"] - 0.5) < 0.1
    assert abs(rows["both neighbours"]["variance"] - 5.0) < 0.7
    assert rows["both neighbours"]["above"] == 0.0 == rows["both neighbours"]["above_error"]
    assert rows["no motion"]["above"] > 0.0
    assert "nats" not in rows["midpoint"]


def test_masses_count():
    """Two resting types whose proportions change: the weights tell, the points do not."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(600, 2)) * 0.5 + np.where(np.arange(600) % 2, 3.0, -3.0)[:, None]
    masses = np.where(np.arange(600) % 2, 3.0, 1.0)
    judge = Judge(Cloud(x[:300], masses[:300]), Cloud.of(x), Cloud.of(x), 0.5)
    weighted = judge.figures(Prediction(Cloud(x[300:], masses[300:])))
    plain = judge.figures(Prediction(Cloud.of(x[300:])))
    assert abs(weighted["energy"]) < STANDARD_ERRORS * weighted["energy_error"] < plain["energy"]
    assert weighted["w1"] < 0.5 < plain["w1"]
    assert abs(weighted["variance"] - 1.0) < 0.1


def test_cells_are_too_few_to_judge():
    with pytest.raises(LiouvilleError, match="a time with 3 cells of any mass"):
        Judge(normal(3), normal(30), normal(30), 0.5)


@pytest.mark.slow
@pytest.mark.parametrize(("dim", "says"), [(1, False), (100, True)])
def test_it_is_said_where_w1_rewards_shrinking(dim, says):
    truth, old, new = (normal(400, dim, seed=seed) for seed in range(3))
    floors = Judge(truth, old, new, 0.5).floors()
    rows = [{"prediction": name, **row} for name, row in floors.items()]
    remarks = ranking_remarks(rows)
    assert bool(remarks) == says
    if says:
        assert "floor, shrunken" in remarks[0]
        assert "0.80 of the spread" in remarks[0]


def test_what_is_clearly_nearer_than_the_truth_is_said():
    rows = [
        {"prediction": "floor", "variance": 1.0, "w1": 1.0, "w1_error": 0.1},
        {"prediction": "no motion", "variance": 1.0, "w1": 0.9, "w1_error": 0.1},
    ]
    assert not ranking_remarks(rows)
    rows[1]["w1"] = 0.7
    (line,) = ranking_remarks(rows)
    assert "no motion (0.7, 1.00 of the spread)" in line


def test_cells_are_pushed_with_the_mass_they_gain():
    path = build("growing-full")
    units = Standardisation(np.zeros(2), np.ones(2), 0.0, 1.0)
    model = Model(path, units, np.array([-1.0, 2.5]), ("a", "b"))
    old = Cloud(model.sample(0.0, 500), np.linspace(1.0, 2.0, 500))
    (pushed, gain), drawn = _predictions(model, old, 0.0, 1.0, 300, 0)
    moved = model.weighted_trajectories(old.points, [0.0, 1.0])
    factors = np.exp(moved.log_weights[-1])
    assert np.allclose(pushed.cloud.weights, old.weights * factors)
    assert gain == pytest.approx(np.average(factors, weights=old.weights))
    assert np.ptp(moved.log_weights[-1]) > 0.01
    assert drawn.cloud.points.shape == (300, 2)
    assert drawn.log_density is not None
    x = drawn.cloud.points
    assert np.allclose(drawn.log_density(x), model.log_density(1.0, x))


@pytest.fixture(scope="module")
def truth():
    return demo_cells(3)


def test_the_truth_is_below_the_mixtures(truth):
    training, held_out = truth.cells.split(0.3, 0)
    found = compare_held_out(truth.model, training, held_out)
    assert found.above.value < STANDARD_ERRORS * found.above.error
    for row in found.rows:
        x = held_out.at(row["time"])
        own = -truth.model.log_density(row["time"], x)
        assert row["liouville"] == pytest.approx(own.mean())
        assert row["above"] == pytest.approx(row["liouville"] - row["mixture for each time"])
        # The paired error is below that of each.
        assert row["above_error"] < 0.7 * own.std() / np.sqrt(len(x))


def test_weights_of_held_out_cells_count_for_both(truth):
    training, held_out = truth.cells.split(0.3, 0)
    counts = np.random.default_rng(0).integers(0, 4, len(held_out))
    weighted = dataclasses.replace(held_out, weights=7.0 * counts)
    repeated = held_out.select(np.repeat(np.arange(len(held_out)), counts))
    one = compare_held_out(truth.model, training, weighted)
    other = compare_held_out(truth.model, training, repeated)
    for row, twin in zip(one.rows, other.rows, strict=True):
        for name in ("liouville", "mixture for each time", "above"):
            assert row[name] == pytest.approx(twin[name], abs=ROUNDING)
        # Cells that count twice are no more cells.
        assert row["above_error"] > twin["above_error"]


def start_of(truth, share=0.3) -> Start:
    training, held_out = truth.cells.split(share, 0)
    known = Known(truth.model.units, training, held_out)
    nothing = 1.0 * KineticEnergy(interval=(0.0, 1.0))
    return Start(CellsConfig(), truth.model.path, nothing, known=known)


def test_a_fit_that_is_clearly_above_the_mixture_is_said(truth):
    start = start_of(truth)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures, details = measure(truth.model, start, truth.cells)
    assert figures[ABOVE] < 2.0 * figures[f"{ABOVE}, standard error"]
    assert set(details["held_out"]) == {"liouville", "mixture for each time"}
    wide = Standardisation(truth.model.units.center, np.full(2, 2.0), 0.0, 1.0)
    bad = dataclasses.replace(truth.model, units=wide)
    with pytest.warns(UserWarning, match=r"held-out nats are \d.* above .* give more parts"):
        measure(bad, start, truth.cells)


def test_a_run_is_evaluated_with_floors_and_errors(truth):
    found = evaluate(truth.model, truth.cells, CellsConfig())
    assert [row["time"] for row in found.rows] == truth.cells.distinct_times.tolist()
    for row in found.rows:
        for name in ("energy", "floor_energy"):
            assert abs(row[name]) < STANDARD_ERRORS * row[f"{name}_error"] + 0.02
        assert abs(row["w1"] - row["floor_w1"]) < STANDARD_ERRORS * row["w1_error"]
    assert set(found.headings) <= set(found.rows[0])


def test_times_with_one_held_out_cell_are_evaluated():
    """As those of ten cells are; errors that one cell cannot tell are left empty."""
    rng = np.random.default_rng(0)
    times = np.repeat(np.arange(5.0), 10)
    cells = Snapshots(rng.normal(size=(50, 2)), times, ("gene A", "gene B"))
    model = demo_cells(0).model
    found = evaluate(model, cells, CellsConfig())
    for row in found.rows:
        assert row["cells"] == 1
        assert row["energy"] is None is row["above_error"] is row["w1_error"]
        assert np.isfinite(row["w1"])
    training, held_out = cells.split(0.1, 0)
    assert compare_held_out(model, training, held_out).above.error > 0.0
