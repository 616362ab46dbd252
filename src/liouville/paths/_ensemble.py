from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int

from liouville.numerics.special import log_sum_exp
from liouville.numerics.types import Point, Points, RandomKey, Scalar
from liouville.paths._base import (
    AbstractMarginal,
    AbstractPath,
    average_velocity,
    branches_of,
    mixed_masses,
)


class Ensemble(AbstractPath):
    r"""An equal mixture of paths of one structure: a `Mixture` whose parts are stacked arrays.

    Trained one by one (see `liouville.objectives.PerMember`) and then mixed, members average out
    what each owes to its start. The mixture rule makes the average a path again, exactly: its
    velocity is the members' mean, weighted by how likely each finds the point.

    Attributes:
        members: a path whose arrays have the members as leading axis.
        size: the number of members.
    """

    members: AbstractPath
    size: int = eqx.field(static=True)

    @classmethod
    def of(cls, paths: Sequence[AbstractPath]) -> "Ensemble":
        """Stacks paths of one structure.

        Raises:
            ValueError: if there are none, or they differ in more than the values of arrays.
        """
        structures = {jax.tree.structure(path) for path in paths}
        shapes = {tuple(jnp.shape(leaf) for leaf in jax.tree.leaves(path)) for path in paths}
        if len(structures) != 1 or len(shapes) != 1:
            raise ValueError(
                f"an ensemble needs paths of one structure, got {len(structures)} structures and "
                f"{len(shapes)} sets of shapes; use Mixture for paths that differ"
            )
        return cls(jax.tree.map(lambda *leaves: jnp.stack(leaves), *paths), len(paths))

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.member(0).dim

    @property
    def log_shares(self) -> Float[Array, " members"]:
        """The logarithms of the members' shares, all equal."""
        return jnp.full((self.size,), -jnp.log(float(self.size)))

    def member(self, number: int) -> AbstractPath:
        """One of the paths."""
        return jax.tree.map(lambda leaf: leaf[number], self.members)

    def at(self, t: Scalar) -> "EnsembleMarginal":
        """The marginal at time `t` of shape `()`."""
        marginals = eqx.filter_vmap(lambda path: path.at(t))(self.members)
        return EnsembleMarginal.of(marginals, self.log_shares)

    def branches(self) -> tuple[tuple[Scalar, AbstractPath], ...]:
        """The branches of all members."""
        return branches_of(self.log_shares, [self.member(i) for i in range(self.size)])

    def mean_over_members(self, function: Callable[..., Scalar], *, key: RandomKey) -> Scalar:
        """The mean over the members, traced once for all of them."""
        keys = jr.split(key, self.size)
        each = eqx.filter_vmap(lambda member, k: member.mean_over_members(function, key=k))
        return each(self.members, keys).mean()

    def in_context(self, number: int | Int[Array, ""] | Float[Array, " size"]) -> "Ensemble":
        """The ensemble of the members' paths of one context."""
        chosen = eqx.filter_vmap(lambda member: member.in_context(number))(self.members)
        return Ensemble(chosen, self.size)


class EnsembleMarginal(AbstractMarginal):
    """Marginals of one structure, stacked and mixed with constant weights."""

    members: AbstractMarginal
    log_weights: Float[Array, " members"]
    log_total: Scalar

    @staticmethod
    def of(members: AbstractMarginal, log_shares: Float[Array, " members"]) -> "EnsembleMarginal":
        """Mixes stacked marginals with constant shares."""
        masses = eqx.filter_vmap(lambda member: member.log_mass)(members)
        return EnsembleMarginal(members, *mixed_masses(log_shares, masses))

    def log_density(self, x: Point) -> Scalar:
        r"""$\log \sum_m w_m \rho_m(x)$."""
        return log_sum_exp(self._log_joint(x))

    def velocity(self, x: Point) -> Point:
        r"""$\sum_m \gamma_m u_m$ with $\gamma = \mathrm{softmax}(\log w_m + \log\rho_m)$."""
        velocities = eqx.filter_vmap(lambda member: member.velocity(x))(self.members)
        return average_velocity(self._log_joint(x), velocities)

    def growth(self, x: Point) -> Scalar:
        r"""$\sum_m \gamma_m h_m$."""
        rates = eqx.filter_vmap(lambda member: member.growth(x))(self.members)
        return average_velocity(self._log_joint(x), rates[:, None])[0]

    @property
    def log_mass(self) -> Scalar:
        r"""$\log\sum_m w_m M_m$."""
        return self.log_total

    def log_parts(self, x: Point) -> Float[Array, " parts"]:
        """The parts of all members, weighted by these."""
        within = eqx.filter_vmap(lambda member: member.log_parts(x))(self.members)
        return (self.log_weights[:, None] + within).reshape(-1)

    @property
    def log_part_masses(self) -> Float[Array, " parts"]:
        """The masses of the parts of all members, as shares of theirs."""
        shares = eqx.filter_vmap(lambda m: m.log_part_masses - m.log_mass)(self.members)
        return (self.log_total + self.log_weights[:, None] + shares).reshape(-1)

    def sample(self, *, key: RandomKey) -> Point:
        """One draw: a member by its weight, then a point of it."""
        member_key, point_key = jr.split(key)
        return self._member(jr.categorical(member_key, self.log_weights)).sample(key=point_key)

    def particles(self, n: int, *, key: RandomKey) -> tuple[Points, Float[Array, " n"]]:
        """The particles of every member."""
        size = self.log_weights.shape[0]
        each = -(-n // size)
        draw = eqx.filter_vmap(lambda member, k: member.particles(each, key=k))
        points, weights = draw(self.members, jr.split(key, size))
        weights = jnp.exp(self.log_weights)[:, None] * weights
        return points.reshape(-1, points.shape[-1]), weights.reshape(-1)

    def _member(self, i: int | Array) -> AbstractMarginal:
        return jax.tree.map(lambda leaf: leaf[i], self.members)

    def _log_joint(self, x: Point) -> Float[Array, " members"]:
        return self.log_weights + eqx.filter_vmap(lambda m: m.log_density(x))(self.members)
