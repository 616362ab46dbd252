from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int

from liouville.numerics.conditioning import given
from liouville.numerics.types import Points, RandomKey, Scalar
from liouville.objectives._base import AbstractTerm
from liouville.paths import AbstractPath, Contextual


class NegativeLogLikelihood(AbstractTerm):
    r"""$-\sum_{i,j} w_{ij} \log\rho_{t_i}(x_{ij})$ over snapshots, in nats per point.

    The weights are normalised to one in total; without any, every point counts the same, so a
    time with more points counts more. Snapshots may differ in size: they are padded, and the
    padding has no weight.

    Attributes:
        times: the snapshots' times, shape `(times,)`.
        points: shape `(times, largest, dim)`.
        weights: shape `(times, largest)`, zero on the padding.
        sizes: the number of points of each snapshot, shape `(times,)`.
        batch_size: points drawn from each snapshot a step; `None` uses all of them.
        name: under which the term is logged.
    """

    times: Float[Array, " times"]
    points: Float[Array, "times largest dim"]
    weights: Float[Array, "times largest"]
    sizes: Int[Array, " times"]
    batch_size: int | None = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __init__(
        self,
        times: Sequence[float] | np.ndarray,
        points: Sequence[np.ndarray],
        *,
        weights: Sequence[np.ndarray] | None = None,
        batch_size: int | None = None,
        name: str = "likelihood",
    ):
        sizes = np.array([len(x) for x in points])
        if len(times) != len(points) or not len(points) or sizes.min() == 0:
            raise ValueError(
                f"{len(times)} times and snapshots of sizes {sizes.tolist()}; give one time for "
                "each snapshot and at least one point in each"
            )
        weights = [np.ones(n) for n in sizes] if weights is None else weights
        total = sum(float(np.sum(w)) for w in weights)
        largest, dim = int(sizes.max()), np.shape(points[0])[1]
        padded_weights = np.zeros((len(sizes), largest))
        padded = np.zeros((*padded_weights.shape, dim))
        for i, (x, w) in enumerate(zip(points, weights)):
            padded[i, : len(x)], padded_weights[i, : len(x)] = x, np.asarray(w) / total
        dtype = jnp.zeros(()).dtype
        self.times = jnp.asarray(np.asarray(times), dtype)
        self.points = jnp.asarray(padded, dtype)
        self.weights = jnp.asarray(padded_weights, dtype)
        self.sizes = jnp.asarray(sizes)
        self.batch_size = None if batch_size is None or batch_size >= largest else batch_size
        self.name = name

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """The mean negative log-likelihood per point, or an unbiased estimate from a batch."""
        points, weights = self.points, self.weights
        if self.batch_size is not None:
            shape = (self.sizes.shape[0], self.batch_size)
            picks = jr.randint(key, shape, 0, self.sizes[:, None])
            points = jnp.take_along_axis(points, picks[..., None], axis=1)
            scale = self.sizes[:, None] / self.batch_size
            weights = jnp.take_along_axis(weights, picks, axis=1) * scale

        def at_one_time(t, x, w):
            # Padding is evaluated and multiplied by zero; its value is always finite.
            return w @ jax.vmap(path.at(t).log_density)(x)

        return -jax.vmap(at_one_time)(self.times, points, weights).sum()


class ContextLikelihood(AbstractTerm):
    r"""$-\tfrac1n \sum_i \log\rho_t(x_i \mid c_i)$ at one time, in nats per point.

    Attributes:
        time: $t$, shape `()`.
        points: shape `(n, dim)`.
        contexts: the context of each point, shape `(n, size)`.
        batch_size: points drawn a step; `None` uses all of them.
        name: under which the term is logged.
    """

    time: Scalar
    points: Points
    contexts: Float[Array, "n size"]
    batch_size: int | None = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __init__(
        self,
        time: Scalar,
        points: Points,
        contexts: Float[Array, "n size"],
        *,
        batch_size: int | None = None,
        name: str = "likelihood",
    ):
        self.time, self.points, self.contexts = time, points, contexts
        self.batch_size = batch_size
        self.name = name

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """The mean negative log-likelihood per point, or an unbiased estimate from a batch."""
        points, contexts = self.points, self.contexts
        if self.batch_size is not None and self.batch_size < points.shape[0]:
            picks = jr.randint(key, (self.batch_size,), 0, points.shape[0])
            points, contexts = points[picks], contexts[picks]
        inner = path.path if isinstance(path, Contextual) else path

        def log_density(x, c):
            return given(inner, c).at(self.time).log_density(x)

        return -jax.vmap(log_density)(points, contexts).mean()


@eqx.filter_jit
def negative_log_likelihoods(
    path: AbstractPath, term: NegativeLogLikelihood
) -> Float[Array, " times"]:
    """The mean negative log-likelihood per point at each time of a term, shape `(times,)`."""

    def at_one_time(t, x, w):
        return -(w @ jax.vmap(path.at(t).log_density)(x)) / w.sum()

    return jax.vmap(at_one_time)(term.times, term.points, term.weights)
