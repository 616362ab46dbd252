"""Contexts: binding them, refusing to do without, and mixing over them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import liouville as lv
from liouville.curves import Constant, Network
from liouville.gauges import FullGauge
from liouville.maps import coupling_flow
from liouville.numerics.conditioning import is_conditional
from liouville.numerics.parameters import Fixed
from liouville.paths import (
    Autoregressive,
    Contextual,
    Ensemble,
    Gauged,
    LocationScale,
    Mixture,
    Normal,
    Pushforward,
    Reversed,
    Selected,
)
from tolerances import ROUNDING

INTERVAL = (0.0, 1.0)
T = jnp.asarray(0.7)
X = jnp.asarray([0.3, -0.8])
COUNTS = jnp.asarray([3.0, 1.0])
CLASSES = jnp.eye(2)


def _location_scale(key):
    location = Network(jnp.zeros((3, 2)), INTERVAL, width=4, depth=1, context=2, key=key)
    return LocationScale(location, Constant(jnp.zeros((3, 2))), jnp.zeros(3))


def _autoregressive(key):
    return Autoregressive.standard(2, 2, INTERVAL, units=3, depth=1, context=2, key=key)


def _pushforward(key):
    flow = coupling_flow(2, INTERVAL, layers=2, width=4, depth=1, context=2, key=key)
    return Pushforward(Normal(2), flow)


def _moved(path, key):
    """All learned numbers moved, so that networks that start at zero say something."""
    learned, rest = eqx.partition(path, eqx.is_inexact_array)
    leaves, structure = jax.tree.flatten(learned)
    keys = jr.split(key, len(leaves))
    leaves = [a + 0.4 * jr.normal(k, a.shape) for a, k in zip(leaves, keys, strict=True)]
    return eqx.combine(jax.tree.unflatten(structure, leaves), rest)


PATHS = {
    "location and scale": _location_scale,
    "autoregressive": _autoregressive,
    "pushforward": _pushforward,
}


@pytest.fixture(
    scope="module",
    params=[
        "location and scale",
        pytest.param("autoregressive", marks=pytest.mark.slow),
        "pushforward",
    ],
)
def path(request):
    return _moved(PATHS[request.param](jr.key(1)), jr.key(2))


@eqx.filter_jit
def _answers(path, t, x):
    marginal = path.at(t)
    return marginal.log_density(x), marginal.velocity(x)


def test_a_context_is_bound_and_matters(path):
    assert is_conditional(path)
    bound = [lv.given(path, c) for c in CLASSES]
    assert not any(is_conditional(p) for p in bound)
    (one, u), (two, v) = (_answers(p, T, X) for p in bound)
    assert abs(float(one - two)) > 0.01
    assert float(jnp.abs(u - v).max()) > 0.01
    # Bound once more, or bound under `vmap`, it says the same.
    again = _answers(lv.given(bound[0], CLASSES[1]), T, X)
    np.testing.assert_allclose(again[0], one, rtol=ROUNDING)
    each = eqx.filter_vmap(lambda c: _answers(lv.given(path, c), T, X)[0])
    every = eqx.filter_jit(each)(CLASSES)
    np.testing.assert_allclose(every, [one, two], rtol=ROUNDING)


def test_without_a_context_it_raises(path):
    with pytest.raises(ValueError, match=r"liouville\.given"):
        path.at(T).log_density(X)


@pytest.mark.slow
def test_a_bound_path_conserves_mass(path):
    # The continuity equation by automatic differentiation, for a context between two classes.
    bound = lv.given(path, jnp.asarray([0.4, 0.6]))
    residual, wrong = _residuals(bound, T, X)
    assert abs(float(residual)) < 1e3 * ROUNDING
    # Half the velocity carries something else.
    assert abs(float(wrong)) > 0.01


@eqx.filter_jit
def _residuals(path, t, x):
    def residual(scale):
        marginal = path.at(t)
        rate = jax.grad(lambda s: path.at(s).log_density(x))(t)
        slope = jax.grad(marginal.log_density)(x)
        u = scale * marginal.velocity(x)
        return rate + u @ slope + scale * jnp.trace(jax.jacfwd(marginal.velocity)(x))

    return residual(1.0), residual(0.5)


def test_contextual_is_the_weighted_sum_of_its_classes(path):
    whole = Contextual.of_classes(path, COUNTS)
    parts = [_answers(whole.in_context(c), T, X) for c in range(2)]
    joint = np.asarray([0.75, 0.25]) * np.exp([float(p[0]) for p in parts])
    log_density, velocity = _answers(whole, T, X)
    np.testing.assert_allclose(np.exp(log_density), joint.sum(), rtol=ROUNDING)
    # The mixture rule; shares that leave the density out would not do.
    expected = sum(j * p[1] for j, p in zip(joint / joint.sum(), parts, strict=True))
    np.testing.assert_allclose(velocity, expected, rtol=ROUNDING, atol=ROUNDING)
    plain = 0.75 * parts[0][1] + 0.25 * parts[1][1]
    assert float(jnp.abs(velocity - plain).max()) > 1e-4


def test_shares_and_contexts_are_not_learned(path):
    whole = Contextual.of_classes(path, COUNTS)
    assert isinstance(whole.contexts, Fixed)
    assert isinstance(whole.log_weights, Fixed)
    np.testing.assert_allclose(jnp.exp(whole.log_shares), [0.75, 0.25], rtol=ROUNDING)
    assert len(whole.branches()) == 2


def test_in_context_reaches_into_ensembles_and_mixtures():
    members = [
        Contextual.of_classes(_moved(_pushforward(jr.key(k)), jr.key(k + 5)), COUNTS)
        for k in range(2)
    ]
    own = [_answers(member.in_context(1), T, X)[0] for member in members]
    expected = jax.nn.logsumexp(jnp.stack(own)) - jnp.log(2.0)
    mixture = Mixture(members, jnp.zeros(2))
    for whole in (Ensemble.of(members), mixture, Reversed(Reversed(mixture, INTERVAL), INTERVAL)):
        found = whole.in_context(1)
        assert not is_conditional(found)
        np.testing.assert_allclose(_answers(found, T, X)[0], expected, rtol=ROUNDING)
        other = _answers(whole.in_context(0), T, X)[0]
        assert abs(float(other - expected)) > 0.01


def test_in_context_reaches_through_maps():
    inner = Contextual.of_classes(_moved(_pushforward(jr.key(0)), jr.key(5)), COUNTS)
    flow = coupling_flow(2, INTERVAL, width=4, depth=1, key=jr.key(6))
    found = Pushforward(inner, flow).in_context(1)
    expected = _answers(Pushforward(inner.in_context(1), flow), T, X)[0]
    assert np.isclose(float(_answers(found, T, X)[0]), float(expected), rtol=ROUNDING)


@pytest.mark.slow
def test_branches_make_up_the_density():
    """Through ensembles, mixtures, contexts, maps and gauges, down to paths of one branch."""
    members = [
        Contextual.of_classes(_moved(_pushforward(jr.key(k)), jr.key(k + 5)), COUNTS)
        for k in range(2)
    ]
    inner = Mixture([Ensemble.of(members), Normal(2)], jnp.asarray([0.4, -0.3]))
    gauged = Gauged(inner, FullGauge(2, INTERVAL, width=4, depth=1, key=jr.key(4)))
    whole = Pushforward(gauged, coupling_flow(2, INTERVAL, width=4, depth=1, key=jr.key(6)))
    branches = whole.branches()
    assert len(branches) == 5
    joint = [share + _answers(branch, T, X)[0] for share, branch in branches]
    expected = _answers(whole, T, X)[0]
    np.testing.assert_allclose(jax.nn.logsumexp(jnp.stack(joint)), expected, rtol=ROUNDING)
    assert all(len(branch.branches()) == 1 for _, branch in branches)


def test_in_context_leaves_other_paths_alone():
    path = Normal(2)
    assert path.in_context(1) is path


def test_selected_picks_one_path_for_each_class():
    paths = [
        LocationScale(Constant(jnp.full((1, 2), m)), Constant(jnp.zeros((1, 2))), jnp.zeros(1))
        for m in (-1.0, 2.0)
    ]
    selected = Selected.of(paths)
    assert selected.dim == 2
    assert is_conditional(selected)
    with pytest.raises(ValueError, match=r"liouville\.given"):
        selected.at(T)
    for context, path in zip(CLASSES, paths, strict=True):
        expected = _answers(path, T, X)[0]
        found = _answers(lv.given(selected, context), T, X)[0]
        np.testing.assert_allclose(found, expected, rtol=ROUNDING)
    whole = Contextual.of_classes(selected, COUNTS)
    both = [0.75, 0.25] @ np.exp([float(_answers(p, T, X)[0]) for p in paths])
    np.testing.assert_allclose(jnp.exp(_answers(whole, T, X)[0]), both, rtol=ROUNDING)


def test_curves_that_do_not_fit_are_still_refused():
    with pytest.raises(ValueError, match="raw scales have shape"):
        LocationScale(Constant(jnp.zeros((3, 2))), Constant(jnp.zeros((3, 1))), jnp.zeros(3))
