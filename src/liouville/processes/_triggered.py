import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.numerics.networks import MLP
from liouville.numerics.types import Scalar
from liouville.paths import (
    AbstractFrames,
    AbstractPath,
    Full,
    Gaussian,
    GrowingFrames,
    JoinedFrames,
    LocationScale,
    LocationScaleMarginal,
)
from liouville.processes._base import NEVER, AbstractPlaces
from liouville.processes._history import History


class Offspring(eqx.Module):
    r"""Where, and for how long, an event makes others more likely.

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

    def after(self, history: History) -> "Brood":
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
        return Brood(self, jnp.exp(amplitude), zones, history)


class Brood(eqx.Module):
    """The parts that the events of a history add to a density; see `Offspring`."""

    law: Offspring
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
        return GrowingFrames.of(self.zones, factor.reshape(-1), rate.reshape(-1))


class Triggered(AbstractPlaces):
    r"""A background and one group of parts for every past event.

    $$\rho_t(x \mid H) = \frac{\rho^0_t(x) + \sum_{t_i < t} \sum_k a_{ik}(t)\, N(x;
      \mu_{ik}, \Sigma_{ik}(t))}{1 + \sum_{t_i < t} \sum_k a_{ik}(t)}.$$

    As events age their weights fade and their zones spread: between events this is a path, with
    the exact velocity of moving parts with moving weights.

    Attributes:
        background: the density of events without a parent; it runs on the clock of the sequence.
        offspring: the parts of an event.
    """

    background: LocationScale
    offspring: Offspring

    def after(self, history: History) -> "TriggeredPath":
        """The path given a history."""
        return TriggeredPath(self.background, self.offspring.after(history), history)


class TriggeredPath(AbstractPath):
    """The density of the next event's place given a history, on the local clock."""

    background: LocationScale
    brood: Brood
    history: History

    @property
    def dim(self) -> int:
        """The number of coordinates of a place."""
        return self.background.dim

    def at(self, t: Scalar) -> LocationScaleMarginal:
        """The marginal at the local time `t`, given the events strictly before."""
        background = self.background.at(self.history.clock(t))
        is_past = self.history.before(t)[:, None]

        def log_weights(t: Scalar) -> Float[Array, " parts"]:
            own = jnp.where(is_past, self.brood.log_weights(t), NEVER).reshape(-1)
            return jax.nn.log_softmax(jnp.concatenate([background.log_weights, own]))

        values, rates = jax.jvp(log_weights, (t,), (jnp.ones_like(t),))
        frames = JoinedFrames.of([background.frames, self.brood.frames(t)])
        return LocationScaleMarginal(frames, values, rates, Gaussian())
