import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from liouville.numerics.types import Scalar
from liouville.processes._kernels import log_weights
from liouville.processes._rates import (
    AbstractRate,
    check_increasing,
    log_positive,
    overlaps,
    piece,
)

# The least value of a Fourier factor: where its polynomial has a zero, the log-rate stays finite.
_FLOOR = 1e-3
_SMALL = 0.3  # where the series of the Bessel function is as good as its closed form


class PeriodicSteps(AbstractRate):
    r"""A rate with a known period that is constant in equal parts of it.

    $\mu(t) = e^{a} f_j$ in part $j$ of the period; the factors $f_j$ have mean one.

    Attributes:
        log_level: $a$, the logarithm of the mean rate, shape `()`, learned.
        logits: $\log f_j - \log f_1$ for all parts of the period but the first, learned.
        period: in units of time.
        phase: a time on the clock at which a period starts.
    """

    log_level: Float[Array, ""]
    logits: Float[Array, " rest"]
    period: float = eqx.field(static=True)
    phase: float = eqx.field(static=True, default=0.0)

    @staticmethod
    def of(rate: float, period: float, parts: int, *, phase: float = 0.0) -> "PeriodicSteps":
        """A constant rate, to be learned in `parts` parts of the period."""
        return PeriodicSteps(log_positive(rate), jnp.zeros(parts - 1), period, phase)

    def __check_init__(self):
        """The period must be positive."""
        _check_period(self.period)

    def log_rate(self, t: Scalar, origin: Scalar | float = 0.0) -> Scalar:
        """The log-rate of the part of the period that holds the time."""
        at = _within_period(t, origin - self.phase, self.period)
        parts = len(self.logits) + 1
        return self.log_level + self._log_factors()[piece(self._edges()[: parts - 1], at, 0.0)]

    def integral(self, start: Scalar, end: Scalar, origin: Scalar | float = 0.0) -> Scalar:
        """Whole periods have the mean rate; the rest is the sum of rate times overlap."""
        at = _within_period(start, origin - self.phase, self.period)
        whole, rest = _periods(end - start, self.period)
        _, widths = overlaps(self._edges(), at, at + rest, 0.0, duration=rest)
        # The rest may reach into the following period.
        widths = jnp.sum(widths.reshape(2, -1), axis=0)
        expected = whole * self.period + jnp.exp(self._log_factors()) @ widths
        return jnp.exp(self.log_level) * expected

    def _log_factors(self) -> Float[Array, " parts"]:
        return log_weights(self.logits) + math.log(len(self.logits) + 1)

    def _edges(self) -> tuple[float, ...]:
        """The inner edges of two periods."""
        parts = len(self.logits) + 1
        return tuple(self.period * j / parts for j in range(1, 2 * parts))


class PeriodicSeries(AbstractRate):
    r"""A smooth rate with a known period: a level times a positive Fourier series of mean one.

    $$\mu(t) = e^{a}\Bigl[\epsilon + (1 - \epsilon)\frac{|A(\theta)|^2}{1 + \sum_k |z_k|^2}\Bigr],
      \qquad A(\theta) = 1 + \sum_{k=1}^m z_k e^{ik\theta}, \qquad
      \theta = 2\pi (t - t_0)/P.$$

    Every positive trigonometric polynomial of degree $m$ and mean one is of the form in the
    fraction (Fejér and Riesz), so nothing but the floor $\epsilon = 10^{-3}$ is lost by it.

    Attributes:
        log_level: $a$, the logarithm of the mean rate, shape `()`, learned.
        coefficients: the real and the imaginary parts of $z$, shape `(2, m)`, learned.
        period: $P$, in units of time.
        phase: $t_0$ on the clock.
    """

    log_level: Float[Array, ""]
    coefficients: Float[Array, "2 harmonics"]
    period: float = eqx.field(static=True)
    phase: float = eqx.field(static=True, default=0.0)

    @staticmethod
    def of(rate: float, period: float, harmonics: int, *, phase: float = 0.0) -> "PeriodicSeries":
        """A constant rate, to be learned with so many harmonics."""
        return PeriodicSeries(log_positive(rate), jnp.zeros((2, harmonics)), period, phase)

    def __check_init__(self):
        """The period must be positive."""
        _check_period(self.period)

    def log_rate(self, t: Scalar, origin: Scalar | float = 0.0) -> Scalar:
        """The log-level plus the logarithm of the factor."""
        theta = self._angle(_within_period(t, origin - self.phase, self.period))
        angles = jnp.arange(1, self.coefficients.shape[1] + 1, dtype=theta.dtype) * theta
        cos, sin = jnp.cos(angles), jnp.sin(angles)
        real, imaginary = self.coefficients
        square = (1.0 + real @ cos - imaginary @ sin) ** 2 + (real @ sin + imaginary @ cos) ** 2
        share = square / (1.0 + jnp.sum(self.coefficients**2))
        return self.log_level + jnp.log(_FLOOR + (1.0 - _FLOOR) * share)

    def integral(self, start: Scalar, end: Scalar, origin: Scalar | float = 0.0) -> Scalar:
        r"""A sum of $c_k\int e^{ik\theta}$, see `ProductOfSeries`."""
        return ProductOfSeries((self,)).integral(start, end, origin)

    def waves(self, t: Scalar, origin: Scalar | float = 0.0) -> tuple[Array, Array]:
        r"""$c_k e^{ik\theta}$ for $k=-m,\dots,m$ at a time, whose real sum is the rate, and $k/P$.

        $|A|^2 = \sum_k r_k e^{ik\theta}$ with the autocorrelation $r$ of the coefficients.
        """
        one = jnp.asarray([[1.0], [0.0]], self.coefficients.dtype)
        real, imaginary = jnp.concatenate([one, self.coefficients], axis=1)
        own = real + 1j * imaginary
        r = jnp.stack([jnp.sum(own[k:] * own[: len(own) - k].conj()) for k in range(len(own))])
        r = (1.0 - _FLOOR) * r / r[0].real
        r = jnp.concatenate([r[:0:-1].conj(), jnp.ones_like(r[:1]), r[1:]])
        orders = jnp.arange(1 - len(own), len(own), dtype=real.dtype)
        angle = self._angle(_within_period(t, origin - self.phase, self.period))
        return jnp.exp(self.log_level) * r * jnp.exp(1j * orders * angle), orders / self.period

    def _angle(self, within: Scalar) -> Scalar:
        return 2.0 * math.pi * within / self.period


class ProductOfSeries(AbstractRate):
    r"""A smooth rate with several known periods, $\mu = \prod_j \mu_j$, such as hours and seasons.

    The product is a sum of waves $C e^{2\pi i\nu t}$ whose frequencies $\nu$ are sums of those of
    the factors, and over an interval of length $\ell$ and middle $m$ the integral of one is
    $C\ell\, e^{2\pi i\nu m} \operatorname{sinc}\nu\ell$.

    Attributes:
        series: the factors.
    """

    series: tuple[PeriodicSeries, ...]

    def log_rate(self, t: Scalar, origin: Scalar | float = 0.0) -> Scalar:
        """The sum of the log-rates."""
        return jnp.sum(jnp.stack([each.log_rate(t, origin) for each in self.series]))

    def integral(self, start: Scalar, end: Scalar, origin: Scalar | float = 0.0) -> Scalar:
        """The sum of the integrals of all waves."""
        width = end - start
        waves, frequencies = _waves(self.series, start + 0.5 * width, origin)
        return width * jnp.sum(waves.real * jnp.sinc(frequencies * width))


class PiecewiseLinear(AbstractRate):
    r"""A rate in straight lines between knots, and constant before the first and after the last.

    It may be multiplied by known periods, $\mu(t) = \ell(t) \prod_j \mu_j(t)$. Over an interval of
    length $w$ and middle $m$ in which $\ell = \ell_m + s\,(t - m)$, a wave $C e^{2\pi i\nu t}$ of
    the product has, with $C_m$ its value in the middle and $z = \pi\nu w$, the integral
    $C_m \bigl[\ell_m w \operatorname{sinc}\nu w + \tfrac{i}{2} s w^2 j_1(z)\bigr]$,
    $j_1(z) = (\sin z - z \cos z) / z^2$.

    Attributes:
        knots: times on the clock, strictly increasing.
        log_levels: $\log\ell$ at the knots, of the same length, learned.
        series: the periods $\mu_j$, none by default; one level stands in all of them and in the
            lines, so these are of mean one where the lines are to be the rate.
    """

    knots: tuple[float, ...] = eqx.field(static=True)
    log_levels: Float[Array, " knots"]
    series: tuple[PeriodicSeries, ...] = ()

    @staticmethod
    def of(rate: float, knots: Sequence[float]) -> "PiecewiseLinear":
        """The same rate at all knots, to be learned."""
        levels = jnp.full((len(knots),), log_positive(rate))
        return PiecewiseLinear(tuple(float(k) for k in knots), levels)

    def __check_init__(self):
        """The knots must increase, with one level for each."""
        check_increasing(self.knots, "knots")
        if self.log_levels.shape[0] != len(self.knots):
            raise ValueError(
                f"{len(self.knots)} knots but {self.log_levels.shape[0]} levels; give one for each"
            )

    def log_rate(self, t: Scalar, origin: Scalar | float = 0.0) -> Scalar:
        """The logarithm of the line, and the sum of those of the periods."""
        found = jnp.log(self._level(t, origin))
        return found + sum(each.log_rate(t, origin) for each in self.series)

    def integral(self, start: Scalar, end: Scalar, origin: Scalar | float = 0.0) -> Scalar:
        """The sum over the lines."""
        offsets, widths = overlaps(self.knots, start, end, origin)
        middles = start + offsets + 0.5 * widths
        levels = jax.vmap(lambda t: self._level(t, origin))(middles)
        if not self.series:
            return levels @ widths

        def one(middle, width, level, slope):
            waves, frequencies = _waves(self.series, middle, origin)
            even = level * width * jnp.sinc(frequencies * width)
            odd = 0.5 * slope * width**2 * _bessel(jnp.pi * frequencies * width)
            return jnp.sum(waves.real * even - waves.imag * odd)

        lengths = jnp.asarray(np.diff(self.knots), levels.dtype)
        slopes = jnp.pad(jnp.diff(jnp.exp(self.log_levels)) / lengths, 1)  # flat outside
        return jnp.sum(jax.vmap(one)(middles, widths, levels, slopes))

    def _level(self, t: Scalar, origin: Scalar | float) -> Scalar:
        # Weights of one sign: a level near zero is not the difference of greater ones.
        first, lengths = (jnp.asarray(a, t.dtype) for a in (self.knots[:-1], np.diff(self.knots)))
        share = jnp.clip((t - (first - origin)) / lengths, 0.0, 1.0)
        weights = jnp.pad(share, (1, 0), constant_values=1.0) - jnp.pad(share, (0, 1))
        return weights @ jnp.exp(self.log_levels)


def _waves(
    series: tuple[PeriodicSeries, ...], t: Scalar, origin: Scalar | float
) -> tuple[Array, Array]:
    """The waves of a product at a time, and their frequencies."""
    waves, frequencies = jnp.ones_like(t, shape=(1,)) + 0j, jnp.zeros_like(t, shape=(1,))
    for each in series:
        more, others = each.waves(t, origin)
        waves = jnp.outer(waves, more).ravel()
        frequencies = jnp.add.outer(frequencies, others).ravel()
    return waves, frequencies


def _bessel(z: Array) -> Array:
    """The spherical Bessel function of order one; by its series where the closed form cancels."""
    is_small = jnp.abs(z) < _SMALL
    large = jnp.where(is_small, 1.0, z)
    small = jnp.where(is_small, z, 0.0)
    series = small / 3.0 * (1.0 - small**2 / 10.0 * (1.0 - small**2 / 28.0))
    return jnp.where(is_small, series, (jnp.sin(large) - large * jnp.cos(large)) / large**2)


def _within_period(t: Scalar, origin: Scalar | float, period: float) -> Scalar:
    return jnp.mod(t + jnp.mod(origin, period), period)


def _periods(duration: Scalar, period: float) -> tuple[Scalar, Scalar]:
    """How many whole periods a duration has, and what is left of it."""
    whole = jnp.floor(duration / period)
    return whole, jnp.clip(duration - whole * period, 0.0, period)


def _check_period(period: float) -> None:
    if not 0.0 < period < np.inf:
        raise ValueError(f"the period is {period}; give a positive number of units of time")
