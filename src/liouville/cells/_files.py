"""Annotating a file: it is copied and added to, with no matrix of genes in memory."""

import contextlib
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from liouville.cells._annotate import Additions, Rows, Wishes, additions, say_replaced
from liouville.cells._reading import noted
from liouville.data import annotated_file
from liouville.errors import LiouvilleError
from liouville.model import Model
from liouville.runs.files import atomic_folder, atomic_path

_NUMBERS = 2**22  # in a block of a layer
_KINDS = (".h5ad", ".zarr")


def annotate_file(source: Path | str, out: Path | str, model: Model, **options: Any) -> list[str]:
    """Writes a copy of a file of AnnData with what a model says of its cells.

    Matrices of genes are copied as they lie in the file, and velocities of genes are written in
    blocks, so that the memory needed does not depend on the number of genes. The copy appears
    whole or not at all; it may take the place of the file itself.

    Args:
        source: `.h5ad` or `.zarr`.
        out: of the same kind.
        model: as for `liouville.annotate`.
        **options: the other arguments of `liouville.annotate`.

    Returns:
        What was written, such as `obs/liouville_growth`.

    Raises:
        LiouvilleError: as `liouville.annotate`, or if a file cannot be read or written.
    """
    source, out = Path(source), Path(out)
    kind = source.suffix.lower()
    if kind not in _KINDS or out.suffix.lower() != kind:
        raise LiouvilleError(
            f"cannot annotate {source} as {out}; give files of AnnData of one kind, both .h5ad or "
            "both .zarr"
        )
    if not source.exists():
        raise LiouvilleError(f"there is no file {source}; check its name")
    wishes = Wishes(**options)
    basis = wishes.basis or noted(model, "basis")
    with annotated_file(source, is_whole=False) as cells:
        found = additions(cells.data, model, wishes) if basis in (None, *cells.data.obsm) else None
    if found is None:  # the basis is a matrix of genes
        with annotated_file(source) as cells:
            found = additions(cells.data, model, wishes)
    with _copied(source, out) as (group, create):
        say_replaced(found, wishes, lambda place: group.get(place, ()))
        with _without_remarks():
            _write(group, found, create)
    return [f"{place}/{name}" for place, names in vars(found).items() for name in names]


@contextlib.contextmanager
def _copied(source: Path, out: Path) -> Iterator[tuple[Any, Callable[..., Any]]]:
    """The root of a copy that takes its place at the end, and what makes an array in a group."""
    if source.suffix.lower() == ".h5ad":
        import h5py

        with atomic_path(out) as temporary:
            shutil.copyfile(source, temporary)
            with h5py.File(temporary, "r+") as file:
                yield file, lambda group, name, **form: group.create_dataset(name, **form)
        return
    import zarr

    is_new = int(zarr.__version__.split(".")[0]) > 2
    with atomic_folder(out, like=(".zgroup", "zarr.json")) as temporary:
        shutil.copytree(source, temporary)
        # What is appended would be missed by a reader that believes an old list of all there is.
        more: dict[str, Any] = {"use_consolidated": False} if is_new else {}
        group = zarr.open_group(str(temporary), mode="r+", **more)
        yield (
            group,
            lambda at, name, **form: (
                at.create_array(name, **form) if is_new else at.create_dataset(name, **form)
            ),
        )
        if _is_consolidated(temporary):
            with _without_remarks():
                zarr.consolidate_metadata(str(temporary))


@contextlib.contextmanager
def _without_remarks() -> Iterator[None]:
    """Leaves out what libraries say of their future, which a user of ours can do nothing about."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "zarr v3 autosharding")
        warnings.filterwarnings("ignore", "Consolidated metadata is currently not part")
        yield


def _is_consolidated(store: Path) -> bool:
    root = store / "zarr.json"
    return (store / ".zmetadata").exists() or (
        root.exists() and '"consolidated_metadata": {' in root.read_text()
    )


def _write(group: Any, found: Additions, create: Callable[..., Any]) -> None:
    """Appends to the parts of a file of AnnData, which keeps the order of its columns."""
    from anndata.io import write_elem

    for place in ("obs", "var"):
        frame, columns = group[place], getattr(found, place)
        for name, value in columns.items():
            write_elem(frame, name, value)
        order = [str(name) for name in frame.attrs["column-order"]]
        order += [name for name in columns if name not in order]
        frame.attrs["column-order"] = order
    for place in ("obsm", "uns", "layers"):
        if getattr(found, place) and place not in group:
            write_elem(group, place, {})
    for place in ("obsm", "uns"):
        for name, value in getattr(found, place).items():
            write_elem(group[place], name, value)
    for name, rows in found.layers.items():
        _write_layer(group["layers"], name, rows, create)


def _write_layer(group: Any, name: str, rows: Rows, create: Callable[..., Any]) -> None:
    count, genes = rows.shape
    block = max(1, min(count, _NUMBERS // max(genes, 1)))
    if name in group:
        del group[name]
    array = create(group, name, shape=rows.shape, dtype=np.float32, chunks=(block, genes))
    array.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    for begin in range(0, count, block):
        part = slice(begin, min(begin + block, count))
        array[part] = rows.of(part)
