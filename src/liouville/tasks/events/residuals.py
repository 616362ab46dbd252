"""Whether events look as a process says they should: rescaled times, and places as levels."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from liouville.data import Events
from liouville.numerics.parameters import value_of
from liouville.paths import LocationScaleMarginal
from liouville.processes import Excerpts, PointProcess, Polygon, Triggered
from liouville.tasks.events.model import EventModel
from liouville.tasks.events.scores import Scores

# As many events a group as one compiled call holds; the last group is padded.
_TARGETS = 64
# Events whose levels are taken, about at most.
_MOST = 2000
# Of a density that is cut at the border of a region: nodes of the distribution function of the
# first coordinate, the most edges that a line crosses, and a second coordinate beyond all of them.
_NODES, _CROSSINGS, _FAR = 2000, 16, 1e4


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
        from scipy.stats import kstest  # slow to import

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
    Coordinates are those of the model: for geographic places east and north on its map. The
    background of triggered places is that given the region, if the model has one. Shape
    `(n, dim)`, or None if the density is not a mixture of this kind. Of very many events those of
    stretches that lie evenly over them are taken: a test of thousands is sharp enough.
    """
    excerpts = model.excerpts(events, targets=_TARGETS)
    if excerpts.number > _MOST:
        count = len(excerpts) * _MOST // excerpts.number
        rows = np.linspace(0, len(excerpts) - 1, count).round().astype(int)
        excerpts = jax.tree.map(lambda a: a[rows], excerpts)
    region = None if model.region is None else model.units.polygon(model.region)
    found = _levels(model.process, excerpts, region)
    if found is None:
        return None
    values, is_event = map(np.asarray, found)
    return np.clip(values[is_event].astype(np.float64), 0.0, 1.0)


@eqx.filter_jit
def _levels(
    process: PointProcess, excerpts: Excerpts, region: Polygon | None
) -> tuple[jax.Array, jax.Array] | None:
    places = process.places
    example = jax.tree.map(lambda a: a[0], excerpts).history
    zero = jnp.zeros_like(example.origin)
    if not isinstance(places.after(example).at(zero), LocationScaleMarginal):
        return None

    cut = None
    if region is not None and isinstance(places, Triggered) and places.log_inside < 0.0:
        cut = _Cut.of(value_of(places.background).at(zero), region)

    def one(excerpt: Excerpts) -> jax.Array:
        path = places.after(excerpt.history)

        def at_event(t: jax.Array, x: jax.Array) -> jax.Array:
            marginal = path.at(t)
            assert isinstance(marginal, LocationScaleMarginal)
            return levels_of(marginal, x) if cut is None else cut.levels_of(marginal, x)

        return jax.vmap(at_event)(*excerpt.predicted[:2])

    return jax.lax.map(one, excerpts), excerpts.is_event


def levels_of(marginal: LocationScaleMarginal, x: jax.Array) -> jax.Array:
    """The conditional distribution functions of the coordinates of one point, shape `(dim,)`."""
    at_x = marginal.coordinates(x)
    # The chance of a part given the coordinates before the one in question.
    before = jnp.cumsum(at_x.log_density, axis=1) - at_x.log_density
    chance = jax.nn.softmax(marginal.log_weights[:, None] + before, axis=0)
    return jnp.sum(chance * jnp.exp(at_x.log_left), axis=0)


class _Cut(NamedTuple):
    """The density of a background that stays, cut at the border of a region."""

    background: LocationScaleMarginal
    region: Polygon
    at: jax.Array  # values of the first coordinate
    below: jax.Array  # the mass in the region below each of them

    @staticmethod
    def of(background: LocationScaleMarginal, region: Polygon) -> "_Cut":
        first = region.edges[..., 0]
        at = jnp.linspace(first.min(), first.max(), _NODES)
        cut = _Cut(background, region, at, at)
        # The sum of what is between nodes.
        found = jax.lax.map(cut.along, 0.5 * (at[1:] + at[:-1])) * (at[1] - at[0])
        return cut._replace(below=jnp.pad(jnp.cumsum(found), (1, 0)))

    def along(self, first: jax.Array, below: jax.Array | float = _FAR) -> jax.Array:
        """The density of the first coordinate, of what is in the region below a second one."""
        begins, ends = self.region.edges[:, 0], self.region.edges[:, 1]
        crosses = (begins[:, 0] > first) != (ends[:, 0] > first)
        run = jnp.where(crosses, ends[:, 0] - begins[:, 0], 1.0)
        second = begins[:, 1] + (first - begins[:, 0]) / run * (ends[:, 1] - begins[:, 1])
        # Into the region at the lowest one, out of it at the next.
        second = jnp.sort(jnp.where(crosses, second, _FAR))[:_CROSSINGS]
        signs = jnp.where(jnp.arange(len(second)) % 2, 1.0, -1.0)

        def left(y: jax.Array) -> jax.Array:
            at_y = self.background.coordinates(jnp.stack([first, jnp.minimum(y, below)]))
            return jnp.exp(
                self.background.log_weights + at_y.log_density[:, 0] + at_y.log_left[:, 1]
            ).sum()

        return signs @ jax.vmap(left)(second)

    def levels_of(self, marginal: LocationScaleMarginal, x: jax.Array) -> jax.Array:
        """As the function of this name, shape `(2,)`."""
        own, parts = jnp.exp(marginal.log_weights), self.background.log_weights.shape[0]
        background, zones = own[:parts].sum(), own[parts:]
        at_x = marginal.coordinates(x)
        left, here = jnp.exp(at_x.log_left[parts:]), jnp.exp(at_x.log_density[parts:, 0])
        first = background * jnp.interp(x[0], self.at, self.below) + zones @ left[:, 0]
        second = background * self.along(x[0], x[1]) + (zones * here) @ left[:, 1]
        whole = background * self.along(x[0]) + zones @ here
        return jnp.stack([first / (background * self.below[-1] + zones.sum()), second / whole])
