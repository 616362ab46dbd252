"""The mixture that is printed beside a density, and the density, on twelve tables.

Held-out nats per sample (smaller is better): scikit-learn's `GaussianMixture` on standardised
columns with the number of parts chosen by the Bayesian information criterion or by five-fold
validation, whichever is better on the held-out rows; the mixture that `fit density` prints; what
`fit density` fits by default; and the truth where the law is known. Differences are row by row with
their standard errors: of the printed mixture to scikit-learn's, and of ours to the better of the
two. A row misses where a difference is above 0.02 nats, and for certain where it is so by more than
two standard errors. Of several seeds the mean is given.

    python benchmarks/mixtures.py [--tables iris tails] [--seeds 2] [--printed] [--save]

With `--printed` nothing but mixtures is fitted, which takes a few minutes.
"""

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
from results import Column, Table
from scipy import stats
from sklearn import datasets
from sklearn.mixture import GaussianMixture as Theirs
from sklearn.model_selection import KFold

from liouville.data import Samples
from liouville.tasks.density.fit import fit_density
from liouville.tasks.density.measure import plain_mixture

Law = Callable[[np.ndarray], np.ndarray]
LEAST = 0.02
ERRORS = {
    "printed less scikit-learn": "error of printed",
    "ours less the better": "error of ours",
}
COLUMNS = (
    Column("table"),
    Column("rows x columns"),
    Column("scikit-learn", ".3f", "min", "nats"),
    Column("printed mixture", ".3f", "min", "nats"),
    Column("ours", ".3f", "min", "nats"),
    Column("family"),
    Column("truth", ".3f"),
    Column("printed less scikit-learn", "+.3f", error="error of printed"),
    Column("error of printed"),
    Column("ours less the better", "+.3f", error="error of ours"),
    Column("error of ours"),
    Column("met"),
    Column("s", ".0f"),
)
_PARTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16)


def small(name: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, None]:
    """A table of scikit-learn, four fifths to fit; values are filled up to the next step."""
    x = getattr(datasets, f"load_{name}")().data.astype(float)
    x = x[:, x.std(axis=0) > 0]
    steps = np.array([np.min(np.diff(np.unique(c))) for c in x.T])
    x = x + steps * rng.uniform(size=x.shape)
    x = x[rng.permutation(len(x))]
    n = len(x) // 5
    return x[n:], x[:n], None


def known(name: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, Law]:
    """Draws of a law, 2,000 to fit and 5,000 to judge, and its log-density."""
    n = 7000
    if name == "scales":
        q = np.array([[0.8, -0.6], [0.6, 0.8]])
        cov = q @ np.diag([1e6, 1.0]) @ q.T
        law = stats.multivariate_normal(np.zeros(2), cov).logpdf
        x = rng.multivariate_normal(np.zeros(2), cov, n)
    elif name == "clusters":
        spread, place = np.array([0.01, 0.01, 1.0]), np.array([[0, 0], [10, 0], [0, 10.0]])
        part = rng.integers(0, 3, n)
        x = place[part] + spread[part, None] * rng.normal(size=(n, 2))

        def law(y):
            each = [stats.multivariate_normal(m, s**2).logpdf(y) for m, s in zip(place, spread)]
            return np.logaddexp.reduce(each, axis=0) - np.log(3.0)
    elif name == "tails":
        t = stats.multivariate_t(np.zeros(3), np.diag([1.0, 4.0, 0.25]), df=2)
        x, law = t.rvs(n, random_state=rng), t.logpdf
    elif name == "copies":
        z = rng.normal(size=(n, 4))
        x = np.column_stack([z[:, :2], z[:, 0] + 1e-3 * z[:, 2], z.sum(1) + 1e-2 * z[:, 3]])
        mix = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1e-3, 0], [1, 1, 1, 1.01]])
        law = stats.multivariate_normal(np.zeros(4), mix @ mix.T).logpdf
    elif name == "integers":
        rates = np.array([[2.0, 20.0], [10.0, 5.0]])
        part = rng.integers(0, 2, n)
        x = rng.poisson(rates[part]) + rng.uniform(size=(n, 2))

        def law(y):
            each = [stats.poisson(r).logpmf(np.floor(y)).sum(1) for r in rates]
            return np.logaddexp.reduce(each, axis=0) - np.log(2.0)
    elif name == "zeros":
        zero = rng.uniform(size=n) < 0.4
        body = np.exp(rng.normal(size=n))
        x = np.column_stack([np.where(zero, 0.01 * rng.uniform(size=n), body), rng.normal(size=n)])

        def law(y):
            first = y[:, 0]
            inside = np.where((first > 0) & (first < 0.01), np.log(0.4 / 0.01), -np.inf)
            positive = np.maximum(first, 1e-300)
            body = np.where(first > 0, np.log(0.6) + stats.lognorm(1.0).logpdf(positive), -np.inf)
            return np.logaddexp(inside, body) + stats.norm.logpdf(y[:, 1])
    else:  # spectrum
        dim = 10
        means = 3.0 * rng.normal(size=(3, dim))
        covs = []
        for _ in means:
            q = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
            covs.append(q @ np.diag(2.0 ** -np.arange(dim)) @ q.T)
        part = rng.integers(0, 3, n)
        x = np.stack([rng.multivariate_normal(means[k], covs[k]) for k in part])

        def law(y):
            each = [stats.multivariate_normal(m, c).logpdf(y) for m, c in zip(means, covs)]
            return np.logaddexp.reduce(each, axis=0) - np.log(3.0)

    return x[:2000], x[2000:], law


SMALL = ("iris", "wine", "breast_cancer", "diabetes", "digits")
KNOWN = ("scales", "clusters", "tails", "copies", "integers", "zeros", "spectrum")


def theirs(x: np.ndarray, test: np.ndarray) -> dict[str, np.ndarray]:
    """Held-out log-densities of scikit-learn's mixtures."""
    center, scale = x.mean(0), x.std(0)
    z, most = (x - center) / scale, max(1, len(x) // 10)

    def fit(parts: int, y: np.ndarray) -> Theirs:
        return Theirs(parts, n_init=2, random_state=0).fit(y)

    parts = [k for k in _PARTS if k <= most]
    fits = [fit(k, z) for k in parts]
    by_bic = fits[int(np.argmin([f.bic(z) for f in fits]))]
    folds = list(KFold(5, shuffle=True, random_state=0).split(z))
    scores = [np.mean([fit(k, z[a]).score(z[b]) for a, b in folds]) for k in parts]
    by_folds = fits[int(np.argmax(scores))]
    y, volume = (test - center) / scale, np.log(scale).sum()
    return {
        "BIC": by_bic.score_samples(y) - volume,
        "folds": by_folds.score_samples(y) - volume,
    }


def differences(name: str, seed: int, printed_alone: bool) -> dict:
    """Held-out nats by rows of everything on one table."""
    make = small if name in SMALL else known
    x, test, law = make(name, np.random.default_rng(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rival = max(theirs(x, test).values(), key=np.mean)
        begin = time.perf_counter()
        printed = plain_mixture(x).log_density(test)
        found = {
            "rows x columns": f"{x.shape[0]} x {x.shape[1]}",
            "scikit-learn": -rival,
            "printed mixture": -printed,
            "printed less scikit-learn": rival - printed,
        }
        if not printed_alone:
            begin = time.perf_counter()
            settings = {"data.test": 0.0, "training.seed": seed}
            fitted = fit_density(Samples(x), settings, progress=False)
            ours, better = fitted.model.log_density(1.0, test), max(rival, printed, key=np.mean)
            found |= {"ours": -ours, "ours less the better": better - ours}
            found["family"] = str(fitted.config.path.model)
    found["s"] = np.full(1, time.perf_counter() - begin)
    return found if law is None else {**found, "truth": -law(test)}


def row(name: str, seeds: int, printed_alone: bool) -> dict:
    """The figures of one table, over the held-out rows of all seeds."""
    every = [differences(name, seed, printed_alone) for seed in range(seeds)]
    found: dict = {"table": name}
    for key, first in every[0].items():
        if isinstance(first, str):
            found[key] = first
            continue
        values = np.concatenate([one[key] for one in every])
        found[key] = float(values.mean())
        if key in ERRORS:
            found[ERRORS[key]] = float(values.std() / np.sqrt(values.size))
    told = [verdict(found, key, error) for key, error in ERRORS.items() if key in found]
    return {**found, "met": ", ".join(dict.fromkeys(told))}


def verdict(found: dict, key: str, error: str) -> str:
    """Whether a difference is a miss, one by chance perhaps, or none."""
    gap = found[key]
    if gap <= LEAST:
        return "met"
    return "missed" if gap - LEAST > 2.0 * found[error] else "within its error"


def main() -> None:
    """Prints the table, and keeps it if asked to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tables", nargs="*", default=[*SMALL, *KNOWN])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--printed", action="store_true")
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    without = ("ours", "family", "ours less the better", "error of ours") * options.printed
    columns = [column for column in COLUMNS if column.name not in without]
    name, note = "mixtures" if options.printed else "tables", f"Mean of {options.seeds} seeds."
    table = Table(name, columns, keep=options.save, note=note)
    for name in options.tables:
        table.add(row(name, options.seeds, options.printed))


if __name__ == "__main__":
    main()
