"""Every term of an objective is unbiased, in value and in gradient; and what must be refused."""

import importlib
import pkgutil
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import liouville
from liouville.numerics.parameters import split
from liouville.objectives import AbstractTerm, stratified_times
from terms import TERMS, Case, cost, line
from tolerances import STANDARD_ERRORS

# Of the grids: values of order one, and what a box of nine units leaves out.
QUADRATURE = 1e-8

# Sums of other terms, a likelihood that adds nothing to how events are drawn, and a known number.
SUMS = {"_Total", "EtasLikelihood", "Known"}

QUICK = {"likelihood-weighted", "energy-crowded"}


def standard_errors(case: Case) -> tuple[float, float]:
    """How far the means of value and gradient are from the oracle's, the largest of each."""
    term = case.term()
    learned, rest = split(case.path())

    def value(learned, key):
        return term(eqx.combine(learned, rest), key=key)

    @jax.jit
    def draws(learned, keys):
        return jax.lax.map(lambda key: jax.value_and_grad(value)(learned, key), keys)

    found = draws(learned, jr.split(jr.key(1), case.draws))
    wanted = jax.jit(jax.value_and_grad(lambda p: case.oracle(eqx.combine(p, rest))))(learned)

    def off(draws, wanted):
        error = np.abs(draws.mean(0) - wanted) - QUADRATURE
        return float(np.max(error / (draws.std(0) / np.sqrt(case.draws) + 1e-300), initial=0.0))

    values, gradients = (jax.tree.map(off, *pair) for pair in zip(found, wanted))
    return values, max(jax.tree.leaves(gradients))


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in TERMS]
)
def test_value_and_gradient_are_unbiased(name):
    value, gradient = standard_errors(TERMS[name])
    assert value < STANDARD_ERRORS
    assert gradient < STANDARD_ERRORS


def test_every_term_is_here():
    for module in pkgutil.walk_packages(liouville.__path__, "liouville."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

    def kinds(kind: type) -> set[type]:
        found = {kind for kind in kind.__subclasses__() if kind.__module__.startswith("liouville.")}
        return found.union(*(kinds(other) for other in found))

    final = {kind.__name__ for kind in kinds(AbstractTerm) if not kind.__name__.startswith("Abst")}
    assert final - {type(case.term()).__name__ for case in TERMS.values()} == SUMS


# Negative controls.


class Biased(AbstractTerm):
    """A cost of the place that is wrong in one way."""

    fault: str = eqx.field(static=True)
    name: str = eqx.field(static=True, default="biased")

    def __call__(self, path: Any, *, key: Any) -> Any:
        times_key, points_key = jr.split(key)
        crowding = 0.9 if self.fault == "shares" else 0.0
        times, shares = stratified_times(3, (0.0, 1.0), key=times_key, crowding=crowding)
        shares = jnp.full(3, 1.0 / 3.0) if self.fault == "shares" else shares

        def at_one_time(t, key):
            points, weights = path.at(t).particles(4, key=key)
            if self.fault == "points":
                points = jax.lax.stop_gradient(points)
            return weights @ jax.vmap(lambda x: cost(t, x))(points)

        return shares @ jax.vmap(at_one_time)(times, jr.split(points_key, 3))


@pytest.mark.parametrize(
    ("fault", "is_value_wrong"),
    [
        pytest.param("none", False, marks=pytest.mark.slow),
        pytest.param("shares", True, marks=pytest.mark.slow),
        ("points", False),
    ],
)
def test_a_biased_term_is_refused(fault, is_value_wrong):
    case = replace(TERMS["state-cost"], term=lambda: Biased(fault=fault), path=line, draws=20_000)
    value, gradient = standard_errors(case)
    assert (value > STANDARD_ERRORS) == is_value_wrong
    assert (gradient > STANDARD_ERRORS) == (fault != "none")
