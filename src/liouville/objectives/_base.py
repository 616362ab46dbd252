import abc
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int

from liouville.numerics.types import RandomKey, Scalar


class AbstractTerm(eqx.Module):
    """One number to be made small: `term(path, key=key)`.

    What it is given is a path, or another module with learned arrays that the term knows.

    Attributes:
        name: under which the term is logged; unique within an objective.
    """

    name: eqx.AbstractVar[str]

    @abc.abstractmethod
    def __call__(self, path: Any, *, key: RandomKey) -> Scalar:
        """An unbiased estimate of the term, with an unbiased gradient, shape `()`."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The fields of the path that the term depends on, if it is only these; else none."""
        return ()

    def at(self, step: Int[Array, ""]) -> "AbstractTerm":
        """The term as it is at a step of training: itself, unless it changes with the steps."""
        del step
        return self

    def __add__(self, other: "AbstractTerm | Objective") -> "Objective":
        return _objective(self) + other

    def __mul__(self, weight: float) -> "Objective":
        return _objective(self) * weight

    __rmul__ = __mul__


class Objective(eqx.Module):
    r"""A weighted sum of terms, $\sum_i \lambda_i \ell_i$.

    Attributes:
        terms: the terms.
        weights: $\lambda$, shape `(len(terms),)`; arrays, so that changing one compiles nothing.
    """

    terms: tuple[AbstractTerm, ...]
    weights: Float[Array, " terms"]

    @staticmethod
    def of(terms: Sequence[AbstractTerm]) -> "Objective":
        """The plain sum of terms."""
        return Objective(tuple(terms), jnp.ones((len(terms),)))

    def __check_init__(self):
        """Terms are logged by name, so the names must differ."""
        names = [term.name for term in self.terms]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two terms are named {twice[0]!r}; give one of them another name=...")

    def __call__(self, path: Any, *, key: RandomKey) -> tuple[Scalar, dict[str, Scalar]]:
        """The weighted sum and the value of each term by name, unweighted.

        Term `i` draws from `fold_in(key, i)`.
        """
        values = [term(path, key=jr.fold_in(key, i)) for i, term in enumerate(self.terms)]
        total = jnp.stack(values) @ self.weights
        return total, {term.name: value for term, value in zip(self.terms, values)}

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The fields of the path that terms depend on, those of one term in one group.

        Terms of different groups know nothing of each other. None if a term depends on all.
        """
        found: list[set[str]] = []
        for own in (set(term.parts) for term in self.terms):
            if not own:
                return ()
            apart = [group for group in found if not group & own]
            found = [*apart, own.union(*(group for group in found if group & own))]
        return tuple(sorted(tuple(sorted(group)) for group in found))

    def at(self, step: Int[Array, ""]) -> "Objective":
        """The objective at a step of training."""
        return Objective(tuple(term.at(step) for term in self.terms), self.weights)

    def __add__(self, other: "AbstractTerm | Objective") -> "Objective":
        other = _objective(other)
        return Objective(self.terms + other.terms, jnp.concatenate([self.weights, other.weights]))

    def __mul__(self, weight: float) -> "Objective":
        return Objective(self.terms, self.weights * weight)

    __rmul__ = __mul__


def _objective(term: AbstractTerm | Objective) -> Objective:
    return term if isinstance(term, Objective) else Objective.of([term])


def stratified_times(
    n: int, interval: tuple[float, float], *, key: RandomKey, crowding: float = 0.0
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    r"""`n` times with one common random shift, and the share of the interval each stands for.

    With $v_i = (i + U)/n$ the times are $t_0 + (t_1 - t_0)(v_i - c \sin(2\pi v_i)/2\pi)$: equally
    spaced for crowding $c = 0$, denser near both ends by $1/(1 - c)$ otherwise. Each $v_i$ is
    uniform over its own stratum, so sums over the times weighted by the shares are unbiased
    integrals; for smooth integrands their error falls much faster than with independent times.

    Args:
        n: the number of times.
        interval: $(t_0, t_1)$.
        key: random key.
        crowding: $c$, at least 0 and below 1.

    Returns:
        The times and their shares, whose sum is about $t_1 - t_0$, both of shape `(n,)`.
    """
    start, end = interval
    v = (jnp.arange(n) + jr.uniform(key)) / n
    turn = 2.0 * jnp.pi * v
    times = v - crowding * jnp.sin(turn) / (2.0 * jnp.pi)
    shares = (1.0 - crowding * jnp.cos(turn)) / n
    return start + (end - start) * times, (end - start) * shares
