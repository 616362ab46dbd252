"""Every term of an objective with a slow and obvious oracle: sums over data, integrals over grids.

A new term is one case in `TERMS`; `test_terms.py` then asks whether its value and its gradient are
unbiased.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from events_cases import drawn
from liouville.curves import Knots
from liouville.diffusions._smoothing import StartEntropy, Surprise, gaussian_observations
from liouville.dynamics import drift
from liouville.numerics.conditioning import given
from liouville.numerics.mixtures import GaussianMixture
from liouville.objectives import (
    AbstractTerm,
    ContextLikelihood,
    Effort,
    Entropy,
    Functional,
    GrowthDeviation,
    InheritancePrior,
    Interaction,
    JacobianAsymmetry,
    KineticEnergy,
    MarkLikelihood,
    MassLikelihood,
    NegativeLogLikelihood,
    OverPieces,
    PerContext,
    PerMember,
    PlaceLikelihood,
    Potential,
    Running,
    StateCost,
    Terminal,
    TimeLikelihood,
    control_at,
)
from liouville.paths import Contextual, Ensemble, Joined, LocationScale, Masses, Selected
from liouville.processes import (
    Excerpts,
    GutenbergRichter,
    InheritedKinds,
    Nowhere,
    PointProcess,
    Triggered,
)
from liouville.quantities import jacobian_asymmetry
from liouville.tasks.density._terms import Renoised
from processes_cases import INTENSITIES
from registry import build

SPAN = (0.0, 1.0)
KEY = jr.key(0)


@dataclass(frozen=True)
class Case:
    """A term as it is trained with, few particles or a batch, and what it estimates.

    Attributes:
        term: makes the term.
        path: makes what it is asked of.
        oracle: the same number for a path, without chance.
        draws: how many estimates are averaged.
    """

    term: Callable[[], AbstractTerm]
    path: Callable[[], Any]
    oracle: Callable[[Any], Any]
    draws: int = 2000


# Paths: parts that overlap, so that integrands are smooth on the scale of a grid.


def line(seed: int = 0, dim: int = 1, span: tuple[float, float] = SPAN) -> LocationScale:
    rng = np.random.default_rng(seed)

    def ends(size: float) -> Knots:
        return Knots(span, jnp.asarray(size * rng.normal(size=(2, 2, dim))), "linear")

    return LocationScale(ends(0.7), ends(0.2), jnp.asarray(rng.normal(size=2)))


def growing_line() -> LocationScale:
    masses = Masses(Knots(SPAN, jnp.asarray([[-0.2, 0.3], [0.5, -0.4]]), "linear"))
    return eqx.tree_at(lambda path: path.logits, line(), masses)


def _ensemble() -> Ensemble:
    return Ensemble.of([line(0), line(1)])


def _contextual() -> Contextual:
    return Contextual.of_classes(Selected.of([line(0), line(1)]), jnp.asarray([1.0, 3.0]))


def _joined() -> Joined:
    return Joined([line(0, span=(0.0, 0.4)), line(1, span=(0.4, 1.0))], (0.0, 0.4, 1.0))


# Integrals.


def mean(marginal: Any, f: Callable, n: int = 401, box: float = 9.0) -> Any:
    """E f(x) by the trapezoidal rule on a box."""
    dim = len(marginal.sample(key=jr.key(0)))
    axis = jnp.linspace(-box, box, n if dim == 1 else 121)
    grid = jnp.stack(jnp.meshgrid(*[axis] * dim), -1).reshape(-1, dim)
    shares = jnp.exp(jax.vmap(marginal.log_density)(grid)) * (axis[1] - axis[0]) ** dim
    return shares @ jax.vmap(f)(grid)


def integral(path: Any, at_time: Callable, span: tuple[float, float] = SPAN) -> Any:
    """Over time by Gauss and Legendre, of a function of the time and the marginal."""
    nodes, weights = np.polynomial.legendre.leggauss(8)
    half = 0.5 * (span[1] - span[0])
    times = span[0] + half * (jnp.asarray(nodes) + 1.0)
    return half * jnp.asarray(weights) @ jax.vmap(lambda t: at_time(t, path.at(t)))(times)


def power(path: Any, move: Callable, span: tuple[float, float] = SPAN) -> Any:
    """The integral of half the mean square of a field."""

    def at_time(t, marginal):
        return mean(marginal, lambda x: 0.5 * jnp.sum(move(t, marginal, x) ** 2))

    return integral(path, at_time, span)


def _energy(path: Any, span: tuple[float, float] = SPAN) -> Any:
    return power(path, lambda t, marginal, x: marginal.velocity(x), span)


def cost(t, x):
    return jnp.sum(x**2) + t * jnp.sin(x[0])


def pull(t, x):
    return jnp.cos(t) - x


def kernel(x, y):
    return jnp.exp(-jnp.sum((x - y) ** 2))


def _pairs(_, marginal) -> Any:
    return mean(marginal, lambda x: mean(marginal, lambda y: kernel(x, y), 121), 121)


def _running(name: str, of: Any, at_time: Callable, **options: Any) -> tuple[str, Case]:
    return f"running-{name}", Case(
        lambda: Running(SPAN, {name: of}, {name: 1.5}, times=3, particles=4, **options),
        line,
        lambda path: 1.5 * integral(path, at_time),
    )


SMOOTHING = 0.3
_Z, _W = np.polynomial.hermite_e.hermegauss(20)
_NORMAL = (jnp.asarray(_Z), jnp.asarray(_W / np.sqrt(2.0 * np.pi)))


def _smoothed(t, marginal) -> Any:
    z, w = _NORMAL
    return mean(marginal, lambda x: w @ jax.vmap(lambda s: cost(t, x + SMOOTHING * s))(z))


RUNNING = dict(
    [
        _running(
            "effort",
            Effort(0.6, pull),
            lambda t, m: mean(m, lambda x: 0.5 * jnp.sum(control_at(t, m, x, 0.6, pull) ** 2)),
        ),
        _running("potential", Potential(cost), lambda t, m: mean(m, lambda x: cost(t, x))),
        _running("smoothed", Potential(cost, SMOOTHING), _smoothed, places=6),
        _running("entropy", Entropy(), lambda _, m: mean(m, m.log_density)),
        _running("interaction", Interaction(kernel), _pairs),
        _running(
            "functional",
            Functional(lambda t, m, x, w: w @ jax.vmap(lambda y: cost(t, y))(x)),
            lambda t, m: mean(m, lambda x: cost(t, x)),
        ),
    ]
)

# Data.

CLOUDS = [np.random.default_rng(0).normal(size=(n, 1)) for n in (5, 2)]
WEIGHTS = [np.array([1.0, 2.0, 0.0, 0.5, 0.5]), np.array([3.0, 1.0])]


def _likelihood(weights: list[np.ndarray] | None) -> Case:
    shares = [np.ones(len(c)) for c in CLOUDS] if weights is None else weights
    total = sum(w.sum() for w in shares)

    def whole(path):
        found = 0.0
        for t, cloud, w in zip(SPAN, CLOUDS, shares):
            for x, share in zip(cloud, w):
                found = found - share / total * path.at(jnp.asarray(t)).log_density(jnp.asarray(x))
        return found

    term = lambda: NegativeLogLikelihood(SPAN, CLOUDS, weights=weights, batch_size=2)  # noqa: E731
    return Case(term, line, whole)


def _of_contexts(path: Contextual) -> Any:
    seen = [(0.0, 0, CLOUDS[0][:2]), (0.0, 1, CLOUDS[0][2:]), (1.0, 1, CLOUDS[1])]
    found = [
        path.in_context(c).at(jnp.asarray(t)).log_density(jnp.asarray(x))
        for t, c, cloud in seen
        for x in cloud
    ]
    return -jnp.stack(found).mean()


RATES = [np.array([0.5, -1.0, 2.0, 0.0, 1.0]), np.array([-0.5, 0.3])]


def _growth(path: Any) -> Any:
    """Half the weighted mean square at each end, of which each stands for half of the time."""
    found = 0.0
    for t, cloud, weights, rates in zip(SPAN, CLOUDS, WEIGHTS, RATES):
        for x, w, rate in zip(cloud, weights / weights.sum(), rates):
            error = path.at(jnp.asarray(t)).growth(jnp.asarray(x)) - rate
            found = found + 0.5 * w * 0.5 * error**2
    return found


def _masses(path: Any) -> Any:
    rows = zip((0.2, 0.9), (1.5, 2.5), (0.1, 0.4))
    masses = [(jnp.exp(path.at(jnp.asarray(t)).log_mass), m, e) for t, m, e in rows]
    return sum(0.5 * (jnp.log(found / m) / e) ** 2 for found, m, e in masses)


POINTS = jnp.asarray(CLOUDS[0])
CLASSES = jax.nn.one_hot(jnp.asarray([0, 1, 1, 0, 1]), 2)


EQUAL, SHARES = jnp.full(5, 0.2), jnp.asarray([0.1, 0.4, 0.2, 0.2, 0.1])


def _conditional(path: Any, weights: Any = EQUAL) -> Any:
    rows, half = zip(POINTS, CLASSES, weights), jnp.asarray(0.5)
    return -sum(w * given(path.path, c).at(half).log_density(x) for x, c, w in rows)


def _weighted(path: Any) -> Any:
    return _conditional(path, SHARES)


WIDTH, STEP = 0.2, 0.5


def _renoised(path: Any) -> Any:
    """The mean over a step by Gauss and Legendre, over a bell by Gauss and Hermite."""
    u, v = np.polynomial.legendre.leggauss(12)
    z, w = _NORMAL
    marginal = path.at(jnp.ones(()))

    def blurred(x):
        places = x + STEP * 0.5 * (jnp.asarray(u)[:, None] + 1.0) + WIDTH * z
        values = jax.vmap(jax.vmap(lambda y: marginal.log_density(y[None])))(places)
        return 0.5 * jnp.asarray(v) @ values @ w

    return -jnp.mean(jnp.stack([blurred(x[0]) for x in POINTS]))


SOURCE = GaussianMixture(
    np.array([0.3, 0.7]), np.array([[-0.5], [1.0]]), np.array([[[1.0]], [[0.5]]])
)
SEEN = gaussian_observations(np.array([0.2, 0.9]), np.array([0.4, -0.3]), 0.7)


def _source(x) -> Any:
    values = [
        np.log(w) - 0.5 * jnp.sum((x - m) ** 2) / c[0, 0] - 0.5 * np.log(2.0 * np.pi * c[0, 0])
        for w, m, c in zip(SOURCE.weights, SOURCE.means, SOURCE.covariances)
    ]
    return jax.nn.logsumexp(jnp.stack(values))


def _start(path: Any) -> Any:
    marginal = path.at(jnp.zeros(()))
    return mean(marginal, lambda x: marginal.log_density(x) - _source(x))


def _surprise(path: Any) -> Any:
    rows = zip(jnp.asarray(SEEN.times), jnp.asarray(SEEN.values))
    return -sum(mean(path.at(t), lambda x, y=y: SEEN.log_likelihood(y, x)) for t, y in rows)


# Events.


def excerpts(targets: int) -> Excerpts:
    events = drawn(12.0, 4, 0)
    ends = np.searchsorted(events.sequence, np.arange(1, len(events.windows)))
    marks = np.random.default_rng(0).exponential(0.4, len(events)) + 3.0
    times, places, marks = (np.split(a, ends) for a in (events.times, events.places, marks))
    return Excerpts.of(times, places, marks, events.windows, targets=targets)


def process() -> PointProcess:
    places: Any = build("triggered")
    triggered: Any = Triggered(places.background, places.brood.law)
    triggered = eqx.tree_at(
        lambda p: (p.zones.productivity, p.zones.reach),
        triggered,
        (None, None),
        is_leaf=lambda node: node is None,
    )
    return PointProcess(INTENSITIES["unmarked"], triggered, GutenbergRichter.of(2.0, 2.9))


def _events(kind: type) -> Case:
    return Case(
        lambda: kind(excerpts=excerpts(7), batch_size=2),
        process,
        lambda path: kind(excerpts=excerpts(7))(path, key=KEY),
        draws=400,
    )


COUNTS = jnp.asarray([[0.1, 0.4, 0.2], [0.3, 0.1, 0.1], [0.2, 0.2, 0.5]])


def _inheriting() -> PointProcess:
    law = InheritedKinds.of([1.0, 2.0, 3.0], [[3.0, 1.0, 1.0], [1.0, 2.0, 1.0], [1.0, 1.0, 4.0]])
    return PointProcess(INTENSITIES["kinds"], Nowhere(), law)


def _inheritance(process: PointProcess) -> Any:
    assert isinstance(process.marks, InheritedKinds)
    logits = jnp.concatenate([jnp.zeros((3, 1)), process.marks.children], axis=1)
    shares = jnp.exp(logits) / jnp.exp(logits).sum(axis=1, keepdims=True)
    means: Any = process.intensity
    means = jnp.exp(means.productivity.log_levels)
    ratios = means / means.mean()
    prior = -sum(COUNTS[j, k] * jnp.log(shares[j, k]) for j in range(3) for k in range(3))
    return prior + 0.3 * sum(r - 1.0 - jnp.log(r) for r in ratios)


def _few(kind: type, **options: Any) -> Callable[[], AbstractTerm]:
    return lambda: kind(**{"interval": SPAN, "times": 3, "particles": 4, **options})


TERMS: dict[str, Case] = RUNNING | {
    "likelihood": _likelihood(None),
    "likelihood-weighted": _likelihood(WEIGHTS),
    "likelihood-of-contexts": Case(
        lambda: NegativeLogLikelihood(
            (0.0, 0.0, 1.0),
            [CLOUDS[0][:2], CLOUDS[0][2:], CLOUDS[1]],
            contexts=(0, 1, 1),
            batch_size=2,
        ),
        _contextual,
        _of_contexts,
    ),
    "growth-deviation": Case(
        lambda: GrowthDeviation(SPAN, CLOUDS, RATES, weights=WEIGHTS, batch_size=2),
        growing_line,
        _growth,
    ),
    "mass": Case(
        lambda: MassLikelihood(
            times=jnp.asarray([0.2, 0.9]),
            log_masses=jnp.log(jnp.asarray([1.5, 2.5])),
            errors=jnp.asarray([0.1, 0.4]),
        ),
        growing_line,
        _masses,
        draws=1,
    ),
    "context-likelihood": Case(
        lambda: ContextLikelihood(
            time=jnp.asarray(0.5), points=POINTS, contexts=CLASSES, batch_size=2
        ),
        _contextual,
        _conditional,
    ),
    "context-likelihood-weights": Case(
        lambda: ContextLikelihood(
            time=jnp.asarray(0.5), points=POINTS, contexts=CLASSES, weights=SHARES, batch_size=2
        ),
        _contextual,
        _weighted,
    ),
    "renoised": Case(
        lambda: Renoised(
            values=POINTS,
            contexts=jnp.zeros((5, 0)),
            weights=None,
            step=jnp.full(1, STEP),
            width=jnp.full(1, WIDTH),
            batch_size=2,
            name="likelihood",
        ),
        line,
        _renoised,
    ),
    "energy": Case(_few(KineticEnergy), line, _energy),
    "energy-crowded": Case(_few(KineticEnergy, crowding=0.9), line, _energy),
    "energy-drift": Case(
        _few(KineticEnergy, of="drift", g=0.8, reference=pull),
        line,
        lambda path: power(path, lambda t, m, x: drift(m, x, 0.8) - pull(t, x)),
    ),
    "energy-growth": Case(
        _few(KineticEnergy, delta=0.7),
        growing_line,
        lambda path: integral(
            path,
            lambda _, m: (
                jnp.exp(m.log_mass)
                * mean(m, lambda x: 0.5 * jnp.sum(m.velocity(x) ** 2) + 0.245 * m.growth(x) ** 2)
            ),
        ),
    ),
    "asymmetry": Case(
        _few(JacobianAsymmetry),
        lambda: line(2, dim=2),
        lambda path: integral(path, lambda _, m: mean(m, lambda x: jacobian_asymmetry(m, x))),
    ),
    "state-cost": Case(
        _few(StateCost, cost=cost),
        line,
        lambda path: integral(path, lambda t, m: mean(m, lambda x: cost(t, x))),
    ),
    "terminal": Case(
        lambda: Terminal(time=1.0, cost=lambda x: cost(1.0, x), particles=3),
        line,
        lambda path: mean(path.at(jnp.ones(())), lambda x: cost(1.0, x)),
    ),
    "per-member": Case(
        lambda: PerMember(_few(KineticEnergy)()),
        _ensemble,
        lambda path: (
            0.5 * sum(_energy(jax.tree.map(lambda a, i=i: a[i], path.members)) for i in (0, 1))
        ),
    ),
    "per-context": Case(
        lambda: PerContext(_few(KineticEnergy)(), draws=2),
        _contextual,
        lambda path: 0.25 * _energy(path.in_context(0)) + 0.75 * _energy(path.in_context(1)),
    ),
    "over-pieces": Case(
        lambda: OverPieces(
            terms=tuple(
                KineticEnergy(interval=span, times=3, particles=4)
                for span in itertools.pairwise((0.0, 0.4, 1.0))
            )
        ),
        _joined,
        lambda path: sum(
            _energy(piece, span)
            for piece, span in zip(path.pieces, itertools.pairwise((0.0, 0.4, 1.0)))
        ),
    ),
    "start-entropy": Case(lambda: StartEntropy.of(SOURCE, 3), line, _start),
    "surprise": Case(lambda: Surprise.of(SEEN, 3), line, _surprise),
    "places": _events(PlaceLikelihood),
    "times": _events(TimeLikelihood),
    "marks": _events(MarkLikelihood),
    "inheritance": Case(
        lambda: InheritancePrior(counts=COUNTS, evenness=jnp.asarray(0.3)),
        _inheriting,
        _inheritance,
        draws=1,
    ),
}
