"""The terms of the objective of a fit to samples."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from liouville.data import Samples
from liouville.numerics.types import Points, RandomKey, Scalar
from liouville.objectives import (
    AbstractTerm,
    ContextLikelihood,
    NegativeLogLikelihood,
    drawn_rows,
)
from liouville.paths import AbstractPath
from liouville.tasks.density._columns import Columns


class Renoised(AbstractTerm):
    r"""The likelihood of whole steps, with the noise between them drawn anew at every call.

    $$-\mathrm{E} \log\rho_1(v_i + s \odot U + h \odot Z \mid c_i), \qquad
      U \sim \mathrm{uniform}(0, 1)^d, \quad Z \sim N(0, I).$$

    Noise that is drawn once is learned by heart with the samples. The bells of width $h$ smooth
    over what few samples cannot say; they are at most half a step wide, where the values say
    nothing.
    """

    values: Points  # v, in the model's units
    contexts: Float[Array, "n size"]  # c, of size zero without classes and contexts
    weights: Float[Array, " n"] | None  # of sum one, or all alike
    step: Float[Array, " dim"]  # s, zero for continuous columns
    width: Float[Array, " dim"]  # h
    batch_size: int | None = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """The mean negative log-likelihood per sample, or an unbiased estimate from a batch."""
        pick_key, step_key, bell_key = jr.split(key, 3)
        values, contexts, weights = self.values, self.contexts, self.weights
        if self.batch_size is not None and self.batch_size < len(values):
            picks = drawn_rows(len(values), weights, self.batch_size, key=pick_key)
            values, contexts, weights = values[picks], contexts[picks], None
        within = jr.uniform(step_key, values.shape, values.dtype)
        bells = jr.normal(bell_key, values.shape, values.dtype)
        points = values + self.step * within + self.width * bells
        time = jnp.ones((), values.dtype)
        return ContextLikelihood(time=time, points=points, contexts=contexts, weights=weights)(
            path, key=key
        )


class Known(AbstractTerm):
    """A term that nothing learned can change, found once: it is logged, and costs a step nothing.

    The likelihood of data at an end that is held is one.
    """

    value: Scalar
    name: str = eqx.field(static=True)

    @staticmethod
    def of(term: AbstractTerm, path: AbstractPath, seed: int) -> "Known":
        """What a term says of a path."""
        value = eqx.filter_jit(lambda term, path: term(path, key=jr.key(seed)))(term, path)
        return Known(value=value, name=term.name)

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """The number."""
        del path, key
        return self.value


def training_likelihood(
    samples: Samples, units: Columns, batch_size: int | None = None, noise: float = 0.0
) -> AbstractTerm:
    """What training minimises: `likelihood`, or `Renoised` if there are columns of whole steps.

    The samples are dequantised, in the user's units; `noise` is the width of the bells in
    standardised ones.
    """
    lattice = samples.quantisation
    if lattice is None or not lattice.is_discrete.any():
        return likelihood(samples, units, "likelihood", batch_size)
    dtype = jnp.zeros(()).dtype
    step, shares = lattice.step / units.scale, samples.shares
    return Renoised(
        values=jnp.asarray(units.to_model(lattice.remove_noise(samples.points)), dtype),
        contexts=jnp.asarray(_contexts(samples), dtype),
        weights=None if shares is None else jnp.asarray(shares, dtype),
        step=jnp.asarray(step, dtype),
        width=jnp.asarray(np.minimum(noise, 0.5 * step), dtype),
        batch_size=batch_size,
        name="likelihood",
    )


def likelihood(
    samples: Samples, units: Columns, name: str, batch_size: int | None = None
) -> AbstractTerm:
    """The negative log-likelihood of samples at time 1, given their contexts if they have some."""
    points, weights, rows = units.to_model(samples.points), samples.weights, samples.context_rows
    options: Any = {"batch_size": batch_size, "name": name}
    if rows is not None:
        return ContextLikelihood.of(1.0, points, rows, weights, **options)
    own = None if weights is None else [weights]
    return NegativeLogLikelihood([1.0], [points], weights=own, **options)


def start_likelihood(samples: Samples, seed: int) -> AbstractTerm:
    """The negative log-likelihood of as many draws of the standard normal law, at time 0."""
    draws = np.random.default_rng([seed, 1]).normal(size=samples.points.shape)
    return NegativeLogLikelihood([0.0], [draws], batch_size=512, name="start")


def _contexts(samples: Samples) -> np.ndarray:
    """What the law of each sample depends on; of size zero if on nothing."""
    rows = samples.context_rows
    return np.zeros((len(samples), 0)) if rows is None else rows
