"""Cells of AnnData, read as those of the fit of a model were."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from liouville.data import Annotated, Snapshots, is_date, listed, number_values, read_cells
from liouville.errors import LiouvilleError
from liouville.model import Model


def check_kinds(adata: Any, model: Any) -> None:
    """Refuses what is no AnnData, or no model."""
    if not isinstance(model, Model):
        raise LiouvilleError(
            f"a model cannot be of type {type(model).__name__}; give liouville.load('RUN'), or of "
            "what a fit returned fitted.model"
        )
    places = ("obs", "var", "obsm", "varm", "layers", "uns")
    if not all(hasattr(adata, place) for place in places):
        raise LiouvilleError(
            f"cells to annotate cannot be of type {type(adata).__name__}; give AnnData (of MuData "
            "one modality)"
        )


def basis_of(cells: Annotated, model: Model, asked: str | None) -> str:
    """The basis that is asked for, that of the fit, or the one whose columns have its names."""
    asked = asked or noted(model, "basis")
    if asked is None and not _is_unnamed(model):
        own = [key for key in cells.data.obsm if set(model.features) <= set(cells.names(key))]
        asked = own[0] if own else None
    basis = cells.basis(asked)
    names = cells.names(basis)
    if _is_unnamed(model):
        if len(names) != model.dim:
            raise LiouvilleError(
                f"basis {basis!r} of cells has {len(names)} columns but the model {model.dim}; "
                "name the basis of the fit with basis"
            )
    elif not set(model.features) <= set(names):
        raise LiouvilleError(
            f"basis {basis!r} of cells has the columns {listed(names, 4)}, not those of the fit, "
            f"{listed(model.features, 4)}; name the basis of the fit with basis. There are: "
            f"{listed([str(key) for key in cells.data.obsm])}"
        )
    return basis


def noted(model: Model, name: str) -> Any:
    """How the cells of the fit were read, as the model notes it; None for the usual way."""
    data = model.notes.get("data")
    return data.get(name) if isinstance(data, dict) else None


def _is_unnamed(model: Model) -> bool:
    """Whether the model was fitted to arrays, whose columns have no names."""
    return model.features == number_values(model.dim)


def cells_of(
    adata: Any,
    model: Model,
    basis: str,
    time_key: str | None,
    times: str | Mapping[str, float | int] | None,
    bins: int | None,
) -> Snapshots:
    """The cells at the model's coordinates, and their times, read as those of the fit."""
    told = {"times": times, "bins": bins}
    more: Any = {n: noted(model, n) if value is None else value for n, value in told.items()}
    usual = model.time_name if model.time_name in adata.obs else None
    features = None if _is_unnamed(model) else model.features
    key = time_key or usual
    found = read_cells(adata, time_key=key, basis=basis, features=features, **more)
    name, unit = found.time_name, found.time_unit
    if unit and model.time_unit and unit != model.time_unit:
        raise LiouvilleError(
            f"times {name!r} are in {unit} but those of the model in {model.time_unit}; convert "
            "them"
        )
    # Days are counted from the first date there is: that of the fit only if all are there.
    is_counted = is_date(adata.obs[name]) and more["times"] is None
    if is_counted and not np.array_equal(found.distinct_times, np.unique(model.times)):
        raise LiouvilleError(
            f"time column {name!r} holds dates, and not all those of the fit, so that its first "
            "day is unknown; give the number of days since then in a column"
        )
    return found
