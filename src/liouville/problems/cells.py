r"""A population of cells that decide, divide and die, whose fates are known by brute force.

NumPy and float64 throughout: these are answers, not models.
"""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from liouville.errors import LiouvilleError

Array = np.ndarray

TYPES = ("progenitor", "alpha", "beta", "gamma")
"""The types of cells; the last three are the fates."""

# Directions of the fates in the plane of decisions, shape (3, 2).
_ANGLES = 2.0 * np.pi * np.arange(3) / 3.0
_AIMS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
# Longest step of a simulation, in days.
_STEP = 0.04
# Cells that are simulated at once.
_BLOCK = 2**17
_GENES, _DRIVERS, _PROGRESS = 200, 10, 30


class Population(NamedTuple):
    """Cells of several times.

    Attributes:
        points: latent coordinates, shape `(n, dim)`.
        times: shape `(n,)`.
        types: the number of each cell's type in `TYPES`, shape `(n,)`.
        sizes: how many cells the whole population has at each of `BranchingCells.days`, of one
            founder.
    """

    points: Array
    times: Array
    types: Array
    sizes: Array

    @property
    def names(self) -> Array:
        """The type of each cell by name."""
        return np.array(TYPES)[self.types]


class Descendants(NamedTuple):
    """All cells at a time, and the founder of each.

    Attributes:
        points: shape `(n, dim)`.
        founders: the row of the founder of each, shape `(n,)`.
    """

    points: Array
    founders: Array


@dataclass(frozen=True)
class BranchingCells:
    r"""Progenitors that mature, decide at random between three fates, divide and die.

    The first coordinate $s$ is maturity, the next two the plane of decisions $p$, any others are
    at rest but for noise:

    $$ds = \dot s\,dt + \tau\,dW, \qquad
      dp = k\,\bigl(R(s) \textstyle\sum_j \gamma_j(p)\, c_j - p\bigr)\,dt + \sigma\,dW,
      \qquad \gamma_j = \mathrm{softmax}_j(\beta\, c_j \cdot p + a_j),$$

    with unit vectors $c_j$ a third of a turn apart. While the radius $R(s)$ is small there is one
    place to be; as it grows, three. Cells divide and die at rates that are means over the
    progenitors' and the three fates', weighted by how mature the cell is and by $\gamma$ (with
    $a = 0$).

    Attributes:
        dim: the number of coordinates, three or more.
        knockout: the number of the fate, from 0, that is chosen half as often; `None` for none.
        sigma: the noise of decisions $\sigma$, per root of a day.
        days: the times of the snapshots.

    Raises:
        LiouvilleError: on fewer than three coordinates, or a fate that there is not.
    """

    dim: int = 5
    knockout: int | None = None
    sigma: float = 0.5
    days: tuple[float, ...] = (0.0, 1.0, 2.0, 3.0, 4.0)
    pull: float = 2.0
    sharpness: float = 1.5
    radius: float = 3.0
    turn: float = 1.5
    # Of progenitors and the three fates, per day.
    divisions: tuple[float, ...] = (0.5, 0.7, 0.4, 0.2)
    deaths: tuple[float, ...] = (0.1, 0.1, 0.2, 0.4)
    odds: tuple[float, ...] = (0.05, 0.0, -0.05)

    def __post_init__(self) -> None:
        if self.dim < 3:
            raise LiouvilleError(f"the population has {self.dim} coordinates; give 3 or more")
        if self.knockout not in (None, 0, 1, 2):
            raise LiouvilleError(f"knockout is {self.knockout}; give 0, 1, 2 or None")

    def drift(self, x: Array) -> Array:
        """The drift at points of shape `(n, dim)`."""
        found = -0.5 * np.asarray(x)
        found[:, 0] = 1.0
        radius = self.radius * self.maturity(x)
        aim = self._chosen(x, self._bias) @ _AIMS
        found[:, 1:3] = self.pull * (radius[:, None] * aim - x[:, 1:3])
        return found

    def maturity(self, x: Array) -> Array:
        """How mature cells are, from 0 to 1, shape `(n,)`."""
        return 1.0 / (1.0 + np.exp(-(x[:, 0] - self.turn) / 0.25))

    def division(self, x: Array) -> Array:
        """The rate at which cells divide, per day, shape `(n,)`."""
        return self._mean_rate(x, self.divisions)

    def death(self, x: Array) -> Array:
        """The rate at which cells die, per day, shape `(n,)`."""
        return self._mean_rate(x, self.deaths)

    def growth(self, x: Array) -> Array:
        """The rate of growth, division less death, per day, shape `(n,)`."""
        return self.division(x) - self.death(x)

    def types(self, x: Array) -> Array:
        """The number of each cell's type in `TYPES`: a fate once it is nearer than the middle."""
        along = x[:, 1:3] @ _AIMS.T
        return np.where(along.max(1) > 0.4 * self.radius, 1 + along.argmax(1), 0)

    def founders(self, n: int, *, seed: int = 0) -> Array:
        """Cells of the first day, shape `(n, dim)`."""
        z = np.random.default_rng(seed).normal(size=(n, self.dim))
        spread = np.full(self.dim, 0.5)
        spread[0] = 0.25
        spread[1:3] = self.sigma / np.sqrt(2.0 * self.pull)
        return spread * z

    def grow(self, x: Array, t0: float, t1: float, *, seed: int = 0) -> Descendants:
        """Lets cells move, divide and die from one time to another.

        Args:
            x: cells at `t0`, shape `(n, dim)`.
            t0: their time.
            t1: a later time.
            seed: of all that is random.
        """
        rng = np.random.default_rng(seed)
        points, founders = np.array(x, float), np.arange(len(x))
        for h in self._steps(t0, t1):
            chance = rng.uniform(size=len(points))
            dies = self.death(points) * h
            copies = np.where(chance < dies, 0, 1)
            copies = np.where(chance > 1.0 - self.division(points) * h, 2, copies)
            points = self._moved(np.repeat(points, copies, axis=0), h, rng)
            founders = np.repeat(founders, copies)
        return Descendants(points, founders)

    def sample(self, n: int = 1000, *, seed: int = 0, founders: int = 5000) -> Population:
        """Snapshots of so many cells each, drawn from a large population.

        Args:
            n: cells of every day.
            seed: of everything.
            founders: cells that the population starts with.

        Raises:
            LiouvilleError: if the population has fewer cells than are drawn.
        """
        rng = np.random.default_rng([seed, 1])
        everybody = self.founders(founders, seed=seed)
        clouds, sizes = [], []
        for number, day in enumerate(self.days):
            if number:
                before = self.days[number - 1]
                everybody = self.grow(everybody, before, day, seed=seed + 7919 * number).points
            if len(everybody) < n:
                raise LiouvilleError(
                    f"{len(everybody)} cells are left on day {day:g}, {n} are asked for; ask for "
                    "fewer, or for more founders"
                )
            clouds.append(everybody[rng.choice(len(everybody), n, replace=False)])
            sizes.append(len(everybody) / founders)
        points = np.concatenate(clouds)
        times = np.repeat(np.asarray(self.days, float), n)
        return Population(points, times, self.types(points), np.array(sizes))

    def fates(self, t: float, x: Array, t1: float | None = None, **options: Any) -> Array:
        """The probability that cells end in each type: the shares of `descendants`, `(n, 4)`."""
        counts = self.descendants(t, x, t1, **options)
        return counts / counts.sum(1, keepdims=True)

    def descendants(
        self,
        t: float,
        x: Array,
        t1: float | None = None,
        *,
        growth: bool = True,
        draws: int = 200,
        seed: int = 0,
    ) -> Array:
        r"""The expected number of descendants of cells in each type, by simulation.

        Each cell moves `draws` times, $N_g = E[e^{\int h} 1_g]$: its growth is a weight instead of
        cells that divide, which is the same on average and less noisy.

        Args:
            t: the time of the cells.
            x: cells, shape `(n, dim)`.
            t1: the end, by default the last day.
            growth: whether cells divide and die.
            draws: simulations of each cell.
            seed: of them.

        Returns:
            Shape `(n, 4)`, in the order of `TYPES`.
        """
        end = self.days[-1] if t1 is None else t1
        found = np.empty((len(x), len(TYPES)))
        size = max(_BLOCK // draws, 1)
        for number, begin in enumerate(range(0, len(x), size)):
            rng = np.random.default_rng([seed, number])
            points = np.repeat(x[begin : begin + size], draws, axis=0)
            gain = np.zeros(len(points))
            for h in self._steps(t, end):
                gain += h * self.growth(points)
                points = self._moved(points, h, rng)
            weights = np.exp(gain) if growth else np.ones_like(gain)
            ends = np.eye(len(TYPES))[self.types(points)] * weights[:, None]
            found[begin : begin + size] = ends.reshape(-1, draws, len(TYPES)).mean(1)
        return found

    def transitions(self, t0: float, t1: float, *, n: int = 5000, seed: int = 0) -> Array:
        """The share of each type in the descendants of each type, by lineage: shape `(4, 4)`.

        Rows of types that have no cells are zero.

        Args:
            t0: the time of the ancestors.
            t1: the time of the descendants.
            n: founders of the simulated population.
            seed: of everything.
        """
        first = self.grow(self.founders(n, seed=seed), self.days[0], t0, seed=seed + 1).points
        last = self.grow(first, t0, t1, seed=seed + 2)
        table = np.zeros((len(TYPES), len(TYPES)))
        np.add.at(table, (self.types(first)[last.founders], self.types(last.points)), 1.0)
        return table / np.maximum(table.sum(1, keepdims=True), 1.0)

    def annotated(self, population: Population, *, seed: int = 0, components: int = 10) -> Any:
        """The cells as AnnData with counts of genes and principal components of these.

        Of 200 genes ten drive each fate (`var["drives"]`): they rise as cells turn to it. Thirty
        follow maturity, and the others nothing. Counts are negative binomial. Principal components
        are those of log-normalised counts (in `X`; counts in `layers`): `obsm["X_pca"]` and
        `varm["PCs"]`. The latent coordinates are in `obsm["X_latent"]`.

        Args:
            population: the cells, of `sample`.
            seed: of the counts.
            components: principal components that are kept.
        """
        import anndata
        import pandas as pd

        rng = np.random.default_rng([seed, 2])
        x = population.points
        logs, drives = self._log_expression(x)
        depth = np.exp(rng.normal(0.0, 0.2, len(x)))
        mean = depth[:, None] * np.exp(logs)
        counts = rng.poisson(mean * rng.gamma(5.0, 0.2, mean.shape)).astype(np.float32)
        sums = np.maximum(counts.sum(1, keepdims=True), 1.0)
        normal = np.log1p(counts / sums * np.median(sums)).astype(np.float32)
        centred = normal - normal.mean(0)
        left, values, right = np.linalg.svd(centred, full_matrices=False)
        names: Any = [f"cell{i}" for i in range(len(x))], [f"gene{i}" for i in range(_GENES)]
        about = {"day": population.times, "type": pd.Categorical(population.names, TYPES)}
        beside: Any = {
            "obs": pd.DataFrame(about, index=names[0]),
            "var": pd.DataFrame({"drives": drives}, index=names[1]),
            "layers": {"counts": counts},
            "obsm": {"X_latent": x, "X_pca": left[:, :components] * values[:components]},
            "varm": {"PCs": right[:components].T},
        }
        return anndata.AnnData(normal, **beside)

    def _log_expression(self, x: Array) -> tuple[Array, list[str]]:
        """Logarithms of the mean counts, and which fate each gene drives, if any."""
        rng = np.random.default_rng(4)  # the genes are the same whatever the cells
        fates = _AIMS @ x[:, 1:3].T / self.radius
        rise = np.clip(fates, 0.0, None).T
        follow = np.zeros((3 + 1, _GENES))
        order, drives = rng.permutation(_GENES), [""] * _GENES
        for fate in range(3):
            own = order[fate * _DRIVERS : (fate + 1) * _DRIVERS]
            follow[fate, own] = rng.uniform(1.5, 2.5, _DRIVERS)
            for gene in own.tolist():
                drives[gene] = TYPES[1 + fate]
        own = order[3 * _DRIVERS : 3 * _DRIVERS + _PROGRESS]
        follow[3, own] = rng.uniform(-1.5, 1.5, _PROGRESS)
        base = rng.normal(1.0, 0.7, _GENES)
        return base + np.column_stack([rise, x[:, 0] / 4.0]) @ follow, drives

    def _mean_rate(self, x: Array, rates: tuple[float, ...]) -> Array:
        first, *rest = rates
        mature = self.maturity(x)
        return (1.0 - mature) * first + mature * (self._chosen(x, np.zeros(3)) @ np.array(rest))

    def _chosen(self, x: Array, bias: Array) -> Array:
        logits = self.sharpness * x[:, 1:3] @ _AIMS.T + bias
        weights = np.exp(logits - logits.max(1, keepdims=True))
        return weights / weights.sum(1, keepdims=True)

    @functools.cached_property
    def _bias(self) -> Array:
        bias = np.array(self.odds)
        if self.knockout is not None:
            bias[self.knockout] -= _KNOCKED[self.knockout]
        return bias

    def _steps(self, t0: float, t1: float) -> list[float]:
        if t1 < t0:
            raise LiouvilleError(f"time {t1:g} is before {t0:g}; the simulation runs forward")
        count = int(np.ceil((t1 - t0) / _STEP - 1e-9))
        return [(t1 - t0) / count] * count if count else []

    def _moved(self, x: Array, h: float, rng: np.random.Generator) -> Array:
        noise = np.full(self.dim, 0.5)
        noise[0], noise[1:3] = 0.15, self.sigma
        return x + h * self.drift(x) + np.sqrt(h) * noise * rng.normal(size=x.shape)


# What a knock-out takes from the bias of each fate, so that half as many cells choose it.
_KNOCKED = (0.25, 0.22, 0.2)
