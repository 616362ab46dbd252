"""Milliseconds of a gradient beside the same written by hand for one purpose.

    python benchmarks/step_by_hand.py [--quick]

64 parts along five knots. The gradient of the likelihood of 2,500 points, 500 at each knot, and of
that plus the kinetic energy at 16 times of 64 particles each; medians after compilation, float32.
By hand, squared distances are plain matrix products from the middle of the parts, which keep fewer
digits, and nothing else than this density can be asked. The gradients of both are compared.
"""

import argparse
import platform
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.curves import Knots
from liouville.objectives import KineticEnergy, NegativeLogLikelihood
from liouville.paths import AbstractScale, Diagonal, Full, Leading, LocationScale

PARTS, KNOTS, POINTS, TIMES = 64, 5, 500, 16
# A floor that is never met, so that raw scales are log-scales.
FLOOR = -40.0


def make_path(dim: int, scale: AbstractScale) -> LocationScale:
    rng = np.random.default_rng(0)
    clock = np.linspace(0.0, 1.0, KNOTS).tolist()
    location = 2.0 * rng.normal(size=(KNOTS, PARTS, dim))
    raw = 0.1 * rng.normal(size=(KNOTS, *scale.raw_shape(PARTS, dim)))
    return LocationScale(
        Knots(clock, jnp.asarray(location, jnp.float32), "linear"),
        Knots(clock, jnp.asarray(raw, jnp.float32), "linear"),
        jnp.zeros(PARTS),
        scale=scale,
    )


# By hand: `log_joint(location, raw, x)` of the parts without their weights, shape `(n, parts)`, and
# `move(location, raw, location_rate, raw_rate, z)`, one particle of each part and the velocity by
# its shares.


def log_joint_diagonal(location, raw, x):
    middle = location.mean(0)
    x, offset, precision = x - middle, location - middle, jnp.exp(-2.0 * raw)
    weighted = precision * offset
    squares = (x * x) @ precision.T - 2.0 * x @ weighted.T + (weighted * offset).sum(-1)
    return -0.5 * squares - raw.sum(-1) - 0.5 * x.shape[1] * jnp.log(2.0 * jnp.pi)


def move_diagonal(location, raw, location_rate, raw_rate, z):
    x = location + jnp.exp(raw) * z
    return x, lambda shares: shares @ (location_rate - raw_rate * location) + shares @ raw_rate * x


def factor_of(raw):
    diagonal = jnp.diagonal(raw, axis1=-2, axis2=-1)
    return jnp.tril(raw, -1) + jnp.exp(diagonal)[..., None] * jnp.eye(raw.shape[-1])


def inverse_of(raw):
    """Row by row: XLA's batched solve waits for ever beside its `eigh` on two cores."""
    factor, rows = factor_of(raw), []
    for i, unit in enumerate(jnp.eye(raw.shape[-1])):
        known = sum(factor[..., i, j, None] * row for j, row in enumerate(rows))
        rows.append((unit - known) / factor[..., i, i, None])
    return jnp.stack(rows, axis=-2)


def log_joint_full(location, raw, x):
    (parts, dim), middle = location.shape, location.mean(0)
    inverse = inverse_of(raw)
    shift = jnp.einsum("kij,kj->ki", inverse, location - middle)
    z = ((x - middle) @ inverse.reshape(-1, dim).T).reshape(-1, parts, dim) - shift
    log_volume = jnp.diagonal(raw, axis1=-2, axis2=-1).sum(-1)
    return -0.5 * (z * z).sum(-1) - log_volume - 0.5 * dim * jnp.log(2.0 * jnp.pi)


def move_full(location, raw, location_rate, raw_rate, z):
    factor, rate = jax.jvp(factor_of, (raw,), (raw_rate,))
    turned = jax.vmap(_symmetric)(factor @ factor.mT, rate @ factor.mT + factor @ rate.mT)
    x = location + jnp.einsum("kij,kj->ki", factor, z)
    start = location_rate - jnp.einsum("kij,kj->ki", turned, location)
    return (
        x,
        lambda shares: (
            shares @ start + jnp.einsum("nk,kij,nj->ni", shares, turned, x, optimize="optimal")
        ),
    )


def _symmetric(covariance, rate):
    """`A` with `A S + S A = S'`."""
    values, vectors = jnp.linalg.eigh(covariance)
    inner = (vectors.T @ rate @ vectors) / (values[:, None] + values)
    return vectors @ inner @ vectors.T


BY_HAND = {
    "diagonal": (log_joint_diagonal, move_diagonal),
    "full": (log_joint_full, move_full),
}


def by_hand(kind, x, with_energy):
    log_joint, move = BY_HAND[kind]

    def mean_log_density(location, raw, log_weights, points):
        return jax.nn.logsumexp(log_weights + log_joint(location, raw, points), axis=-1).mean()

    def energy_at(t, key, locations, raws, log_weights):
        i = jnp.minimum((t * (KNOTS - 1)).astype(int), KNOTS - 2)
        s = t * (KNOTS - 1) - i
        location, raw = ((1 - s) * a[i] + s * a[i + 1] for a in (locations, raws))
        rates = ((a[i + 1] - a[i]) * (KNOTS - 1) for a in (locations, raws))
        z = jr.normal(key, location.shape)
        particles, velocity = move(location, raw, *rates, z)
        joint = log_weights + log_joint(location, raw, particles)
        u = velocity(jax.nn.softmax(joint, axis=-1))
        return 0.5 * jnp.exp(log_weights) @ (u * u).sum(-1)

    def loss(path, key):
        locations, raws = path.location.values, path.raw_scale.values
        log_weights = jax.nn.log_softmax(path.logits)
        value = -jax.vmap(mean_log_density, (0, 0, None, 0))(locations, raws, log_weights, x).mean()
        if with_energy:
            times = (jnp.arange(TIMES) + jr.uniform(key, (TIMES,))) / TIMES
            keys = jr.split(key, TIMES)
            at = jax.vmap(lambda t, k: energy_at(t, k, locations, raws, log_weights))
            value = value + 0.1 * at(times, keys).mean()
        return value

    return loss


def by_library(x, with_energy):
    term = NegativeLogLikelihood(np.linspace(0.0, 1.0, KNOTS), list(np.asarray(x)))
    energy = KineticEnergy((0.0, 1.0), times=TIMES, particles=PARTS)

    def loss(path, key):
        value = term(path, key=key)
        return value + 0.1 * energy(path, key=key) if with_energy else value

    return loss


def measure(loss, path, repeats):
    run = eqx.filter_jit(eqx.filter_grad(loss))
    gradient, taken = jax.block_until_ready(run(path, jr.key(0))), []
    for _ in range(repeats):
        begun = time.perf_counter()
        jax.block_until_ready(run(path, jr.key(0)))
        taken.append((time.perf_counter() - begun) * 1e3)
    return float(np.median(taken)), [np.asarray(leaf) for leaf in jax.tree.leaves(gradient)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer coordinates and repetitions")
    quick = parser.parse_args().quick
    print(f"{platform.processor() or platform.machine()}, jax {jax.__version__}")
    print(
        f"{'scale':<12} {'dim':>3} {'by hand':>8} {'ours':>6} | with energy {'ours':>6}  difference"
    )
    cases = [("diagonal", Diagonal(FLOOR), dim) for dim in ((2, 10) if quick else (2, 10, 50))]
    cases += [("full", Full(FLOOR), dim) for dim in ((2,) if quick else (2, 10))]
    cases += [] if quick else [("leading 10", Leading(10, FLOOR), dim) for dim in (20, 50, 100)]
    for kind, scale, dim in cases:
        path = make_path(dim, scale)
        x = jr.normal(jr.key(1), (KNOTS, POINTS, dim))
        row, found = [], []
        for with_energy in (False, True):
            losses = [by_hand(kind, x, with_energy)] if kind in BY_HAND else []
            measured = [
                measure(f, path, 9 if quick else 31) for f in (*losses, by_library(x, with_energy))
            ]
            row += [f"{ms:.1f}" for ms, _ in measured] if losses else ["", f"{measured[0][0]:.1f}"]
            if losses and not with_energy:
                pairs = zip(measured[0][1], measured[1][1], strict=True)
                found = [np.abs(a - b).max() / (np.abs(b).max() + 1e-30) for a, b in pairs]
        difference = f"{max(found):.0e}" if found else ""
        print(
            f"{kind:<12} {dim:>3} {row[0]:>8} {row[1]:>6} | {row[2]:>11} {row[3]:>6}  {difference}"
        )


if __name__ == "__main__":
    main()
