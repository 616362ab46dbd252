"""What a user gives to the public functions: nonsense is one line that says what to write."""

import math
import os
import subprocess
import sys
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

import liouville as lv
from liouville.data import Snapshots
from liouville.diffusions import Observations, gaussian_observations, smooth, solve_fokker_planck
from liouville.errors import LiouvilleError
from liouville.numerics.arguments import check_covariance, check_weights
from liouville.numerics.finite import check_columns
from liouville.numerics.functions import check_function
from liouville.numerics.mixtures import GaussianMixture, gaussian
from liouville.numerics.robust import bounded_variance, robust_spread
from liouville.objectives import Entropy, Functional, Interaction, Potential
from liouville.problems import DoubleWell, GaussianBridge, LinearQuadratic, bures

HERE, THERE = gaussian(np.zeros(2), np.eye(2)), gaussian(np.full(2, 3.0), np.eye(2))
ASYMMETRIC = np.array([[1.0, 0.5], [0.2, 1.0]])


def refused(call, message):
    with pytest.raises(LiouvilleError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def decides(t, x):
    return x if x[0] > 0 else -x


def writes(t, x):
    x[0] = 1.0
    return x


# Functions: the same table everywhere a field is given.

FIELDS = {
    "signature": (lambda x: x, r"takes \(x\) but is asked with \(t, x\)"),
    "three": (lambda t, x, y: x, r"takes \(t, x, y\) but is asked with \(t, x\)"),
    "number": (lambda t, x: 0.0, r"returns shape \(\) .* must return an array of shape \(2,\)"),
    "numpy": (lambda t, x: np.sin(x), "uses NumPy or SciPy, .* jnp.sin for np.sin"),
    "array": (lambda t, x: np.array([x[0], 1.0]), "uses NumPy"),
    "math": (lambda t, x: math.sin(x[0]) * x, "a Python number of an array"),
    "if": (decides, r"Python's if.* use jnp.where\(condition, a, b\)"),
    "item": (writes, "immutable"),
    "list": (lambda t, x: [x[0], x[1]], "returns a list of 2 .* jnp.stack"),
    "nothing": (lambda t, x: None, "returns nothing"),
    "whole": (lambda t, x: jnp.zeros(2, int), "returns int.* floating point"),
    "complex": (lambda t, x: 1j * x, "returns complex"),
    "nan": (lambda t, x: jnp.nan * x, r"is \(nan, nan\) at t = 0, x = \("),
    "raises": (lambda t, x: 1 / 0, "ZeroDivisionError"),
    "shape": (lambda t, x: np.eye(3) @ x, "contracting dimensions"),
}


def by_fokker_planck(field):
    solve_fokker_planck(field, HERE, 1.0, 1.0, steps=1, parts=1, progress=False)


def by_smoothing(field):
    seen = gaussian_observations([0.5], [[1.0, 1.0]], 0.3)
    smooth(field, HERE, 1.0, 1.0, seen, steps=1, parts=1, progress=False)


def by_control(field):
    lv.fit_control(lv.ControlProblem(HERE, THERE, drift=field), progress=False)


def by_transport(field):
    lv.fit_transport(
        HERE, THERE, settings={"objective.sigma": 1.0}, reference=field, progress=False
    )


@pytest.mark.parametrize("case", FIELDS)
@pytest.mark.parametrize("task", [by_fokker_planck, by_smoothing, by_control, by_transport])
def test_fields_that_are_none(task, case):
    field, message = FIELDS[case]
    refused(lambda: task(field), message)


COSTS = {
    "signature": (lambda x: x @ x, "is asked with"),
    "vector": (lambda t, x: x, "must return one number"),
    "numpy": (lambda t, x: np.exp(x[0]), "uses NumPy"),
    "truth": (lambda t, x: x[0] > 0, "returns bool"),
    "nan": (lambda t, x: jnp.log(-1.0 - x @ x), "is nan at"),
}


@pytest.mark.parametrize("case", COSTS)
def test_costs_that_are_none(case):
    cost, message = COSTS[case]
    refused(lambda: lv.fit_transport(HERE, THERE, cost=cost, progress=False), message)
    problem = lv.ControlProblem(HERE, THERE, costs={"one": Potential(cost)})
    refused(lambda: lv.fit_control(problem, progress=False), message)


def numpy_of(*points):
    return np.sin(points[-1][0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"terminal": lambda t, x: 0.0}, r"terminal cost takes \(t, x\) but is asked with \(x\)"),
        ({"terminal": numpy_of}, "terminal cost uses NumPy"),
        ({"obstacle": numpy_of}, "obstacle uses NumPy"),
        ({"obstacle": lambda t, x: x[0] > 9.0}, "obstacle returns bool"),
        ({"costs": {"a": Interaction(numpy_of)}}, "kernel of 'a' uses NumPy"),
        ({"costs": {"a": Interaction(lambda x: x)}}, "kernel"),  # pyright: ignore
        ({"costs": {"a": Functional(lambda t: t)}}, "cost 'a': .* asked with"),  # pyright: ignore
        ({"costs": {"a": Entropy()}, "weights": {"a": np.nan}}, "weight of 'a' is nan"),
        ({"costs": {"a": Entropy()}, "weights": {"a": -1.0}}, "weight of 'a' is -1"),
        ({"stiff": ("a",)}, "no cost 'a' to be stiff"),
        ({"sigma": "b"}, "sigma must be made of real numbers"),
        ({"sigma": np.full((2, 2), np.nan)}, "sigma is not finite"),
        ({"sigma": lambda t, x: np.eye(2) * np.sin(x[0])}, "sigma uses NumPy"),
        ({"horizon": np.nan}, "horizon is nan"),
    ],
)
def test_control_problems_that_are_none(given, message):
    problem = lv.ControlProblem(**{"source": HERE, "target": THERE, **given})
    refused(lambda: lv.fit_control(problem, progress=False), message)


@pytest.mark.parametrize(
    ("likelihood", "message"),
    [
        (lambda x: 0.0, r"asked with \(y, x\)"),
        (lambda y, x: np.sin(x[0]), "uses NumPy"),
        (lambda y, x: x, "must return one number"),
    ],
)
def test_likelihoods_that_are_none(likelihood, message):
    seen = Observations(np.array([0.5]), np.ones((1, 1)), likelihood)
    ask = partial(smooth, lambda t, x: -x, HERE, 1.0, 1.0, seen, steps=1, parts=1)
    refused(ask, message)


def test_functions_that_are_well_are_let_through():
    check_function("f", lambda t, x: x, {"t": jnp.zeros(()), "x": jnp.ones(2)}, (2,))
    check_function("f", lambda *a: jnp.sum(a[1]), {"t": jnp.zeros(()), "x": jnp.ones(2)}, ())


# Mixtures, covariances and weights.


def of(weights=(0.5, 0.5), means=None, covariances=None):
    means = np.zeros((2, 2)) if means is None else means
    return GaussianMixture(
        np.array(weights),
        means,
        np.tile(np.eye(2), (2, 1, 1)) if covariances is None else covariances,
    )


MIXTURES = {
    "sum": (of((0.5, 0.7)), "sum to 1.2; .*divide them by their sum"),
    "nan": (of((0.5, np.nan)), "weight 1 of .* is nan"),
    "negative": (of((1.5, -0.5)), "weight 1 of .* is -0.5"),
    "mean": (of(means=np.array([[0.0, 0.0], [np.nan, 0.0]])), "mean 1 of .* is not finite"),
    "asymmetric": (of(covariances=np.stack([np.eye(2), ASYMMETRIC])), "number 1 is not symmetric"),
    "indefinite": (gaussian(np.zeros(2), np.diag([1.0, -1.0])), "the eigenvalue -1"),
    "entry": (gaussian(np.zeros(2), np.full((2, 2), np.nan)), "the entry nan"),
    "shapes": (of(covariances=np.eye(2)), "covariances"),
}


@pytest.mark.parametrize("case", MIXTURES)
def test_mixtures_that_are_none(case):
    mixture, message = MIXTURES[case]

    def still(t, x):
        return -x

    refused(lambda: solve_fokker_planck(still, mixture, 1.0, 1.0, steps=1), message)
    seen = gaussian_observations([0.5], [[1.0, 1.0]], 0.3)
    refused(lambda: smooth(still, mixture, 1.0, 1.0, seen, steps=1), message)
    refused(lambda: lv.fit_transport(mixture, THERE, progress=False), message)
    refused(lambda: lv.fit_control(lv.ControlProblem(HERE, mixture), progress=False), message)


@pytest.mark.parametrize("noise", [-1.0, np.nan, ASYMMETRIC, np.diag([1.0, -1.0]), np.eye(3), "a"])
def test_noises_of_observations_that_are_none(noise):
    refused(lambda: gaussian_observations([0.5], [[1.0, 1.0]], noise), "noise")


def test_problems_that_are_none():
    ends = (np.zeros(2), ASYMMETRIC, np.zeros(2), np.eye(2))
    for ask in (lambda: bures(*ends), lambda: GaussianBridge(*ends, 1.0)):
        refused(ask, "cov0 of .* is not symmetric")
    refused(lambda: bures(np.zeros(3), np.eye(3), np.zeros(2), np.eye(2)), "mean1 of")
    refused(lambda: DoubleWell(sigma=np.nan), "sigma of the double well is nan")
    eye = np.eye(2)
    refused(lambda: LinearQuadratic(eye, ASYMMETRIC, eye, eye), "running of the problem is not")


def test_weights_and_covariances_that_are_well_are_let_through():
    assert check_weights("masses", [0.0, 3.0], 2, of_sum_one=False).sum() == 3.0
    refused(lambda: check_weights("masses", [0.0, 0.0], 2, of_sum_one=False), "all zero")
    assert np.array_equal(
        check_covariance("C", [[1.0, 0.0], [0.0, 0.0]], may_be_singular=True)[1], [0, 0]
    )
    refused(lambda: check_covariance("C", [[1.0, 0.0], [0.0, 0.0]]), "positive definite")


@pytest.mark.parametrize(
    ("name", "value"),
    [("parts", 0), ("steps", -1), ("times", 0), ("rate", -1.0), ("seed", 2**70)],
)
def test_options_of_a_diffusion_that_are_none(name, value):
    options = {"steps": 1, "parts": 1, name: value}
    refused(lambda: solve_fokker_planck(lambda t, x: -x, HERE, 1.0, 1.0, **options), name)


# Data and settings of the wrong kind, in all fits.

# They run without the checks of annotations that tests can have, as they do for a user.
_OUTSIDE = """
import jax.numpy as jnp, numpy as np, liouville as lv
from liouville.diffusions import smooth, solve_fokker_planck, gaussian_observations
from liouville.numerics.mixtures import gaussian

here, there = gaussian([0.0, 0.0], [[1, 0], [0, 1]]), gaussian(np.full(2, 3.0), np.eye(2))
seen = gaussian_observations([0.5], [[1.0, 1.0]], 0.3)
fits = {
    "cells": lv.fit_cells,
    "density": lv.fit_density,
    "control": lv.fit_control,
    "events": lv.fit_events,
    "transport": lambda given, settings, progress: lv.fit_transport(
        given, "gaussian", settings=settings, progress=progress
    ),
}
kinds = [42, object(), {"a": 1}, True, lambda: 0, b"ab", int, {1, 2}, np.full((30, 2), 1j), "/tmp"]
settings = [3, [1], "abc", object(), {1: 2}, {"nope.x": 1}, {"training.steps": "x"}]
calls = {(n, repr(k)): (f, k, None) for n, f in fits.items() for k in kinds}
calls |= {(n, repr(s)): (f, np.zeros((30, 2)), s) for n, f in fits.items() for s in settings}
others = {
    "drift": lambda: solve_fokker_planck(3.0, here, 1.0, 1.0),
    "source": lambda: solve_fokker_planck(lambda t, x: -x, np.eye(2), 1.0, 1.0),
    "horizon": lambda: smooth(lambda t, x: -x, here, 1.0, "a", seen),
    "steps": lambda: solve_fokker_planck(lambda t, x: -x, here, 1.0, 1.0, steps=1.5),
    "reference": lambda: lv.fit_transport(here, there, reference=3.0),
    "cost": lambda: lv.fit_transport(here, there, cost="a"),
    "times": lambda: lv.fit_transport(here, there, times=["a", "b"]),
    "mixture": lambda: lv.GaussianMixture("a", [[0.0]], [[[1.0]]]),
    "costs": lambda: lv.fit_control(lv.ControlProblem(here, there, costs=[1])),
    "running": lambda: lv.fit_control(lv.ControlProblem(here, there, costs={"a": abs})),
    "target": lambda: lv.fit_control(lv.ControlProblem(here, "there")),
    "weight": lambda: lv.fit_control(lv.ControlProblem(here, there, weights={"effort": "a"})),
}
calls |= {name: (lambda f, *_, progress: f(), call, None) for name, call in others.items()}
for name, (fit, given, chosen) in calls.items():
    try:
        fit(given, chosen, progress=False)
        print(name, "was taken")
    except lv.LiouvilleError as error:
        if len(str(error).splitlines()) != 1:
            print(name, "has several lines:", error)
    except Exception as error:
        print(name, type(error).__name__, error)
"""


def test_the_wrong_kind_of_anything_is_one_line():
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _OUTSIDE],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
    )
    assert found.stdout == ""


# Numbers that are not finite, and outliers.


def test_tables_name_the_first_row_that_is_not_finite():
    table = {"time": np.arange(3.0), "log_density": np.array([0.0, -np.inf, -1.0])}
    check_columns(table)  # a density may be zero
    table["velocity x1"] = np.array([0.0, 0.0, np.nan])
    refused(lambda: check_columns(table), r"velocity x1 is nan in row 2 \(time 2.0, log_density -1")


def test_the_robust_spread_is_the_deviation_of_a_gaussian_and_outliers_do_not_move_it():
    x = np.random.default_rng(0).normal(scale=[1.0, 3.0], size=(20_000, 2))
    assert np.allclose(robust_spread(x), [1.0, 3.0], rtol=0.03)
    assert np.array_equal(bounded_variance(x), x.var(axis=0))
    far = np.concatenate([x, [[1e8, 1e8]]])
    assert np.allclose(robust_spread(far), robust_spread(x), rtol=1e-3)
    assert np.allclose(bounded_variance(far), (5.0 * robust_spread(far)) ** 2)
    # Nearly all values are equal: wider quantiles count, and then none.
    assert robust_spread(np.repeat([0.0, 1.0], [80, 20])[:, None])[0] > 0
    assert robust_spread(np.repeat([0.0, 1.0], [99, 1])[:, None])[0] == 0


CLOUD = np.random.default_rng(1).normal(size=(121, 2))
TIMES = np.repeat([0.0, 1.0, 2.0], [40, 40, 41])


def test_an_outlier_is_said_with_its_row():
    points = CLOUD.copy()
    points[57, 1] = 1e8
    with pytest.warns(UserWarning, match=r"x2 is 1e\+08 in row 57 .*choose --scaling robust"):
        Snapshots(points, TIMES).check()
    with pytest.warns(UserWarning, match=r"x2 is 1e\+08 in row 57"):
        lv.data.Samples(points).check()
    units = lv.data.Standardisation.fit(points, TIMES, mode="robust")
    plain = lv.data.Standardisation.fit(CLOUD, TIMES)
    assert np.allclose(units.scale, plain.scale, rtol=0.2)


@pytest.mark.parametrize(("mode", "message"), [("global", "x2 .*invisible"), ("none", "x1|x2")])
def test_columns_that_one_scale_does_not_fit_are_said(mode, message):
    wide = CLOUD * [1.0, 1e-12]
    with pytest.warns(UserWarning, match="become invisible: x2"):
        lv.data.Standardisation.fit(wide, TIMES, mode=mode, features=("x1", "x2"))
    lv.data.Standardisation.fit(wide, TIMES, features=("x1", "x2"))  # each by its own: no word


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (2**60 + np.arange(121), "one number in double precision"),
        (np.where(TIMES > 0, 1.6e9 + TIMES, 0.0), "single precision cannot tell them apart"),
        (np.where(TIMES > 0, 1e308, -1e308), "overflows"),
    ],
)
def test_times_that_collide_are_refused(times, message):
    refused(lambda: Snapshots(CLOUD, times).check(), message)


def test_a_time_without_mass_is_refused():
    cells = Snapshots(CLOUD, TIMES, weights=np.where(TIMES == 1.0, 0.0, 1.0))
    refused(cells.check, "all weights at time 1 of data are zero")
