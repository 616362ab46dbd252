"""Programs that are compiled for less time than usual."""

from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx

Function = TypeVar("Function", bound=Callable)


def quickly(function: Function) -> Function:
    """A function that is compiled in less than half the time, and takes up to twice as long to run.

    For what runs once or on few points; a function that is compiled already may be given. All that
    is no array is held static, as by `equinox.filter_jit`.
    """
    options: Any = {"compiler_options": {"xla_backend_optimization_level": 0}}
    compiled: Any = eqx.filter_jit(function, **options)
    return compiled
