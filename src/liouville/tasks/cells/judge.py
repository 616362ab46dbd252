"""What a prediction of the cells of one time is judged by, and what costs no model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from liouville.data import Snapshots
from liouville.errors import LiouvilleError
from liouville.numerics.couplings import assignment, wasserstein
from liouville.numerics.distances import Cloud, Estimate, energy_distance, first_wasserstein
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.shrunken import fit_shrunken_by_validation

# Exact distances cost the number of cells cubed, mixtures the number of cells: of more than so
# many at a time some are chosen by chance.
MOST_MATCHED, MOST_FITTED, _MOST_SCORED = 2000, 4000, 20_000
# W1 does not rank if a set with less than the first share of the truth's variance comes closer than
# other cells of the truth, by the second share of their distance. That is tried with the third.
_SHRUNKEN, _PART, _SHRUNKEN_FLOOR = 0.95, 0.01, 0.8

LogDensity = Callable[[np.ndarray], np.ndarray]


class Prediction(NamedTuple):
    """Cells predicted at a time, and their log-density in nats if there is one."""

    cloud: Cloud
    log_density: LogDensity | None = None


class Judge:
    r"""The true cells of a time, and what its neighbours say of it without a model.

    $W_1$ is between equal numbers of cells, `size`, for all predictions and for the floor: half of
    the truth, the other half being the floor. Weighted cells are drawn systematically to that
    number. The energy distance has no bias at any number; it is to all true cells (up to 2,000).

    Attributes:
        size: the number of cells between which `w1` is measured.
        rivals: the predictions without a model: `midpoint` (optimal transport between the
            neighbours), `random midpoint` (pairs by chance), `both neighbours` (together; of the
            nearer one more) and `no motion` (the cells of the time before).
    """

    def __init__(self, truth: Cloud, old: Cloud, new: Cloud, share: float):
        """A judge of the time a `share` of the way from `old` to `new` cells, between 0 and 1.

        Raises:
            LiouvilleError: if one of the three clouds has fewer than four cells.
        """
        fewest = min(map(len, (truth, old, new)))
        if fewest < 4:
            raise LiouvilleError(
                f"a time with {fewest} cells of any mass cannot be judged or judged by; leave out "
                "a time that has four or more, as its neighbours do"
            )
        rng = np.random.default_rng(0)
        self._scored = thin(truth, _MOST_SCORED, rng)
        self._truth, old, new = (thin(cloud, MOST_MATCHED, rng) for cloud in (truth, old, new))
        order, middle = rng.permutation(len(self._truth)), len(self._truth) // 2
        self._halves = [self._truth.select(order[:middle]), self._truth.select(order[middle:])]
        self._most = min(len(self._truth), len(old), len(new))
        self.size = min(middle, self._most)
        self.rivals = _rivals(old, new, share, rng)

    def figures(self, prediction: Prediction) -> dict[str, Any]:
        """How good a prediction is; `NAME_error` is the standard error of `NAME`.

        Returns:
            `w1`; `w1_all` among as many cells as there are, which has no floor; `energy`;
            `variance`, the total over that of the truth; and, of a density, `nats` per true cell
            and how far they are `above` those of both neighbours, on the same cells.
        """
        rng = np.random.default_rng(1)
        cloud = thin(prediction.cloud, MOST_MATCHED, rng)
        own = cloud.equal(self.size, rng)
        found = [first_wasserstein(own, half.equal(self.size, rng)) for half in self._halves]
        every = wasserstein(cloud.equal(self._most, rng), self._truth.equal(self._most, rng), 1)
        # The two are not independent: their mean is taken for no better known than each.
        error = float(np.sqrt(np.mean([w1.error**2 for w1 in found])))
        return {
            **figure("w1", Estimate(float(np.mean([w1.value for w1 in found])), error)),
            "w1_all": every,
            **figure("energy", energy_distance(cloud, self._truth)),
            "variance": cloud.total_variance / self._truth.total_variance,
            **({} if prediction.log_density is None else self._nats(prediction.log_density)),
        }

    def floors(self) -> dict[str, dict[str, Any]]:
        """The figures of one half of the truth against the other, by name of a prediction.

        Of the `floor` `nats` are those of mixtures fitted to the halves. The `floor, shrunken` has
        four fifths of the variance: where it is nearer than the floor, W1 rewards shrinking.
        """
        rng, (one, other) = np.random.default_rng(1), self._halves
        label = rng.permutation(np.arange(len(self._scored)) % 2)
        fitted = [mixture_of(self._scored.select(label != i)) for i in (0, 1)]
        nats = self._nats(lambda x: np.where(label == 0, *[m.log_density(x) for m in fitted]))
        center, target = one.shares @ one.points, other.equal(self.size, rng)
        found = {}
        for name, variance in (("floor", 1.0), ("floor, shrunken", _SHRUNKEN_FLOOR)):
            points = center + variance**0.5 * (one.points - center)
            cloud = Cloud(points, one.weights)
            w1 = first_wasserstein(cloud.equal(self.size, np.random.default_rng(1)), target)
            energy = energy_distance(cloud, other)
            found[name] = {**figure("w1", w1), **figure("energy", energy), "variance": variance}
        found["floor"] |= nats
        return found

    def _nats(self, log_density: LogDensity) -> dict[str, Any]:
        points, shares = self._scored.points, self._scored.shares
        both = self.rivals["both neighbours"].log_density
        assert both is not None
        ours = -log_density(points)
        above = mean(ours + both(points), shares)
        return {**figure("nats", mean(ours, shares)), **figure("above", above)}


def _rivals(
    old: Cloud, new: Cloud, share: float, rng: np.random.Generator
) -> dict[str, Prediction]:
    n = min(len(old), len(new))
    x, y = old.equal(n, rng), new.equal(n, rng)
    before, after = mixture_of(old), mixture_of(new)
    both = Cloud(
        np.concatenate([old.points, new.points]),
        np.concatenate([(1.0 - share) * old.shares, share * new.shares]),
    )

    def of_both(points: np.ndarray) -> np.ndarray:
        one, other = before.log_density(points), after.log_density(points)
        return np.logaddexp(np.log1p(-share) + one, np.log(share) + other)

    return {
        "midpoint": Prediction(Cloud.of((1.0 - share) * x + share * y[assignment(x, y)])),
        "random midpoint": Prediction(Cloud.of((1.0 - share) * x + share * y[rng.permutation(n)])),
        "both neighbours": Prediction(both, of_both),
        "no motion": Prediction(old, before.log_density),
    }


def ranking_remarks(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Says which predictions W1 puts before the truth itself, if any, in one line.

    Args:
        rows: the figures of one time, one of which is the `floor`.
    """
    (floor,) = (row["w1"] for row in rows if row["prediction"] == "floor")
    nearer = []
    for row in rows:
        # What is as wide as the truth may be nearer by chance.
        margin = _PART * floor if row["variance"] < _SHRUNKEN else 2.0 * row["w1_error"]
        if row["w1"] + margin < floor:
            spread = f"{row['variance']:.2f} of the spread"
            nearer.append(f"{row['prediction']} ({row['w1']:.4g}, {spread})")
    if not nearer:
        return []
    return [
        f"W1 does not rank: nearer than other true cells ({floor:.4g}) are {', '.join(nearer)}; "
        "look at energy and nats"
    ]


def cloud_at(cells: Snapshots, t: float) -> Cloud:
    """The cells of one time that have mass."""
    chosen = cells.times == t
    if cells.weights is not None:
        chosen &= cells.weights > 0
    return Cloud.of(cells.points[chosen], None if cells.weights is None else cells.weights[chosen])


def thin(cloud: Cloud, most: int, rng: np.random.Generator) -> Cloud:
    """At most so many of the points, chosen by chance."""
    return cloud if len(cloud) <= most else cloud.select(rng.permutation(len(cloud))[:most])


def mixture_of(cloud: Cloud) -> GaussianMixture:
    """The static mixture of a cloud, fitted to 4,000 of its points if there are more."""
    chosen = thin(cloud, MOST_FITTED, np.random.default_rng(0))
    return fit_shrunken_by_validation(chosen.points, chosen.weights)


def mean(values: np.ndarray, shares: np.ndarray) -> Estimate:
    """The mean of values by shares of sum one, and its standard error."""
    center = float(shares @ values)
    if len(values) < 2:
        return Estimate(center, np.nan)
    return Estimate(center, float(np.sqrt((shares**2) @ (values - center) ** 2)))


def figure(name: str, found: Estimate) -> dict[str, Any]:
    """An estimate in a row of a table; what is not known is empty."""
    known = [None if np.isnan(value) else value for value in found]
    return {name: known[0], f"{name}_error": known[1]}
