"""Small samples and brief settings for tests of densities."""

import math

import numpy as np

from liouville.data import Samples

BRIEF = {
    "training.steps": 25,
    "training.validate_every": 25,
    "training.checkpoint_every": 25,
    "path.parts": 3,
    "report.movie": False,
}
TINY = {**BRIEF, "path.parts": 2, "path.width": 3, "path.members": 1, "path.depth": 1}


def plane_points(n=60):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 2)) * [1.0, 3.0] + np.where(rng.random((n, 1)) < 0.5, 4.0, -4.0)


def class_samples(n=60):
    rng = np.random.default_rng(1)
    labels = np.arange(n) % 2
    points = rng.normal(size=(n, 4)) + 3.0 * labels[:, None]
    return Samples(points, labels, classes=("ant", "bee"))


def log_normal(model, x):
    """The standard normal law of the model's own units, in the user's."""
    z = model.units.to_model(x)
    constant = 0.5 * model.dim * math.log(2.0 * math.pi) - model.units.log_volume(x)
    return -0.5 * (z**2).sum(-1) - constant
