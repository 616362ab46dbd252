"""Figures of a fitted model: densities, velocities, paths, training, and a report of them all.

Every function takes a model with the NumPy interface of ``DrawableModel`` and returns a
matplotlib ``Figure`` (or writes a file); nothing here uses or changes the state of pyplot.
Matplotlib is loaded when the first drawing function is looked up, so that importing this
package costs nothing to those who do not draw.

One colour map stands for time in all figures, from dark violet (first) to orange (last).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liouville.plots._public import *  # noqa: F403


def __getattr__(name: str) -> object:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}._public"), name)
