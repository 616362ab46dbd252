import equinox as eqx
import jax.random as jr

from liouville._types import RandomKey, Scalar
from liouville.objectives._base import AbstractTerm
from liouville.paths import AbstractPath, Ensemble


class PerMember(AbstractTerm):
    r"""The mean of a term over the members of an `Ensemble`: each is trained as if alone.

    Attributes:
        term: the term.
    """

    term: AbstractTerm

    @property
    def name(self) -> str:
        """The name of the term."""
        return self.term.name

    def __call__(self, path: AbstractPath, *, key: RandomKey) -> Scalar:
        """The mean over the members; each draws its own random numbers."""
        if not isinstance(path, Ensemble):
            raise TypeError(f"PerMember needs an Ensemble, got a {type(path).__name__}")
        values = eqx.filter_vmap(lambda member, k: self.term(member, key=k))(
            path.members, jr.split(key, path.size)
        )
        return values.mean()
