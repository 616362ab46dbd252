r"""Ends that are densities of fitted models: Gaussian mixtures, or such mixtures seen through maps.

Every family of `liouville fit density` ends in a density of the form

$$\rho = \sum_m w_m\,(A_m \circ T_m)_\#\, g_m,$$

with Gaussian mixtures $g_m$, frozen maps $T_m$ and the affine map $A_m$ of the units: one member
with $T = 1$ for moving parts, a coupling flow of a mixture if these are warped, of a standard
normal law for a pushforward, a Rosenblatt map of that law for an autoregressive density, and
several members for averages and classes.
"""

import dataclasses
from functools import cached_property
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp

from liouville.errors import LiouvilleError
from liouville.maps import AbstractMap, Chain
from liouville.model import Model
from liouville.numerics.mixtures import GaussianMixture, gaussian
from liouville.numerics.parameters import value_of
from liouville.paths import (
    AbstractPath,
    Autoregressive,
    Gaussian,
    Joined,
    LocationScale,
    Normal,
    Opened,
    Pushforward,
    Rosenblatt,
    can_open,
)

Array = np.ndarray

# Mean and covariance of an end that is seen through maps are those of so many points.
_MOMENTS = 8192


class Member(NamedTuple):
    """One mixture, in coordinates of order one, seen through a map."""

    base: GaussianMixture
    map: AbstractMap | None = None  # frozen; `None` for the identity
    time: float = 1.0  # at which the map is the end's


@dataclasses.dataclass(frozen=True, eq=False)
class Image:
    """A mixture of mixtures seen through maps, with the methods of a `GaussianMixture`."""

    weights: Array  # of the members, shape `(members,)`, of sum one
    members: tuple[Member, ...]  # all in the same coordinates
    center: Array  # what is added to these coordinates, times `scale`, for the end's own units
    scale: Array  # shape `(dim,)`

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.members[0].base.dim

    @property
    def mean(self) -> Array:
        """The mean, of evenly spread points, shape `(dim,)`."""
        return self._moments[0]

    @property
    def covariance(self) -> Array:
        """The covariance, of evenly spread points, shape `(dim, dim)`."""
        return self._moments[1]

    def rescaled(self, center: Array, scale: Array) -> "Image":
        """The density of `center + scale * x` for `x` of this one; both of shape `(dim,)`."""
        moved = center + scale * self.center
        return dataclasses.replace(self, center=moved, scale=scale * self.scale)

    def sample(self, n: int, *, seed: int = 0) -> tuple[Array, Array]:
        """`n` independent draws, shape `(n, dim)`, and the member each is from, shape `(n,)`."""
        label = np.random.default_rng(seed).choice(len(self.weights), n, p=self.weights)
        x = np.empty((n, self.dim))
        for number in np.unique(label).tolist():
            rows = np.flatnonzero(label == number)
            base = self.members[number].base.sample(len(rows), seed=self._seed(seed, number))[0]
            x[rows] = self.moved(number, base)
        return x, label

    def spread(self, n: int, *, seed: int = 0) -> Array:
        """`n` points that stand for the density more evenly than draws, shape `(n, dim)`."""
        counts = np.floor(self.weights * n).astype(int)
        counts[np.argsort(counts - self.weights * n)[: n - counts.sum()]] += 1
        clouds = [
            self.moved(i, self.members[i].base.spread(count, seed=self._seed(seed, i)))
            for i, count in enumerate(counts.tolist())
            if count
        ]
        return np.concatenate(clouds)

    def log_density(self, x: Array) -> Array:
        """The log-density in nats at points of shape `(n, dim)`, shape `(n,)`."""
        y = (x - self.center) / self.scale
        joint = []
        for weight, member in zip(self.weights, self.members):
            base, volume = y, 0.0
            if member.map is not None:
                found = _origins(member.map, member.time, jnp.asarray(y, jnp.zeros(()).dtype))
                base, volume = (np.asarray(a, float) for a in found)
            joint.append(np.log(weight) + member.base.log_density(base) - volume)
        return np.asarray(logsumexp(joint, axis=0)) - np.log(self.scale).sum()

    def moved(self, number: int, z: Array) -> Array:
        """Points of the base of a member, seen through its map, in the end's own units."""
        member = self.members[number]
        if member.map is not None:
            found = _images(member.map, member.time, jnp.asarray(z, jnp.zeros(()).dtype))
            z = np.asarray(found, float)
        return self.center + self.scale * z

    def member(self, number: int) -> "Image":
        """One member alone."""
        return dataclasses.replace(self, weights=np.ones(1), members=(self.members[number],))

    def _seed(self, seed: int, number: int) -> int:
        """Another one for every member and seed: members may share a base."""
        return len(self.members) * seed + number

    @cached_property
    def _moments(self) -> tuple[Array, Array]:
        x = self.spread(_MOMENTS)
        return x.mean(axis=0), np.cov(x.T).reshape(self.dim, self.dim)


Density = GaussianMixture | Image


def density_of(model: Model, source: str) -> Density:
    """The density of a fitted model at its last time, in the user's units.

    Raises:
        LiouvilleError: if it is of no family whose density can be met exactly.
    """
    time = float(model.units.time_to_model(model.interval[1]))
    path = model.path.pieces[-1] if isinstance(model.path, Joined) else model.path
    branches = path.branches()
    weights = np.exp(np.array([log_weight for log_weight, _ in branches], float))
    weights = weights / weights.sum()
    members = tuple(_member(branch, time, source) for _, branch in branches)
    if all(member.map is None for member in members):
        whole = GaussianMixture(
            np.concatenate([w * m.base.weights for w, m in zip(weights, members)]),
            np.concatenate([m.base.means for m in members]),
            np.concatenate([m.base.covariances for m in members]),
        )
        return whole.rescaled(model.units.center, model.units.scale)
    return Image(weights, members, model.units.center, model.units.scale)


def arrays_of(density: Density) -> list[Array]:
    """All numbers of a density, by which it is recognised."""
    if isinstance(density, Image):
        inner: list[Array] = []
        for member in density.members:
            leaves = jax.tree.leaves(eqx.filter(member.map, eqx.is_array))
            inner += [*arrays_of(member.base), *map(np.asarray, leaves)]
        return [density.weights, density.center, density.scale, *inner]
    return [density.means, density.covariances, density.weights]


def as_image(density: Density) -> Image:
    """A density as an image; a mixture becomes one member, in coordinates of order one."""
    if isinstance(density, Image):
        return density
    center, scale = density.mean, np.sqrt(np.diag(density.covariance))
    base = density.rescaled(-center / scale, 1.0 / scale)
    return Image(np.ones(1), (Member(base),), center, scale)


def _member(path: AbstractPath, time: float, source: str) -> Member:
    if isinstance(path, LocationScale) and isinstance(path.family, Gaussian):
        return Member(mixture_at(path, time))
    if isinstance(path, Autoregressive) and isinstance(path.family, Gaussian):
        return Member(gaussian(np.zeros(path.dim), np.eye(path.dim)), Rosenblatt(path), time)
    if isinstance(path, Pushforward) and not isinstance(path.base, Pushforward):
        base, maps = path.base, _closable(path.map, time)
        if isinstance(base, Normal):
            inner = Member(gaussian(np.zeros(path.dim), np.eye(path.dim)))
        else:
            inner = _member(base, time, source)
        if maps:
            maps = maps if inner.map is None else [inner.map, *maps]
            return Member(inner.base, maps[0] if len(maps) == 1 else Chain(maps), time)
    family = getattr(path, "family", None)
    of = f" of {type(family).__name__} parts" if family else ""
    raise LiouvilleError(
        f"{source} holds a {type(path).__name__}{of}, whose density no path can be made to meet; "
        "fit it with liouville fit density --set path.family=gaussian, or draw from it (liouville "
        "sample) and give the file"
    )


def _closable(mapping: AbstractMap, time: float) -> list[AbstractMap]:
    """The maps, one after the other, that a gate can close, or none if it cannot close them."""
    if isinstance(mapping, Opened) and mapping.held is None:
        # Behind a gate that is wide open stands the map itself.
        is_open = float(mapping.gate.value(jnp.asarray(time))) == 1.0
        mapping = value_of(mapping.map) if is_open else mapping
    maps = list(mapping.maps) if isinstance(mapping, Chain) else [mapping]
    return maps if can_open(mapping) else []


def mixture_at(path: LocationScale, time: float) -> GaussianMixture:
    """The mixture that a path of Gaussian parts is at one time."""
    marginal = path.at(jnp.asarray(time))
    frames, dim = marginal.frames, path.dim
    location = np.asarray(frames.location, float)
    units = np.broadcast_to(np.eye(dim)[:, None], (dim, *location.shape))
    axes = np.asarray(jax.vmap(frames.from_standard)(jnp.asarray(units)), float) - location
    weights = np.exp(np.asarray(marginal.log_weights, float))
    covariances = np.einsum("jki,jkl->kil", axes, axes)
    return GaussianMixture(weights / weights.sum(), location, covariances)


@eqx.filter_jit
def _images(mapping: AbstractMap, time: float, z: jax.Array) -> jax.Array:
    transform = mapping.at(jnp.asarray(time, z.dtype))
    return jax.vmap(lambda one: transform.forward(one)[0])(z)


@eqx.filter_jit
def _origins(mapping: AbstractMap, time: float, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    transform = mapping.at(jnp.asarray(time, y.dtype))
    return jax.vmap(transform.inverse)(y)
