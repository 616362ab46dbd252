"""Kinds that are inherited from parents, against a multivariate process on paper; no places."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.stats

from liouville.numerics.parameters import Fixed
from liouville.objectives import InheritancePrior, MarkLikelihood, Objective, TimeLikelihood
from liouville.paths import Full
from liouville.problems.kinds import KindsProcess
from liouville.processes import (
    ByKind,
    ConstantRate,
    Excerpts,
    Exponentials,
    GutenbergRichter,
    Hawkes,
    History,
    InheritedKinds,
    Kinds,
    Neural,
    Nowhere,
    PointProcess,
    Poisson,
    PowerZones,
    Triggered,
    When,
    follow,
    simulate_clusters,
    simulate_times,
)
from liouville.tasks.events.declustered import declustered
from liouville.tasks.events.etas import static
from processes_cases import FAR_P, LEAST_P

MATRIX = np.array([[0.3, 0.3, 0.0], [0.05, 0.2, 0.4], [0.25, 0.0, 0.1]])
TRUTH = KindsProcess(np.array([0.3, 0.2, 0.1]), MATRIX, 2.0)
HORIZON = 4.0


def kinds() -> InheritedKinds:
    # The logarithm of no chance at all is finite.
    return InheritedKinds.of(TRUTH.rates, MATRIX + 1e-12)


def hawkes(level: float = 1.0) -> Hawkes:
    means = (MATRIX + 1e-12).sum(axis=1) / level
    rate = ConstantRate.of(float(TRUTH.rates.sum()))
    return Hawkes(rate, ByKind.of(means.tolist()), Exponentials.of([0.5]))


def in_time(marks=None) -> PointProcess:
    return PointProcess(hawkes(), Nowhere(), kinds() if marks is None else marks)


def past(n: int = 12, dim: int = 0) -> History:
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(-3.0, 0.0, n))
    return History.of(times, 0.3 * rng.normal(size=(n, dim)), rng.integers(3, size=n))


def test_the_rates_of_kinds_are_those_of_the_process_on_paper():
    drawn, law = TRUTH.sample(60.0, seed=1), in_time()
    window = drawn.windows
    excerpts = Excerpts.of([drawn.times], [drawn.places], [drawn.marks], window, targets=16)

    @eqx.filter_jit
    def logs(excerpt):
        hazard = law.intensity.after(excerpt.history)
        rates = jax.vmap(hazard.log_rate)(excerpt.predicted[0])
        return rates, law.log_marks(excerpt)

    rates, marks = (np.asarray(a)[np.asarray(excerpts.is_event)] for a in jax.vmap(logs)(excerpts))
    np.testing.assert_allclose(rates, TRUTH.log_rates(drawn), atol=1e-9)
    np.testing.assert_allclose(marks, TRUTH.log_kinds(drawn), atol=1e-9)
    assert np.ptp(marks) > 1.0
    time, kind = TimeLikelihood(excerpts=excerpts), MarkLikelihood(excerpts=excerpts)
    true = (TRUTH.integrals(drawn)[0] - TRUTH.log_rates(drawn).sum()) / len(drawn.times)
    assert float(time(law, key=jr.key(0))) == pytest.approx(true, abs=1e-9)
    own = -TRUTH.log_kinds(drawn).mean()
    assert float(kind(law, key=jr.key(0))) == pytest.approx(own, abs=1e-9)
    assert law.parents == "intensity"


@pytest.mark.slow
def test_in_space_the_place_tells_the_parent():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50, 2))
    background = static(declustered(rows, np.ones(50), np.zeros(50, int)).mixture)
    rate = float(TRUTH.rates.sum())
    scale, excess = Full().from_covariance(jnp.asarray(0.05**2 * np.eye(2))), jnp.asarray(0.0)
    means = ((MATRIX + 1e-12).sum(axis=1) / rate).tolist()
    zones = PowerZones(ByKind.of(means), hawkes().kernel, scale, excess)
    law = PointProcess(hawkes(), Triggered(Fixed(background), zones), kinds())
    assert law.parents == "places"
    history, t, x = past(dim=2), jnp.asarray(0.1), jnp.asarray([0.1, -0.2])
    whole = law.intensity.after(history).log_rate(t)
    density = law.places.after(history).at(t).log_density(x)
    chances = [
        float(law.mark_law(history, t, x).log_density(jnp.asarray(float(k)))) for k in range(3)
    ]
    ages = 0.1 - np.asarray(history.times)
    square = ((np.asarray(history.places) - np.asarray(x)) ** 2).sum(axis=1) / 0.05**2
    near = 2.0 * np.exp(-2.0 * ages) / (np.pi * 0.05**2) * (1.0 + square) ** -2.0
    wanted = np.exp(float(background.at(t).log_density(x))) * TRUTH.rates
    wanted = wanted + near @ MATRIX[np.asarray(history.marks).astype(int)]
    found = np.exp(float(whole) + float(density) + np.array(chances))
    np.testing.assert_allclose(found, wanted, rtol=3e-3)  # the rings of a power law
    np.testing.assert_allclose(np.exp(chances), wanted / wanted.sum(), atol=1e-8)
    beside = law.mark_law(history, t, x, jnp.asarray(20.0)).log_density(jnp.asarray(1.0))
    assert float(beside) == pytest.approx(np.log(TRUTH.rates[1] / rate), abs=1e-3)


def test_one_law_for_all_parents_beside_their_own_kind():
    drawn, same = np.array([0.5, 0.3, 0.2]), 0.4
    short = InheritedKinds.of([0.2, 0.3, 0.5], drawn[None], same)
    whole = InheritedKinds.of([0.2, 0.3, 0.5], 0.6 * drawn + 0.4 * np.eye(3))
    np.testing.assert_allclose(np.asarray(short.shares), np.asarray(whole.shares), atol=1e-12)
    parents = jnp.asarray(np.random.default_rng(0).normal(size=13))
    history = past()
    both = [np.asarray(law.given(history, parents).probabilities) for law in (short, whole)]
    np.testing.assert_allclose(both[0], both[1], atol=1e-12)
    assert both[0].sum() == pytest.approx(1.0)
    np.testing.assert_allclose(np.asarray(short.given(history).probabilities), [0.2, 0.3, 0.5])
    joint = jax.nn.logsumexp(
        jax.nn.log_softmax(parents) + short.log_parts(history, jnp.asarray(1.0))
    )
    assert float(jnp.exp(joint)) == pytest.approx(both[0][1])


@pytest.mark.slow
def test_a_network_knows_the_parents_of_its_base():
    history, t, nowhere = past(), jnp.asarray(0.3), jnp.zeros(0)
    neural = Neural(0, rate=1.0, base=hawkes(), kinds=3, key=jr.key(0))
    law = PointProcess(neural, Nowhere(), kinds())
    assert law.parents == "intensity"
    parents = law.log_parents(history, t, nowhere)
    assert parents is not None
    assert float(jax.nn.logsumexp(parents)) == pytest.approx(
        float(neural.after(history).log_rate(t)), abs=1e-9
    )
    alone = PointProcess(Poisson(ConstantRate.of(1.0)), Nowhere(), Kinds.of([1.0, 1.0]))
    assert alone.parents is None
    assert alone.log_parents(history, t, nowhere) is None
    assert PointProcess(Neural(0, rate=1.0, kinds=3, key=jr.key(0)), Nowhere()).parents is None


# Draws.


def by_steps(law: PointProcess, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Catalogue, time and kind of events that are drawn one after the other."""

    @eqx.filter_jit
    def drawn(keys):
        one = partial(simulate_times, law.intensity, law.marks, past(), jnp.asarray(0.0))
        end = jnp.asarray(HORIZON)
        return jax.vmap(lambda key: one(end, 64, places=law.places, key=key)[0])(keys)

    found = drawn(jr.split(jr.key(1), n))
    valid = np.asarray(found.valid[:, 12:])
    number = np.repeat(np.arange(n), valid.sum(axis=1))
    return number, np.asarray(found.times[:, 12:])[valid], np.asarray(found.marks[:, 12:])[valid]


def pairs(number: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """How often a kind comes after another in a catalogue, nine numbers."""
    marks = marks.astype(int)
    follows = np.diff(number) == 0
    return np.bincount((3 * marks[:-1] + marks[1:])[follows], minlength=9)


def like(tables: np.ndarray) -> float:
    """The p-value of two rows of counts being of one law."""
    found: Any = scipy.stats.chi2_contingency(tables)
    return float(found.pvalue)


@pytest.mark.slow
def test_generations_of_kinds_are_draws_from_event_to_event():
    law = in_time()
    assert isinstance(law.intensity, Hawkes)
    found = simulate_clusters(law.intensity, law.marks, past(), HORIZON, 1500, most=1000, seed=0)
    number, times, marks = by_steps(law, 1500)
    counts, own = (np.bincount(n, minlength=1500) for n in (found.number, number))
    assert scipy.stats.kstest(counts, own).pvalue > LEAST_P
    assert scipy.stats.kstest(found.times, times).pvalue > LEAST_P
    tables = np.stack([pairs(found.number, found.marks), pairs(number, marks)])
    assert like(tables) > LEAST_P
    # Negative control: kinds of the same shares that nobody inherits.
    shares = np.bincount(marks.astype(int), minlength=3) / len(marks)
    alone = Kinds.of(shares.tolist())
    other = simulate_clusters(law.intensity, alone, past(), HORIZON, 1500, most=1000, seed=0)
    tables[0] = pairs(other.number, other.marks)
    assert like(tables) < FAR_P


def test_events_without_places_are_followed():
    law, n, room = in_time(), 400, 64
    when = When(law.intensity, law.marks, jnp.asarray(HORIZON))
    empty, counts = jnp.zeros((n, room)), jnp.zeros(n, int)
    keys, edges = jr.split(jr.key(3), n), jnp.asarray([1.0])
    found = follow(law.places, past(), empty, empty, counts, edges, None, keys, when)
    drawn = np.asarray(found.counts)
    assert found.places.shape == (n, room, 0)
    happens = np.arange(room) < drawn[:, None]
    number, times, marks = by_steps(law, n)
    assert scipy.stats.kstest(np.asarray(found.times)[happens], times).pvalue > LEAST_P
    own = (np.repeat(np.arange(n), drawn), np.asarray(found.marks)[happens])
    tables = np.stack([pairs(*own), pairs(number, marks)])
    assert like(tables) > LEAST_P
    sizes = simulate_clusters(
        hawkes(), GutenbergRichter.of(1.0, 0.0), past(), 1.0, 9, most=99, seed=0
    )
    assert np.ptp(sizes.marks) > 0.1


def test_nowhere_is_one_place_of_density_one():
    marginal = Nowhere().after(past()).at(jnp.asarray(0.0))
    assert Nowhere().after(past()).dim == 0
    x = marginal.sample(key=jr.key(0))
    assert x.shape == marginal.velocity(x).shape == (0,)
    assert float(marginal.log_density(x)) == 0.0
    points, weights = marginal.particles(3, key=jr.key(0))
    assert points.shape == (3, 0)
    assert float(weights.sum()) == pytest.approx(1.0)


# Training.


def test_factors_that_share_terms_are_judged_together():
    drawn = TRUTH.sample(20.0, seed=0)
    excerpts = Excerpts.of([drawn.times], [drawn.places], [drawn.marks], drawn.windows)
    time, free = TimeLikelihood(excerpts=excerpts), MarkLikelihood(excerpts=excerpts)
    bound = MarkLikelihood(excerpts=excerpts, parents="intensity")
    prior = InheritancePrior(counts=jnp.ones((3, 3)), evenness=jnp.asarray(0.0))
    assert Objective.of([time, free]).groups == (("intensity",), ("marks",))
    assert Objective.of([time, bound]).groups == (("intensity", "marks"),)
    assert Objective.of([free, time, prior]).groups == ()
    law = in_time(InheritedKinds.of(np.ones(3), np.ones((3, 3))))
    assert float(prior(law, key=jr.key(0))) == pytest.approx(9.0 * np.log(3.0))
