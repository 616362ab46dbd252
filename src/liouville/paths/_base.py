import abc
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from liouville.numerics.types import Point, Points, RandomKey, Scalar


class AbstractMarginal(eqx.Module):
    """A path at one time: a density, the velocity that moves it, and two ways to draw from it.

    All methods answer for one point; use `jax.vmap` for many. Draws come in two kinds because
    their uses differ: `sample` gives independent points of equal weight, `particles` gives
    weighted points whose averages have unbiased *gradients* with respect to every parameter.
    """

    @abc.abstractmethod
    def log_density(self, x: Point) -> Scalar:
        r"""$\log\rho_t(x)$ in nats, for `x` of shape `(dim,)`."""

    @abc.abstractmethod
    def velocity(self, x: Point) -> Point:
        """The velocity at `x`, shape `(dim,)`, in units of space per unit of time."""

    def growth(self, x: Point) -> Scalar:
        r"""The growth rate $h_t(x)$ of the mass at `x`, per unit of time; zero by default."""
        return jnp.zeros((), x.dtype)

    @property
    def log_mass(self) -> Scalar:
        r"""$\log M_t$, the logarithm of the total mass; zero by default, of shape `()`."""
        return jnp.asarray(0.0)

    def log_parts(self, x: Point) -> Float[Array, " parts"]:
        r"""$\log(m_k\rho_k(x)/M)$ of the parts, each of which keeps its own mass on its way.

        $$M\rho = \sum_k m_k\rho_k, \qquad \gamma_k = \mathrm{softmax}_k:$$

        what is of part $k$ at one time is of part $k$ at all others, so that the masses and shares
        of two times say where mass goes (`liouville.cells.fates`). A path whose mass passes from
        part to part has no such parts but itself, as has, by default, every path.
        """
        return self.log_density(x)[None]

    @property
    def log_part_masses(self) -> Float[Array, " parts"]:
        r"""$\log m_k$ of the parts of `log_parts`, $\sum_k m_k = M$; itself alone by default."""
        return self.log_mass[None]

    @abc.abstractmethod
    def sample(self, *, key: RandomKey) -> Point:
        """One draw from the density, shape `(dim,)`."""

    @abc.abstractmethod
    def particles(self, n: int, *, key: RandomKey) -> tuple[Points, Float[Array, " n"]]:
        r"""Weighted points with $E_\rho[f] = E[\sum_i w_i f(x_i)]$ for every $f$.

        The gradient with respect to the parameters passes through points and weights and is
        unbiased too: discrete choices are enumerated, never drawn.

        Args:
            n: how many points are wanted. At least `n` come back: every part has the same
                number of them.
            key: random key.

        Returns:
            Points of shape `(m, dim)` and weights of shape `(m,)` that sum to one, `m >= n`.
        """


class AbstractRedirected(AbstractMarginal):
    """The density of another marginal, which gets there in another way; it forwards the rest.

    Attributes:
        marginal: the other marginal.
    """

    marginal: eqx.AbstractVar[AbstractMarginal]

    def log_density(self, x: Point) -> Scalar:
        """The log-density of the other marginal."""
        return self.marginal.log_density(x)

    @property
    def log_mass(self) -> Scalar:
        """The mass of the other marginal."""
        return self.marginal.log_mass

    def log_parts(self, x: Point) -> Float[Array, " parts"]:
        """The parts of the other marginal."""
        return self.marginal.log_parts(x)

    @property
    def log_part_masses(self) -> Float[Array, " parts"]:
        """The masses of the parts of the other marginal."""
        return self.marginal.log_part_masses

    def sample(self, *, key: RandomKey) -> Point:
        """One draw."""
        return self.marginal.sample(key=key)

    def particles(self, n: int, *, key: RandomKey) -> tuple[Points, Float[Array, " n"]]:
        """The particles of the other marginal."""
        return self.marginal.particles(n, key=key)


def average_velocity(
    log_joint: Float[Array, " parts"], velocities: Float[Array, "parts dim"]
) -> Point:
    r"""$\sum_k \gamma_k u_k$ with $\gamma = \mathrm{softmax}$ of the log-densities of the parts.

    Where a part has no share left, its velocity may be beyond all numbers; it then has no say.
    Where no part has density all are at rest, and any average will do.
    """
    shares = jax.nn.softmax(jnp.where(log_joint.max() > -jnp.inf, log_joint, 0.0))
    return shares @ jnp.where(shares[:, None] > 0.0, velocities, 0.0)


def mixed_masses(
    log_shares: Float[Array, " parts"], log_masses: Float[Array, " parts"]
) -> tuple[Float[Array, " parts"], Scalar]:
    r"""Log-weights $\log(w_k M_k / M)$ of parts with masses, and $\log\sum_k w_k M_k$."""
    if log_masses.weak_type:  # the zeros of paths that do not grow, which have no precision
        return log_shares, jnp.asarray(0.0)
    joint = log_shares.astype(log_masses.dtype) + log_masses
    return jax.nn.log_softmax(joint), jax.nn.logsumexp(joint)


class AbstractPath(eqx.Module):
    r"""A time-dependent density with the velocity that carries it, and the rate at which it grows.

    The law $\partial_t(M\rho) + \nabla\cdot(M\rho u) = h M\rho$ holds by construction, for most
    paths with $M = 1$ and $h = 0$; a new path must keep it (`liouville.checks.continuity` measures
    it).
    """

    @property
    @abc.abstractmethod
    def dim(self) -> int:
        """The number of coordinates of a point."""

    @abc.abstractmethod
    def at(self, t: Scalar) -> AbstractMarginal:
        """The marginal at time `t` of shape `()`; all work that depends on time alone is here."""

    # What a path is made of. Most are made of nothing but themselves; averages say otherwise.

    def branches(self) -> tuple[tuple[Scalar, "AbstractPath"], ...]:
        r"""Paths with $M\rho = \sum_k w_k M_k \rho_k$ at all times, each after its $\log w_k$.

        This is about densities: velocities mix by the rule of `Mixture`, if no gauge adds to them.
        No branch has branches of its own.
        """
        return ((jnp.zeros(()), self),)

    def mean_over_members(self, function: Callable[..., Scalar], *, key: RandomKey) -> Scalar:
        """The plain mean of `function(member, key=...)` over the members of averages, in turn.

        Args:
            function: from a path and a random key to a number of shape `()`.
            key: random key; every member has its own.
        """
        return function(self, key=key)

    def in_context(self, number: int | Int[Array, ""] | Float[Array, " size"]) -> "AbstractPath":
        """The path of one context of every `Contextual` of which the path is made.

        Args:
            number: of the context in their lists, or a context, shape `(size,)`.
        """

        def is_inner(node: Any) -> bool:
            return isinstance(node, AbstractPath) and node is not self

        def chosen(node: Any) -> Any:
            return node.in_context(number) if is_inner(node) else node

        leaves, structure = jax.tree.flatten(self, is_leaf=is_inner)
        if not any(map(is_inner, leaves)):
            return self
        return jax.tree.unflatten(structure, map(chosen, leaves))


def branches_of(
    log_shares: Float[Array, " paths"], paths: Sequence[AbstractPath]
) -> tuple[tuple[Scalar, AbstractPath], ...]:
    """The branches of paths that are mixed with constant shares."""
    return tuple(
        (share + inner, branch)
        for share, path in zip(log_shares, paths, strict=True)
        for inner, branch in path.branches()
    )
