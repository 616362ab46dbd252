"""Times on paper: how they are said, labelled and coloured."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.dates as dates
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from liouville.plots._model import DrawableModel, DrawableSnapshots
from liouville.plots._style import MUTED, TIME, colour_bar, label, plain


@dataclass(frozen=True)
class Clock:
    """How times are said and drawn, the same in every figure of one model."""

    unit: str = ""
    origin: str | None = None  # the instant of time zero, ISO text in UTC
    name: str = ""  # what time is called, said before every number
    first: float = 0.0  # time with the first colour
    last: float = 1.0  # time with the last colour

    @property
    def norm(self) -> Normalize:
        """Map from times to the unit interval of colours."""
        return Normalize(self.first, self.last if self.last > self.first else self.first + 1.0)

    def colour(self, t: float) -> tuple[float, float, float, float]:
        """Colour of a time."""
        red, green, blue, alpha = TIME(float(self.norm(t)))
        return (red, green, blue, alpha)

    def values(self, times: np.ndarray) -> np.ndarray:
        """Times as matplotlib counts them: days since 1970 if there is an origin."""
        start = 0.0 if self.origin is None else dates.date2num(self._start)
        return np.asarray(times, float) + start

    def value(self, time: float) -> float:
        """One time as matplotlib counts it."""
        return float(self.values(np.array([time]))[0])

    def dress(self, axes: Axes) -> None:
        """Ticks and the label of a time axis at the bottom."""
        if self.origin is not None:
            self.tick(axes.xaxis)
            axes.xaxis.get_offset_text().set(size=8, color=MUTED)
        label(axes, x=self.label)

    def tick(self, axis: Axis) -> None:
        """Ticks at dates."""
        # With fewer it has no ticks for 71 hours or 35 months, and warns.
        locator = dates.AutoDateLocator(minticks=3, maxticks=7)
        axis.set_major_locator(locator)
        axis.set_major_formatter(dates.ConciseDateFormatter(locator))

    def say(self, t: float, form: str = ".4g") -> str:
        """A time in words, for instance ``day 3``, ``2.5 h`` or ``2020-01-02 12:00``."""
        if self.origin is None:
            return plain(f"{self.name} {t:{form}} {self.other_unit}".strip())
        return f"{self._start + datetime.timedelta(days=t):%Y-%m-%d %H:%M}"

    def bar(self, figure: Figure, axes: Sequence[Axes], times: np.ndarray) -> None:
        """A colour bar of time with ticks at the given times when these are few and apart."""
        least = 0.04 * (self.last - self.first)
        apart = len(times) < 2 or float(np.min(np.diff(np.sort(times)))) > least
        ticks = times if 0 < len(times) <= 10 and apart else None
        colour_bar(figure, axes, self.norm, TIME, self.label, ticks)

    @property
    def label(self) -> str:
        """Label of a time axis, for instance ``time (h)``."""
        if self.origin is not None:
            return "time (UTC)"
        name, unit = self.name or "time", self.other_unit
        return f"{name} ({unit})" if unit else name

    @property
    def per(self) -> str:
        """What rates are per, in the singular: ``day`` for the unit ``days``."""
        unit = self.unit or self.name or "unit of time"
        return unit[:-1] if len(unit) > 3 and unit.endswith("s") else unit

    @property
    def other_unit(self) -> str:
        """The unit, unless it only repeats the name as in ``day 3 days``."""
        stems = [word.casefold().rstrip("s") for word in (self.unit, self.name)]
        return "" if self.name and stems[0] == stems[1] else self.unit

    @property
    def _start(self) -> datetime.datetime:
        assert self.origin is not None
        return datetime.datetime.fromisoformat(self.origin)


def clock_of(model: DrawableModel, snapshots: DrawableSnapshots | None = None) -> Clock:
    """The clock of a model, whose colours reach from the first to the last of all snapshots."""
    ends = [float(t) for t in model.interval]
    if snapshots is not None and len(snapshots.distinct_times):
        ends += [float(np.min(snapshots.distinct_times)), float(np.max(snapshots.distinct_times))]
    name = model.time_name or "time"
    return Clock(model.time_unit, name=name, first=min(ends), last=max(ends))
