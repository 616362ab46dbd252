"""Times that many events share: days, weeks, hours."""

import numpy as np

from liouville.data._event_places import are_shared

# More steps than this in all are the resolution of a clock: events listed twice share a second.
_MOST_STEPS = 20_000
# A day of 365.25 or a time in single precision is off by less, as a share of a step.
_ROUNDING = 1e-3


def step_of(times: np.ndarray, sequence: np.ndarray) -> float:
    """The step that times are told in, if many events share one; else 0.

    All are whole steps apart, and there are half as many events again as different times, or more.
    """
    if not are_shared(np.stack([sequence, times], axis=1)):
        return 0.0
    gaps = np.diff(np.unique(times))
    if not gaps.size:
        return 0.0
    step = float(gaps.min())
    away = gaps / step
    is_whole = np.abs(away - np.round(away)) < _ROUNDING
    return step if is_whole.all() and away.sum() <= _MOST_STEPS else 0.0


def within_steps(
    times: np.ndarray, sequence: np.ndarray, windows: np.ndarray, step: float
) -> np.ndarray:
    """Times somewhere in the step that begins with them, instead of all at its begin.

    A step that the window cuts off counts as far as it goes; of one that begins where the window
    ends it is the step before. The times are the same for the same events, and for the same begin
    of a longer history. In each sequence they keep the order of the steps.

    Args:
        times: in the order of time, shape `(n,)`.
        sequence: of each event, shape `(n,)`.
        windows: of each sequence, shape `(m, 2)`.
        step: what `step_of` says.
    """
    end = windows[sequence, 1]
    begin = np.where(times < end, times, times - step)
    length = np.minimum(end, begin + step) - begin
    share = np.random.default_rng(0).random(len(times))
    return begin + share * length
