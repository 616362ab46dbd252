"""Whether events look as a process says they should: rescaled times, and places as levels."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import kstest

from liouville.data import Events
from liouville.paths import LocationScaleMarginal
from liouville.processes import Excerpts, PointProcess
from liouville.tasks.events.model import EventModel
from liouville.tasks.events.scores import Scores

# As many events a group as one compiled call holds; the last group is padded.
_TARGETS = 64
# Events whose levels are taken, about at most.
_MOST = 2000


class Residuals(NamedTuple):
    """Values that have known laws if the process is the true one.

    Attributes:
        gaps: integrals of the rate between events, the windows joined end to end; independent
            draws of the exponential law of mean one, shape `(n,)`.
        levels: the conditional distribution function of every coordinate at its event, given the
            coordinates before it; independent and uniform, shape `(n, dim)`. None if the places
            have no such function in closed form.
    """

    gaps: np.ndarray
    levels: np.ndarray | None

    def p_values(self) -> dict[str, float]:
        """P-values of the Kolmogorov-Smirnov test of the times and of every coordinate.

        They are those of a process that was given; of one fitted to the same events they are a
        little too large.
        """
        found = {"times": float(kstest(self.gaps, "expon").pvalue)}
        if self.levels is not None:
            for i, column in enumerate(self.levels.T):
                found[f"coordinate {i + 1}"] = float(kstest(column, "uniform").pvalue)
        return found


def residuals(model: EventModel, events: Events, scores: Scores | None = None) -> Residuals:
    """The residuals of events under a model.

    Args:
        model: the process.
        events: of any number of sequences; events before a window are history.
        scores: what `model.scores(events)` gave, if known.
    """
    scores = model.scores(events) if scores is None else scores
    return Residuals(join_gaps(events, scores), levels(model, events))


def join_gaps(events: Events, scores: Scores) -> np.ndarray:
    r"""$\int\lambda$ between events on the axis of all windows, one after the other.

    Rescaled windows are pieces of one Poisson process of rate one. Joining them leaves one gap cut
    off in all, where treating each by itself would cut off one a window and favour short ones.
    """
    number = events.sequence[~events.is_history]
    gaps = np.array(scores.rescaled, np.float64)
    carried = 0.0
    for sequence, rest in enumerate(scores.rest.tolist()):
        own = np.flatnonzero(number == sequence)
        if len(own):
            gaps[own[0]] += carried
            carried = 0.0
        carried += rest
    return gaps


def levels(model: EventModel, events: Events) -> np.ndarray | None:
    r"""The levels of the coordinates of every place, given its time and the coordinates before it.

    With parts $x = \mu_k + L_k z_k$ and triangular $L_k$ they are exact,

    $$F_i(x_i \mid x_{<i}) = \sum_k \gamma_k(x_{<i})\,\Phi(z_{ki}), \qquad
      \gamma_k(x_{<i}) \propto w_k \prod_{j<i} \varphi(z_{kj}) / L_{k,jj},$$

    which makes them independent and uniform if the density is the true one (Rosenblatt 1952).
    Coordinates are those of the model: for geographic places east and north on its map. Shape
    `(n, dim)`, or None if the density is not a mixture of this kind. Of very many events those of
    stretches that lie evenly over them are taken: a test of thousands is sharp enough.
    """
    excerpts = model.excerpts(events, targets=_TARGETS)
    if excerpts.number > _MOST:
        count = len(excerpts) * _MOST // excerpts.number
        rows = np.linspace(0, len(excerpts) - 1, count).round().astype(int)
        excerpts = jax.tree.map(lambda a: a[rows], excerpts)
    found = _levels(model.process, excerpts)
    if found is None:
        return None
    values, is_event = map(np.asarray, found)
    return np.clip(values[is_event].astype(np.float64), 0.0, 1.0)


@eqx.filter_jit
def _levels(process: PointProcess, excerpts: Excerpts) -> tuple[jax.Array, jax.Array] | None:
    places = process.places
    example = jax.tree.map(lambda a: a[0], excerpts).history
    zero = jnp.zeros_like(example.origin)
    if not isinstance(places.after(example).at(zero), LocationScaleMarginal):
        return None

    def one(excerpt: Excerpts) -> jax.Array:
        path = places.after(excerpt.history)

        def at_event(t: jax.Array, x: jax.Array) -> jax.Array:
            marginal = path.at(t)
            assert isinstance(marginal, LocationScaleMarginal)
            return levels_of(marginal, x)

        return jax.vmap(at_event)(*excerpt.predicted[:2])

    return jax.lax.map(one, excerpts), excerpts.is_event


def levels_of(marginal: LocationScaleMarginal, x: jax.Array) -> jax.Array:
    """The conditional distribution functions of the coordinates of one point, shape `(dim,)`."""
    at_x = marginal.coordinates(x)
    # The chance of a part given the coordinates before the one in question.
    before = jnp.cumsum(at_x.log_density, axis=1) - at_x.log_density
    chance = jax.nn.softmax(marginal.log_weights[:, None] + before, axis=0)
    return jnp.sum(chance * jnp.exp(at_x.log_left), axis=0)
