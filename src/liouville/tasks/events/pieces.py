"""Answers about events piece by piece, with one program whatever the number of events."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np

from liouville.numerics.compiled import quickly
from liouville.processes import Excerpts

# Pieces in one call, and how many pieces in all are answered before a better program is compiled.
_BLOCK, _BRIEF = 16, 64


class ByPiece:
    """A function of a process and excerpts, compiled once for any number of them.

    It answers with arrays whose leading axis is that of the excerpts.
    """

    def __init__(self, function: Callable[[Any, Excerpts], Any]):
        self._well, self._quick = eqx.filter_jit(function), quickly(function)

    def __call__(self, process: Any, excerpts: Excerpts) -> Any:
        """The answers at all pieces, as arrays of NumPy."""
        count, found = len(excerpts), []
        ask = self._quick if count <= _BRIEF else self._well
        # How many events there are is static, and would be another program.
        pieces = jax.tree.map(np.asarray, dataclasses.replace(excerpts, number=0))
        for begin in range(0, count, _BLOCK):
            rows = np.minimum(np.arange(begin, begin + _BLOCK), count - 1)
            block = jax.tree.map(lambda a, i=rows: a[i], pieces)
            found.append(jax.tree.map(np.asarray, ask(process, block)))
        return jax.tree.map(lambda *blocks: np.concatenate(blocks)[:count], *found)
