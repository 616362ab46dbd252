r"""Paths between ends of which one or both are seen through maps.

From $(A_0 \circ T_0)_\# g_0$ to $(A_1 \circ T_1)_\# g_1$ the path is

$$\rho_t = \bigl(A_t \circ M_t \circ T_1^{\gamma_1(t)} \circ T_0^{\gamma_0(t)}\bigr)_\# g_t,$$

where $g_t$ is a transport path between the mixtures, $T^\gamma$ is a frozen map whose parameters
are multiplied by a gate, $\gamma_0$ from one to zero and $\gamma_1$ from zero to one, $M_t$ a
learned flow whose gate vanishes at both ends, and $A_t$ an affine map between those of the units.
At the ends all factors are what they should be, whatever was learned.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.curves import AbstractCurve, Constant, HardEnded, Knots
from liouville.diffusions.bridges import (
    Parts,
    opening_between,
    path_along,
    split_parts,
    whole_parts,
)
from liouville.diffusions.growing import growing_parts, growing_path
from liouville.errors import LiouvilleError
from liouville.maps import AbstractMap, Chain, Linear, coupling_flow
from liouville.numerics.mixtures import GaussianMixture
from liouville.numerics.parameters import Fixed
from liouville.paths import AbstractPath, Ensemble, LocationScale, Mixture, Opened, Pushforward
from liouville.tasks.transport._images import Density, Image, Member, as_image
from liouville.tasks.transport.config import PathConfig
from liouville.tasks.transport.measure import estimate
from liouville.tasks.transport.problem import Problem, energy_term

Times = tuple[float, float]

_CLOCK = np.linspace(0.0, 1.0, 5)
# Every pair of members has maps of its own, and each is compiled and evaluated.
_MOST_MEMBERS = 16


def piece_between(
    source: Density,
    target: Density,
    times: Times,
    problem: Problem,
    config: PathConfig,
    masses: Sequence[float] = (),
    *,
    seed: int = 0,
) -> AbstractPath:
    """The path to start from between two ends in the model's units, which it meets exactly.

    Of ends with masses mass grows on the way.

    Raises:
        LiouvilleError: if the ends have too many members.
    """
    if isinstance(source, GaussianMixture) and isinstance(target, GaussianMixture):
        if masses:
            totals, delta = (masses[0], masses[1]), problem.delta
            found = growing_parts(source, target, totals, delta, config.parts, seed=seed)
            sizes = {"opening": config.opening, "min_scale": config.min_scale}
            return growing_path(found, source, target, totals, delta, times, **sizes)
        return _mixture_between(source, target, times, problem, config, seed)
    images = as_image(source), as_image(target)
    count = max(len(image.members) for image in images)
    if count > _MOST_MEMBERS:
        raise LiouvilleError(
            f"an end has {count} members, such as classes times averaged paths (most: "
            f"{_MOST_MEMBERS}); fit the density with --set path.members=1, or take one class: "
            "load(RUN).given(CLASS)"
        )
    # A reference and a cost are functions of the end's own units, which a base is not in.
    bare = problem._replace(reference=None, cost=None)
    if count == 1:
        return _between(*images, times, bare, config, seed)
    # Which members go where: the best coupling, as if they were Gaussian.
    members = [[image.member(i) for i in range(len(image.members))] for image in images]
    pairs = whole_parts(*map(_moments_of, images, members))
    paths = [
        _between(members[0][i], members[1][j], times, bare, config, seed + number)
        for number, (i, j) in enumerate(zip(pairs.sources, pairs.targets))
    ]
    weights = pairs.weights
    if np.allclose(weights, weights[0]):
        try:
            return Ensemble.of(paths)
        except ValueError:
            pass  # members of several orders or sizes cannot be stacked
    return Mixture(paths, Fixed(jnp.asarray(np.log(weights), jnp.zeros(()).dtype)))


def _mixture_between(
    source: GaussianMixture,
    target: GaussianMixture,
    times: Times,
    problem: Problem,
    config: PathConfig,
    seed: int,
) -> LocationScale:
    """Between two mixtures the cheaper one of whole parts and cut ones."""
    noise = problem.sigma**2 * (times[1] - times[0])
    cut = split_parts(source, target, config.parts, noise, seed=seed)
    candidates = [whole_parts(source, target), *([] if cut is None else [cut])]
    paths = [_laid(parts, source, target, times, problem, config) for parts in candidates]
    costs = [estimate(energy_term(problem, times, 32, 256), path).value for path in paths]
    return paths[int(np.argmin(np.where(np.isfinite(costs), costs, np.inf)))]


def _moments_of(image: Image, members: list[Image]) -> GaussianMixture:
    means, covariances = (np.stack(m) for m in zip(*((m.mean, m.covariance) for m in members)))
    return GaussianMixture(image.weights, means, covariances)


def _between(
    source: Image, target: Image, times: Times, problem: Problem, config: PathConfig, seed: int
) -> Pushforward:
    """The path between two ends of one member each."""
    (first,), (last,) = source.members, target.members
    ends = (first.base, last.base, times, problem, config)
    if len(first.base.weights) == len(last.base.weights) == 1:
        inner = _laid(whole_parts(first.base, last.base), *ends)
    else:
        inner = _mixture_between(*ends, seed)
    layers, width, key = config.layers, config.width, jr.key(seed)
    flow = coupling_flow(source.dim, times, layers=layers, width=width, hard_start=False, key=key)
    gate = HardEnded(times, jnp.zeros(2), Constant(4.0 * jnp.ones(())))
    maps: list[AbstractMap] = [
        *_frozen(first, times, (1.0, 0.0)),
        *_frozen(last, times, (0.0, 1.0)),
        Opened(flow, Fixed(gate)),
        _affine(source, target, times),
    ]
    return Pushforward(inner, Chain(maps))


def _frozen(member: Member, times: Times, gate: tuple[float, float]) -> list[AbstractMap]:
    if member.map is None:
        return []
    curve = Knots(times, jnp.asarray(gate), "linear")
    return [Opened(Fixed(member.map), Fixed(curve), member.time)]


def _affine(source: Image, target: Image, times: Times) -> Linear:
    """From the units of one end to those of the other, in a straight line at first."""
    dtype, n = jnp.zeros(()).dtype, len(_CLOCK)
    knots = [times[0] + (times[1] - times[0]) * s for s in _CLOCK]
    s = np.clip(_CLOCK, 0.01, 0.99)[:, None]
    logs = np.log([source.scale, target.scale])
    straight = np.log((1.0 - s) * source.scale + s * target.scale)
    bend = (straight - (1.0 - s) * logs[0] - s * logs[1]) / (s * (1.0 - s))

    def curve(ends: np.ndarray, inside: np.ndarray) -> AbstractCurve:
        return HardEnded(times, jnp.asarray(ends, dtype), Knots(knots, jnp.asarray(inside, dtype)))

    eye, centers = np.eye(source.dim), np.stack([source.center, target.center])
    linear = curve(logs[..., None] * eye, bend[..., None] * eye)
    return Linear(linear, curve(centers, np.zeros((n, source.dim))))


def _laid(
    parts: Parts,
    source: GaussianMixture,
    target: GaussianMixture,
    times: Times,
    problem: Problem,
    config: PathConfig,
) -> LocationScale:
    noise = problem.sigma**2 * (times[1] - times[0])
    return path_along(
        parts,
        source,
        target,
        times,
        problem.sigma,
        opening=min(config.opening, opening_between(source, target, noise)),
        min_scale=config.min_scale,
        weights=config.weights,
    )
