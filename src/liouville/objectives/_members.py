from typing import cast

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from liouville.numerics.types import RandomKey, Scalar
from liouville.objectives._base import AbstractTerm
from liouville.objectives._likelihood import GrowthDeviation, NegativeLogLikelihood
from liouville.paths import AbstractPath, Contextual, Ensemble


class PerMember(AbstractTerm):
    r"""The mean of a term over members, so that each is trained as if alone.

    The members of an `Ensemble` and the parts of a `Mixture` (in turn, if they are nested) are
    the paths the term is asked of; any other path is its own only member. Weights between members
    take no part. `PerContext` does the same for the contexts of a `Contextual`.

    The members of an `Ensemble` may each weigh the points of a term that has `clouds` in their own
    way, as those of a bootstrap do.

    Attributes:
        term: the term.
        weights: of every member, of sum one, shape `(members, n)`; by default all have those of
            the term.
        name: that of the term.
    """

    term: AbstractTerm
    weights: Float[Array, "members n"] | None
    name: str = eqx.field(static=True)

    def __init__(self, term: AbstractTerm, factors: np.ndarray | None = None):
        """The term of every member, whose weights are the term's, or these times own factors."""
        self.term = term
        self.name = term.name
        self.weights = None
        if factors is not None:
            clouds = cast(NegativeLogLikelihood | GrowthDeviation, term).clouds
            weights = clouds.weights * jnp.asarray(factors, jnp.zeros(()).dtype)
            self.weights = weights / weights.sum(axis=1, keepdims=True)

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """The mean over the members; each draws its own random numbers."""
        if self.weights is None:
            return path.mean_over_members(self.term, key=key)
        if not isinstance(path, Ensemble) or path.size != len(self.weights):
            raise ValueError(f"weights of {len(self.weights)} members need an Ensemble of as many")

        def of_member(member, weights, k):
            own = eqx.tree_at(lambda term: term.clouds.weights, self.term, weights)
            return member.mean_over_members(own, key=k)

        keys = jr.split(key, path.size)
        return eqx.filter_vmap(of_member)(path.members, self.weights, keys).mean()


class PerContext(AbstractTerm):
    r"""The mean of a term over the contexts of a `Contextual`, by their weights.

    Each call draws some contexts with these weights, so the cost does not grow with their number
    and the mean is unbiased. Any other path is asked as it is.

    Attributes:
        term: the term.
        draws: the number of contexts drawn a call.
        name: that of the term.
    """

    term: AbstractTerm
    draws: int = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __init__(self, term: AbstractTerm, draws: int = 1):
        self.term = term
        self.draws = draws
        self.name = term.name

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """The mean over the drawn contexts; each draws its own random numbers."""
        if not isinstance(path, Contextual):
            return self.term(path, key=key)
        pick_key, *keys = jr.split(key, self.draws + 1)
        picks = jr.categorical(pick_key, path.log_weights.value, shape=(self.draws,))
        values = [self.term(path.given(path.contexts.value[i]), key=k) for i, k in zip(picks, keys)]
        return jnp.stack(values).mean()
