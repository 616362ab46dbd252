"""The law of samples given numbers: a mixture that is a function of them, fitted by likelihood."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from liouville.numerics.expectation import fit_by_validation, fit_mixture
from liouville.numerics.mixtures import log_floor
from liouville.numerics.networks import MLP
from liouville.numerics.parameters import Fixed
from liouville.numerics.shares import systematic
from liouville.objectives import ContextLikelihood
from liouville.paths import ConditionalMixture, Full
from liouville.training import default_optimizer, fit

# Contexts of the rows that stand for all where no context is given.
_LISTED = 32
MOST_PARTS = 4
"""The most parts of a law that are tried by default."""
# Units of the network of a law, steps and batch of its fit.
_WIDTH, _STEPS, _BATCH = 64, 2000, 512
# Rows kept apart, and how often they judge; so many times without progress end the fit.
_KEPT, _EVERY, _PATIENCE, _RATE = 0.15, 100, 6, 5e-3


def listed_contexts(
    rows: np.ndarray, weights: np.ndarray | None = None, *, seed: int = 0
) -> tuple[Fixed[Float[Array, "contexts size"]], Fixed[Float[Array, " contexts"]]]:
    """Contexts that stand for those of all rows, `(n, size)`, and the logarithms of their shares.

    They are what `liouville.paths.Contextual` is made of.
    """
    rng = np.random.default_rng(seed)
    if weights is None:
        chosen = rng.permutation(len(rows))[:_LISTED]
    else:
        chosen = rng.permutation(systematic(weights / weights.sum(), _LISTED, rng))
    listed = jnp.asarray(rows[chosen], jnp.zeros(()).dtype)
    return Fixed(listed), Fixed(jnp.full(len(listed), -np.log(len(listed)), listed.dtype))


def law_given(
    points: np.ndarray,
    rows: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    parts: int | None = None,
    most: int = MOST_PARTS,
    seed: int = 0,
) -> ConditionalMixture:
    """The law of points given numbers, by its likelihood.

    It is one Gaussian, and a mixture only if what this leaves has more than one part and rows that
    are kept apart agree.

    Args:
        points: shape `(n, dim)`, of about unit spread.
        rows: the numbers of each, shape `(n, size)`, in any units.
        weights: how much the points count, shape `(n,)`; all alike by default.
        parts: the number of parts, if it is not to be found.
        most: the most that are tried.
        seed: of all random numbers.

    Raises:
        KeyboardInterrupt: if the user stops it.
    """
    order = np.random.default_rng(seed).permutation(len(points))
    data = _Rows(points[order], rows[order], None if weights is None else weights[order])
    plain, nats = _trained(data, parts or 1, seed)
    if parts is not None:
        return plain
    left = np.asarray(_whitened(plain, jnp.asarray(data.points), jnp.asarray(data.rows)), float)
    found = len(fit_by_validation(left, data.weights, most=most, seed=seed).weights)
    if found == 1:
        return plain
    mixed, fewer = _trained(data, found, seed)
    return mixed if fewer < nats else plain


def standard_law(law: ConditionalMixture) -> ConditionalMixture:
    """The standard normal law as one of the same contexts, whatever these are."""
    d, size = law.dim, law.slope.shape[1]
    dtype, scale = law.offset.dtype, law.scale
    raw = scale.from_covariance(jnp.eye(d, dtype=dtype))
    offset = jnp.concatenate([jnp.zeros(1 + d, dtype), raw.ravel()])
    network = MLP(size, len(offset), width=1, depth=1, key=jr.key(0))
    slope = jnp.zeros((len(offset), size), dtype)
    return ConditionalMixture(offset, slope, network, law.center, law.spread, 1, d, scale)


class _Rows(NamedTuple):
    """Points, the numbers they depend on, and how much they count."""

    points: np.ndarray
    rows: np.ndarray
    weights: np.ndarray | None

    def select(self, chosen: slice) -> "_Rows":
        own = None if self.weights is None else self.weights[chosen]
        return _Rows(self.points[chosen], self.rows[chosen], own)


@eqx.filter_jit
def _whitened(law: ConditionalMixture, points: jax.Array, rows: jax.Array) -> jax.Array:
    """What the points are in the frames of the law of one part, shape `(n, dim)`."""

    def one(x: jax.Array, context: jax.Array) -> jax.Array:
        return law.given(context).at(jnp.zeros((), x.dtype)).frames.to_standard(x)[0]

    return jax.vmap(one)(points.astype(law.offset.dtype), rows.astype(law.offset.dtype))


def _trained(data: _Rows, parts: int, seed: int) -> tuple[ConditionalMixture, float]:
    """A law of so many parts, and the nats of the rows that were kept apart."""
    kept = max(int(_KEPT * len(data.points)), 1)
    rest, judges = data.select(slice(kept, None)), data.select(slice(kept))
    training, validation = (
        ContextLikelihood.of(0.0, *own, batch_size=batch)
        for own, batch in ((rest, _BATCH), (judges, None))
    )
    found = fit(
        _regression(rest, parts, seed),
        training,
        steps=_STEPS,
        optimizer=default_optimizer(_RATE, _STEPS),
        seed=seed,
        validation=validation,
        validate_every=_EVERY,
        patience=_PATIENCE,
        progress=False,
    )
    if found.reason == "interrupted":
        raise KeyboardInterrupt
    return found.path, float(validation(found.path, key=jr.key(0)))


def _regression(data: _Rows, parts: int, seed: int) -> ConditionalMixture:
    """A linear regression with a mixture for what is left."""
    points, rows, weights = data
    center, spread = rows.mean(axis=0), rows.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    design = np.column_stack([np.ones(len(rows)), (rows - center) / spread])
    root = np.ones((len(rows), 1)) if weights is None else np.sqrt(weights)[:, None]
    lines = np.linalg.lstsq(root * design, root * points, rcond=None)[0]
    left = points - design @ lines
    rest = fit_mixture(left, weights, parts=parts, seed=seed)
    k, d, size = len(rest.weights), points.shape[1], rows.shape[1]
    dtype = jnp.zeros(()).dtype
    scale = Full(log_floor(rest.covariances, 1e-3))
    raw = np.asarray(scale.from_covariance(jnp.asarray(rest.covariances, dtype)))
    means = rest.means + lines[0]
    slope = np.zeros((k + k * d + k * d * d, size))
    slope[k : k + k * d] = np.tile(lines[1:].T, (k, 1))
    offset = np.concatenate([np.log(rest.weights), means.ravel(), raw.ravel()])
    return ConditionalMixture(
        jnp.asarray(offset, dtype),
        jnp.asarray(slope, dtype),
        MLP(size, len(offset), width=_WIDTH, depth=2, key=jr.key(seed)),
        Fixed(jnp.asarray(center, dtype)),
        Fixed(jnp.asarray(spread, dtype)),
        k,
        d,
        scale,
    )
