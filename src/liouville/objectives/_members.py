import equinox as eqx
import jax.numpy as jnp
import jax.random as jr

from liouville.numerics.types import RandomKey, Scalar
from liouville.objectives._base import AbstractTerm
from liouville.paths import AbstractPath, Contextual


class PerMember(AbstractTerm):
    r"""The mean of a term over members, so that each is trained as if alone.

    The members of an `Ensemble` and the parts of a `Mixture` (in turn, if they are nested) are
    the paths the term is asked of; any other path is its own only member. Weights between members
    take no part. `PerContext` does the same for the contexts of a `Contextual`.

    Attributes:
        term: the term.
        name: that of the term.
    """

    term: AbstractTerm
    name: str = eqx.field(static=True)

    def __init__(self, term: AbstractTerm):
        self.term = term
        self.name = term.name

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """The mean over the members; each draws its own random numbers."""
        return path.mean_over_members(self.term, key=key)


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
