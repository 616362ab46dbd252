r"""Moments of a diffusion that started in a mixture, piece by piece.

Each part is carried as a Gaussian by the statistical linearisation of the drift,

$$m' = E f, \qquad P' = J P + P J^\top + E\,\sigma\sigma^\top, \qquad J = E\,\nabla f,$$

the means by cubature over the part (Särkkä and Solin, Applied Stochastic Differential Equations,
2019, chapter 9). Where the drift is not linear a part is cut into pieces: $\zeta = \int G^\top
\sigma\,dW + G_0^\top (X_0 - m_0)$ is standard normal, and a piece is what has $\zeta$ near some
$\zeta_i$. Noise and start then push the mean of the piece, and its covariance is
$Q = P - B (I - C) B^\top$ with $B' = J B + \sigma\sigma^\top G$, where $C$ is the covariance of
$\zeta$ within the piece. For a linear drift the pieces add up to the whole at every time.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.special import ndtri

from liouville.numerics.mixtures import GaussianMixture
from liouville.objectives import Field, Noise, noise_matrix

Array = np.ndarray

# Drifts whose Jacobian varies by less than this, relative to its size, count as linear.
_LINEAR = 1e-4
_SPREAD = 2.7


class Moments(NamedTuple):
    """Moments of all parts on a clock."""

    times: Array
    means: Array  # (times, parts, dim)
    covariances: Array  # P, (times, parts, dim, dim), as the next two
    slopes: Array  # J
    noises: Array  # the mean of the noise's covariance
    loadings: Array  # B, (times, parts, dim, axes)


def _cut_covariance(covariance: jax.Array, loading: jax.Array, within: jax.Array) -> jax.Array:
    r"""$Q = P - B (I - C) B^\top$, of which a little is kept.

    It is for rounding and where the linearisations of pieces differ. Where noise depends on the
    place, a piece whose own is smaller than that of the whole may seem to lose more than it has:
    then it loses as much as it has.
    """
    cut = jnp.eye(within.shape[-1], dtype=within.dtype) - within
    taken = loading @ cut @ loading.T
    dim = covariance.shape[0]
    ridge = 1e-6 * jnp.trace(covariance) / dim * jnp.eye(dim, dtype=covariance.dtype)
    inverse = jnp.linalg.inv(jnp.linalg.cholesky(covariance + ridge))
    most = jnp.linalg.eigvalsh(inverse @ taken @ inverse.T)[-1]
    return covariance - (1.0 - 1e-4) / jnp.maximum(most, 1.0) * taken


class Pieces(NamedTuple):
    """Moving pieces of a mixture, and the parts of the source they are cut from."""

    owners: Array  # the part of the source of each piece
    weights: Array  # of sum one
    moments: Moments  # the covariances are those of the process, pushed but not cut
    within: Array  # C, (pieces, axes, axes)

    @property
    def covariances(self) -> Array:
        """$Q$, shape `(times, pieces, dim, dim)`."""
        dtype, moments = jnp.zeros(()).dtype, self.moments
        arrays = (moments.covariances, moments.loadings, self.within)
        own = jax.vmap(jax.vmap(_cut_covariance), in_axes=(0, 0, None))
        return np.asarray(own(*(jnp.asarray(a, dtype) for a in arrays)), float)


def grade_clock(source: GaussianMixture, sigma: Noise, horizon: float, steps: int) -> Array:
    """Times from 0 to the horizon, denser near 0 the faster noise widens the source there."""
    # Covariances of a source of variance v change on the time scale v / sigma^2.
    mean = jnp.asarray(source.mean, jnp.zeros(()).dtype)
    added = np.trace(np.asarray(diffusion(sigma, jnp.zeros(()), mean), float)) / source.dim
    least = float(np.linalg.eigvalsh(source.covariances).min())
    share = np.clip(0.2 * least / (added * horizon + 1e-12), 1e-5, 1.0)
    grading = float(np.clip(np.log(share) / np.log(1.0 / steps), 1.5, 3.0))
    return horizon * (np.arange(steps + 1) / steps) ** grading


def diffusion(sigma: Noise, t: jax.Array, x: jax.Array) -> jax.Array:
    r"""$\sigma\sigma^\top$ at a time and a place, shape `(dim, dim)`."""
    if isinstance(sigma, int | float):
        return sigma**2 * jnp.eye(x.shape[0], dtype=x.dtype)
    matrix = noise_matrix(sigma, t, x)
    return matrix @ matrix.T


def whole_moments(
    source: GaussianMixture, drift: Field, sigma: Noise, clock: Array
) -> tuple[Moments, bool]:
    """Moments of the uncut parts, and whether the drift is linear wherever they are."""
    parts, dim = source.means.shape
    still = np.zeros((len(clock), parts, dim, 1))
    place = np.zeros((parts, 1))
    moments = _carry(
        drift, sigma, clock, source.means, source.covariances, still, still, place, 1.0
    )
    picks = np.linspace(0, len(clock) - 1, 12).astype(int)
    sizes = [_curvature(drift, moments, j)[1:] for j in picks.tolist()]
    varied, size = (np.sqrt(np.mean([s[i] for s in sizes])) for i in (0, 1))
    return moments, bool(varied <= _LINEAR * (size + 1.0 / clock[-1]))


def cut(
    source: GaussianMixture,
    drift: Field,
    sigma: Noise,
    whole: Moments,
    counts: Array,
    until: float,
    axes: int,
) -> Pieces:
    """Cuts the parts of a source by what $X$ at the time `until` depends on most.

    Each part makes as many pieces as `counts` says, along `axes` directions.
    """
    clock = whole.times
    last = int(np.argmin(np.abs(clock - until)))
    standard = {n: _standard_pieces(int(n), axes) for n in set(counts.tolist())}
    owners = np.repeat(np.arange(len(counts)), counts)
    curvatures = _curvature(drift, whole, last)[0]
    forcing = np.stack([_forcing(whole, k, last, c, axes) for k, c in enumerate(curvatures)], 1)
    places, shares, within = (
        np.concatenate([standard[n][i] for n in counts.tolist()]) for i in range(3)
    )
    moments = _carry(
        drift,
        sigma,
        clock,
        source.means[owners],
        source.covariances[owners],
        forcing[:, owners],
        # Of the whole: where noise grows with the place, that of a piece would push it ever faster.
        np.einsum("tpij,tpja->tpia", whole.noises, forcing)[:, owners],
        places,
        within,
    )
    return Pieces(owners, source.weights[owners] * shares, moments, within)


def step_matrices(moments: Moments) -> Array:
    """The linearised flow over each step of the clock, shape `(times - 1, parts, dim, dim)`."""
    h = np.diff(moments.times)[:, None, None, None]
    a = 0.5 * h * (moments.slopes[1:] + moments.slopes[:-1])
    eye, total = np.eye(a.shape[-1]), np.zeros_like(a)
    for n in (4, 3, 2, 1):
        total = (a / n) @ (eye + total)
    return eye + total


def _standard_pieces(count: int, axes: int) -> tuple[Array, Array, Array]:
    """Places, weights and covariances of pieces of a standard normal law."""
    if count == 1:
        return np.zeros((1, axes)), np.ones(1), np.eye(axes)[None]
    if axes == 1:
        # So that the pieces overlap well and reach far enough.
        gap = _SPREAD / np.sqrt(0.25 * (count - 1) ** 2 + 0.72 * _SPREAD**2)
        places = gap * (np.arange(count) - 0.5 * (count - 1))[:, None]
        shares = np.exp(-0.5 * places[:, 0] ** 2 / (1.0 - 0.72 * gap**2))
        shares /= shares.sum()
    else:
        points = _even_normals(axes, 11)
        places, label = kmeans2(points, count, minit="++", rng=0)
        shares = np.bincount(label, minlength=count) / len(points)
        places = places - shares @ places
    within = np.eye(axes) - np.einsum("p,pa,pb->ab", shares, places, places)
    return places, shares, np.repeat(within[None], count, axis=0)


def _forcing(whole: Moments, part: int, last: int, curvature: Array, axes: int) -> Array:
    """$G$ on the clock for one part, shape `(times, dim, axes)`; zero after the time `last`."""
    covariance = whole.covariances[last, part]
    values, vectors = np.linalg.eigh(covariance)
    inverse = (vectors / np.sqrt(np.maximum(values, 1e-12 * values.max()))) @ vectors.T
    directions = np.linalg.eigh(curvature)[1][:, ::-1][:, :axes]
    steps = step_matrices(whole)[:, part]
    forcing = np.zeros((len(whole.times), len(covariance), axes))
    forcing[last] = inverse @ directions
    for j in range(last - 1, -1, -1):
        forcing[j] = steps[j].T @ forcing[j + 1]
    # Rounding and the steps aside this is the identity already.
    power = np.einsum("tia,tij,tjb->tab", forcing, whole.noises[:, part], forcing)[: last + 1]
    spread = np.trapezoid(power, whole.times[: last + 1], axis=0)
    spread += forcing[0].T @ whole.covariances[0, part] @ forcing[0]
    values, vectors = np.linalg.eigh(spread)
    return forcing @ (vectors / np.sqrt(values)) @ vectors.T


def _curvature(drift: Field, moments: Moments, j: int) -> tuple[Array, float, float]:
    """How much the Jacobian varies along each direction of each part, in all, and its size."""
    dtype, dim = jnp.zeros(()).dtype, moments.means.shape[-1]
    z = _even_normals(dim, 6)
    values, vectors = np.linalg.eigh(moments.covariances[j])
    roots = np.sqrt(np.maximum(values, 0.0))[:, None, :] * vectors @ vectors.swapaxes(-1, -2)
    points = moments.means[j][:, None] + np.einsum("pij,nj->pni", roots, z)
    slopes = np.asarray(
        _jacobians(drift, jnp.asarray(moments.times[j], dtype), jnp.asarray(points, dtype)), float
    )
    varied = np.sum((slopes - slopes.mean(1, keepdims=True)) ** 2, axis=(-1, -2))
    hermite = np.einsum("ni,nj->nij", z, z) - np.eye(dim)
    matrix = np.einsum("pn,nij->pij", varied, hermite) / len(z)
    return matrix, float(varied.mean()), float(np.mean(np.sum(slopes**2, axis=(-1, -2))))


def _even_normals(dim: int, logarithm: int) -> Array:
    from scipy.stats import qmc  # slow to import

    even = qmc.Sobol(dim, rng=np.random.default_rng(0)).random_base2(logarithm)
    return ndtri(np.clip(even, 1e-9, 1.0 - 1e-9))


@eqx.filter_jit
def _jacobians(drift: Field, t: jax.Array, points: jax.Array) -> jax.Array:
    return jax.vmap(jax.vmap(lambda x: jax.jacfwd(drift, 1)(t, x)))(points)


def _carry(
    drift: Field,
    sigma: Noise,
    clock: Array,
    means: Array,
    covariances: Array,
    forcing: Array,
    forces: Array,
    places: Array,
    within: Array | float,
) -> Moments:
    r"""Moments of parts by the classical Runge-Kutta method.

    The forces are $\sigma\sigma^\top G$ of the whole.
    """
    dtype, axes = jnp.zeros(()).dtype, places.shape[-1]
    within = np.broadcast_to(np.eye(axes) * within, (len(means), axes, axes))
    pushed = np.einsum("pij,pja->pia", covariances, forcing[0])
    start = (means + np.einsum("pia,pa->pi", pushed, places), covariances, pushed)
    numbers = (clock, forces, places, within, start)
    moved = _integrate(drift, sigma, jax.tree.map(lambda a: jnp.asarray(a, dtype), numbers))
    means, covariances, slopes, noises, loadings = (np.asarray(a, float) for a in moved)
    return Moments(clock, means, covariances, slopes, noises, loadings)


@eqx.filter_jit
def _integrate(drift: Field, sigma: Noise, numbers):
    clock, forces, places, within, start = numbers

    def linearised(t, mean, covariance, loading, inside):
        dim = loading.shape[0]
        own = _cut_covariance(covariance, loading, inside)
        ridge = 1e-6 * jnp.trace(covariance) / dim * jnp.eye(dim, dtype=mean.dtype)
        ray = jnp.sqrt(jnp.asarray(dim, mean.dtype)) * jnp.linalg.cholesky(own + ridge).T
        points = jnp.concatenate([mean + ray, mean - ray])
        fields = jax.vmap(lambda x: drift(t, x))(points).mean(0)
        slope = jax.vmap(lambda x: jax.jacfwd(drift, 1)(t, x))(points).mean(0)
        noise = jax.vmap(lambda x: diffusion(sigma, t, x))(points).mean(0)
        return fields, slope, noise

    def rates(t, state, push):
        def one(mean, covariance, loading, push, place, inside):
            field, slope, noise = linearised(t, mean, covariance, loading, inside)
            spread = slope @ covariance
            moved = (field + push @ place, spread + spread.T + noise, slope @ loading + push)
            return moved, (slope, noise)

        mean, covariance, loading = state
        return jax.vmap(one)(mean, covariance, loading, push, places, within)

    def step(state, row):
        t, h, push, later = row
        middle = 0.5 * (push + later)

        def ahead(slope, share):
            return jax.tree.map(lambda y, k: y + share * h * k, state, slope)

        k1, seen = rates(t, state, push)
        k2, _ = rates(t + 0.5 * h, ahead(k1, 0.5), middle)
        k3, _ = rates(t + 0.5 * h, ahead(k2, 0.5), middle)
        k4, _ = rates(t + h, ahead(k3, 1.0), later)
        mean = jax.tree.map(lambda a, b, c, d: (a + 2.0 * b + 2.0 * c + d) / 6.0, k1, k2, k3, k4)
        return ahead(mean, 1.0), (*state, *seen)

    rows = (clock[:-1], jnp.diff(clock), forces[:-1], forces[1:])
    last, before = jax.lax.scan(step, start, rows)
    _, seen = rates(clock[-1], last, forces[-1])
    means, covariances, loadings, slopes, noises = (
        jnp.concatenate([a, b[None]]) for a, b in zip(before, (*last, *seen))
    )
    return means, covariances, slopes, noises, loadings
