from collections.abc import Sequence
from typing import NoReturn

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from liouville.numerics.conditioning import AWAITS, AbstractConditional, given, selected
from liouville.numerics.parameters import Fixed
from liouville.numerics.types import Scalar
from liouville.paths._base import AbstractPath, branches_of
from liouville.paths._ensemble import Ensemble, EnsembleMarginal


class Contextual(AbstractPath):
    r"""A path that depends on a context, mixed over a list of contexts, such as classes.

    $$\rho_t(x) = \sum_c w_c\, \rho_t(x \mid c), \qquad w \text{ constant},$$

    is a path by the mixture rule: a model of all classes, and of each by `in_context`.

    Attributes:
        path: a path that awaits a context (`liouville.numerics.conditioning`).
        contexts: the contexts, shape `(contexts, size)`, not learned.
        log_weights: $\log w$, normalised, shape `(contexts,)`, not learned.
    """

    path: AbstractPath
    contexts: Fixed[Float[Array, "contexts size"]]
    log_weights: Fixed[Float[Array, " contexts"]]

    @classmethod
    def of_classes(cls, path: AbstractPath, counts: Float[Array, " classes"]) -> "Contextual":
        """One context for each class, a unit vector, weighted by how often the class was seen.

        Args:
            path: a path that awaits a context of as many numbers as there are classes.
            counts: how often each class was seen, all positive.
        """
        shares = jnp.log(counts / counts.sum())
        return cls(path, Fixed(jnp.eye(counts.shape[0])), Fixed(shares))

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.in_context(0).dim

    @property
    def log_shares(self) -> Float[Array, " contexts"]:
        """The logarithms of the contexts' weights, normalised in the precision of the path."""
        return jax.nn.log_softmax(self.log_weights.value)

    def branches(self) -> tuple[tuple[Scalar, AbstractPath], ...]:
        """The branches of the paths of all contexts."""
        return branches_of(self.log_shares, [self.given(c) for c in self.contexts.value])

    def in_context(self, number: int | Int[Array, ""] | Float[Array, " size"]) -> AbstractPath:
        """The path of one context of the list, by its number, or of one that is given."""
        if jnp.ndim(number):
            return self.given(jnp.asarray(number))
        return self.given(self.contexts.value[jnp.asarray(number)])

    def given(self, context: Float[Array, " size"]) -> AbstractPath:
        """The path for one context, in the list or not."""
        return given(self.path, context)

    def at(self, t: Scalar) -> EnsembleMarginal:
        """The marginal at time `t` of shape `()`, over all contexts."""
        marginals = eqx.filter_vmap(lambda c: self.given(c).at(t))(self.contexts.value)
        return EnsembleMarginal.of(marginals, self.log_shares)


class Standardised(AbstractPath, AbstractConditional):
    r"""A path whose context is seen in units of its spread, $\rho_t(x \mid (c - c_0)/s)$.

    Attributes:
        path: a path that awaits a context.
        center: $c_0$, shape `(size,)`, not learned.
        spread: $s$, likewise, positive.
    """

    path: AbstractPath
    center: Fixed[Float[Array, " size"]]
    spread: Fixed[Float[Array, " size"]]

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.given(self.center.value).dim

    def given(self, context: Float[Array, " size"]) -> AbstractPath:
        """The path of one context."""
        return given(self.path, (context - self.center.value) / self.spread.value)

    def at(self, t: Scalar) -> NoReturn:
        """Raises an error: no context was given."""
        raise ValueError(AWAITS)


class Selected(AbstractPath, AbstractConditional):
    r"""One path for each unit vector of the context, $\theta = \sum_c e_c \theta_c$ leaf by leaf.

    Attributes:
        paths: a path whose arrays have the contexts as leading axis.
    """

    paths: AbstractPath

    @classmethod
    def of(cls, paths: Sequence[AbstractPath]) -> "Selected":
        """Stacks paths of one structure, one for each class."""
        return cls(Ensemble.of(paths).members)

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return jax.tree.map(lambda leaf: leaf[0], self.paths).dim

    def given(self, context: Float[Array, " size"]) -> AbstractPath:
        """The path of one context."""
        return selected(self.paths, context)

    def at(self, t: Scalar) -> NoReturn:
        """Raises an error: no context was given."""
        raise ValueError(AWAITS)
