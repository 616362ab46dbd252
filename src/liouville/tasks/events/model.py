"""A fitted point process as a user meets it: NumPy in and out, in the user's own units."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from liouville.data import Events, Region
from liouville.errors import LiouvilleError
from liouville.numerics.parameters import learned_leaves
from liouville.processes import (
    AbstractMagnitudes,
    Excerpts,
    Hawkes,
    History,
    Neural,
    PointProcess,
    Reach,
)
from liouville.runs import storage
from liouville.runs.notebook import AbstractFacts
from liouville.tasks.events._compiled import (
    by_block,
    densities,
    kind_chances,
    log_survival,
    mass_of,
    rates,
    velocities,
)
from liouville.tasks.events._history import check_events, entries
from liouville.tasks.events.catalogues import Catalogue, draw_catalogues
from liouville.tasks.events.counted import counted, of_kinds
from liouville.tasks.events.odds import log_odds
from liouville.tasks.events.scores import Scores, score
from liouville.tasks.events.units import EventUnits

PLAIN_FIELDS = ("features", "time_unit", "origin", "mark_name", "kinds", "notes")
"""The fields that a file holds as they are."""

_TARGETS = 64
# Times that are asked at once.
_TIMES = 64


@dataclass(frozen=True, eq=False, repr=False)
class EventModel(AbstractFacts):
    r"""A point process together with the units of the events it was fitted to.

    A history is an `Events` of one sequence; what comes after the time asked for is refused. All
    answers know the events of it that count, see `counted`.

    Attributes:
        process: $\lambda(t \mid H)$, $\rho_t(x \mid H)$ and the law of marks, in the model's units.
        units: the map between places of the user and of the model.
        reach: which past events count.
        features: the names of the coordinates.
        time_unit: the unit of time.
        origin: the instant of time zero, ISO text in UTC, if times are dates.
        mark_name: what the mark is; empty without marks.
        kinds: the names of the kinds, if marks are kinds.
        region: where events are observed, in the user's coordinates, if known.
        notes: anything JSON can hold.
        plain: the epidemic-type law of the same events, for comparison, if there is one.
        plain_past: past events that it sees at most; 0 for as many as the model.
    """

    process: PointProcess
    units: EventUnits
    reach: Reach
    features: tuple[str, ...]
    time_unit: str = ""
    origin: str | None = None
    mark_name: str = ""
    kinds: tuple[str, ...] = ()
    region: Region | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    plain: PointProcess | None = None
    plain_past: int = 0

    @property
    def dim(self) -> int:
        """The number of coordinates of a place."""
        return len(self.features)

    @property
    def hawkes(self) -> Hawkes | None:
        """The self-exciting part of the intensity, if it has one."""
        own = self.process.intensity
        own = own.base if isinstance(own, Neural) else own
        return own if isinstance(own, Hawkes) else None

    @property
    def b_value(self) -> float | None:
        """The slope of the law of magnitudes, if it is that of Gutenberg and Richter."""
        law = self.process.marks
        slope = law.b_value if isinstance(law, AbstractMagnitudes) else None
        return None if slope is None else float(slope) / self.units.mark_scale

    def facts(self) -> dict[str, Any]:
        """What `liouville info` says of the model, as JSON can hold it."""
        return {
            **self.notes,
            "when": type(self.process.intensity).__name__,
            "where": type(self.process.places).__name__,
            "features": list(self.features),
            "marks": self.mark_name or "none",
            **({"kinds": list(self.kinds)} if self.kinds else {}),
            "time": self.time_unit or "plain numbers",
            "origin": self.origin or "none",
            "map": "equal-area, km" if self.units.projection is not None else "none",
            "reach": self.reach.most,
            "parameters": sum(leaf.size for leaf in learned_leaves(self.process).values()),
        }

    @property
    def plain_model(self) -> "EventModel | None":
        """The epidemic-type law as a model of its own."""
        if self.plain is None:
            return None
        reach = self.reach._replace(most=self.plain_past or self.reach.most)
        return dataclasses.replace(self, process=self.plain, plain=None, reach=reach)

    def counted(self, events: Events) -> Events:
        """The events that the model knows of: in its region, with marks it was fitted to.

        All answers leave out the others, as a fit does, with a warning that says how many.

        Raises:
            LiouvilleError: if events have other coordinates than the model, marks and it none, or
                a kind that it does not know.
        """
        check_events(events, self.features, self.origin, self.mark_name)
        known = of_kinds(events, self.kinds)
        return counted(known, self.region, self.units.mark_origin)

    def excerpts(
        self, events: Events, *, targets: int = _TARGETS, log_odds: np.ndarray | None = None
    ) -> Excerpts:
        """The events that count in the model's units, in pieces; see `Excerpts`.

        `log_odds` are those of the events that count, if they are known.
        """
        events = self.counted(events)
        odds = self.log_odds(events) if log_odds is None else log_odds
        return self.units.excerpts(events, self.reach, targets, odds)

    def scores(self, events: Events) -> Scores:
        """The log-likelihood of the events that count, in parts.

        Events before a window are its history.
        """
        events = self.counted(events)
        chosen = self.units.excerpts(events, self.reach, _TARGETS, self.log_odds(events))
        *found, passed = (np.asarray(a, np.float64) for a in score(self.process, chosen))
        is_event = np.asarray(chosen.is_event)
        is_last = np.asarray(chosen.is_interval[:, -1])
        rates, places, marks, own = (a[is_event] for a in (*found, passed[:, :-1]))
        volume = self.units.log_volume(events.places[~events.is_history])
        marks = marks - np.log(self.units.mark_scale)
        return Scores(rates, places + volume, marks, own, passed[:, -1][is_last])

    def log_odds(self, history: Events) -> np.ndarray:
        """The log-odds of all events that they were triggered; see `Triggered.log_odds`.

        Zeros if the places do not ask for them. What asks at many times does well to know them.
        """
        return log_odds(self.process.places, self.units, history, self.reach)

    def rate(
        self, times: np.ndarray, history: Events, *, log_odds: np.ndarray | None = None
    ) -> np.ndarray:
        """Events per unit of time at times of one sequence, each given what came before it.

        Args:
            times: on the clock of the history.
            history: what happened.
            log_odds: those of its events, if they are known.
        """
        times, history = np.atleast_1d(np.asarray(times, np.float64)), self.counted(history)
        if len(times) > 1 and log_odds is None:
            log_odds = self.log_odds(history)
        law = self.process.places

        def past(time: float) -> History:
            own = history.times <= time
            odds = None if log_odds is None else log_odds[own]
            return entries(law, self.units, self.reach, history.keep(own), time, odds)

        size = 1 if len(times) == 1 else _TIMES
        asked, found = np.pad(times, (0, -len(times) % size), "edge").tolist(), []
        for begin in range(0, len(asked), size):
            pasts = [past(time) for time in asked[begin : begin + size]]
            found.append(rates(self.process, jax.tree.map(lambda *a: np.stack(a), *pasts)))
        return np.concatenate([np.asarray(a, np.float64) for a in found])[: len(times)]

    def density(
        self,
        time: float,
        places: np.ndarray,
        history: Events,
        *,
        log_odds: np.ndarray | None = None,
    ) -> np.ndarray:
        """The density of the place of an event at a time, per user's unit of area.

        In a region the background has the mass one, zones of triggered places have theirs on the
        whole plane (see `mass_inside` for both), and places outside have the density zero.
        `log_odds` are those of the events of the history, if they are known.
        """
        places = self._checked(places)
        past = self._history(self.counted(history), time, log_odds)
        values = by_block(densities, self.process, past, self.units.to_model(places))
        found = np.exp(values + self.units.log_volume(places))
        return found if self.region is None else np.where(self.region.contains(places), found, 0.0)

    def kind_chances(
        self,
        time: float,
        places: np.ndarray,
        history: Events,
        *,
        log_odds: np.ndarray | None = None,
    ) -> np.ndarray:
        """The chance of each kind for an event at a time and at places, shape `(n, kinds)`.

        Of events in time alone places have the shape `(n, 0)`. With the rate, or the intensity, it
        is the rate of events of each kind. `log_odds` as for `density`.

        Raises:
            LiouvilleError: if marks are no kinds.
        """
        if not self.kinds:
            raise LiouvilleError("marks of this run are no kinds; fit with --mark COLUMN of text")
        past = self._history(self.counted(history), time, log_odds)
        places = self.units.to_model(self._checked(places))
        return by_block(kind_chances, self.process, past, places)

    def intensity(
        self,
        time: float,
        places: np.ndarray,
        history: Events,
        *,
        log_odds: np.ndarray | None = None,
    ) -> np.ndarray:
        """Events per unit of time and per user's unit of area at places, at one time.

        `log_odds` as for `density`.
        """
        history, known = self.counted(history), {"log_odds": log_odds}
        rate = self.rate(np.array([time]), history, **known)[0]
        return rate * self.density(time, places, history, **known)

    def velocity(self, time: float, places: np.ndarray, history: Events) -> np.ndarray:
        """The velocity of the density between events, model's units of length per unit of time."""
        past = self._history(self.counted(history), time)
        places = self.units.to_model(self._checked(places))
        return by_block(velocities, self.process, past, places)

    def mark_survival(self, marks: np.ndarray) -> np.ndarray:
        """The chance that an event has a mark as large or larger, for marks of any shape.

        Raises:
            LiouvilleError: if marks are not numbers.
        """
        law = self.process.marks
        if not isinstance(law, AbstractMagnitudes):
            raise LiouvilleError(
                "marks of this run are not numbers, such as magnitudes; fit with --mark COLUMN"
            )
        excess = jnp.asarray(self.units.marks_to_model(np.asarray(marks, np.float64)))
        return np.exp(np.asarray(log_survival(law, excess), np.float64))

    def mass_inside(self, time: float, history: Events) -> float:
        """The mass of the density of places at a time inside of the region.

        The intensity counts events in the region; a density is that given the region if it is
        divided by this number. What it lacks to one are zones across the border.

        Raises:
            LiouvilleError: if the model has no region.
        """
        if self.region is None:
            raise LiouvilleError("the model has no region; fit with --region west,south,east,north")
        past = self._history(self.counted(history), time)
        region = self.units.polygon(self.region)
        return float(mass_of(self.process, past, region))

    def forecast(
        self,
        history: Events,
        start: float,
        horizon: float,
        n: int = 1000,
        *,
        seed: int = 0,
        most: int = 100_000,
        say: Callable[[str], None] = lambda _: None,
    ) -> Catalogue:
        """Draws what may happen after `start`, exactly.

        Places outside of the region are drawn again: the density is that given the region.

        Args:
            history: the events so far.
            start: when the forecast begins, on the clock of the history.
            horizon: how long it lasts.
            n: the number of catalogues.
            seed: of the draws.
            most: events in a catalogue above which a process counts as explosive.
            say: told how many catalogues are drawn.

        Raises:
            LiouvilleError: if a catalogue has more events, or the horizon is not positive.
        """
        if not horizon > 0:
            raise LiouvilleError(f"the horizon is {horizon:g}; give a positive duration")
        history = self.counted(history)
        past = self._history(history, start)
        expected = float(self.rate(np.array([start]), history)[0]) * horizon
        region = None if self.region is None else self.units.polygon(self.region)
        drawn = draw_catalogues(
            self.process, past, horizon, n, expected, region, most=most, seed=seed, say=say
        )
        return drawn._replace(
            times=drawn.times + start,
            places=self.units.to_user(drawn.places),
            marks=self.units.marks_to_user(drawn.marks),
        )

    def save(self, file: Path) -> None:
        """Writes the model to a file; see `liouville.runs.storage`."""
        description, arrays = storage.describe((self.process, self.plain))
        content = {
            "processes": description,
            "reach": self.reach._asdict(),
            "plain_past": self.plain_past,
            "units": self.units.to_dict(),
            "region": None if self.region is None else self.region.to_dict(),
            **{name: getattr(self, name) for name in PLAIN_FIELDS},
        }
        storage.write(file, arrays, content, kind="events")

    def _history(self, history: Events, now: float, odds: np.ndarray | None = None) -> History:
        """The events up to `now` that are seen, of those that were `counted`; see `entries`."""
        law = self.process.places
        return jax.tree.map(jnp.asarray, entries(law, self.units, self.reach, history, now, odds))

    def _checked(self, places: np.ndarray) -> np.ndarray:
        places = np.atleast_2d(np.asarray(places, np.float64))
        if places.shape[1] != self.dim or not np.isfinite(places).all():
            raise LiouvilleError(
                f"places of shape {places.shape} must be finite numbers with {self.dim} columns: "
                f"{', '.join(self.features)}"
            )
        return places
