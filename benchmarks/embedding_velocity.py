"""Velocities on an embedding against the truth, by the local map and by the convention of scVelo.

    python benchmarks/embedding_velocity.py [--save]

Cells lie on a curved surface with two latent coordinates in many dimensions, with noise, and move
along it; the picture is a smooth function of the latent coordinates, so that the velocity there is
known. Printed are the mean cosine with it, and the median ratio of the lengths.
"""

import argparse

import numpy as np
from results import Column, Table

from liouville.cells import projected

CELLS, STEP = 4000, 1e-4
COLUMNS = (
    *(Column("coordinates"), Column("noise"), Column("velocity off the surface")),
    *(
        Column("cosine, map", ".3f", "max", "cosine"),
        Column("cosine, scVelo", ".3f", "max", "cosine"),
    ),
    *(Column("length, map", ".2f"), Column("length, scVelo", ".2f")),
)


def rate(function, place, velocity):
    """The derivative of a function along a velocity."""
    return (function(place + STEP * velocity) - function(place - STEP * velocity)) / (2 * STEP)


def surface(dim: int, noise: float, normal: float, seed: int = 0):
    """Points, their velocities, their places in the picture, and the velocities there."""
    rng = np.random.default_rng(seed)
    latent = rng.uniform(-1, 1, (CELLS, 2))
    motion = np.stack([np.ones(CELLS), 0.6 * np.cos(3 * latent[:, 0])], axis=1)
    flat, curved = rng.normal(size=(2, 2, dim))

    def place(z):
        return z @ flat + 0.7 * np.sin(z @ curved)

    def picture(z):
        a, b = z.T
        return np.stack([a + 0.3 * b**2, 2 * b + 0.5 * np.sin(2 * a)], axis=1)

    x = place(latent) + noise * rng.normal(size=(CELLS, dim))
    u = rate(place, latent, motion)
    off = rng.normal(size=u.shape) / np.sqrt(dim)
    u = u + normal * np.linalg.norm(u, axis=1, keepdims=True) * off
    y = picture(latent) + 0.02 * rng.normal(size=(CELLS, 2))
    return x, u, y, rate(picture, latent, motion)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    table = Table("embedding_velocity", COLUMNS, keep=options.save)
    for dim, noise in ((10, 0.02), (30, 0.05), (30, 0.15)):
        for normal in (0.0, 0.5):
            x, u, y, truth = surface(dim, noise, normal)
            row = {"coordinates": dim, "noise": noise, "velocity off the surface": normal}
            for name, method in (("map", "map"), ("scVelo", "cosines")):
                found = projected(x, u, y, method=method)
                length, true = (np.linalg.norm(v, axis=1) for v in (found, truth))
                cosine = np.sum(found * truth, axis=1) / np.maximum(length * true, 1e-12)
                row[f"cosine, {name}"] = float(cosine.mean())
                row[f"length, {name}"] = float(np.median(length / true))
            table.add(row)


if __name__ == "__main__":
    main()
