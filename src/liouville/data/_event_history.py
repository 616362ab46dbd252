"""What was known at the time of a forecast."""

import warnings
from dataclasses import replace

import numpy as np

from liouville.data._event_checks import Missing
from liouville.data._events import Events
from liouville.errors import LiouvilleError


def check_history(history: Events, now: int | float, *, future: Missing = "refuse") -> Events:
    """The events up to the time `now` of a forecast, with windows that end there at the latest.

    Args:
        history: What was observed.
        now: On the clock of the events. An event at `now` is known.
        future: Whether events after `now` are refused, or dropped with a warning.

    Raises:
        LiouvilleError: If there are events after `now` and they are refused, or `now` is not after
            the begin of every window.
    """
    begin = float(history.windows[:, 0].max())
    if not now > begin:
        raise LiouvilleError(
            f"a forecast at {history.instant(now)} needs observation before it, but "
            f"{history.source} is observed from {history.instant(begin)}; choose a later time"
        )
    late = history.times > now
    if late.any():
        what = (
            f"{int(late.sum())} of {len(history)} events of {history.source} are after "
            f"{history.instant(now)}, the last at {history.instant(float(history.times.max()))}"
        )
        if future == "refuse":
            raise LiouvilleError(
                f"{what}; a forecast must not know them: drop them, or forecast from a later time"
            )
        warnings.warn(f"{what}; dropped", stacklevel=2)
    windows = np.minimum(history.windows, now)
    return replace(history.keep(~late), windows=windows)
