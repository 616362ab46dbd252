"""Which kinds of events trigger which: shares of children, from the chances of their parents."""

from typing import NamedTuple

import numpy as np

from liouville.processes import InheritedKinds

# With more kinds, one row of shares for all parents, beside the parent's own kind.
MOST_KINDS = 30
# Events whose children are as many as those of the guess; infinity is the guess alone.
_STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, np.inf)
_PARTS, _SAMPLE = 3, 20_000  # of the cross-validation, and its most events
_SWEEPS, _FEW_SWEEPS, _STILL = 300, 60, 1e-5
_TINY = 1e-300


class Inheritance(NamedTuple):
    """A law of inherited kinds, and what drew it.

    Attributes:
        law: the law.
        counts: events that were added to those seen, by kind of parent and of child, shape
            `(kinds, kinds)`; zeros if the law is the guess itself.
    """

    law: InheritedKinds
    counts: np.ndarray


class _Shares(NamedTuple):
    """Probabilities of kinds."""

    background: np.ndarray  # (kinds,)
    children: np.ndarray  # a row for each kind of parent, (kinds, kinds)
    drawn: np.ndarray  # of children whatever their parent, (kinds,)
    same: float  # the chance to be of the parent's kind, else drawn

    @property
    def guess(self) -> np.ndarray:
        """Rows of one law for all parents, beside their own kind."""
        return (1.0 - self.same) * self.drawn + self.same * np.eye(len(self.drawn))


def inherited(chances: np.ndarray, kinds: np.ndarray, fold: np.ndarray) -> Inheritance:
    r"""The law $P(k) = p_0 b_k + \sum_j p_j B_{jk}$ of kinds, by expectation maximisation.

    Rows of $B$ are drawn to a guess of few numbers, $(1 - \sigma) s_k + \sigma [j = k]$, as if $c$
    events more had been seen: $B_{jk} = (n_{jk} + c\, G_{jk}) / (n_j + c)$ with the expected
    numbers of children $n$. The strength $c$ is the best for other stretches of time; with more
    than `MOST_KINDS` kinds it is infinite.

    Args:
        chances: that each event has no parent, and one of each kind, when its own kind is not
            known, shape `(n, kinds + 1)`.
        kinds: of the events, shape `(n,)`.
        fold: the number of the stretch of time of every event, shape `(n,)`.
    """
    count = chances.shape[1] - 1
    strength = np.inf
    if count <= MOST_KINDS:
        rows = np.arange(len(kinds))[-_SAMPLE:]
        strength = _preferred(chances[rows], kinds[rows], fold[rows])
    found = _maximised(chances, kinds, strength, _SWEEPS)
    if np.isinf(strength) and count > MOST_KINDS:
        law = InheritedKinds.of(found.background, found.drawn[None], found.same)
        return Inheritance(law, np.zeros((count, count)))
    # A guess that is all there is still lets training move it, as if all events were drawn to it.
    counts = min(strength, float(len(kinds))) * found.guess
    return Inheritance(InheritedKinds.of(found.background, found.children), counts)


def _preferred(chances: np.ndarray, kinds: np.ndarray, fold: np.ndarray) -> float:
    """The strength of the guess with which other stretches of time are the most likely."""
    part = fold * _PARTS // (int(fold.max()) + 1)

    def nats(strength: float) -> float:
        total = 0.0
        for left in np.unique(part):
            own, rest = part == left, part != left
            found = _maximised(chances[rest], kinds[rest], strength, _FEW_SWEEPS)
            total -= np.log(_joint(found, chances[own], kinds[own]).sum(axis=1) + _TINY).sum()
        return total

    if len(np.unique(part)) < 2:
        return _STRENGTHS[-1]
    return min(_STRENGTHS, key=nats)


def _maximised(chances: np.ndarray, kinds: np.ndarray, strength: float, sweeps: int) -> _Shares:
    """The shares of greatest likelihood with so strong a guess."""
    count = chances.shape[1] - 1
    seen = (np.bincount(kinds, minlength=count) + 1.0) / (len(kinds) + count)
    found = _Shares(seen, np.tile(seen, (count, 1)), seen, 0.1)
    for _ in range(sweeps):
        joint = _joint(found, chances, kinds)
        joint /= joint.sum(axis=1, keepdims=True) + _TINY
        # By kind of the parent, first that of none, and of the event.
        numbers = np.stack([np.bincount(kinds, column, count) for column in joint.T])
        before, found = found, _from_numbers(found, numbers, strength)
        if np.abs(found.children - before.children).max() < _STILL:
            break
    return found


def _joint(shares: _Shares, chances: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """The chance of each kind of parent together with the kind of the event."""
    return chances * np.concatenate([shares.background[None], shares.children])[:, kinds].T


def _from_numbers(old: _Shares, numbers: np.ndarray, strength: float) -> _Shares:
    """Shares from expected numbers of children; no kind is impossible."""
    first, numbers = numbers[0], numbers[1:]
    count = len(first)
    own = np.diag(numbers) * old.same / (old.same + (1.0 - old.same) * old.drawn)
    drawn = numbers.sum(axis=0) - own + 1.0 / count
    found = _Shares(
        (first + 1.0 / count) / (first.sum() + 1.0),
        old.children,
        drawn / drawn.sum(),
        float((own.sum() + 0.5) / (numbers.sum() + 1.0)),
    )
    if np.isinf(strength):
        return found._replace(children=found.guess)
    rows = numbers + strength * found.guess
    return found._replace(children=rows / rows.sum(axis=1, keepdims=True))
