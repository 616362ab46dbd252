import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from liouville.curves import AbstractCurve
from liouville.numerics.networks import MLP
from liouville.numerics.types import RandomKey, Scalar
from liouville.paths import AbstractPath, Full, LocationScale
from liouville.processes._base import NEVER, AbstractPlaces
from liouville.processes._history import History


class Encoder(eqx.Module):
    r"""Attention over past events: what they say at a time, as a vector of fixed size.

    Every head weighs the events by what they are and by how old they are,

    $$\alpha_i \propto \exp(s(x_i, m_i) - \beta\,\tau_i), \qquad
      c = \Bigl(\sum_i \alpha_i v(x_i, m_i),\ \log\bigl(1 + \sum_i e^{s_i - \beta\tau_i}\bigr)
      \Bigr),$$

    beside an event that is not there, of score zero, so that no history is a history too. The
    vector moves smoothly with time between events.

    Attributes:
        embedding: from place and mark to scores and values of all heads.
        log_rate: $\log\beta$, per unit of time, shape `(heads,)`.
        size: values of a head.
    """

    embedding: MLP
    log_rate: Float[Array, " heads"]
    size: int = eqx.field(static=True)

    @staticmethod
    def of(
        dim: int, rates: Float[Array, " heads"], *, size: int = 8, width: int = 64, key: RandomKey
    ) -> "Encoder":
        r"""An encoder that starts without preference among events.

        Args:
            dim: coordinates of a place.
            rates: the first guess of $\beta$, one a head.
            size: values of a head.
            width: units of the embedding.
            key: random key.
        """
        heads = rates.shape[0]
        first, second = jr.split(key)
        net = MLP(dim + 1, heads * (1 + size), width=width, depth=2, key=first)
        # The values must differ from the start: a network of zeros has no gradient to begin with.
        last = eqx.nn.Linear(width, heads * (1 + size), key=second)
        net = eqx.tree_at(lambda n: n.layers[-1], net, last)
        return Encoder(net, jnp.log(rates), size)

    @property
    def outputs(self) -> int:
        """The length of the vector."""
        return self.log_rate.shape[0] * (self.size + 1)

    def after(self, history: History) -> "Encoded":
        """The vector as a curve, given a history."""
        inputs = jnp.concatenate([history.places, history.marks[:, None]], axis=1)
        heads = self.log_rate.shape[0]
        numbers = jax.vmap(self.embedding)(inputs).reshape(len(inputs), heads, 1 + self.size)
        return Encoded(numbers[..., 0], numbers[..., 1:], self.log_rate, history)


class Encoded(AbstractCurve):
    """What given events say, as a curve on the local clock; see `Encoder`."""

    scores: Float[Array, "events heads"]
    values: Float[Array, "events heads size"]
    log_rate: Float[Array, " heads"]
    history: History

    def __call__(self, t: Scalar) -> Float[Array, " outputs"]:
        """The vector at the local time `t`, of the events strictly before it."""
        ages = self.history.elapsed(t)[:, None] * jnp.exp(self.log_rate)
        scores = jnp.where(self.history.before(t)[:, None], self.scores - ages, NEVER)
        total = jnp.logaddexp(jax.nn.logsumexp(scores, axis=0), 0.0)
        means = jnp.einsum("nh,nhs->hs", jnp.exp(scores - total), self.values)
        return jnp.concatenate([means.reshape(-1), total])


class Recalled(AbstractPlaces):
    r"""A moving mixture whose parameters a network reads from an encoded history.

    $$\theta(t) = \theta_* + \mathrm{net}(c(t)), \qquad
      \rho_t(x \mid H) = \sum_k w_k(t)\, N(x; \mu_k(t), L_k L_k^\top(t)).$$

    Weights, locations and scales all move between events, and the velocity is exact.

    Attributes:
        encoder: from the history to a vector.
        network: from the vector to the shifts of all parameters.
        location: locations without a history, shape `(parts, dim)`.
        raw_scale: raw scales without a history, shape `(parts, dim, dim)`.
        logits: log-weights without a history, shape `(parts,)`.
        scale: how raw scales become $L$.
    """

    encoder: Encoder
    network: MLP
    location: Float[Array, "parts dim"]
    raw_scale: Float[Array, "parts dim dim"]
    logits: Float[Array, " parts"]
    scale: Full = Full()

    def after(self, history: History) -> AbstractPath:
        """The path given a history, on the local clock."""
        curve = self.encoder.after(history)
        location, raw_scale, logits = (_Shifted(curve, self, which) for which in range(3))
        return LocationScale(location, raw_scale, logits, scale=self.scale)


class _Shifted(AbstractCurve):
    """One of the three parameters of `Recalled` as a curve."""

    encoded: Encoded
    base: Recalled
    which: int = eqx.field(static=True)

    def __call__(self, t: Scalar) -> Float[Array, "..."]:
        base = (self.base.location, self.base.raw_scale, self.base.logits)
        ends = [base[0].size, base[0].size + base[1].size]
        own, shifts = base[self.which], jnp.split(self.base.network(self.encoded(t)), ends)
        return own + shifts[self.which].reshape(own.shape)
