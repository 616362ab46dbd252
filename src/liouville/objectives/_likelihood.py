from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int

from liouville.numerics.conditioning import given
from liouville.numerics.devices import mean
from liouville.numerics.types import Points, RandomKey, Scalar
from liouville.objectives._base import AbstractTerm
from liouville.objectives._clouds import Clouds, Quantity
from liouville.paths import AbstractPath, Contextual


class NegativeLogLikelihood(AbstractTerm):
    r"""$-\sum_{i,j} w_{ij} \log\rho_{t_i}(x_{ij})$ over snapshots, in nats per point.

    The weights are normalised to one in total; without any, every point counts the same, so a
    time with more points counts more. Snapshots may differ in size, and memory does not grow with
    it beyond the points themselves.

    Attributes:
        clouds: the snapshots.
        contexts: of a path of several contexts the number of that of each point, which is one
            for all of a snapshot, shape `(n,)`; by default the path is asked for all together.
        name: under which the term is logged.
    """

    clouds: Clouds
    contexts: Int[Array, " n"] | None
    name: str = eqx.field(static=True)

    def __init__(
        self,
        times: Sequence[float] | np.ndarray,
        points: Sequence[np.ndarray],
        *,
        weights: Sequence[np.ndarray] | None = None,
        contexts: Sequence[int] | None = None,
        batch_size: int | None = None,
        name: str = "likelihood",
    ):
        """The term of points `(n_i, dim)` at each time, all of them or a batch of each a step.

        A time may come once for each of `contexts`, of which there is one a snapshot.

        Raises:
            ValueError: if there are not as many times as snapshots, or one is empty.
        """
        self.clouds = Clouds(times, points, weights, batch_size)
        every = None if contexts is None else np.repeat(contexts, [len(x) for x in points])
        self.contexts = None if every is None else jnp.asarray(every)
        self.name = name

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """The mean negative log-likelihood per point, or an unbiased estimate from a batch."""
        return -self.clouds.sum(_log_densities(path, self.contexts), key=key)


class GrowthDeviation(AbstractTerm):
    r"""$\tfrac12 \int E_{\rho_t}|h_t - r_t|^2\,dt$ over snapshots: growth that is not as expected.

    The expectation is over the points of a snapshot, and the integral by the trapezoidal rule. Up
    to a constant it is minus the log-likelihood of rates $r$ that are known with errors.

    Attributes:
        clouds: the snapshots; the weights of each add up to the share of the time it stands for.
        rates: the expected rate $r$ of each point, shape `(n,)`, in one over time.
        duration: from the first time to the last, shape `()`.
        name: under which the term is logged.
    """

    clouds: Clouds
    rates: Float[Array, " n"]
    duration: Scalar
    name: str = eqx.field(static=True)

    def __init__(
        self,
        times: Sequence[float] | np.ndarray,
        points: Sequence[np.ndarray],
        rates: Sequence[np.ndarray],
        *,
        weights: Sequence[np.ndarray] | None = None,
        batch_size: int | None = None,
        name: str = "rates",
    ):
        """The term of points `(n_i, dim)` with rates `(n_i,)` at each of two or more times.

        Raises:
            ValueError: if there are not as many times as snapshots, or one is empty.
        """
        gaps = np.diff(np.asarray(times, float))
        spans = 0.5 * (np.append(gaps, 0.0) + np.append(0.0, gaps))
        weights = [np.ones(len(x)) for x in points] if weights is None else weights
        weights = [span * w / np.sum(w) for span, w in zip(spans, weights)]
        self.clouds = Clouds(times, points, weights, batch_size)
        self.duration = jnp.asarray(spans.sum(), self.clouds.times.dtype)
        self.rates = jnp.asarray(np.concatenate(rates), self.clouds.times.dtype)
        self.name = name

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """The integral, or an unbiased estimate from a batch."""

        def squares(t, points, rows):
            found = jax.vmap(path.at(t).growth)(points)
            return 0.5 * (found - self.rates[rows]) ** 2

        return self.duration * self.clouds.sum(squares, key=key)


class MassLikelihood(AbstractTerm):
    r"""$\tfrac12 \sum_i (\log M(t_i) - \log m_i)^2 / \sigma_i^2$ over measured total masses.

    Minus the log-likelihood of masses with relative errors, up to a constant, in nats.

    Attributes:
        times: shape `(times,)`.
        log_masses: $\log m$, shape `(times,)`.
        errors: $\sigma$, relative, shape `(times,)`.
        name: under which the term is logged.
    """

    times: Float[Array, " times"]
    log_masses: Float[Array, " times"]
    errors: Float[Array, " times"]
    name: str = eqx.field(static=True, default="mass")

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """The sum over the times."""
        del key
        found = jax.vmap(lambda t: path.at(t).log_mass)(self.times)
        return 0.5 * jnp.sum(((found - self.log_masses) / self.errors) ** 2)


class ContextLikelihood(AbstractTerm):
    r"""$-\sum_i w_i \log\rho_t(x_i \mid c_i)$ at one time, in nats per point.

    Attributes:
        time: $t$, shape `()`.
        points: shape `(n, dim)`.
        contexts: the context of each point, shape `(n, size)`.
        weights: $w$, of sum one, shape `(n,)`; `None` if all points count the same.
        batch_size: points drawn a step; `None` uses all of them.
        name: under which the term is logged.
    """

    time: Scalar
    points: Points
    contexts: Float[Array, "n size"]
    weights: Float[Array, " n"] | None = None
    batch_size: int | None = eqx.field(static=True, default=None)
    name: str = eqx.field(static=True, default="likelihood")

    @staticmethod
    def of(
        time: float,
        points: np.ndarray,
        contexts: np.ndarray,
        weights: np.ndarray | None = None,
        *,
        batch_size: int | None = None,
        name: str = "likelihood",
    ) -> "ContextLikelihood":
        """The term of NumPy's arrays; weights are positive, of any sum."""
        dtype = jnp.zeros(()).dtype
        shares = None if weights is None else jnp.asarray(weights / weights.sum(), dtype)
        clock, x, rows = (jnp.asarray(a, dtype) for a in (time, points, contexts))
        return ContextLikelihood(
            time=clock,
            points=x,
            contexts=rows,
            weights=shares,
            batch_size=batch_size,
            name=name,
        )

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """The mean negative log-likelihood per point, or an unbiased estimate from a batch."""
        points, contexts, weights = self.points, self.contexts, self.weights
        if self.batch_size is not None and self.batch_size < points.shape[0]:
            picks = drawn_rows(points.shape[0], weights, self.batch_size, key=key)
            points, contexts, weights = points[picks], contexts[picks], None
        inner = path.path if isinstance(path, Contextual) else path

        def log_density(x, c):
            return given(inner, c).at(self.time).log_density(x)

        if weights is None:
            return -mean(log_density, points, contexts)
        number = len(points)
        return -mean(lambda x, c, w: number * w * log_density(x, c), points, contexts, weights)


def drawn_rows(
    count: int, weights: Float[Array, " count"] | None, size: int, *, key: RandomKey
) -> Int[Array, " size"]:
    """Numbers of rows of a batch, each drawn by the weights of the rows, of sum one, if any."""
    if weights is None:
        return jr.randint(key, (size,), 0, count)
    return jr.choice(key, count, (size,), p=weights)


@eqx.filter_jit
def negative_log_likelihoods(
    path: AbstractPath, term: NegativeLogLikelihood
) -> Float[Array, " times"]:
    """The mean negative log-likelihood per point at each time of a term, shape `(times,)`."""
    found = term.clouds.sums(_log_densities(path, term.contexts))
    return -found / term.clouds.sums(lambda _, points, __: jnp.ones_like(points[:, 0]))


def _log_densities(path: AbstractPath, contexts: Int[Array, " n"] | None) -> Quantity:
    def of_snapshot(t, points, rows):
        asked = path if contexts is None else path.in_context(contexts[rows[0]])
        return jax.vmap(asked.at(t).log_density)(points)

    return of_snapshot
