"""What a fitted model says of the cells of an AnnData object, written where scanpy's users look."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from liouville.cells._embedding import NEIGHBOURS, projected
from liouville.cells._fates import By, fates
from liouville.cells._groups import Groups
from liouville.cells._loadings import Loadings, LoadingsLike, loadings_of
from liouville.cells._plain import plain
from liouville.cells._reading import basis_of, cells_of, check_kinds
from liouville.data import (
    Annotated,
    Snapshots,
    check_memory,
    listed,
    not_found,
    text_labels,
)
from liouville.errors import LiouvilleError
from liouville.model import Model

_BLOCK = 1 << 16  # cells whose answers are held at a time
_FLAT = (2, 3)  # the columns of an array of `obsm` that is a picture


class Rows(NamedTuple):
    """An array of which some rows at a time are computed.

    Attributes:
        shape: of the whole.
        of: the rows of a slice, float32.
    """

    shape: tuple[int, ...]
    of: Callable[[slice], np.ndarray]


@dataclass(frozen=True)
class Additions:
    """What is put into an AnnData object, by place and name."""

    obs: dict[str, np.ndarray] = field(default_factory=dict)
    obsm: dict[str, np.ndarray] = field(default_factory=dict)
    var: dict[str, np.ndarray] = field(default_factory=dict)
    uns: dict[str, Any] = field(default_factory=dict)
    layers: dict[str, Rows] = field(default_factory=dict)


class Wishes(NamedTuple):
    """What `annotate` was asked; its fields are told there."""

    time_key: str | None = None
    basis: str | None = None
    times: str | Mapping[str, float | int] | None = None
    bins: int | None = None
    embeddings: Sequence[str] | None = None
    loadings: LoadingsLike = None
    layer: bool = True
    terminal: str | None = None
    by: By = "parts"
    extrapolate: bool = False
    figures: Mapping[str, Any] | None = None
    key: str = "liouville"
    velocity: str = "velocity"


def annotate(
    adata: Any,
    model: Model,
    *,
    time_key: str | None = None,
    basis: str | None = None,
    times: str | Mapping[str, float | int] | None = None,
    bins: int | None = None,
    embeddings: Sequence[str] | None = None,
    loadings: LoadingsLike = None,
    layer: bool = True,
    terminal: str | None = None,
    by: By = "parts",
    extrapolate: bool = False,
    figures: Mapping[str, Any] | None = None,
    key: str = "liouville",
    velocity: str = "velocity",
    copy: bool = False,
) -> Any:
    r"""Writes what a model says of cells into their AnnData object, in place.

    | place | what |
    |---|---|
    | `obs["liouville_time"]` | the time of the cell, as the model counts it |
    | `obs["liouville_log_density"]` | $\log\rho_t(x)$, nats per volume of the basis |
    | `obs["liouville_growth"]` | the rate of growth $h_t(x)$, one over the unit of time |
    | `obs["liouville_speed"]` | $\lvert u_t(x)\rvert$, length of the basis per time |
    | `obsm["velocity_pca"]` | the velocity in the basis `X_pca`, shape `(cells, columns)` |
    | `obsm["velocity_umap"]` | the velocity on each picture, see `liouville.cells.projected` |
    | `layers["velocity"]` | the velocity of each gene with loadings, NaN for the others |
    | `var["velocity_genes"]` | which genes have loadings |
    | `obsm["liouville_fates"]` | with `terminal`: the probability to end in each group |
    | `obs["liouville_fate_entropy"]` | with `terminal`: $-\sum_g p_g\log p_g$, nats |
    | `uns["liouville"]` | parameters, times, names of fates, facts of the model, `figures` |

    scanpy, scVelo and CellRank read these names as they are. Cells, genes and categories stay as
    they are and in their order. A view becomes an object of its own, as always in AnnData: what
    it was cut from does not change.

    Args:
        adata: AnnData with the times in `obs` and the basis of the fit, in memory or backed.
        model: fitted to that basis.
        time_key: column of times; by default that of the fit.
        basis: array of the coordinates, as for `liouville.read_cells`; by default that of the fit.
        times: the time of every label, as for `liouville.read_cells`; by default those of the fit.
        bins: cut pseudotime into bins, likewise.
        embeddings: names of pictures in `obsm`; by default all others with two or three columns
            whose names begin with `X_`.
        loadings: what a coordinate means in genes: a key of `varm`, or an array of shape
            `(genes, coordinates)`; by default `varm["PCs"]`, if the basis is `X_pca`.
        layer: whether velocities of genes are written.
        terminal: column of cell types; those of the cells at the last time are the groups of
            fates.
        by: how fates are found, see `liouville.cells.fates`.
        extrapolate: allow times outside the model's interval.
        figures: more for `uns`, such as the summary of a fit.
        key: what the names of scalars and of fates begin with.
        velocity: what the names of velocities begin with.
        copy: leave the object as it is and return an annotated copy.

    Returns:
        The copy, or `None`.

    Raises:
        LiouvilleError: if the basis, the times, the loadings or a name do not fit the model;
            nothing is written then.

    Warns:
        UserWarning: if velocities that another tool wrote are replaced.
    """
    wishes = Wishes(
        time_key, basis, times, bins, embeddings, loadings, layer, terminal, by, extrapolate,
        figures, key, velocity,
    )  # fmt: skip
    if getattr(adata, "isbacked", False) and (copy or adata.is_view):
        raise LiouvilleError(
            f"a {'copy' if copy else 'view'} of backed AnnData would need a file of its own; "
            "annotate the whole in place, adata.to_memory(), or the file by: liouville annotate "
            "RUN FILE -o OUT"
        )
    found = additions(adata, model, wishes)
    for name, rows in found.layers.items():
        check_memory(rows.shape, np.float32, f"layers[{name!r}]", "leave it out with layer=False")
    whole = {name: rows.of(slice(0, rows.shape[0])) for name, rows in found.layers.items()}
    say_replaced(found, wishes, lambda place: getattr(adata, place))
    target = adata.copy() if copy else adata
    for place in ("obs", "obsm", "var", "uns"):
        for name, value in getattr(found, place).items():
            getattr(target, place)[name] = value
    for name, value in whole.items():
        target.layers[name] = value
    return target if copy else None


def additions(adata: Any, model: Model, wishes: Wishes) -> Additions:
    """All that `annotate` writes; nothing is changed."""
    check_kinds(adata, model)
    _check_names(wishes)
    cells = Annotated(adata, "cells")
    basis = basis_of(cells, model, wishes.basis)
    snapshots = cells_of(adata, model, basis, wishes.time_key, wishes.times, wishes.bins)
    x, t = snapshots.points, snapshots.times
    # All names are looked up before anything that takes long.
    pictures = _pictures(cells, basis, wishes)
    named = (snapshots.features, basis, wishes.loadings)
    loadings = loadings_of(adata, *named) if wishes.layer else None
    groups = None if wishes.terminal is None else _groups(cells, model, snapshots, wishes.terminal)
    found, key, name = Additions(), wishes.key, wishes.velocity
    log_density, growth, u = _answers(model, t, x, wishes.extrapolate)
    found.obs[f"{key}_time"] = t
    found.obs[f"{key}_log_density"] = log_density
    found.obs[f"{key}_growth"] = growth
    found.obs[f"{key}_speed"] = np.linalg.norm(u, axis=1)
    said: dict[str, Any] = {"basis": basis, "time_key": snapshots.time_name, "velocity": name}
    in_obsm = basis in adata.obsm
    if in_obsm:
        found.obsm[f"{name}_{_stem(basis)}"] = _in_columns(cells, basis, snapshots, u)
    for picture, places in pictures.items():
        found.obsm[f"{name}_{_stem(picture)}"] = projected(x, u, places).astype(np.float32)
    if loadings is not None:
        found.layers[name] = _rows(loadings, u)
        found.var[f"{name}_genes"] = loadings.has
        said |= {"loadings": loadings.name, "genes": int(loadings.has.sum())}
    if groups is not None:
        shares = np.asarray(fates(model, x, t, groups, by=wishes.by))
        found.obsm[f"{key}_fates"] = shares.astype(np.float32)
        found.obs[f"{key}_fate_entropy"] = entropy(shares)
        names = [str(group) for group in groups.names]
        said |= {"fates": names, "terminal": wishes.terminal, "by": wishes.by}
    # What scVelo looks up before it computes a velocity on an embedding by itself.
    shown = [_stem(place) for place in (*([basis] if in_obsm else []), *pictures)]
    found.uns[f"{name}_params"] = plain({"mode": "liouville", "embeddings": shown})
    said |= {
        "embeddings": list(pictures),
        "neighbours": NEIGHBOURS,
        "extrapolate": wishes.extrapolate,
        "model": model.facts(),
        "figures": dict(wishes.figures or {}),
    }
    found.uns[key] = plain(said)
    return found


def _check_names(wishes: Wishes) -> None:
    for option in ("key", "velocity"):
        name = getattr(wishes, option)
        if not isinstance(name, str) or not name or "/" in name:
            raise LiouvilleError(
                f"{option} is {name!r}, and names begin with it; give text without a slash"
            )


def entropy(shares: np.ndarray) -> np.ndarray:
    r"""$-\sum_g p_g\log p_g$ of rows of probabilities `(n, groups)`, nats, shape `(n,)`."""
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return np.abs(np.sum(shares * logs, axis=1))


def _answers(
    model: Model, t: np.ndarray, x: np.ndarray, extrapolate: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-density, growth and velocity of all cells."""
    log_density, growth, u = np.empty(len(x)), np.empty(len(x)), np.empty(x.shape)
    for begin in range(0, len(x), _BLOCK):
        rows = slice(begin, begin + _BLOCK)
        found = model.answers(t[rows], x[rows], extrapolate=extrapolate)
        log_density[rows], growth[rows], u[rows] = found.log_density, found.growth, found.velocity
    return log_density, growth, u


def _in_columns(cells: Annotated, basis: str, snapshots: Snapshots, u: np.ndarray) -> np.ndarray:
    """The velocity in all columns of a basis: zero in those that the model does not know."""
    names = cells.names(basis)
    found = np.zeros((len(u), len(names)), np.float32)
    found[:, [names.index(name) for name in snapshots.features]] = u
    return found


def _pictures(cells: Annotated, basis: str, wishes: Wishes) -> dict[str, np.ndarray]:
    """The pictures on which velocities are wanted, by name."""
    obsm = cells.data.obsm
    if wishes.embeddings is None:
        asked = [
            key
            for key in obsm
            if str(key).startswith("X_") and key != basis and obsm[key].shape[1] in _FLAT
        ]
    else:
        asked = [wishes.embeddings] if isinstance(wishes.embeddings, str) else wishes.embeddings
    found = {}
    for key in asked:
        if key not in obsm:
            raise not_found("obsm array", key, [str(name) for name in obsm], "cells")
        found[key] = cells.points(key)[0]
        if not np.isfinite(found[key]).all():
            raise LiouvilleError(
                f"obsm[{key!r}] has places that are NaN or infinite; remove those cells, or leave "
                "it out of embeddings"
            )
    return found


def _rows(loadings: Loadings, u: np.ndarray) -> Rows:
    return Rows((len(u), len(loadings.has)), lambda rows: loadings.velocities(u[rows]))


def _groups(cells: Annotated, model: Model, snapshots: Snapshots, column: str) -> Any:
    """The groups in which cells end: those of the cells at the last time."""
    last = model.interval[1]
    ends = np.isclose(snapshots.times, last)
    labels = cells.labels(column)[ends]
    if not np.any(text_labels(labels) != ""):
        raise LiouvilleError(
            f"no cells at the last time, {last:g}, have a value in {column!r}, so there are no "
            "terminal groups; name another column, or annotate all cells"
        )
    return Groups.of(snapshots.points[ends], labels)


def say_replaced(found: Additions, wishes: Wishes, there: Callable[[str], Any]) -> None:
    """Says what is replaced, unless it was ours; `there` gives the names of a place."""
    if wishes.key in there("uns"):
        return
    places = ("obs", "obsm", "layers")
    replaced = [
        f"{place}[{name!r}]"
        for place in places
        for name in getattr(found, place)
        if name in there(place)
    ]
    if replaced:
        warnings.warn(
            f"{listed(replaced)} were there and are replaced; to keep them give another key or "
            "velocity",
            stacklevel=3,
        )


def _stem(basis: str) -> str:
    return basis.removeprefix("X_")
