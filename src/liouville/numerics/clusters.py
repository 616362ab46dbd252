"""Clusters by k-means, of several starts the tightest."""

import warnings
from collections.abc import Sequence

import numpy as np
from scipy.cluster.vq import kmeans2


def clusters(x: np.ndarray, parts: int, seeds: Sequence[int | Sequence[int]]) -> np.ndarray:
    """The cluster of each point, from one start for each seed; some may have no points.

    One start often leaves two clusters in one and cuts another in two, which no step of expectation
    maximisation mends.

    Args:
        x: points, shape `(n, dim)`.
        parts: the number of clusters, at most that of the points.
        seeds: of the starts (k-means++), of which the one with the least sum of squares counts.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an empty cluster is no failure
        tried = [kmeans2(x, parts, minit="++", rng=seed) for seed in seeds]
    if len(tried) == 1:
        return tried[0][1]
    spread = [((x - centres[label]) ** 2).sum() for centres, label in tried]
    return tried[int(np.argmin(spread))][1]
