"""Weights of moving parts that keep two mixtures exact: one part for a pair of end parts."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from liouville.numerics.parameters import AbstractParameter, Fixed

_SINKHORN_ROUNDS = 20
_NEWTON_STEPS = 8
# Balancing leaves one number free in every connected set of pairs; the ridge, relative to the
# masses, takes the smallest solution and does not move the balance itself.
_RIDGE = 1e-6


class CoupledWeights(AbstractParameter):
    r"""Weights $\pi_j$ of parts that run from part $k_j$ of one mixture to part $l_j$ of another.

    $$\pi_j = e^{\theta_j + \alpha_{k_j} + \beta_{l_j}}, \qquad
      \sum_{j: k_j = k} \pi_j = a_k, \quad \sum_{j: l_j = l} \pi_j = b_l:$$

    whatever the logits $\theta$, the weights couple $a$ and $b$, so both ends of the path stay what
    they are. The potentials are found by Sinkhorn's iteration and polished by Newton's; one last
    Newton step carries the gradient, which is the exact one (implicit function theorem).

    Attributes:
        logits: $\theta$, shape `(parts,)`, learned.
        sources: $k_j$, shape `(parts,)`.
        targets: $l_j$, shape `(parts,)`.
        source_weights: $a$, shape `(source parts,)`, not learned.
        target_weights: $b$, shape `(target parts,)`, not learned.
    """

    logits: Float[Array, " parts"]
    sources: Int[Array, " parts"]
    targets: Int[Array, " parts"]
    source_weights: Fixed[Float[Array, " rows"]]
    target_weights: Fixed[Float[Array, " columns"]]

    @staticmethod
    def of(
        weights: np.ndarray,
        sources: Sequence[int] | np.ndarray,
        targets: Sequence[int] | np.ndarray,
        source_weights: np.ndarray,
        target_weights: np.ndarray,
    ) -> "CoupledWeights":
        """Starts from given positive weights, made to couple the end weights.

        Raises:
            ValueError: if a part of an end belongs to no pair, or no weights on these pairs couple
                the ends.
        """
        sources, targets = np.asarray(sources), np.asarray(targets)
        a, b = (w / np.sum(w) for w in (source_weights, target_weights))
        for name, own, masses in (("source", sources, a), ("target", targets, b)):
            missing = np.setdiff1d(np.arange(len(masses)), own)
            if missing.size:
                raise ValueError(f"{name} part {missing[0]} belongs to no pair; add one")
        dtype = jnp.zeros(()).dtype
        coupled = CoupledWeights(
            jnp.asarray(np.log(weights), dtype),
            jnp.asarray(sources),
            jnp.asarray(targets),
            Fixed(jnp.asarray(a, dtype)),
            Fixed(jnp.asarray(b, dtype)),
        )
        found = np.exp(np.asarray(jax.jit(lambda weights: weights.value)(coupled)))
        # Either side alone may be met where both together cannot.
        misses = [np.bincount(own, found, len(w)) - w for own, w in ((sources, a), (targets, b))]
        error = float(np.abs(np.concatenate(misses)).max())
        if not error <= 1e-4:
            raise ValueError(
                f"no weights on these pairs couple the ends (a part is off by {error:.2g}); "
                "add pairs"
            )
        return coupled

    @property
    def value(self) -> Float[Array, " parts"]:
        r"""The log-weights $\log \pi$, shape `(parts,)`."""
        still = jax.lax.stop_gradient(self.logits)
        potentials = self._sinkhorn(still)
        potentials = jax.lax.fori_loop(
            0, _NEWTON_STEPS, lambda _, p: self._newton(still, p), potentials
        )
        alpha, beta = self._newton(self.logits, jax.lax.stop_gradient(potentials))
        return self._log_weights(self.logits, alpha, beta)

    def _log_weights(self, logits: Array, alpha: Array, beta: Array) -> Array:
        return logits + alpha[self.sources] + beta[self.targets]

    def _sinkhorn(self, logits: Array) -> tuple[Array, Array]:
        a, b = self.source_weights.value, self.target_weights.value

        def balanced(beta: Array) -> Array:
            values = logits + beta[self.targets]
            return jnp.log(a) - _log_sums(values, self.sources, a.shape[0])

        def one(_, beta: Array) -> Array:
            values = logits + balanced(beta)[self.sources]
            return jnp.log(b) - _log_sums(values, self.targets, b.shape[0])

        beta = jax.lax.fori_loop(0, _SINKHORN_ROUNDS, one, jnp.zeros_like(b))
        return balanced(beta), beta

    def _newton(self, logits: Array, potentials: tuple[Array, Array]) -> tuple[Array, Array]:
        """One Newton step toward potentials at which the weights couple the ends."""
        a, b = self.source_weights.value, self.target_weights.value
        alpha, beta = potentials
        weights = jnp.exp(self._log_weights(logits, alpha, beta))
        table = jnp.zeros((a.shape[0], b.shape[0]), weights.dtype)
        table = table.at[self.sources, self.targets].add(weights)
        rows, columns = table.sum(1), table.sum(0)
        slope = jnp.block([[jnp.diag(rows), table], [table.T, jnp.diag(columns)]])
        missing = jnp.concatenate([a - rows, b - columns])
        # In units of the root of the masses, so that the ridge treats small parts like large ones.
        unit = jax.lax.rsqrt(jnp.concatenate([a, b]))
        scaled = unit[:, None] * slope * unit + _RIDGE * jnp.eye(len(unit), dtype=unit.dtype)
        step = unit * jnp.linalg.solve(scaled, unit * missing)
        # Far from the solution a whole step may overshoot; a bounded one comes closer.
        step = jnp.clip(step, -2.0, 2.0)
        return alpha + step[: a.shape[0]], beta + step[a.shape[0] :]


class GroupedWeights(AbstractParameter):
    r"""Log-weights of parts in groups of given weight, $\log a_g + \log\mathrm{softmax}_g(\theta)$.

    Parts of one part of a mixture keep its weight, however it is shared among them.

    Attributes:
        logits: $\theta$, shape `(parts,)`, learned.
        groups: the group of each part, shape `(parts,)`; every group has a part.
        group_weights: $a$, shape `(groups,)`, not learned.
    """

    logits: Float[Array, " parts"]
    groups: Int[Array, " parts"]
    group_weights: Fixed[Float[Array, " groups"]]

    @property
    def value(self) -> Float[Array, " parts"]:
        """The log-weights, shape `(parts,)`."""
        weights = self.group_weights.value
        totals = _log_sums(self.logits, self.groups, weights.shape[0])
        return self.logits + (jnp.log(weights) - totals)[self.groups]


def _log_sums(values: Array, groups: Array, count: int) -> Array:
    r"""$\log\sum_{j: g_j = g} e^{v_j}$ of `count` groups, each of which has a value."""
    most = jax.lax.stop_gradient(jax.ops.segment_max(values, groups, count))
    return most + jnp.log(jax.ops.segment_sum(jnp.exp(values - most[groups]), groups, count))
