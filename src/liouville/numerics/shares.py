"""Points that count by weights, and as many equal ones as these are worth."""

import numpy as np

Array = np.ndarray


def systematic(shares: Array, n: int, rng: np.random.Generator) -> Array:
    """`n` numbers drawn by their shares of sum one, each as often as it should or once more."""
    places = np.searchsorted(np.cumsum(shares) * n, np.arange(n) + rng.random(), side="right")
    return np.minimum(places, len(shares) - 1)


def effective(weights: Array) -> float:
    r"""How many equal points weights are worth, $(\sum w)^2 / \sum w^2$."""
    return float(weights.sum() ** 2 / (weights @ weights))


def worth(weights: Array) -> int:
    """The same as a whole number, at least one."""
    return max(round(effective(weights)), 1)
