"""Where events happen: what a path knows of the past, regions, excerpts, and fitted models."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from events_cases import drawn
from liouville.data import Events, Region
from liouville.objectives import AbstractTerm, PlaceLikelihood, TimeLikelihood
from liouville.paths import AbstractPath
from liouville.processes import Excerpts, History, PointProcess, Polygon, Reach
from liouville.tasks.events.units import EventUnits
from makers import history
from registry import build
from tolerances import ROUNDING

KNOWING = ("triggered", "routed", "recalled")


def with_history(path: AbstractPath, events: History) -> AbstractPath:
    """The same path after another history."""
    if hasattr(path, "law"):
        return path.law.after(events)  # pyright: ignore[reportAttributeAccessIssue]
    if hasattr(path, "brood"):
        from liouville.processes import Triggered

        return Triggered(path.background, path.brood.law).after(events)  # pyright: ignore
    return path.location.base.after(events)  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    "name", ["recalled", *(pytest.param(n, marks=pytest.mark.slow) for n in KNOWING[:2])]
)
def test_the_future_is_not_known(name):
    path = build(name)
    known = history(jr.key(3), n=6, before=0.9)
    t = float(known.times[3]) + 1e-3
    later = known.times > t
    changed = dataclasses.replace(
        known,
        places=jnp.where(later[:, None], known.places + 3.0, known.places),
        marks=jnp.where(later, known.marks + 1.0, known.marks),
    )
    past = dataclasses.replace(
        known, places=jnp.where(later[:, None], known.places, known.places + 3.0)
    )
    x = jnp.asarray([0.3, -0.2])

    @eqx.filter_jit
    def value(events: History):
        return with_history(path, events).at(jnp.asarray(t)).log_density(x)

    assert value(known) == value(changed)
    assert value(known) != value(past)


@pytest.mark.parametrize(
    "name", [pytest.param("triggered", marks=pytest.mark.slow), "routed", "recalled"]
)
def test_an_event_counts_after_its_own_time_only(name):
    path = build(name)
    known = history(jr.key(3), n=3, before=0.0)
    t, x = known.times[-1], jnp.asarray([0.3, -0.2])
    before = dataclasses.replace(known, valid=known.valid.at[-1].set(False))

    @eqx.filter_jit
    def value(events: History, when):
        return with_history(path, events).at(when).log_density(x)

    assert value(known, t) == value(before, t)
    assert value(known, t + 1e-9) != value(before, t + 1e-9)


def test_before_counts_events_that_have_come():
    known = history(jr.key(0), n=5, before=0.0)
    t = known.times[3]
    assert known.before(t).tolist() == [True, True, True, False, False]
    assert known.before(t, inclusive=True).tolist() == [True, True, True, True, False]


def test_reach_keeps_the_events_of_the_most_influence():
    """A great one is remembered when hundreds of small ones have come after it."""
    elapsed = np.concatenate([[30.0], np.linspace(29.0, 0.1, 600)])
    marks = np.concatenate([[5.0], np.zeros(600)])
    by_size = Reach(512, slope=1.8, offset=0.01).chosen(elapsed, marks)
    latest = Reach(512).chosen(elapsed, marks)
    assert by_size[0] == 0
    assert len(by_size) == len(latest) == 512
    assert (np.diff(by_size) > 0).all()
    np.testing.assert_array_equal(latest, np.arange(89, 601))
    # The other 511 are the latest of the small ones.
    np.testing.assert_array_equal(by_size[1:], np.arange(90, 601))
    np.testing.assert_array_equal(Reach(700, 1.8).chosen(elapsed, marks), np.arange(601))


# Regions.


def polygon(corners: np.ndarray, n: int = 12, longest: float | None = 0.2) -> Polygon:
    turned = Region(corners[:, ::-1])
    second, first, step = turned.boundary_nodes(n, longest=longest)
    nodes = np.column_stack([first, second])
    edges = np.stack([corners, np.roll(corners, -1, axis=0)], axis=1)
    return Polygon(jnp.asarray(edges), jnp.asarray(nodes), jnp.asarray(step))


TRIANGLE = np.array([[-1.5, -1.0], [2.0, -0.5], [0.2, 1.7]])


@pytest.mark.parametrize(
    "name", ["gaussian-full-cubic", pytest.param("triggered", marks=pytest.mark.slow)]
)
def test_mass_in_a_polygon(name):
    marginal = build(name).at(jnp.asarray(0.3))
    region = polygon(TRIANGLE)
    mass = eqx.filter_jit(Polygon.mass)
    # Slices of the triangle by Gauss-Legendre in both directions.
    z, w = np.polynomial.legendre.leggauss(80)
    a, b, c = (np.asarray(v) for v in TRIANGLE)
    u, v = 0.5 * (z + 1.0), 0.5 * w
    first = a + u[:, None] * (b - a)
    points = first[:, None] + u[None, :, None] * (c - first)[:, None]
    # Jacobian of (u, s) -> a + u (b - a) + s (c - a - u (b - a)).
    (p, q), (r, o) = b - a, c - a
    jacobian = abs(p * o - q * r) * (1.0 - u)[None, :]
    density = jax.jit(jax.vmap(marginal.log_density))
    values = jnp.exp(density(jnp.asarray(points.reshape(-1, 2))))
    oracle = float((np.asarray(values).reshape(80, 80) * jacobian * v[:, None] * v[None, :]).sum())
    assert float(mass(region, marginal)) == pytest.approx(oracle, abs=1e-9)
    whole = polygon(60.0 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]), longest=1.0)
    assert float(mass(whole, marginal)) == pytest.approx(1.0, abs=1e-9)
    # Few nodes miss it: the agreement is no accident.
    assert abs(float(mass(polygon(TRIANGLE, 1, None), marginal)) - oracle) > 1e-3


@pytest.mark.slow
def test_draws_in_a_polygon():
    marginal = build("gaussian-full-cubic").at(jnp.asarray(0.3))
    region = polygon(TRIANGLE)
    keys = jr.split(jr.key(0), 500)
    points = jax.vmap(lambda key: region.sample(marginal, key=key))(keys)
    assert bool(jax.vmap(region.contains)(points).all())
    free = jax.vmap(lambda key: marginal.sample(key=key))(jr.split(jr.key(1), 20_000))
    share = float(jax.vmap(region.contains)(free).mean())
    mass = float(region.mass(marginal))
    assert share == pytest.approx(mass, abs=5.0 * np.sqrt(mass * (1 - mass) / 20_000))


# Excerpts.


def cut(events: Events, targets: int, reach: Reach | None = None) -> Excerpts:
    ends = np.searchsorted(events.sequence, np.arange(1, len(events.windows)))
    return Excerpts.of(
        np.split(events.times, ends),
        np.split(events.places, ends),
        np.split(np.zeros(len(events)), ends),
        events.windows,
        targets=targets,
        reach=reach,
    )


@pytest.fixture(scope="module")
def process() -> PointProcess:
    from processes_cases import INTENSITIES

    places = build("triggered")
    from liouville.processes import Triggered

    triggered = Triggered(places.background, places.brood.law)  # pyright: ignore
    triggered = eqx.tree_at(
        lambda p: (p.zones.productivity, p.zones.reach),
        triggered,
        (None, None),
        is_leaf=lambda node: node is None,
    )
    return PointProcess(INTENSITIES["unmarked"], triggered)


def value_of(term: AbstractTerm, process: PointProcess) -> float:
    return float(eqx.filter_jit(lambda term, p: term(p, key=jr.key(0)))(term, process))


@pytest.mark.slow
def test_pieces_add_up_to_the_whole(process):
    events = drawn(12.0, 4, 0)
    whole, pieces = cut(events, 200), cut(events, 7)
    for term in (PlaceLikelihood, TimeLikelihood):
        one, many = (value_of(term(excerpts=e), process) for e in (whole, pieces))
        assert many == pytest.approx(one, rel=1e-9)
    short = cut(events, 7, reach=Reach(1))
    assert value_of(PlaceLikelihood(excerpts=short), process) != pytest.approx(many, rel=1e-4)


@pytest.mark.parametrize(
    "kind", [TimeLikelihood, pytest.param(PlaceLikelihood, marks=pytest.mark.slow)]
)
def test_gradients_found_with_the_value_are_those_of_autodiff(process, kind):
    term = kind(excerpts=cut(drawn(12.0, 4, 0), 7))

    def plain(process):
        sums = jax.lax.map(lambda item: term.each(process, item).sum(), term.items)
        return -sums.sum() / term.excerpts.number

    found = eqx.filter_value_and_grad(lambda p: 3.0 * term(p, key=jr.key(0)))
    value, gradient = eqx.filter_jit(found)(process)
    wanted, slope = eqx.filter_jit(eqx.filter_value_and_grad(lambda p: 3.0 * plain(p)))(process)
    assert float(value) == pytest.approx(float(wanted), rel=ROUNDING)
    leaves, others = jax.tree.leaves(gradient), jax.tree.leaves(slope)
    assert len(leaves) == len(others) > 0
    for one, other in zip(leaves, others):
        np.testing.assert_allclose(one, other, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.slow
def test_empty_windows_and_earlier_events_count(process):
    events = drawn(12.0, 3, 1)
    nothing = dataclasses.replace(
        events, windows=np.concatenate([events.windows, [[0.0, 12.0]]]), names=()
    )
    term = TimeLikelihood(excerpts=cut(events, 9))
    more = TimeLikelihood(excerpts=cut(nothing, 9))
    total = len(events) * (value_of(more, process) - value_of(term, process))
    empty = process.intensity.after(History.of(np.zeros(0), np.zeros((0, 2))))
    assert total == pytest.approx(float(empty.integral(jnp.zeros(()), jnp.asarray(12.0))), rel=1e-6)
    later = events.between(6.0, 12.0, history_from=0.0)
    seen = cut(later, 9)
    assert seen.number == int((events.times >= 6.0).sum())
    alone = cut(events.between(6.0, 12.0), 9)
    assert value_of(TimeLikelihood(excerpts=seen), process) != pytest.approx(
        value_of(TimeLikelihood(excerpts=alone), process), rel=1e-6
    )


# Units.


def test_densities_on_a_map_are_per_square_degree():
    training = drawn(12.0, 2, 0)
    geographic = dataclasses.replace(
        training,
        places=training.places + np.array([140.0, 36.0]),
        features=("longitude", "latitude"),
        is_geographic=True,
    )
    units = EventUnits.of(geographic, geographic=True)
    again = units.to_user(units.to_model(geographic.places))
    np.testing.assert_allclose(again, geographic.places, atol=1e-9)
    # The image of a small box has the area the volume says.
    corner, step = np.array([140.5, 37.0]), 1e-4
    box = corner + step * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    image = units.to_model(box)
    x, y = image.T
    area = 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
    assert np.log(area / step**2) == pytest.approx(units.log_volume(corner[None])[0], abs=1e-6)


def test_an_incomplete_catalogue_is_told_from_a_complete_one():
    from liouville.processes import DetectedMagnitudes, Rounded
    from liouville.runs.config import merge
    from liouville.tasks.events._initial import initial_marks, resolve_choices
    from liouville.tasks.events.config import EventsConfig

    rng = np.random.default_rng(0)
    events = drawn(12.0, 4, 0)
    complete = dataclasses.replace(events, marks=4.5 + rng.exponential(0.4, len(events)).round(1))
    missed = dataclasses.replace(
        events, marks=4.5 + 0.5 * np.abs(rng.normal(1.5, 0.5, len(events)))
    )
    settings = resolve_choices(merge(EventsConfig), events)
    units = EventUnits.of(complete, geographic=False)
    assert isinstance(initial_marks(complete, units, settings.data.mark_law), Rounded)
    units = EventUnits.of(missed, geographic=False)
    with pytest.warns(UserWarning, match="smaller events were missed"):
        assert isinstance(initial_marks(missed, units, settings.data.mark_law), DetectedMagnitudes)
