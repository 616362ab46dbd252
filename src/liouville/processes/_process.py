from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from liouville.numerics.types import Point, Scalar
from liouville.paths import AbstractPath
from liouville.processes._base import (
    AbstractHazard,
    AbstractIntensity,
    AbstractMagnitudes,
    AbstractMarks,
    AbstractPlaces,
)
from liouville.processes._excerpts import Excerpts
from liouville.processes._hawkes import Hawkes
from liouville.processes._history import History
from liouville.processes._inherited import InheritedKinds
from liouville.processes._neural import Neural
from liouville.processes._triggered import Triggered, TriggeredPath


class PointProcess(eqx.Module):
    r"""Events in time and space.

    $$\lambda(t, x, m \mid H) = \lambda(t \mid H)\, \rho_t(x \mid H)\, f(m \mid t, x, H).$$

    The three factors are normalised each by itself, so the log-likelihood of a sequence is the sum
    of theirs, and no integral over space is ever needed. Marks that are inherited ask another
    factor for the parents of an event: places, if events trigger others near them, or else the
    intensity.

    Attributes:
        intensity: when.
        places: where.
        marks: how large or of what kind; `None` for events without mark.
    """

    intensity: AbstractIntensity
    places: AbstractPlaces
    marks: AbstractMarks | None = None

    def log_places(
        self, excerpt: Excerpts, log_background: Float[Array, " targets"] | None = None
    ) -> Float[Array, " targets"]:
        r"""$\log\rho_{t_i}(x_i \mid H_i)$ of the events an excerpt predicts, zero on padding.

        Args:
            excerpt: the events and what came before.
            log_background: what to take for the log-density of the background at the events;
                places must be `Triggered`.
        """
        path = self.places.after(excerpt.history)
        times, places, _ = excerpt.predicted
        if log_background is None:
            values = jax.vmap(lambda t, x: log_density(path, t, x))(times, places)
        else:
            assert isinstance(path, TriggeredPath)
            values = jax.vmap(path.log_density_beside)(times, places, log_background)
        return jnp.where(excerpt.is_event, values, 0.0)

    def log_marks(
        self, excerpt: Excerpts, log_background: Float[Array, " targets"] | None = None
    ) -> Float[Array, " targets"]:
        r"""$\log f(m_i \mid t_i, x_i, H_i)$ of the events an excerpt predicts.

        It is zero on padding and without marks, and of magnitudes that given that they were
        seen. With `log_background` as for `log_places`.
        """
        if self.marks is None:
            return jnp.zeros(excerpt.targets)
        history = excerpt.history

        def one(t: Scalar, x: Point, mark: Scalar, background: Scalar | None = None) -> Scalar:
            return self.mark_law(history, t, x, background).log_density(mark)

        given = (
            excerpt.predicted if log_background is None else (*excerpt.predicted, log_background)
        )
        values = jax.vmap(one)(*given)
        if excerpt.pieces is not None and isinstance(self.marks, AbstractMagnitudes):
            values = values - jax.vmap(self.marks.log_survival)(excerpt.pieces.least)
        return jnp.where(excerpt.is_event, values, 0.0)

    @property
    def parents(self) -> Literal["intensity", "places"] | None:
        """The factor that knows the parents of an event; `None` if events have none."""
        if isinstance(self.places, Triggered):
            return "places"
        own = self.intensity
        own = own.base if isinstance(own, Neural) else own
        return "intensity" if isinstance(own, Hawkes) else None

    def log_parents(
        self, history: History, t: Scalar, x: Point, log_background: Scalar | None = None
    ) -> Float[Array, " parents"] | None:
        """Log-chances, up to a constant, that an event has no parent, and of each to be it.

        Args:
            history: the events before.
            t: local time of the event.
            x: its place.
            log_background: what to take for the log-density of the background of triggered places.

        Returns:
            Numbers of shape `(events + 1,)`, or `None` if events have no parents.
        """
        path = self.places.after(history)
        if isinstance(path, TriggeredPath):
            return path.log_parents(t, x, log_background)
        return self.intensity.after(history).log_parents(t)

    def mark_law(
        self, history: History, t: Scalar, x: Point, log_background: Scalar | None = None
    ) -> AbstractMarks:
        """The law of the mark of an event, when and where it comes; see `log_parents`."""
        assert self.marks is not None
        if not isinstance(self.marks, InheritedKinds):
            return self.marks
        return self.marks.given(history, self.log_parents(history, t, x, log_background))


def log_density(path: AbstractPath, t: Scalar, x: Point) -> Scalar:
    r"""$\log\rho_t(x)$ of a path of places: that in its region, if it knows one."""
    return path.log_density(t, x) if isinstance(path, TriggeredPath) else path.at(t).log_density(x)


def log_rates(hazard: AbstractHazard, excerpt: Excerpts) -> Float[Array, " targets"]:
    r"""$\log\lambda(t_i \mid H_i)$ of the events an excerpt predicts, zero on padding.

    Where not all events were seen it is the rate of those that were.
    """
    values = jax.vmap(hazard.log_rate)(excerpt.predicted[0])
    if excerpt.pieces is not None:
        values = values + excerpt.pieces.log_share
    return jnp.where(excerpt.is_event, values, 0.0)
