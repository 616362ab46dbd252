r"""How much more a model says of events than another one, and how sure that is.

The information gain per event is the mean difference of two log-likelihoods,

$$G = \frac1N \sum_{i=1}^N (\ell_i - \ell^0_i), \qquad
  \ell_i = \log\lambda(t_i) - \int_{t_{i-1}}^{t_i} \lambda\,dt + \log\rho(x_i),$$

the first two terms in time, the last in space; the integral to the end of observation counts with
the last event. Aftershocks come in sequences in which one model is ahead of the other all along, so
that the differences are no independent draws and their standard deviation over $\sqrt N$ is too
small. The error is that of a block bootstrap, paired: of the differences themselves.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from liouville.data import Events
from liouville.errors import LiouvilleError
from liouville.tasks.events.scores import Scores

# Fewer sequences are cut into blocks of events, more are blocks of their own.
_MANY = 10
_LEVEL = 0.95
# Of fewer events there is no error to be told.
_FEWEST = 3


class Gain(NamedTuple):
    """A mean gain in nats per event.

    Attributes:
        mean: larger is better.
        error: its standard error; NaN of fewer than three events.
        low: the lower end of its interval of 95 %; likewise.
        high: the upper end.
        block: how many consecutive events (or sequences, if there are many) make a block.
    """

    mean: float
    error: float
    low: float
    high: float
    block: int


def information_gain(ours: Scores, theirs: Scores, events: Events) -> dict[str, Gain]:
    """The gain of a model over another one on the same events: in `time`, in `space`, in `all`.

    Of events in time alone there is none in `space`; of those with kinds there is one of `kinds`.
    Blocks are whole sequences if there are ten or more of them, else consecutive events in the
    order given, as many as `block_length` says; all gains have the same.

    Args:
        ours: the scores of the model.
        theirs: those of the other model.
        events: what both were scored on.

    Raises:
        LiouvilleError: if they are scores of other numbers of events.
    """
    many = (len(ours.log_rates), len(theirs.log_rates), int(events.counts.sum()))
    if len(set(many)) > 1:
        raise LiouvilleError(
            f"scores of {many[0]} and of {many[1]} events, of which there are {many[2]}; score "
            "both models on the same events"
        )
    time = _in_time(ours, events) - _in_time(theirs, events)
    values = {"time": time}
    if events.dim:
        values["space"] = ours.log_places - theirs.log_places
    if events.kinds:
        values["kinds"] = ours.log_marks - theirs.log_marks
    if len(values) > 1:
        values["all"] = np.sum(list(values.values()), axis=0)
    if len(events.windows) >= _MANY:
        own, sizes = events.sequence[~events.is_history], events.counts.astype(float)
        values = {name: np.bincount(own, v, len(sizes)) for name, v in values.items()}
        block = 1
    else:
        sizes = np.ones(len(time))
        block = max(block_length(v) for v in values.values())
    return {name: mean_of_blocks(v, sizes, block) for name, v in values.items()}


def gain_rows(other: str, gains: Mapping[str, Gain]) -> list[dict[str, Any]]:
    """Gains over another model as rows of a table."""
    return [
        {
            "gain over": other,
            "in": where,
            "nats per event": figure(gain.mean),
            "nats per event_error": figure(gain.error),
            "95 % from": figure(gain.low),
            "to": figure(gain.high),
            "block of events": gain.block,
        }
        for where, gain in gains.items()
    ]


def figure(value: float) -> float | None:
    """A figure as tables have it: four digits, and none of what is not finite."""
    return round(value, 4) if np.isfinite(value) else None


def _in_time(scores: Scores, events: Events) -> np.ndarray:
    """The log-likelihood in time of every event, that of a rest with the event before it."""
    found, own = scores.log_rates - scores.rescaled, events.sequence[~events.is_history]
    after = np.searchsorted(own, np.arange(len(events.windows)), side="right")
    np.subtract.at(found, np.maximum(after - 1, 0), scores.rest)
    return found


def mean_of_blocks(values: np.ndarray, sizes: np.ndarray, block: int) -> Gain:
    r"""The mean of a series $\sum_i v_i / \sum_i w_i$ with the error of a circular block bootstrap.

    As replicates grow in number the error has a closed form, so that none is drawn: with the sums
    $S_j$ of $v_i - G w_i$ over the $b$ entries from $j$ on, the end joined to the begin,

    $$\text{error} = \frac{\operatorname{sd}(S)}{b\,\bar w \sqrt{m - 1}}, \qquad m = \frac nb.$$

    The interval is that of Student's law with $m - 1$ degrees of freedom. Source: Politis and
    Romano (1992), A circular block-resampling procedure for stationary data.

    Args:
        values: $v$, in their order, shape `(n,)`.
        sizes: $w$, how many events each stands for, shape `(n,)`.
        block: $b$.
    """
    mean, n = float(values.sum() / sizes.sum()), len(values)
    if n < _FEWEST:
        return Gain(mean, np.nan, np.nan, np.nan, block)
    apart = values - mean * sizes
    joined = np.concatenate([[0.0], apart, apart[:block]]).cumsum()
    many = n / block
    spread = (joined[block : block + n] - joined[:n]).std() / (block * sizes.mean())
    error = float(spread / np.sqrt(many - 1.0))
    reach = error * float(stdtrit(many - 1.0, 0.5 + 0.5 * _LEVEL))
    return Gain(mean, error, mean - reach, mean + reach, block)


def block_length(x: np.ndarray) -> int:
    r"""How long blocks of a series are, for an interval of its mean.

    $$b = \Bigl(\frac{2 G^2}{D}\Bigr)^{1/3} n^{1/3}, \qquad
      G = \sum_k \lambda(k/M)\,|k|\,R(k), \qquad
      D = \tfrac43 \Bigl(\sum_k \lambda(k/M)\,R(k)\Bigr)^2,$$

    with the autocovariance $R$, the window $\lambda$ that is one up to $\tfrac12$ and falls to zero
    at one, and $M$ twice the lag from which on no autocorrelation of the next few is beyond
    $2\sqrt{\log_{10} n / n}$; from $n^{1/3}$ to $3\sqrt n$. With this $b$ standard errors have the
    least squared error, but intervals are too short: twice as much is taken, at most a third of the
    series.

    Source: Politis and White (2004), corrected by Patton, Politis and White (2009), Automatic
    block-length selection for the dependent bootstrap; the rule for circular blocks.
    """
    n = len(x)
    root, most = n ** (1.0 / 3.0), max(n // 3, 1)
    centred = x - x.mean()
    next_few = max(5, int(np.ceil(np.sqrt(np.log10(max(n, 2))))))
    lags = min(n - 1, int(np.ceil(np.sqrt(n))) + next_few)
    covariance = np.array([centred[: n - k] @ centred[k:] / n for k in range(lags + 1)])
    if not covariance[0] > 0:
        return min(int(np.ceil(2.0 * root)), most)
    is_small = np.abs(covariance[1:] / covariance[0]) < 2.0 * np.sqrt(np.log10(n) / n)
    runs = np.convolve(is_small, np.ones(next_few), "valid") == next_few
    lag = int(np.argmax(runs)) if runs.any() else lags
    reach = min(2 * max(lag, 1), lags)
    k = np.arange(1, reach + 1)
    window = np.clip(2.0 * (1.0 - k / reach), 0.0, 1.0)
    weighted = window * covariance[1 : reach + 1]
    slope, level = 2.0 * (k * weighted).sum(), covariance[0] + 2.0 * weighted.sum()
    # At most the bound that Politis and White recommend.
    own = min((2.0 * slope**2 / (4.0 / 3.0 * level**2)) ** (1.0 / 3.0) * root, 3.0 * np.sqrt(n))
    return min(int(np.ceil(2.0 * max(own, root))), most)
