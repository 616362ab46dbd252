"""Transport between ends of given masses: static answers, bounds, exact ends, known energies."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import liouville as lv
from liouville.curves import Tied
from liouville.diffusions.growing import growing_parts, growing_path
from liouville.errors import LiouvilleError
from liouville.numerics.couplings import growing_cost, unbalanced_sinkhorn
from liouville.numerics.mixtures import GaussianMixture, gaussian
from liouville.numerics.potentials import growing_bound
from liouville.objectives import KineticEnergy
from liouville.paths import LocationScale, Masses
from liouville.tasks.transport._growth import discrete_energy
from makers import jolted
from test_growth import cone
from test_problems import M0, M1, S0, S1
from tolerances import ROUNDING
from transport_cases import BRIEF, GOOD, mixture

ENDS, TOTALS, DELTA = (mixture(1, 2), mixture(2, 3)), (2.0, 0.7), 0.8
# Relative error of the discrete problem from a few hundred points.
DISCRETE = 0.05


def point(x: float, dim: int = 2) -> GaussianMixture:
    return gaussian(np.append(x, np.zeros(dim - 1)), 1e-6 * np.eye(dim))


@pytest.mark.parametrize("distance", [0.0, 1.0, 3.0, 4.0])
def test_two_points_cost_the_distance_of_the_cone(distance):
    """The cosine law, with its cut at pi delta beyond which mass dies and is born."""
    a, b, delta = np.array([1.0]), np.array([2.0]), 1.1
    x, y = np.zeros((1, 2)), np.array([[distance, 0.0]])
    price = 2.0 * delta**2
    found = unbalanced_sinkhorn(growing_cost(x, y, delta), price, 1e-3 * price, a, b)
    assert found.converged
    assert np.isclose(found.dual, cone((1.0, 2.0), distance, delta), rtol=2e-3)


def test_the_dual_of_an_unbalanced_coupling_is_the_value_of_its_objective():
    rng = np.random.default_rng(0)
    cost, a, b = rng.uniform(size=(6, 7)), rng.uniform(0.5, 2.0, 6), rng.uniform(0.5, 2.0, 7)
    found = unbalanced_sinkhorn(cost, 0.4, 0.05, a, b, tolerance=1e-10)

    def divergence(p, q):
        return (p * np.log(p / q) - p + q).sum()

    plan = found.plan
    sums = divergence(plan.sum(1), a) + divergence(plan.sum(0), b)
    value = (plan * cost).sum() + 0.4 * sums + 0.05 * divergence(plan, a[:, None] * b)
    assert np.isclose(found.dual, value, rtol=1e-6)
    rough = unbalanced_sinkhorn(cost, 0.4, 0.05, a, b, iterations=1)
    assert rough.dual < value


@pytest.mark.slow
def test_the_coupling_is_that_of_pot():
    ot = pytest.importorskip("ot")
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(20, 2)), 1.0 + rng.normal(size=(30, 2))
    a, b = np.full(20, 2.0 / 20), np.full(30, 0.7 / 30)
    cost, price, blur = growing_cost(x, y, 2.0), 8.0, 0.4
    ours = unbalanced_sinkhorn(cost, price, blur, a, b, tolerance=1e-8, iterations=20_000).plan
    theirs = ot.unbalanced.sinkhorn_unbalanced(
        a, b, cost, blur, price, reg_type="kl", numItermax=20_000, stopThr=1e-12
    )
    assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-9)


# Lower bounds.


@pytest.mark.parametrize(
    ("distance", "dim"),
    [(1.0, 1), *(pytest.param(x, 2, marks=pytest.mark.slow) for x in (3.0, 4.0))],
)
def test_the_bound_of_two_points_is_their_distance(distance, dim):
    known = cone((1.0, 2.0), distance, 1.0)
    found = growing_bound(point(0.0, dim), point(distance, dim), (1.0, 2.0), 1.0)
    assert known * 0.99 < found < known * (1.0 + 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("delta", [0.5, 2.0, 10.0])
def test_no_discrete_problem_is_below_the_bound(delta):
    for ends in (ENDS, (gaussian(M0, S0), gaussian(M1, S1))):
        bound = growing_bound(*ends, TOTALS, delta)
        hellinger = 2.0 * delta**2 * (TOTALS[0] ** 0.5 - TOTALS[1] ** 0.5) ** 2
        least = discrete_energy(*ends, TOTALS, delta, points=400)
        assert hellinger * (1.0 - 1e-4) < bound < least * (1.0 + DISCRETE)


# Paths.


def path_between(ends: Any, totals: Any, delta: float, parts: int = 8) -> LocationScale:
    first, last = ends
    found = growing_parts(first, last, totals, delta, parts)
    return growing_path(found, first, last, totals, delta, (0.2, 1.5))


def largest_errors(path: Any, ends: Any, totals: Any) -> tuple[float, float]:
    """Of the log-density at draws of both ends, and of the logarithm of the mass."""
    density, mass = [], []
    for t, end, total in zip((0.2, 1.5), ends, totals):
        x = jnp.asarray(end.sample(50, seed=3)[0])
        found, log_mass = _asked(path, jnp.asarray(t), x)
        density.append(np.abs(np.asarray(found) - end.log_density(np.asarray(x))).max())
        mass.append(abs(float(log_mass) - np.log(total)))
    return max(density), max(mass)


@eqx.filter_jit
def _asked(path: Any, t: Any, x: Any) -> tuple[jax.Array, jax.Array]:
    marginal = path.at(t)
    return jax.vmap(marginal.log_density)(x), marginal.log_mass


def test_ends_and_masses_are_met_whatever_is_learned():
    path = jolted(path_between(ENDS, TOTALS, DELTA), jr.key(4), 0.3)
    density, mass = largest_errors(path, ENDS, TOTALS)
    assert density < 1e-8
    assert mass < ROUNDING
    # The negative control: masses at the ends that nothing ties.
    curve: Any = path.logits
    assert isinstance(curve, Masses)
    assert isinstance(curve.log_mass, Tied)
    loose = eqx.tree_at(
        lambda p: p.logits.log_mass.start.group_weights.value, path, replace_fn=lambda w: 1.1 * w
    )
    density, mass = largest_errors(loose, ENDS, TOTALS)
    assert mass > 0.05


def energy(path: LocationScale, delta: float) -> float:
    term = KineticEnergy(interval=(0.2, 1.5), delta=delta, times=128, particles=64, crowding=0.9)
    run = eqx.filter_jit(lambda path, key: term(path, key=key))
    # Over another time than one the least energy is in inverse proportion to it.
    return 1.3 * float(np.mean([run(path, jr.key(i)) for i in range(4)]))


@pytest.mark.parametrize(
    ("distance", "within"),
    [
        pytest.param(1.0, 2e-3, marks=pytest.mark.slow),
        pytest.param(0.0, 2e-3, marks=pytest.mark.slow),
        (4.0, 0.06),
    ],
)
def test_the_start_between_two_points_is_the_answer(distance, within):
    """Motion and growth, growth alone, and death and birth, all without training."""
    ends, totals = (point(0.0), point(distance)), (1.0, 2.0)
    path = path_between(ends, totals, 1.0, parts=1)
    known = cone(totals, distance, 1.0)
    assert known * (1.0 - 1e-3) < energy(path, 1.0) < known * (1.0 + within)


@pytest.mark.slow
def test_proportions_of_resting_kinds_change_by_growth():
    ends = [
        GaussianMixture(
            np.array(w), np.array([[-10.0, 0.0], [10.0, 0.0]]), np.stack([np.eye(2)] * 2)
        )
        for w in ([0.5, 0.5], [0.8, 0.2])
    ]
    known = sum(cone((0.5, m), 0.0, 2.0) for m in (0.8, 0.2))
    path = path_between(ends, (1.0, 1.0), 2.0)
    # Moved as a whole the surplus would cost .3 * 20^2 / 2.
    assert known * 0.99 < energy(path, 2.0) < 1.5 * known


# The task.


@pytest.mark.slow
def test_a_fit_says_masses_and_growth(tmp_path):
    far = gaussian(np.array([1.0, 0.0]), np.eye(2))
    fitted = lv.fit_transport(
        GOOD, far, masses=(1.0, 2.0), delta=1.0, settings={**BRIEF, "certificate.points": 200}
    )
    found, model = fitted.summary, fitted.model
    assert np.allclose(np.exp(model.log_mass([0.0, 1.0])), [1.0, 2.0], rtol=1e-5)
    assert found["lower bound (potentials)"] < found["energy"]
    assert found["mass born"] - found["mass lost"] == pytest.approx(1.0, abs=0.03)
    assert found["mass of arrival"] == pytest.approx(2.0, rel=0.05)
    assert 0.0 < found["energy of motion, share"] < 1.0
    assert found["W2 of arrival (velocity)"] < 1.3 * found["W2 of two draws of the end"]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "count": ({"masses": (1.0,)}, "1 masses for 2 distributions"),
    "negative": ({"masses": (1.0, -1.0)}, "are not all positive"),
    "noise": ({"unbalanced": True, "sigma": 1.0}, "without noise"),
    "cost": ({"unbalanced": True, "delta": 1.0, "cost": lambda t, x: x[0]}, "neither a reference"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_unbalanced_transport_cannot_do_it_says(case):
    options, message = BAD[case]
    with pytest.raises(LiouvilleError, match=message):
        lv.fit_transport(GOOD, GOOD, settings=BRIEF, **options)
