"""Events of several kinds from a known multivariate Hawkes process: nats, and the matrix recovered.

    python benchmarks/events_kinds.py                    # in time alone, 3 and 10 kinds
    python benchmarks/events_kinds.py --kinds 3 --spread 0.03  # in the plane
    python benchmarks/events_kinds.py --pinwheel         # the ten arms of the pinwheel as kinds

With `--save` the first two write the tables of the pages.

The first eight tenths of the time are for training, a tenth for validation, a tenth for the test.
Nats per event of the test and what they are more than under the truth, with the error of a block
bootstrap. *Multivariate Hawkes* is one exponential kernel whose matrix has the greatest likelihood,
without a prior: what the usual libraries fit. The truth is of that family.
"""

import argparse
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from results import Column, Table
from scipy.optimize import minimize_scalar

from liouville.data import Events
from liouville.problems.events import PinwheelProcess, Sequences
from liouville.problems.kinds import KindsProcess
from liouville.tasks.events.config import EventsConfig
from liouville.tasks.events.fit import fit_events
from liouville.tasks.events.gain import information_gain
from liouville.tasks.events.kinds import INDEPENDENT, LAST, offspring, plain_laws
from liouville.tasks.events.poisson import poisson_scores
from liouville.tasks.events.scores import Scores
from liouville.tasks.events.split import Split, divide

_SWEEPS = 400
NATS = [
    *(Column("process"), Column("model"), Column("time", ".4f"), Column("space", ".4f")),
    *(Column("kinds", ".4f"), Column("over the truth", "+.4f", error="error")),
    *(Column("error", ".4f"), Column("seconds", ".0f")),
]
MATRIX = [
    *(Column("process"), Column("events"), Column("branching ratio", ".3f"), Column("true", ".3f")),
    *(Column("within two errors, %", ".0f"), Column("largest, of its error", ".1f")),
    *(Column("rms error", ".4f"), Column("rms error, multivariate Hawkes", ".4f")),
]


def truth_of(kinds: int, spread: float | None) -> KindsProcess:
    """Three kinds in a ring, or a sparse matrix of many."""
    if kinds == 3:
        matrix = np.array([[0.3, 0.3, 0.0], [0.0, 0.2, 0.4], [0.25, 0.0, 0.1]])
        return KindsProcess(np.array([0.3, 0.2, 0.1]), matrix, 2.0, spread)
    rng = np.random.default_rng(1)
    matrix = rng.exponential(size=(kinds, kinds)) * (rng.uniform(size=(kinds, kinds)) < 0.3)
    matrix *= 0.6 / np.abs(np.linalg.eigvals(matrix)).max()
    return KindsProcess(rng.uniform(0.02, 0.1, kinds), matrix, 2.0, spread)


def events_of(drawn: Sequences, kinds: int, source: str) -> Events:
    """The events of a problem, with names for their kinds."""
    columns = (drawn.times, drawn.places, drawn.sequence, drawn.windows, drawn.marks)
    names = tuple(f"kind {i + 1}" for i in range(kinds))
    features = ("x", "y")[: drawn.places.shape[1]]
    more = {"features": features, "kinds": names, "mark_name": "kind", "source": source}
    return Events(*columns, **more).check()


class Exponential:
    """A multivariate Hawkes process with one exponential, of given parameters or the best ones."""

    def __init__(self, rates: np.ndarray, matrix: np.ndarray, decay: float):
        self.rates, self.matrix, self.decay = rates, matrix, decay

    @classmethod
    def fitted(cls, events: Events) -> "Exponential":
        """Of greatest likelihood: the matrix for each decay, which is concave, and the decay."""
        found: dict[float, tuple[float, Exponential]] = {}

        def nats(log_decay: float) -> float:
            own = cls._for_decay(events, float(np.exp(log_decay)))
            scores = own.scores(events, float(events.windows[0, 0]))
            found[log_decay] = (scores.nats_in_time + scores.nats_of_marks, own)
            return found[log_decay][0]

        gap = np.log(events.mean_gap)
        minimize_scalar(
            nats, bounds=(-gap - 4, -gap + 4), method="bounded", options={"maxiter": 20}
        )
        return min(found.values(), key=lambda pair: pair[0])[1]

    @classmethod
    def _for_decay(cls, events: Events, decay: float) -> "Exponential":
        kinds, count = events.marks.astype(int), len(events.kinds)
        begin, end = events.windows[0].tolist()
        sums = np.column_stack([np.ones(len(kinds)), _states(events, decay)[0]])
        left = -np.expm1(-decay * (end - events.times))
        masses = np.append(end - begin, np.bincount(kinds, left, count))
        own = np.full((count + 1, count), 1.0)
        own *= len(kinds) / (own.sum(axis=1) @ masses)
        onto = np.eye(count)[kinds]
        for _ in range(_SWEEPS):
            rates = (sums * own[:, kinds].T).sum(axis=1)
            own *= (sums / rates[:, None]).T @ onto / masses[:, None]
        return cls(own[0], own[1:], decay)

    def scores(self, events: Events, begin: float) -> Scores:
        """What it says of the events from a time on, given those before."""
        before, after = _states(events, self.decay)
        rates = self.rates + before @ self.matrix
        total, kinds = rates.sum(axis=1), events.marks.astype(int)
        since = np.concatenate([[events.windows[0, 0]], events.times])
        until = np.append(events.times, events.windows[0, 1])
        cut = np.maximum(since, begin)
        means = np.concatenate([[0.0], after @ self.matrix.sum(axis=1)]) / self.decay
        passed = np.exp(-self.decay * (cut - since)) - np.exp(-self.decay * (until - since))
        integrals = self.rates.sum() * (until - cut) + means * passed
        late = events.times >= begin
        marks = np.log(rates[np.arange(len(kinds)), kinds] / total)[late]
        zeros = np.zeros(int(late.sum()))
        return Scores(np.log(total)[late], zeros, marks, integrals[:-1][late], integrals[-1:])


def _states(events: Events, decay: float) -> tuple[np.ndarray, np.ndarray]:
    """The sums of kernels by kind of parent, just before each event and just after it."""
    kinds = events.marks.astype(int)
    before, state = np.zeros((len(kinds), len(events.kinds))), np.zeros(len(events.kinds))
    after = before.copy()
    factors = np.exp(-decay * np.diff(events.times, prepend=events.times[0]))
    for i, (kind, factor) in enumerate(zip(kinds.tolist(), factors.tolist(), strict=True)):
        state = state * factor
        before[i] = state
        state[kind] += decay
        after[i] = state
    return before, after


def in_space(truth: KindsProcess, events: Events, begin: float, scores: Scores) -> Scores:
    """The scores of a truth in the plane, which knows the places."""
    columns = (events.times, events.places, events.marks, events.sequence, events.windows)
    drawn, late = Sequences(*columns, np.zeros(len(events), int)), events.times >= begin
    places, kinds = truth.log_places(drawn)[late], truth.log_kinds(drawn)[late]
    return scores._replace(log_places=places, log_marks=kinds)


def line(name: str, scores: Scores, truth: Scores, events: Events) -> dict[str, Any]:
    """One row of the table; what is known is not more than itself."""
    row: dict[str, Any] = {"model": name, "time": scores.nats_in_time}
    row |= {"kinds": scores.nats_of_marks} | ({"space": scores.nats_in_space} if events.dim else {})
    if scores is not truth:
        more = information_gain(truth, scores, events)["all"]
        row |= {"over the truth": more.mean, "error": more.error}
    return row


def known(truth: KindsProcess, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """One draw of a known process: rows of models, and at last one of the matrix."""
    kinds = len(truth.rates)
    drawn = truth.sample(count / truth.rate, seed=seed)
    events = events_of(drawn, kinds, "a known process")
    parts = divide(events, EventsConfig())
    test = parts.test
    assert test is not None
    begin = float(test.windows[0, 0])
    begun = time.monotonic()
    fitted = fit_events(parts, progress=False)
    model, seconds = fitted.model, time.monotonic() - begun
    true = Exponential(truth.rates, truth.matrix, truth.decay).scores(events, begin)
    if truth.spread is not None:
        true = in_space(truth, events, begin, true)
    yield line("the truth", true, true, test)
    own = model.scores(test)
    yield line("ours", own, true, test) | {"seconds": seconds}
    assert model.plain_model is not None
    yield line("plain law", model.plain_model.scores(test), true, test)
    matrix: dict[str, Any] = {"events": len(events), "true": truth.branching_ratio}
    if not events.dim:
        plain = Exponential.fitted(parts.training)
        off = np.sqrt(np.mean((plain.matrix - truth.matrix) ** 2))
        matrix["rms error, multivariate Hawkes"] = float(off)
        yield line("multivariate Hawkes", plain.scores(events, begin), true, test)
    for name in (LAST, INDEPENDENT):
        marks = plain_laws(parts.training, test)[name]
        yield line(f"ours, but {name}", own._replace(log_marks=marks), true, test)
    poisson = poisson_scores(test, parts.training, model.units)
    yield line("homogeneous Poisson", poisson, true, test)
    found = offspring(model, parts.training)
    assert found is not None
    z = np.abs(found.matrix - truth.matrix) / found.errors
    matrix |= {"branching ratio": found.branching_ratio, "largest, of its error": float(z.max())}
    matrix["within two errors, %"] = 100.0 * float(np.mean(z < 2))
    yield matrix | {"rms error": float(np.sqrt(np.mean((found.matrix - truth.matrix) ** 2)))}


def pinwheel(sequences: int, seed: int) -> None:
    """The pinwheel, whose arms are hidden in its usual form, with the arms as kinds."""
    process = PinwheelProcess()
    sizes = (sequences, max(sequences // 10, 1), max(sequences // 10, 1))
    draws = [process.sample(n, seed=seed + i) for i, n in enumerate(sizes)]
    parts = Split(*(events_of(drawn, process.classes, "pinwheel") for drawn in draws))
    assert parts.test is not None
    begun = time.monotonic()
    settings = {"places.model": "routed", "measure.baselines": False}
    fitted = fit_events(parts, settings, progress=False)
    model, test, drawn = fitted.model, parts.test, draws[2]
    own, laws = model.scores(test), plain_laws(parts.training, test)
    # The truth's chances of kinds given the times and kinds before: the rate of each over the sum.
    matrix = process.weight * np.roll(np.eye(process.classes), 1, axis=1)
    rates = np.full(process.classes, process.base)
    kinds = KindsProcess(rates, matrix, process.decay).log_kinds(drawn)
    integral = process.integrals(drawn).sum()
    true = (integral - process.log_rates(drawn).sum()) / len(test)
    print(f"\npinwheel, {len(parts.training)} events of {process.classes} kinds")
    print(f"{'nats per event of the test':32s}{'time':>9s}{'kinds':>9s}")
    print(f"{'truth':32s}{true:9.4f}{-kinds.mean():9.4f}")
    for name in (INDEPENDENT, LAST):
        print(f"{name:32s}{'':9s}{-laws[name].mean():9.4f}")
    name = f"ours ({time.monotonic() - begun:.0f} s)"
    print(f"{name:32s}{own.nats_in_time:9.4f}{own.nats_of_marks:9.4f}")
    found = offspring(model, parts.training)
    assert found is not None
    right = matrix > 0
    print(
        f"children of the next arm {found.matrix[right].mean():.3f} (.600), of others "
        f"{found.matrix[~right].mean():.4f}; branching ratio {found.branching_ratio:.3f}"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--kinds", type=int, nargs="+", default=[3, 10])
    options.add_argument("--events", type=int, default=10_000)
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument("--spread", type=float)
    options.add_argument("--pinwheel", action="store_true")
    options.add_argument("--sequences", type=int, default=400)
    options.add_argument("--save", action="store_true", help="write the tables of the pages")
    chosen = options.parse_args()
    warnings.simplefilter("ignore")
    if chosen.pinwheel:
        for seed in range(chosen.seeds):
            pinwheel(chosen.sequences, 10 * seed)
        return
    where = "_plane" if chosen.spread is not None else ""
    cases = [(kinds, seed) for seed in range(chosen.seeds) for kinds in chosen.kinds]
    nats, matrices = Table(f"events_kinds{where}", NATS, keep=chosen.save), []
    for kinds, seed in cases:
        process = {"process": f"{kinds} kinds, seed {seed}"}
        *rows, matrix = known(truth_of(kinds, chosen.spread), chosen.events, seed)
        for row in rows:
            nats.add(process | row)
        matrices.append(process | matrix)
    print()
    last = Table(f"events_kinds_matrix{where}", MATRIX, keep=chosen.save)
    for row in matrices:
        last.add(row)


if __name__ == "__main__":
    main()
