"""Drifts that depend on the law, and noise that vanishes at a bound, against what is known.

    python benchmarks/mean_field.py [--steps 1500] [--parts 16] [--save]

Desai and Zwanzig's dX = (X - X^3 - theta (X - E X)) dt + sigma dW on both sides of its transition,
beside a finite-volume solution of the nonlinear Fokker-Planck equation (Chang-Cooper fluxes, 4,000
cells, 20,000 steps): the largest relative entropy of ours to it over the times, and the means. The
linear mean field dX = -a (X - b E X) dt + sigma dW, geometric Brownian motion and the square-root
process have closed forms of mean and variance. Beside them the same without the crowd or the map.
"""

import argparse
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from results import Column, Table
from scipy.linalg import solve_banded

from liouville.diffusions import solve_fokker_planck
from liouville.maps import Exp
from liouville.numerics.mixtures import gaussian
from liouville.objectives import MeanField

CROWDS = (
    *(Column("process"), Column("largest KL", ".1e"), Column("bound", ".1e")),
    *(Column("mean at 3", ".4f"), Column("grid's", ".4f"), Column("seconds", ".0f")),
)
MOMENTS = (
    *(Column("process"), Column("mean", ".4f"), Column("mean off, %", "+.2f", error="of mean")),
    *(Column("of mean", ".2f"), Column("variance", ".4f")),
    *(Column("variance off, %", "+.2f", error="of variance"), Column("of variance", ".2f")),
    Column("bound", ".1e"),
)


def finite_volume(theta, sigma, source, horizon, times, cells=4000, steps=20_000):
    """The density of Desai and Zwanzig's process on a grid at given times, and its means."""
    edges = np.linspace(-4.0, 4.0, cells + 1)
    x, h, dt = 0.5 * (edges[1:] + edges[:-1]), edges[1] - edges[0], horizon / steps
    p = np.exp(source.log_density(x[:, None]))
    p /= p.sum() * h
    d, inner = 0.5 * sigma**2, edges[1:-1]
    densities, means, wanted = [], [], np.round(np.asarray(times) / dt).astype(int)
    for step in range(steps + 1):
        if step in wanted:
            densities.append(p.copy())
            means.append(float((p * x).sum() * h))
        drift = inner - inner**3 - theta * (inner - (p * x).sum() * h)
        w = drift * h / d
        w = np.where(np.abs(w) < 1e-8, 1e-8, w)
        # The flux between cells is d/h (B(-w) p_left - B(w) p_right), B(w) = w / (e^w - 1).
        left, right = d / h * (-w / np.expm1(-w)), d / h * (w / np.expm1(w))
        diagonal = np.ones(cells)
        diagonal[:-1] += dt / h * left
        diagonal[1:] += dt / h * right
        upper, lower = np.append(0.0, -dt / h * right), np.append(-dt / h * left, 0.0)
        p = solve_banded((1, 1), np.stack([upper, diagonal, lower]), p)
    return x, densities, means


def desai_zwanzig(theta, sigma, options, *, mean_field=True):
    """The largest relative entropy over the times, and the last mean of ours and of the grid's."""
    source, horizon = gaussian(np.array([0.6]), np.array([[0.3]])), 3.0

    def among(t, x, crowd):
        return x - x**3 - theta * (x - crowd.mean())

    def alone(t, x):
        return x - x**3 - theta * (x - 0.6)  # the mean of the start for ever

    drift = MeanField(among) if mean_field else alone
    found = solve_fokker_planck(
        drift, source, sigma, horizon, steps=options.steps, parts=options.parts, progress=False
    )
    times = np.linspace(0.0, horizon, 13)
    x, densities, means = finite_volume(theta, sigma, source, horizon, times)
    h, entropies, mean = x[1] - x[0], [], 0.0
    points = jnp.asarray(x[:, None], jnp.float32)
    ask = jax.jit(lambda t: jax.vmap(found.path.at(t).log_density)(points))
    for t, p in zip(times, densities):
        log_q = np.asarray(ask(jnp.asarray(t, jnp.float32)), float)
        q = np.exp(log_q)
        mean = float((q * x).sum() * h)
        entropies.append(float((q * (log_q - np.log(np.maximum(p, 1e-300)))).sum() * h))
    return max(entropies), mean, means[-1], found


def moments(path, horizon):
    """Mean and variance by the quadrature of 2^18 evenly spread ranks of draws."""
    keys = jax.random.split(jax.random.key(0), 2**18)
    x = np.asarray(jax.jit(jax.vmap(lambda k: path.at(jnp.float32(horizon)).sample(key=k)))(keys))
    x = x[:, 0].astype(float)
    return x.mean(), x.var(), x.std() / len(x) ** 0.5, np.std((x - x.mean()) ** 2) / len(x) ** 0.5


def closed_forms(options):
    """Rows of the processes whose moments are known."""
    a, b, s = 1.5, 0.5, 0.7
    normal = gaussian(np.array([2.0]), np.array([[0.25]]))
    log_normal = gaussian(np.array([-0.02]), np.array([[0.04]]))
    below = gaussian(np.array([-0.7]), np.array([[0.04]]))
    mean0 = np.exp(-0.68)
    var0, e = mean0**2 * np.expm1(0.04), np.exp(-1.0)
    positive = Exp((0.0,))
    yield (
        "linear mean field",
        (MeanField(lambda t, x, crowd: -a * (x - b * crowd.mean())), normal, s, None),
        2.0 * np.exp(-a * (1.0 - b)),
        0.25 * np.exp(-2.0 * a) + s**2 / (2.0 * a) * -np.expm1(-2.0 * a),
    )
    growth, noise = (lambda t, x: 0.5 * x), (lambda t, x: 0.5 * jnp.diag(x))
    mean = np.exp(0.5)
    yield (
        "geometric Brownian motion, map",
        (growth, log_normal, noise, positive),
        mean,
        mean**2 * np.expm1(0.29),
    )

    def root(t, x):
        return 0.5 * jnp.diag(jnp.sqrt(x))

    yield (
        "square root (CIR), map",
        (lambda t, x: 1.0 - x, below, root, positive),
        1.0 + (mean0 - 1.0) * e,
        var0 * e**2 + mean0 * 0.25 * (e - e**2) + 0.125 * (1.0 - e) ** 2,
    )
    plain = gaussian(np.array([1.0]), np.array([[np.expm1(0.04)]]))
    yield (
        "geometric Brownian motion, no map",
        (growth, plain, noise, None),
        mean,
        mean**2 * np.expm1(0.29),
    )


def main():
    """Prints the tables, and keeps them if asked to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--parts", type=int, default=16)
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    note = f"{options.steps} steps."
    table = Table("mean_field", CROWDS, keep=options.save, note=note)
    for theta, sigma, crowd in ((1.0, 0.7, True), (1.0, 1.2, True), (1.0, 0.7, False)):
        begin = time.perf_counter()
        kl, mean, wanted, found = desai_zwanzig(theta, sigma, options, mean_field=crowd)
        name = f"theta {theta:g}, sigma {sigma:g}{'' if crowd else ', crowd of the start'}"
        row = {"process": name, "largest KL": kl, "bound": found.bound}
        row |= {"mean at 3": mean, "grid's": wanted}
        table.add({**row, "seconds": time.perf_counter() - begin})
    print()
    table = Table("mean_field_moments", MOMENTS, keep=options.save, note=note)
    for name, (drift, source, sigma, mapping), mean, variance in closed_forms(options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = solve_fokker_planck(
                drift, source, sigma, 1.0, map=mapping, steps=options.steps, progress=False
            )
        m, v, m_error, v_error = moments(found.path, 1.0)
        row = {"process": name, "mean": mean, "mean off, %": 100 * (m / mean - 1)}
        row |= {"of mean": 100 * m_error / mean, "variance": variance, "bound": found.bound}
        row |= {
            "variance off, %": 100 * (v / variance - 1),
            "of variance": 100 * v_error / variance,
        }
        table.add(row)


if __name__ == "__main__":
    main()
