"""Ends and brief settings for tests of transport."""

from typing import Any

import numpy as np

from liouville.data import Samples
from liouville.numerics.mixtures import GaussianMixture, gaussian

BRIEF: dict[str, Any] = {
    "training.steps": 10,
    "training.chunk": 10,
    "training.validate_every": 10,
    "training.checkpoint_every": 10,
    "objective.times": 4,
    "objective.particles": 16,
    "path.parts": 6,
    "plan.most": 1,
}


def mixture(seed: int, parts: int, dim: int = 2) -> GaussianMixture:
    rng = np.random.default_rng(seed)
    factors = np.tril(0.3 * rng.normal(size=(parts, dim, dim))) + 0.6 * np.eye(dim)
    means = 2.0 * rng.normal(size=(parts, dim))
    return GaussianMixture(rng.dirichlet(np.full(parts, 5.0)), means, factors @ factors.mT)


GOOD = gaussian(np.zeros(2), np.eye(2))


def cases_by_class(n: int = 60) -> tuple[Samples, Samples]:
    """Two classes of which each goes to its own place."""
    rng, labels = np.random.default_rng(0), np.repeat([0, 1], n)
    places = np.array([[[-3.0, 0.0], [3.0, 0.0]], [[0.0, 3.0], [0.0, -3.0]]])
    first, last = (
        Samples(place[labels] + rng.normal(size=(2 * n, 2)), labels, ("a", "b"), label_name="kind")
        for place in places
    )
    return first, last


def table_with_context(n: int, end: int) -> np.ndarray:
    """Rows of N((2c, 0), 1), or of N((-2c, 3 + c), 1/4), and their c."""
    rng = np.random.default_rng(end)
    c, z = rng.uniform(-1.0, 1.0, n), rng.normal(size=(n, 2))
    if end:
        return np.column_stack([-2.0 * c + 0.5 * z[:, 0], 3.0 + c + 0.5 * z[:, 1], c])
    return np.column_stack([2.0 * c + z[:, 0], z[:, 1], c])
