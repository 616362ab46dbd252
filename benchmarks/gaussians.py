"""Trains hard-ended Gaussian paths to optimal transport and Schrödinger bridges with known answers.

    python benchmarks/gaussians.py [--steps 2000] [--seeds 1]

Ends N((-2, 0), [[1, .3], [.3, .5]]) and N((2, 1), [[.4, -.2], [-.2, 1.2]]). The path is one full
Gaussian component whose location and scale are free between the frozen ends; the objective is the
kinetic energy of the velocity (transport, sigma = 0) or of the drift (bridge). Start and ours are
evaluated on the same fresh particles, the answer is the closed form.
"""

import argparse
import platform
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.curves import HardEnded, Network
from liouville.objectives import KineticEnergy
from liouville.paths import Full, Gaussian, LocationScale
from liouville.problems import GaussianBridge
from liouville.training import fit

MEANS = np.array([[-2.0, 0.0], [2.0, 1.0]])
COVARIANCES = np.array([[[1.0, 0.3], [0.3, 0.5]], [[0.4, -0.2], [-0.2, 1.2]]])


def hard_ended_gaussian(key) -> LocationScale:
    scale = Full()
    locations = jnp.asarray(MEANS, jnp.float32)[:, None]
    raw = scale.from_covariance(jnp.asarray(COVARIANCES, jnp.float32))[:, None]
    keys = jr.split(key)
    curves = [
        HardEnded((0.0, 1.0), ends, Network(jnp.zeros(ends.shape[1:]), (0.0, 1.0), width=32, key=k))
        for ends, k in zip((locations, raw), keys, strict=True)
    ]
    return LocationScale(curves[0], curves[1], jnp.zeros(1), Gaussian(), scale)


def energy_term(sigma: float, times: int, particles: int) -> KineticEnergy:
    of = "drift" if sigma > 0 else "velocity"
    return KineticEnergy((0.0, 1.0), g=sigma, of=of, times=times, particles=particles)


@eqx.filter_jit
def measure(path, term, keys):
    return jax.lax.map(lambda k: term(path, key=k), keys)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    print(f"{platform.machine()}, jax {jax.__version__}, {jax.devices()[0].device_kind}")
    print("figure: W2^2 for sigma = 0, energy / sigma^2 otherwise")
    print("sigma      answer       start        ours     error   ± eval      s")
    for sigma in (0.0, 0.5, 1.0, 2.0):
        bridge = GaussianBridge(MEANS[0], COVARIANCES[0], MEANS[1], COVARIANCES[1], sigma)
        unit = 2.0 if sigma == 0 else sigma**-2
        answer = bridge.energy() * unit
        judge = energy_term(sigma, 100, 2000)
        for seed in range(options.seeds):
            start = hard_ended_gaussian(jr.key(seed))
            begun = time.perf_counter()
            result = fit(start, energy_term(sigma, 32, 32), steps=options.steps, seed=seed)
            seconds = time.perf_counter() - begun
            keys = jr.split(jr.key(1000 + seed), 50)
            values = np.asarray(measure(result.path, judge, keys), float) * unit
            before = np.asarray(measure(start, judge, keys), float).mean() * unit
            ours, noise = values.mean(), values.std() / len(values) ** 0.5
            error = ours / answer - 1.0
            print(
                f"{sigma:>5} {answer:>11.6f} {before:>11.6f} {ours:>11.6f} {error:>+9.1e} "
                f"{noise / answer:>8.0e} {seconds:>6.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
