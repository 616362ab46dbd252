"""Optimal transport between Gaussian mixtures whose answer is known, against the dimension.

    python benchmarks/transport_dimension.py [--dims 2 4 8 16 32 64] [--parts 4] [--save]

The source has `--parts` Gaussian parts of random means, covariances and weights; the target is its
image under a symmetric positive definite affine map x -> A x + b, the gradient of a convex
function. By Brenier's theorem that map is the optimal one, so W2^2 = E|A x + b - x|^2 in closed
form, and every part goes to its own image: the coupling is known. Printed: the answer, the energy
of the path `fit_transport` finds from the two mixtures alone, its relative excess, the mass on
pairs that do not belong together, seconds, and W2 of carried points to the target beside the floor.
"""

import argparse
import time

import numpy as np
from results import Column, Table

from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.parameters import value_of
from liouville.tasks.transport.fit import fit_transport

COLUMNS = (
    *(Column("d"), Column("W2²", ".3f"), Column("energy", ".3f"), Column("excess", "+.1e")),
    *(Column("mass on wrong pairs", ".2g"), Column("W2 of arrival", ".3f"), Column("floor", ".3f")),
    *(Column("steps"), Column("seconds", ".0f")),
)


def mixtures(dim, parts, rng):
    def positive(spread):
        q, _ = np.linalg.qr(rng.normal(size=(dim, dim)))
        return (q * np.exp(spread * rng.uniform(-1.0, 1.0, dim))) @ q.T

    means = 3.0 * rng.normal(size=(parts, dim))
    covariances = np.stack([positive(0.7) for _ in range(parts)])
    weights = rng.dirichlet(5.0 * np.ones(parts))
    linear, shift = positive(0.4), rng.normal(size=dim)
    source = GaussianMixture(weights, means, covariances)
    target = GaussianMixture(weights, means @ linear + shift, linear @ covariances @ linear)
    moved = linear - np.eye(dim)
    spread = np.trace(moved @ source.covariance @ moved)
    answer = spread + np.sum((moved @ source.mean + shift) ** 2)
    return source, target, answer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dims", type=int, nargs="+", default=[2, 4, 8, 16, 32, 64])
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    note = f"{options.parts} parts."
    table = Table("transport_dimension", COLUMNS, keep=options.save, note=note)
    for dim in options.dims:
        source, target, answer = mixtures(dim, options.parts, np.random.default_rng(options.seed))
        begun = time.perf_counter()
        fitted = fit_transport(source, target, settings={"certificate.points": 500}, progress=False)
        seconds = time.perf_counter() - begun
        (piece,), found = fitted.model.path.pieces, fitted.summary
        logits = piece.logits
        weights = np.exp(np.asarray(value_of(logits)))
        stray = weights[np.asarray(logits.sources) != np.asarray(logits.targets)].sum()
        energy = 2.0 * found["energy"]
        row = {"d": dim, "W2²": answer, "energy": energy, "excess": energy / answer - 1}
        row |= {
            "mass on wrong pairs": float(stray),
            "W2 of arrival": found["W2 of arrival (velocity)"],
        }
        row |= {"floor": found["W2 of two draws of the end"], "steps": found["steps"]}
        table.add({**row, "seconds": seconds})


if __name__ == "__main__":
    main()
