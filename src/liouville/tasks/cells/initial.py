"""The start of training: parts that follow optimal-transport chains through the snapshots."""

import dataclasses
import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import softmax

from liouville.curves import AbstractCurve, Constant, Knots
from liouville.errors import LiouvilleError
from liouville.numerics.conditioning import Choice
from liouville.numerics.couplings import Chains, chains
from liouville.numerics.distances import Cloud
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.parameters import Fixed
from liouville.numerics.repeats import dealt
from liouville.paths import (
    Contextual,
    Diagonal,
    Ensemble,
    Full,
    Gaussian,
    Leading,
    LocationScale,
    Logistic,
    Masses,
    Student,
)
from liouville.tasks.cells._gaps import Filled
from liouville.tasks.cells.bootstrap import Sample
from liouville.tasks.cells.conditions import interpolated
from liouville.tasks.cells.config import PathConfig
from liouville.tasks.cells.groups import changing_shares, clusters, mixtures
from liouville.tasks.cells.judge import thin

# Chains are matched exactly, which costs their number cubed: about a second a pair of snapshots for
# the most of them. With many snapshots they are fewer, in all pairs together no more than so many.
_MOST_CHAINS, _FEWEST, _MOST_PAIRS = 1500, 300, 6000
# What is tried: parts, and as how many chains for every coordinate the common shape counts in
# that of a part. The first of these comes with all numbers of parts.
_PARTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_PRIORS = (2.0, 0.5, 6.0, 20.0)
# Degrees of freedom of Student parts: the number of parts is chosen with the middle ones. Whether
# parts are Gaussian is told by so many standard errors, or else by their number.
_DEGREES, _MIDDLE, _ERRORS = (50.0, 20.0, 10.0, 5.0, 3.0, 2.0), 2, 2.0
_FEWEST_CHAINS = 10  # a part, on average
# Parts are chosen on so many cells of each time, a third of them kept apart in turn.
_MOST_LOOKED_AT, _FOLDS = 900, 3
_MOST_FOLLOWED = 4000  # cells of a time that the start of training is fitted to
# Up to so many coordinates distances tell types; beyond, so many groupings are tried a member.
FEW_COORDINATES, _GROUPINGS = 15, 4
_MOST_WORSE = 3  # numbers of parts without progress after which no more are tried
_LOGISTIC_DEVIATION = float(np.pi / np.sqrt(3.0))


def chains_through(
    snapshots: Sequence[np.ndarray],
    masses: Sequence[np.ndarray] | None = None,
    *,
    delta: float | None = None,
    factors: Sequence[np.ndarray] | None = None,
    noise: float = 0.0,
    seed: int = 0,
) -> Chains:
    """Optimal-transport chains through clouds `(n_i, dim)`, see `liouville.numerics.couplings`.

    They are as many as the largest cloud has cells, or 1500, or fewer if there are many snapshots.
    """
    most = np.clip(_MOST_PAIRS // max(len(snapshots) - 1, 1), _FEWEST, _MOST_CHAINS)
    number = int(min(most, max(len(x) for x in snapshots)))
    found = chains(
        snapshots, number, seed, masses=masses, delta=delta, factors=factors, noise=noise
    )
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


def growth_of_groups(times: np.ndarray, joined: Chains, label: np.ndarray) -> float:
    r"""The integral $\tfrac12 \int E[h^2]\,dt$ of groups of chains, each growing at least cost.

    Of a unit of mass, it is $2(\sqrt{m_1} - \sqrt{m_0})^2 / (t_1 - t_0)$ from $m_0$ to $m_1$, over
    the mean of both totals.
    """
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
    factors: Sequence[np.ndarray] | None = None,
    noise: float = 0.0,
    seed: int = 0,
) -> PathConfig:
    """The configuration with the parts, the prior of their covariances and their tails filled in.

    A third of the cells after the other is kept apart: the rest is joined to chains, these are
    grouped as for the start of training, and the mixtures of the groups are asked for the density
    of the third. What is best on average is taken. More parts are tried until three numbers in a
    row bring no improvement, and then other priors, and tails of parts.

    Args:
        clouds: the snapshots, shapes `(n_i, dim)`.
        masses: of their cells.
        config: in which any of the parts, the prior, the family and its degrees may be open.
        delta: what growth costs, see `liouville.numerics.couplings.chains`.
        factors: by which cells are expected to grow, likewise.
        noise: how far chance decides whom the chains join, likewise.
        seed: of the thirds, the chains and the groups.
    """
    if config.degrees is not None and config.family not in ("auto", "student"):
        raise LiouvilleError(
            f"path.degrees is {config.degrees:g}, but path.family is {config.family}; leave one of "
            "them out"
        )
    is_open = config.family in ("auto", "student") and config.degrees is None
    if config.family == "auto" and config.degrees is not None:
        config = dataclasses.replace(config, family="student")
    if config.parts is not None and config.prior is not None and not is_open:
        return config
    folds = _thirds(clouds, masses, delta=delta, factors=factors, noise=noise, seed=seed)
    shares = np.concatenate([_shares(apart) for _, _, apart in folds]) / _FOLDS

    @functools.cache
    def nats(parts: int, prior: float, degrees: float) -> np.ndarray:
        return np.concatenate([_nats(*x, parts, prior, degrees, config, seed) for x in folds])

    dim = clouds[0].shape[1]
    priors = [a * dim for a in _PRIORS] if config.prior is None else [config.prior]
    most = max(min(len(fold[0].points) for fold in folds) // _FEWEST_CHAINS, 1)
    tried = [k for k in _PARTS if k <= most] if config.parts is None else [config.parts]

    def best(degrees: float, tried: Sequence[int]) -> tuple[int, float]:
        """The number of parts and the prior."""
        highest, parts, worse = -np.inf, tried[0], 0
        for number in tried:
            found = shares @ nats(number, priors[0], degrees)
            worse = 0 if found > highest else worse + 1
            highest, parts = (highest, parts) if worse else (found, number)
            if worse == _MOST_WORSE:
                break
        return parts, max(priors, key=lambda prior: shares @ nats(parts, prior, degrees))

    if not is_open:
        parts, prior = best(_degrees(config), tried)
        return dataclasses.replace(config, parts=parts, prior=prior)
    usual = None if config.family == "student" else best(np.inf, tried)
    # Heavy tails take no more parts.
    fewer = tried if usual is None else [k for k in tried if k <= usual[0]]
    parts, prior = best(_DEGREES[_MIDDLE], fewer)
    degrees = _highest(_DEGREES, _MIDDLE, lambda own: float(shares @ nats(parts, prior, own)))
    if usual is not None:
        gains = nats(parts, prior, degrees) - nats(*usual, np.inf)
        gain = float(shares @ gains)
        chance = _ERRORS * float(np.sqrt(shares**2 @ (gains - gain) ** 2))
        # Of two that are as likely, the one of fewer parts has none that are only tails.
        if gain < (chance if parts == usual[0] else -chance):
            return dataclasses.replace(config, parts=usual[0], prior=usual[1], family="gaussian")
    return dataclasses.replace(config, parts=parts, prior=prior, family="student", degrees=degrees)


def _thirds(
    clouds: Sequence[np.ndarray],
    masses: Sequence[np.ndarray],
    *,
    factors: Sequence[np.ndarray] | None,
    seed: int,
    **options: Any,
) -> list[tuple[Chains, list[Cloud], list[Cloud]]]:
    """Chains through all cells but a third, in turn, these cells, and those of the third."""
    rng, folds = np.random.default_rng(seed), []
    drawn = [rng.permutation(len(x))[:_MOST_LOOKED_AT] for x in clouds]
    hands = [dealt(x[index], _FOLDS) for x, index in zip(clouds, drawn)]
    for fold in range(_FOLDS):
        apart = [hand == fold for hand in hands]
        kept = [index[~out] for index, out in zip(drawn, apart)]
        near, mass = ([a[i] for a, i in zip(rows, kept)] for rows in (clouds, masses))
        grown = None if factors is None else [f[i] for f, i in zip(factors, kept)]
        joined = chains_through(near, mass, factors=grown, seed=seed, **options)
        out = [index[out] for index, out in zip(drawn, apart)]
        far = [Cloud(x[i], m[i]) for x, m, i in zip(clouds, masses, out)]
        folds.append((joined, list(map(Cloud, near, mass)), far))
    return folds


def _highest(places: Sequence[float], first: int, height: Callable[[float], float]) -> float:
    """The place up to which a function climbs from the first, to the side on which it does."""
    for step in (1, -1):
        i = first
        while 0 <= i + step < len(places) and height(places[i + step]) > height(places[i]):
            i += step
        if i != first:
            return places[i]
    return places[first]


def _shares(apart: Sequence[Cloud]) -> np.ndarray:
    """Of the cells of all times, those of each time together as many as they are, of sum one."""
    own = [len(x) * x.shares if x.weights.sum() > 0 else x.weights for x in apart]
    return np.concatenate(own) / np.concatenate(own).sum()


def _nats(
    joined: Chains,
    cells: Sequence[Cloud],
    apart: Sequence[Cloud],
    parts: int,
    prior: float,
    degrees: float,
    config: PathConfig,
    seed: int,
) -> np.ndarray:
    """The log-density of the cells kept apart of all times."""
    label = clusters(joined.points, parts, seed)
    options: dict[str, Any] = {
        "prior": prior,
        "leading": _leading(config, joined.points.shape[-1]),
        "degrees": degrees,
        "with_chance": config.has_errors,
    }
    found = mixtures(joined.points, joined.masses, label, cells, **options)
    return np.concatenate([m.log_density(x.points, degrees) for m, x in zip(found, apart)])


def initial_path(
    samples: Sequence[Sample],
    config: PathConfig,
    *,
    totals: Sequence[AbstractCurve | Fixed] | None = None,
    shares: np.ndarray | None = None,
    seed: int = 0,
) -> Ensemble:
    """An ensemble of mixture paths along chains, which differ in the start of their clusters.

    Args:
        samples: the chains and cells of every member, in the model's units.
        config: with the number of parts and the prior.
        totals: the curve of the logarithm of the total mass of each condition; the masses of the
            parts then grow. By default they stay.
        shares: of two or more conditions, by which they are mixed; by default cells have none.
        seed: of the clusters.
    """
    if config.parts is None or config.prior is None:
        raise ValueError("path.parts or path.prior is not set; see choose_groups")
    seeds = np.random.SeedSequence(seed).generate_state(len(samples))
    members = []
    for sample, own in zip(samples, seeds):
        filled, cells, _ = sample
        rng, shown = np.random.default_rng(seed), iter(cells)
        thinned = [
            thin(next(shown), _MOST_FOLLOWED, rng) if seen else None for seen in filled.is_seen
        ]
        members.append(_member(sample, thinned, config, totals, shares, int(own)))
    return Ensemble.of(members)


def total_curves(
    times: np.ndarray, totals: np.ndarray, *, is_free: bool = False
) -> list[AbstractCurve | Fixed]:
    """The logarithms of total masses, through those of the snapshots without overshoot.

    Args:
        times: of the snapshots.
        totals: of every condition, shape `(conditions, times)`.
        is_free: whether they are learned.
    """
    logs = jnp.asarray(np.log(totals), jnp.zeros(()).dtype)
    if not is_free and np.allclose(totals, totals[:, :1]):
        return [Fixed(Constant(log[0])) for log in logs]
    curves = (Knots(times.tolist(), log, "monotone") for log in logs)
    return [curve if is_free else Fixed(curve) for curve in curves]


def _member(
    sample: Sample,
    cells: Sequence[Cloud | None],
    config: PathConfig,
    totals: Sequence[AbstractCurve | Fixed] | None,
    shares: np.ndarray | None,
    seed: int,
) -> LocationScale | Contextual:
    """A mixture path along chains: each group of them becomes a part, in all conditions."""
    filled = sample.filled
    assert config.parts is not None  # checked by `initial_path`
    assert config.prior is not None
    times, leading = filled.times, _leading(config, filled.points.shape[-1])
    degrees = _degrees(config)
    options = {
        "prior": config.prior,
        "leading": leading,
        "degrees": degrees,
        "with_chance": config.has_errors,
    }
    found = _likeliest(filled, cells, config.parts, seed, options)
    knots = _knots(times, config.knots)
    mean = _resample(times, knots, np.stack([mixture.means for mixture in found]))
    covariance = _resample(times, knots, np.stack([mixture.covariances for mixture in found]))
    # Between snapshots nothing is known of the masses.
    seen = _knots(times[filled.is_seen], config.knots)
    log_shares = [_resample(times, seen, np.log([m.weights for m in found]))]
    if shares is not None:
        known = [m for m, is_seen in zip(found, filled.is_seen) if is_seen]
        each = _log_shares(
            known,
            sample,
            times[filled.is_seen],
            len(shares),
            degrees=degrees,
            with_chance=config.has_errors,
        )
        log_shares = [_resample(times[filled.is_seen], seen, own) for own in each]
    family = Logistic() if config.family == "logistic" else Gaussian()
    if np.isfinite(degrees):
        family = Student(Fixed(Student.of(degrees).log_degrees))
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

    if totals is None:
        logits = [jnp.asarray(np.log(np.exp(own).mean(axis=0)), dtype) for own in log_shares]
    else:
        logits = [Masses(curve(seen, own), total) for own, total in zip(log_shares, totals)]
    path = LocationScale(
        location=curve(knots, mean),
        raw_scale=curve(knots, raw),
        logits=logits[0] if shares is None else Choice.of(logits),
        family=family,
        scale=scale,
    )
    return path if shares is None else Contextual.of_classes(path, jnp.asarray(shares, dtype))


def _likeliest(
    filled: Filled,
    cells: Sequence[Cloud | None],
    parts: int,
    seed: int,
    options: Mapping[str, Any],
) -> list[GaussianMixture]:
    """The mixtures of groups of chains; in many coordinates those of the likeliest grouping.

    There most of a sum of squares is noise, and the tightest groups need not be the types: of
    starts alike in tightness to a hundredth, the densities differ by two nats a cell. They are
    compared after one step of expectation maximisation.
    """

    def found(label: np.ndarray, **more: Any) -> list[GaussianMixture]:
        rows = (filled.points, filled.masses, label, cells)
        return mixtures(*rows, **options, **more)

    def nats(label: np.ndarray) -> float:
        pairs = ((mixture, x) for mixture, x in zip(found(label, steps=1), cells) if x is not None)
        return sum(len(x) * float(x.shares @ m.log_density(x.points, degrees)) for m, x in pairs)

    degrees = options.get("degrees", np.inf)
    if filled.points.shape[-1] <= FEW_COORDINATES:
        return found(clusters(filled.points, parts, seed))
    seeds = [seed, *np.random.SeedSequence(seed).generate_state(_GROUPINGS - 1).tolist()]
    return found(max((clusters(filled.points, parts, own) for own in seeds), key=nats))


def _log_shares(
    mixtures: Sequence[GaussianMixture],
    sample: Sample,
    times: np.ndarray,
    conditions: int,
    *,
    degrees: float,
    with_chance: bool,
) -> np.ndarray:
    """The logarithms of the parts' shares of each condition, `(conditions, times, parts)`.

    They are those of its own cells and one more that is as all are; where it has none they are
    interpolated.
    """
    found = np.full((conditions, mixtures[0].weights.size, len(times)), np.nan)
    counts = np.zeros((conditions, len(times)))
    for i, (mixture, (x, mass), label) in enumerate(zip(mixtures, sample.cells, sample.labels)):
        say = softmax(mixture.log_joint(x, degrees), axis=1)
        for condition in np.unique(label):
            own = label == condition
            count = own.sum()
            whole = count * (mass[own] / mass[own].sum()) @ say[own] + mixture.weights
            found[condition, :, i] = whole / (count + 1)
            counts[condition, i] = count + 1
    for own, number in zip(found, counts):
        if not with_chance and (is_known := number > 0).any():
            own[:, is_known] = changing_shares(own[:, is_known].T, number[is_known]).T
    return interpolated(times, np.log(found)).swapaxes(1, 2)


def _degrees(config: PathConfig) -> float:
    """The degrees of freedom of the parts; infinitely many of Gaussian ones."""
    return np.inf if config.degrees is None else config.degrees


def _leading(config: PathConfig, dim: int) -> int:
    """In how many coordinates covariances are full."""
    return {"diagonal": 0, "full": dim}.get(config.scale, min(config.leading, dim))


def _knots(times: np.ndarray, most: int) -> np.ndarray:
    return times if len(times) <= most else np.linspace(times[0], times[-1], most)


def _resample(times: np.ndarray, knots: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values at the snapshots' times, shape `(times, ...)`, interpolated linearly to the knots."""
    i = np.clip(np.searchsorted(times, knots, side="right") - 1, 0, len(times) - 2)
    s = ((knots - times[i]) / (times[i + 1] - times[i])).reshape(-1, *[1] * (values.ndim - 1))
    return (1.0 - s) * values[i] + s * values[i + 1]
