import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from liouville.numerics.networks import MLP, SpaceTimeNetwork, time_features
from liouville.numerics.parameters import Fixed, learned_leaves, split
from registry import build, entries
from tolerances import ROUNDING


def test_fixed_parts_and_plain_values_are_not_learned():
    tree = {
        "free": jnp.ones(2),
        "fixed": Fixed({"a": jnp.zeros(3), "b": 1.0}),
        "counts": jnp.arange(3),
        "number": 2.0,
        "name": "x",
    }
    assert set(learned_leaves(tree)) == {"['free']"}
    learned, rest = split(tree)
    assert jax.tree.leaves(learned) == [tree["free"]]
    again = eqx.combine(learned, rest)
    assert jax.tree.structure(again) == jax.tree.structure(tree)
    assert again["fixed"].value["b"] == 1.0
    assert np.array_equal(again["counts"], [0, 1, 2])


@pytest.mark.parametrize("name", entries("low"))
def test_split_and_combine_give_the_path_back(name):
    path = build(name)
    assert bool(eqx.tree_equal(eqx.combine(*split(path)), path))


def test_names_say_where_a_leaf_is():
    names = set(learned_leaves(build("mixture")))
    assert {".logits", ".parts[1].location.values", ".parts[1].logits"} <= names
    # The ends of the hard-ended part are held.
    assert not any("skeleton" in name for name in names)


def test_gradients_do_not_reach_fixed_parts():
    learned, rest = split((jnp.asarray(2.0), Fixed(jnp.asarray(3.0))))

    def value(learned):
        free, fixed = eqx.combine(learned, rest)
        return free * fixed.value

    assert [float(g) for g in jax.tree.leaves(jax.grad(value)(learned))] == [3.0]


# Networks.


def test_time_features_are_the_line_and_its_harmonics():
    found = time_features(jnp.asarray(0.3), 2)
    angles = np.pi * np.array([0.3, 0.6])
    assert np.allclose(found, [0.3, *np.sin(angles), *np.cos(angles)], atol=ROUNDING)


def test_networks_start_at_zero_with_gradients_that_do_not():
    network = MLP(3, 2, width=4, depth=2, key=jr.key(0))
    assert not np.any(network(jnp.ones(3)))
    gradient = eqx.filter_grad(lambda n: n(jnp.ones(3)).sum())(network)
    assert np.any(gradient.layers[-1].weight)


def test_space_time_network_at_one_time_is_a_network_of_space():
    network = SpaceTimeNetwork(2, 3, width=4, depth=2, frequencies=1, key=jr.key(0))
    shifted = network.at(jnp.asarray(0.2))
    hidden = network.time_layer(time_features(jnp.asarray(0.2), 1)) + network.space_layer(
        jnp.ones(2)
    )
    assert np.allclose(shifted(jnp.ones(2)), network.rest(jax.nn.silu(hidden)), atol=ROUNDING)
