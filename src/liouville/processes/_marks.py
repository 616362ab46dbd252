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

    Magnitudes that were rounded to bins of width $\delta$ have a geometric law on
    $m_c, m_c + \delta, \dots$, of which the least is the centre of the first complete bin:

    $$P(m) = (1 - e^{-\beta\delta})\, e^{-\beta(m - m_c)}.$$

    Where they were chosen before they were rounded, of the first bin only the upper half is there:
    $P(m_c) = 1 - e^{-\beta\delta/2}$, and above it $P(m)$ is $e^{\beta\delta/2}$ times as large.
    The log-density is $\log(P/\delta)$, that of magnitudes spread evenly over their bins.

    Attributes:
        log_decay: $\log\beta$, with $\beta = b \log 10$, shape `()`, learned.
        minimum: $m_c$, the magnitude from which the catalogue is complete.
        bin_width: $\delta$; zero if magnitudes are not rounded.
        is_halved: whether of the first bin only the upper half is there.
    """

    log_decay: Float[Array, ""]
    minimum: float = eqx.field(static=True)
    bin_width: float = eqx.field(static=True, default=0.0)
    is_halved: bool = eqx.field(static=True, default=False)

    @staticmethod
    def of(
        b_value: float, minimum: float, bin_width: float = 0.0, *, is_halved: bool = False
    ) -> "GutenbergRichter":
        """The law with a given $b$.

        Raises:
            ValueError: if `b_value` is not positive or `bin_width` negative.
        """
        if not (b_value > 0.0 and bin_width >= 0.0):
            raise ValueError(
                f"b_value {b_value} must be positive and bin_width {bin_width} not negative"
            )
        log_decay = as_float(math.log(b_value * math.log(10.0)))
        return GutenbergRichter(log_decay, float(minimum), float(bin_width), is_halved)

    @staticmethod
    def fitted(marks: np.ndarray, minimum: float, bin_width: float = 0.0) -> "GutenbergRichter":
        r"""The law of greatest likelihood.

        $\beta = 1/\overline{(m - m_c)}$ (Aki 1965), and for bins
        $\beta = \log(1 + \delta/\overline{(m - m_c)})/\delta$, unless a halved first bin is clearly
        likelier. There, with $q = e^{-\beta\delta/2}$, the share $f$ of the first bin and the mean
        number $k$ of whole bins above it of the others, counted from zero, the likelihood is
        $f\log(1 - q) + (1 - f)[(2k + 1)\log q + \log(1 - q^2)]$ a magnitude.

        Raises:
            ValueError: if there is no magnitude above the minimum.
        """
        excess = float(np.mean(np.asarray(marks, float) - minimum)) if len(marks) else 0.0
        if not excess > 0.0:
            raise ValueError(f"no magnitude is above the minimum of {minimum}; give more, or lower")
        if not bin_width:
            return GutenbergRichter.of(1.0 / excess / math.log(10.0), minimum)
        decay = math.log1p(bin_width / excess) / bin_width
        whole = GutenbergRichter.of(decay / math.log(10.0), minimum, bin_width)
        bins = np.maximum(np.round((np.asarray(marks, float) - minimum) / bin_width), 0.0)
        if not bins.any():
            return whole
        halved = _halved(bins, minimum, bin_width)
        gain = float((halved.log_bins(bins) - whole.log_bins(bins)).sum())
        return halved if gain > _CLEARLY else whole

    @property
    def b_value(self) -> Scalar:
        r"""$b = \beta / \log 10$."""
        return jnp.exp(self.log_decay) / math.log(10.0)

    @property
    def missing(self) -> float:
        """How much of the first bin is missing, in units of magnitude."""
        return 0.5 * self.bin_width if self.is_halved else 0.0

    def log_density(self, mark: Scalar) -> Scalar:
        """The log-density per unit of magnitude; about -1e30 below the minimum."""
        excess = mark - self.minimum
        allowed = excess >= -_ROUNDING * max(1.0, abs(self.minimum))
        excess = jnp.where(allowed, excess, 0.0)
        if self.bin_width:
            logs = self.log_bins(excess / self.bin_width) - math.log(self.bin_width)
        else:
            logs = self.log_decay - jnp.exp(self.log_decay) * excess
        return jnp.where(allowed, logs, NEVER)

    def log_bins(self, bins: Float[Array, "..."] | np.ndarray) -> Float[Array, "..."]:
        r"""$\log P$ of the bins of given numbers, 0 for the first; only if there are bins."""
        decay = jnp.exp(self.log_decay)
        widths = jnp.where(bins < 0.5, self.bin_width - self.missing, self.bin_width)
        below = jnp.maximum(bins * self.bin_width - self.missing, 0.0)
        return jnp.log(-jnp.expm1(-decay * widths)) - decay * below

    def log_survival(self, mark: Scalar) -> Scalar:
        r"""$-\beta(m - m_c)$, zero below the minimum; of bins, at their centres."""
        excess = jnp.maximum(mark - self.minimum - self.missing, 0.0)
        return -jnp.exp(self.log_decay) * excess

    def sample(self, *, key: RandomKey) -> Float[Array, ""]:
        """One magnitude, on the grid of the bins if there are any."""
        excess = jr.exponential(key, dtype=self.log_decay.dtype) * jnp.exp(-self.log_decay)
        if self.bin_width:
            excess = self.bin_width * jnp.floor((excess + self.missing) / self.bin_width)
        return self.minimum + excess


def _halved(bins: np.ndarray, minimum: float, bin_width: float) -> GutenbergRichter:
    """The likeliest law of magnitudes in bins, of the first of which the lower half is missing.

    The derivative of the likelihood by $q$ is $-f/(1 - q) + (1 - f)[(2k + 1)/q - 2q/(1 - q^2)]$;
    times $q(1 - q^2)$ it is a quadratic polynomial with one root between zero and one.
    """
    above = bins[bins > 0.5]
    first, steps = 1.0 - len(above) / len(bins), 2.0 * float(above.mean()) - 1.0
    rest = 1.0 - first
    # (first + rest (steps + 2)) q^2 + first q - rest steps = 0
    a, b, c = first + rest * (steps + 2.0), first, -rest * steps
    q = (-b + math.sqrt(b * b - 4.0 * a * c)) / (2.0 * a)
    decay = -2.0 * math.log(q) / bin_width
    return GutenbergRichter.of(decay / math.log(10.0), minimum, bin_width, is_halved=True)


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

    Of marks that were rounded to multiples of a width $\delta$ the law is that of their bins,
    $P(m) = F(m + \delta/2) - F(m - \delta/2)$, and the log-density $\log(P/\delta)$: a density of
    such marks has no largest likelihood, as parts shrink onto them.

    Attributes:
        location: of the parts, shape `(parts,)`, learned.
        log_scale: of the parts, shape `(parts,)`, learned.
        logits: of all weights but the first, whose logit is zero, shape `(parts - 1,)`, learned.
        family: the standard density of all parts.
        minimum: the least mark, below which the mixture is cut off; `None` for the whole line.
        bin_width: $\delta$; zero if marks are not rounded. It goes with the whole line.

    Raises:
        ValueError: if there is a minimum and a width.
    """

    location: Float[Array, " parts"]
    log_scale: Float[Array, " parts"]
    logits: Float[Array, " rest"]
    family: AbstractFamily = Gaussian()
    minimum: float | None = eqx.field(static=True, default=None)
    bin_width: float = eqx.field(static=True, default=0.0)

    def __check_init__(self):
        if self.bin_width and self.minimum is not None:
            raise ValueError(
                f"a mixture has a minimum ({self.minimum}) or bins ({self.bin_width}), not both"
            )

    @staticmethod
    def spread(
        marks: np.ndarray,
        parts: int,
        *,
        family: AbstractFamily | None = None,
        minimum: float | None = None,
        bin_width: float = 0.0,
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
            float(bin_width),
        )

    @property
    def b_value(self) -> None:
        """None: its tail is that of a part."""
        return None

    def log_density(self, mark: Scalar) -> Scalar:
        """The log-density; about -1e30 below the minimum."""
        line = self._line()
        if self.bin_width:
            return self._log_mass(line, mark) - math.log(self.bin_width)
        if self.minimum is None:
            return line.log_density(mark)
        least = jnp.asarray(self.minimum, mark.dtype)
        allowed = mark >= least - _ROUNDING * max(1.0, abs(self.minimum))
        inside = jnp.where(allowed, mark, least)
        return jnp.where(allowed, line.log_density(inside) - line.log_tails(least)[1], NEVER)

    def log_survival(self, mark: Scalar) -> Scalar:
        """The log-share at or above the mark, zero below the minimum; of bins, at their centres."""
        line = self._line()
        if self.minimum is None:
            return line.log_tails(mark - 0.5 * self.bin_width)[1]
        least = jnp.asarray(self.minimum, mark.dtype)
        return line.log_tails(jnp.maximum(mark, least))[1] - line.log_tails(least)[1]

    def sample(self, *, key: RandomKey) -> Float[Array, ""]:
        """One mark."""
        line = self._line()
        if self.bin_width:
            return self.bin_width * jnp.round(line.sample(key=key) / self.bin_width)
        if self.minimum is None:
            return line.sample(key=key)
        # The share of the tail above the minimum that is above the draw, uniform.
        above = jnp.log(1.0 - jr.uniform(key, dtype=self.location.dtype))
        log_right = line.log_tails(jnp.asarray(self.minimum, self.location.dtype))[1] + above
        log_left = jnp.log(-jnp.expm1(jnp.minimum(log_right, -jnp.finfo(log_right.dtype).tiny)))
        return jnp.maximum(line.quantile(log_left - log_right), self.minimum)

    def _log_mass(self, line: MixtureOnLine, mark: Scalar) -> Scalar:
        """The log-mass of the bin around a mark, as a difference of the smaller tails."""
        (left, right), (farther, beyond) = (
            line.log_tails(mark + step * self.bin_width) for step in (-0.5, 0.5)
        )
        is_left = farther < right
        whole, rest = jnp.where(is_left, farther, right), jnp.where(is_left, left, beyond)
        gap = jnp.minimum(rest - whole, -jnp.finfo(whole.dtype).eps)
        return whole + jnp.log(-jnp.expm1(gap))

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
