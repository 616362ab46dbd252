"""What a model answers with, in the user's units."""

from typing import NamedTuple

import numpy as np


class ModelAnswers(NamedTuple):
    """What a model says at points, in the user's units; see the methods of `Model`.

    Attributes:
        log_density: shape `(...)`.
        velocity: shape `(..., dim)`.
        score: shape `(..., dim)`.
        drift: shape `(..., dim)`.
        growth: shape `(...)`.
    """

    log_density: np.ndarray
    velocity: np.ndarray
    score: np.ndarray
    drift: np.ndarray
    growth: np.ndarray


class WeightedTrajectories(NamedTuple):
    r"""Points that are carried with their mass, in the user's units.

    Points drawn from the density at the first time have, with weights $e^{w_t}$, the density at
    the others; without them only if the path does not grow.

    Attributes:
        points: shape `(times, ..., dim)`; the first row is what was given.
        log_weights: $w_t = \int_{t_0}^t h_s(x_s)\,ds$, shape `(times, ...)`; the first row is 0.
    """

    points: np.ndarray
    log_weights: np.ndarray
