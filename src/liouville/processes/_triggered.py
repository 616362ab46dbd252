import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.numerics.parameters import Fixed, value_of
from liouville.numerics.types import Point, Scalar
from liouville.paths import (
    AbstractPath,
    Gaussian,
    JoinedFrames,
    LocationScale,
    LocationScaleMarginal,
)
from liouville.processes._base import NEVER, AbstractPlaces
from liouville.processes._history import History
from liouville.processes._zones import AbstractBrood, AbstractZones

# Log-odds beyond it say no more.
_MOST_ODDS = 6.0


class Triggered(AbstractPlaces):
    r"""A background and one group of parts for every past event.

    $$\rho_t(x \mid H) = \frac{\rho^0_t(x) + \sum_{t_i < t} \sum_k a_{ik}(t)\, N(x;
      \mu_{ik}, \Sigma_{ik}(t))}{1 + \sum_{t_i < t} \sum_k a_{ik}(t)}.$$

    As events age their weights fade and their zones spread: between events this is a path, with
    the exact velocity of moving parts with moving weights.

    In a region $\rho^0$ is the density of the background given the region, $f/F$ with the mass $F$
    of $f$ inside; the zones are those on the whole plane.

    Attributes:
        background: the density of events without a parent; it runs on the clock of the sequence,
            and stays as it is if it is `Fixed`.
        zones: the parts of an event.
        plain: a plain law, which stays as it is: by it the odds of an event are that it was
            triggered, which `zones` may ask for; `None` if they do not.
        log_inside: $\log F$; zero without a region.
    """

    background: LocationScale | Fixed[LocationScale]
    zones: AbstractZones
    plain: "Fixed[Triggered] | None" = None
    log_inside: float = eqx.field(static=True, default=0.0)

    def after(self, history: History) -> "TriggeredPath":
        """The path given a history."""
        own = self.zones.after(history)
        return TriggeredPath(value_of(self.background), own, history, self.log_inside)

    def log_odds(self, history: History, t: Scalar, x: Point) -> Scalar:
        r"""$\log\sum_i a_i(t) q_i(x) - \log\rho^0_t(x)$ of the plain law, cut at six."""
        if self.plain is None:
            return jnp.zeros_like(t)
        plain = self.plain.value
        own = plain.zones.after(history).log_densities(t, x)
        zones = jax.nn.logsumexp(jnp.where(history.before(t), own, NEVER))
        background = value_of(plain.background).at(history.clock(t)).log_density(x)
        odds = zones - (background - plain.log_inside)
        return jnp.clip(odds, -_MOST_ODDS, _MOST_ODDS)


class TriggeredPath(AbstractPath):
    """The density of the next event's place given a history, on the local clock.

    The marginals are on the whole plane and normalised there, so that a draw that is taken again
    until it is in the region is one from the density given the region. Densities of the background
    are those given the region; see `Triggered`.
    """

    background: LocationScale
    brood: AbstractBrood
    history: History
    log_inside: float = eqx.field(static=True, default=0.0)

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
            wide = background.log_weights - self.log_inside
            return jax.nn.log_softmax(jnp.concatenate([wide, own]))

        values, rates = jax.jvp(log_weights, (t,), (jnp.ones_like(t),))
        frames = JoinedFrames.of([background.frames, self.brood.frames(t)])
        return LocationScaleMarginal(frames, values, rates, Gaussian())

    def log_sources(self, t: Scalar) -> Float[Array, " sources"]:
        r"""The log-weights of what a next event may come from, up to a constant.

        That are the parts of the background, and of the events $\sum_k a_{ik}$.
        """
        background = self.background.at(self.history.clock(t)).log_weights - self.log_inside
        own = jnp.where(self.history.before(t), self.brood.log_totals(t), NEVER)
        return jnp.concatenate([background, own])

    def of_parts(self, t: Scalar, weights: Float[Array, " sources"]) -> Float[Array, " parts"]:
        """Weights of sources at the local time `t`, divided among the parts of `at`."""
        shares = jax.nn.softmax(self.brood.log_weights(t), axis=1)
        own = len(weights) - len(shares)
        return jnp.concatenate([weights[:own], (weights[own:, None] * shares).reshape(-1)])

    def log_density(self, t: Scalar, x: Point) -> Scalar:
        r"""$\log\rho_t(x)$ at a place in the region."""
        background = self.background.at(self.history.clock(t)).log_density(x)
        return self.log_density_beside(t, x, background - self.log_inside)

    def log_density_beside(self, t: Scalar, x: Point, log_background: Scalar) -> Scalar:
        """The log-density where that of the background at the point is given."""
        above = jax.nn.logsumexp(self.log_parents(t, x, log_background))
        return above - jnp.logaddexp(0.0, self.log_total(t))

    def log_parents(
        self, t: Scalar, x: Point, log_background: Scalar | None = None
    ) -> Float[Array, " parents"]:
        r"""$\log\rho^0_t(x)$ and $\log\sum_k a_{ik} N(x; \mu_{ik}, \Sigma_{ik})$ of all entries.

        Args:
            t: local time.
            x: a place.
            log_background: what to take for the first; by default that in the region.
        """
        if log_background is None:
            density = self.background.at(self.history.clock(t)).log_density(x)
            log_background = density - self.log_inside
        zones = jnp.where(self.history.before(t), self.brood.log_densities(t, x), NEVER)
        return jnp.concatenate([log_background[None], zones])

    def log_total(self, t: Scalar) -> Scalar:
        """The logarithm of the weight of all zones, that of the background in the region is one."""
        is_past = self.history.before(t)
        return jax.nn.logsumexp(jnp.where(is_past, self.brood.log_totals(t), NEVER))

    def log_share(self, t: Scalar) -> Scalar:
        r"""By what the marginal's logarithm is below $\log\rho_t$, which it is without a region."""
        zones = self.log_total(t)
        return jnp.logaddexp(-self.log_inside, zones) - jnp.logaddexp(0.0, zones)
