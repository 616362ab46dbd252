"""Densities of columns as they come, against the law they were drawn from.

    python benchmarks/density_columns.py [--laws cauchy tight] [--seeds 1] [--save]

For each law `fit_density` gets 1,200 rows with its defaults. Nats per sample (smaller is better) on
4,000 fresh rows without outliers: the truth, ours, and a Gaussian mixture of scikit-learn on
standardised columns with its number of parts chosen by the Bayesian information criterion; what we
lose to the truth is a mean of differences with its standard error.
"""

import argparse
import time
import warnings

import numpy as np
from results import Column, Table
from scipy import stats
from sklearn.mixture import GaussianMixture

import liouville as lv

LAWS = (
    "scales",
    "clusters",
    "tight",
    "outliers",
    "student",
    "cauchy",
    "positive",
    "shares",
    "copies",
)

COLUMNS = (
    *(Column("law"), Column("truth", ".3f"), Column("scikit-learn, BIC", ".3f", "min", "nats")),
    *(Column("ours", ".3f", "min", "nats"), Column("ours lose", ".3f", error="error")),
    *(Column("error", ".3f"), Column("seconds", ".0f")),
)


def draws(name, rng, n=5200):
    """Rows of a law and its log-density; the first three of the outliers are far."""
    normal = stats.norm.logpdf
    if name == "scales":
        scale = np.array([1000.0, 1.0])
        return rng.normal(size=(n, 2)) * scale, lambda y: normal(y, 0.0, scale).sum(1)
    if name in ("clusters", "tight"):
        spread, distance = (0.1, 20.0) if name == "clusters" else (0.01, 10.0)
        x = spread * rng.normal(size=(n, 2)) + np.outer(rng.integers(2, size=n), [distance, 0.0])
        means = ([0.0, 0.0], [distance, 0.0])
        return x, lambda y: np.logaddexp(*(normal(y, m, spread).sum(1) for m in means)) - np.log(2)
    if name == "outliers":
        x = rng.normal(size=(n, 2))
        x[:3] = 1e6
        return x, lambda y: normal(y).sum(1)
    if name == "student":
        law = stats.multivariate_t(np.zeros(2), np.eye(2), df=2)
        return law.rvs(n, random_state=rng), law.logpdf
    if name == "cauchy":
        return rng.standard_cauchy((n, 2)), lambda y: stats.cauchy.logpdf(y).sum(1)
    if name == "positive":
        x = np.column_stack([rng.exponential(size=n), rng.lognormal(size=n)])
        return x, lambda y: stats.expon.logpdf(y[:, 0]) + stats.lognorm(1).logpdf(y[:, 1])
    if name == "shares":
        x = np.column_stack([rng.uniform(size=n), rng.beta(0.5, 0.5, size=n)])
        return x, lambda y: stats.beta(0.5, 0.5).logpdf(y[:, 1])
    x = rng.normal(size=(n, 3))
    return np.column_stack([x, x[:, 0], 2.0 * x[:, 1] - x[:, 2]]), lambda y: normal(y[:, :3]).sum(1)


def theirs(x, fresh):
    """Held-out log-densities of scikit-learn's mixture."""
    center, scale = x.mean(0), x.std(0)
    fits = [GaussianMixture(k, random_state=0).fit((x - center) / scale) for k in range(1, 13)]
    best = min(fits, key=lambda fit: fit.bic((x - center) / scale))
    return best.score_samples((fresh - center) / scale) - np.log(scale).sum()


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--laws", nargs="*", default=LAWS, choices=LAWS)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    table = Table("density_columns", COLUMNS, keep=options.save)
    for name in options.laws:
        for seed in range(options.seeds):
            x, law = draws(name, np.random.default_rng(seed))
            begin = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fit = lv.fit_density(x[:1200], progress=False)
                kept = [int(f[1:]) - 1 for f in fit.model.features]
                rival = theirs(x[:1200, kept], x[1200:, kept])
            fresh = x[1200:]
            truth, ours = law(fresh), fit.model.log_density(1.0, fresh[:, kept])
            lost = truth - ours
            row = {"law": name if options.seeds == 1 else f"{name}, seed {seed}"}
            row |= {
                "truth": -truth.mean(),
                "scikit-learn, BIC": -rival.mean(),
                "ours": -ours.mean(),
            }
            row |= {"ours lose": lost.mean(), "error": lost.std() / len(lost) ** 0.5}
            table.add({**row, "seconds": time.perf_counter() - begin})


if __name__ == "__main__":
    main()
