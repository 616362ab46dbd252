import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int

from liouville.numerics.networks import MLP
from liouville.numerics.types import RandomKey, Scalar
from liouville.processes._base import NEVER, AbstractHazard, AbstractIntensity, integrals
from liouville.processes._excerpts import Excerpts
from liouville.processes._history import History

# How far the network may move a log-weight: far outside of the data it must not overflow.
_CONTRAST = 8.0
# Below this number of mean times a difference of exponentials is a series.
_SERIES = 0.5
_TERMS = 17
# How many rates there are, from 30 times the rate of events down to a third of it.
_RATES = 4
_GAP_FEATURES = 3


class Growth(eqx.Module):
    r"""Functions of the time $\tau$ since the latest event that grow, from zero at zero.

    In this order, with learned rates $b_j$ and offsets $c_k$:

    $$\tau, \qquad 1 - e^{-b_j\tau}, \qquad 1 - (1 + b_j\tau) e^{-b_j\tau}, \qquad
      \log(1 + \tau/c_k).$$

    Their slopes are constant, fall, rise and fall, and fall slowly. The first and the last grow
    without bound.

    Attributes:
        log_rates: $\log b$, shape `(rates,)`, learned.
        log_offsets: $\log c$, shape `(offsets,)`, learned.
    """

    log_rates: Float[Array, " rates"]
    log_offsets: Float[Array, " offsets"]

    @property
    def size(self) -> int:
        """The number of functions."""
        return 1 + 2 * len(self.log_rates) + len(self.log_offsets)

    def log_slopes(self, elapsed: Scalar) -> Float[Array, " size"]:
        r"""The logarithms of the derivatives at $\tau$."""
        fall = self.log_rates - jnp.exp(self.log_rates) * elapsed
        is_late = elapsed > 0.0
        log_elapsed = jnp.where(is_late, jnp.log(jnp.where(is_late, elapsed, 1.0)), NEVER)
        slow = -jnp.log(jnp.exp(self.log_offsets) + elapsed)
        constant = jnp.zeros_like(fall, shape=(1,))
        return jnp.concatenate([constant, fall, fall + self.log_rates + log_elapsed, slow])

    def increments(self, elapsed: Scalar, duration: Scalar) -> Float[Array, " size"]:
        r"""The growths from $\tau$ to $\tau + d$, without cancellation."""
        rates = jnp.exp(self.log_rates)
        left, x = jnp.exp(-rates * elapsed), rates * duration
        gone = -jnp.expm1(-x)
        slow = jnp.log1p(duration / (jnp.exp(self.log_offsets) + elapsed))
        second = left * (rates * elapsed * gone + _second(x))
        return jnp.concatenate([duration[None], left * gone, second, slow])


class Neural(AbstractIntensity):
    r"""An intensity whose integral is a network's: monotone and in closed form by construction.

    With $\tau$ the time since the latest event and $\Lambda$ the integral since then,

    $$\Lambda(\tau) = \sum_m e^{w_m(c)} \phi_m(\tau) + \Lambda_0(\tau), \qquad
      \lambda(\tau) = \sum_m e^{w_m(c)} \phi_m'(\tau) + \lambda_0(\tau),$$

    where $\phi_m$ are the functions of `Growth`, $\lambda_0$ is another intensity, for instance a
    `Hawkes` process, which this one thereby contains, and the context $c$ is an attention of the
    latest event over all events in reach. It is frozen between events. Every head of the
    attention favours recent events at a decay it learns, and also counts them at that decay.

    Before the first event there is no elapsed time: the rate is then a learned constant, plus
    $\lambda_0$. It does not depend on where the local origin is.

    Places and times between events should be of order one; divide times by `scale` if not.

    Attributes:
        embed: what an event is, of its place and its mark.
        query: of the latest event and the time between it and the one before.
        key: of any event.
        value: of any event and the logarithm of its age.
        log_decays: the logarithms of the decays of the heads, per `scale`, shape `(heads,)`.
        network: from the context to changes of the log-weights; zero at initialisation.
        log_weights: $w$ where the network is zero, shape `(functions,)`.
        log_first: the log-rate before the first event, shape `()`.
        growth: $\phi$.
        base: $\lambda_0$, or `None`.
        scale: the time that features of time are measured in.
        kinds: the number of kinds if marks are kinds; zero if they are numbers.
    """

    embed: eqx.nn.Linear
    query: eqx.nn.Linear
    key: eqx.nn.Linear
    value: eqx.nn.Linear
    log_decays: Float[Array, " heads"]
    network: MLP
    log_weights: Float[Array, " functions"]
    log_first: Float[Array, ""]
    growth: Growth
    base: AbstractIntensity | None
    scale: float = eqx.field(static=True)
    kinds: int = eqx.field(static=True)

    def __init__(
        self,
        dim: int,
        *,
        rate: float,
        base: AbstractIntensity | None = None,
        kinds: int = 0,
        width: int = 32,
        heads: int = 4,
        key: RandomKey,
    ):
        """Starts as nearly a constant rate, or as nearly its `base`.

        Args:
            dim: the number of coordinates of a place.
            rate: about how many events there are per unit of time.
            base: an intensity to add.
            kinds: the number of kinds if marks are kinds.
            width: of the embedding, of the heads together and of the network.
            heads: of the attention.
            key: random key.

        Raises:
            ValueError: if the rate is not positive, or the heads do not divide the width.
        """
        if not 0.0 < rate < math.inf:
            raise ValueError(f"the rate is {rate}; give a positive number of events per time")
        if heads < 1 or width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}; change one")
        keys, dtype = jr.split(key, 5), jnp.zeros(()).dtype
        self.embed = eqx.nn.Linear(dim + max(kinds, 1), width, key=keys[0])
        self.query = eqx.nn.Linear(width + _GAP_FEATURES, width, key=keys[1])
        self.key = eqx.nn.Linear(width, width, key=keys[2])
        self.value = eqx.nn.Linear(width, width, key=keys[3])
        # From ten times shorter to ten times longer than the time between events.
        self.log_decays = jnp.linspace(math.log(10.0), -math.log(10.0), heads, dtype=dtype)
        log_rates = jnp.linspace(math.log(30.0), -math.log(3.0), _RATES, dtype=dtype)
        log_offsets = jnp.asarray([-math.log(10.0)], dtype)
        self.growth = Growth(log_rates + math.log(rate), log_offsets - math.log(rate))
        context = width + 3 * heads + width + _GAP_FEATURES
        self.network = MLP(context, self.growth.size, width=width, depth=2, key=keys[4])
        share = 1.0 if base is None else 0.01
        others = jnp.full((self.growth.size - 1,), math.log(0.1 * share / self.growth.size), dtype)
        self.log_first = jnp.asarray(math.log(rate * share), dtype)
        self.log_weights = jnp.concatenate([self.log_first[None], others])
        self.base = base
        self.scale = 1.0 / rate
        self.kinds = kinds

    def after(self, history: History) -> "NeuralHazard":
        """The hazard given a history; embeddings, keys and values are computed here."""
        if not len(history.times):
            history = history.longer(1)
        embedded = jax.vmap(self._embedding)(history.places, history.marks)
        heads = len(self.log_decays)

        def by_head(layer: eqx.nn.Linear) -> Float[Array, "n heads size"]:
            return jax.vmap(layer)(embedded).reshape(len(embedded), heads, -1)

        base = None if self.base is None else self.base.after(history)
        return NeuralHazard(self, history, embedded, by_head(self.key), by_head(self.value), base)

    def _embedding(self, place: Array, mark: Scalar) -> Float[Array, " width"]:
        if self.kinds:
            what = jax.nn.one_hot(jnp.round(mark).astype(int), self.kinds, dtype=place.dtype)
        else:
            what = mark[None]
        return jax.nn.silu(self.embed(jnp.concatenate([place, what])))


class NeuralHazard(AbstractHazard):
    """The hazard of `Neural` given a history of one entry or more, embedded; `base` is added."""

    intensity: Neural
    history: History
    embedded: Float[Array, "n width"]
    keys: Float[Array, "n heads size"]
    values: Float[Array, "n heads size"]
    base: AbstractHazard | None

    def log_rate(self, t: Scalar) -> Scalar:
        r"""$\log\lambda(t)$ given the events strictly before `t`."""
        own = self._log_own(t)
        return own if self.base is None else jnp.logaddexp(own, self.base.log_rate(t))

    def log_parents(self, t: Scalar) -> Float[Array, " parents"] | None:
        """Those of the base, if it has some: what the network adds has no parent."""
        parents = None if self.base is None else self.base.log_parents(t)
        return (
            None
            if parents is None
            else parents.at[0].set(jnp.logaddexp(self._log_own(t), parents[0]))
        )

    def _log_own(self, t: Scalar) -> Scalar:
        """The log-rate that the network adds."""
        has_past, since, weights = self._state(self.history.before(t))
        slopes = self.intensity.growth.log_slopes(jnp.where(has_past, t - since, 0.0))
        return jnp.where(has_past, jax.nn.logsumexp(weights + slopes), self.intensity.log_first)

    def integral(self, start: Scalar, end: Scalar) -> Scalar:
        r"""$\Lambda(end) - \Lambda(start)$ from the growths of the functions in between."""
        has_past, since, weights = self._state(self.history.before(start, inclusive=True))
        duration = end - start
        grown = self.intensity.growth.increments(jnp.where(has_past, start - since, 0.0), duration)
        first = jnp.exp(self.intensity.log_first) * duration
        own = jnp.where(has_past, jnp.exp(weights) @ grown, first)
        return own if self.base is None else own + self.base.integral(start, end)

    def total(self, excerpt: Excerpts) -> Scalar:
        """The sum of the integrals."""
        return integrals(self, excerpt).sum()

    def _state(self, past: Bool[Array, " n"]) -> tuple[Array, Scalar, Float[Array, " functions"]]:
        """Whether there is an event in the past, when the latest was, and its log-weights."""
        latest, has_past = _last(past)
        context = self._context(past, latest)
        change = _CONTRAST * jnp.tanh(self.intensity.network(context) / _CONTRAST)
        return has_past, self.history.times[latest], self.intensity.log_weights + change

    def _context(self, past: Bool[Array, " n"], latest: Int[Array, ""]) -> Float[Array, " context"]:
        """The attention of the latest event over the past, from what was known when it came."""
        times, scale = self.history.times, self.intensity.scale
        before, has_before = _last(past & (jnp.arange(len(past)) < latest))
        gap = jnp.where(has_before, times[latest] - times[before], 0.0) / scale
        own = jnp.concatenate([self.embedded[latest], _gap_features(gap, has_before)])
        queries = self.intensity.query(own).reshape(self.keys.shape[1:])
        ages = jnp.where(past, times[latest] - times, 0.0) / scale
        decayed = -jnp.exp(self.intensity.log_decays)[:, None] * ages
        scores = jnp.einsum("hs,nhs->hn", queries, self.keys) / self.keys.shape[2] ** 0.5 + decayed
        shares = jax.nn.softmax(jnp.where(past, scores, NEVER), axis=1)
        values = jnp.einsum("hn,nhs->hs", shares, self.values).reshape(-1)
        counts = jnp.log1p(jnp.sum(jnp.where(past, jnp.exp(decayed), 0.0), axis=1))
        recency = shares @ jnp.stack([jnp.log1p(ages), jnp.log1p(100.0 * ages)], axis=1)
        return jnp.concatenate([values, counts, recency.reshape(-1), own])


def _gap_features(gap: Scalar, is_known: Bool[Array, ""]) -> Float[Array, " 3"]:
    known = is_known.astype(gap.dtype)
    return jnp.stack([known, known * jnp.log1p(gap), known * jnp.log1p(100.0 * gap)])


def _last(past: Bool[Array, " n"]) -> tuple[Int[Array, ""], Bool[Array, ""]]:
    """The last entry of the past, zero if there is none, and whether there is one."""
    last = jnp.max(jnp.where(past, jnp.arange(len(past)), -1))
    return jnp.maximum(last, 0), last >= 0


def _second(x: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""$1 - (1 + x) e^{-x} = \sum_{k \ge 2} (-1)^k (k - 1) x^k / k!$ for $x \ge 0$."""
    is_small = x < _SERIES
    small, large = jnp.where(is_small, x, 0.0), jnp.where(is_small, _SERIES, x)
    series = jnp.zeros_like(x)
    for k in range(_TERMS, 1, -1):
        series = (-1) ** k * (k - 1) / math.factorial(k) + small * series
    return jnp.where(is_small, small * small * series, 1.0 - (1.0 + large) * jnp.exp(-large))
