"""Reading cells from whatever people have: tables, archives, AnnData, arrays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from liouville.data._annotated import Annotated, column_names
from liouville.data._archives import Archive
from liouville.data._arrays import real_matrix
from liouville.data._growth_scores import Expressed, rates_of, score_of
from liouville.data._names import listed, names_among, not_found
from liouville.data._records import number_values
from liouville.data._roles import unit_of, usual
from liouville.data._snapshots import NO_GROUP, Snapshots
from liouville.data._sources import ALL, Source, opened, source_of
from liouville.data._suspects import identifiers_of, other_columns, said_columns
from liouville.data._tables import Table, kept_columns, text_labels
from liouville.data._times import binned, named_times, numbers_from_times, times_of_labels
from liouville.errors import LiouvilleError

# More different times than this are hardly snapshots if their name is one of pseudotime's; of any
# name, fewer than two cells a time are none (so many cells given).
_MOST_PSEUDO, _FEWEST_PSEUDO = 20, 50


@dataclass(frozen=True)
class _Request:
    """What the caller asked to read; None where the usual names apply."""

    time_key: str | None
    basis: str | None
    embedding: str | None
    numbers: Mapping[str, str]  # the columns of a number a cell, by field of `Snapshots`
    texts: Mapping[str, str]  # those of a text a cell, likewise
    scores: Mapping[str, str]  # what tells division and death, by kind
    features: tuple[str, ...] | None
    without: tuple[str, ...]


@dataclass(frozen=True)
class _Columns:
    """What a source gave, before times are read and columns chosen."""

    points: np.ndarray
    names: tuple[str, ...]
    times: np.ndarray
    time_name: str
    embedding: np.ndarray | None = None
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)
    texts: Mapping[str, np.ndarray] = field(default_factory=dict)
    scores: Mapping[str, np.ndarray] = field(default_factory=dict)
    identifiers: np.ndarray | None = None
    colours: Mapping[str, str] = field(default_factory=dict)


def read_cells(
    source: Source,
    *,
    time_key: str | None = None,
    basis: str | None = None,
    features: str | Sequence[str] | None = None,
    without: str | Sequence[str] | None = None,
    dims: int | None = None,
    embedding: str | None = None,
    weights: str | None = None,
    totals: str | None = None,
    rates: str | None = None,
    donors: str | None = None,
    condition: str | None = None,
    groups: str | None = None,
    proliferation: str | Sequence[str] | None = None,
    apoptosis: str | Sequence[str] | None = None,
    times: str | Mapping[str, float | int] | None = None,
    bins: int | None = None,
    memory: float | None = None,
) -> Snapshots:
    """Reads cells and the times at which they were observed.

    * Text tables (``.csv``, ``.tsv``, ``.txt``, ``.dat``, also ``.gz``), ``.parquet``,
      ``.feather`` and data frames: a time column and numeric columns. The time column is the only
      one with a usual name (time, t, day, hour, date, timepoint, age, stage, ... in any case),
      unless `time_key` names it. Names of rows and text columns of identifiers are kept apart.
    * ``.npz``: points ``X`` and times ``t``, or TrajectoryNet's ``pcs`` (or ``embedding``,
      ``phate``) and ``sample_labels``. Python objects are never unpickled.
    * ``.h5ad``, ``.zarr``, AnnData and MuData: times from ``obs``, points from ``obsm`` (``X_pca``,
      or the only one), from ``X``, ``raw`` or ``layers/NAME``. Needs the extra ``cells``.
    * A pair ``(points, times)`` of arrays or nested lists, or a triple with weights; one array or
      ``.npy`` file with the time in its first column.

    Times are numbers; text with one number and the same words everywhere (``"day 3"``, ``"D7.5"``,
    ``"3h"``, ``"E8.5"``); ranges such as ``"Day 00-03"``, which become their midpoint (1.5);
    durations, which become days; or dates, which become days since the first. Values are finite;
    `Snapshots.check` looks further.

    Args:
        source: The file, or the object in memory.
        time_key: Column (``obs`` column, array) of times.
        basis: Array of points: of an archive, or a key of ``obsm``, ``X``, ``raw``, ``layers/NAME``
            (``MODALITY:KEY`` for MuData). Not for tables.
        features: Columns to read, as a list or separated by commas. Columns of an array are named
            after it: ``PC1``, ``PC2``, … for principal components, ``x1``, ``x2``, … for ``X``.
        without: Columns to leave out, likewise.
        dims: Keep only the first columns, this many.
        embedding: Two coordinates for pictures: an array, an ``obsm`` key (their first two columns
            are used), or two columns of a table, ``"u1,u2"``.
        weights: Column (``obs`` column, array) of the mass of each cell.
        totals: Column of the mass of the whole population at the time of each cell.
        rates: Column of the expected rate of growth of each cell, in one over the unit of time.
        donors: Column of who each cell came from: donors, animals, batches.
        condition: Column of the condition of each cell, such as its genotype.
        groups: Column of the group of each cell, such as its type or cluster, for pictures; cells
            without one are called `-`. The colours of an AnnData come along.
        proliferation: What tells that cells divide: a column of scores, or genes as a list,
            separated by commas, or in a file with one on each line. Rates then follow as in
            Waddington-OT (Schiebinger et al., Cell 2019).
        apoptosis: What tells that they die, likewise.
        times: The time of every label of the time column, if they have no numbers:
            ``"iPSC=18,MEF=0"`` or a mapping.
        bins: Cut times that differ from cell to cell, such as pseudotime, into so many bins of
            equal counts, each at its median.
        memory: The most gigabytes the cells may take. ``.h5ad``, ``.zarr`` and ``.parquet`` are
            then read in pieces, and of more cells as many as fit, chosen at random.

    Raises:
        LiouvilleError: If the source, a name in it or a value cannot be used, or times look like
            pseudotime and no bins are asked for.

    Warns:
        UserWarning: If columns of a table look like identifiers, batches, clusters or counts.
    """
    names = None if features is None else names_among(features, "features")
    left_out = () if without is None else names_among(without, "without")
    numbers = {"weights": weights, "totals": totals, "rates": rates}
    texts = _given({"donors": donors, "condition": condition, "groups": groups})
    scores = {"proliferation": _joined(proliferation), "apoptosis": _joined(apoptosis)}
    if rates is not None and (proliferation is not None or apoptosis is not None):
        raise LiouvilleError(
            f"rates {rates!r} are given, and scores that rates follow from; leave one of them out"
        )
    request = _Request(
        time_key, basis, embedding, _given(numbers), texts, _given(scores), names, left_out
    )
    with opened(source, ALL, what="cells", memory=memory) as found:
        columns = _columns_of(found, request)
        where = source_of(found, source, "cells")
    moments, unit = _numbers(columns, times)
    if bins is not None:
        moments = binned(moments, bins, columns.time_name)
    _refuse_pseudotime(moments, columns.time_name, where)
    points, kept = kept_columns(columns.points, columns.names, names, dims, where)
    snapshots = Snapshots(
        points,
        moments,
        kept,
        time_name=columns.time_name,
        time_unit=unit,
        **_with_rates(columns, unit),
        **columns.texts,
        embedding=columns.embedding,
        identifiers=columns.identifiers,
        colours=columns.colours,
        source=where,
    )
    snapshots.check_numbers()
    return snapshots


def _joined(names: str | Sequence[str] | None) -> str | None:
    return names if names is None or isinstance(names, str) else ",".join(names)


def _given(names: Mapping[str, str | None]) -> dict[str, str]:
    return {role: name for role, name in names.items() if name is not None}


def _with_rates(columns: _Columns, unit: str) -> dict[str, np.ndarray]:
    """The numbers of each cell, with the rates that follow from scores."""
    if not columns.scores:
        return dict(columns.numbers)
    return {**columns.numbers, "rates": rates_of(columns.scores, unit)}


def _numbers(
    columns: _Columns, times: str | Mapping[str, float | int] | None
) -> tuple[np.ndarray, str]:
    """Times as numbers, and their unit."""
    name = columns.time_name
    if times is not None:
        return times_of_labels(columns.times, named_times(times), name), unit_of(name)
    moments, unit = numbers_from_times(columns.times, name=name)
    if not unit and len(name) > 2:  # a column called "w" need not mean weeks
        unit = unit_of(name)
    return moments, unit


def _refuse_pseudotime(times: np.ndarray, name: str, source: str) -> None:
    different, count = np.unique(times).size, times.size
    named = bool(usual("pseudotime", [name])) and different > _MOST_PSEUDO
    if named or (count >= _FEWEST_PSEUDO and 2 * different > count):
        raise LiouvilleError(
            f"{name!r} of {source} has {different} different values in {count} cells, as "
            "pseudotime has, but snapshots are cells seen at a few times; cut it into bins of "
            "equal counts with --bins 10 (data.bins), or name another column with time_key"
        )


def time_column(names: Sequence[str], time_key: str | None, source: str) -> str:
    """The column of times: the named one, or the only one with a usual name."""
    if time_key is not None:
        if time_key not in names:
            raise not_found("column", time_key, names, source)
        return time_key
    found = usual("time", names)
    if len(found) == 1:
        return found[0]
    problem = f"several time columns ({', '.join(found)})" if found else "no time column"
    raise LiouvilleError(f"{source} has {problem}; name one with time_key. It has: {listed(names)}")


def _columns_of(found: Any, request: _Request) -> _Columns:
    if isinstance(found, np.ndarray | tuple):
        return _of_arrays(found, request)
    readers = {Table: _of_table, Archive: _of_archive, Annotated: _of_annotated}
    return readers[type(found)](found, request)


def _of_arrays(found: np.ndarray | tuple[np.ndarray, ...], request: _Request) -> _Columns:
    """One array with the time first, or points, times and perhaps weights."""
    named = {name: getattr(request, name) for name in ("time_key", "basis", "embedding")}
    for option, name in {**named, **request.numbers, **request.texts, **request.scores}.items():
        if name is not None:
            raise LiouvilleError(
                f"{option} {name!r} has no meaning for arrays, which have no names; give a data "
                "frame, or Snapshots"
            )
    if isinstance(found, np.ndarray):
        whole = real_matrix(found, "cells")
        if whole.shape[1] < 2:
            raise LiouvilleError(
                f"an array of cells has a time and coordinates in each row, got shape "
                f"{found.shape}; give that, or the pair (points, times)"
            )
        found = (whole[:, 1:], whole[:, 0])
    if not 2 <= len(found) <= 3:
        raise LiouvilleError(
            f"cells in arrays are (points, times) or (points, times, weights), got {len(found)}"
        )
    points = real_matrix(found[0], "points of cells")
    for array, name in zip(found[1:], ("times", "weights")):
        if array.shape != (len(points),):
            raise LiouvilleError(
                f"{name} of cells must have shape ({len(points)},), one for each point, got "
                f"{array.shape}"
            )
    own = [real_matrix(array, "weights of cells")[:, 0] for array in found[2:]]
    names = number_values(points.shape[1])
    columns = _Columns(points, names, found[1], "time", numbers=dict(zip(["weights"], own)))
    return _without(columns, request, "cells")


def _of_archive(archive: Archive, request: _Request) -> _Columns:
    path = archive.path
    point_key = request.basis or archive.usual("points")
    time_key = request.time_key or archive.usual("time")
    if point_key is None or time_key is None:
        what = "points (X or pcs)" if point_key is None else "times (t or sample_labels)"
        option = "basis" if point_key is None else "time_key"
        raise LiouvilleError(
            f"{path} has no array of {what}; name one with {option}. "
            f"It has: {listed(archive.described())}"
        )
    points = real_matrix(archive.array(point_key), f"array {point_key!r} of {path}")

    def column(name: str) -> np.ndarray:
        return archive.column(name, len(points), "cell")

    names = column_names(point_key, points.shape[1])
    for kind, name in request.scores.items():
        raise LiouvilleError(
            f"{kind} {name!r} has no meaning for the archive {path}; name an array of rates"
        )
    return _completed(points, names, time_key, archive.array, column, request, str(path))


def _of_annotated(cells: Annotated, request: _Request) -> _Columns:
    time_name = time_column(cells.columns, request.time_key, f"obs of {cells.source}")
    basis = cells.basis(request.basis)
    cells = cells.within_memory(basis, request.features)
    points, names = cells.points(basis, request.features)
    found = _completed(points, names, time_name, cells.array, cells.column, request, cells.source)
    scores = {kind: score_of(kind, text, _of(cells)) for kind, text in request.scores.items()}
    name = request.texts.get("groups")
    colours = {} if name is None else cells.colours(name)
    return replace(found, identifiers=cells.identifiers, scores=scores, colours=colours)


def _of(cells: Annotated) -> Expressed:
    genes, matrix = cells.expression()
    return Expressed(cells.columns, cells.column, genes, matrix, cells.source)


def _completed(
    points: np.ndarray,
    names: tuple[str, ...],
    time_name: str,
    array: Callable[[str], Any],
    column: Callable[[str], np.ndarray],
    request: _Request,
    source: str,
) -> _Columns:
    """Points with all else that is asked for; `array` and `column` look up a name in the file."""
    embedding, drawn = request.embedding, None
    if embedding is not None:
        drawn = real_matrix(array(embedding), f"embedding {embedding!r} of {source}")[:, :2]
        if drawn.shape[1] < 2:
            raise LiouvilleError(
                f"embedding {embedding!r} of {source} has one column but a picture needs two; "
                "name another"
            )
    numbers = {
        role: real_matrix(column(name), f"{role} {name!r} of {source}")[:, 0]
        for role, name in request.numbers.items()
    }
    texts = {
        role: _texts(column(name), role, f"{name!r} of {source}")
        for role, name in request.texts.items()
    }
    found = _Columns(points, names, column(time_name), time_name, drawn, numbers, texts)
    return _without(found, request, source)


def _texts(values: np.ndarray, role: str, what: str) -> np.ndarray:
    """Labels as text; refuses cells that have none.

    In pictures alone they may have none.
    """
    found = text_labels(values)
    missing = found == ""
    if missing.any() and role != "groups":
        raise LiouvilleError(
            f"{role} {what} is missing for {missing.sum()} cells, the first in row "
            f"{missing.argmax()}; fill it in, or leave these cells out"
        )
    return np.where(missing, NO_GROUP, found)


def _without(found: _Columns, request: _Request, source: str) -> _Columns:
    """Leaves out columns of an array."""
    kept = other_columns(found.names, request.without, source)
    if len(kept) == len(found.names):
        return found
    points = found.points[:, [found.names.index(name) for name in kept]]
    return replace(found, points=points, names=kept)


def _of_table(table: Table, request: _Request) -> _Columns:
    source = table.source
    if request.basis is not None:
        raise LiouvilleError(
            f"basis {request.basis!r} has no meaning for the table {source}; "
            "name its columns with features"
        )
    time_name = time_column(table.names, request.time_key, source)
    drawn = () if request.embedding is None else names_among(request.embedding, "embedding")
    if drawn and len(drawn) != 2:
        raise LiouvilleError(
            f"embedding {request.embedding!r} of {source} must name two columns, such as 'u1,u2'"
        )
    known = Expressed(table.names, table.numbers, table.names, table.matrix, source)
    scores = {kind: score_of(kind, text, known) for kind, text in request.scores.items()}
    # Genes are coordinates as well as any; a column of scores is none.
    told = (name for name in request.scores.values() if name in table.names)
    asked = (*request.numbers.values(), *request.texts.values())
    apart = (time_name, *drawn, *asked, *told)
    embedding = table.matrix(drawn) if drawn else None
    numbers = {role: table.numbers(name) for role, name in request.numbers.items()}
    texts = {
        role: _texts(table.typed(name), role, f"{name!r} of {source}")
        for role, name in request.texts.items()
    }
    names, identifiers = request.features, identifiers_of(table)
    if names is None:
        every = other_columns(table.names, (*request.without, *identifiers.column), source)
        names = tuple(name for name in every if name not in apart)
    if not names:
        raise LiouvilleError(
            f"{source} has no columns besides {listed(apart)}; add columns of coordinates"
        )
    points = table.matrix(names)
    if request.features is None:
        said_columns(points, names, source)
    times = table.typed(time_name)
    known = (embedding, numbers, texts, scores, identifiers.values)
    return _Columns(points, names, times, time_name, *known)
