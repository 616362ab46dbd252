"""The start of training: parts that follow optimal-transport chains through the snapshots."""

import dataclasses
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.cluster.vq import kmeans2

from liouville.curves import AbstractCurve, Constant, Knots
from liouville.numerics.couplings import Chains, chains
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.parameters import Fixed
from liouville.paths import (
    Diagonal,
    Ensemble,
    Full,
    Gaussian,
    Leading,
    LocationScale,
    Logistic,
    Masses,
)
from liouville.tasks.cells._gaps import Filled
from liouville.tasks.cells.config import PathConfig

# Chains are matched exactly, which costs their number cubed: about a second a pair of snapshots for
# the most of them. With many snapshots they are fewer, in all pairs together no more than so many.
_MOST_CHAINS, _FEWEST, _MOST_PAIRS = 1500, 300, 6000
# What is tried: parts, and as how many chains a prior for the covariance of a part counts.
_PARTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_PRIORS = (3.0, 10.0, 30.0, 100.0, 300.0)
_FEWEST_CHAINS = 10  # a part, on average
_RESTARTS = 4  # of k-means, of which the best is taken
# Parts are chosen on so many cells of each time, a third of them kept apart in turn.
_MOST_LOOKED_AT, _FOLDS = 900, 3
_MOST_WORSE = 3  # numbers of parts without progress after which no more are tried
_LOGISTIC_DEVIATION = float(np.pi / np.sqrt(3.0))


def chains_through(
    snapshots: Sequence[np.ndarray],
    masses: Sequence[np.ndarray] | None = None,
    *,
    delta: float | None = None,
    seed: int = 0,
) -> Chains:
    """Optimal-transport chains through clouds `(n_i, dim)`, see `liouville.numerics.couplings`.

    They are as many as the largest cloud has cells, or 1500, or fewer if there are many snapshots.
    """
    most = np.clip(_MOST_PAIRS // max(len(snapshots) - 1, 1), _FEWEST, _MOST_CHAINS)
    number = int(min(most, max(len(x) for x in snapshots)))
    found = chains(snapshots, number, seed, masses=masses, delta=delta)
    if not found.converged:
        warnings.warn(
            f"the couplings of the snapshots are solved to {found.error:.2g} only; growth may be "
            "seen as motion; give a smaller --delta",
            stacklevel=2,
        )
    return found


def energy_of_chains(times: np.ndarray, joined: Chains) -> float:
    r"""The energy $\sum_i \tfrac12 E|x_{i+1} - x_i|^2 / (t_{i+1} - t_i)$ of chains, a unit of mass.

    Each counts by its mean mass before and after the gap.
    """
    squares = (np.diff(joined.points, axis=1) ** 2).sum(-1)
    masses = joined.masses[:, 1:] + joined.masses[:, :-1]
    return float(0.5 * ((masses * squares).sum(axis=0) / masses.sum(axis=0) / np.diff(times)).sum())


def growth_of_groups(times: np.ndarray, joined: Chains, parts: int, *, seed: int = 0) -> float:
    r"""The integral $\tfrac12 \int E[h^2]\,dt$ of groups of chains, each growing at least cost.

    Of a unit of mass, it is $2(\sqrt{m_1} - \sqrt{m_0})^2 / (t_1 - t_0)$ from $m_0$ to $m_1$, over
    the mean of both totals.
    """
    label = _clusters(joined.points, parts, seed)
    masses = np.stack([joined.masses[label == i].sum(axis=0) for i in range(label.max() + 1)])
    squares = 2.0 * (np.diff(np.sqrt(masses), axis=1) ** 2).sum(axis=0)
    totals = masses.sum(axis=0)
    return float((squares / np.diff(times) / (0.5 * (totals[1:] + totals[:-1]))).sum())


def choose_groups(
    clouds: Sequence[np.ndarray],
    masses: Sequence[np.ndarray],
    config: PathConfig,
    *,
    delta: float | None = None,
    seed: int = 0,
) -> PathConfig:
    """The configuration with the number of parts and the prior of their covariances filled in.

    A third of the cells after the other is kept apart: the rest is joined to chains, these are
    grouped as for the start of training, and the mixtures of the groups are asked for the density
    of the third. What is best on average is taken. More parts are tried until three numbers in a
    row bring no improvement.

    Args:
        clouds: the snapshots, shapes `(n_i, dim)`.
        masses: of their cells.
        config: in which either or both may be open.
        delta: what growth costs, see `liouville.numerics.couplings.chains`.
        seed: of the thirds, the chains and the groups.
    """
    if config.parts is not None and config.prior is not None:
        return config
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(len(x))[:_MOST_LOOKED_AT] for x in clouds]
    folds = []
    for fold in range(_FOLDS):
        apart = [np.arange(len(index)) % _FOLDS == fold for index in drawn]
        kept = [index[~out] for index, out in zip(drawn, apart)]
        near, mass = ([a[i] for a, i in zip(rows, kept)] for rows in (clouds, masses))
        joined = chains_through(near, mass, delta=delta, seed=seed)
        folds.append((joined, [x[index[out]] for x, index, out in zip(clouds, drawn, apart)]))
    priors = _PRIORS if config.prior is None else (config.prior,)
    most = min(len(joined.points) for joined, _ in folds) // _FEWEST_CHAINS
    best, worse = (-np.inf, 1, priors[0]), 0
    for parts in _PARTS if config.parts is None else (config.parts,):
        if worse == _MOST_WORSE or (parts > max(most, 1) and config.parts is None):
            break
        tried = [_scores(near, far, parts, priors, config, seed) for near, far in folds]
        scores = np.mean(tried, axis=0)
        found = (float(scores.max()), parts, priors[int(scores.argmax())])
        best, worse = (found, 0) if found[0] > best[0] else (best, worse + 1)
    return dataclasses.replace(config, parts=best[1], prior=best[2])


def _scores(
    joined: Chains,
    apart: Sequence[np.ndarray],
    parts: int,
    priors: Sequence[float],
    config: PathConfig,
    seed: int,
) -> list[float]:
    """The mean log-density of cells kept apart, for each prior."""
    groups, leading = _Groups.of(joined, parts, seed), _leading(config, joined.points.shape[-1])
    scores = []
    for prior in priors:
        mixtures = groups.mixtures(prior, leading)
        nats = [m.log_density(x) for m, x in zip(mixtures, apart) if len(x)]
        scores.append(float(np.concatenate(nats).mean()))
    return scores


def initial_path(
    filled: Filled, config: PathConfig, *, totals: AbstractCurve | None = None, seed: int = 0
) -> Ensemble:
    """An ensemble of mixture paths along chains, which differ in the start of their clusters.

    Args:
        filled: the chains, in the model's units.
        config: with the number of parts and the prior.
        totals: the curve of the logarithm of the total mass; the masses of the parts then grow.
            By default they stay.
        seed: of the clusters.
    """
    if config.parts is None or config.prior is None:
        raise ValueError("path.parts or path.prior is not set; see choose_groups")
    seeds = np.random.SeedSequence(seed).generate_state(config.members)
    return Ensemble.of([_member(filled, config, totals, int(member)) for member in seeds])


def total_curve(times: np.ndarray, totals: np.ndarray) -> AbstractCurve:
    """The logarithm of the total mass, through those of the snapshots without overshoot."""
    dtype = jnp.zeros(()).dtype
    if np.allclose(totals, totals[0]):
        return Constant(jnp.asarray(np.log(totals[0]), dtype))
    return Knots(times.tolist(), jnp.asarray(np.log(totals), dtype), "monotone")


class _Groups(NamedTuple):
    """Chains that run together: the moments of each group at each time."""

    masses: np.ndarray  # (groups, times)
    means: np.ndarray  # (groups, times, dim)
    covariances: np.ndarray  # (groups, times, dim, dim), as they are
    numbers: np.ndarray  # (groups, times), of chains of equal masses that would say as much

    @staticmethod
    def of(joined: Chains | Filled, parts: int, seed: int) -> "_Groups":
        """Groups by k-means in the space of all times; none is empty."""
        label = _clusters(joined.points, parts, seed)
        masses, means, covariances, numbers = [], [], [], []
        for group in range(label.max() + 1):
            x, m = joined.points[label == group], joined.masses[label == group]
            share = m / m.sum(axis=0)
            mean = np.einsum("nt,nti->ti", share, x)
            centred = (np.sqrt(share)[..., None] * (x - mean)).transpose(1, 2, 0)
            masses.append(m.sum(axis=0))
            means.append(mean)
            covariances.append(centred @ centred.swapaxes(1, 2))
            numbers.append(1.0 / (share**2).sum(axis=0))
        return _Groups(*map(np.stack, (masses, means, covariances, numbers)))

    @property
    def shares(self) -> np.ndarray:
        """The share of each group of the mass at each time, `(groups, times)`."""
        return self.masses / self.masses.sum(axis=0)

    def shrunken(self, prior: float, leading: int) -> np.ndarray:
        """The covariances, drawn toward the mean variance within groups by so many chains.

        Beyond the leading coordinates they are diagonal.
        """
        within = np.einsum("kt,ktii->ti", self.shares, self.covariances)
        # A time at which every group is a point has the least variance of all times.
        target = (within + 1e-9 * within.max() + 1e-12)[..., None] * np.eye(within.shape[1])
        weight = (prior / (prior + self.numbers))[..., None, None]
        found = (1.0 - weight) * self.covariances + weight * target
        first = np.arange(found.shape[-1]) < leading
        return np.where(np.outer(first, first) | np.eye(len(first), dtype=bool), found, 0.0)

    def mixtures(self, prior: float, leading: int) -> list[GaussianMixture]:
        """The mixture of the groups at each time."""
        covariances = self.shrunken(prior, leading)
        rows = (self.shares, self.means, covariances)
        return [GaussianMixture(*(a[:, i] for a in rows)) for i in range(self.masses.shape[1])]


def _member(
    filled: Filled, config: PathConfig, totals: AbstractCurve | None, seed: int
) -> LocationScale:
    """A mixture path along chains: each group of them becomes a part."""
    assert config.parts is not None  # checked by `initial_path`
    assert config.prior is not None
    groups, times = _Groups.of(filled, config.parts, seed), filled.times
    knots = _knots(times, config.knots)
    leading = _leading(config, filled.points.shape[-1])
    rows = (groups.means, groups.shrunken(config.prior, leading))
    mean, covariance = (_resample(times, knots, a.swapaxes(0, 1)) for a in rows)
    # Between snapshots nothing is known of the masses.
    seen = _knots(times[filled.is_seen], config.knots)
    log_share = _resample(times, seen, np.log(groups.shares).T)
    family = Gaussian() if config.family == "gaussian" else Logistic()
    if config.family == "logistic":
        covariance = covariance / _LOGISTIC_DEVIATION**2
    floor = float(np.log(config.min_scale))
    if leading == 0:
        scale = Diagonal(floor)
    else:
        scale = Full(floor) if leading == mean.shape[-1] else Leading(leading, floor)
    dtype = jnp.zeros(()).dtype
    raw = jax.jit(scale.from_covariance)(jnp.asarray(covariance, dtype))

    def curve(knots: np.ndarray, values: np.ndarray | jax.Array) -> Knots:
        values = jnp.asarray(values, dtype)
        return Knots(knots.tolist(), values, config.interpolation, config.tension)

    logits = jnp.asarray(np.log(np.exp(log_share).mean(axis=0)), dtype)
    return LocationScale(
        location=curve(knots, mean),
        raw_scale=curve(knots, raw),
        logits=logits if totals is None else Masses(curve(seen, log_share), Fixed(totals)),
        family=family,
        scale=scale,
    )


def _leading(config: PathConfig, dim: int) -> int:
    """In how many coordinates covariances are full."""
    return {"diagonal": 0, "full": dim}.get(config.scale, min(config.leading, dim))


def _clusters(points: np.ndarray, parts: int, seed: int) -> np.ndarray:
    """The group of each chain; no group is empty."""
    flat = points.reshape(len(points), -1)
    parts = min(parts, len(np.unique(flat, axis=0)))
    with warnings.catch_warnings():
        # An empty cluster is no failure: it is given a chain below.
        warnings.simplefilter("ignore", UserWarning)
        tried = [kmeans2(flat, parts, minit="++", rng=[seed, i]) for i in range(_RESTARTS)]
    spread = [((flat - centres[label]) ** 2).sum() for centres, label in tried]
    label = tried[int(np.argmin(spread))][1]
    rng = np.random.default_rng(seed)
    for empty in np.setdiff1d(np.arange(parts), label):
        crowded = np.flatnonzero(np.bincount(label, minlength=parts)[label] > 1)
        label[rng.choice(crowded)] = empty
    return label


def _knots(times: np.ndarray, most: int) -> np.ndarray:
    return times if len(times) <= most else np.linspace(times[0], times[-1], most)


def _resample(times: np.ndarray, knots: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values at the snapshots' times, shape `(times, ...)`, interpolated linearly to the knots."""
    i = np.clip(np.searchsorted(times, knots, side="right") - 1, 0, len(times) - 2)
    s = ((knots - times[i]) / (times[i + 1] - times[i])).reshape(-1, *[1] * (values.ndim - 1))
    return (1.0 - s) * values[i] + s * values[i + 1]
