"""The plain epidemic-type law, its declustered background, and zones with power-law tails."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from liouville.data import Events
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.parameters import Fixed
from liouville.objectives import Objective, PlaceLikelihood, TimeLikelihood, WithBackground
from liouville.paths import LocationScale
from liouville.problems.events import HawkesProcess
from liouville.processes import (
    ByMagnitude,
    ConstantRate,
    Exponentials,
    FinitePowerLaw,
    Hawkes,
    History,
    PointProcess,
    PowerZones,
    Reach,
    Triggered,
    log_power_law,
)
from liouville.tasks.events import etas
from liouville.tasks.events._etas_law import log_likelihood
from liouville.tasks.events.declustered import Choice, declustered
from liouville.tasks.events.etas import WHOLE_PAST, fit_etas, static
from liouville.tasks.events.odds import log_odds
from liouville.tasks.events.scores import score
from liouville.tasks.events.units import EventUnits
from liouville.training import fit

# The rings of a power law, half an octave apart, give its density to this.
RINGS = 2e-3
# So many nats below the highest density there is no mass, and rings may end.
SEEN = 30.0

TRUTH = HawkesProcess(
    rate=1.0,
    children=0.16,
    kernel=("omori", 0.02, 1.2),
    decay=2.3,
    slope=1.6,
    minimum=3.0,
    displacement=("power", 0.02, 1.6),
    growth=0.4,
    box=((0.0, 0.0), (4.0, 3.0)),
)


def zones(excess: float = 0.6, **more) -> PowerZones:
    return PowerZones(
        ByMagnitude.of(0.5, 1.0, 0.0),
        FinitePowerLaw.of(0.1, 1.1, 1e3),
        jnp.asarray([[np.log(0.02), 0.0], [0.01, np.log(0.03)]]),
        jnp.asarray(np.log(excess)),
        **{"growth": jnp.asarray(0.3), **more},
    )


def past() -> History:
    return History.of(
        np.array([-5.0, -1.0, -0.5]),
        np.array([[0.0, 0.0], [0.1, 0.2], [3.0, 1.0]]),
        np.array([0.0, 2.0, 1.0]),
    )


def catalogue(events: float, seed: int = 0) -> Events:
    drawn = TRUTH.sample(events * (1.0 - TRUTH.branching_ratio), seed=seed)
    columns = (drawn.times, drawn.places, drawn.sequence, drawn.windows, drawn.marks)
    return Events(*columns, features=("x", "y"), time_unit="days").check()


def background_of(places: np.ndarray) -> LocationScale:
    """The density of events that are all background."""
    return static(declustered(places, np.ones(len(places)), np.zeros(len(places), int)).mixture)


# Zones.


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_a_power_law_has_its_digits_in_single_precision_however_steep_it_is(dim):
    excess = np.geomspace(1e-2, 1e7, 200)
    squares = 1.0 / excess  # about one deviation
    found = log_power_law(jnp.asarray(squares, jnp.float32), jnp.asarray(excess, jnp.float32), dim)
    # It is Student's law of 2 rho degrees of freedom.
    for rho, square, own in zip(excess, squares, np.asarray(found, float)):
        law = stats.multivariate_t(np.zeros(dim), np.eye(dim) / (2.0 * rho), df=2.0 * rho)
        x = np.zeros(dim)
        x[0] = np.sqrt(square)
        assert own == pytest.approx(law.logpdf(x), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("excess", [0.4, 1.0, 2.5, 6.0, 40.0, 1e6])
def test_rings_and_the_closed_form_are_one_density(excess):
    law = zones(excess, raw_spread=jnp.asarray(-1.0), log_spread_time=jnp.asarray(0.0))
    brood, t = law.after(past()), jnp.asarray(0.0)
    frames, weights = brood.frames(t), brood.log_weights(t)

    def by_rings(x):
        parts = -jnp.log(2.0 * jnp.pi) - 0.5 * frames.squares(x) - frames.log_volumes
        return jax.nn.logsumexp(weights + parts.reshape(weights.shape), axis=1)

    for distance in np.geomspace(1e-4, 20.0, 12):
        x = jnp.asarray([distance, 0.3 * distance])
        ours, rings = np.asarray(brood.log_densities(t, x)), np.asarray(by_rings(x))
        highest = np.asarray(
            brood.log_totals(t) + jnp.log(excess / jnp.pi) - brood.zones.log_volumes
        )
        seen = ours > highest - SEEN
        np.testing.assert_allclose(ours[seen], rings[seen], atol=RINGS)
    totals = np.asarray(jax.nn.logsumexp(weights, axis=1))
    np.testing.assert_allclose(np.asarray(brood.log_totals(t)), totals, rtol=1e-12)


@pytest.mark.slow
def test_great_events_reach_farther_and_inherited_ones_weigh_more():
    law, known, t = zones(heredity=jnp.asarray(0.5)), past(), jnp.asarray(0.0)
    heirs = dataclasses.replace(known, log_odds=jnp.asarray([0.0, 2.0, -2.0]))
    plain, own = (law.after(h).log_totals(t) for h in (known, heirs))
    np.testing.assert_allclose(np.asarray(own - plain), [0.0, 1.0, -1.0], atol=1e-12)
    factor = law.after(known).frames(t).log_scale.reshape(3, -1, 2)[:, 0, 0]
    np.testing.assert_allclose(np.asarray(factor - factor[0]), [0.0, 0.6, 0.3], atol=1e-12)


@pytest.mark.slow
def test_the_odds_of_an_event_are_those_of_the_plain_law():
    background = background_of(_points()[0])
    law = zones()
    places = Triggered(background, law, Fixed(Triggered(background, law)))
    known, t = past(), jnp.asarray(0.0)
    near, far = jnp.asarray([0.0, 0.01]), jnp.asarray([-2.0, 2.0])
    triggered = jax.nn.logsumexp(law.after(known).log_densities(t, near))
    wanted = triggered - background.at(t).log_density(near)
    assert float(places.log_odds(known, t, near)) == pytest.approx(min(float(wanted), 6.0))
    assert float(places.log_odds(known, t, far)) < float(places.log_odds(known, t, near))
    assert float(Triggered(background, law).log_odds(known, t, near)) == 0.0


@pytest.mark.slow
def test_a_background_that_is_given_takes_the_place_of_its_own():
    background = background_of(_points()[0])
    path, t = Triggered(background, zones()).after(past()), jnp.asarray(0.0)
    x = jnp.asarray([0.2, 0.1])
    own = background.at(t).log_density(x)
    beside = path.log_density_beside(t, x, own)
    assert float(beside) == pytest.approx(float(path.at(t).log_density(x)), abs=RINGS)
    assert float(path.log_density_beside(t, x, own + 1.0)) > float(beside) + 1e-3


# The background.


def _points() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(100, 2)), 0.05 * rng.normal(size=(100, 2)) + 1.0])
    return x, np.ones(200)


def test_no_event_speaks_for_its_own_stretch_of_time():
    x, weights = _points()
    fold = np.arange(200) % 4
    x[7] = [9.0, 9.0]
    x[11] = [9.0, 9.01]  # of the same fold
    own = Choice(3, 0.01)
    alone = declustered(x, weights, fold, like=own)
    assert alone.log_density[7] < np.log(1.0 - alone.shares[0])  # no kernel
    fold[11] = 2
    helped = declustered(x, weights, fold, like=own)
    assert helped.log_density[7] > alone.log_density[7] + 1.0
    # The same place in another fold is the same event, if it may be.
    x[11] = x[7]
    twins = declustered(x, weights, fold, repeated=True, like=own, mixtures=(4, 16))
    assert twins.log_density[7] < np.log(1.0 - twins.shares[0])


def test_few_events_are_told_by_one_gaussian_and_many_by_kernels():
    rng, fold = np.random.default_rng(5), np.arange(60) % 6
    few = declustered(rng.normal(size=(60, 3)), np.ones(60), fold)
    assert few.shares[1] >= 0.6
    many = rng.normal(size=(40, 2))[rng.integers(40, size=1200)] + 0.05 * rng.normal(size=(1200, 2))
    crowded = declustered(many, np.ones(1200), np.arange(1200) % 6)
    assert crowded.shares[1] <= 0.03
    # A draw of the same law is as likely as the crossed likelihood said.
    other = rng.normal(size=(4000, 3))
    said, true = few.log_density.mean(), few.mixture.log_density(other).mean()
    assert true == pytest.approx(said, abs=0.3)


@pytest.mark.slow
def test_a_smooth_background_is_told_by_mixtures_better_than_by_kernels():
    law = GaussianMixture(
        np.array([0.6, 0.4]),
        np.array([[0.0, 0.0], [2.0, 1.0]]),
        np.array([np.diag([1.0, 0.2]), np.diag([0.05, 0.4])]),
    )
    x, weights, fold = law.sample(1500)[0], np.ones(1500), np.arange(1500) * 10 // 1500
    own = Choice(5, 0.03)
    found = declustered(x, weights, fold, like=own, mixtures=(4, 16))
    other, _ = law.sample(4000, seed=1)
    lost = law.log_density(other) - found.mixture.log_density(other)
    assert lost.mean() < 0.02
    # What was said of events that were not seen is what holds for others.
    assert (law.log_density(x) - found.log_density).mean() == pytest.approx(lost.mean(), abs=0.02)
    kernels = declustered(x, weights, fold, like=own).mixture
    assert (law.log_density(other) - kernels.log_density(other)).mean() > 0.03


@pytest.mark.slow
def test_a_background_that_changes_is_that_at_its_end():
    rng, fold, times = np.random.default_rng(6), np.arange(1500) * 10 // 1500, np.arange(1500.0)
    x = rng.normal(size=(1500, 2))
    own = Choice(21, 0.1)
    still = declustered(x, np.ones(1500), fold, like=own, times=times)
    assert still.choice == own
    assert still.density.is_still
    ways = {"steadily": np.linspace(-2.0, 2.0, 1500), "at once": np.where(times < 800, -2.0, 2.0)}
    for name, way in ways.items():
        moved = x + way[:, None] * [1.0, 0.0]
        found = declustered(moved, np.ones(1500), fold, like=own, times=times)
        alone = declustered(moved, np.ones(1500), fold, like=own)
        assert found.choice.moves or found.choice.memory < 6.0, name
        later = rng.normal([2.0, 0.0], 1.0, (2000, 2))
        gain = found.mixture.log_density(later).mean() - alone.mixture.log_density(later).mean()
        assert gain > 0.3
        assert found.log_density.mean() > alone.log_density.mean() + 0.1


@pytest.mark.slow
def test_a_background_that_moves_goes_on():
    rng, fold, times = np.random.default_rng(7), np.arange(1500) * 10 // 1500, np.arange(1500.0)
    x = rng.normal(size=(1500, 2)) + np.linspace(-3.0, 0.0, 1500)[:, None] * [1.0, 0.0]
    found = declustered(x, np.ones(1500), fold, like=Choice(21, 0.1), times=times, mixtures=(2,))
    later = rng.normal([1.0, 0.0], 1.0, (2000, 2))
    truth = -np.log(2.0 * np.pi) - 0.5 * ((later - [1.0, 0.0]) ** 2).sum(axis=1)
    lost = (truth - found.density.log_density(np.full(2000, 500.0), later)).mean()
    assert lost < 0.03
    # Where it was when it was last seen.
    assert (truth - found.mixture.log_density(later)).mean() > 0.2
    # Mass is one at every time, and the moving parts are those that moved.
    assert found.mixture.weights.sum() == pytest.approx(1.0)
    mean = found.mixture.weights @ found.density.velocities
    assert mean == pytest.approx([3.0 / 1500, 0.0], abs=5e-4)


def test_merged_kernels_say_what_all_of_them_say(monkeypatch):
    from liouville.tasks.events import _kernels

    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=(700, 2)), 0.02 * rng.normal(size=(700, 2))])
    weights, fold = rng.uniform(size=1400), np.arange(1400) * 5 // 1400
    own = Choice(5, 0.01)
    whole = declustered(x, weights, fold, like=own).mixture
    monkeypatch.setattr(_kernels, "_MOST_PARTS", 300)
    merged = declustered(x, weights, fold, like=own).mixture
    assert len(whole.weights) == 1401
    assert len(merged.weights) == 301
    assert merged.weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(merged.mean, whole.mean, atol=1e-12)
    np.testing.assert_allclose(merged.covariance, whole.covariance, atol=1e-12)
    drawn, _ = whole.sample(2000, seed=2)
    lost = whole.log_density(drawn) - merged.log_density(drawn)
    assert abs(lost.mean()) < 0.05


def test_few_events_and_one_place():
    one = declustered(np.zeros((5, 2)), np.ones(5), np.arange(5))
    assert one.mixture.weights.sum() == pytest.approx(1.0)
    assert np.isfinite(one.log_density).all()
    two = declustered(np.eye(2), np.ones(2), np.arange(2))
    assert np.isfinite(two.log_density).all()


# The law.


@pytest.mark.slow
def test_the_law_is_recovered():
    events = catalogue(4000.0)
    units = EventUnits.of(events, geographic=False)
    found = fit_etas(events, units, 256)
    law = found.law
    assert isinstance(law.times.productivity, ByMagnitude)
    assert isinstance(law.times.kernel, FinitePowerLaw)
    scale = float(np.sqrt(units.scale.prod()))
    own = {
        "rate": (float(jnp.exp(law.times.background.log_level)), TRUTH.rate, 0.15),  # pyright: ignore
        "slope": (float(law.times.productivity.slope), TRUTH.slope, 0.15),
        "distance": (scale * float(jnp.exp(law.log_distance)), 0.02, 0.006),
        "tail": (float(jnp.exp(law.log_excess)), 0.6, 0.12),
        "growth": (float(law.growth), TRUTH.growth, 0.12),  # pyright: ignore
        "p": (1.0 + float(law.times.kernel.excess), 1.2, 0.1),
    }
    for name, (value, true, error) in own.items():
        assert abs(value - true) < error, (name, value, true)
    # Chances to be background sum to their number, and tell it from what is triggered.
    assert found.chance.sum() == pytest.approx(TRUTH.rate * float(events.durations.sum()), rel=0.15)


@pytest.mark.slow
def test_beside_a_fit_the_law_sees_the_whole_past(monkeypatch):
    monkeypatch.setattr(etas, "_MOST_PAST", 4)
    events = catalogue(400.0, seed=2)
    units = EventUnits.of(events, geographic=False)
    few, reach = fit_etas(events, units, 4), units.reach(events, 4)
    law, past = etas.plain_law(few, events, None, units, reach)
    assert past == WHOLE_PAST

    def nats(law, most, of=events):
        found = score(law, units.excerpts(of, reach._replace(most=most), 32))
        rates, places, _, passed = (np.asarray(a, float) for a in found)
        return passed.sum() - (rates + places).sum()

    # Fitted to all that came before, it is likelier than what was fitted to some of it.
    excerpts = units.excerpts(events, None, 32)
    seen = WithBackground(excerpts, etas.on_targets(few.declustered.log_density, excerpts))
    whole = few.remembering(events, units)
    assert log_likelihood(whole.law, seen) > log_likelihood(few.law, seen)
    # Where it says less of validation, the other stands there.
    end = float(events.windows[0, 1])
    for begin in (0.3, 0.6, 0.9):
        kept = events.between(begin * end, (begin + 0.1) * end, history_from=0.0)
        own = nats(few.process(), 4, kept), nats(law, WHOLE_PAST, kept)
        best = (0, WHOLE_PAST)[int(own[1] < own[0])]
        assert etas.plain_law(few, events, kept, units, reach)[1] == best


# What is known of every event.


def test_odds_of_some_rows_are_those_of_all():
    events = catalogue(150.0, seed=2)
    units = EventUnits.of(events, geographic=False)
    background = background_of(units.to_model(events.places))
    law = zones()
    places, reach = (
        Triggered(Fixed(background), law, Fixed(Triggered(background, law))),
        Reach(1000),
    )
    every = log_odds(places, units, events, reach)
    rows = np.array([0, 5, 40])
    np.testing.assert_allclose(log_odds(places, units, events, reach, rows), every[rows], atol=1e-9)
    assert np.ptp(every) > 1.0
    assert not log_odds(Triggered(Fixed(background), law), units, events, reach).any()


# Each factor of a process ends where it is best.


@pytest.mark.slow
def test_factors_of_a_process_stop_at_their_own_best_steps():
    events = catalogue(300.0, seed=4)
    units = EventUnits.of(events, geographic=False)
    background = background_of(units.to_model(events.places))
    hawkes = Hawkes(ConstantRate.of(1.0), ByMagnitude.of(0.2, 1.0, 0.0), Exponentials.of([1.0]))
    law = zones()
    process = PointProcess(hawkes, Triggered(Fixed(background), law))
    excerpts = units.excerpts(events, None, 64)
    terms = [TimeLikelihood(excerpts=excerpts), PlaceLikelihood(excerpts=excerpts)]

    class Worse(PlaceLikelihood):
        """The farther from its start the worse."""

        def __call__(self, path, *, key):
            return jnp.abs(path.places.zones.log_excess - law.log_excess)

    validation = Objective.of([terms[0], Worse(excerpts=excerpts)])
    options: Any = {"steps": 4, "chunk": 2, "validate_every": 2, "progress": False, "average": 0.0}
    found = fit(process, Objective.of(terms), validation=validation, checkpoint_every=2, **options)
    start: Any = process
    end: Any = found.path
    assert eqx.tree_equal(start.places, end.places)
    assert float(end.intensity.background.log_level) != float(start.intensity.background.log_level)
    both = fit(
        process,
        Objective.of(terms),
        validation=Objective.of(terms),
        checkpoint_every=2,
        **options,
    )
    assert not eqx.tree_equal(start.places, both.path.places)
