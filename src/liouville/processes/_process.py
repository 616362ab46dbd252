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
from liouville.processes._triggered import TriggeredPath


class PointProcess(eqx.Module):
    r"""Events in time and space.

    $$\lambda(t, x, m \mid H) = \lambda(t \mid H)\, \rho_t(x \mid H)\, f(m).$$

    The three factors are normalised each by itself, so the log-likelihood of a sequence is the sum
    of theirs, and no integral over space is ever needed.

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

    def log_marks(self, excerpt: Excerpts) -> Float[Array, " targets"]:
        r"""$\log f(m_i)$ of the events an excerpt predicts, zero on padding and without marks.

        Of magnitudes it is that given that they were seen.
        """
        if self.marks is None:
            return jnp.zeros(excerpt.targets)
        values = jax.vmap(self.marks.log_density)(excerpt.predicted[2])
        if excerpt.pieces is not None and isinstance(self.marks, AbstractMagnitudes):
            values = values - jax.vmap(self.marks.log_survival)(excerpt.pieces.least)
        return jnp.where(excerpt.is_event, values, 0.0)


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
