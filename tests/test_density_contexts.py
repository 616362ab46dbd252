"""Densities given numbers, and of samples that count for different much: against closed forms."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import liouville as lv
from density_cases import BRIEF
from liouville.data import Samples, read_samples
from liouville.errors import LiouvilleError
from liouville.tasks import ask
from liouville.tasks.density.config import DensityConfig
from liouville.tasks.density.fit import TASK
from liouville.tasks.density.read import read
from liouville.tasks.skeleton import evaluate_run, run_task

QUICK = {"training.steps": 25, "report.movie": False}
ASKED = np.linspace(-0.9, 0.9, 7)
# Nats that 1,600 rows leave unknown of two means, a covariance and how they bend.
KNOWN_KL = 0.03


def law(c):
    """Means and spreads of two coordinates given a number, shape `(..., 2)`."""
    mean = np.stack([2.0 * c, np.sin(3.0 * c)], axis=-1)
    return mean, np.stack([np.exp(0.5 * c), np.exp(-0.5 * c)], axis=-1)


def log_law(x, c):
    mean, spread = law(np.asarray(c))
    return (-0.5 * ((x - mean) / spread) ** 2 - np.log(spread)).sum(-1) - np.log(2.0 * np.pi)


def table(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    c = rng.uniform(-1.0, 1.0, n)
    mean, spread = law(c)
    x = mean + spread * rng.normal(size=(n, 2))
    return pd.DataFrame({"a": x[:, 0], "dose": c, "b": x[:, 1]})


def divergence(model, shift=0.0):
    """The mean KL from the law of each context to the density of it, or of another one."""
    rng, found = np.random.default_rng(1), []
    for c in ASKED:
        mean, spread = law(c)
        x = mean + spread * rng.normal(size=(1000, 2))
        found.append(log_law(x, c) - model.given([c + shift]).log_density(1.0, x))
    return float(np.mean(found))


def test_columns_become_contexts_and_rows_keep_theirs():
    frame = table(40)
    samples = read_samples(frame, context="dose")
    assert samples.features == ("a", "b")
    assert samples.context_names == ("dose",)
    assert samples.contexts is not None
    assert np.array_equal(samples.contexts[:, 0], frame["dose"])
    assert read_samples(frame, features="b", context="dose").features == ("b",)
    assert read_samples(frame, dims=1, context="dose").features == ("a",)
    training, validation, _ = samples.split(0.25, 0.0)
    where = {tuple(x): c for x, c in zip(samples.points, samples.contexts)}
    for part in (training, validation):
        assert part.contexts is not None
        assert all(where[tuple(x)] == c for x, c in zip(part.points, part.contexts))


BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "column": (table(40), {"context": ("dosis",)}, "no column 'dosis' in .*did you mean 'dose'"),
    "all": (table(40), {"context": ("a", "dose", "b")}, "no columns besides its contexts"),
    "both": (table(40), {"context": ("dose",), "label": "b"}, "were both given"),
    "fitted": (table(40), {"context": ("dose",), "start": "fitted"}, "starts hard"),
    "classes": (
        Samples(np.ones((4, 1)), np.arange(4) % 2, contexts=np.ones((4, 1))),
        {},
        "has classes .labels. and contexts",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_contexts_that_cannot_be_used(case):
    samples, options, message = BAD[case]
    with pytest.raises(LiouvilleError, match=message):
        lv.fit_density(samples, **options)


def test_contexts_of_samples_are_one_row_each():
    with pytest.raises(LiouvilleError, match="must be 3 rows of finite numbers"):
        Samples(np.ones((3, 1)), contexts=np.ones((2, 1)))
    with pytest.raises(LiouvilleError, match="must be 3 rows of finite numbers"):
        Samples(np.ones((3, 1)), contexts=np.array([[0.0], [1.0], [np.nan]]))
    read_again = read(DensityConfig(), read_samples(table(40), context="dose"))
    assert isinstance(read_again, Samples)
    assert read_again.context_names == ("dose",)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contexts")
    table().to_csv(folder / "table.csv", index=False)
    flags = {"data.file": str(folder / "table.csv"), "data.context": "dose", **QUICK}
    run_task(TASK, folder / "RUN", flags={**flags, "path.model": "mixture"}, progress=False)
    return folder / "RUN"


@pytest.mark.slow
def test_a_density_given_a_number_is_that_of_its_gaussian(run):
    model = lv.load(run)
    assert divergence(model) < KNOWN_KL
    # The negative control: the density of another context is another one.
    assert divergence(model, shift=0.5) > 10.0 * KNOWN_KL


@pytest.mark.slow
def test_a_run_answers_every_row_given_its_context(run, tmp_path):
    model, asked = lv.load(run), table(30, seed=2)
    asked[["b", "dose", "a"]].to_csv(tmp_path / "points.csv", index=False)
    opened = ask.open_run(run)
    found = ask.query(opened, ask.Question(tmp_path / "points.csv", time="1"))
    assert list(found)[1:4] == ["a", "b", "dose"]
    x = asked[["a", "b"]].to_numpy()
    for i, c in enumerate(asked["dose"]):
        alone = model.given([c]).log_density(1.0, x[i])
        assert found["log_density"][i] == pytest.approx(alone, abs=1e-4)
    asked[["a", "b"]].to_csv(tmp_path / "without.csv", index=False)
    with pytest.raises(LiouvilleError, match=r"dose.*one --given is for all points"):
        ask.query(opened, ask.Question(tmp_path / "without.csv", time="1"))
    one = ask.query(opened, ask.Question(tmp_path / "without.csv", time="1", given="0.3"))
    assert np.allclose(one["log_density"], model.given([0.3]).log_density(1.0, x), atol=1e-4)
    with pytest.raises(LiouvilleError, match="give dose for every point"):
        model.log_density(1.0, x, contexts=np.ones(30))
    with pytest.raises(LiouvilleError, match="depends on no numbers"):
        model.given([0.3]).log_density(1.0, x, contexts=np.ones((30, 1)))


@pytest.mark.slow
def test_a_run_is_measured_again(run):
    nats: Any = evaluate_run(run)
    assert abs(nats["test gain over the plain mixture"]) < 0.1
    drawn = lv.load(run).given("0.8").sample(1.0, 2000)
    mean, spread = law(0.8)
    assert np.allclose(drawn.mean(axis=0), mean, atol=0.15)
    assert np.allclose(drawn.std(axis=0), spread, rtol=0.15)


@pytest.mark.slow
def test_samples_count_by_their_weights():
    x = np.random.default_rng(0).normal(size=(4000, 1))
    # Weighted by e^{x - 1/2} draws of N(0, 1) are those of N(1, 1).
    frame = pd.DataFrame({"x": x[:, 0], "w": np.exp(x[:, 0] - 0.5)})
    y = np.random.default_rng(1).normal(size=(2000, 1)) + 1.0
    right = -0.5 * (y[:, 0] - 1.0) ** 2 - 0.5 * np.log(2.0 * np.pi)
    settings = {**BRIEF, "path.parts": 1}
    weighted = lv.fit_density(frame, settings, weights="w")
    assert weighted.model.features == ("x",)
    assert abs((right - weighted.model.log_density(1.0, y)).mean()) < 0.02
    # The negative control: without weights it is half a nat away.
    plain = lv.fit_density(x, settings)
    assert (right - plain.model.log_density(1.0, y)).mean() > 0.3


@pytest.mark.slow
def test_rich_families_know_contexts_and_weights():
    frame = table(600)
    frame["w"] = np.random.default_rng(0).uniform(0.5, 1.5, 600)
    settings = {**QUICK, "path.members": 2, "training.steps": 150}
    for model in ("autoregressive", "warped", "pushforward"):
        chosen = {"context": ("dose",), "weights": "w", "model": model}
        fitted = lv.fit_density(frame, settings, **chosen)
        assert fitted.model.contexts == ("dose",)
        gain = divergence(fitted.model, shift=0.5) - divergence(fitted.model)
        assert gain > 0.05, model
