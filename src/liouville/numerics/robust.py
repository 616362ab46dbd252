"""Location and spread that a few outliers do not move."""

import numpy as np

# Probabilities below which, and above which, quantiles are compared, with the standard normal
# quantile of each; the first pair that differs counts.
_LEVELS = {0.25: 0.6744897501960817, 0.1: 1.2815515655446004, 0.02: 2.053748910631823}
# A spread that is more of the robust one is that of outliers.
MOST_RATIO = 5.0


def robust_spread(points: np.ndarray) -> np.ndarray:
    """The spread of each coordinate over the first axis, from the distance of two quantiles.

    For a Gaussian it is the standard deviation. It is 0 where nearly all values are equal.
    """
    spread = np.zeros(points.shape[1:])
    for level, normal in _LEVELS.items():
        low, high = np.quantile(points, [level, 1.0 - level], axis=0)
        spread = np.where(spread > 0, spread, (high - low) / (2.0 * normal))
    return spread


def bounded_variance(points: np.ndarray) -> np.ndarray:
    """The variance of each coordinate over the first axis, unless outliers make most of it.

    Then, where it is above 25 times the square of the robust spread, it is that bound.
    """
    variance, robust = points.var(axis=0), robust_spread(points)
    return np.where(robust > 0, np.minimum(variance, (MOST_RATIO * robust) ** 2), variance)
