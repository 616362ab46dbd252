"""Samples that count by weights: the law that is met is that of the weights, on every way in."""

import numpy as np
import pandas as pd
import pytest

from liouville.data import Samples, read_samples
from liouville.errors import LiouvilleError
from liouville.tasks.transport.config import DataConfig, EndsConfig
from liouville.tasks.transport.ends import End, end_of, equal_rows

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4000, 2)) * np.array([2.0, 1.0])
# The weights turn N(0, 4) of the first coordinate into N(1, 4): exp(x/4 - 1/8).
W = np.exp(0.25 * X[:, 0])


def end(source, **options) -> End:
    return end_of(source, DataConfig(**options), EndsConfig(parts=1))


@pytest.mark.parametrize("way", ["pair", "frame", "samples", "file"])
def test_an_end_has_the_law_of_its_weights(way, tmp_path):
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "w": W})
    if way == "pair":
        found = end((X, W))
    elif way == "samples":
        found = end(Samples(X, weights=W))
    elif way == "frame":
        found = end(frame, weights="w")
    else:
        frame.to_csv(tmp_path / "rows.csv", index=False)
        found = end(str(tmp_path / "rows.csv"), weights="w")
    assert np.allclose(found.mixture.mean, [1.0, 0.0], atol=0.12)
    assert np.allclose(np.sqrt(np.diag(found.mixture.covariance)), [2.0, 1.0], rtol=0.06)
    # The rows that judge are draws of the same law.
    assert found.test is not None
    assert abs(found.test[:, 0].mean() - 1.0) < 0.5
    # The negative control: without weights.
    assert abs(end(X).mixture.mean[0]) < 0.12


def test_weights_count_as_copies_do():
    counts = RNG.integers(1, 4, 300)
    copied, weighted = np.repeat(X[:300], counts, axis=0), (X[:300], counts.astype(float))
    found = end(weighted, test=0.0).mixture
    assert np.allclose(found.mean, copied.mean(axis=0), atol=1e-9)
    assert np.allclose(found.covariance, np.cov(copied.T, ddof=0), rtol=0.02, atol=0.02)


def test_equal_rows_are_as_many_as_the_weights_are_worth():
    rows = equal_rows(X, W, 0)
    assert len(rows) == round(W.sum() ** 2 / (W @ W))
    assert np.allclose(rows.mean(axis=0), np.average(X, axis=0, weights=W), atol=0.05)
    assert equal_rows(X, None, 0) is X
    assert np.array_equal(np.sort(equal_rows(X, np.ones(len(X)), 0), 0), np.sort(X, 0))


def test_rows_without_weight_are_left_out():
    frame = pd.DataFrame({"a": X[:50, 0], "b": X[:50, 1], "w": np.arange(50) % 2})
    samples = read_samples(frame, weights="w")
    assert len(samples) == 25
    assert samples.weights is not None
    assert samples.features == ("a", "b")
    assert samples.select(samples.points[:, 0] > 0).weights is not None


def test_weights_that_cannot_be_used():
    frame = pd.DataFrame({"a": X[:50, 0], "b": X[:50, 1], "w": -np.ones(50)})
    with pytest.raises(LiouvilleError, match="the weights 'w'"):
        read_samples(frame, weights="w")
    with pytest.raises(LiouvilleError, match="no column 'v'"):
        read_samples(frame, weights="v")
    with pytest.raises(LiouvilleError, match="4000 positive numbers"):
        Samples(X, weights=W[1:])
    kinds = Samples(X, np.arange(4000) % 2, weights=W)
    with pytest.raises(LiouvilleError, match="weights and contexts"):
        end(kinds, label="kind")
