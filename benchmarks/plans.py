"""Schrödinger plans whose answer is known: the law of the end given the start.

    python benchmarks/plans.py [--dims 2 16 64] [--noises 0.1 1 10] [--rows 100000] [--seeds 3]
        [--exact] [--save]

The start is N(0, I), and the potential has five Gaussian parts on a sphere of radius 5, with
eigenvalues from .25 to 1, turned at random (arXiv 2306.10161). Given are rows of both ends, none of
which belongs to one of the other end; with --exact rows of the end alone, and the start as N(0, I)
itself. The error is in percent, with moments in closed form,

    100 E_x [ |m - m'|^2 / 2 + tr C / 2 + tr C' / 2 - tr (C^1/2 C' C^1/2)^1/2 ] / (Var P1 / 2),

over 2,000 starts, its mean over the seeds of pairs with the standard error. Beside it those of the
end whatever the start (independent), of the bridge between the Gaussians of the moments (one part),
and of LightSB; what the plan falls short of the truth on fresh rows in nats, of which the relative
entropy of the end is no more; parts, wall clock and processor seconds.
"""

import argparse
import time

import numpy as np
from results import Column, Table

from liouville.numerics.mixtures import gaussian
from liouville.numerics.plans import ConditionalLaw
from liouville.problems import conditional_distance, known_plan
from liouville.tasks.transport.plans import fit_plan

LIGHTSB = dict(
    zip(
        [(d, e) for d in (2, 16, 64) for e in (0.1, 1.0, 10.0)],
        [0.144, 0.016, 0.280, 0.492, 0.533, 0.348, 1.205, 1.847, 0.957],
    )
)
"""LightSB (50 potentials, 10,000 steps), re-run on pairs of the same kind."""

COLUMNS = (
    *(Column("d"), Column("ε", "g"), Column("independent", ".2f")),
    *(Column("one part", ".3f", "min", "error"), Column("LightSB", ".3f", "min", "error")),
    *(Column("ours", ".3f", "min", "error", "its error"), Column("its error", ".3f")),
    *(Column("nats", ".4f"), Column("parts", ".1f"), Column("processor seconds", ".0f")),
)


def measured(dim, noise, rows, seed, exact):
    """Errors of ours, one part and independence, nats, parts, seconds."""
    truth = known_plan(dim, noise, seed=seed)
    rng = np.random.default_rng([seed, dim])

    def drawn(n):
        """Rows of the start, and of the end from other starts."""
        x, away = rng.normal(size=(2, n, dim))
        return x, truth.given(away).sample(1, seed=int(rng.integers(2**31)))[0]

    x, y = drawn(rows)
    if exact:
        x = gaussian(np.zeros(dim), np.eye(dim))
    begun, used = time.perf_counter(), time.process_time()
    plan = fit_plan(x, y, sigma=np.sqrt(noise), seed=seed)
    seconds = time.perf_counter() - begun, time.process_time() - used
    single = fit_plan(x, y, sigma=np.sqrt(noise), parts=1)
    fresh, at = drawn(20_000), rng.normal(size=(2_000, dim))
    mean, covariance = fresh[1].mean(axis=0), np.cov(fresh[1].T)
    share = np.ones((len(at), 1))
    still = ConditionalLaw(share, np.tile(mean, (len(at), 1, 1)), covariance[None])
    laws = plan.given(at), single.given(at), still
    unit = 0.5 * np.trace(covariance) / 100.0
    errors = [conditional_distance(law, truth.given(at)) / unit for law in laws]
    return [*errors, truth.gain(*fresh) - plan.gain(*fresh), len(plan.logits), *seconds]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dims", type=int, nargs="+", default=[2, 16, 64])
    parser.add_argument("--noises", type=float, nargs="+", default=[0.1, 1.0, 10.0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    which = "the end, the start known" if options.exact else "each end"
    note = f"{options.rows:,} rows of {which}; {options.seeds} pairs."
    name = f"plans_{options.rows}{'_known' if options.exact else ''}"
    table = Table(name, COLUMNS, keep=options.save, note=note)
    for dim in options.dims:
        for noise in options.noises:
            asked = dim, noise, options.rows
            found = [measured(*asked, seed, options.exact) for seed in range(options.seeds)]
            mean = np.mean(found, axis=0)
            ours, one, still, nats, parts, _, used = mean
            row = {"d": dim, "ε": noise, "independent": still, "one part": one, "ours": ours}
            row |= {"LightSB": LIGHTSB.get((dim, noise)), "nats": nats, "parts": parts}
            if options.seeds > 1:
                row["its error"] = np.std(found, axis=0, ddof=1)[0] / np.sqrt(options.seeds)
            table.add({**row, "processor seconds": used})


if __name__ == "__main__":
    main()
