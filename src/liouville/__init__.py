"""Liouville: learn how probability distributions move, without simulating them.

    import liouville as lv

    model = lv.load("RUN")
    model.log_density(t, x), model.velocity(t, x), model.sample(t, 1000)

Public names are loaded when first used, so that the command line can answer `--help` without
importing JAX.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from liouville import cells as cells
    from liouville import checks as checks
    from liouville import curves as curves
    from liouville import data as data
    from liouville import diffusions as diffusions
    from liouville import dynamics as dynamics
    from liouville import gauges as gauges
    from liouville import maps as maps
    from liouville import objectives as objectives
    from liouville import paths as paths
    from liouville import plots as plots
    from liouville import problems as problems
    from liouville import processes as processes
    from liouville import quantities as quantities
    from liouville.cells import Groups as Groups
    from liouville.cells import ancestors as ancestors
    from liouville.cells import annotate as annotate
    from liouville.cells import coupling as coupling
    from liouville.cells import fates as fates
    from liouville.cells import pull as pull
    from liouville.cells import push as push
    from liouville.cells import transitions as transitions
    from liouville.data import read_cells as read_cells
    from liouville.data import read_events as read_events
    from liouville.data import read_samples as read_samples
    from liouville.errors import LiouvilleError as LiouvilleError
    from liouville.errors import TrainingError as TrainingError
    from liouville.model import Model as Model
    from liouville.model import load as load
    from liouville.numerics import networks as networks
    from liouville.numerics.conditioning import given as given
    from liouville.numerics.mixtures import GaussianMixture as GaussianMixture
    from liouville.runs.programs import keep_programs as keep_programs
    from liouville.tasks.cells.fit import fit_cells as fit_cells
    from liouville.tasks.control.fit import fit_control as fit_control
    from liouville.tasks.control.fit import load_policy as load_policy
    from liouville.tasks.control.problem import ControlProblem as ControlProblem
    from liouville.tasks.density.estimator import DensityEstimator as DensityEstimator
    from liouville.tasks.density.fit import fit_density as fit_density
    from liouville.tasks.events.files import load_events as load_events
    from liouville.tasks.events.fit import fit_events as fit_events
    from liouville.tasks.transport.answers import couple as couple
    from liouville.tasks.transport.answers import transport_map as transport_map
    from liouville.tasks.transport.fit import fit_transport as fit_transport
    from liouville.tasks.transport.plans import fit_plan as fit_plan
    from liouville.training import fit as fit

__version__ = "0.1.0"

# The same names by the module they are from; the first line is of rooms.
_NAMES = {
    "": "cells checks curves data diffusions dynamics gauges maps objectives paths plots problems "
    "processes quantities",
    "cells": "Groups ancestors annotate coupling fates pull push transitions",
    "data": "read_cells read_events read_samples",
    "errors": "LiouvilleError TrainingError",
    "model": "Model load",
    "numerics": "networks",
    "numerics.conditioning": "given",
    "numerics.mixtures": "GaussianMixture",
    "runs.programs": "keep_programs",
    "tasks.cells.fit": "fit_cells",
    "tasks.control.fit": "fit_control load_policy",
    "tasks.control.problem": "ControlProblem",
    "tasks.density.estimator": "DensityEstimator",
    "tasks.density.fit": "fit_density",
    "tasks.events.files": "load_events",
    "tasks.events.fit": "fit_events",
    "tasks.transport.answers": "couple transport_map",
    "tasks.transport.fit": "fit_transport",
    "tasks.transport.plans": "fit_plan",
    "training": "fit",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'liouville' has no attribute {name!r}")
    if _HOME[name] in ("", "numerics"):
        return importlib.import_module(f"liouville.{_HOME[name]}.{name}".replace("..", "."))
    return getattr(importlib.import_module(f"liouville.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*_HOME, "__version__"])
