"""Programs that are compiled for less time, or for any number of things."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from liouville.numerics.compiled import quickly
from liouville.tasks.events.pieces import ByPiece


class Pieces(eqx.Module):
    x: jax.Array
    number: int = eqx.field(static=True)

    def __len__(self) -> int:
        return len(self.x)


def test_a_quick_program_says_the_same():
    def f(x, power: int):
        return {"sum": jnp.sum(x**power), "sine": jnp.sin(x)}

    x = jnp.linspace(0.0, 2.0, 50)
    for function in (quickly(f), quickly(eqx.filter_jit(f))):
        found, wanted = function(x, 3), f(x, 3)
        np.testing.assert_allclose(found["sum"], wanted["sum"], rtol=1e-12)
        np.testing.assert_allclose(found["sine"], wanted["sine"], rtol=1e-12)


def test_any_number_of_pieces_is_one_program():
    traced = []

    def f(scale, pieces):
        traced.append(len(pieces))
        return scale * pieces.x, pieces.x.sum(axis=1)

    ask: Any = ByPiece(f)
    for count in (1, 5, 16, 17, 40):
        x = np.random.default_rng(count).normal(size=(count, 3))
        scaled, sums = ask(jnp.asarray(2.0), Pieces(jnp.asarray(x), number=7 * count))
        np.testing.assert_allclose(scaled, 2.0 * x, rtol=1e-12)
        np.testing.assert_allclose(sums, x.sum(axis=1), rtol=1e-12, atol=1e-12)
    assert len(traced) == 1
