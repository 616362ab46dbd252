"""The terms of the objective of a fit to samples."""

import jax.numpy as jnp
import numpy as np

from liouville.data import Samples, Standardisation
from liouville.objectives import AbstractTerm, ContextLikelihood, NegativeLogLikelihood


def likelihood(
    samples: Samples, units: Standardisation, name: str, batch_size: int | None = None
) -> AbstractTerm:
    """The negative log-likelihood of samples at time 1, given their classes if they have some.

    Args:
        samples: the samples, in the user's units.
        units: the map to the model's.
        name: under which the term is logged.
        batch_size: samples a step; all of them by default.
    """
    points = units.points_to_model(samples.points)
    if samples.labels is None:
        return NegativeLogLikelihood([1.0], [points], batch_size=batch_size, name=name)
    dtype = jnp.zeros(()).dtype
    contexts = np.eye(len(samples.classes))[samples.labels]
    return ContextLikelihood(
        jnp.ones((), dtype),
        jnp.asarray(points, dtype),
        jnp.asarray(contexts, dtype),
        batch_size=batch_size,
        name=name,
    )


def start_likelihood(samples: Samples, seed: int) -> AbstractTerm:
    """The negative log-likelihood of as many draws of the standard normal law, at time 0."""
    draws = np.random.default_rng([seed, 1]).normal(size=samples.points.shape)
    return NegativeLogLikelihood([0.0], [draws], batch_size=512, name="start")
