r"""Self-exciting processes in space and time, drawn exactly and with the densities they are from.

NumPy and float64 throughout: these are answers, not models. A self-exciting process is a cloud of
clusters: background events come by themselves, and every event has a Poisson number of children,
each after a delay of its own. Generation after generation is drawn until one is empty, for all
sequences together. Every window starts empty: there is nothing before it that could have children.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from liouville.errors import LiouvilleError
from liouville.numerics.mixtures import GaussianMixture
from liouville.problems._clusters import Points, Values, ages_of, grow, rows_of
from liouville.problems._clusters import Sequences as Sequences
from liouville.problems.toys import turned

_BISECTIONS = 60
# Standard deviations along and across an arm of the pinwheel, before it is bent.
_SCALE = np.array([0.3, 0.1])
# The forms of kernels and displacements, and how many numbers each has.
_KERNELS = {"exponential": 1, "omori": 2}
_SPREADS = {"gaussian": 1, "power": 2}


@dataclass(frozen=True)
class PinwheelProcess:
    r"""Ten classes of events on the arms of a pinwheel, each of which excites the next.

    $$\lambda_k(t) = \mu + w \sum_{t_i < t,\, k_i = k - 1} b\, e^{-b(t - t_i)}, \qquad
      x = 2 R(\alpha_k + \tfrac14 e^{f_1}) f, \qquad f = (1 + .3\, n_1,\ .1\, n_2),$$

    with $\alpha_k = 2\pi k/10$, $R$ a rotation and $n$ standard normal. A class is not observed,
    but the arms hardly overlap. The sum of all rates does not depend on the classes.

    Source: the setting of Chen, Amos and Nickel, *Neural Spatio-Temporal Point Processes* (ICLR
    2021).

    Attributes:
        base: $\mu$, background events of each class per unit of time.
        weight: $w$, children of an event on average, below one.
        decay: $b$, per unit of time.
        horizon: how long a sequence lasts.
        classes: how many classes there are.
    """

    base: float = 0.05
    weight: float = 0.6
    decay: float = 10.0
    horizon: float = 30.0
    classes: int = 10

    def sample(self, sequences: int = 2000, *, seed: int = 0) -> Sequences:
        """Independent sequences; marks are the classes. The usual parts have 2,000, 200 and 200."""
        rng = np.random.default_rng(seed)
        size = rng.poisson(self.base * self.classes * self.horizon * sequences)
        times = rng.uniform(0.0, self.horizon, size)
        kinds = rng.integers(self.classes, size=size)

        first = (times, kinds, rng.integers(sequences, size=size))

        def numbers(kinds: np.ndarray) -> np.ndarray:
            return rng.poisson(self.weight, len(kinds))

        def children(kinds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return rng.exponential(1.0 / self.decay, len(kinds)), (kinds + 1) % self.classes

        times, kinds, sequence, parents = grow(*first, self.horizon, numbers, children)
        f = _SCALE * rng.normal(size=(len(times), 2)) + np.array([1.0, 0.0])
        places = 2.0 * turned(f, self._turns()[kinds] + _spiral(f[:, 0]))
        windows = np.tile([0.0, self.horizon], (sequences, 1))
        return Sequences(times, places, kinds.astype(float), sequence, windows, parents)

    def log_rates(self, events: Sequences) -> Values:
        """The logarithm of the rate of events of any class at every event, given those before."""
        found = np.empty(len(events.times))
        for rows in rows_of(events):
            found[rows] = np.log(self.classes * self.base + self._triggered(events, rows).sum(1))
        return found

    def integrals(self, events: Sequences) -> Float[np.ndarray, " m"]:
        """The integral of the rate of events of any class over each sequence."""
        ends = events.windows[:, 1]
        masses = -np.expm1(-self.decay * (ends[events.sequence] - events.times))
        triggered = self.weight * np.bincount(events.sequence, masses, len(ends))
        return self.classes * self.base * (ends - events.windows[:, 0]) + triggered

    def log_class_densities(self, places: Points) -> Float[np.ndarray, "n classes"]:
        r"""The log-density of each place for each class.

        In polar coordinates the map from $f$ to $x$ is a turn that depends on the point, whose
        angle $\theta$ solves $\theta + \frac14 e^{r\cos\theta} = \arg x - \alpha_k$ with
        $r = |x|/2$: one root found to rounding. Its Jacobian determinant is
        $4 (1 - \frac14 f_2 e^{f_1})$. Where it is not positive the map folds; this branch has less
        than $10^{-9}$ of the mass and is left out.
        """
        radius = 0.5 * np.linalg.norm(places, axis=1)
        target = np.arctan2(places[:, 1], places[:, 0])[:, None] - self._turns()
        theta = _unwound(radius[:, None], target)
        f1, f2 = radius[:, None] * np.cos(theta), radius[:, None] * np.sin(theta)
        sd1, sd2 = _SCALE
        log_normal = -0.5 * (((f1 - 1.0) / sd1) ** 2 + (f2 / sd2) ** 2)
        volume = 4.0 * (1.0 - f2 * _spiral(f1))
        with np.errstate(divide="ignore"):
            log_volume = np.log(np.maximum(volume, 0.0))
        # At the fold the density is infinite: no point is drawn there.
        return log_normal - np.log(2.0 * np.pi * sd1 * sd2) - np.maximum(log_volume, -30.0)

    def log_places(self, events: Sequences, given: str = "classes") -> Values:
        """The log-density of the place of every event at its time.

        Args:
            events: the events.
            given: `"nothing"`: the density of all places, the best without a history. `"classes"`:
                given the times and the classes of the events before, the best there is. `"places"`:
                given their times and places; their classes are estimated one event after the other,
                each by itself (assumed density filtering), which is exact up to the correlation of
                these estimates.

        Raises:
            LiouvilleError: if `given` is none of these.
        """
        if given not in ("nothing", "classes", "places"):
            raise LiouvilleError(f"given is {given!r}; use 'nothing', 'classes' or 'places'")
        densities = self.log_class_densities(events.places)
        if given == "nothing":
            return logsumexp(densities, axis=1) - np.log(self.classes)
        found = np.empty(len(events.times))
        known = np.eye(self.classes)[events.marks.astype(int)]
        for rows in rows_of(events):
            triggered, own = self._triggered(events, rows), known[rows]
            if given == "classes":
                rates = self.base + triggered @ np.roll(own, 1, axis=1)
                found[rows] = _log_average(densities[rows], rates)
                continue
            own = np.zeros_like(own)
            for i, row in enumerate(rows):
                rates = self.base + np.roll(triggered[i, :i] @ own[:i], 1)
                found[row] = _log_average(densities[row, None], rates[None])[0]
                joint = np.log(rates) + densities[row]
                own[i] = np.exp(joint - logsumexp(joint))
        return found

    def _triggered(self, events: Sequences, rows: np.ndarray) -> Float[np.ndarray, "n n"]:
        """The rate that each event of one sequence adds at each later one."""
        ages = ages_of(events.times[rows])
        return np.where(ages > 0.0, self.weight * self.decay * np.exp(-self.decay * ages), 0.0)

    def _turns(self) -> Float[np.ndarray, " classes"]:
        return 2.0 * np.pi * np.arange(self.classes) / self.classes


@dataclass(frozen=True, eq=False)
class HawkesProcess:
    r"""A self-exciting process with magnitudes in the plane, of which everything is known.

    $$\lambda(t, x) = \mu\, u(x) + \sum_{t_i < t} \kappa e^{a (m_i - m_0)}\, g(t - t_i)\,
      s_i^{-2}\, h\bigl((x - x_i)/s_i\bigr), \qquad s_i = e^{\gamma (m_i - m_0)}.$$

    Attributes:
        rate: $\mu$, background events per unit of time.
        children: $\kappa$, of an event of the least magnitude on average.
        kernel: $g$: `("exponential", mean)` or `("omori", c, p)`, the density
            $\frac{p - 1}{c}(1 + \tau/c)^{-p}$.
        decay: $\beta$ of the law of magnitudes $\beta e^{-\beta(m - m_0)}$; `None` if all are
            $m_0$.
        slope: $a$, below $\beta$.
        minimum: $m_0$.
        displacement: $h$: `("gaussian", sd)` or `("power", d, q)`, the density
            $\frac{q - 1}{\pi d^2} (1 + |x|^2/d^2)^{-q}$.
        growth: $\gamma$: children of great events are farther from them.
        box: lower and upper corner of the box that holds the background. Children may leave it.
        mixture: $u$ up to the cut at the box; `None` for the uniform density.

    Raises:
        LiouvilleError: if the branching ratio is not below one, or a form has no such name.
    """

    rate: float = 1.0
    children: float = 0.5
    kernel: tuple[str, *tuple[float, ...]] = ("exponential", 1.0)
    decay: float | None = None
    slope: float = 0.0
    minimum: float = 0.0
    displacement: tuple[str, *tuple[float, ...]] = ("gaussian", 0.1)
    growth: float = 0.0
    box: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 0.0), (1.0, 1.0))
    mixture: GaussianMixture | None = None

    def __post_init__(self):
        """The clusters must be finite and the forms known."""
        if not self.branching_ratio < 1.0:
            raise LiouvilleError(
                f"an event has {self.branching_ratio:.3g} children on average, so that clusters "
                "never end; lower children or slope"
            )
        forms = (("kernel", self.kernel, _KERNELS), ("displacement", self.displacement, _SPREADS))
        for name, given, known in forms:
            if known.get(given[0]) != len(given) - 1:
                raise LiouvilleError(f"{name} is {given}; use one of {known} and so many numbers")

    @property
    def branching_ratio(self) -> float:
        r"""The children of an event on average, $\kappa \beta / (\beta - a)$."""
        if self.decay is None:
            return self.children
        if self.slope >= self.decay:
            return np.inf
        return self.children * self.decay / (self.decay - self.slope)

    def sample(self, horizon: float, sequences: int = 1, *, seed: int = 0) -> Sequences:
        """Independent sequences of a given length, from an empty beginning."""
        rng = np.random.default_rng(seed)
        size = rng.poisson(self.rate * horizon * sequences)
        first = np.concatenate([self._magnitudes(rng, size), self._background(rng, size)], axis=1)

        def children(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            number = len(states)
            places = states[:, 1:] + self._reaches(states[:, :1]) * self._displaced(rng, number)
            states = np.concatenate([self._magnitudes(rng, number), places], axis=1)
            return self._delays(rng, number), states

        times, states, sequence, parents = grow(
            rng.uniform(0.0, horizon, size),
            first,
            rng.integers(sequences, size=size),
            horizon,
            lambda states: rng.poisson(self._means(states[:, 0])),
            children,
        )
        windows = np.tile([0.0, horizon], (sequences, 1))
        return Sequences(times, states[:, 1:], states[:, 0], sequence, windows, parents)

    def log_rates(self, events: Sequences) -> Values:
        r"""$\log\lambda(t_i)$, of events anywhere, at every event given those before."""
        found = np.empty(len(events.times))
        for rows in rows_of(events):
            triggered = np.exp(self._log_triggered(events, rows))
            found[rows] = np.log(self.rate + triggered.sum(axis=1))
        return found

    def integrals(self, events: Sequences) -> Float[np.ndarray, " m"]:
        """The integral of the rate, of events anywhere, over each sequence."""
        starts, ends = events.windows.T
        masses = self._means(events.marks) * self._cdf(ends[events.sequence] - events.times)
        return self.rate * (ends - starts) + np.bincount(events.sequence, masses, len(ends))

    def log_places(self, events: Sequences) -> Values:
        """The log-density of the place of every event at its time, given the events before."""
        found = np.empty(len(events.times))
        for rows in rows_of(events):
            x, log_triggered = events.places[rows], self._log_triggered(events, rows)
            own = np.log(self.rate) + self._log_background(x)
            reach = self._reaches(events.marks[rows])
            near = self._log_spread((x[:, None] - x) / reach[:, None]) - 2.0 * np.log(reach)
            near = log_triggered + near
            log_rate = np.log(self.rate + np.exp(log_triggered).sum(axis=1))
            joint = np.concatenate([own[:, None], near], axis=1)
            found[rows] = logsumexp(joint, axis=1) - log_rate
        return found

    def _means(self, marks: Values) -> Values:
        return self.children * np.exp(self.slope * (marks - self.minimum))

    def _log_background(self, x: Points) -> Values:
        from scipy.stats import multivariate_normal as normal  # slow to import

        low, high = np.asarray(self.box, float)
        inside = ((x >= low) & (x <= high)).all(axis=1)
        if self.mixture is None:
            logs = np.full(len(x), -np.log(np.prod(high - low)))
        else:
            parts = zip(self.mixture.means, self.mixture.covariances, strict=True)
            masses = [normal.cdf(high, *part, lower_limit=low) for part in parts]
            logs = self.mixture.log_density(x) - np.log(self.mixture.weights @ masses)
        return np.where(inside, logs, -np.inf)

    def _reaches(self, marks: np.ndarray) -> np.ndarray:
        return np.exp(self.growth * (marks - self.minimum))

    def _magnitudes(self, rng: np.random.Generator, n: int) -> Float[np.ndarray, "n 1"]:
        excess = np.zeros(n) if self.decay is None else rng.exponential(1.0 / self.decay, n)
        return (self.minimum + excess)[:, None]

    def _background(self, rng: np.random.Generator, n: int) -> Points:
        low, high = np.asarray(self.box, float)
        if self.mixture is None:
            return rng.uniform(low, high, (n, 2))
        kept = np.empty((0, 2))
        while len(kept) < n:
            drawn, _ = self.mixture.sample(2 * n + 16, seed=int(rng.integers(2**31)))
            kept = np.concatenate([kept, drawn[((drawn >= low) & (drawn <= high)).all(axis=1)]])
        return kept[:n]

    def _delays(self, rng: np.random.Generator, n: int) -> Values:
        left, numbers = 1.0 - rng.uniform(size=n), self.kernel[1:]
        if self.kernel[0] == "exponential":
            return -numbers[0] * np.log(left)
        c, p = numbers
        return c * np.expm1(-np.log(left) / (p - 1.0))

    def _cdf(self, ages: np.ndarray) -> np.ndarray:
        numbers = self.kernel[1:]
        if self.kernel[0] == "exponential":
            return -np.expm1(-ages / numbers[0])
        c, p = numbers
        return -np.expm1((1.0 - p) * np.log1p(ages / c))

    def _log_triggered(self, events: Sequences, rows: np.ndarray) -> Float[np.ndarray, "n n"]:
        """The log-rate that each event of one sequence adds at each later one."""
        ages, numbers = ages_of(events.times[rows]), self.kernel[1:]
        after = np.maximum(ages, 0.0)
        if self.kernel[0] == "exponential":
            log_density = -after / numbers[0] - np.log(numbers[0])
        else:
            c, p = numbers
            log_density = np.log((p - 1.0) / c) - p * np.log1p(after / c)
        with np.errstate(divide="ignore"):
            log_means = np.log(self._means(events.marks[rows]))
        return np.where(ages > 0.0, log_means + log_density, -np.inf)

    def _displaced(self, rng: np.random.Generator, n: int) -> Points:
        numbers = self.displacement[1:]
        if self.displacement[0] == "gaussian":
            return numbers[0] * rng.normal(size=(n, 2))
        d, q = numbers
        radius = d * np.sqrt(np.expm1(-np.log(1.0 - rng.uniform(size=n)) / (q - 1.0)))
        angle = rng.uniform(0.0, 2.0 * np.pi, n)
        return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)

    def _log_spread(self, x: np.ndarray) -> np.ndarray:
        square, numbers = (x**2).sum(axis=-1), self.displacement[1:]
        if self.displacement[0] == "gaussian":
            return -0.5 * square / numbers[0] ** 2 - np.log(2.0 * np.pi * numbers[0] ** 2)
        d, q = numbers
        return np.log((q - 1.0) / (np.pi * d**2)) - q * np.log1p(square / d**2)


def _log_average(log_densities: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """The log of the average of densities weighted by rates, over the last axis."""
    return logsumexp(np.log(rates) + log_densities, axis=-1) - np.log(rates.sum(axis=-1))


def _spiral(f1: np.ndarray) -> np.ndarray:
    return 0.25 * np.exp(f1)


def _unwound(radius: np.ndarray, target: np.ndarray) -> np.ndarray:
    r"""The root of $h(\theta) = \theta + \frac14 e^{r\cos\theta} = $ target, up to whole turns.

    On the branch through zero, on which $h$ grows: it ends where $h' = 0$, if anywhere.
    """

    def height(theta):
        return theta + _spiral(radius * np.cos(theta))

    # The slope is least where r cos^2 + cos = r.
    cos = 2.0 * radius / (1.0 + np.sqrt(1.0 + 4.0 * radius**2))
    low, high = np.zeros_like(radius), np.arccos(cos)

    def falls(theta):
        return radius * np.sin(theta) * _spiral(radius * np.cos(theta)) > 1.0

    folds = falls(high)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = np.where(falls(middle), low, middle), np.where(falls(middle), middle, high)
    top = np.where(folds, low, np.pi)
    # One whole turn of heights below the end of the branch.
    target = height(top) - np.mod(height(top) - target, 2.0 * np.pi)
    low, high = np.broadcast_arrays(top - 2.0 * np.pi, top + 0.0 * target)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        is_early = height(middle) < target
        low, high = np.where(is_early, middle, low), np.where(is_early, high, middle)
    return 0.5 * (low + high)
