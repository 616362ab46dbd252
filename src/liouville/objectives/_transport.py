from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from liouville._types import RandomKey, Scalar
from liouville.dynamics import drift
from liouville.objectives._base import AbstractTerm, stratified_times
from liouville.paths import AbstractMarginal, AbstractPath
from liouville.quantities import jacobian_asymmetry, kinetic_energy


class KineticEnergy(AbstractTerm):
    r"""$\int_{t_0}^{t_1} \tfrac12 E_{\rho_t} |v_t|^2\,dt$, with $v$ the velocity or the drift.

    Without noise the least value over paths from $\rho_0$ to $\rho_1$ in unit time is
    $\tfrac12 W_2^2$ (Benamou and Brenier 2000). With noise $g$ and `of="drift"` it is the
    Schrödinger bridge's $g^2\,\mathrm{KL}$ to Brownian motion, up to the initial law.

    Attributes:
        interval: $(t_0, t_1)$.
        g: constant noise, in space per square root of time.
        of: `velocity` $u$, or `drift` $u + \tfrac12 g^2 \nabla\log\rho$.
        times: the number of stratified times a step.
        particles: the number of particles at each time, or the number of parts if that is more.
        name: under which the term is logged.
    """

    interval: tuple[float, float] = eqx.field(static=True)
    g: float = eqx.field(static=True, default=0.0)
    of: Literal["velocity", "drift"] = eqx.field(static=True, default="velocity")
    times: int = eqx.field(static=True, default=16)
    particles: int = eqx.field(static=True, default=64)
    name: str = eqx.field(static=True, default="energy")

    def __check_init__(self):
        """A drift needs noise."""
        if self.of not in ("velocity", "drift"):
            raise ValueError(f"of is {self.of!r}; use 'velocity' or 'drift'")
        if self.of == "drift" and self.g <= 0:
            raise ValueError(f"the energy of the drift needs g > 0, got {self.g}")

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """An unbiased estimate of the energy."""

        def energy(marginal, points, weights):
            move = (
                marginal.velocity if self.of == "velocity" else lambda x: drift(marginal, x, self.g)
            )
            return kinetic_energy(jax.vmap(move)(points), weights)

        return _over_time(path, energy, self.interval, self.times, self.particles, key)


class JacobianAsymmetry(AbstractTerm):
    r"""$\int_{t_0}^{t_1} E_{\rho_t} \tfrac12 \|Du - Du^\top\|_F^2\,dt$: the distance to a gradient.

    Attributes:
        interval: $(t_0, t_1)$.
        times: the number of stratified times a step.
        particles: the number of particles at each time.
        name: under which the term is logged.
    """

    interval: tuple[float, float] = eqx.field(static=True)
    times: int = eqx.field(static=True, default=16)
    particles: int = eqx.field(static=True, default=64)
    name: str = eqx.field(static=True, default="asymmetry")

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """An unbiased estimate of the asymmetry."""

        def asymmetry(marginal, points, weights):
            return weights @ jax.vmap(lambda x: jacobian_asymmetry(marginal, x))(points)

        return _over_time(path, asymmetry, self.interval, self.times, self.particles, key)


def _over_time(path, quantity, interval, times, particles, key) -> Scalar:
    """The time integral of a quantity of (marginal, particles, weights)."""
    times_key, particles_key = jr.split(key)
    moments = stratified_times(times, interval, key=times_key)

    def at_one_time(t, k):
        marginal: AbstractMarginal = path.at(t)
        points, weights = marginal.particles(particles, key=k)
        return quantity(marginal, points, weights)

    values = jax.vmap(at_one_time)(moments, jr.split(particles_key, times))
    return (interval[1] - interval[0]) * jnp.mean(values)
