"""The Schrödinger bridge between two Gaussians, trained without simulating a single path.

    python examples/gaussian_bridge.py

The ends of the path are exact by construction; training shapes what lies between them until the
energy of its drift is as small as it can be. The answer is known in closed form.
"""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import liouville as lv

SIGMA = 1.0
MEANS = np.array([[-2.0, 0.0], [2.0, 1.0]])
COVARIANCES = np.array([[[1.0, 0.3], [0.3, 0.5]], [[0.4, -0.2], [-0.2, 1.2]]])


def hard_ended(values, key):
    """A curve through two given values, with a learned correction in between."""
    inside = lv.curves.Network(jnp.zeros(values.shape[1:]), (0.0, 1.0), width=32, key=key)
    return lv.curves.HardEnded((0.0, 1.0), values, inside)


def main():
    """Trains the bridge and prints it beside the closed form."""
    scale = lv.paths.Full()
    keys = jr.split(jr.key(0))
    # One component: its mean and its scale run along hard-ended curves.
    start = lv.paths.LocationScale(
        location=hard_ended(jnp.asarray(MEANS, "float32")[:, None], keys[0]),
        raw_scale=hard_ended(
            scale.from_covariance(jnp.asarray(COVARIANCES, "float32"))[:, None], keys[1]
        ),
        logits=jnp.zeros(1),
        scale=scale,
    )
    energy = lv.objectives.KineticEnergy((0.0, 1.0), g=SIGMA, of="drift", times=32, particles=64)
    trained = lv.fit(start, energy, steps=1500, optimizer=1e-2).path

    measure = lv.objectives.KineticEnergy((0.0, 1.0), g=SIGMA, of="drift", times=64, particles=512)
    once = jax.jit(lambda path, key: measure(path, key=key))
    truth = lv.problems.GaussianBridge(MEANS[0], COVARIANCES[0], MEANS[1], COVARIANCES[1], SIGMA)
    for name, path in {"before": start, "after": trained}.items():
        drawn = np.array([once(path, key) for key in jr.split(jr.key(1), 64)])
        error = drawn.std() / np.sqrt(len(drawn))
        print(f"energy of the drift, {name:<6} training {drawn.mean():9.4f} +- {error:.4f}")
    print(f"                     closed form     {truth.energy():9.4f}")

    for t in (0.0, 0.25, 0.5, 0.75, 1.0):
        frames = trained.at(jnp.asarray(t)).frames
        covariance = np.asarray(frames.factor[0] @ frames.factor[0].T)
        off_mean = np.abs(np.asarray(frames.location[0]) - truth.mean(t)).max()
        off_covariance = np.abs(covariance - truth.cov(t)).max()
        print(f"t = {t:4.2f}   mean off by {off_mean:.1e}   covariance off by {off_covariance:.1e}")

    report = lv.checks.continuity(
        trained, jr.uniform(jr.key(2), (512,)), 5.0 * jr.normal(jr.key(3), (512, 2))
    )
    print(report)


if __name__ == "__main__":
    main()
