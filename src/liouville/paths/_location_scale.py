from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from liouville.curves import AbstractCurve, shape_of, value_and_rate
from liouville.numerics.conditioning import AbstractConditional, is_conditional
from liouville.numerics.parameters import AbstractParameter, Fixed, value_of
from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.paths._base import AbstractMarginal, AbstractPath
from liouville.paths._factorised import Coordinates
from liouville.paths._families import AbstractFamily, AbstractShape, Gaussian
from liouville.paths._scales import AbstractFrames, AbstractScale, Diagonal
from liouville.paths._transfer_flux import crossing


class Masses(eqx.Module):
    r"""Masses $m_k(t) > 0$ of parts that grow and shrink in place, as logits of a `LocationScale`.

    $$M\rho = \sum_k m_k \rho_k, \quad M = \sum_k m_k, \qquad u = \sum_k \gamma_k u_k, \qquad
      h = \sum_k \gamma_k \frac{m_k'}{m_k}:$$

    the velocity is that of constant weights, and no mass travels for the masses to change. If the
    total $M$ is known, only the shares $m_k/M$ are free.

    Attributes:
        log_mass: curve of $\log m$, shape `(parts,)`; up to a constant, if the total is given.
        log_total: curve of $\log M$, shape `()`; it may be in a `Fixed`.
    """

    log_mass: AbstractCurve
    log_total: AbstractCurve | Fixed | None = None


class LocationScale(AbstractPath):
    r"""A mixture of parts $x = \mu_k(t) + L_k(t) z$; one part is allowed.

    $$\rho_t(x) = \sum_k w_k \, |L_k|^{-1} p(z_k), \qquad
      u_t(x) = \sum_k \gamma_k(x) \left( \mu_k' + L_k' L_k^{-1} (x - \mu_k) \right),$$

    with $z_k = L_k^{-1}(x - \mu_k)$ and $\gamma_k$ the chance that $x$ came from part $k$. Every
    part carries its own mass, so the sum obeys the continuity equation.

    If the weights move too, the velocity has a transfer flux as that of `FactorisedMixture`
    besides, in two steps. In its own frame, where it is a product, a part trades with a narrow copy
    of itself, $L_k \to \epsilon_k L_k$. The copies trade with a reference along the axes of space,
    with the conditional densities $f_{ki} = p(z_{ki})/(\epsilon_k L_{k,ii})$: a triangular $L_k$
    makes $z_{ki}$ a function of $x_{\le i}$ alone, so that the sum telescopes as well. Without the
    first step correlated parts would trade where their density is nothing.

    Attributes:
        location: curve of the locations $\mu$, shape `(parts, dim)`.
        raw_scale: curve of the unconstrained scales, shape `scale.raw_shape(parts, dim)`.
        logits: $\log w$ up to a constant, shape `(parts,)`, learned; in a
            `liouville.numerics.parameters.Fixed` they stay, as hard ends of several parts need, or
            they are computed from others (`liouville.numerics.weights.CoupledWeights`), a curve
            moves them by a flux, or the parts grow (`Masses`); any of these may await a context
            (`liouville.numerics.conditioning`).
        family: the standard density $p$ of a point: independent coordinates (`Gaussian`,
            `Logistic`, ...), or `Student`, with constant weights only.
        scale: how unconstrained scales become $L$: `Diagonal`, `Full`, or `Leading` between them.

    Raises:
        ValueError: on curves whose shapes do not belong together, or weights that move between
            parts whose coordinates have no distribution functions.
    """

    location: AbstractCurve
    raw_scale: AbstractCurve
    logits: (
        Float[Array, " parts"]
        | Fixed
        | AbstractParameter
        | AbstractCurve
        | Masses
        | AbstractConditional
    )
    family: AbstractShape = Gaussian()
    scale: AbstractScale = Diagonal()

    def __check_init__(self):
        if isinstance(self.logits, AbstractCurve) and not isinstance(self.family, AbstractFamily):
            raise ValueError(
                f"weights that move need independent coordinates, and {type(self.family).__name__} "
                "has none; give logits of shape (parts,)"
            )
        if is_conditional((self.location, self.raw_scale, self.logits)):
            return  # without their context these curves have no value to look at
        location, raw = shape_of(self.location), shape_of(self.raw_scale)
        time = jax.ShapeDtypeStruct((), jnp.zeros(()).dtype)
        logits = jax.eval_shape(_log_weights, self.logits, time).shape
        if len(location) != 2 or logits != location[:1]:
            raise ValueError(
                f"locations have shape {location} and logits {logits}; "
                "they must be (parts, dim) and (parts,)"
            )
        if raw != self.scale.raw_shape(*location):
            raise ValueError(
                f"raw scales have shape {raw}, but {type(self.scale).__name__} needs "
                f"{self.scale.raw_shape(*location)} for locations of shape {location}"
            )

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return shape_of(self.location)[1]

    def at(self, t: Scalar) -> "LocationScaleMarginal":
        """The marginal at time `t` of shape `()`."""
        frames = self.scale.frames(
            *value_and_rate(self.location, t),
            *value_and_rate(self.raw_scale, t),
            is_rotation_invariant=self.family.is_rotation_invariant,
        )
        return LocationScaleMarginal(frames, family=self.family, **_weights_of(self.logits, t))


def _weights_of(logits: Any, t: Scalar) -> dict[str, Any]:
    """The fields of a marginal that follow from the logits: weights, and how they change if so."""
    if isinstance(logits, Masses):
        masses, rates = value_and_rate(logits.log_mass, t)
        if logits.log_total is not None:
            shares, share_rates = jax.jvp(jax.nn.log_softmax, (masses,), (rates,))
            total, total_rate = value_and_rate(value_of(logits.log_total), t)
            masses, rates = shares + total, share_rates + total_rate
        weights = {"log_weights": jax.nn.log_softmax(masses), "log_weights_rate": None}
        return {**weights, "log_masses": masses, "growth_rates": rates}
    if isinstance(logits, AbstractCurve):
        values, rates = value_and_rate(logits, t)
        values, rates = jax.jvp(jax.nn.log_softmax, (values,), (rates,))
        return {"log_weights": values, "log_weights_rate": rates}
    return {"log_weights": jax.nn.log_softmax(value_of(logits)), "log_weights_rate": None}


def _log_weights(logits: Any, t: Scalar) -> Float[Array, " parts"]:
    return _weights_of(logits, t)["log_weights"]


class LocationScaleMarginal(AbstractMarginal):
    r"""Parts in moving frames at one time.

    Attributes:
        frames: the frames $x = \mu_k + L_k z$.
        log_weights: $\log w$, normalised, shape `(parts,)`.
        log_weights_rate: $w'/w$, shape `(parts,)`; none if the weights do not move.
        family: the standard density of a point.
        log_masses: $\log m$, shape `(parts,)`; none if the parts do not grow.
        growth_rates: $m'/m$, shape `(parts,)`; none if the parts do not grow.
    """

    frames: AbstractFrames
    log_weights: Float[Array, " parts"]
    log_weights_rate: Float[Array, " parts"] | None
    family: AbstractShape
    log_masses: Float[Array, " parts"] | None = None
    growth_rates: Float[Array, " parts"] | None = None

    def log_density(self, x: Point) -> Scalar:
        r"""$\log\sum_k w_k \rho_k(x)$."""
        return jax.nn.logsumexp(self._log_joint(x))

    def velocity(self, x: Point) -> Point:
        r"""$\sum_k \gamma_k (\mu_k' + A_k (x - \mu_k))$, plus transfer flux over density."""
        joint = self._log_joint(x)
        carried = self.frames.velocity(x, jax.nn.softmax(joint))
        if self.log_weights_rate is None:
            return carried
        return carried - self.log_weights_rate @ self._transferred(x, joint)

    def growth(self, x: Point) -> Scalar:
        r"""$\sum_k \gamma_k m_k'/m_k$."""
        if self.growth_rates is None:
            return jnp.zeros((), x.dtype)
        return jax.nn.softmax(self._log_joint(x)) @ self.growth_rates

    @property
    def log_mass(self) -> Scalar:
        r"""$\log\sum_k m_k$."""
        return jnp.asarray(0.0) if self.log_masses is None else jax.nn.logsumexp(self.log_masses)

    def log_parts(self, x: Point) -> Float[Array, " parts"]:
        r"""$\log(w_k\rho_k(x))$; only of all together, if their weights move by a flux."""
        if self.log_weights_rate is None:
            return self._log_joint(x)
        return self.log_density(x)[None]

    @property
    def log_part_masses(self) -> Float[Array, " parts"]:
        r"""$\log m_k$, or the constant $\log w_k$."""
        if self.log_weights_rate is not None:
            return self.log_mass[None]
        return self.log_weights if self.log_masses is None else self.log_masses

    def sample(self, *, key: RandomKey) -> Point:
        """One draw: a part by its weight, then a point of it."""
        part_key, point_key = jr.split(key)
        part = jr.categorical(part_key, self.log_weights)
        z = self.family.of_part(part).sample(self.frames.location.shape[1:], key=point_key)
        return self.frames.place(part, z.astype(self.log_weights.dtype))

    def particles(self, n: int, *, key: RandomKey) -> tuple[Points, Float[Array, " n"]]:
        """The same number of points in every part, mirrored if possible, weighted by the part."""
        parts, dim = self.frames.location.shape
        each = -(-n // parts)
        if self.family.is_symmetric:
            # Points and their mirror images: exact for odd moments, and no less unbiased.
            half = self.family.sample((-(-each // 2), parts, dim), key=key)
            z = jnp.concatenate([half, -half])[:each]
        else:
            z = self.family.sample((each, parts, dim), key=key)
        z = z.astype(self.log_weights.dtype)
        points = jax.vmap(self.frames.from_standard)(z).reshape(each * parts, dim)
        return points, jnp.tile(jnp.exp(self.log_weights) / each, each)

    def coordinates(self, x: Point) -> Coordinates:
        """The conditional densities and distribution functions of the parts' coordinates at `x`.

        Of every coordinate given those before it; arrays of shape `(parts, dim)`.
        """
        return self._coordinates(self.frames.to_standard(x), self.frames.log_scale)

    def _log_joint(self, x: Point) -> Float[Array, " parts"]:
        frames, family = self.frames, self.family
        if family.is_rotation_invariant:
            shape = family.log_radial(frames.squares(x), len(x))
        else:
            shape = family.log_joint(frames.to_standard(x))
        return self.log_weights - frames.log_volumes + shape

    def _transferred(self, x: Point, joint: Float[Array, " parts"]) -> Float[Array, "parts dim"]:
        """What the parts send to the reference, each first to a narrow copy of itself.

        Along the axes of its own frame a part and its copy are products, and the copies are narrow
        enough to be sent along the axes of space: where mass travels there is density.
        """
        frames, narrowing = self.frames, self.frames.log_narrowing
        z, narrow = frames.to_standard(x), jnp.exp(-narrowing)[:, None]
        none, copy = jnp.zeros_like(z), jnp.broadcast_to(narrowing[:, None], z.shape)
        own, copied = self._coordinates(z, none), self._coordinates(z * narrow, copy)
        log_weights = self.log_weights - frames.log_volumes
        within = frames.stretch(crossing(own, copied, log_weights, joint))
        log_scales = frames.log_scale + copy
        broadest = jnp.argmax(frames.log_volumes)
        location, log_scale = frames.location[broadest], log_scales[broadest]
        reference = self._coordinates((x - location) * jnp.exp(-log_scale), log_scale)
        copies = self._coordinates(z * narrow, log_scales)
        weighted = self.log_weights + copies.log_density.sum(-1)
        return within + crossing(copies, reference, self.log_weights, weighted, joint)

    def _coordinates(self, z: Float[Array, "..."], log_scale: Float[Array, "..."]) -> Coordinates:
        family = self.family
        if not isinstance(family, AbstractFamily):
            raise TypeError(f"{type(family).__name__} parts have no independent coordinates")
        left, right = family.log_tails(z)
        left_mills, right_mills = family.log_mills(z)
        return Coordinates(
            family.log_density(z) - log_scale,
            left,
            right,
            left_mills + log_scale,
            right_mills + log_scale,
        )
