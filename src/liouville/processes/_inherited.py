from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from liouville.numerics.types import RandomKey, Scalar, as_float
from liouville.processes._base import AbstractMarks
from liouville.processes._history import History
from liouville.processes._kernels import log_weights, logits_of
from liouville.processes._marks import Kinds


class InheritedKinds(AbstractMarks):
    r"""Kinds of events, each of which is background or the child of an earlier one.

    With the chance $p_0$ that an event at $t$ and $x$ has no parent, and $p_i$ that event $i$ is
    it, which the other factors of a process know,

    $$P(k \mid t, x, H) = p_0\, b_k + \sum_{t_i < t} p_i\, B_{k_i k}.$$

    If $p_0 \propto \mu(t)$ and $p_i \propto \kappa(k_i)\, g(t - t_i)$ are those of a Hawkes process
    and events have no place, this is the multivariate Hawkes process of the rates

    $$\lambda_k(t) = \mu(t)\, b_k + \sum_{t_i < t} A_{k_i k}\, g(t - t_i), \qquad
      A_{jk} = \kappa(j)\, B_{jk},$$

    the expected number of direct children of kind $k$ of an event of kind $j$. With places that are
    triggered, $p$ knows where the event is, too.

    Where there are too many kinds for a row of $B$ for each, all have one row beside a chance
    $\sigma$ to be of the parent's kind, $B_{jk} = (1 - \sigma)\, s_k + \sigma\, [j = k]$.

    Attributes:
        background: logits of $b$ of all kinds but the first, shape `(kinds - 1,)`, learned.
        children: logits of $B$, likewise by column, shape `(kinds, kinds - 1)`, or of $s$, shape
            `(1, kinds - 1)`; learned.
        same: logit of $\sigma$, shape `()`, learned; `None` with a row for each kind.
    """

    background: Float[Array, " rest"]
    children: Float[Array, "rows rest"]
    same: Float[Array, ""] | None = None

    @staticmethod
    def of(
        background: Sequence[float] | np.ndarray,
        children: Sequence[Sequence[float]] | np.ndarray,
        same: float | None = None,
    ) -> "InheritedKinds":
        """The law of given probabilities, up to a factor of each row."""
        rows = np.atleast_2d(np.asarray(children, float))
        logits = [logits_of(row.tolist(), rows.shape[1]) for row in rows]
        own = None if same is None else as_float(np.log(same) - np.log1p(-same))
        first = np.asarray(background, float).tolist()
        return InheritedKinds(logits_of(first, len(first)), jnp.stack(logits), own)

    @property
    def alone(self) -> Kinds:
        """The law of the kind of an event without a parent."""
        return Kinds(self.background)

    @property
    def kinds(self) -> int:
        """How many kinds there are."""
        return len(self.background) + 1

    @property
    def shares(self) -> Float[Array, "kinds kinds"]:
        """$B$: of the children of each kind of parent, the share of each kind."""
        drawn = jnp.exp(jax.vmap(log_weights)(self.children))
        if self.same is None:
            return drawn
        same = jax.nn.sigmoid(self.same)
        return (1.0 - same) * drawn + same * jnp.eye(self.kinds, dtype=drawn.dtype)

    @property
    def log_shares(self) -> Float[Array, "kinds kinds"]:
        r"""$\log B$, finite also where a share is zero by rounding."""
        return jnp.log(self.shares + jnp.finfo(self.children.dtype).tiny)

    def given(self, history: History, log_parents: Float[Array, " parents"] | None = None) -> Kinds:
        """The law of the kind of an event, given those before.

        Args:
            history: the events before.
            log_parents: the log-chances, up to a constant, that it has no parent, and of each event
                of the history to be it, shape `(events + 1,)`; `None` if events have no parents.
        """
        if log_parents is None:
            return self.alone
        return self.mixed(self.by_kind(history, log_parents))

    def by_kind(
        self, history: History, log_parents: Float[Array, " parents"]
    ) -> Float[Array, " groups"]:
        """The chances that an event has no parent, and one of each kind, shape `(kinds + 1,)`."""
        chances = jax.nn.softmax(log_parents)
        kinds = jax.nn.one_hot(_kind(history.marks), self.kinds, dtype=chances.dtype)
        return jnp.concatenate([chances[:1], chances[1:] @ kinds])

    def mixed(self, chances: Float[Array, " groups"]) -> Kinds:
        """The law of the kind of an event with chances as `by_kind` gives them."""
        of_parents = chances[1:] @ self.shares
        shares = chances[0] * self.alone.probabilities + of_parents
        logs = jnp.log(shares + jnp.finfo(shares.dtype).tiny)
        return Kinds(logs[1:] - logs[0])

    def log_parts(self, history: History, mark: Scalar) -> Float[Array, " parents"]:
        r"""$\log b_k$ and all $\log B_{k_i k}$ of one kind $k$, shape `(events + 1,)`."""
        kind = _kind(mark)
        own = self.log_shares[:, kind]
        first = log_weights(self.background)[kind]
        return jnp.concatenate([first[None], own[_kind(history.marks)]])

    def of_children(self, parent: Scalar) -> Kinds:
        """The law of the kinds of the children of an event of this kind."""
        logs = self.log_shares[_kind(parent)]
        return Kinds(logs[1:] - logs[0])

    def log_density(self, mark: Scalar) -> Scalar:
        """The log-probability of the kind of an event without a parent."""
        return self.alone.log_density(mark)

    def sample(self, *, key: RandomKey) -> Float[Array, ""]:
        """The number of the kind of one event without a parent."""
        return self.alone.sample(key=key)


def _kind(mark: Array) -> Array:
    return jnp.round(mark).astype(int)
