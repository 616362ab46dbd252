"""Self-exciting processes with known truth: draws against densities, and densities against one."""

import numpy as np
import pytest
import scipy.stats

from liouville.errors import LiouvilleError
from liouville.numerics.mixtures import GaussianMixture
from liouville.problems.events import HawkesProcess, PinwheelProcess, Sequences
from tolerances import STANDARD_ERRORS

# The midpoint rule on a grid five times finer than the narrowest arm.
GRID = 1e-4

# The least p-value of a true hypothesis, with fixed seeds, and what negative controls stay below.
LEAST_P = 1e-4
FAR_P = 1e-12

PINWHEEL = PinwheelProcess()
OMORI = HawkesProcess(
    2.0,
    0.4,
    ("omori", 0.01, 1.4),
    decay=2.3,
    slope=0.9,
    minimum=3.0,
    displacement=("power", 0.05, 1.8),
)
GAUSSIAN = HawkesProcess(1.0, 0.7, ("exponential", 0.3))


def first_rows(events: Sequences, n: int) -> Sequences:
    """The first events of the first sequence."""
    n = min(n, int(np.sum(events.sequence == 0)))
    return Sequences(
        events.times[:n],
        events.places[:n],
        events.marks[:n],
        events.sequence[:n],
        events.windows[:1],
        events.parents[:n],
    )


def per_sequence(values: np.ndarray, events: Sequences) -> np.ndarray:
    return np.bincount(events.sequence, values, len(events.windows))


def ratio_error(numerator: np.ndarray, denominator: np.ndarray) -> tuple[float, float]:
    """A ratio of sums over sequences and its standard error."""
    ratio = numerator.sum() / denominator.sum()
    spread = (numerator - ratio * denominator).std(ddof=1) / denominator.mean()
    return float(ratio), float(spread / len(numerator) ** 0.5)


def check_shape(events: Sequences, dim: int) -> None:
    n = len(events.times)
    assert events.places.shape == (n, dim)
    assert events.marks.shape == events.sequence.shape == events.parents.shape == (n,)
    same = events.sequence[1:] == events.sequence[:-1]
    assert np.all(np.diff(events.sequence) >= 0)
    assert np.all(np.diff(events.times)[same] >= 0.0)
    begin, end = events.windows[events.sequence].T
    assert np.all((events.times >= begin) & (events.times < end))
    child = events.parents >= 0
    assert np.all(events.sequence[events.parents[child]] == events.sequence[child])
    assert np.all(events.times[events.parents[child]] < events.times[child])


def rescaled_ends(process, events: Sequences) -> np.ndarray:
    """Integrals of the rate up to every event, by cutting the window there."""
    found = []
    for i in range(len(events.times)):
        rows = np.arange(i + 1)[events.sequence[: i + 1] == events.sequence[i]]
        cut = Sequences(
            events.times[rows],
            events.places[rows],
            events.marks[rows],
            np.zeros(len(rows), int),
            np.array([[0.0, events.times[i]]]),
            events.parents[rows],
        )
        found.append(process.integrals(cut)[0])
    return np.array(found)


@pytest.mark.parametrize("process", [GAUSSIAN, OMORI, PINWHEEL], ids=["gaussian", "omori", "wheel"])
def test_rescaled_times_are_exponential(process):
    is_wheel = isinstance(process, PinwheelProcess)
    events = process.sample(20, seed=0) if is_wheel else process.sample(200.0, 4, seed=0)
    check_shape(events, 2)

    def increments(process):
        heights = rescaled_ends(process, events)
        # The windows joined: what is left of one runs on into the next.
        starts = np.r_[0.0, np.cumsum(process.integrals(events))]
        return np.diff(starts[events.sequence] + heights)

    assert scipy.stats.kstest(increments(process), "expon").pvalue > LEAST_P
    if is_wheel:
        wrong = PinwheelProcess(decay=1.0)
    else:
        wrong = HawkesProcess(
            process.rate, process.children, ("exponential", 10.0), process.decay, process.slope, 3.0
        )
    assert scipy.stats.kstest(increments(wrong), "expon").pvalue < FAR_P
    # The rate is the derivative of the integral.
    one = first_rows(events, 30)
    before = first_rows(events, len(one.times) - 1)
    before = before._replace(windows=np.array([[0.0, one.times[-1]]]))
    shorter = before._replace(windows=before.windows - np.array([[0.0, 1e-6]]))
    slope = (process.integrals(before) - process.integrals(shorter))[0] / 1e-6
    assert np.isclose(slope, np.exp(process.log_rates(one)[-1]), rtol=1e-3)


@pytest.mark.parametrize("process", [GAUSSIAN, OMORI], ids=["gaussian", "omori"])
def test_parents_and_children(process):
    events = process.sample(300.0, 40, seed=1)
    is_background = events.parents < 0
    background = per_sequence(is_background.astype(float), events)
    rate = process.rate * 300.0
    assert abs(background.mean() - rate) < STANDARD_ERRORS * (rate / 40) ** 0.5
    low, high = np.asarray(process.box)
    assert np.all((events.places[is_background] >= low) & (events.places[is_background] <= high))
    # Children counted for parents: those due before the end of the window.
    left = events.windows[events.sequence, 1] - events.times
    expected = process._means(events.marks) * process._cdf(left)
    children = np.bincount(events.parents[~is_background], minlength=len(events.times))
    pearson = (children - expected).sum() / expected.sum() ** 0.5
    assert abs(pearson) < STANDARD_ERRORS
    # Over parents early in the window this is the branching ratio, for a light law of numbers.
    if process.decay is None:
        early = left > 20.0
        ratio = children[early].mean()
        error = children[early].std() / early.sum() ** 0.5
        assert abs(ratio - process.branching_ratio) < STANDARD_ERRORS * error
    else:
        excess = events.marks - process.minimum
        assert scipy.stats.kstest(excess, "expon", (0.0, 1.0 / process.decay)).pvalue > LEAST_P
    # The long-run rate.
    counts = per_sequence(np.ones(len(events.times)), events)
    limit = process.rate / (1.0 - process.branching_ratio) * 300.0
    assert 0.7 * limit < counts.mean() < limit + STANDARD_ERRORS * counts.std() / 40**0.5


@pytest.mark.parametrize("process", [GAUSSIAN, OMORI], ids=["gaussian", "omori"])
def test_places_have_their_density(process):
    events = process.sample(40.0, 3, seed=2)
    # A displacement of a child has the density of the displacement.
    child = events.parents >= 0
    moves = events.places[child] - events.places[events.parents[child]]
    radius = np.linalg.norm(moves, axis=1)
    if process.displacement[0] == "gaussian":
        cdf = scipy.stats.rayleigh(scale=process.displacement[1]).cdf
    else:
        _, d, q = process.displacement

        def cdf(x):
            return 1.0 - (1.0 + (x / d) ** 2) ** (1.0 - q)

    assert scipy.stats.kstest(radius, cdf).pvalue > LEAST_P
    # The density of places is normalised: its importance-weighted mass, by draws that are wide.
    one = first_rows(events, 12)
    rng = np.random.default_rng(0)
    # A Cauchy density in the plane.
    wide = HawkesProcess(displacement=("power", 0.3, 1.5))
    points = wide._displaced(rng, 4000)
    weights = []
    for x in points:
        place = x[None] + 0.5
        moved = one._replace(places=np.concatenate([one.places[:-1], place]))
        weights.append(np.exp(process.log_places(moved)[-1] - wide._log_spread(x[None])[0]))
    mean, error = np.mean(weights), np.std(weights) / len(weights) ** 0.5
    assert error < 0.2
    assert abs(mean - 1.0) < STANDARD_ERRORS * error


def test_a_background_may_be_a_mixture():
    mixture = GaussianMixture(np.ones(1), np.array([[0.2, 0.8]]), 0.02 * np.eye(2)[None])
    process = HawkesProcess(5.0, 0.0, mixture=mixture)
    events = process.sample(200.0, seed=0)
    assert np.all((events.places >= 0.0) & (events.places <= 1.0))
    normal = scipy.stats.norm(0.2, 0.02**0.5)

    def cdf(x):
        return (normal.cdf(x) - normal.cdf(0.0)) / (normal.cdf(1.0) - normal.cdf(0.0))

    assert scipy.stats.kstest(events.places[:, 0], cdf).pvalue > LEAST_P
    # Nothing triggers anything, so that places have the density of the background in its box.
    own = -0.5 * ((events.places - [0.2, 0.8]) ** 2).sum(1) / 0.02 - np.log(2 * np.pi * 0.02)
    mass = (normal.cdf(1.0) - normal.cdf(0.0)) ** 2
    np.testing.assert_allclose(process.log_places(events), own - np.log(mass), atol=1e-5)


def test_draws_are_functions_of_the_seed():
    first, again, other = (GAUSSIAN.sample(20.0, 3, seed=s) for s in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert not np.array_equal(first.times, other.times)


@pytest.mark.parametrize(
    ("given", "pattern"),
    [
        ({"children": 1.0}, "1 children on average"),
        ({"decay": 1.0, "slope": 1.5}, "never end"),
        ({"kernel": ("uniform", 1.0)}, "kernel is"),
        ({"displacement": ("power", 1.0)}, "displacement is"),
    ],
)
def test_processes_that_are_none(given, pattern):
    with pytest.raises(LiouvilleError, match=pattern):
        HawkesProcess(**given)


# The pinwheel.


def test_the_rates_of_the_pinwheel():
    events = PINWHEEL.sample(2000, seed=0)
    child = events.parents >= 0
    # Class k excites class k + 1.
    assert np.all((events.marks[child] - events.marks[events.parents[child]]) % 10 == 1)
    delays = events.times[child] - events.times[events.parents[child]]
    assert abs(delays.mean() - 0.1) < 0.002
    left = 30.0 - events.times
    expected = 0.6 * -np.expm1(-10.0 * left)
    assert abs(child.sum() - expected.sum()) < STANDARD_ERRORS * expected.sum() ** 0.5
    background = (~child).sum()
    assert abs(background - 0.5 * 30.0 * 2000) < STANDARD_ERRORS * (0.5 * 30.0 * 2000) ** 0.5
    counts = np.bincount(events.marks[~child].astype(int), minlength=10)
    assert scipy.stats.chisquare(counts).pvalue > LEAST_P


def test_class_densities_integrate_to_one():
    edge = np.arange(-7.0, 7.0, 0.04) + 0.02
    grid = np.stack(np.meshgrid(edge, edge, indexing="ij"), axis=-1).reshape(-1, 2)
    near = grid[np.linalg.norm(grid, axis=1) < 7.0]
    mass = np.exp(PINWHEEL.log_class_densities(near)).sum(axis=0) * 0.04**2
    assert np.all(np.abs(mass - 1.0) < GRID)


def test_places_are_drawn_from_their_class():
    events = PINWHEEL.sample(1000, seed=3)
    logs = PINWHEEL.log_class_densities(events.places)
    own = logs[np.arange(len(logs)), events.marks.astype(int)]
    assert np.all(np.isfinite(own))
    edges = np.linspace(-4.0, 4.0, 17)
    share = np.histogram2d(events.places[:, 0], events.places[:, 1], [edges, edges])[0]
    fine = (np.arange(160) + 0.5) * 0.05 - 4.0
    grid = np.stack(np.meshgrid(fine, fine, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(PINWHEEL.log_class_densities(grid)).mean(axis=1) * 0.05**2
    expected = density.reshape(16, 10, 16, 10).sum(axis=(1, 3)) * len(own)
    full = expected > 5.0
    # Counts of clusters vary a little more than independent ones.
    statistic = ((share - expected)[full] ** 2 / expected[full]).sum() / full.sum()
    assert 0.5 < statistic < 2.0
    # Negative control: the wheel turned by a tenth of a class.
    cos, sin = np.cos(0.06), np.sin(0.06)
    turned = grid @ np.array([[cos, -sin], [sin, cos]])
    density = np.exp(PINWHEEL.log_class_densities(turned)).mean(axis=1) * 0.05**2
    expected = density.reshape(16, 10, 16, 10).sum(axis=(1, 3)) * len(own)
    full = expected > 5.0
    assert ((share - expected)[full] ** 2 / expected[full]).sum() / full.sum() > 2.0


def test_the_floors_of_the_pinwheel():
    train, test = (PINWHEEL.sample(n, seed=s) for n, s in ((2000, 0), (200, 2)))
    unit = np.log(train.places.std(axis=0)).sum()
    count = per_sequence(np.ones(len(test.times)), test)

    def floor(log_density):
        return ratio_error(per_sequence(-log_density - unit, test), count)

    nothing, classes = (floor(PINWHEEL.log_places(test, given)) for given in ("nothing", "classes"))
    per_window = PINWHEEL.integrals(test) - per_sequence(PINWHEEL.log_rates(test), test)
    times = ratio_error(per_window, count)
    # Computed once on other draws of the same size, whose errors are about the same.
    for (found, error), known in ((nothing, 2.168), (classes, 1.370), (times, 0.030)):
        assert abs(found - known) < 3.0 * 2.0**0.5 * error
        assert error < 0.1
    assert classes[0] < nothing[0] - 0.5


def test_estimated_classes_lose_little():
    events = PINWHEEL.sample(100, seed=4)
    known, found, nothing = (
        PINWHEEL.log_places(events, given).mean() for given in ("classes", "places", "nothing")
    )
    # They know less than the classes and much more than nothing.
    assert known - 0.05 < found < known
    assert found > nothing + 0.5
    with pytest.raises(LiouvilleError, match="given is 'all'"):
        PINWHEEL.log_places(events, "all")
