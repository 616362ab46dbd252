"""Transport given a class or a number: ends of each, maps of each, and what cannot be asked."""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import liouville as lv
from commands import call
from liouville.data import Samples, Standardisation
from liouville.errors import LiouvilleError
from liouville.model import load
from liouville.numerics.conditioning import given
from liouville.paths import ConditionalBridge, Contextual, Joined
from liouville.problems import bures
from liouville.tasks.transport import _contexts
from liouville.tasks.transport.config import DataConfig, EndsConfig, TransportConfig
from liouville.tasks.transport.ends import read_ends
from liouville.tasks.transport.problem import Given, problem_of, resolve_times
from makers import conditional_mixture, jolted
from tolerances import ROUNDING
from transport_cases import BRIEF, GOOD, cases_by_class, table_with_context

CONTEXT = jnp.asarray([0.7])
QUICK = {**BRIEF, "certificate.points": 50, "certificate.repeats": 1}


@eqx.filter_jit
def _densities(path: Any, t: Any, x: Any) -> jax.Array:
    return jax.vmap(path.at(t).log_density)(x)


@pytest.mark.slow
def test_a_bridge_meets_both_laws_of_every_context():
    laws = [conditional_mixture(2, 2, 1, key) for key in jr.split(jr.key(0))]
    first, last = laws
    bridge = ConditionalBridge.between(first, last, (0.2, 1.5), width=8, key=jr.key(1))
    path = given(jolted(bridge, jr.key(2), 0.3), CONTEXT)
    x = jr.normal(jr.key(3), (20, 2))
    for t, law in zip((0.2, 1.5), laws):
        met = _densities(path, jnp.asarray(t), x)
        assert np.allclose(met, _densities(given(law, CONTEXT), jnp.asarray(0.0), x), atol=1e-8)
        # The negative control: the law of another context.
        other = _densities(given(law, -CONTEXT), jnp.asarray(0.0), x)
        assert np.abs(met - other).max() > 0.01


@pytest.mark.slow
def test_between_gaussians_a_bridge_is_the_optimal_transport():
    laws = [conditional_mixture(1, 2, 1, key) for key in jr.split(jr.key(0))]
    bridge = ConditionalBridge.between(laws[0], laws[1], (0.0, 1.0), width=8, key=jr.key(1))
    path = given(bridge, CONTEXT)

    def state(t):
        frames = path.at(t).frames
        return frames.location[0], frames.factor[0] @ frames.factor[0].T

    ends = [np.asarray(a) for t in (0.0, 1.0) for a in jax.jit(state)(jnp.asarray(t))]
    whole = bures(*ends) ** 0.5
    # A geodesic: distances add up.
    middle = [np.asarray(a) for a in jax.jit(state)(jnp.asarray(0.3))]
    assert np.isclose(bures(*ends[:2], *middle) ** 0.5, 0.3 * whole, atol=1e-6)
    assert np.isclose(bures(*middle, *ends[2:]) ** 0.5, 0.7 * whole, atol=1e-6)


def ends_of(*sources: Any, **options: Any) -> list:
    return read_ends(sources, DataConfig(**options), EndsConfig(parts=1))


def problem_from(ends: list, config: TransportConfig) -> Any:
    config = resolve_times(config, ends)
    units = Standardisation(np.zeros(2), np.ones(2), 0.0, 1.0)
    return problem_of(Given(ends), units, config), units, config


@pytest.mark.slow
def test_every_class_goes_from_its_own_law_to_its_own():
    ends = ends_of(*cases_by_class(), label="kind")
    config = TransportConfig(data=DataConfig(label="kind"), ends=EndsConfig(parts=1))
    path = _contexts.conditional_path(ends, *problem_from(ends, config))
    assert isinstance(path, Joined)
    for number in range(2):
        own = path.in_context(number)
        assert isinstance(own, Joined)
        for t, end in zip((0.0, 1.0), ends):
            assert end.contexts is not None
            rows = end.points[end.contexts.rows[:, number] > 0.5]
            piece: Any = own.pieces[0]
            frames = piece.at(jnp.asarray(t)).frames
            assert np.allclose(
                np.asarray(frames.location).mean(axis=0), rows.mean(axis=0), atol=1e-4
            )


@pytest.mark.slow
def test_maps_of_classes_are_those_of_their_gaussians(tmp_path):
    source, target = cases_by_class(400)
    fitted = lv.fit_transport(source, target, label="kind", settings=QUICK)
    for number, name in enumerate(source.classes):
        x, y = (end.points[end.labels == number] for end in (source, target))
        moved = lv.transport_map(fitted.model.given(name), x)
        assert np.allclose(moved.mean(axis=0), y.mean(axis=0), atol=0.25)
        assert f"{name}: energy" in fitted.summary
        # Rows of this class that were kept apart are met; between the classes it is some 4.
        w2 = f"{name}: W2 of arrival to held-out rows of the target"
        assert fitted.summary[w2] < 1.5 * fitted.summary[f"{w2}, floor"]
    fitted.model.save(tmp_path / "model.lv")
    again = load(tmp_path / "model.lv").given("a")
    x = source.points[:5]
    assert np.array_equal(again.log_density(0.5, x), fitted.model.given("a").log_density(0.5, x))


@pytest.mark.slow
def test_maps_given_a_number_are_those_of_its_gaussians(tmp_path):
    fitted = lv.fit_transport(
        *(table_with_context(2000, end) for end in range(2)), context=("x3",), settings=QUICK
    )
    nats = fitted.summary
    for end in ("source", "target"):
        known = nats[f"held-out nats of the {end} given the context"]
        assert known < nats[f"held-out nats of the {end} without it"] - 0.1
    # From N((2c, 0), 1) to N((-2c, 3 + c), 1/4): y = mean + (x - mean) / 2.
    model = fitted.model
    model.save(tmp_path / "model.lv")
    model = load(tmp_path / "model.lv")
    for c in (-0.7, 0.1, 0.6):
        x = np.random.default_rng(1).normal(size=(200, 2)) + np.array([2.0 * c, 0.0])
        right = np.array([-2.0 * c, 3.0 + c]) + 0.5 * (x - np.array([2.0 * c, 0.0]))
        moved = lv.transport_map(model.given([c]), x)
        assert ((moved - right) ** 2).sum(-1).mean() / 0.5 < 0.03
        # Each row given its own number, of which there may be many.
        own = np.array([[c], [0.3], [c]])
        alike = lv.transport_map(model, x[:3], contexts=own)
        assert np.allclose(alike[[0, 2]], moved[[0, 2]], atol=1e-3)
        assert np.allclose(alike[1], lv.transport_map(model.given([0.3]), x[1:2]), atol=1e-3)
    with pytest.raises(LiouvilleError, match="not 1 finite numbers each"):
        lv.transport_map(model, x, contexts=np.zeros((200, 2)))
    with pytest.raises(LiouvilleError, match="are without noise"):
        model.trajectories(x, [0.0, 1.0], stochastic=True, sigma=1.0, contexts=x[:, :1])
    _map_by_command(tmp_path, x[:3], own, alike)
    with pytest.raises(LiouvilleError, match="is not 1 finite numbers; give x3"):
        model.given([0.1, 0.2])


def _map_by_command(folder: Path, x: np.ndarray, contexts: np.ndarray, moved: np.ndarray) -> None:
    """A file with the column of the numbers, or one number for all rows of a file without it."""
    out, told = folder / "out.csv", folder / "points.csv"
    for names, columns, more in (
        ("x1,x2,x3", np.column_stack([x, contexts]), ()),
        ("x1,x2", x, ("--given", str(contexts[0, 0]))),
    ):
        np.savetxt(told, columns, delimiter=",", header=names, comments="")
        assert call("map", folder / "model.lv", told, "-o", out, *more) == 0
        found = np.genfromtxt(out, delimiter=",", names=True)
        rows = slice(None) if not more else [0, 2]
        for i in range(2):
            assert np.allclose(found[f"mapped_x{i + 1}"][rows], moved[rows, i], atol=1e-3)
        out.unlink()
    np.savetxt(told, x, delimiter=",", header="x1,x2", comments="")
    assert call("map", folder / "model.lv", told, "-o", out) == 2


TABLES = [np.random.default_rng(i).normal(size=(40, 3)) for i in range(2)]
BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "column": (TABLES, {"context": ("age",)}, "no column 'age' in .*It has: x1, x2, x3"),
    "all": (TABLES, {"context": ("x1", "x2", "x3")}, "no columns besides its contexts"),
    "mixture": ((GOOD, GOOD), {"context": ("x1",)}, "given without classes and contexts"),
    "both": (TABLES, {"context": ("x1",), "label": "x2"}, "were both given"),
    "noise": (TABLES, {"context": ("x1",), "sigma": 1.0}, "is without noise"),
    "masses": (TABLES, {"context": ("x1",), "unbalanced": True}, "conserves mass"),
    "classes": (
        (
            Samples(TABLES[0], np.arange(40) % 2, ("a", "b")),
            Samples(TABLES[1], np.arange(40) % 2, ("a", "c")),
        ),
        {"label": "kind"},
        "every class goes to its own",
    ),
    "none": ((Samples(TABLES[0]), Samples(TABLES[1])), {"label": "kind"}, "has no classes"),
}


@pytest.mark.parametrize("case", BAD)
def test_contexts_that_cannot_be_used(case):
    sources, options, message = BAD[case]
    with pytest.raises(LiouvilleError, match=message):
        lv.fit_transport(*sources, settings=QUICK, **options)


@pytest.mark.slow
def test_the_objective_is_the_mean_over_contexts():
    ends = ends_of(*cases_by_class(), label="kind")
    config = TransportConfig(data=DataConfig(label="kind"), ends=EndsConfig(parts=1))
    problem, _, _ = problem_from(ends, config)
    assert problem.is_conditional
    path = _contexts.conditional_path(ends, *problem_from(ends, config))
    assert isinstance(path.pieces[0], Contextual)
    assert np.isclose(float(jnp.exp(path.pieces[0].log_shares).sum()), 1.0, atol=ROUNDING)
