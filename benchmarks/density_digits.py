"""Held-out likelihood of scikit-learn's tables: ours beside mixtures, kernels and plain flows.

    python benchmarks/density_digits.py [digits|breast_cancer|wine] [--seconds 200] [--no-rivals]

One split, one dequantisation and one standardisation for all (see rivals.py); settings and
stopping by the validation rows alone. Nats per row in the user's units and bits per dimension, on
the test rows. Ours is the default configuration of `liouville fit density`, without and with the
classes; with classes the figure is that of the density of all classes together. Each flow has
`--seconds` for all its settings. Needs scikit-learn and FlowJAX.
"""

import argparse
import platform
import time

import jax
import rivals

from liouville.data import Samples, split_rows
from liouville.density import Parts, fit_density


def ours(table: str, labels: bool, seed: int) -> dict:
    """Our row of the table."""
    points, classes, lattice = rivals.table(table, seed=seed)
    rows = split_rows(classes, len(points), rivals.SIZES[table], seed)
    samples = Samples(points, classes if labels else None, quantisation=lattice, source=table)
    begun = time.perf_counter()
    parts = Parts(*(samples.select(part) for part in rows))
    fitted = fit_density(parts, {"training.seed": seed}, progress=False)
    summary = fitted.summary
    return {
        "name": f"liouville{', classes' if labels else ''}",
        "test": summary["test nats per sample"],
        "bits": summary["test bits per dimension"],
        "seconds": time.perf_counter() - begun,
        "detail": {key: summary[key] for key in ("family", "members", "steps")}
        | {key: value for key, value in summary.items() if "class given" in key},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", nargs="?", default="digits", choices=tuple(rivals.SIZES))
    parser.add_argument("--seconds", type=float, default=200.0, help="for each kind of flow")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-rivals", action="store_true")
    options = parser.parse_args()
    print(f"{platform.machine()}, jax {jax.__version__}, {jax.devices()[0].device_kind}")
    if not options.no_rivals:
        rivals.report(options.table, seconds=options.seconds, seed=options.seed)
    print(f"{'ours':>20} {'test':>11} {'bits/dim':>9} {'seconds':>8}  detail")
    for labels in (False, True):
        found = ours(options.table, labels, options.seed)
        print(
            f"{found['name']:>20} {found['test']:>11.4f} {found['bits']:>9.4f} "
            f"{found['seconds']:>8.1f}  {found['detail']}",
            flush=True,
        )


if __name__ == "__main__":
    main()
