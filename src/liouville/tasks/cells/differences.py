"""Whether conditions differ, and where: held-out cells, and the shares of the parts."""

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp

from liouville.data import Snapshots
from liouville.model import Model
from liouville.numerics.averages import error_of_average
from liouville.numerics.distances import Estimate
from liouville.tasks.cells.conditions import numbers_of, strata
from liouville.tasks.cells.judge import mean

# Of all claims of a table together, the chance that one is false where nothing differs, and how
# often labels are dealt anew to know it.
_CHANCE, _DEALS = 0.05, 999
_TINY = 1e-12
# Cells of a time that the shares of its parts are measured with.
_MOST = 2000


def log_density_given(model: Model, cells: Snapshots) -> np.ndarray:
    """The log-density of each cell, given its condition if the model knows any, shape `(n,)`."""
    if not model.classes:
        return model.log_density(cells.times, cells.points)
    each = _log_densities(model, cells)
    return each[numbers_of(cells, model.classes), np.arange(len(cells))]


def gain(model: Model, training: Snapshots, cells: Snapshots) -> Estimate:
    r"""What the condition of a cell says of its place: the mean of $\log\rho(x|c) - \log\rho(x)$.

    $\rho(x) = \sum_c p(c)\,\rho(x|c)$ is the density without the condition, with the proportions
    of the training cells at that time. In nats a cell that was held out, with the standard error
    of the paired difference: between donors, if these are known. Where conditions do not differ it
    is below zero, by what their differences were fitted to chance.
    """
    number = numbers_of(cells, model.classes)
    log_shares = np.full((len(model.classes), len(cells)), -np.inf)
    for t in cells.distinct_times:
        own = numbers_of(training, model.classes)[training.times == t]
        counts = np.bincount(own, minlength=len(model.classes))
        with np.errstate(divide="ignore"):
            log_shares[:, cells.times == t] = np.log(counts / counts.sum())[:, None]
    each = _log_densities(model, cells)
    is_known = np.isfinite(log_shares[number, np.arange(len(cells))])
    found = (each[number, np.arange(len(cells))] - logsumexp(each + log_shares, axis=0))[is_known]
    weights = np.ones(len(cells)) if cells.weights is None else cells.weights
    share = weights[is_known] / weights[is_known].sum()
    estimate = mean(found, share)
    if cells.donors is None:
        return estimate
    names, donor = np.unique(cells.donors[is_known], return_inverse=True)
    sums = np.bincount(donor, share * (found - estimate.value))
    count = len(names)
    error = np.sqrt(count / (count - 1) * (sums**2).sum()) if count > 1 else np.nan
    return Estimate(estimate.value, float(error))


def compare_regions(
    model: Model, cells: Snapshots, regions: np.ndarray | None = None, *, seed: int = 0
) -> list[dict[str, Any]]:
    r"""The shares of regions in every condition beside those in the first, time by time.

    What a member says of the share of a condition in a region is
    $\sum_i r_k(x_i) w_{ic} / \sum_i w_{ic}$ over all cells of the time, with
    $w_{ic} = \rho(x_i|c) / \rho(x_i)$ of that member and $\rho$ the mean of all: where the cells
    are, whoever they came from. The error is the spread of the members.

    Args:
        model: of two conditions or more.
        cells: of these conditions.
        regions: the chance $r_k$ of each cell to belong to each region, shape `(n, regions)`, such
            as one for its type; by default the parts of the first member.
        seed: of the cells of a time that are asked, 2,000 at most.

    Returns:
        Rows with `time`, `part` (from 1; parts by their place along the first coordinate at the
        last time), `condition`, its `share`, that in the first condition as `reference`, the
        `log_ratio` of both, each with its error if the members were fitted to cells drawn anew;
        `chance`, how often labels of conditions that are dealt anew make the largest difference of
        the table as large as that of the row (Westfall and Young 1993); and whether it `differs`:
        whether that is below .05. Labels are dealt to the cells of a time, or to whole donors.
    """
    members = model.members or (model,)
    is_known = len(members) > 1 and model.notes.get("bootstrap", "none") != "none"
    rng, rows = np.random.default_rng(seed), []
    names = model.classes
    given = [[member.given(name) for name in names] for member in members]
    present = {(g.time, names[g.condition]) for g in strata(cells, names)}
    regions = _parts(given[0], cells) if regions is None else regions
    for t in cells.distinct_times.tolist():
        chosen = rng.permutation(np.flatnonzero(cells.times == t))[:_MOST]
        x, say = cells.points[chosen], regions[chosen]
        logs = np.stack([[own.log_density(t, x) for own in each] for each in given])
        weights = np.exp(logs - logsumexp(logs, axis=(0, 1)))
        shares = weights @ say / weights.sum(axis=-1, keepdims=True)  # (members, conditions, parts)
        for part, (number, name) in itertools.product(range(say.shape[1]), enumerate(names)):
            if number == 0 or not {(t, name), (t, names[0])} <= present:
                continue
            own, other = shares[:, number, part], shares[:, 0, part]
            values = {"share": own, "reference": other, "log_ratio": np.log(own / other)}
            row = {"time": t, "part": part + 1, "condition": name}
            for key, each in values.items():
                row[key] = float(each.mean())
                row[f"{key}_error"] = _error(each) if is_known else None
            rows.append(row)
    found = [[r["time"], r["part"] - 1, names.index(r["condition"])] for r in rows]
    for row, chance in zip(rows, _chances(cells, names, regions, found, rng)):
        row |= {"chance": chance, "differs": chance < _CHANCE}
    return rows


def _chances(
    cells: Snapshots,
    names: tuple[str, ...],
    regions: np.ndarray,
    asked: list[list[Any]],
    rng: np.random.Generator,
) -> list[float]:
    """How often dealt labels make any difference of shares as large as each of those asked for.

    Differences are in units of their own spread under dealt labels.
    """
    weights = np.ones(len(cells)) if cells.weights is None else cells.weights
    number, mass = numbers_of(cells, names), weights[:, None] * regions
    at = [np.flatnonzero(cells.times == t) for t in cells.distinct_times]
    place = np.searchsorted(cells.distinct_times, [t for t, _, _ in asked])
    part, other = (np.array([row[i] for row in asked], int) for i in (1, 2))

    def differences(label: np.ndarray) -> np.ndarray:
        own = label[:, None] == np.arange(len(names))
        whole = [own[i].T @ mass[i] / np.maximum(weights[i] @ own[i], _TINY)[:, None] for i in at]
        shares = np.stack(whole)  # (times, conditions, regions)
        return np.abs(shares[place, other, part] - shares[place, 0, part])

    dealt = np.stack([differences(_dealt(cells, number, at, rng)) for _ in range(_DEALS)])
    spread = np.maximum(np.sqrt((dealt**2).mean(axis=0)), _TINY)
    largest = (dealt / spread).max(axis=1)
    seen = differences(number) / spread
    return [float((1 + np.sum(largest >= value)) / (1 + _DEALS)) for value in seen]


def _dealt(
    cells: Snapshots, number: np.ndarray, at: list[np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """The numbers of the conditions of the cells, dealt anew as if they did not matter."""
    found = number.copy()
    if cells.donors is None:
        for rows in at:
            found[rows] = rng.permutation(number[rows])
        return found
    donors, donor = np.unique(cells.donors, return_inverse=True)
    own = [np.unique(number[donor == i]) for i in range(len(donors))]
    if all(len(conditions) == 1 for conditions in own):
        return rng.permutation(np.concatenate(own))[donor]
    # A donor with cells of several conditions is compared with itself.
    for i, conditions in enumerate(own):
        mine = donor == i
        names = dict(zip(conditions.tolist(), rng.permutation(conditions).tolist()))
        found[mine] = [names[label] for label in number[mine].tolist()]
    return found


def _parts(given: list[Model], cells: Snapshots) -> np.ndarray:
    """The chance of each cell to be of each part of a member, by their place at the last time."""
    # The same parts in all conditions, of other weights: what they are on average.
    say = np.mean([np.exp(own.log_shares(cells.times, cells.points)) for own in given], axis=0)
    last = cells.times == cells.distinct_times[-1]
    places = cells.points[last, 0] @ say[last] / say[last].sum(axis=0)
    return say[:, np.argsort(places, kind="stable")]


def _error(each: np.ndarray) -> float:
    return float(error_of_average(jnp.asarray(each), jnp.full(len(each), 1.0 / len(each))))


def _log_densities(model: Model, cells: Snapshots) -> np.ndarray:
    """The log-density of every cell given each condition, shape `(conditions, n)`."""
    return np.stack(
        [model.given(name).log_density(cells.times, cells.points) for name in model.classes]
    )
