"""Held-out likelihood of scikit-learn's tables: ours beside mixtures, kernels and plain flows.

    python benchmarks/density_digits.py [digits|breast_cancer|wine] [--seconds 200] [--no-rivals]
        [--save]

One split, one dequantisation and one standardisation for all (see rivals.py); settings and
stopping by the validation rows alone. Nats per row in the user's units and bits per dimension, on
the test rows. Ours is the default configuration of `liouville fit density`, without and with the
classes; with classes the figure is that of the density of all classes together. Each flow has
`--seconds` for all its settings.

Below stand two judges of 100 draws of each class, both support vector machines. *Read as their
class* is the share that a judge of the true training rows takes for that class; *told* is the
share of right answers of a judge of true test rows and draws, in five parts: a half if nobody can
tell them apart. Beside ours are true validation rows, one Gaussian for each class with its
covariance shrunk to the pooled one, and, as a control, rows whose columns were shuffled within the
class: they pass the first judge, not the second. `--image FILE` draws some of ours. Needs
scikit-learn and FlowJAX.
"""

import argparse
import time

import numpy as np
import rivals
from results import Column, Table

from liouville.data import Samples, split_rows
from liouville.model import Model
from liouville.plots import image_grid
from liouville.tasks.density.fit import Split, fit_density

DRAWS = 100
JUDGES = (
    *(Column("draws of each class"), Column("read as their class", ".3f")),
    Column("told from true", ".2f"),
)


def ours(data: tuple, rows: tuple, table: str, labels: bool, seed: int):
    """Our row of the table, and the fit."""
    points, classes, lattice = data
    samples = Samples(points, classes if labels else None, quantisation=lattice, source=table)
    begun = time.perf_counter()
    parts = Split(*(samples.select(part) for part in rows))
    fitted = fit_density(parts, {"training.seed": seed}, progress=False)
    summary = fitted.summary
    row = {
        "density": f"ours{', with classes' if labels else ''}",
        "chosen": str(fitted.config.path.model),
    }
    row |= {"test nats": summary["test nats per sample"]}
    row |= {"bits per dimension": summary["test bits per dimension"]}
    return {**row, "seconds": time.perf_counter() - begun}, fitted


def judged(model: Model, data: tuple, rows: tuple, seed: int):
    """Of each kind of draws the shares read as their class and the share told, and our draws."""
    points, classes, lattice = data
    train, validation, test = rows
    rng, each = np.random.default_rng(seed), np.unique(classes)
    machine = rivals.needs("sklearn.svm").SVC
    crossed = rivals.needs("sklearn.model_selection").cross_val_score
    judge = machine(C=10.0).fit(points[train], classes[train])
    own = [points[train][classes[train] == c] for c in each]
    draws = [model.given(str(c)).sample(1.0, DRAWS, seed=seed + int(c)) for c in each]
    candidates = {
        "true rows": [points[validation][classes[validation] == c] for c in each],
        "columns shuffled within the class": [rng.permuted(x, axis=0)[:DRAWS] for x in own],
        "one Gaussian a class": gaussians(own, rng),
        "ours": draws,
    }
    # Values without their noise, within the range of the true ones.
    low, high = points.min(axis=0), points.max(axis=0)
    found = {}
    for name, kinds in candidates.items():
        read = [float(np.mean(judge.predict(x) == c)) for c, x in zip(each, kinds)]
        drawn = rng.permutation(np.concatenate(kinds))[: len(test)]
        both = np.concatenate([points[test], np.clip(drawn, low, high)])
        is_drawn = np.arange(len(both)) >= len(test)
        told = crossed(machine(C=10.0), lattice.remove_noise(both), is_drawn, cv=5).mean()
        found[name] = (read, float(told))
    return found, draws


def gaussians(own: list[np.ndarray], rng: np.random.Generator, share: float = 0.2):
    """Draws of one Gaussian for each class, its covariance shrunk to the pooled one."""
    covariances = [np.cov(x.T) for x in own]
    pooled = np.mean(covariances, axis=0)
    return [
        rng.multivariate_normal(x.mean(axis=0), (1.0 - share) * cov + share * pooled, DRAWS)
        for x, cov in zip(own, covariances)
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", nargs="?", default="digits", choices=tuple(rivals.SIZES))
    parser.add_argument("--seconds", type=float, default=200.0, help="for each kind of flow")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-rivals", action="store_true")
    parser.add_argument("--image", help="a PNG file for draws of each class")
    parser.add_argument("--save", action="store_true", help="write the tables of the pages")
    options = parser.parse_args()
    note = f"{options.seconds:g} s for each kind of flow."
    table = Table(options.table, rivals.COLUMNS, keep=options.save, note=note)
    if not options.no_rivals:
        rivals.report(options.table, table, seconds=options.seconds, seed=options.seed)
    data = rivals.table(options.table, seed=options.seed)
    rows = split_rows(data[1], len(data[0]), rivals.SIZES[options.table], options.seed)
    for labels in (False, True):
        row, fitted = ours(data, rows, options.table, labels, options.seed)
        table.add(row)
    print()
    table = Table(f"{options.table}_draws", JUDGES, keep=options.save)
    verdicts, draws = judged(fitted.model, data, rows, options.seed)
    for name, (read, told) in verdicts.items():
        row = {"draws of each class": name, "read as their class": float(np.mean(read))}
        table.add({**row, "told from true": told})
    if options.image:
        side = round(len(draws[0][0]) ** 0.5)
        grid = np.stack(draws)[:, :12].reshape(len(draws), -1, side, side)
        names = [str(c) for c in range(len(draws))]
        image_grid(grid, rows=names, limits=(0, data[0].max())).savefig(options.image, dpi=80)


if __name__ == "__main__":
    main()
