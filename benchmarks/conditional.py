"""Conditional transport and densities: of each context beside what is known in closed form.

    python benchmarks/conditional.py [--rows 4000] [--seeds 2] [--only transport|density]
        [--save]

Of every context c both ends are Gaussians in two or five coordinates whose means, and in the last
rows whose covariances too, depend on c; the model sees rows with the context of each, and none of
the contexts at which it is asked. Error: 100 E_c E_x |T(x | c) - T*(x | c)|^2 / Var P1(c) with the
optimal map T* in closed form, at 21 contexts (or all classes) and 500 points of each. Beside it the
map between the moments of the rows of a class or of the 5 % of rows nearest to the context
(`local`), which is what is done without a model, and the best map of all rows that does not know
the context (`pooled`).

Of densities: millinats of Kullback-Leibler divergence from the law of a context to the density
fitted to the rows of the first end with their contexts, at the same contexts; beside it the
Gaussian of the nearest rows (`local`), the mixture of columns and contexts together given the
context (`joint`), and the mixture that does not know it (`pooled`). In the last row the law given a
context is two Gaussians whose distance grows with it.
"""

import argparse
import time
import warnings

import numpy as np
from results import Column, Table
from scipy import stats

import liouville as lv
from liouville.numerics.mixtures import GaussianMixture
from liouville.problems import bridge_cross
from liouville.tasks.density.measure import plain_mixture

Array = np.ndarray
ASKED = np.linspace(-0.9, 0.9, 21)
# The figures of the fit itself are left small.
BRIEF = {"certificate.points": 100, "certificate.repeats": 1}

WAYS = (
    *(Column("what depends on the context"), Column("ours", ".2f", "min", "error")),
    *(Column("local", ".2f", "min", "error"), Column("pooled", ".1f", "min", "error")),
    Column("seconds", ".0f"),
)
LAWS = (
    *(Column("what depends on the context"), Column("ours", ".1f", "min", "nats", "error")),
    *(
        Column("error", ".1f"),
        *(Column(n, ".1f", "min", "nats") for n in ("local", "joint", "pooled")),
    ),
    *(Column("family"), Column("seconds", ".0f")),
)


class Truth:
    """Two Gaussians whose moments are smooth functions of a context from -1 to 1."""

    def __init__(self, dim: int, turns: bool, seed: int):
        rng = np.random.default_rng(seed)
        self.dim, self.turns = dim, turns
        self.ways = rng.normal(size=(2, 3, dim)) * np.array([1.0, 0.7, 0.5])[:, None]
        self.roots = [np.linalg.qr(rng.normal(size=(dim, dim)))[0] for _ in range(2)]
        self.scales = rng.uniform(0.5, 1.2, (2, dim))
        self.slopes = rng.uniform(-0.5, 0.5, (2, dim))

    def moments(self, end: int, c: float) -> tuple[Array, Array]:
        way = np.array([2.0 * c, np.sin(2.0 * c), c**2]) @ self.ways[end]
        scale = self.scales[end] * (np.exp(self.slopes[end] * c) if self.turns else 1.0)
        return way + 3.0 * end, (self.roots[end] * scale**2) @ self.roots[end].T

    def log_density(self, c: float, x: Array) -> Array:
        return stats.multivariate_normal(*self.moments(0, c)).logpdf(x)

    def rows(self, end: int, contexts: Array, rng: np.random.Generator) -> Array:
        found = []
        for c in contexts:
            mean, covariance = self.moments(end, float(c))
            found.append(mean + np.linalg.cholesky(covariance) @ rng.normal(size=self.dim))
        return np.array(found)


def affine(mean0: Array, cov0: Array, mean1: Array, cov1: Array, x: Array) -> Array:
    """The optimal map between two Gaussians."""
    matrix = bridge_cross(cov0, cov1, 0.0).T @ np.linalg.inv(cov0)
    return mean1 + (x - mean0) @ matrix.T


def moments_of(x: Array) -> tuple[Array, Array]:
    return x.mean(axis=0), np.cov(x.T)


def errors(truth: Truth, given: list[Array], ends: list[Array], model, seed: int) -> list[float]:
    rng, found = np.random.default_rng(seed), []
    for c in ASKED:
        known = [truth.moments(end, float(c)) for end in range(2)]
        x = known[0][0] + rng.normal(size=(500, truth.dim)) @ np.linalg.cholesky(known[0][1]).T
        right = affine(*known[0], *known[1], x)
        near = [np.argsort(np.abs(own - c))[: len(own) // 20] for own in given]
        local = affine(*(m for e, i in zip(ends, near) for m in moments_of(e[i])), x)
        pooled = affine(*(m for e in ends for m in moments_of(e)), x)
        ours = lv.transport_map(model.given([c]), x)
        spread = np.trace(known[1][1])
        found.append([((y - right) ** 2).sum(-1).mean() / spread for y in (ours, local, pooled)])
    return (100.0 * np.mean(found, axis=0)).tolist()


def classes(rows: int, seed: int) -> list[float]:
    """Eight classes with means and covariances of their own, and rows of each."""
    rng, found, n = np.random.default_rng(seed), [], rows // 8
    truth = [Truth(2, False, 100 * seed + k) for k in range(8)]
    for own in truth:
        own.ways[:] = 0.0
        own.ways[:, 0] = 3.0 * rng.normal(size=(2, 2))
    labels = np.repeat(np.arange(8), n)
    ends = [
        np.concatenate([own.rows(end, np.full(n, 0.5), rng) for own in truth]) for end in range(2)
    ]
    samples = [lv.data.Samples(x, labels, tuple("abcdefgh"), label_name="kind") for x in ends]
    model = lv.fit_transport(*samples, label="kind", settings=BRIEF, progress=False).model
    for k, own in enumerate(truth):
        known = [own.moments(end, 0.5) for end in range(2)]
        x = known[0][0] + rng.normal(size=(500, 2)) @ np.linalg.cholesky(known[0][1]).T
        right = affine(*known[0], *known[1], x)
        ours = lv.transport_map(model.given("abcdefgh"[k]), x)
        local = affine(*(m for e in ends for m in moments_of(e[labels == k])), x)
        pooled = affine(*(m for e in ends for m in moments_of(e)), x)
        spread = np.trace(known[1][1])
        found.append([((y - right) ** 2).sum(-1).mean() / spread for y in (ours, local, pooled)])
    return (100.0 * np.mean(found, axis=0)).tolist()


class TwoParts(Truth):
    """Two Gaussians of equal shares, at distances that grow with the context."""

    def rows(self, end: int, contexts: Array, rng: np.random.Generator) -> Array:
        side = rng.choice([-1.0, 1.0], (len(contexts), 1))
        return super().rows(end, contexts, rng) + side * (1.5 + contexts[:, None])

    def log_density(self, c: float, x: Array) -> Array:
        apart = (1.5 + c) * np.ones(self.dim)
        return np.logaddexp(
            *(super(TwoParts, self).log_density(c, x - s * apart) for s in (-1, 1))
        ) - np.log(2)


def divergences(truth: Truth, rows: int, seed: int) -> dict[str, float | str]:
    """Millinats of ours and of what is done without a model."""
    rng = np.random.default_rng(seed + 2000)
    c = rng.uniform(-1.0, 1.0, rows)
    x = truth.rows(0, c, rng)
    table, name = np.column_stack([x, c]), f"x{truth.dim + 1}"
    begun = time.perf_counter()
    fitted = lv.fit_density(table, context=(name,), settings={"data.test": 0.0}, progress=False)
    took = time.perf_counter() - begun
    joint, pooled = plain_mixture(table), plain_mixture(x)
    size = truth.dim
    alone = GaussianMixture(
        joint.weights, joint.means[:, size:], joint.covariances[:, size:, size:]
    )
    found = []
    for asked in ASKED:
        y = truth.rows(0, np.full(500, asked), rng)
        right, every = truth.log_density(float(asked), y), np.column_stack([y, np.full(500, asked)])
        near = moments_of(x[np.argsort(np.abs(c - asked))[: rows // 20]])
        guesses = (
            fitted.model.given([asked]).log_density(1.0, y),
            stats.multivariate_normal(*near).logpdf(y),
            joint.log_density(every) - alone.log_density(every[:, size:]),
            pooled.log_density(y),
        )
        found.append([right - guess for guess in guesses])
    every = np.transpose(found, (1, 0, 2)).reshape(4, -1)
    names = ("ours", "local", "joint", "pooled")
    values = {name: 1000.0 * float(row.mean()) for name, row in zip(names, every)}
    error = 1000.0 * float(every[0].std() / np.sqrt(every.shape[1]))
    return {**values, "error": error, "family": fitted.summary["model"], "seconds": took}


def densities(rows: int, seeds: int, keep: bool) -> None:
    """The table of densities."""
    kinds = [
        ("2 means", Truth, 2, False),
        ("5 means", Truth, 5, False),
        ("2 means and covariances", Truth, 2, True),
        ("5 means and covariances", Truth, 5, True),
        ("2 parts at a distance", TwoParts, 2, True),
    ]
    table = Table("conditional_densities", LAWS, keep=keep, note=f"{rows:,} rows.")
    for seed in range(seeds):
        for name, kind, dim, turns in kinds:
            own = divergences(kind(dim, turns, seed), rows, seed)
            table.add({"what depends on the context": f"{name}, seed {seed}", **own})


def transports(rows: int, seeds: int, keep: bool) -> None:
    """The table of maps."""
    table = Table("conditional", WAYS, keep=keep, note=f"{rows:,} rows of each end.")
    for seed in range(seeds):
        for dim, turns in (2, False), (5, False), (2, True), (5, True):
            begun = time.perf_counter()
            truth, rng = Truth(dim, turns, seed), np.random.default_rng(seed + 1000)
            given = [rng.uniform(-1.0, 1.0, rows) for _ in range(2)]
            ends = [truth.rows(end, own, rng) for end, own in enumerate(given)]
            tables = [np.column_stack([x, own]) for x, own in zip(ends, given)]
            context = (f"x{dim + 1}",)
            model = lv.fit_transport(*tables, context=context, settings=BRIEF, progress=False).model
            took = time.perf_counter() - begun
            name = f"{dim} means{' and covariances' if turns else ''}, seed {seed}"
            table.add(way(name, errors(truth, given, ends, model, seed), took))
        begun = time.perf_counter()
        found = classes(rows, seed)
        table.add(way(f"class of eight, seed {seed}", found, time.perf_counter() - begun))


def way(name: str, found: list[float], seconds: float) -> dict[str, float | str]:
    ours, local, pooled = found
    row = {"ours": ours, "local": local, "pooled": pooled, "seconds": seconds}
    return {"what depends on the context": name, **row}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", choices=("transport", "density"))
    parser.add_argument("--save", action="store_true", help="write the tables of the pages")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.only != "transport":
        densities(options.rows, options.seeds, options.save)
    if options.only != "density":
        transports(options.rows, options.seeds, options.save)


if __name__ == "__main__":
    main()
