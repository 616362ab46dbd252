"""Smoothing of a diffusion: the law of its whole trajectory after noisy observations."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from liouville.diffusions._free import free_pieces
from liouville.diffusions._matching import trained
from liouville.diffusions._moments import grade_clock
from liouville.diffusions._posterior import posterior
from liouville.diffusions._posterior_path import smooth_path
from liouville.diffusions._process import DRAWS, check_noise
from liouville.errors import LiouvilleError
from liouville.numerics.arguments import (
    check_counts,
    check_covariance,
    check_positive,
    numbers,
)
from liouville.numerics.finite import show
from liouville.numerics.functions import check_function
from liouville.numerics.mixtures import GaussianMixture, check_mixture
from liouville.numerics.types import Point, RandomKey, Scalar
from liouville.objectives import AbstractTerm, Effort, Field, Objective, Running
from liouville.paths import AbstractPath, Rescaled

# Times and particles at each with which the result is measured, and independent repeats.
_TIMES, _PARTICLES, _REPEATS = 128, 512, 24
_STEPS = 400


class GaussianLikelihood(eqx.Module):
    r"""$\log N(y;\, H x, R)$ in nats, with the Cholesky factor of $R$."""

    operator: Float[Array, "seen dim"]
    factor: Float[Array, "seen seen"]

    def __call__(self, y: Float[Array, " seen"], x: Point) -> Scalar:
        """The log-likelihood of a point."""
        z = jax.scipy.linalg.solve_triangular(self.factor, y - self.operator @ x, lower=True)
        volume = jnp.sum(jnp.log(jnp.diagonal(self.factor)))
        return -0.5 * z @ z - volume - 0.5 * y.shape[0] * jnp.log(2.0 * jnp.pi)


class Observations(NamedTuple):
    r"""What was seen of one trajectory, and when.

    Attributes:
        times: shape `(n,)`, within $[0, T]$.
        values: one row an observation, shape `(n, ...)`.
        log_likelihood: $\log p(y \mid x)$ in nats, from a row and a point to a number.
    """

    times: np.ndarray
    values: np.ndarray
    log_likelihood: Callable[[Any, Point], Scalar]


def gaussian_observations(
    times: Any, values: Any, noise: Any, operator: Any = None
) -> Observations:
    r"""Observations $y_i = H x_{t_i} + \epsilon_i$ with normal noise.

    Args:
        times: shape `(n,)`.
        values: shape `(n, seen)`, or `(n,)` if one number was seen at a time.
        noise: the standard deviation, or a covariance of shape `(seen, seen)`.
        operator: $H$, shape `(seen, dim)`; by default the identity.

    Raises:
        LiouvilleError: if shapes do not belong together, or the noise is not positive, or its
            covariance not symmetric and positive definite.
    """
    dtype = jnp.zeros(()).dtype
    times, y = numbers("the times of observations", times), numbers("observations", values)
    y = y[:, None] if y.ndim == 1 else y
    if times.ndim != 1 or y.ndim != 2 or not y.size:
        raise LiouvilleError(
            f"times have shape {times.shape} and observations {np.shape(values)}; give (n,) and "
            "(n, seen)"
        )
    seen = y.shape[1]
    spread = numbers("the noise of the observations", noise)
    if spread.ndim == 0:
        if not (np.isfinite(spread) and spread > 0):
            raise LiouvilleError(
                f"the noise of the observations is {noise}; give a finite one above zero"
            )
        factor = spread * np.eye(seen)
    else:
        what = "the covariance of the observations' noise"
        factor = np.linalg.cholesky(check_covariance(what, spread, seen))
    matrix = np.eye(seen) if operator is None else np.atleast_2d(numbers("the operator", operator))
    if matrix.ndim != 2 or len(matrix) != seen or not np.isfinite(matrix).all():
        raise LiouvilleError(
            f"the operator of observations of {seen} numbers has shape {matrix.shape} or is not "
            f"finite; give ({seen}, dim)"
        )
    likelihood = GaussianLikelihood(jnp.asarray(matrix, dtype), jnp.asarray(factor, dtype))
    return Observations(times, y, likelihood)


class Smoothed(NamedTuple):
    r"""The posterior of a diffusion.

    Attributes:
        path: its law at every time, with the drift of the posterior process.
        elbo: a lower bound on the log-likelihood of all observations, in nats; it is equal if the
            path is the posterior, and short of it by the relative entropy to the posterior.
        elbo_error: its standard error.
        terms: what it is made of: `start` and `mismatch`, the relative entropies of start and
            process to the prior, and `surprise`, minus the mean log-likelihood.
        history: of training.
    """

    path: Rescaled
    elbo: float
    elbo_error: float
    terms: dict[str, float]
    history: list[dict[str, float]]


def smooth(
    drift: Field,
    source: GaussianMixture,
    sigma: Any,
    horizon: float,
    observations: Observations,
    *,
    parts: int = 16,
    steps: int = 3000,
    seed: int = 0,
    knots: int | None = None,
    rate: float = 1e-2,
    times: int = 16,
    particles: int = 128,
    progress: bool | None = None,
) -> Smoothed:
    r"""The posterior of $dX = f\,dt + \sigma\,dW$, $X_0$ from a mixture, given noisy observations.

    It minimises the relative entropy to the posterior process,

    $$\mathrm{KL}(\rho_0 \| \text{source}) + \tfrac12\int E|\sigma^{-1}(b - f)|^2\,dt -
      \sum_i E \log p(y_i \mid X_{t_i}),$$

    up to the log-likelihood of the observations (Archambeau and Opper, in Bayesian Time Series
    Models, 2011, there for Gaussian posteriors).

    The source is the law of $X_0$ before anything was seen. The start has the heaviest of four
    times as many parts, and the curves by default 17 knots and two for each observation. All else
    is as in `solve_fokker_planck`.

    Raises:
        LiouvilleError: as `solve_fokker_planck`; or if an observation lies outside of
            $[0, T]$, is not finite, or has a log-likelihood that is no function of a row and a
            point, or not finite.
        TrainingError: if the objective is not finite at some step.
    """
    check_mixture("the source", source)
    check_counts(parts=parts, steps=steps, times=times, particles=particles, knots=knots or 1)
    check_counts(0, seed=seed)
    check_positive("training", rate=rate)
    noise = check_noise(source.sample(DRAWS)[0], drift, sigma, horizon)
    horizon = float(horizon)
    _check_observations(observations, source, horizon)
    seen_at, values, likelihood = observations
    clock = np.union1d(grade_clock(source, noise, horizon, _STEPS), seen_at)
    is_gaussian = isinstance(likelihood, GaussianLikelihood)
    wanted = parts if parts <= len(source.weights) else 4 * parts
    _, ways = free_pieces(source, noise, clock, drift, parts=wanted, is_cut=not is_gaussian)
    places = np.searchsorted(clock, seen_at)
    count = 17 + 2 * len(seen_at) if knots is None else knots
    grid = grade_clock(source, noise, horizon, count - 1)
    starts = []
    for pieces in ways:
        if not np.isfinite(pieces.covariances).all():
            continue
        after = posterior(pieces, places, values, likelihood)
        if np.isfinite(after.means).all() and np.isfinite(after.covariances).all():
            starts.append(smooth_path(pieces.moments, after, parts, seen_at, grid))

    def objective(times: int, particles: int) -> Objective:
        effort = {"mismatch": Effort(noise, drift)}
        interval = (0.0, horizon)
        running = Running(interval, effort, times=times, particles=particles, name="mismatch")
        start = StartEntropy.of(source, 4 * particles)
        return start + (running + Surprise.of(observations, particles))

    sizes = (times, max(particles, 4 * parts))
    options = {"steps": steps, "optimizer": rate, "seed": seed, "progress": progress}
    fitted = trained(starts, objective, sizes, drift, horizon, **options)
    keys = jr.split(jr.key(seed + 1), _REPEATS)
    totals, terms = _measure(fitted.path, objective(_TIMES, _PARTICLES), keys)
    return Smoothed(
        fitted.path,
        -float(totals.mean()),
        float(totals.std(ddof=1)) / float(np.sqrt(_REPEATS)),
        {name: float(value.mean()) for name, value in terms.items()},
        fitted.history,
    )


class StartEntropy(AbstractTerm):
    r"""The relative entropy of the start to a mixture, $E\log\rho_0(x)/\nu(x)$ in nats.

    Of the mixture it has the Cholesky factors' inverses, and their volumes in the weights.
    """

    log_weights: Float[Array, " parts"]
    means: Float[Array, "parts dim"]
    inverses: Float[Array, "parts dim dim"]
    particles: int = eqx.field(static=True)
    name: str = eqx.field(static=True, default="start")

    @staticmethod
    def of(source: GaussianMixture, particles: int) -> "StartEntropy":
        """The term for a mixture."""
        dtype = jnp.zeros(()).dtype
        inverses = np.linalg.inv(np.linalg.cholesky(source.covariances))
        volumes = np.log(np.einsum("kii->ki", inverses)).sum(1)
        logs = np.log(source.weights) + volumes - 0.5 * source.dim * np.log(2.0 * np.pi)
        log_weights, means, roots = (jnp.asarray(a, dtype) for a in (logs, source.means, inverses))
        return StartEntropy(
            log_weights=log_weights, means=means, inverses=roots, particles=particles
        )

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """An unbiased estimate."""
        marginal = path.at(jnp.zeros(()))
        points, weights = marginal.particles(self.particles, key=key)

        def excess(x):
            z = jnp.einsum("kij,kj->ki", self.inverses, x - self.means)
            prior = jax.nn.logsumexp(self.log_weights - 0.5 * jnp.sum(z**2, axis=-1))
            return marginal.log_density(x) - prior

        return weights @ jax.vmap(excess)(points)


class Surprise(AbstractTerm):
    r"""How little a path explains observations, $-\sum_i E\log p(y_i \mid X_{t_i})$ in nats."""

    times: Float[Array, " n"]
    values: Float[Array, "n ..."]
    log_likelihood: Callable[[Any, Point], Scalar]
    particles: int = eqx.field(static=True)
    name: str = eqx.field(static=True, default="surprise")

    @staticmethod
    def of(observations: Observations, particles: int) -> "Surprise":
        """The term for observations."""
        dtype = jnp.zeros(()).dtype
        times, values = (jnp.asarray(a, dtype) for a in observations[:2])
        likelihood = observations.log_likelihood
        return Surprise(times=times, values=values, log_likelihood=likelihood, particles=particles)

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """An unbiased estimate."""

        def one(t, y, k):
            points, weights = path.at(t).particles(self.particles, key=k)
            return weights @ jax.vmap(lambda x: self.log_likelihood(y, x))(points)

        keys = jr.split(key, self.times.shape[0])
        return -jnp.sum(jax.vmap(one)(self.times, self.values, keys))


@eqx.filter_jit
def _measure(path: AbstractPath, objective: Objective, keys: Key[Array, " repeats"]):
    return jax.lax.map(lambda k: objective(path, key=k), keys)


def _check_observations(
    observations: Observations, source: GaussianMixture, horizon: float
) -> None:
    times, values = (np.asarray(a) for a in observations[:2])
    if len(times) == 0 or len(times) != len(values):
        raise LiouvilleError(f"{len(times)} times but {len(values)} observations; give as many")
    late = ~((times >= 0) & (times <= horizon))
    if late.any():
        raise LiouvilleError(
            f"an observation at t = {times[late][0]:.6g} lies outside [0, {horizon:.6g}]; "
            "change the horizon or leave it out"
        )
    bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
    if bad.size:
        raise LiouvilleError(f"observation {bad[0]} at t = {times[bad[0]]:.6g} is not finite")
    likelihood = observations.log_likelihood
    if isinstance(likelihood, GaussianLikelihood) and likelihood.operator.shape[1] != source.dim:
        raise LiouvilleError(
            f"observations are of {likelihood.operator.shape[1]} coordinates, the source has "
            f"{source.dim}; give an operator of shape (seen, {source.dim})"
        )
    dtype = jnp.zeros(()).dtype
    y, x = jnp.asarray(values, dtype), jnp.asarray(source.means[0], dtype)
    check_function("the log-likelihood", likelihood, {"y": y[0], "x": x}, ())
    for row, t in zip(y, times):
        found = np.asarray(likelihood(row, x))
        if not np.isfinite(found):
            raise LiouvilleError(
                f"the log-likelihood of the observation at t = {t:.6g} is {show(found)} at "
                f"x = {source.means[0].tolist()}; it must be one finite number"
            )
