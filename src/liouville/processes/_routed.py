import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.numerics.networks import MLP
from liouville.numerics.types import Scalar
from liouville.paths import AbstractPath, LocationScale, LocationScaleMarginal
from liouville.processes._base import AbstractPlaces
from liouville.processes._history import History


class Routed(AbstractPlaces):
    r"""Parts that stay where they are, and past events that send the next ones to some of them.

    $$\rho_t(x \mid H) = \sum_k w_k(t)\, \rho_k(x), \qquad
      w_k(t) \propto \pi_k + \sum_{t_i < t} e^{\alpha m_i} \sum_r A_r\, e^{-\beta_r (t - t_i)}\,
      \mathrm{softmax}_k(\eta + \mathrm{net}(x_i)).$$

    For events that follow somewhere else than their parent was, but in places that are known: arms
    of a pinwheel, stations, cities. All past events share the parts, so one event more costs a
    vector of weights only.

    Attributes:
        parts: $\rho_k$ and $\pi$; they may move on the clock of the sequence.
        logits: $\eta$, shape `(parts,)`.
        network: from the place of an event to changes of $\eta$.
        log_amplitude: $\log A$, shape `(rates,)`.
        log_rate: $\log\beta$, per unit of time, shape `(rates,)`.
        productivity: $\alpha$, shape `()`; `None` for events without magnitude.
    """

    parts: LocationScale
    logits: Float[Array, " parts"]
    network: MLP
    log_amplitude: Float[Array, " rates"]
    log_rate: Float[Array, " rates"]
    productivity: Float[Array, ""] | None = None

    def after(self, history: History) -> "RoutedPath":
        """The path given a history; the network runs once for each event."""
        routes = jax.nn.softmax(self.logits + jax.vmap(self.network)(history.places))
        return RoutedPath(self, routes, history)


class RoutedPath(AbstractPath):
    """The density of the next event's place given a history, on the local clock; see `Routed`."""

    law: Routed
    routes: Float[Array, "events parts"]
    history: History

    @property
    def dim(self) -> int:
        """The number of coordinates of a place."""
        return self.law.parts.dim

    def at(self, t: Scalar) -> LocationScaleMarginal:
        """The marginal at the local time `t`, given the events strictly before."""
        marginal = self.law.parts.at(self.history.clock(t))
        values, rates = jax.jvp(self._log_weights, (t,), (jnp.ones_like(t),))
        return LocationScaleMarginal(marginal.frames, values, rates, marginal.family)

    def _log_weights(self, t: Scalar) -> Float[Array, " parts"]:
        law, history = self.law, self.history
        own = law.parts.at(history.clock(t)).log_weights
        decays = jnp.exp(-history.elapsed(t)[:, None] * jnp.exp(law.log_rate))
        strength = jnp.where(history.before(t), decays @ jnp.exp(law.log_amplitude), 0.0)
        if law.productivity is not None:
            strength = strength * jnp.exp(law.productivity * history.marks)
        return jax.nn.log_softmax(jnp.log(jnp.exp(own) + strength @ self.routes))
