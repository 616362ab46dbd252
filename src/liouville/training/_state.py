import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Bool, Float, Int

from liouville.numerics.devices import shared
from liouville.numerics.parameters import split
from liouville.numerics.types import RandomKey, Scalar
from liouville.objectives import AbstractTerm, Objective


class TrainState(eqx.Module):
    """All that changes during training, and all that a checkpoint holds."""

    learned: Any  # arrays of the path
    average: Any  # their exponential moving average
    optimizer: Any
    step: Int[Array, ""]  # how many were done
    failed: Bool[Array, ""]  # a step was not finite; the state is that before it
    best: Any  # the averaged arrays with the smallest validation so far, part by part
    best_validation: Float[Array, " parts"]  # infinite before the first
    waited: Int[Array, ""]  # validations since the best one


def initial_state(path: Any, optimizer: optax.GradientTransformation, parts: int = 1) -> TrainState:
    """The state before the first step; so many parts of the path are judged each by itself."""
    learned, _ = split(path)
    # Three copies, because the buffers of the state are donated and may not share memory.
    average, best = jax.tree.map(jnp.copy, learned), jax.tree.map(jnp.copy, learned)
    return TrainState(
        learned=jax.tree.map(jnp.copy, learned),
        average=average,
        optimizer=optimizer.init(learned),
        step=jnp.zeros((), jnp.int32),
        failed=jnp.zeros((), bool),
        best=best,
        best_validation=jnp.full((parts,), jnp.inf, jnp.zeros(()).dtype),
        waited=jnp.zeros((), jnp.int32),
    )


class Stepper(eqx.Module):
    """The compiled part of training: several steps in one call."""

    rest: Any  # what of the path is not learned
    objective: Objective
    key: RandomKey  # step `i` draws from `fold_in(key, i)`
    average: float = eqx.field(static=True)  # what the moving average keeps of itself at a step
    optimizer: optax.GradientTransformation = eqx.field(static=True)
    chunk: int = eqx.field(static=True)

    def loss(self, learned: Any, step: Int[Array, ""]) -> tuple[Scalar, dict[str, Scalar]]:
        """The objective at one step: the total and the terms."""
        path = eqx.combine(learned, self.rest)
        return self.objective.at(step)(path, key=jr.fold_in(self.key, step))

    def one(self, state: TrainState) -> tuple[TrainState, Float[Array, " metrics"]]:
        """One step; a step that is not finite changes nothing but `failed`."""
        (total, terms), gradient = jax.value_and_grad(self.loss, has_aux=True)(
            state.learned, state.step
        )
        gradient = shared(gradient)
        updates, optimizer = self.optimizer.update(gradient, state.optimizer, state.learned)
        learned = optax.apply_updates(state.learned, updates)
        # Early on the average follows the parameters, so that it forgets where they started.
        count = state.step.astype(total.dtype)
        kept = jnp.minimum(self.average, (1.0 + count) / (10.0 + count))
        average = jax.tree.map(lambda a, p: a + (1.0 - kept) * (p - a), state.average, learned)
        stepped = dataclasses.replace(
            state, learned=learned, average=average, optimizer=optimizer, step=state.step + 1
        )
        norm = optax.tree.norm(gradient)
        fine = jnp.isfinite(total) & jnp.isfinite(norm)
        frozen = eqx.tree_at(lambda s: s.failed, state, jnp.ones((), bool))
        state = jax.tree.map(lambda new, old: jnp.where(fine, new, old), stepped, frozen)
        # By name: a transformed dictionary comes back in alphabetical order.
        values = [terms[term.name] for term in self.objective.terms]
        return state, jnp.stack([total, *values, norm])

    @eqx.filter_jit(donate="all-except-first")
    def run(
        self, state: TrainState, last: Int[Array, ""]
    ) -> tuple[TrainState, Float[Array, "chunk metrics"]]:
        """Up to `chunk` steps, stopping before step `last` or at a failure.

        With the state come, for each step, the total, the terms in order and the gradient's norm.
        """
        width = len(self.objective.terms) + 2

        def body(state, _):
            return jax.lax.cond(
                state.failed | (state.step >= last),
                lambda s: (s, jnp.full((width,), jnp.nan)),
                lambda s: self.one(s),  # a bound method would be hashed, with its arrays
                state,
            )

        return shared(jax.lax.scan(body, state, None, length=self.chunk))

    @eqx.filter_jit
    def validate(self, state: TrainState, term: AbstractTerm | Objective) -> Float[Array, " parts"]:
        """A term at the averaged parameters, always with the same random numbers.

        One number for every group of parts of the path that is judged by itself, of which it is the
        sum.
        """
        return shared(self._validated(eqx.combine(state.average, self.rest), term))

    def _validated(self, path: Any, term: AbstractTerm | Objective) -> Float[Array, " parts"]:
        if not isinstance(term, Objective):
            return jnp.atleast_1d(term(path, key=self.key))
        total, terms = term(path, key=self.key)
        if not term.groups:
            return total[None]
        values = term.weights * jnp.stack([terms[t.name] for t in term.terms])
        own = [[set(t.parts) <= set(group) for t in term.terms] for group in term.groups]
        return jnp.asarray(own, values.dtype) @ values
