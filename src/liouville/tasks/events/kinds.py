"""Kinds of events: which trigger which, and the plain laws beside that of a model."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from liouville.data import Events
from liouville.processes import Excerpts, InheritedKinds, Kinds, PointProcess
from liouville.tasks.events.model import EventModel

INDEPENDENT, LAST = "independent kinds", "kinds by the last one"
MATRIX = "offspring by kind"


class Offspring(NamedTuple):
    """How many events of each kind an event triggers directly.

    Attributes:
        kinds: their names.
        matrix: of one event of kind j the expected children of kind k, shape `(kinds, kinds)`.
        errors: standard errors, the kernel and the zones being known; NaN of kinds that never came,
            and where all parents have one law.
    """

    kinds: tuple[str, ...]
    matrix: np.ndarray
    errors: np.ndarray

    @property
    def branching_ratio(self) -> float:
        """The spectral radius of the matrix: clusters are finite if it is below one."""
        return float(np.abs(np.linalg.eigvals(self.matrix)).max())

    @property
    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """The matrix and the errors as rows of tables, one a kind of parent."""
        pairs = {MATRIX: self.matrix, f"{MATRIX}, errors": self.errors}
        return {
            name: [
                {"an event of": kind}
                | {
                    k: float(f"{v:.4g}") if np.isfinite(v) else None
                    for k, v in zip(self.kinds, row)
                }
                for kind, row in zip(self.kinds, values.tolist(), strict=True)
            ]
            for name, values in pairs.items()
        }


def offspring(model: EventModel, training: Events) -> Offspring | None:
    r"""The matrix of a model whose kinds are inherited from parents in time; none of others.

    $A_{jk} = \kappa_j B_{jk}$, with the mean of $\kappa$ over the events of kind $j$. In the
    log-likelihood $\sum_n \log\sum_j A_{j k_n} V_{nj} - \sum_{jk} A_{jk} G_j$ each column stands by
    itself: the curvature of column $k$, with the background of this kind, is
    $\sum_{n: k_n = k} V_n V_n^\top / \lambda_n^2$, whose inverse has the squared errors.
    """
    law, hawkes = model.process.marks, model.hawkes
    if hawkes is None or not isinstance(law, InheritedKinds):
        return None
    count, kinds = law.kinds, training.marks
    assert kinds is not None
    means = np.exp(np.asarray(hawkes.log_means(*_marks_and_odds(model, training)), np.float64))
    number = np.bincount(kinds.astype(int), minlength=count)
    total = np.bincount(kinds.astype(int), means, minlength=count)
    alone = np.exp(np.asarray(hawkes.log_means(jnp.arange(float(count)), jnp.zeros(count))))
    mean = np.where(number > 0, total / np.maximum(number, 1), alone)
    shares = np.asarray(law.shares, np.float64)
    chances, own = chances_of_parents(model, training)
    values = chances / np.concatenate([[1.0], mean])
    matrix = mean[:, None] * shares
    with_first = np.concatenate([_background(law)[None], matrix])
    values = values / (values * with_first[:, own].T).sum(axis=1, keepdims=True)
    errors = np.full_like(matrix, np.nan)
    if law.same is None:
        errors = np.stack([_errors(values[own == kind]) for kind in range(count)], axis=1)
    return Offspring(model.kinds, matrix, errors)


def _marks_and_odds(model: EventModel, events: Events) -> tuple[jax.Array, jax.Array]:
    return jnp.asarray(model.units.marks(events)), jnp.asarray(model.log_odds(events))


def _background(law: InheritedKinds) -> np.ndarray:
    return np.asarray(law.alone.probabilities, np.float64)


def _errors(values: np.ndarray) -> np.ndarray:
    """Standard errors of one column without the background, from the terms of its events."""
    curvature = values.T @ values
    seen = np.diag(curvature) > 0
    found = np.full(len(curvature), np.nan)
    inverse = np.linalg.pinv(curvature[np.ix_(seen, seen)], hermitian=True)
    found[seen] = np.sqrt(np.maximum(np.diag(inverse), 0.0))
    return found[1:]


def chances_of_parents(model: EventModel, events: Events) -> tuple[np.ndarray, np.ndarray]:
    """The chances that each event has no parent and one of each kind, and the kinds of events.

    What kind an event is makes no difference for these chances. Events of history are left out.
    Shapes `(n, kinds + 1)` and `(n,)`.
    """
    excerpts = model.excerpts(events)
    found = np.asarray(_by_kind(model.process, excerpts), np.float64)
    marks = excerpts.history.marks[:, -excerpts.targets :]
    is_event = np.asarray(excerpts.is_event)
    return found[is_event], np.asarray(marks)[is_event].round().astype(int)


@eqx.filter_jit
def _by_kind(process: PointProcess, excerpts: Excerpts) -> jax.Array:
    law = process.marks
    assert isinstance(law, InheritedKinds)

    def one(excerpt: Excerpts) -> jax.Array:
        history = excerpt.history

        def at_event(t: jax.Array, x: jax.Array) -> jax.Array:
            parents = process.log_parents(history, t, x)
            assert parents is not None
            return law.by_kind(history, parents)

        return jax.vmap(at_event)(*excerpt.predicted[:2])

    return jax.lax.map(one, excerpts)


def mean_chances(model: EventModel, events: Events) -> np.ndarray:
    """The chance of each kind at every event before it comes, on average, shape `(kinds,)`."""
    law = model.process.marks
    if isinstance(law, Kinds):
        return np.asarray(law.probabilities, np.float64)
    assert isinstance(law, InheritedKinds)
    mean = chances_of_parents(model, events)[0].mean(axis=0)
    return mean[0] * _background(law) + mean[1:] @ np.asarray(law.shares, np.float64)


def plain_laws(training: Events, events: Events) -> dict[str, np.ndarray]:
    """What plain laws of kinds say of events that were not history, by name, shapes `(n,)`.

    Log-probabilities: of the shares of the training events whatever was before, and of a table by
    the kind of the event before, whose rows are drawn to these shares as if there had been one
    event of each kind more.
    """
    count = len(training.kinds)
    seen, before = _kinds_and_before(training)
    shares = (np.bincount(seen, minlength=count) + 1.0) / (len(seen) + count)
    table = np.tile(count * shares, (count + 1, 1))
    np.add.at(table, (before, seen), 1.0)
    table /= table.sum(axis=1, keepdims=True)
    own, last = _kinds_and_before(events)
    return {INDEPENDENT: np.log(shares[own]), LAST: np.log(table[last, own])}


def _kinds_and_before(events: Events) -> tuple[np.ndarray, np.ndarray]:
    """Kinds of events, and of those before them in their sequences; the last number for none."""
    assert events.marks is not None
    kinds = events.marks.astype(int)
    is_first = np.diff(events.sequence, prepend=-1) != 0
    before = np.where(is_first, len(events.kinds), np.roll(kinds, 1))
    return kinds[~events.is_history], before[~events.is_history]
