"""Held-out likelihood of scikit-learn's tables: ours beside mixtures, kernels and plain flows.

    python benchmarks/density_digits.py [digits|breast_cancer|wine] [--seconds 200] [--no-rivals]

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
import platform
import time

import jax
import numpy as np
import rivals

from liouville.data import Samples, split_rows
from liouville.model import Model
from liouville.plots import image_grid
from liouville.tasks.density.fit import Split, fit_density

DRAWS = 100


def ours(data: tuple, rows: tuple, table: str, labels: bool, seed: int) -> dict:
    """Our row of the table, and the model."""
    points, classes, lattice = data
    samples = Samples(points, classes if labels else None, quantisation=lattice, source=table)
    begun = time.perf_counter()
    parts = Split(*(samples.select(part) for part in rows))
    fitted = fit_density(parts, {"training.seed": seed}, progress=False)
    summary = fitted.summary
    told = ("family", "members", "steps", "path energy", "share of trajectories lost in gaps")
    return {
        "name": f"liouville{', classes' if labels else ''}",
        "model": fitted.model,
        "test": summary["test nats per sample"],
        "bits": summary["test bits per dimension"],
        "seconds": time.perf_counter() - begun,
        "detail": {key: summary[key] for key in told if key in summary}
        | {key: value for key, value in summary.items() if "class given" in key},
    }


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
        "columns shuffled": [rng.permuted(x, axis=0)[:DRAWS] for x in own],
        "one Gaussian a class": gaussians(own, rng),
        "liouville": draws,
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
    options = parser.parse_args()
    print(f"{platform.machine()}, jax {jax.__version__}, {jax.devices()[0].device_kind}")
    if not options.no_rivals:
        rivals.report(options.table, seconds=options.seconds, seed=options.seed)
    data = rivals.table(options.table, seed=options.seed)
    rows = split_rows(data[1], len(data[0]), rivals.SIZES[options.table], options.seed)
    print(f"{'ours':>20} {'test':>11} {'bits/dim':>9} {'seconds':>8}  detail")
    for labels in (False, True):
        found = ours(data, rows, options.table, labels, options.seed)
        print(
            f"{found['name']:>20} {found['test']:>11.4f} {found['bits']:>9.4f} "
            f"{found['seconds']:>8.1f}  {found['detail']}",
            flush=True,
        )
    verdicts, draws = judged(found["model"], data, rows, options.seed)
    for name, (read, told) in verdicts.items():
        each = " ".join(f"{value:.2f}" for value in read)
        print(f"{name:>20}: read as their class {np.mean(read):.3f}, told {told:.3f}  ({each})")
    if options.image:
        side = round(len(draws[0][0]) ** 0.5)
        grid = np.stack(draws)[:, :12].reshape(len(draws), -1, side, side)
        names = [str(c) for c in range(len(draws))]
        image_grid(grid, rows=names, limits=(0, data[0].max())).savefig(options.image, dpi=80)


if __name__ == "__main__":
    main()
