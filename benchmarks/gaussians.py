"""Trains hard-ended mixtures to Gaussian problems with known answers, from a start that is wrong.

    python benchmarks/gaussians.py [--parts 4] [--steps 2000] [--seeds 1] [--save]

Ends N((-2, 0), [[1, .3], [.3, .5]]) and N((2, 1), [[.4, -.2], [-.2, 1.2]]). Between the frozen ends
run `--parts` Gaussian parts of full covariance, whose locations and scales start far from any
solution: the inside of every curve is random, of size one. The objective is the energy of the
velocity (transport, sigma = 0; the figure is W2^2), that of the drift over sigma^2 (Schroedinger
bridge), or that plus the expected cost q |x|^2 / 2 (bridge in a potential, sigma = 1). Start and
ours are evaluated on the same fresh particles; the answer is a closed form, or for q > 0 the number
of arXiv 2406.00503. With noise a rollout of 1,000 Euler-Maruyama steps measures the same figure
again, by simulation, which training never does.
"""

import argparse
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from results import Column, Table

from liouville.curves import HardEnded, Knots
from liouville.dynamics import drift, solve_sde
from liouville.numerics.parameters import Fixed
from liouville.objectives import KineticEnergy, StateCost
from liouville.paths import Full, Gaussian, LocationScale
from liouville.problems import GaussianBridge
from liouville.training import fit

MEANS = np.array([[-2.0, 0.0], [2.0, 1.0]])
COVARIANCES = np.array([[[1.0, 0.3], [0.3, 0.5]], [[0.4, -0.2], [-0.2, 1.2]]])
PROBLEMS = ((0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (2.0, 0.0), (1.0, 1.0), (1.0, 4.0), (1.0, 9.0))
IN_POTENTIAL = {1.0: 10.639212, 4.0: 14.637243, 9.0: 20.015637}
ROLLOUT_STEPS, ROLLOUT_POINTS = 1000, 20_000
COLUMNS = (
    *(Column("σ", "g"), Column("q", "g"), Column("answer", ".6f")),
    *(Column("before training", ".4g"), Column("ours", ".6f")),
    Column("relative error", "+.1e", error="evaluation"),
    *(Column("evaluation", ".0e"), Column("rollout of 1,000 steps", ".3f", error="its error")),
    *(Column("its error", ".3f"), Column("seconds", ".0f")),
)


def wrong_path(parts, key) -> LocationScale:
    scale, keys = Full(), jr.split(key)
    raw = scale.from_covariance(jnp.asarray(COVARIANCES, jnp.float32))
    ends = [jnp.asarray(MEANS, jnp.float32), raw]
    clock = np.linspace(0.0, 1.0, 9)
    curves = []
    for end, k in zip(ends, keys, strict=True):
        values = jnp.repeat(end[:, None], parts, axis=1)
        inside = jr.normal(k, (len(clock), *values.shape[1:]))
        curves.append(HardEnded((0.0, 1.0), values, Knots(clock.tolist(), inside)))
    return LocationScale(curves[0], curves[1], Fixed(jnp.zeros(parts)), Gaussian(), scale)


def objective(sigma, q, times, particles):
    size = {"interval": (0.0, 1.0), "times": times, "particles": particles}
    energy = KineticEnergy(g=sigma, of="drift" if sigma > 0 else "velocity", **size)
    if not q:
        return energy * (2.0 if sigma == 0 else sigma**-2)
    return energy + q * StateCost(cost=lambda t, x: 0.5 * x @ x, **size)


@eqx.filter_jit
def measure(path, term, keys):
    return jax.lax.map(lambda k: term(path, key=k)[0], keys)


@eqx.filter_jit
def rollout(path, sigma, q, key):
    """The figure along simulated paths: mean and standard error."""
    clock, keys = jnp.linspace(0.0, 1.0, ROLLOUT_STEPS + 1), jr.split(key)
    start = jax.vmap(lambda k: path.at(clock[0]).sample(key=k))(jr.split(keys[0], ROLLOUT_POINTS))
    moved = solve_sde(path, start, clock, g=sigma, steps=1, key=keys[1])

    def power(pair):
        t, x = pair
        marginal = path.at(t)
        b = jax.vmap(lambda y: drift(marginal, y, sigma))(x)
        return 0.5 * (b**2).sum(-1) / sigma**2 + 0.5 * q * (x**2).sum(-1)

    total = jax.lax.map(power, (clock[:-1], moved[:-1])).mean(axis=0)
    return total.mean(), total.std() / ROLLOUT_POINTS**0.5


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    note = f"{options.parts} parts, {options.steps} steps."
    table = Table("gaussians", COLUMNS, keep=options.save, note=note)
    for sigma, q in PROBLEMS:
        bridge = GaussianBridge(MEANS[0], COVARIANCES[0], MEANS[1], COVARIANCES[1], sigma)
        answer = IN_POTENTIAL.get(q, bridge.energy() * (2.0 if sigma == 0 else sigma**-2))
        judge = objective(sigma, q, 100, 2000) * 1.0
        for seed in range(options.seeds):
            start = wrong_path(options.parts, jr.key(seed))
            begun = time.perf_counter()
            result = fit(start, objective(sigma, q, 32, 64), steps=options.steps, seed=seed)
            seconds = time.perf_counter() - begun
            keys = jr.split(jr.key(1000 + seed), 50)
            values = np.asarray(measure(result.path, judge, keys), float)
            before = np.asarray(measure(start, judge, keys), float).mean()
            ours, noise = values.mean(), values.std() / len(values) ** 0.5
            row = {"σ": sigma, "q": q, "answer": answer, "before training": before, "ours": ours}
            row |= {"relative error": ours / answer - 1.0, "evaluation": noise / answer}
            if sigma > 0:
                value, error = map(float, rollout(result.path, sigma, q, jr.key(seed)))
                row |= {"rollout of 1,000 steps": value, "its error": error}
            table.add({**row, "seconds": seconds})


if __name__ == "__main__":
    main()
