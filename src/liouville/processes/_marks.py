import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from liouville.numerics.special import log_ndtr
from liouville.numerics.types import RandomKey, Scalar, as_float
from liouville.paths import AbstractFamily, Gaussian, MixtureOnLine
from liouville.processes._base import NEVER, AbstractMagnitudes, AbstractMarks
from liouville.processes._kernels import log_weights, logits_of

# How far below the minimum a magnitude may lie by the rounding of single precision, relatively.
_ROUNDING = 1e-5
# By so many nats a halved first bin is likelier than a whole one before it is believed.
_CLEARLY = 2.0


class GutenbergRichter(AbstractMagnitudes):
    r"""Magnitudes with an exponential law above a known minimum, $\beta e^{-\beta(m - m_c)}$.

    Attributes:
        log_decay: $\log\beta$, with $\beta = b \log 10$, shape `()`, learned.
        minimum: $m_c$, the magnitude from which the catalogue is complete.
    """

    log_decay: Float[Array, ""]
    minimum: float = eqx.field(static=True)

    @staticmethod
    def of(b_value: float, minimum: float) -> "GutenbergRichter":
        """The law with a given $b$.

        Raises:
            ValueError: if `b_value` is not positive.
        """
        if not b_value > 0.0:
            raise ValueError(f"b_value {b_value} must be positive")
        return GutenbergRichter(as_float(math.log(b_value * math.log(10.0))), float(minimum))

    @staticmethod
    def fitted(marks: np.ndarray, minimum: float) -> "GutenbergRichter":
        r"""The law of greatest likelihood, $\beta = 1/\overline{(m - m_c)}$ (Aki 1965).

        Raises:
            ValueError: if there is no magnitude above the minimum.
        """
        return GutenbergRichter.of(1.0 / _excess(marks, minimum) / math.log(10.0), minimum)

    @property
    def b_value(self) -> Scalar:
        r"""$b = \beta / \log 10$."""
        return jnp.exp(self.log_decay) / math.log(10.0)

    def log_density(self, mark: Scalar) -> Scalar:
        """The log-density per unit of magnitude; about -1e30 below the minimum."""
        excess = mark - self.minimum
        allowed = excess >= -_ROUNDING * max(1.0, abs(self.minimum))
        excess = jnp.where(allowed, excess, 0.0)
        return jnp.where(allowed, self.log_decay - jnp.exp(self.log_decay) * excess, NEVER)

    def log_survival(self, mark: Scalar) -> Scalar:
        r"""$-\beta(m - m_c)$, zero below the minimum."""
        return -jnp.exp(self.log_decay) * jnp.maximum(mark - self.minimum, 0.0)

    def sample(self, *, key: RandomKey) -> Float[Array, ""]:
        """One magnitude."""
        excess = jr.exponential(key, dtype=self.log_decay.dtype) * jnp.exp(-self.log_decay)
        return self.minimum + excess


class Rounded(AbstractMagnitudes):
    r"""Marks of a law $F$ that were rounded to a grid of width $\delta$.

    Each stands for a bin around it, $P(m) = F(m + \delta/2) - F(m - \delta/2)$, and its
    log-density is $\log(P/\delta)$, that of marks spread evenly over their bins: a density of
    marks at points has no largest likelihood.

    Attributes:
        law: $F$, learned.
        width: $\delta$, of the bins.
        origin: a mark of the grid.

    Raises:
        ValueError: if the width is not positive.
    """

    law: AbstractMagnitudes
    width: float = eqx.field(static=True)
    origin: float = eqx.field(static=True, default=0.0)

    def __check_init__(self):
        if not self.width > 0.0:
            raise ValueError(f"width {self.width} must be positive")

    @staticmethod
    def exponential(marks: np.ndarray, least: float, width: float) -> "Rounded":
        r"""The exponential law of greatest likelihood of magnitudes in bins from a least one on.

        Bins that are all complete have a geometric law,
        $\beta = \log(1 + \delta/\overline{(m - m_c)})/\delta$. Of magnitudes that were chosen
        before they were rounded the first bin has its upper half only, which is believed if it is
        clearly likelier: see `_halved`.

        Args:
            marks: the magnitudes, shape `(n,)`.
            least: $m_c$, the centre of the first bin.
            width: $\delta$.

        Raises:
            ValueError: if there is no magnitude above the least.
        """
        excess = _excess(marks, least)
        decay = math.log1p(width / excess) / width
        bins = np.maximum(np.round((np.asarray(marks, float) - least) / width), 0.0)
        whole = Rounded._from(decay, least - 0.5 * width, least, width)
        if not bins.any():
            return whole
        halved = Rounded._from(_halved(bins, width), least, least, width)
        centres = as_float(least + bins * width)
        first, other = (jax.vmap(law.log_density)(centres).sum() for law in (whole, halved))
        return halved if float(other - first) > _CLEARLY else whole

    @staticmethod
    def _from(decay: float, minimum: float, least: float, width: float) -> "Rounded":
        law = GutenbergRichter.of(decay / math.log(10.0), minimum)
        return Rounded(law, float(width), float(least))

    @property
    def b_value(self) -> Scalar | None:
        """That of the law."""
        return self.law.b_value

    def log_density(self, mark: Scalar) -> Scalar:
        """The log-mass of the bin around a mark, over its width."""
        (left, right), (farther, beyond) = (
            self.law.log_tails(mark + step * self.width) for step in (-0.5, 0.5)
        )
        # As a difference of the smaller tails, which keeps the digits.
        is_left = farther < right
        whole, rest = jnp.where(is_left, farther, right), jnp.where(is_left, left, beyond)
        gap = jnp.minimum(rest - whole, -jnp.finfo(whole.dtype).eps)
        return whole + jnp.log(-jnp.expm1(gap)) - math.log(self.width)

    def log_survival(self, mark: Scalar) -> Scalar:
        """The log-share of the bins from that around the mark on."""
        return self.law.log_survival(mark - 0.5 * self.width)

    def sample(self, *, key: RandomKey) -> Float[Array, ""]:
        """One mark of the grid."""
        drawn = (self.law.sample(key=key) - self.origin) / self.width
        return self.origin + self.width * jnp.round(drawn)


def _excess(marks: np.ndarray, least: float) -> float:
    """By how much magnitudes are above the least on average, which must not be nothing."""
    excess = float(np.mean(np.asarray(marks, float) - least)) if len(marks) else 0.0
    if not excess > 0.0:
        raise ValueError(f"no magnitude is above the minimum of {least}; give more, or lower it")
    return excess


def _halved(bins: np.ndarray, width: float) -> float:
    r"""The likeliest $\beta$ of magnitudes in bins, the first of which has its upper half only.

    $P(m_c) = 1 - q$ with $q = e^{-\beta\delta/2}$, and above it a bin has
    $q^{2k+1}(1 - q^2)$, with $k$ bins between. With the share $f$ of the first bin and the mean
    $\bar k$ of the others the likelihood is
    $f\log(1 - q) + (1 - f)[(2\bar k + 1)\log q + \log(1 - q^2)]$ a magnitude, whose derivative
    times $q(1 - q^2)$ is a quadratic polynomial with one root between zero and one.
    """
    above = bins[bins > 0.5]
    first, steps = 1.0 - len(above) / len(bins), 2.0 * float(above.mean()) - 1.0
    rest = 1.0 - first
    # (first + rest (steps + 2)) q^2 + first q - rest steps = 0
    a, b, c = first + rest * (steps + 2.0), first, -rest * steps
    q = (-b + math.sqrt(b * b - 4.0 * a * c)) / (2.0 * a)
    return -2.0 * math.log(q) / width


class DetectedMagnitudes(AbstractMagnitudes):
    r"""Magnitudes with an exponential law, of which the small ones are often missed.

    Of the events of Gutenberg and Richter's law a share $\sum_k v_k \Phi((m - \mu_k)/s_k)$ that
    grows with the magnitude is detected (Ogata and Katsura, Geophys. J. Int. 113, 1993, with one
    part; several tell the networks and years of a catalogue apart). What is seen follows

    $$f(m) = \sum_k w_k\, \beta\, e^{-\beta(m - \mu_k) - \beta^2 s_k^2/2}\,
      \Phi\Bigl(\frac{m - \mu_k}{s_k}\Bigr),$$

    each part normalised in closed form: it is the law of $\mu_k - \beta s_k^2 + s_k Z + E/\beta$
    with $Z$ normal and $E$ exponential. Great magnitudes keep their exponential law.

    Attributes:
        log_decay: $\log\beta$, with $\beta = b \log 10$, shape `()`, learned.
        half: $\mu$, the magnitudes of which a part detects a half, shape `(parts,)`, learned.
        log_width: $\log s$, over how many magnitudes a part goes from none to all, shape
            `(parts,)`, learned.
        logits: of all weights but the first, whose logit is zero, shape `(parts - 1,)`, learned.
    """

    log_decay: Float[Array, ""]
    half: Float[Array, " parts"]
    log_width: Float[Array, " parts"]
    logits: Float[Array, " rest"]

    @staticmethod
    def spread(marks: np.ndarray, parts: int = 2) -> "DetectedMagnitudes":
        r"""Parts at low quantiles of given magnitudes, to be learned.

        $\beta$ is that of the magnitudes above their median.

        Raises:
            ValueError: if there are no two different magnitudes.
        """
        marks = _different(marks)
        median, deviation = float(np.median(marks)), float(marks.std())
        mean = float(np.mean(marks[marks >= median]) - median) or deviation
        half = np.quantile(marks, (np.arange(parts) + 0.5) / (parts + 1.0))
        width = as_float(np.full(parts, math.log(0.5 * deviation)))
        decay = as_float(-math.log(mean))
        return DetectedMagnitudes(decay, as_float(half), width, logits_of(None, parts))

    @property
    def b_value(self) -> Scalar:
        r"""$b = \beta / \log 10$, of all events, seen or not."""
        return jnp.exp(self.log_decay) / math.log(10.0)

    def log_density(self, mark: Scalar) -> Scalar:
        """The log-density per unit of magnitude."""
        return self.log_decay + jax.nn.logsumexp(self._log_detected(mark))

    def log_survival(self, mark: Scalar) -> Scalar:
        r"""$\log\sum_k w_k [\Phi(-z_k - \beta s_k) + f_k(m)/\beta]$, $z_k = (m - \mu_k)/s_k$."""
        width = jnp.exp(self.log_width)
        z = (mark - self.half) / width + jnp.exp(self.log_decay) * width
        right = log_weights(self.logits) + log_ndtr(-z)
        return jax.nn.logsumexp(jnp.concatenate([right, self._log_detected(mark)]))

    def sample(self, *, key: RandomKey) -> Float[Array, ""]:
        """One magnitude."""
        part_key, normal_key, tail_key = jr.split(key, 3)
        part = jr.categorical(part_key, log_weights(self.logits))
        dtype, decay = self.log_decay.dtype, jnp.exp(self.log_decay)
        width = jnp.exp(self.log_width[part])
        middle = self.half[part] - decay * width**2 + width * jr.normal(normal_key, dtype=dtype)
        return middle + jr.exponential(tail_key, dtype=dtype) / decay

    def _log_detected(self, mark: Scalar) -> Float[Array, " parts"]:
        r"""$\log[w_k f_k(m)/\beta]$."""
        decay, width = jnp.exp(self.log_decay), jnp.exp(self.log_width)
        excess = mark - self.half
        slope = -decay * excess - 0.5 * (decay * width) ** 2
        return log_weights(self.logits) + slope + log_ndtr(excess / width)


class MixtureMarks(AbstractMagnitudes):
    r"""Real marks with a mixture law, if wanted above a minimum only.

    Attributes:
        location: of the parts, shape `(parts,)`, learned.
        log_scale: of the parts, shape `(parts,)`, learned.
        logits: of all weights but the first, whose logit is zero, shape `(parts - 1,)`, learned.
        family: the standard density of all parts.
        minimum: the least mark, below which the mixture is cut off; `None` for the whole line.
    """

    location: Float[Array, " parts"]
    log_scale: Float[Array, " parts"]
    logits: Float[Array, " rest"]
    family: AbstractFamily = Gaussian()
    minimum: float | None = eqx.field(static=True, default=None)

    @staticmethod
    def spread(
        marks: np.ndarray,
        parts: int,
        *,
        family: AbstractFamily | None = None,
        minimum: float | None = None,
    ) -> "MixtureMarks":
        """Parts at quantiles of given marks, as wide as they are apart, to be learned.

        Raises:
            ValueError: if there are no two different marks.
        """
        marks = _different(marks)
        location = np.quantile(marks, (np.arange(parts) + 0.5) / parts)
        return MixtureMarks(
            as_float(location),
            as_float(np.full(parts, np.log(marks.std() / parts))),
            logits_of(None, parts),
            Gaussian() if family is None else family,
            None if minimum is None else float(minimum),
        )

    @property
    def b_value(self) -> None:
        """None: its tail is that of a part."""
        return None

    def log_density(self, mark: Scalar) -> Scalar:
        """The log-density; about -1e30 below the minimum."""
        line = self._line()
        if self.minimum is None:
            return line.log_density(mark)
        least = jnp.asarray(self.minimum, mark.dtype)
        allowed = mark >= least - _ROUNDING * max(1.0, abs(self.minimum))
        inside = jnp.where(allowed, mark, least)
        return jnp.where(allowed, line.log_density(inside) - line.log_tails(least)[1], NEVER)

    def log_survival(self, mark: Scalar) -> Scalar:
        """The log-share at or above the mark, zero below the minimum."""
        line = self._line()
        if self.minimum is None:
            return line.log_tails(mark)[1]
        least = jnp.asarray(self.minimum, mark.dtype)
        return line.log_tails(jnp.maximum(mark, least))[1] - line.log_tails(least)[1]

    def log_tails(self, mark: Scalar) -> tuple[Scalar, Scalar]:
        """As `AbstractMagnitudes.log_tails`; on the whole line with all digits on both sides."""
        return super().log_tails(mark) if self.minimum is not None else self._line().log_tails(mark)

    def sample(self, *, key: RandomKey) -> Float[Array, ""]:
        """One mark."""
        line = self._line()
        if self.minimum is None:
            return line.sample(key=key)
        # The share of the tail above the minimum that is above the draw, uniform.
        above = jnp.log(1.0 - jr.uniform(key, dtype=self.location.dtype))
        log_right = line.log_tails(jnp.asarray(self.minimum, self.location.dtype))[1] + above
        log_left = jnp.log(-jnp.expm1(jnp.minimum(log_right, -jnp.finfo(log_right.dtype).tiny)))
        return jnp.maximum(line.quantile(log_left - log_right), self.minimum)

    def _line(self) -> MixtureOnLine:
        weights = log_weights(self.logits)
        return MixtureOnLine(self.location, self.log_scale, weights, self.family)


class Kinds(AbstractMarks):
    """Marks that are kinds, numbered from zero.

    Attributes:
        logits: of all kinds but the first, whose logit is zero, shape `(kinds - 1,)`, learned.
    """

    logits: Float[Array, " rest"]

    @staticmethod
    def of(probabilities: Sequence[float]) -> "Kinds":
        """Kinds with given probabilities, up to a factor."""
        return Kinds(logits_of(probabilities, len(probabilities)))

    @property
    def probabilities(self) -> Float[Array, " kinds"]:
        """Those of all kinds."""
        return jnp.exp(log_weights(self.logits))

    def log_density(self, mark: Scalar) -> Scalar:
        """The log-probability of a kind; about -1e30 for a number that is no kind."""
        kind = jnp.round(mark).astype(int)
        known = (kind >= 0) & (kind <= len(self.logits))
        logs = log_weights(self.logits)
        return jnp.where(known, logs[jnp.where(known, kind, 0)], NEVER)

    def sample(self, *, key: RandomKey) -> Float[Array, ""]:
        """The number of one kind, as a real number."""
        return jr.categorical(key, log_weights(self.logits)).astype(self.logits.dtype)


def _different(marks: np.ndarray) -> np.ndarray:
    marks = np.asarray(marks, float)
    if np.unique(marks).size < 2:
        raise ValueError("marks are all the same; give two different ones, or leave them out")
    return marks
