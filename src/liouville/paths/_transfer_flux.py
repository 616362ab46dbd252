"""The flux that carries mass between parts whose weights move, without underflow."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from liouville.paths._factorised import Coordinates

# How much narrower than the parts a reference is: its variance is half of theirs.
NARROWER = 0.5 * math.log(2.0)

Values = Float[Array, "parts dim"]


def pick(a: Float[Array, "*n choices"], index: Int[Array, "*n"]) -> Float[Array, "*n"]:
    """The chosen entries of the last axis, with the derivative of what is chosen.

    The derivative of `max` finds the largest entry by comparison with the result: where a compiler
    forms the two in different loops they may differ in the last bit, and no entry is equal.
    """
    is_chosen = jnp.arange(a.shape[-1]) == index[..., None]
    return jnp.where(is_chosen, a, 0.0).sum(-1)


def crossing(
    at_x: Coordinates,
    reference: Coordinates,
    log_weights: Float[Array, " parts"],
    joint: Float[Array, " parts"],
    total: Float[Array, " others"] | None = None,
) -> Values:
    r"""$w_k (\prod_{m<i} f_{km}) (F_{ki} - R_i) (\prod_{m>i} r_m) / \rho$ without underflow.

    From the coordinates of all parts and those of the reference, of shape `(dim,)` or one for each
    part; `joint` is $\log(w_k \rho_k)$, and the exponentials of `total`, by default `joint`, add
    up to $\rho$.
    """
    f, r = at_x.log_density, reference.log_density
    multiple, size, own = _differences(at_x, reference)
    # Two forms of one number: as a share of rho times ratios to the part's own density, which are
    # bounded in its tails, and as it stands. Each loses digits where its terms are large.
    log_density = jax.nn.logsumexp(joint if total is None else total)
    share = (joint - log_density)[:, None]
    shift = log_weights[:, None] - log_density
    by_ratios = (share, own, _after(r - f))
    as_it_stands = (shift, size, _before(f), _after(jnp.broadcast_to(r, f.shape)))
    first, second = (sum(jnp.abs(a) for a in terms) for terms in (by_ratios, as_it_stands))
    log_size = jnp.where(first < second, sum(by_ratios), sum(as_it_stands))
    ceiling = 0.9 * math.log(float(jnp.finfo(f.dtype).max))
    return multiple * jnp.exp(jnp.minimum(log_size, ceiling))


def _differences(at_x: Coordinates, reference: Coordinates) -> tuple[Values, Values, Values]:
    r"""$F_{ki} - R_i = m e^a$ with $|m| \le 1$: $m$, $a$, and $a - \log f_{ki}$ with its digits.

    From the left or, with the other sign, from the right: where both are small. No logarithm of
    a difference is taken, which would have no derivative where the difference is zero.
    """
    tails = jnp.stack([at_x.log_left, at_x.log_right])
    reference_tails = jnp.stack([reference.log_left, reference.log_right])
    if reference_tails.ndim < tails.ndim:
        reference_tails = reference_tails[:, None]
    mills = jnp.stack([at_x.log_left_mills, at_x.log_right_mills])
    larger = jnp.maximum(tails, reference_tails)
    is_left = larger[0] <= larger[1]
    tail, reference_tail, ratio, size = (
        jnp.where(is_left, a[0], a[1]) for a in (tails, reference_tails, mills, larger)
    )
    gap = tail - reference_tail
    multiple = jnp.expm1(jnp.minimum(gap, 0.0)) - jnp.expm1(-jnp.maximum(gap, 0.0))
    own = jnp.maximum(ratio, reference_tail - at_x.log_density)
    return jnp.where(is_left, multiple, -multiple), size, own


def _before(a: Values) -> Values:
    """The sums over the coordinates before each one."""
    sums = jnp.cumsum(a, axis=1)
    return jnp.concatenate([jnp.zeros_like(sums[:, :1]), sums[:, :-1]], axis=1)


def _after(a: Values) -> Values:
    """The sums over the coordinates after each one."""
    return _before(a[:, ::-1])[:, ::-1]
