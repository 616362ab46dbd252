"""Rates, kernels, intensities and histories that the tests of processes in time share."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.numerics.parameters import split
from liouville.processes import (
    ConstantRate,
    PeriodicSeries,
    PeriodicSteps,
    Piecewise,
    PiecewiseLinear,
    ProductOfSeries,
    SumOfRates,
    WithCovariates,
)
from liouville.processes._hawkes import ByKind, ByMagnitude, Hawkes, Poisson, Unmarked
from liouville.processes._history import History
from liouville.processes._kernels import Exponentials, FinitePowerLaw, KernelMixture, PowerLaws
from liouville.processes._neural import Neural

# Gauss-Legendre with 20 nodes a panel, on panels that grow by a constant factor from the event:
# functions that are smooth in the logarithm of time, to near rounding.
QUADRATURE = 1e-9

# The least p-value of a true hypothesis: with fixed seeds one in 10,000 tests would fail. The
# negative controls must be far below it.
LEAST_P = 1e-4
FAR_P = 1e-12


def moved(tree, key, size=0.3):
    """The tree with all learned arrays displaced at random."""
    learned, rest = split(tree)
    leaves, shape = jax.tree.flatten(learned)
    keys = jr.split(key, len(leaves))
    leaves = [x + size * jr.normal(k, x.shape, x.dtype) for x, k in zip(leaves, keys)]
    return eqx.combine(jax.tree.unflatten(shape, leaves), rest)


KNOTS = (1.0, 2.5, 7.0)
STEPS = [0.0, 1.5, 3.0, 4.5, 6.0]


def series(period=2.0):
    return PeriodicSeries.of(1.3, period, 3, phase=0.4)


# Each with the times at which it jumps.
RATES = {
    "constant": (ConstantRate.of(0.7), []),
    "piecewise": (Piecewise.of(0.7, [1.0, 2.5, 7.0]), [1.0, 2.5, 7.0]),
    "lines": (PiecewiseLinear.of(0.7, KNOTS), KNOTS),
    "lines times series": (PiecewiseLinear(KNOTS, jnp.zeros(3), (series(), series(31.4))), KNOTS),
    "steps": (PeriodicSteps.of(1.3, 2.0, 5, phase=0.1), list(np.arange(-20, 60) * 0.4 + 0.1)),
    "series": (series(), []),
    "product": (ProductOfSeries((series(), series(31.4))), []),
    "sum": (SumOfRates((ConstantRate.of(0.2), series(3.0))), []),
    "covariates": (
        WithCovariates.of(series(), STEPS, np.random.default_rng(0).normal(size=(6, 2))),
        STEPS,
    ),
}
KERNELS = {
    "exponential": Exponentials.of([0.5]),
    "exponentials": Exponentials.of([0.01, 1.0, 100.0], [1.0, 2.0, 3.0]),
    "omori": PowerLaws.of([0.01], [1.1]),
    "power laws": PowerLaws.of([1e-3, 2.0], [1.2, 3.0]),
    "omori, exponent below one": FinitePowerLaw.of(0.01, 0.9, 2e4),
    "omori, exponent one": FinitePowerLaw.of(0.01, 1.0, 2e4),
    "mixture": KernelMixture.of([Exponentials.of([0.3, 3.0]), PowerLaws.of([0.1], [1.5])]),
}


def intensities():
    key = jr.key(0)
    background = PeriodicSeries.of(0.4, 2.0, 2)
    hawkes = Hawkes(background, ByMagnitude.of(0.4, 0.8, 3.0), KERNELS["mixture"])
    return {
        "poisson": Poisson(background),
        "hawkes": hawkes,
        "unmarked": Hawkes(ConstantRate.of(0.3), Unmarked.of(0.5), KERNELS["omori"]),
        "kinds": Hawkes(ConstantRate.of(0.3), ByKind.of([0.2, 0.5, 0.9]), KERNELS["exponentials"]),
        "neural": moved(Neural(2, rate=1.0, key=key), key),
        "neural kinds": moved(Neural(2, rate=1.0, kinds=3, key=key), key),
        "neural hawkes": moved(Neural(2, rate=1.0, base=hawkes, key=key), key),
    }


INTENSITIES = intensities()


def history(name: str, n: int = 12) -> History:
    """Events on [0, 8], a tie among them, with two entries of padding."""
    rng = np.random.default_rng(1)
    times = np.sort(rng.uniform(0.5, 8.0, n))
    times[5] = times[4]
    marks = rng.integers(3, size=n) if "kinds" in name else 3.0 + rng.exponential(0.5, n)
    found = History.of(times, rng.normal(size=(n, 2)), marks, origin=0.0)
    valid = found.valid.at[jnp.asarray([2, n - 1])].set(False)
    return eqx.tree_at(lambda h: (h.valid, h.origin), found, (valid, jnp.asarray(0.7)))


def panels(start: float, end: float, breaks=()) -> tuple[jax.Array, jax.Array]:
    """Nodes and weights on panels that grow from every break."""
    inner = [b for b in breaks if start < b < end]
    nodes, weights = np.polynomial.legendre.leggauss(20)
    x, w = [], []
    for a, b in zip([start, *inner], [*inner, end]):
        edges = a + (b - a) * np.concatenate([[0.0], np.logspace(-9, 0, 40)])
        half, middle = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
        x.append((middle[:, None] + half[:, None] * nodes).ravel())
        w.append((half[:, None] * weights).ravel())
    return jnp.asarray(np.concatenate(x)), jnp.asarray(np.concatenate(w))


@eqx.filter_jit
def total(log_rate, x, w):
    return jnp.exp(jax.vmap(log_rate)(x)) @ w


@eqx.filter_jit
def integral(hazard, start, end):
    return hazard.integral(start, end)
