r"""CSEP's tests of a forecast: could what was observed have been one of its catalogues?

A forecast is $J$ simulated catalogues, one after the other: `number` says in which of them an event
is, from 0 to `size - 1`, for catalogues may be empty. Every test compares a statistic of what was
observed with that of each catalogue by

$$\delta_1 = \tfrac1J \#\{j : s_j \ge s\}, \qquad \delta_2 = \tfrac1J \#\{j : s_j \le s\}.$$

Sources: Savran et al. (2020), Pseudoprospective evaluation of UCERF3-ETAS forecasts during the 2019
Ridgecrest sequence, BSSA 110, for the tests; Serafini et al. (2024) for the resampling of the
magnitude test, as pycsep cites them. NumPy alone, and nothing of JAX.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from liouville.errors import LiouvilleError

# An edge that was computed and a magnitude in single precision may miss each other by so much.
_EDGE = 1e-5


class Outcome(NamedTuple):
    r"""What a test found.

    Attributes:
        name: of the test: N, M, S or L.
        observed: the statistic $s$ of what was observed; NaN if it has none.
        simulated: that of every catalogue that has one, shape `(catalogues,)`.
        extreme: which values speak against the forecast.
        left_out: observed events that the statistic cannot count, in cells of rate zero.
    """

    name: str
    observed: float
    simulated: np.ndarray
    extreme: Literal["both", "large", "small"]
    left_out: int = 0

    @property
    def at_least(self) -> float:
        r"""$\delta_1$, the share of catalogues with the same statistic or a larger one."""
        return float((self.simulated >= self.observed).mean()) if self.is_valid else np.nan

    @property
    def at_most(self) -> float:
        r"""$\delta_2$, the share of catalogues with the same statistic or a smaller one."""
        return float((self.simulated <= self.observed).mean()) if self.is_valid else np.nan

    @property
    def mean(self) -> float:
        """The mean statistic of the catalogues."""
        return float(self.simulated.mean()) if self.is_valid else np.nan

    @property
    def is_valid(self) -> bool:
        """Whether there is anything to compare: no places or marks are known of no events."""
        return bool(np.isfinite(self.observed) and len(self.simulated))

    @property
    def p_value(self) -> float:
        """The chance of a statistic as extreme if the forecast is true; of both sides, twice."""
        sides = {"large": self.at_least, "small": self.at_most}
        if self.extreme == "both":
            return min(1.0, 2.0 * min(sides.values()))
        return sides[self.extreme]

    def passes(self, level: float = 0.05) -> bool | None:
        """Whether a true forecast is this far off in more than a share of cases; None if invalid.

        A true forecast passes in 95 of 100 cases, or a little more where statistics are equal.
        """
        return self.p_value > level if self.is_valid else None


def number_test(number: np.ndarray, size: int, observed: int) -> Outcome:
    """The N test: the statistic is the number of events, and both sides count.

    Args:
        number: of the catalogue of each simulated event, shape `(n,)`.
        size: how many catalogues there are.
        observed: how many events were observed.
    """
    counts = np.bincount(number, minlength=size).astype(float)
    return Outcome("N", float(observed), counts, "both")


def magnitude_test(
    number: np.ndarray,
    size: int,
    bins: np.ndarray,
    observed: np.ndarray,
    *,
    seed: int | None = 0,
) -> Outcome:
    r"""The M test: how far magnitudes are from those of all catalogues together; large is bad.

    $$D_j = \sum_k \Bigl[\log_{10}\Bigl(\tfrac{N}{N_j} \Lambda_j(k) + 1\Bigr)
      - \log_{10}\Bigl(\tfrac{N}{N_U} \Lambda_U(k) + 1\Bigr)\Bigr]^2$$

    with the counts $\Lambda_j(k)$ of catalogue $j$ in bin $k$, $N_j$ in all, their sums
    $\Lambda_U$ and $N_U$ over all catalogues, and $N$ observed events, for which $D$ is alike.

    Few events scatter more than many, so that by this definition a true forecast fails too often
    when few events happen and hardly ever when many do. With a `seed` each $\Lambda_j$ is instead
    $N$ draws from $\Lambda_U$ (Serafini et al. 2024), and passes are as frequent as they should be.

    Args:
        number: of the catalogue of each simulated event, shape `(n,)`.
        size: how many catalogues there are.
        bins: the magnitude bin of each simulated event, from 0, shape `(n,)`.
        observed: that of each observed event.
        seed: of the draws; None for the catalogues as they are.
    """
    width = 1 + int(max(bins.max(initial=0), observed.max(initial=0)))
    union = np.bincount(bins, minlength=width)
    total, n = union.sum(), len(observed)
    if not total or not n:
        return Outcome("M", np.nan, np.empty(0), "large")
    if seed is not None:
        own = np.random.default_rng(seed).multinomial(n, union / total, size)
    else:
        own = np.bincount(number * width + bins, minlength=size * width).reshape(size, width)
        own = own[own.sum(axis=1) > 0]
    level = np.log10(n / total * union + 1.0)

    def distance(counts: np.ndarray) -> np.ndarray:
        scaled = counts * (n / counts.sum(axis=-1, keepdims=True))
        return ((np.log10(scaled + 1.0) - level) ** 2).sum(axis=-1)

    value = float(distance(np.bincount(observed, minlength=width)))
    return Outcome("M", value, distance(own), "large")


def spatial_test(
    number: np.ndarray,
    size: int,
    cells: np.ndarray,
    observed: np.ndarray,
    expected: np.ndarray | None = None,
) -> Outcome:
    r"""The S test: the mean log-likelihood of the places, whatever their number; small is bad.

    $$S_j = \frac{1}{N_j} \sum_{i=1}^{N_j}
      \log \frac{\hat\lambda(k_i)}{\sum_k \hat\lambda(k)}$$

    with the cell $k_i$ of event $i$ and the expected number $\hat\lambda(k)$ of events in a cell.
    Catalogues without events have no $S_j$.

    Args:
        number: of the catalogue of each simulated event, shape `(n,)`.
        size: how many catalogues there are.
        cells: the cell of each simulated event, from 0, shape `(n,)`.
        observed: that of each observed event.
        expected: $\hat\lambda$, shape `(cells,)`; by default the mean of the catalogues, for a
            catalogue that of the others: it must not help to expect itself, as the observed one
            does not. Events where $\hat\lambda$ is zero are left out; of the observed ones
            `left_out` says how many.
    """
    logs, rows, seen, totals = _log_rates(number, size, cells, observed, expected)
    counts = np.bincount(rows, minlength=size)
    held = counts > 0
    means = np.bincount(rows, logs, minlength=size)[held] / counts[held]
    value = float(seen.mean() - np.log(totals[-1])) if len(seen) else np.nan
    left_out = len(observed) - len(seen)
    return Outcome("S", value, means - np.log(totals[:-1][held]), "small", left_out)


def pseudo_likelihood_test(
    number: np.ndarray,
    size: int,
    cells: np.ndarray,
    observed: np.ndarray,
    expected: np.ndarray | None = None,
) -> Outcome:
    r"""The L test: the log-likelihood of places and number together; small is bad.

    $$L_j = \sum_{i=1}^{N_j} \log \hat\lambda(k_i) - \sum_k \hat\lambda(k)$$

    as of a Poisson process with the expected numbers of the forecast, which need not be one: hence
    *pseudo*. Arguments are those of `spatial_test`.
    """
    logs, rows, seen, totals = _log_rates(number, size, cells, observed, expected)
    value = np.nan if len(seen) < min(len(observed), 1) else float(seen.sum() - totals[-1])
    sums = np.bincount(rows, logs, minlength=size) - totals[:-1]
    return Outcome("L", value, sums, "small", len(observed) - len(seen))


def _log_rates(
    number: np.ndarray,
    size: int,
    cells: np.ndarray,
    observed: np.ndarray,
    expected: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The logs of the rates at events, where there are rates, and the sums of rates over cells.

    Those of simulated events, and their catalogues; of observed events; and the sums as each
    catalogue has them, the observed one last, shape `(size + 1,)`.
    """
    if expected is not None:
        rates = np.asarray(expected, float)
        own, totals = rates[cells], np.full(size + 1, rates.sum())
    else:
        most = 1 + int(max(cells.max(initial=0), observed.max(initial=0)))
        counts = np.bincount(cells, minlength=most)
        _, which, many = np.unique(number * most + cells, return_inverse=True, return_counts=True)
        others = max(size - 1, 1)
        rates, own = counts / size, (counts[cells] - many[which]) / others
        of_others = (len(cells) - np.bincount(number, minlength=size)) / others
        totals = np.append(of_others, len(cells) / size)
    held, seen = own > 0, rates[observed]
    return np.log(own[held]), number[held], np.log(seen[seen > 0]), totals


def cell_numbers(places: np.ndarray, edges: Sequence[np.ndarray]) -> np.ndarray:
    """The number of the cell of a grid that each place is in, -1 outside, shape `(n,)`.

    Args:
        places: shape `(n, dim)`.
        edges: of the cells along every coordinate, increasing; cells hold their lower edges.
    """
    found, inside = np.zeros(len(places), int), np.ones(len(places), bool)
    for column, own in zip(places.T, edges, strict=True):
        slot = np.searchsorted(own, column, side="right") - 1
        inside &= (slot >= 0) & (slot < len(own) - 1)
        found = found * (len(own) - 1) + slot
    return np.where(inside, found, -1)


def bin_numbers(marks: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The number of the magnitude bin of each mark, -1 below all; the last bin is open above."""
    if len(edges) < 2:
        raise LiouvilleError(f"magnitude bins have {len(edges)} edges; give at least two")
    slot = np.searchsorted(edges, marks + _EDGE, side="right") - 1
    return np.minimum(slot, len(edges) - 2)


def consistency(
    number: np.ndarray,
    size: int,
    places: np.ndarray,
    observed_places: np.ndarray,
    edges: Sequence[np.ndarray],
    *,
    marks: np.ndarray | None = None,
    observed_marks: np.ndarray | None = None,
    magnitude_edges: np.ndarray | None = None,
    expected: np.ndarray | None = None,
    seed: int = 0,
) -> list[Outcome]:
    """All tests of a forecast, of the events in its grid and in its magnitude bins alone.

    Args:
        number: of the catalogue of each simulated event, shape `(n,)`.
        size: how many catalogues there are.
        places: of simulated events, shape `(n, dim)`.
        observed_places: of observed events, shape `(m, dim)`.
        edges: of the cells along every coordinate.
        marks: magnitudes of simulated events, shape `(n,)`; without them there is no M test.
        observed_marks: those of observed events, shape `(m,)`.
        magnitude_edges: edges of the magnitude bins, the last of which is open above.
        expected: events in every cell, in any shape of as many; see `spatial_test`.
        seed: of the draws of the M test.
    """
    cells, seen = cell_numbers(places, edges), cell_numbers(observed_places, edges)
    inside, known, found = cells >= 0, seen >= 0, []
    if marks is not None and observed_marks is not None and magnitude_edges is not None:
        bins, own = (bin_numbers(m, magnitude_edges) for m in (marks, observed_marks))
        inside, known = inside & (bins >= 0), known & (own >= 0)
        found = [magnitude_test(number[inside], size, bins[inside], own[known], seed=seed)]
    drawn = (number[inside], size, cells[inside], seen[known])
    rates = None if expected is None else np.ravel(expected)
    return [
        number_test(number[inside], size, int(known.sum())),
        *found,
        spatial_test(*drawn, rates),
        pseudo_likelihood_test(*drawn, rates),
    ]
