import abc
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from liouville.numerics.networks import MLP
from liouville.numerics.types import Point, Scalar
from liouville.paths import AbstractFrames, Full, GrowingFrames
from liouville.processes._hawkes import AbstractProductivity
from liouville.processes._history import History
from liouville.processes._kernels import AbstractKernel

# The sizes of the rings of a power law, in octaves: half an octave apart, they give its density to
# one in a thousand; up to the size 2^12 a tail of exponent .4 has lost one part in a thousand.
_RINGS = np.arange(-3.0, 12.25, 0.5)
# They do for a tail up to this exponent; of a steeper one the sizes are nearer to each other. The
# steepest, for which single precision has the digits, is as good as a Gaussian.
_STEEP, _STEEPEST = 3.0, 1e4
# From here on a series has all digits of $\Gamma(\rho + 1/2) / \Gamma(\rho)$, below the function.
_SERIES = 8.0
# By which log-odds are divided for a network.
_ODDS = 3.0


class AbstractZones(eqx.Module):
    """Where, and for how long, an event makes others more likely: parts it adds to a density."""

    @abc.abstractmethod
    def after(self, history: History) -> "AbstractBrood":
        """What given events add; all work that depends on them alone is here."""


class AbstractBrood(eqx.Module):
    """The parts that the events of a history add to a density."""

    @abc.abstractmethod
    def log_weights(self, t: Scalar) -> Float[Array, "events parts"]:
        r"""$\log a_{ik}$ at the local time `t`, relative to the background, whose weight is one."""

    @abc.abstractmethod
    def frames(self, t: Scalar) -> AbstractFrames:
        """The frames of all parts at the local time `t`, those of one event together."""

    def log_totals(self, t: Scalar) -> Float[Array, " events"]:
        r"""$\log\sum_k a_{ik}$ of all events, those not before `t` included."""
        return jax.nn.logsumexp(self.log_weights(t), axis=1)

    def log_densities(self, t: Scalar, x: Point) -> Float[Array, " events"]:
        r"""$\log\sum_k a_{ik} N(x; \mu_{ik}, \Sigma_{ik})$ of all events."""
        weights, frames = self.log_weights(t), self.frames(t)
        norm = -0.5 * x.shape[0] * math.log(2.0 * math.pi)
        parts = norm - 0.5 * frames.squares(x) - frames.log_volumes
        return jax.nn.logsumexp(weights + parts.reshape(weights.shape), axis=1)


def log_power_law(
    squares: Float[Array, "*n"], excess: Float[Array, "*n"], dim: int
) -> Float[Array, "*n"]:
    r"""The logarithm of the density $\propto (1 + |z|^2)^{-(\rho + \dim/2)}$ on the whole space.

    Args:
        squares: $|z|^2$.
        excess: $\rho$.
        dim: of the space.
    """
    half = 0.5 * dim
    # The difference of two large log-gammas has no digits: as a product of dim / 2 factors.
    log_volume, above = half * math.log(math.pi), excess
    if dim % 2:
        log_volume, above = log_volume - _log_half_step(excess), excess + 0.5
    log_volume = log_volume - sum(jnp.log(above + i) for i in range(dim // 2))
    return -log_volume - (excess + half) * jnp.log1p(squares)


def _log_middle(excess: Float[Array, "*n"]) -> Float[Array, "*n"]:
    r"""The logarithm of the most frequent size, $-\tfrac12 \log 2\rho$."""
    return -0.5 * jnp.log(2.0 * excess)


def _log_half_step(a: Float[Array, "*n"]) -> Float[Array, "*n"]:
    r"""$\log\Gamma(a + 1/2) - \log\Gamma(a)$ with all digits (DLMF 5.11.8)."""
    few, many = jnp.minimum(a, _SERIES), jnp.maximum(a, _SERIES)
    near = jax.lax.lgamma(few + 0.5) - jax.lax.lgamma(few)
    far = 0.5 * jnp.log(many) - 0.125 / many + 1.0 / (192.0 * many**3)
    return jnp.where(a < _SERIES, near, far)


class PowerZones(AbstractZones):
    r"""Zones whose tails are a power law and whose width grows with the magnitude.

    Event $i$ adds, relative to a background of weight one, the weight $\kappa(m_i)\, g(\tau)$ at
    the time $\tau$ after it, with the density

    $$q_i(y) \propto \bigl(1 + e^{-2 s_i} |L^{-1} y|^2\bigr)^{-(\rho + \dim/2)}, \qquad
      s_i(\tau) = \gamma m_i + h \log(1 + \tau/\tau_*),$$

    of the displacement $y = x - x_i$. With $L = D\, I$ it is $(r^2 + D^2 e^{2\gamma m})^{-(\rho +
    \dim/2)}$. A Gaussian whose variance is inverse gamma has this density, so that it is a mixture
    of rings of fixed sizes, each $\sqrt 2$ times the one before, with the weights $w_k \propto
    2^{-\rho k} e^{-2^{-k}/2}$: these are the parts of the path, for samples, masses and velocities.
    Both agree to one in a thousand, where the rings reach.

    A network of the parent's place, mark and log-odds may change the weight, the tail and $L$
    (zones along a fault). Source of the law: Ogata (1998), Space-time point-process models for
    earthquake occurrences, and Zhuang, Ogata and Vere-Jones (2005) for the width.

    Attributes:
        productivity: $\kappa$.
        kernel: $g$.
        raw_scale: of $L$, shape `(dim, dim)`.
        log_excess: $\log\rho$, shape `()`.
        growth: $\gamma$, shape `()`; `None` for events without magnitude.
        raw_spread: $h = \mathrm{softplus}$ of it, shape `()`; `None` for zones that stay.
        log_spread_time: $\log\tau_*$, shape `()`; `None` likewise.
        heredity: $\eta$: the weight of an event is $e^{\eta o_i}$ times as large if $o_i$ is the
            log-odds that it was triggered itself, shape `()`; `None` if that does not matter.
        network: from the parent's place, mark and log-odds (those that there are) to changes of
            $\log\kappa$, $\log\rho$ and $L$.
        mark_scale: by which the network's marks are divided.
        scale: how raw scales become $L$.
    """

    productivity: AbstractProductivity
    kernel: AbstractKernel
    raw_scale: Float[Array, "dim dim"]
    log_excess: Float[Array, ""]
    growth: Float[Array, ""] | None = None
    raw_spread: Float[Array, ""] | None = None
    log_spread_time: Float[Array, ""] | None = None
    heredity: Float[Array, ""] | None = None
    network: MLP | None = None
    mark_scale: float = eqx.field(static=True, default=1.0)
    scale: Full = Full()

    @property
    def outputs(self) -> int:
        """How many numbers the network gives."""
        return 2 + self.raw_scale.size

    @property
    def inputs(self) -> int:
        """How many numbers the network takes."""
        return self.raw_scale.shape[0] + (self.growth is not None) + (self.heredity is not None)

    def after(self, history: History) -> "PowerBrood":
        """What given events add; the network runs once for each."""
        n = len(history.places)
        levels = jax.vmap(self.productivity.log_mean)(history.marks)
        log_excess = jnp.broadcast_to(self.log_excess, (n,))
        raw = jnp.broadcast_to(self.raw_scale, (n, *self.raw_scale.shape))
        if self.heredity is not None:
            levels = levels + self.heredity * history.log_odds
        if self.network is not None:
            given = [history.places]
            if self.growth is not None:
                given.append(history.marks[:, None] / self.mark_scale)
            if self.heredity is not None:
                given.append(history.log_odds[:, None] / _ODDS)
            changes = jax.vmap(self.network)(jnp.concatenate(given, axis=1))
            levels = levels + changes[:, 0]
            log_excess = log_excess + changes[:, 1]
            raw = raw + changes[:, 2:].reshape(raw.shape)
        still = (jnp.zeros_like(history.places), jnp.zeros_like(raw))
        frames = self.scale.frames(
            history.places, still[0], raw, still[1], is_rotation_invariant=False
        )
        excess = jnp.exp(jnp.minimum(log_excess, math.log(_STEEPEST)))
        return PowerBrood(self, levels, excess, frames, history)


class PowerBrood(AbstractBrood):
    """What the events of a history add to a density; see `PowerZones`."""

    law: PowerZones
    log_levels: Float[Array, " events"]
    excess: Float[Array, " events"]
    zones: AbstractFrames  # of size one and without their factors e^s, one an event
    history: History

    def log_totals(self, t: Scalar) -> Float[Array, " events"]:
        r"""$\log[\kappa(m_i)\, g(\tau_i)]$ of all events."""
        return self.log_levels + jax.vmap(self.law.kernel.log_density)(self.history.elapsed(t))

    def log_weights(self, t: Scalar) -> Float[Array, "events rings"]:
        r"""$\log[w_k \kappa(m_i)\, g(\tau_i)]$ at the local time `t`."""
        # The logarithm over that of the most frequent size: no difference of large numbers.
        above = self._log_sizes() - _log_middle(self.excess)[:, None]
        logs = -self.excess[:, None] * (2.0 * above + jnp.expm1(-2.0 * above))
        return self.log_totals(t)[:, None] + jax.nn.log_softmax(logs, axis=1)

    def log_densities(self, t: Scalar, x: Point) -> Float[Array, " events"]:
        r"""$\log[\kappa(m_i)\, g(\tau_i)\, q_i(x - x_i)]$ in closed form."""
        factor, dim = self._factors(t)[0], x.shape[0]
        squares = self.zones.squares(x) * jnp.exp(-2.0 * factor)
        volumes = self.zones.log_volumes + dim * factor
        return self.log_totals(t) + log_power_law(squares, self.excess, dim) - volumes

    def frames(self, t: Scalar) -> AbstractFrames:
        """The frames of all rings at the local time `t`."""
        factor, rate = self._factors(t)
        log_sizes = self._log_sizes()
        rates = jnp.broadcast_to(rate[:, None], log_sizes.shape)
        return GrowingFrames.of(self.zones, factor[:, None] + log_sizes, rates)

    def _log_sizes(self) -> Float[Array, "events rings"]:
        """The log-sizes of the rings: about their middle, as wide as the tail asks."""
        steep = jnp.maximum(self.excess, _STEEP)
        around = jnp.asarray(math.log(2.0) * _RINGS + 0.5 * math.log(2.0 * _STEEP), steep.dtype)
        return _log_middle(steep)[:, None] + jnp.sqrt(_STEEP / steep)[:, None] * around

    def _factors(self, t: Scalar) -> tuple[Float[Array, " events"], Float[Array, " events"]]:
        """The log-factors of the zones and their rates."""
        law, history = self.law, self.history
        factor = rate = jnp.zeros_like(history.times)
        if law.growth is not None:
            factor = factor + law.growth * history.marks
        if law.raw_spread is not None and law.log_spread_time is not None:
            exponent, start = jax.nn.softplus(law.raw_spread), jnp.exp(law.log_spread_time)
            elapsed = history.elapsed(t)
            factor = factor + exponent * jnp.log1p(elapsed / start)
            rate = exponent / (start + elapsed)
        return factor, rate


class FreeZones(AbstractZones):
    r"""Zones each with its own width, place and fading.

    Event $i$ adds the parts $N(x_i + \mu_k, e^{2 q_{ik}} L_k L_k^\top)$ of weights $a_{ik}$,

    $$a_{ik}(\tau) = e^{\alpha m_i} \sum_r A_{kr}\, e^{-\beta_r \tau}, \qquad
      q_{ik}(\tau) = \gamma\, m_i + h_k \log(1 + \tau/\tau_*),$$

    with the time $\tau$ since the event. Several scales make heavy tails and several rates a power
    law; large events breed more and reach farther; zones spread by diffusion with exponents
    $h_k \ge 0$. A network of the parent's place may change $\mu_k$, $L_k$ and $A_k$: zones that lie
    along a fault, or children that sit elsewhere than their parent.

    Attributes:
        location: $\mu$, shape `(parts, dim)`.
        raw_scale: of $L$, shape `(parts, dim, dim)`.
        log_amplitude: $\log A$, shape `(parts, rates)`.
        log_rate: $\log\beta$, per unit of time, shape `(rates,)`.
        network: from the parent's place to changes of the first three; `None` for none.
        productivity: $\alpha$, shape `()`; `None` for events without magnitude.
        reach: $\gamma$, shape `()`; `None` likewise.
        raw_spread: $h = \mathrm{softplus}$ of it, shape `(parts,)`; `None` for zones that stay.
        spread_time: $\tau_*$.
        scale: how raw scales become $L$.
    """

    location: Float[Array, "parts dim"]
    raw_scale: Float[Array, "parts dim dim"]
    log_amplitude: Float[Array, "parts rates"]
    log_rate: Float[Array, " rates"]
    network: MLP | None = None
    productivity: Float[Array, ""] | None = None
    reach: Float[Array, ""] | None = None
    raw_spread: Float[Array, " parts"] | None = None
    spread_time: float = eqx.field(static=True, default=1.0)
    scale: Full = Full()

    @property
    def outputs(self) -> int:
        """How many numbers the network gives."""
        return self.location.size + self.raw_scale.size + self.log_amplitude.size

    def after(self, history: History) -> "FreeBrood":
        """What given events add; the network runs once for each."""
        n, (parts, dim) = len(history.places), self.location.shape
        own = (self.location, self.raw_scale, self.log_amplitude)
        shapes = [(n, *a.shape) for a in own]
        if self.network is None:
            # The same for every event, so that only their places differ.
            location, raw, amplitude = (jnp.broadcast_to(a, s) for a, s in zip(own, shapes))
        else:
            ends = [own[0].size, own[0].size + own[1].size]
            changes = jnp.split(jax.vmap(self.network)(history.places), ends, axis=1)
            location, raw, amplitude = (a + c.reshape(s) for a, c, s in zip(own, changes, shapes))
        location = (history.places[:, None] + location).reshape(n * parts, dim)
        raw = raw.reshape(n * parts, dim, dim)
        still = (jnp.zeros_like(location), jnp.zeros_like(raw))
        zones = self.scale.frames(location, still[0], raw, still[1], is_rotation_invariant=False)
        return FreeBrood(self, jnp.exp(amplitude), zones, history)


class FreeBrood(AbstractBrood):
    """The parts that the events of a history add to a density; see `FreeZones`."""

    law: FreeZones
    amplitude: Float[Array, "events parts rates"]
    zones: AbstractFrames  # of the parts without their factors e^q, those of one event together
    history: History

    def log_weights(self, t: Scalar) -> Float[Array, "events parts"]:
        r"""$\log a_{ik}$ at the local time `t`, relative to the background, whose weight is one."""
        decays = jnp.exp(-self.history.elapsed(t)[:, None] * jnp.exp(self.law.log_rate))
        tiny = jnp.finfo(decays.dtype).tiny
        values = jnp.log(jnp.einsum("nr,nkr->nk", decays, self.amplitude) + tiny)
        if self.law.productivity is None:
            return values
        return values + (self.law.productivity * self.history.marks)[:, None]

    def frames(self, t: Scalar) -> AbstractFrames:
        """The frames of all parts at the local time `t`."""
        law = self.law
        if law.reach is None and law.raw_spread is None:
            return self.zones
        shape = (len(self.history.times), len(law.location))
        factor = rate = jnp.zeros(shape, law.location.dtype)
        if law.reach is not None:
            factor = factor + law.reach * self.history.marks[:, None]
        if law.raw_spread is not None:
            exponent, elapsed = jax.nn.softplus(law.raw_spread), self.history.elapsed(t)[:, None]
            factor = factor + exponent * jnp.log1p(elapsed / law.spread_time)
            rate = exponent / (law.spread_time + elapsed)
        return GrowingFrames.of(self.zones, factor.reshape(-1, 1), rate.reshape(-1, 1))
