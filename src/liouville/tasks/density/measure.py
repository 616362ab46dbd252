"""How good a density is, what its path costs and how straight it is."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.data import Samples
from liouville.dynamics import solve_ode
from liouville.errors import LiouvilleError
from liouville.model import Model
from liouville.numerics.couplings import wasserstein
from liouville.numerics.expectation import fit_by_validation
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.types import RandomKey
from liouville.paths import AbstractPath
from liouville.tasks.density.config import DensityConfig
from liouville.tasks.density.split import Split, divide, quantisation_of
from liouville.tasks.task import Start

_TRAJECTORIES = 1000
_STEPS = 40
# Of a density that depends on numbers, so many contexts are measured.
_CONTEXTS = 8
# The plain mixture is fitted to at most so many points.
_MOST_POINTS = 20_000
# In a gap of the density weights that move make velocities of e^80, by right; a solver of few steps
# that meets one leaps away. No motion of standardised data is of that order.
_LEAP = 1e6


def measure(
    model: Model, start: Start, data: Samples | Split
) -> tuple[dict[str, float], dict[str, Any]]:
    """Likelihoods of samples kept from training, and figures of the motion."""
    parts, columns = start.known
    return scores(model, parts) | motion_figures(columns.unseen(model.path), model), {}


def evaluate(model: Model, samples: Samples, config: DensityConfig) -> dict[str, float]:
    """Scores a model again on the samples it kept from training.

    Raises:
        LiouvilleError: if no sample was kept.
    """
    found = scores(model, divide(samples, config))
    if not found:
        raise LiouvilleError("the run kept no samples; fit with --set data.test=0.1")
    return found


def scores(model: Model, parts: Split) -> dict[str, float]:
    """Negative log-likelihoods of samples kept from training, in nats and bits.

    Nats are per sample, for dequantised samples in the user's units, given their contexts if they
    have some; bits are per coordinate. The baseline is a full-covariance Gaussian mixture, see
    `fit_by_validation`, of points and contexts together and given these; what the model gains over
    it is the mean of the differences, with its standard error.
    """
    kept, name = (parts.test, "test") if parts.test is not None else (parts.validation, "held-out")
    if kept is None:
        return {}
    nats = -model.log_density(1.0, kept.points, contexts=kept.contexts)
    theirs = _plain_nats(parts.training, kept)
    ours, gain = average_of(nats, kept), average_of(theirs - nats, kept)
    found = {
        f"{name} nats per sample": ours[0],
        f"{name} standard error": ours[1],
        f"{name} nats per sample, plain mixture": ours[0] + gain[0],
        f"{name} gain over the plain mixture": gain[0],
        f"{name} gain, standard error": gain[1],
        f"{name} bits per dimension": float(quantisation_of(kept).bits_per_dimension(-ours[0])),
    }
    if kept.labels is not None:
        own = np.empty(len(kept))
        for i in np.unique(kept.labels):
            rows = kept.labels == i
            own[rows] = model.given(kept.classes[i]).log_density(1.0, kept.points[rows])
        found[f"{name} nats per sample, class given"] = -average_of(own, kept)[0]
    return {key: round(value, 4) for key, value in found.items()}


def average_of(values: np.ndarray, samples: Samples) -> tuple[float, float]:
    """The mean of what each sample has, by their weights, and its standard error."""
    shares = samples.shares
    if shares is None:
        shares = np.full(len(values), 1.0 / len(values))
    mean = float(shares @ values)
    return mean, float(np.sqrt(shares**2 @ (values - mean) ** 2))


def _plain_nats(training: Samples, kept: Samples) -> np.ndarray:
    """Negative log-densities of kept samples by the plain mixture, given their contexts."""
    if training.contexts is None:
        return -plain_mixture(training.points, training.weights).log_density(kept.points)
    joint, every = (
        np.concatenate([part.points, np.asarray(part.contexts)], axis=1)
        for part in (training, kept)
    )
    mixture = plain_mixture(joint, training.weights)
    alone = slice(training.dim, None)
    of_contexts = GaussianMixture(
        mixture.weights, mixture.means[:, alone], mixture.covariances[:, alone, alone]
    )
    return of_contexts.log_density(every[:, alone]) - mixture.log_density(every)


def motion_figures(path: AbstractPath, model: Model) -> dict[str, float]:
    """What the motion of the path of a model costs and how straight it is, in the path's units."""
    # A trajectory costs about a hundred velocities, each some work for every coordinate.
    n = int(np.clip(_TRAJECTORIES * 8 // model.dim, 100, _TRAJECTORIES))
    measured = motion(
        path, n=n, contexts=len(model.classes) or (_CONTEXTS if model.contexts else 0)
    )
    figures = {
        "path energy": measured.energy,
        "squared distance of its ends": measured.distance,
        "straightness": measured.straightness,
    }
    if measured.lost:
        figures["share of trajectories lost in gaps"] = measured.lost
    return {name: round(value, 4) for name, value in figures.items() if np.isfinite(value)}


def plain_mixture(points: np.ndarray, weights: np.ndarray | None = None) -> GaussianMixture:
    """The Gaussian mixture that is printed beside a density, of points of shape `(n, dim)`."""
    chosen = np.random.default_rng(0).permutation(len(points))[:_MOST_POINTS]
    # Covariances of many coordinates need more points than a part of a small table has.
    most = int(np.clip(len(chosen) // (2 * points.shape[1] + 1), 1, 64))
    own = None if weights is None else weights[chosen]
    return fit_by_validation(points[chosen], own, most=most)


class Motion(NamedTuple):
    r"""How the mass moves, in standardised units.

    Attributes:
        energy: $\int E|u|^2 dt$.
        displacement: $E|x_1 - x_0|^2$ along the velocity; at most the energy.
        distance: squared $W_2$ between the carried points and where they came from, by exact
            assignment; at most the displacement.
        lost: the share of the trajectories that left a gap by a leap of the solver; the other
            figures are without them.
    """

    energy: float
    displacement: float
    distance: float
    lost: float = 0.0

    @property
    def straightness(self) -> float:
        r"""$1 - \int E|u - (x_1 - x_0)|^2 dt / E|x_1 - x_0|^2$: one for straight, even motion."""
        return 1.0 - (self.energy - self.displacement) / max(self.displacement, 1e-12)


def motion(path: AbstractPath, *, n: int = 1000, seed: int = 0, contexts: int = 0) -> Motion:
    r"""Measures the motion of a path from time 0 to 1 along its velocity.

    As $E\int|u - (x_1 - x_0)|^2 = E\int|u|^2 - E|x_1 - x_0|^2$ along trajectories, the energy and
    the displacement say all about straightness (Liu, Gong and Liu, ICLR 2023). It takes `n`
    trajectories; the figures of a path of several contexts are the means over the first of them.
    """
    if contexts:
        keys = jr.split(jr.key(seed), contexts)
        each = -(-n // contexts)
        parts = [_measure_motion(path.in_context(c), keys[c], each) for c in range(contexts)]
        return Motion(*np.mean(parts, axis=0).tolist())
    return _measure_motion(path, jr.key(seed), n)


def _measure_motion(path: AbstractPath, key: RandomKey, n: int) -> Motion:
    clock = jnp.linspace(0.0, 1.0, _STEPS + 1)
    found = _trajectories(path, clock, jr.split(key, n))
    start, end, energy = (np.asarray(a, float) for a in found)
    # Whatever is not a number fails the comparison.
    kept = (energy < _LEAP) & (np.abs(end).max(-1) < _LEAP)
    if not kept.any():
        return Motion(np.inf, np.inf, np.inf, 1.0)
    start, end = start[kept], end[kept]
    displacement = float(((end - start) ** 2).sum(-1).mean())
    distance = wasserstein(start, end, 2) ** 2
    return Motion(float(energy[kept].mean()), displacement, distance, float(1.0 - kept.mean()))


@eqx.filter_jit
def _trajectories(path: AbstractPath, clock: jax.Array, keys: jax.Array):
    start = jax.vmap(lambda key: path.at(clock[0]).sample(key=key))(keys)
    trajectory = solve_ode(path, start, clock, steps=1, method="heun")

    def speed(pair):
        t, x = pair
        return (jax.vmap(path.at(t).velocity)(x) ** 2).sum(-1)

    speeds = jax.lax.map(speed, (clock, trajectory))
    # The trapezoidal rule on the same clock as the trajectories.
    energy = jnp.mean(0.5 * (speeds[1:] + speeds[:-1]), axis=0) * (clock[-1] - clock[0])
    return start, trajectory[-1], energy
