"""Point processes in files."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from liouville.data import Region
from liouville.model import CLASSES, MODEL_FILE
from liouville.processes import History, InheritedKinds, Kinds, PointProcess, Reach
from liouville.runs import storage
from liouville.runs.defects import check_claims, check_leaves, check_shapes, refused_as
from liouville.runs.folder import file_of
from liouville.tasks.events._compiled import answers
from liouville.tasks.events.model import PLAIN_FIELDS, EventModel
from liouville.tasks.events.units import EventUnits


def load_events(run: Path | str) -> EventModel:
    """Reads a fitted point process; no code of the file is run.

    Args:
        run: the folder of a run of `liouville fit events`, or a model file.

    Raises:
        LiouvilleError: if there is no model, or the file is damaged, altered or too new.
    """
    file = file_of(Path(run), MODEL_FILE) if Path(run).is_dir() else Path(run)
    arrays, content = storage.read(file, kind="events")
    check_leaves(file, arrays)
    table = storage.class_table(*CLASSES)
    with refused_as(file, "a point process"):
        region = content["region"]
        plain = {name: content[name] for name in PLAIN_FIELDS}
        plain |= {name: tuple(plain[name]) for name in ("features", "kinds")}
        both = storage.rebuild(content["processes"], arrays, table, to_array=jnp.asarray)
        model = EventModel(
            process=both[0],
            plain=both[1],
            plain_past=content.get("plain_past", 0),
            reach=Reach(**content["reach"]),
            units=EventUnits.from_dict(content["units"]),
            region=None if region is None else Region.from_dict(region),
            **plain,
        )
        _check(model)
    return model


def _check(model: EventModel) -> None:
    """Refuses a model whose parts do not fit each other; nothing is computed but shapes."""
    units, dim, process, reach = model.units, model.dim, model.process, model.reach
    numbers = (
        units.center,
        units.scale,
        np.asarray(units.mark_origin),
        np.asarray(units.mark_scale),
    )
    texts = (*model.features, *model.kinds, model.time_unit, model.mark_name, model.origin or "")
    claims = {
        "features, kinds, marks and time have names": all(isinstance(t, str) for t in texts),
        "its reach is a number of events": type(reach.most) is int and 0 < reach.most < 10**6,
        "so is that of the plain law": type(model.plain_past) is int
        and 0 <= model.plain_past < 10**6,
        "the influence of events is finite": bool(
            np.isfinite(reach[1:]).all() and reach.offset > 0
        ),
        f"its map is of {dim} coordinates": units.center.shape == units.scale.shape == (dim,),
        "its map is finite": all(np.isfinite(number).all() for number in numbers),
        "its scales are positive": bool((units.scale > 0).all()) and units.mark_scale > 0,
        "longitude, latitude and depth are three": units.projection is None or dim in (2, 3),
        "marks have a law": bool(model.mark_name) == (process.marks is not None),
        "notes are a mapping": isinstance(model.notes, dict),
        "kinds have a law of as many": _fits_kinds(process, len(model.kinds)),
    }
    check_claims(claims)
    if model.origin is not None:
        np.datetime64(model.origin.removesuffix("Z"))
    one = jax.ShapeDtypeStruct((), jnp.zeros(()).dtype)
    many, points = (jax.ShapeDtypeStruct(s, one.dtype) for s in ((reach.most,), (1, dim)))
    valid = jax.ShapeDtypeStruct((reach.most,), bool)
    places = jax.ShapeDtypeStruct((reach.most, dim), one.dtype)
    past = eqx.filter_eval_shape(History, many, places, many, many, valid, one)
    check_shapes(
        eqx.filter_eval_shape(answers, process, past, points), {"rate": (), "density": (1,)}
    )


def _fits_kinds(process: PointProcess, count: int) -> bool:
    law = process.marks
    if isinstance(law, Kinds):
        return len(law.logits) + 1 == count
    if not isinstance(law, InheritedKinds):
        return not count
    rows = (count, 1)[law.same is not None]
    return law.kinds == count and law.children.shape == (rows, count - 1)
