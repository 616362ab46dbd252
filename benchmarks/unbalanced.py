"""Unbalanced transport beside what is known on paper, and between kinds whose proportions change.

    python benchmarks/unbalanced.py [--steps 600] [--only TEXT] [--save]

The action 1/2 int int (|u|^2 + delta^2 h^2) d(M rho) dt between ends of given masses. For two
narrow Gaussians (standard deviation 0.001) the least is the distance of two points on the cone,
with its cut at pi * delta; at one place it is growth alone. For wide Gaussians it is not known;
beside it stand the best path whose growth is constant in space, the least energy of the discrete
problem between points of both ends, and a lower bound in closed form. Of three kinds whose
proportions change growth alone is on paper. Densities and masses of both ends are exact.
"""

import argparse
import time

import numpy as np
from results import Column, Table

import liouville as lv
from liouville.numerics.mixtures import GaussianMixture, gaussian
from liouville.problems import bures

M0, M1 = np.array([-2.0, 0.0]), np.array([2.0, 1.0])
S0, S1 = np.array([[1.0, 0.3], [0.3, 0.5]]), np.array([[0.4, -0.2], [-0.2, 1.2]])

COLUMNS = (
    *(Column("problem"), Column("on paper", ".5f"), Column("bound", ".5f")),
    *(Column("discrete", ".5f"), Column("ours", ".5f", error="evaluation")),
    *(Column("evaluation", ".0e"), Column("motion's share", ".3f"), Column("born", ".3f")),
    *(Column("lost", ".3f"), Column("W2 of arrival", ".3f"), Column("floor", ".3f")),
    *(Column("mass of arrival", ".4f"), Column("true", "g"), Column("seconds", ".0f")),
)


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
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    wide = gaussian(M0, S0), gaussian(M1, S1)
    spread = bures(M0, S0, M1, S1) ** 0.5
    grown = [0.6, 0.2, 0.2], [0.2, 0.3, 0.5]
    resting = sum(cone((a, b), 0.0, 1.0) for a, b in zip(*grown))
    cases = (
        ("two points, 1 apart", point(0.0), point(1.0), (1.0, 2.0), 1.0, cone((1, 2), 1.0, 1.0)),
        ("two points, 3 apart", point(0.0), point(3.0), (1.0, 2.0), 1.0, cone((1, 2), 3.0, 1.0)),
        (
            "two points, 4 apart, beyond πδ",
            point(0.0),
            point(4.0),
            (1.0, 2.0),
            1.0,
            cone((1, 2), 4.0, 1.0),
        ),
        ("one place", point(0.0), point(0.0), (1.0, 2.0), 1.0, cone((1, 2), 0.0, 1.0)),
        ("Gaussians, δ = 2", *wide, (1.0, 0.5), 2.0, cone((1.0, 0.5), spread, 2.0)),
        ("Gaussians, δ = 10", *wide, (1.0, 0.5), 10.0, cone((1.0, 0.5), spread, 10.0)),
        ("three kinds", kinds(*grown[0]), kinds(*grown[1]), (1.0, 1.0), 1.0, resting),
    )
    table = Table("unbalanced", COLUMNS, keep=options.save, note=f"{options.steps} steps.")
    for name, source, target, masses, delta, known in cases:
        if options.only not in name:
            continue
        begun = time.perf_counter()
        found = lv.fit_transport(
            source, target, masses=masses, delta=delta, steps=options.steps, progress=False,
            settings={"path.parts": 16, "certificate.points": 500},
        ).summary  # fmt: skip
        row = {"problem": name, "on paper": known, "bound": found["lower bound (potentials)"]}
        row |= {"discrete": found["least energy (discrete problem)"], "ours": found["energy"]}
        row |= {"evaluation": found["energy, standard error"]}
        row |= {"motion's share": found["energy of motion, share"], "born": found["mass born"]}
        row |= {"lost": found["mass lost"], "W2 of arrival": found["W2 of arrival (velocity)"]}
        row |= {"floor": found["W2 of two draws of the end"], "true": masses[1]}
        row |= {"mass of arrival": found["mass of arrival"]}
        table.add({**row, "seconds": time.perf_counter() - begun})


if __name__ == "__main__":
    main()
