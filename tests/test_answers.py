"""What reports say first: figures, and what is good and doubtful in words."""

import pytest

from liouville.tasks.cells.report import answer as of_cells
from liouville.tasks.control.report import answer as of_control
from liouville.tasks.density.report import answer as of_density
from liouville.tasks.events._answer import answer as of_events
from liouville.tasks.transport.report import answer as of_transport

ABOVE = "held-out nats above the mixture"
CELLS = {
    "held-out nats per cell, liouville": 2.064,
    "held-out nats per cell, mixture for each time": 2.0645,
    ABOVE: -0.0005,
    f"{ABOVE}, standard error": 0.0065,
    "liouville above the truth": "0.006 ± 0.006 nats a cell, within noise",
}
DENSITY = {
    "test nats per sample": 7.66,
    "test standard error": 0.24,
    "test nats per sample, plain mixture": 7.9,
    "test gain over the plain mixture": 0.24,
    "test gain, standard error": 0.05,
}
TRANSPORT = {
    "energy": 2.0005,
    "energy, standard error": 0.0013,
    "least energy (discrete problem)": 1.909,
    "least energy, standard error": 0.008,
    "gap": 0.048,
    "W2 of arrival (velocity)": 0.336,
    "W2 of arrival (velocity), standard error": 0.015,
    "W2 of two draws of the end": 0.312,
}
CONTROL = {
    "objective (closed form)": 500.1,
    "objective (closed form), standard error": 0.27,
    "objective (rollout)": 499.4,
    "W2 of arrival": 0.108,
    "W2 of two draws of the target": 0.109,
    "inside an obstacle (share of path time)": 0.002,
}
GAIN = {"gain over": "space-time ETAS", "nats per event": 0.2, "nats per event_error": 0.03}
EVENTS = {
    "test nats in time": -0.11,
    "test nats in space": -1.55,
    "test p-value, times": 0.2,
    "gains": [{"part": "test", "in": "all", **GAIN}],
}
# Of each task a summary, and a change of it that makes one thing doubtful.
CASES = {
    "cells": (of_cells, CELLS, {ABOVE: 0.05}, "less likely"),
    "density": (of_density, DENSITY, {"test gain over the plain mixture": 0.06}, "No better"),
    "lost": (of_density, DENSITY, {"share of trajectories lost in gaps": 0.1}, "leapt"),
    "gap": (of_transport, TRANSPORT, {"gap": 0.3}, "30.0 % above"),
    "arrival": (of_transport, TRANSPORT, {"W2 of arrival (velocity)": 0.6}, "0.600 ± 0.015"),
    "simulation": (of_control, CONTROL, {"objective (rollout)": 530.0}, "pays 530"),
    "obstacle": (of_control, CONTROL, {"inside an obstacle (share of path time)": 0.1}, "10 %"),
    "residuals": (of_events, EVENTS, {"test p-value, times": 0.001}, "p = 0.001"),
    "gain": (
        of_events,
        EVENTS,
        {"gains": [{"part": "test", "in": "all", **GAIN, "nats per event": 0.01}]},
        "within noise",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_good_fit_is_good_and_a_flaw_is_doubtful(case):
    answer, summary, flaw, words = CASES[case]
    found = answer(summary)
    assert 2 <= len(found.keys) <= 3
    assert any(key.error for key in found.keys)
    assert found.said
    assert all(good for good, _ in found.said)
    doubtful = [text for good, text in answer({**summary, **flaw}).said if not good]
    assert len(doubtful) == 1
    assert words in doubtful[0]


@pytest.mark.parametrize("answer", [of_cells, of_density, of_events])
def test_a_fit_that_nothing_judges_says_so(answer):
    (good, text), *others = answer({}).said
    assert not good
    assert "nothing says how good" in text
    assert not others


def test_the_pieces_of_a_transport_are_told_apart():
    pieces = {f"{a:g} to {a + 1:g}: {k}": v for a in (0, 1) for k, v in TRANSPORT.items()}
    found = of_transport(pieces)
    assert len(found.keys) == 6
    assert found.keys[3].name == "1 to 2: energy"
    assert [text.split(":")[0] for _, text in found.said] == ["0 to 1"] * 2 + ["1 to 2"] * 2
