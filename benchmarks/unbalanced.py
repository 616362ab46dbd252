"""Unbalanced transport beside what is known on paper, and between kinds whose proportions change.

    python benchmarks/unbalanced.py [--steps 600] [--only TEXT]

The action 1/2 int int (|u|^2 + delta^2 h^2) d(M rho) dt between ends of given masses. For two
narrow Gaussians (standard deviation 0.001) the least is the distance of two points on the cone,
with its cut at pi * delta; at one place it is growth alone. For wide Gaussians it is not known;
beside it stand the best path whose growth is constant in space, the least energy of the discrete
problem between points of both ends, and a lower bound in closed form. Of three kinds whose
proportions change growth alone is on paper. Densities and masses of both ends are exact.
"""

import argparse
import platform
import time

import jax
import numpy as np

import liouville as lv
from liouville.numerics.mixtures import GaussianMixture, gaussian
from liouville.problems import bures

M0, M1 = np.array([-2.0, 0.0]), np.array([2.0, 1.0])
S0, S1 = np.array([[1.0, 0.3], [0.3, 0.5]]), np.array([[0.4, -0.2], [-0.2, 1.2]])


def cone(masses: tuple[float, float], distance: float, delta: float) -> float:
    angle = min(distance / (2.0 * delta), np.pi / 2)
    return 2.0 * delta**2 * (sum(masses) - 2.0 * np.sqrt(np.prod(masses)) * np.cos(angle))


def point(x: float) -> GaussianMixture:
    return gaussian(np.array([x, 0.0]), 1e-6 * np.eye(2))


def kinds(*shares: float) -> GaussianMixture:
    centers = np.array([[-4.0, 0.0], [4.0, 0.0], [0.0, 5.0]])
    return GaussianMixture(np.array(shares), centers, np.stack([0.5 * np.eye(2)] * 3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--only", default="", help="problems whose names hold this text")
    options = parser.parse_args()
    print(f"{platform.machine()}, jax {jax.__version__}, {jax.devices()[0].device_kind}")
    wide = gaussian(M0, S0), gaussian(M1, S1)
    spread = bures(M0, S0, M1, S1) ** 0.5
    grown = [0.6, 0.2, 0.2], [0.2, 0.3, 0.5]
    resting = sum(cone((a, b), 0.0, 1.0) for a, b in zip(*grown))
    cases = (
        ("two points, 1 apart", point(0.0), point(1.0), (1.0, 2.0), 1.0, cone((1, 2), 1.0, 1.0)),
        ("two points, 3 apart", point(0.0), point(3.0), (1.0, 2.0), 1.0, cone((1, 2), 3.0, 1.0)),
        ("two points, 4 apart", point(0.0), point(4.0), (1.0, 2.0), 1.0, cone((1, 2), 4.0, 1.0)),
        ("one place", point(0.0), point(0.0), (1.0, 2.0), 1.0, cone((1, 2), 0.0, 1.0)),
        ("Gaussians, delta 2", *wide, (1.0, 0.5), 2.0, cone((1.0, 0.5), spread, 2.0)),
        ("Gaussians, delta 10", *wide, (1.0, 0.5), 10.0, cone((1.0, 0.5), spread, 10.0)),
        ("three kinds", kinds(*grown[0]), kinds(*grown[1]), (1.0, 1.0), 1.0, resting),
    )
    print(
        f"{'problem':<20} {'on paper':>9} {'bound':>9} {'discrete':>9} {'ours':>9} {'± eval':>7} "
        f"{'motion':>6} {'born':>6} {'lost':>6} {'W2':>6} {'floor':>6} {'mass':>7} {'s':>5}"
    )
    for name, source, target, masses, delta, known in cases:
        if options.only not in name:
            continue
        begun = time.perf_counter()
        found = lv.fit_transport(
            source, target, masses=masses, delta=delta, steps=options.steps, progress=False,
            settings={"path.parts": 16, "certificate.points": 500},
        ).summary  # fmt: skip
        print(
            f"{name:<20} {known:>9.5f} {found['lower bound (potentials)']:>9.5f} "
            f"{found['least energy (discrete problem)']:>9.5f} {found['energy']:>9.5f} "
            f"{found['energy, standard error']:>7.0e} {found['energy of motion, share']:>6.3f} "
            f"{found['mass born']:>6.3f} {found['mass lost']:>6.3f} "
            f"{found['W2 of arrival (velocity)']:>6.3f} "
            f"{found['W2 of two draws of the end']:>6.3f} "
            f"{found['mass of arrival']:>7.4f} {time.perf_counter() - begun:>5.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
