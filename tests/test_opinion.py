"""Opinions that polarise: the published dynamics, and their control."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from liouville.objectives import Effort, MeanField, drift_among
from liouville.problems import directional_similarity
from liouville.problems.opinion import topics
from liouville.tasks.control import scenes
from liouville.tasks.control.config import ControlConfig, ObjectiveConfig
from liouville.tasks.control.fit import resolve_choices


def test_topics_are_a_walk_of_directions():
    wide = topics(12)
    assert wide.shape == (500, 12)
    assert np.allclose(np.linalg.norm(wide, axis=1), 1.0)
    # From step to step they turn by the noise over the length of the walk, which falls.
    turns = np.linalg.norm(np.diff(wide, axis=0), axis=1)
    assert turns[:50].mean() < turns[-50:].mean() < 0.2
    # After the first coordinate they are principal axes, of falling size.
    gram = wide[:, 1:].T @ wide[:, 1:]
    assert np.allclose(gram, np.diag(np.diag(gram)), atol=1e-9)
    assert np.all(np.diff(np.diag(gram)) <= 1e-9)


def test_similarity_of_mixed_and_of_opposite_crowds():
    rng = np.random.default_rng(0)
    plane = directional_similarity(rng.normal(size=(5000, 2)))
    assert abs(plane.mean() - 0.5) < 0.02
    assert abs(plane.std() - 12**-0.5) < 0.01  # angles of the plane are uniform
    many = directional_similarity(rng.normal(size=(500, 400)))
    assert many.std() < 0.02
    split = rng.normal(size=(500, 2)) * 0.01 + np.repeat([[3.0, 1.0], [-3.0, -1.0]], 250, axis=0)
    found = directional_similarity(split)
    assert np.minimum(found, 1.0 - found).max() < 0.01


def test_opinions_are_drawn_to_their_side():
    """The published drift, by NumPy."""
    problem = scenes.opinion()
    assert isinstance(problem.drift, MeanField)
    crowd = np.random.default_rng(1).normal(size=(64, 2)) + 0.3
    weights = jnp.full(64, 1.0 / 64)
    field = drift_among(problem.drift, jnp.asarray(crowd), weights)
    assert field is not None
    for t, number in ((0.0, 0), (0.4, 200)):
        topic = topics(2)[number]
        side = np.sign(crowd @ topic)
        lean = np.mean(
            side[:, None] * crowd / np.linalg.norm(crowd, axis=1)[:, None] ** 0.5, axis=0
        )
        fading = (1.0 - np.exp(8.0 * (t - 1.0)) + 1e-5) ** 5
        for x in ([0.7, -0.4], [-0.7, 0.4]):
            expected = 3.0 * fading * np.sign(topic @ x) * lean / np.linalg.norm(lean) ** 0.5
            assert np.allclose(field(jnp.asarray(t), jnp.asarray(x)), expected, rtol=1e-4)


@pytest.mark.slow
def test_a_large_crowd_is_met_apart():
    """A mean field that wants more particles than it is asked at draws them."""
    from liouville.curves import Constant
    from liouville.paths import LocationScale

    path = LocationScale(Constant(jnp.ones((1, 1))), Constant(jnp.zeros((1, 1))), jnp.zeros(1))
    t = jnp.asarray(0.0)
    marginal = path.at(t)
    points, weights = marginal.particles(4, key=jr.key(0))

    def seen(crowd: int) -> float:
        """How far the effort of meeting the second moment is from its value, over keys."""
        drift = MeanField(lambda t, x, crowd: crowd.mean(lambda y: y**2) + 0.0 * x, crowd)
        cost = jax.jit(lambda key: Effort(1.0, drift)(t, marginal, points, weights, key=key))
        still = Effort(1.0, lambda t, x: 2.0 + 0.0 * x)
        exact = float(still(t, marginal, points, weights, key=jr.key(0)))
        return float(np.mean([abs(float(cost(k)) - exact) for k in jr.split(jr.key(1), 4)]))

    assert seen(4096) < 0.2
    assert seen(0) > 0.2


@pytest.mark.slow
def test_depolarised_opinions_cost_what_the_model_says():
    import liouville as lv

    settings = {
        "path.parts": 8,
        "objective.times": 16,
        "training.steps": 200,
        "rollout.steps": 500,
    }
    fit = lv.fit_control(scenes.opinion(), settings, progress=False)
    closed, rolled = (fit.summary[f"objective ({how})"] for how in ("closed form", "rollout"))
    assert abs(rolled / closed - 1.0) < 0.03
    assert fit.rollout is not None
    similarity = directional_similarity(np.asarray(fit.rollout.points[-1]))
    assert similarity.std() < 0.31


def test_many_coordinates_get_few_small_steps_and_what_is_given_stays():
    few = resolve_choices(ControlConfig(), 2)
    many = resolve_choices(ControlConfig(), 1000)
    assert few.objective.times == 64
    assert few.training.steps == 5000
    assert few.training.patience is None
    assert many.objective.times is not None
    assert many.training.steps is not None
    assert many.objective.times * many.training.steps < 1000
    assert many.training.patience is not None
    asked = dataclasses.replace(ControlConfig(), objective=ObjectiveConfig(times=16))
    assert resolve_choices(asked, 1000).objective.times == 16
