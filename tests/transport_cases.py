"""Ends and brief settings for tests of transport."""

from typing import Any

import numpy as np

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
