"""Models in files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from liouville import curves, gauges, maps, paths, processes, quantities
from liouville.data import Standardisation
from liouville.model._answers import is_scalar
from liouville.model._model import Model
from liouville.numerics import conditioning, networks, parameters, weights
from liouville.numerics.plans import Plan
from liouville.runs import storage
from liouville.runs.defects import check_claims, check_leaves, check_shapes, refused_as
from liouville.runs.folder import file_of

MODEL_FILE = "model.lv"

# Where the classes are that a model file may name: all that is public and final there, and the one
# class of Equinox that networks are made of.
CLASSES = (
    *(conditioning, curves, gauges, maps, networks, parameters, paths, processes, weights),
    eqx.nn.Linear,
)


def load(run: Path | str, *, classes: Sequence[type] = ()) -> Model:
    """Reads a fitted model; no code of the file is run.

    Args:
        run: the folder of a run, or a model file.
        classes: your own path, curve or gauge classes, if the model holds any.

    Raises:
        LiouvilleError: if there is no model, or the file is damaged, altered or of another format.
    """
    file = file_of(Path(run), MODEL_FILE) if Path(run).is_dir() else Path(run)
    arrays, content = storage.read(file, kind="model")
    check_leaves(file, arrays)
    table = storage.class_table(*CLASSES, *classes)
    # See `Model.save`.
    own = {name: a for name, a in arrays.items() if not name.startswith("[")}
    of_plans = {name: a for name, a in arrays.items() if name not in own}
    with refused_as(file, "a model"):
        plans = content.get("plans")  # which files of before there were plans lack
        plans = plans and storage.rebuild(plans, of_plans, storage.class_table(Plan))
        model = Model(
            path=storage.rebuild(content["path"], own, table, to_array=jnp.asarray),
            units=Standardisation.from_dict(content["units"]),
            times=np.asarray(content["times"], float),
            features=tuple(content["features"]),
            time_name=content["time_name"],
            time_unit=content["time_unit"],
            sigma=np.asarray(content["sigma"], float)[()],
            notes=content["notes"],
            classes=tuple(content["classes"]),
            plans=tuple(plans or ()),
        )
        _check(model)
    return model


def _check(model: Model) -> None:
    """Refuses a model whose parts do not fit each other; nothing is computed but shapes."""
    dim, sigma = model.units.dim, np.asarray(model.sigma)
    texts = (*model.features, *model.classes, model.time_name, model.time_unit)
    claims = {
        "features, classes and time have names": all(isinstance(t, str) for t in texts),
        f"there are {dim} features": len(model.features) == dim == model.path.dim,
        "times are numbers": model.times.ndim == 1 and model.times.size > 0,
        "times are finite": bool(np.isfinite(model.times).all()),
        "sigma is a number, or one for each feature": sigma.shape in ((), (dim,)),
        "sigma is finite and not negative": bool(np.all(np.isfinite(sigma) & (sigma >= 0))),
        "notes are a mapping": isinstance(model.notes, dict),
        "there is a plan for every gap, or none": len(model.plans) in (0, model.times.size - 1),
        "plans have parts of the model's coordinates": all(_is_sound(p, dim) for p in model.plans),
    }
    check_claims(claims)

    def answers(path: paths.AbstractPath, t: jax.Array, x: jax.Array) -> quantities.Answers:
        return quantities.answers(path.at(t), x)

    like = jax.ShapeDtypeStruct((dim,), jnp.zeros(()).dtype)
    found = eqx.filter_eval_shape(answers, model.path, jax.ShapeDtypeStruct((), like.dtype), like)
    check_shapes(found, {name: () if is_scalar(name) else (dim,) for name in found._fields})


def _is_sound(plan: Any, dim: int) -> bool:
    """Whether the shapes and the noise of a plan belong together."""
    if not isinstance(plan, Plan) or not isinstance(plan.noise, float) or not plan.noise > 0:
        return False
    parts = len(plan.logits)
    shapes = [np.shape(a) for a in (plan.logits, plan.shifts, plan.slopes)]
    return shapes == [(parts,), (parts, dim), (parts, dim, dim)] and parts > 0
