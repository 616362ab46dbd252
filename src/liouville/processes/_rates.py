import abc
import itertools
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from liouville.numerics.parameters import Fixed
from liouville.numerics.types import Scalar, as_float


class AbstractRate(eqx.Module):
    r"""A rate of events that depends on the clock alone, $\mu(t)$, with its integral.

    Times are on the clock after `origin`, zero by default: a local time since an origin keeps the
    digits of short intervals in float32. Integrals are exact and are formed from the length of the
    interval, not as a difference of two large numbers.
    """

    @abc.abstractmethod
    def log_rate(self, t: Scalar, origin: Scalar | float = 0.0) -> Scalar:
        r"""$\log\mu$ at `origin + t`, per unit of time."""

    @abc.abstractmethod
    def integral(self, start: Scalar, end: Scalar, origin: Scalar | float = 0.0) -> Scalar:
        r"""$\int\mu$ from `origin + start` to `origin + end`, for `start` not after `end`."""


class ConstantRate(AbstractRate):
    r"""A rate that does not change.

    Attributes:
        log_level: $\log\mu$, shape `()`, learned.
    """

    log_level: Float[Array, ""]

    @staticmethod
    def of(rate: float) -> "ConstantRate":
        """The constant rate; `rate` is positive, per unit of time."""
        return ConstantRate(log_positive(rate))

    def log_rate(self, t: Scalar, origin: Scalar | float = 0.0) -> Scalar:
        r"""$\log\mu$, whatever the time."""
        return self.log_level + jnp.zeros_like(t)

    def integral(self, start: Scalar, end: Scalar, origin: Scalar | float = 0.0) -> Scalar:
        r"""$\mu\,(end - start)$."""
        return jnp.exp(self.log_level) * (end - start)


class Piecewise(AbstractRate):
    """A rate that is constant between given times.

    The first piece reaches back and the last one forward without end. A piece holds its left edge.

    Attributes:
        edges: the times on the clock where the rate may jump, strictly increasing.
        log_levels: the log-rates before, between and after them, shape `(len(edges) + 1,)`,
            learned.
    """

    edges: tuple[float, ...] = eqx.field(static=True)
    log_levels: Float[Array, " pieces"]

    @staticmethod
    def of(rate: float, edges: Sequence[float]) -> "Piecewise":
        """The same rate in all pieces, to be learned."""
        levels = jnp.full((len(edges) + 1,), log_positive(rate))
        return Piecewise(tuple(float(e) for e in edges), levels)

    def __check_init__(self):
        """The edges must increase, with one level more than edges."""
        _check_edges(self.edges, self.log_levels)

    def log_rate(self, t: Scalar, origin: Scalar | float = 0.0) -> Scalar:
        """The log-rate of the piece that holds the time."""
        return self.log_levels[piece(self.edges, t, origin)]

    def integral(self, start: Scalar, end: Scalar, origin: Scalar | float = 0.0) -> Scalar:
        """The sum of rate times overlap over the pieces."""
        _, widths = overlaps(self.edges, start, end, origin)
        return jnp.exp(self.log_levels) @ widths


class SumOfRates(AbstractRate):
    """The sum of rates."""

    rates: tuple[AbstractRate, ...]

    def log_rate(self, t: Scalar, origin: Scalar | float = 0.0) -> Scalar:
        """The logarithm of the sum."""
        return jax.nn.logsumexp(jnp.stack([rate.log_rate(t, origin) for rate in self.rates]))

    def integral(self, start: Scalar, end: Scalar, origin: Scalar | float = 0.0) -> Scalar:
        """The sum of the integrals."""
        return jnp.sum(jnp.stack([rate.integral(start, end, origin) for rate in self.rates]))


class WithCovariates(AbstractRate):
    r"""A rate times a factor of known covariates, $\mu(t)\, e^{\beta \cdot z(t)}$.

    The covariates are a table: constant between given times, the first row before them and the
    last row after. A row holds its left edge.

    Attributes:
        rate: $\mu$.
        coefficients: $\beta$, shape `(covariates,)`, learned.
        values: the table of $z$, shape `(len(edges) + 1, covariates)`, not learned.
        edges: the times on the clock at which the covariates change, strictly increasing.
    """

    rate: AbstractRate
    coefficients: Float[Array, " covariates"]
    values: Fixed[Float[Array, "pieces covariates"]]
    edges: tuple[float, ...] = eqx.field(static=True)

    @staticmethod
    def of(
        rate: AbstractRate, edges: Sequence[float], values: np.ndarray | Sequence[Sequence[float]]
    ) -> "WithCovariates":
        """Starts without an effect of the covariates."""
        table = as_float(np.asarray(values))
        zeros = jnp.zeros(table.shape[1:], table.dtype)
        return WithCovariates(rate, zeros, Fixed(table), tuple(float(e) for e in edges))

    def __check_init__(self):
        """The edges must increase, with one row more than edges."""
        _check_edges(self.edges, self.values.value)

    def log_rate(self, t: Scalar, origin: Scalar | float = 0.0) -> Scalar:
        r"""$\log\mu + \beta \cdot z$."""
        row = self.values.value[piece(self.edges, t, origin)]
        return self.rate.log_rate(t, origin) + self.coefficients @ row

    def integral(self, start: Scalar, end: Scalar, origin: Scalar | float = 0.0) -> Scalar:
        """The sum over the rows of factor times integral of the rate."""
        offsets, widths = overlaps(self.edges, start, end, origin)

        def one(offset, width):
            return self.rate.integral(start + offset, start + offset + width, origin)

        return jnp.exp(self.values.value @ self.coefficients) @ jax.vmap(one)(offsets, widths)


def piece(edges: tuple[float, ...], t: Scalar, origin: Scalar | float) -> Array:
    """The number of the piece that holds a time."""
    return jnp.sum(t >= jnp.asarray(edges, t.dtype) - origin, dtype=int)


def overlaps(
    edges: tuple[float, ...],
    start: Scalar,
    end: Scalar,
    origin: Scalar | float,
    duration: Scalar | None = None,
) -> tuple[Float[Array, " pieces"], Float[Array, " pieces"]]:
    """Where an interval enters each piece, after its start, and how long it is in it."""
    duration = end - start if duration is None else duration
    cuts = jnp.clip((jnp.asarray(edges, start.dtype) - origin) - start, 0.0, duration)
    cuts = jnp.concatenate([jnp.zeros_like(cuts, shape=(1,)), cuts, duration[None]])
    return cuts[:-1], jnp.diff(cuts)


def log_positive(rate: float) -> Float[Array, ""]:
    """The logarithm of a rate; raises a `ValueError` if it is not positive."""
    if not 0.0 < rate < np.inf:
        raise ValueError(f"the rate is {rate}; give a positive number of events per unit of time")
    return as_float(np.log(rate))


def _check_edges(edges: tuple[float, ...], rows: Array) -> None:
    check_increasing(edges, "edges")
    if rows.shape[0] != len(edges) + 1:
        raise ValueError(f"{len(edges)} edges but {rows.shape[0]} pieces; give one piece more")


def check_increasing(times: tuple[float, ...], name: str) -> None:
    """Raises a `ValueError` if times do not increase."""
    if not all(a < b for a, b in itertools.pairwise(times)):
        raise ValueError(f"{name} {times} do not increase; sort them and merge equal ones")
