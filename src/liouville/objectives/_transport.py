from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array

from liouville.dynamics import Constant, drift
from liouville.numerics.devices import divided, places
from liouville.numerics.functions import check_function
from liouville.numerics.types import Point, RandomKey, Scalar
from liouville.objectives._base import AbstractTerm, stratified_times
from liouville.paths import AbstractMarginal, AbstractPath, Joined
from liouville.quantities import jacobian_asymmetry, kinetic_energy

Field = Callable[[Scalar, Point], Point]
Cost = Callable[[Scalar, Point], Scalar]


class KineticEnergy(AbstractTerm):
    r"""$\int \tfrac12 M_t E_{\rho_t}[|v_t - f_t|^2 + \delta^2 h_t^2]\,dt$, $v$ velocity or drift.

    Without noise the least value over paths from $\rho_0$ to $\rho_1$ in unit time is
    $\tfrac12 W_2^2$ (Benamou and Brenier 2000). With noise $g$ and `of="drift"` it is the
    Schrödinger bridge's $g^2\,\mathrm{KL}$ to the law of $dX = f\,dt + g\,dW$, up to the initial
    law (Girsanov), if $g$ is one number; without a reference $f = 0$. With growth its least value
    over paths of given masses and densities at both ends is half the squared distance of
    Wasserstein, Fisher and Rao at the length $\delta$: mass grows where it would travel further
    than $\pi\delta$ (Chizat et al. and Liero, Mielke and Savare, 2018).

    Attributes:
        interval: $(t_0, t_1)$.
        g: constant noise, in space per square root of time: a number, or one for each coordinate,
            shape `(dim,)`.
        of: `velocity` $u$, or `drift` $u + \tfrac12 g^2 \nabla\log\rho$.
        reference: $f$, a function of a time of shape `()` and a point; none for zero.
        delta: $\delta$, a length: what growth costs. Zero for paths that do not grow.
        times: the number of stratified times a step.
        particles: the number of particles at each time, or the number of parts if that is more.
        crowding: from 0 to 1, how much more often times near both ends are drawn (and weighted
            the less), for paths whose parts leave and meet there at once: `stratified_times`.
        name: under which the term is logged.
    """

    interval: tuple[float, float] = eqx.field(static=True)
    g: Constant = 0.0
    of: Literal["velocity", "drift"] = eqx.field(static=True, default="velocity")
    reference: Field | None = None
    delta: float | Scalar = 0.0
    times: int = eqx.field(static=True, default=16)
    particles: int = eqx.field(static=True, default=64)
    crowding: float = eqx.field(static=True, default=0.0)
    name: str = eqx.field(static=True, default="energy")

    def __check_init__(self):
        if self.of not in ("velocity", "drift"):
            raise ValueError(f"of is {self.of!r}; use 'velocity' or 'drift'")
        if self.of == "drift" and not np.all(np.asarray(self.g) > 0):
            raise ValueError(f"the energy of the drift needs g > 0, got {self.g}")

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """An unbiased estimate of the energy."""

        def excess(t, marginal, x):
            move = marginal.velocity(x) if self.of == "velocity" else drift(marginal, x, self.g)
            return move if self.reference is None else move - self.reference(t, x)

        def energy(t, marginal, points, weights, _):
            if self.reference is not None:
                one = {"t": t, "x": points[0]}
                check_function("the reference", self.reference, one, points.shape[1:])
            moves = jax.vmap(lambda x: excess(t, marginal, x))(points)
            rates = jax.vmap(marginal.growth)(points)
            grown = 0.5 * weights @ (self.delta * rates) ** 2
            return jnp.exp(marginal.log_mass) * (kinetic_energy(moves, weights) + grown)

        return over_time(
            path, energy, self.interval, self.times, self.particles, key, self.crowding
        )


class JacobianAsymmetry(AbstractTerm):
    r"""$\int_{t_0}^{t_1} E_{\rho_t} \tfrac12 \|Du - Du^\top\|_F^2\,dt$: the distance to a gradient.

    Its attributes are those of `KineticEnergy` with the same names.
    """

    interval: tuple[float, float] = eqx.field(static=True)
    times: int = eqx.field(static=True, default=16)
    particles: int = eqx.field(static=True, default=64)
    name: str = eqx.field(static=True, default="asymmetry")

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """An unbiased estimate of the asymmetry."""

        def asymmetry(_, marginal, points, weights, __):
            return weights @ jax.vmap(lambda x: jacobian_asymmetry(marginal, x))(points)

        return over_time(path, asymmetry, self.interval, self.times, self.particles, key)


class StateCost(AbstractTerm):
    r"""$\int_{t_0}^{t_1} E_{\rho_t} V(t, x)\,dt$, a running cost of the place.

    Its gradient passes through the particles, so `cost` should be differentiable almost
    everywhere. The other attributes are those of `KineticEnergy` with the same names.

    Attributes:
        cost: $V$, from a time of shape `()` and a point to a number of shape `()`.
    """

    interval: tuple[float, float] = eqx.field(static=True)
    cost: Cost
    times: int = eqx.field(static=True, default=16)
    particles: int = eqx.field(static=True, default=64)
    name: str = eqx.field(static=True, default="cost")

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """An unbiased estimate of the cost."""

        def cost(t, _, points, weights, __):
            check_function("the cost", self.cost, {"t": t, "x": points[0]}, ())
            return weights @ jax.vmap(lambda x: self.cost(t, x))(points)

        return over_time(path, cost, self.interval, self.times, self.particles, key)


class OverPieces(AbstractTerm):
    r"""A term for each piece of a `liouville.paths.Joined`, added up.

    Integrals over time are sums over the pieces, and each piece is asked only at its own times.

    Attributes:
        terms: one term a piece.
        name: under which the sum is logged.
    """

    terms: tuple[AbstractTerm, ...]
    name: str = eqx.field(static=True, default="energy")

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """The sum of the terms; piece `i` draws from `fold_in(key, i)`."""
        if not isinstance(path, Joined) or len(path.pieces) != len(self.terms):
            raise ValueError(f"{len(self.terms)} terms need a Joined path of as many pieces")
        pieces = enumerate(zip(self.terms, path.pieces))
        return sum(
            (term(piece, key=jr.fold_in(key, i)) for i, (term, piece) in pieces), jnp.zeros(())
        )


def over_time(path, quantity, interval, times, particles, key, crowding=0.0) -> Array:
    """The time integral of a quantity of (time, marginal, particles, weights, key)."""
    times_key, particles_key = jr.split(key)
    moments, shares = stratified_times(times, interval, key=times_key, crowding=crowding)

    def at_one_time(t, k):
        marginal: AbstractMarginal = path.at(t)
        points, weights = marginal.particles(particles, key=k)
        return quantity(t, marginal, points, weights, jr.fold_in(k, 1))

    place, counts = places(times)
    found = jax.vmap(at_one_time)(divided(moments[place]), jr.split(particles_key, times)[place])
    return divided(jnp.where(counts, shares[place], 0.0)) @ found
