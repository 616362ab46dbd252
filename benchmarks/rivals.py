"""Other densities on tables of numbers: Gaussian mixtures, kernel estimates and plain flows.

    python benchmarks/rivals.py digits|breast_cancer|wine [--seconds 300] [--seed 0]

Every rival gets the same training, validation and test rows, standardised by the training rows;
its settings are chosen on the validation rows alone. Numbers are negative log-likelihoods in nats
per row in the user's units (the Jacobian of standardisation is added), and bits per dimension.
Discrete columns are dequantised with uniform noise of one step, the same for all rivals; the flows
draw it anew at every step of training and average their parameters, as ours does, while validation
and test rows keep their noise.

Needs scikit-learn and FlowJAX: pip install scikit-learn flowjax.
"""

import argparse
import importlib
import itertools
import time
import warnings

import numpy as np
from results import Column, Table

from liouville.data import dequantise, split_rows

SIZES = {"digits": (300, 300), "breast_cancer": (95, 95), "wine": (30, 30)}
"""Validation and test rows of the three tables of scikit-learn."""
COLUMNS = (
    *(Column("density"), Column("test nats", ".2f", "min")),
    *(Column("bits per dimension", ".3f", "min"), Column("seconds", ".0f"), Column("chosen")),
)
NAMES = {
    "gaussian": "Gaussian, shrunk",
    "mixture": "Gaussian mixture, full covariance",
    "kernel": "kernel estimate",
    "autoregressive": "masked autoregressive flow",
    "coupling": "coupling flow",
}


def needs(name):
    """An optional package, or an error that says how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        package = {"sklearn": "scikit-learn"}.get(name.split(".")[0], name.split(".")[0])
        raise SystemExit(f"this benchmark needs {package}; pip install {package}") from None


def result(name, validation, test, begun, detail):
    """One row of the table: mean negative log-likelihoods in nats, seconds, chosen settings."""
    return {
        "name": name,
        "validation": float(validation),
        "test": float(test),
        "seconds": time.perf_counter() - begun,
        "detail": detail,
    }


def gaussian(train, validation, test):
    """One Gaussian of full covariance, shrunk to the mean variance by a share from a grid."""
    begun = time.perf_counter()
    mean, cov = train.mean(axis=0), np.cov(train.T, bias=True)
    target = np.eye(len(mean)) * np.trace(cov) / len(mean)

    def nll(x, share):
        factor = np.linalg.cholesky((1 - share) * cov + share * target)
        z = np.linalg.solve(factor, (x - mean).T)
        volume = np.log(np.diag(factor)).sum() + 0.5 * len(mean) * np.log(2 * np.pi)
        return volume + 0.5 * np.mean((z**2).sum(axis=0))

    shares = np.logspace(-8, -0.5, 61)
    best = min(shares, key=lambda share: nll(validation, share))
    detail = {"shrinkage": float(best)}
    return result("gaussian", nll(validation, best), nll(test, best), begun, detail)


def mixture(train, validation, test, *, seed=0):
    """Gaussian mixture of full covariances; number of parts and regularisation by validation."""
    begun = time.perf_counter()
    model_class = needs("sklearn.mixture").GaussianMixture
    best, least, chosen = None, np.inf, {}
    regularisations = (1e-6, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.2, 0.3, 0.5)
    most = max(1, len(train) // 10)
    counts = [k for k in (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30) if k <= most]
    for parts, ridge in itertools.product(counts, regularisations):
        model = model_class(parts, reg_covar=ridge, random_state=seed, max_iter=200)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a run that stops early is judged as it is
            try:
                model.fit(train)
            except ValueError:  # a part without rows
                continue
        nll = -model.score(validation)
        if nll < least:
            best, least, chosen = model, nll, {"parts": parts, "reg_covar": ridge}
    if best is None:
        raise ValueError("no Gaussian mixture could be fitted; give more rows")
    return result("mixture", least, -best.score(test), begun, chosen)


def kernel(train, validation, test):
    """Kernel density estimate with Gaussian kernels; the bandwidth by validation."""
    from scipy.spatial.distance import cdist
    from scipy.special import logsumexp

    begun = time.perf_counter()
    n, dim = train.shape
    squares = {"validation": cdist(validation, train, "sqeuclidean")}
    squares["test"] = cdist(test, train, "sqeuclidean")

    def nll(part, width):
        log_volume = dim * np.log(width) + 0.5 * dim * np.log(2 * np.pi) + np.log(n)
        return log_volume - np.mean(logsumexp(-0.5 * squares[part] / width**2, axis=1))

    widths = np.logspace(-2, 1, 121)
    best = min(widths, key=lambda width: nll("validation", width))
    detail = {"bandwidth": float(best)}
    return result("kernel", nll("validation", best), nll("test", best), begun, detail)


FLOWS = (("spline", 2, 64), ("spline", 1, 128), ("spline", 3, 128), ("affine", 5, 128))
"""Transformers, layers and widths, tried in this order; each has an equal share of the time."""

RATES = ((1e-3, 0.0, 0.0), (5e-4, 1.0, 0.0), (5e-4, 5.0, 0.0), (5e-4, 5.0, 0.1))
"""Learning rates and weight decays of AdamW, tried for each of `FLOWS`; and the widths of bells
that are added to columns of whole steps, as in ours, in standardised units, half a step at most."""


def flow(kind, train, validation, test, step, *, seconds=300.0, seed=0):
    """A normalising flow of FlowJAX with a standard normal base, its settings by validation.

    Args:
        kind: "autoregressive" or "coupling".
        train: Training rows without noise, shape (n, dim), about standardised.
        validation: Rows for early stopping and for the choice of settings.
        test: Rows for the result.
        step: Width of the noise of each column in these units, 0 for none, shape (dim,).
        seconds: Time to train all settings together, without compilation.
        seed: Of the start and the batches.
    """
    begun, trained = time.perf_counter(), 0.0
    runs = list(itertools.product(FLOWS, RATES))
    best, chosen, tried, compiled = (np.inf, np.inf, 0), {}, [], {}
    for i, (shape, (rate, decay, bells)) in enumerate(runs):
        if shape not in compiled:
            compiled = {shape: _FlowFit(kind, shape, train, validation, test, step, seed)}
        start = time.perf_counter()
        share = max(seconds - trained, 0.0) / (len(runs) - i)
        found = compiled[shape].train(rate, decay, bells, share)
        trained += time.perf_counter() - start
        tried.append((*shape, rate, decay, bells, round(found[0], 3), found[2]))
        if found[0] < best[0]:
            best = found
            chosen = {"shape": shape, "rate": rate, "decay": decay, "bells": bells}
            chosen |= {"steps": found[2]}
    chosen["training_seconds"] = round(trained, 1)
    return result(kind, best[0], best[1], begun, {**chosen, "tried": tried})


class _FlowFit:
    """A flow of one shape, compiled once, and its training at any rate."""

    def __init__(self, kind, shape, train, validation, test, step, seed):
        import equinox as eqx
        import jax
        import jax.numpy as jnp
        import optax

        paramax = needs("paramax")
        self.rows = [jnp.asarray(x, jnp.float32) for x in (train, validation, test)]
        self.seed, self.batch, self.width = seed, min(128, len(train)), step
        params, static = eqx.partition(
            _new_flow(kind, shape, train.shape[1], seed),
            eqx.is_inexact_array,
            is_leaf=lambda leaf: isinstance(leaf, paramax.NonTrainable),
        )
        optimizer = optax.chain(optax.clip_by_global_norm(5.0), optax.scale_by_adam())

        def loss(params, x):
            return -paramax.unwrap(eqx.combine(params, static)).log_prob(x).mean()

        @jax.jit
        def step(params, state, average, x, rate, decay):
            updates, state = optimizer.update(jax.grad(loss)(params, x), state)
            move = jax.tree.map(lambda u, p: -rate * (u + decay * p), updates, params)
            params = optax.apply_updates(params, move)
            average = jax.tree.map(lambda a, p: a + 0.01 * (p - a), average, params)
            return params, state, average

        self.start, self.step = (params, optimizer.init(params), params), step
        self.loss = jax.jit(loss)
        self.step(*self.start, self.rows[0][: self.batch], 0.0, 0.0)
        for x in self.rows[1:]:
            self.loss(params, x)

    def train(self, rate, decay, bells, seconds):
        """Validation and test numbers, and steps, of the best state on the way."""
        begun, rng = time.perf_counter(), np.random.default_rng(self.seed)
        x, v, t = self.rows
        values, bells = np.asarray(x), np.minimum(bells, 0.5 * self.width)
        (params, state, average), per_epoch = self.start, len(x) // self.batch
        least, kept, kept_at = np.inf, average, 0
        patience, epoch, is_over = max(20 * per_epoch, 200), 0, False
        while not is_over:
            epoch += 1
            order = rng.permutation(len(x))[: per_epoch * self.batch]
            for rows in order.reshape(per_epoch, self.batch):
                shape = (self.batch, values.shape[1])
                noise = self.width * rng.random(shape) + bells * rng.normal(size=shape)
                noisy = (values[rows] + noise).astype(np.float32)
                params, state, average = self.step(params, state, average, noisy, rate, decay)
            nll = float(self.loss(average, v))
            if nll < least:
                least, kept, kept_at = nll, average, epoch * per_epoch
            is_over = (
                epoch * per_epoch - kept_at >= patience
                or not np.isfinite(nll)
                or time.perf_counter() - begun > seconds
            )
        return least, float(self.loss(kept, t)), kept_at


def _new_flow(kind, shape, dim, seed):
    import jax.numpy as jnp
    import jax.random as jr

    transformer, layers, width = shape
    flows, bijections = needs("flowjax.flows"), needs("flowjax.bijections")
    make = {
        "autoregressive": flows.masked_autoregressive_flow,
        "coupling": flows.coupling_flow,
    }[kind]
    spline = bijections.RationalQuadraticSpline(knots=8, interval=4)
    return make(
        jr.key(seed),
        base_dist=needs("flowjax.distributions").Normal(jnp.zeros(dim)),
        transformer=spline if transformer == "spline" else None,
        flow_layers=layers,
        nn_width=width,
        nn_depth=1,
    )


def all_rivals(train, validation, test, lattice, *, seconds=300.0, seed=0, report=None):
    """Runs every rival on standardised rows; results in nats per row in the units of the rows.

    Args:
        train: Training rows, shape (n, dim), float64.
        validation: Rows for all choices.
        test: Rows for the result.
        lattice: The lattices of the columns.
        seconds: Time to train each of the two flows, without compilation.
        seed: Of mixtures and flows.
        report: Called with each result.
    """
    center, scale = train.mean(axis=0), train.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    rows = [(x - center) / scale for x in (train, validation, test)]
    volume = float(np.log(scale).sum())
    values = (lattice.remove_noise(train) - center) / scale
    flows = (values, *rows[1:], lattice.step / scale)
    runs = (
        lambda: gaussian(*rows),
        lambda: mixture(*rows, seed=seed),
        lambda: kernel(*rows),
        lambda: flow("autoregressive", *flows, seconds=seconds, seed=seed),
        lambda: flow("coupling", *flows, seconds=seconds, seed=seed),
    )
    found = []
    for run in runs:
        row = run()
        row["validation"] += volume
        row["test"] += volume
        found.append(row)
        if report is not None:
            report(row)
    return found


def table(name, *, seed=0):
    """A table of scikit-learn, dequantised: rows, class numbers, lattices of the columns."""
    data = getattr(needs("sklearn.datasets"), f"load_{name}")()
    points = np.asarray(data.data, np.float64)
    features = tuple(str(feature) for feature in data.feature_names)
    points, lattice = dequantise(points, features, seed=seed, source=name)
    return points, data.target, lattice


def report(name, shown, *, seconds, seed):
    """Runs the rivals on a table of scikit-learn and adds one row for each."""
    points, labels, lattice = table(name, seed=seed)
    parts = split_rows(labels, len(points), SIZES[name], seed)
    rows = [points[part] for part in parts]

    def add(row):
        told = {key: value for key, value in row["detail"].items() if key != "tried"}
        chosen = ", ".join(f"{key} {_short(value)}" for key, value in told.items())
        bits = float(lattice.bits_per_dimension(-row["test"]))
        cells = {"density": NAMES[row["name"]], "test nats": row["test"], "chosen": chosen}
        shown.add({**cells, "bits per dimension": bits, "seconds": row["seconds"]})

    all_rivals(*rows, lattice, seconds=seconds, seed=seed, report=add)


def _short(value):
    return f"{value:.3g}" if isinstance(value, float) else value


def main():
    """Prints one line for each rival."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", choices=sorted(SIZES))
    parser.add_argument("--seconds", type=float, default=300.0, help="for each flow")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    shown = Table(options.table, COLUMNS, keep=False)
    report(options.table, shown, seconds=options.seconds, seed=options.seed)


if __name__ == "__main__":
    main()
