"""Covariates of the background: their effect is found, and tables that say nothing are refused."""

import re
from pathlib import Path

import numpy as np
import pytest

import liouville as lv
from liouville.data import Events
from liouville.errors import LiouvilleError
from liouville.tasks.events._covariates import read_covariates
from tolerances import STANDARD_ERRORS

EFFECT = 0.8
LENGTH, ROWS = 400.0, 40
SETTINGS = {
    "times.model": "poisson",
    "places.model": "static",
    "places.parts": 1,
    "training.steps": 300,
    "training.rate": 0.03,
    "objective.reach": 8,
    "data.test": 0.0,
    "data.validation": 0.0,
    "data.space": "plain",
}


def table(file: Path, rows: list[tuple[object, ...]], header: str = "time,rain") -> Path:
    file.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return file


def rain() -> np.ndarray:
    """Standardised already, so that the effect is that of the coefficient."""
    z = np.random.default_rng(0).normal(size=ROWS)
    return (z - z.mean()) / z.std()


def events() -> Events:
    """A Poisson process whose rate follows the rain."""
    rng = np.random.default_rng(1)
    width = LENGTH / ROWS
    counts = rng.poisson(width * np.exp(EFFECT * rain()))
    times = np.sort(np.repeat(np.arange(ROWS), counts) * width + width * rng.random(counts.sum()))
    places = rng.normal(size=(len(times), 2))
    return Events(times, places, np.zeros(len(times), int), np.array([[0.0, LENGTH]]))


@pytest.mark.slow
def test_an_effect_is_found_and_kept(tmp_path):
    starts = np.arange(ROWS) * LENGTH / ROWS
    shuffled = np.random.default_rng(2).permutation(ROWS)
    file = table(tmp_path / "rain.csv", [(starts[i], 5.0 + 2.0 * rain()[i]) for i in shuffled])
    fitted = lv.fit_events(events(), SETTINGS | {"times.covariates": str(file)}, progress=False)
    found = fitted.summary["background times, one deviation of rain more"]
    # The Fisher information of the coefficient is the expected sum of z^2 over the events.
    error = 1.0 / np.sqrt(np.sum(LENGTH / ROWS * np.exp(EFFECT * rain()) * rain() ** 2))
    assert abs(np.log(found) - EFFECT) < STANDARD_ERRORS * error
    # In the rates of the model, too, before and after it was a file.
    fitted.model.save(tmp_path / "model.lv")
    again = lv.load_events(tmp_path / "model.lv")
    wet, dry = (float(starts[i]) + 1.0 for i in (rain().argmax(), rain().argmin()))
    rates = fitted.model.rate(np.array([dry, wet]), events())
    np.testing.assert_array_equal(rates, again.rate(np.array([dry, wet]), events()))
    assert np.log(rates[1] / rates[0]) == pytest.approx(np.log(found) * np.ptp(rain()), rel=1e-3)


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("time,rain", [(0, 1), (1, 2), (1, 3)], "1 stands twice"),
        ("time,rain", [(0, 1), (1, ""), (2, 3)], "'rain' is missing on line 3"),
        ("time,rain", [("", 1), (1, 2)], "time"),
        ("time,rain", [(0, 1), (1, 1)], "'rain' of .* never changes"),
        ("time,rain", [(0, "much")], "'much' on line 2"),
        ("time", [(0,), (1,)], "no covariates"),
        ("time,rain", [], "no rows|no covariates"),
        ("when,rain", [(0, 1)], "no column of times"),
    ],
)
def test_tables_that_say_nothing(tmp_path, header, rows, message):
    file = table(tmp_path / "rain.csv", rows, header)
    with pytest.raises(LiouvilleError, match=message) as raised:
        read_covariates(str(file), events())
    assert re.search("rain.csv|time", str(raised.value))


@pytest.mark.slow
def test_a_table_that_begins_late_is_told(tmp_path):
    file = table(tmp_path / "rain.csv", [(50, 1), (100, 2)])
    brief = SETTINGS | {"times.covariates": str(file), "training.steps": 2}
    with pytest.warns(UserWarning, match="the covariates begin at 50"):
        lv.fit_events(events(), brief, progress=False)
