"""Fitting a path to samples."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from liouville.data import Samples
from liouville.model import Model
from liouville.objectives import KineticEnergy, PerContext, PerMember
from liouville.tasks.density import measure
from liouville.tasks.density._choose import choose
from liouville.tasks.density._columns import columns_of
from liouville.tasks.density._families import INTERVAL, initial_path
from liouville.tasks.density._terms import Known, likelihood, start_likelihood, training_likelihood
from liouville.tasks.density.config import DensityConfig
from liouville.tasks.density.read import read
from liouville.tasks.density.split import Split, divide, quantisation_of
from liouville.tasks.notebook import as_html, as_text
from liouville.tasks.skeleton import fit_given
from liouville.tasks.task import Start, Task, later
from liouville.training import Fit, Reason

# Rows of which the likelihood of a held end is taken, if they depend on numbers.
_MOST_KNOWN = 20_000


class DensityFit(NamedTuple):
    """What fitting to samples returns; the fields of all fits are told at `fit_given`.

    Time 1 of the model is that of the data.
    """

    model: Model
    config: DensityConfig
    history: list[dict[str, Any]]
    summary: dict[str, Any]
    reason: Reason
    data: Any

    __repr__ = as_text
    _repr_html_ = as_html


def fit_density(
    samples: Any,
    settings: DensityConfig | Mapping[str, Any] | None = None,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
    **flags: Any,
) -> DensityFit:
    """Fits a path from the standard normal law to samples by likelihood plus kinetic energy.

    The samples are `Samples`, whatever `liouville.read_samples` reads (a file, an array of shape
    `(n, dim)`, a data frame, AnnData), or a `Split` if they are dequantised and divided already.
    Every flag of `liouville fit density` is a keyword: `fit_density(x, model="mixture")`. All other
    arguments, and the errors, are those of `liouville.tasks.skeleton.fit_given`.
    """
    more: Any = {"folder": folder, "resume": resume, "progress": progress, "keywords": flags}
    return fit_given(TASK, samples, settings, **more)


def resolve(data: Samples | Split, config: DensityConfig, progress: bool | None = None) -> Start:
    """The family, if need be by a trial, the path it starts from, and what training makes small."""
    parts = data if isinstance(data, Split) else divide(data, config)
    joined, seed = parts.without_validation(), config.training.seed
    units = columns_of(joined.training, config.data)
    choice = choose(config, parts.training, parts.validation, units, progress=progress)
    path, is_mixture = choice.path, choice.config.path.model == "mixture"
    if is_mixture and isinstance(data, Samples) and joined is not parts:
        # The end that was tried is that of the training samples alone.
        parts, path = joined, None
    training = parts.training
    if path is None:
        points = units.to_model(training.points)
        path = initial_path(points, training, choice.config.path, seed=seed)
    options, noise = choice.config.objective, choice.config.data.noise
    assert noise is not None  # filled in by `resolve_choices`
    # A mixture with a held end has its likelihood from the start.
    is_known = is_mixture and config.path.start == "hard"
    batch_size = options.batch_size
    if is_known:  # given numbers every row has a mixture of its own, which takes memory
        batch_size = None if training.contexts is None else _MOST_KNOWN
    likelihoods = PerMember(training_likelihood(training, units, batch_size, noise))
    if is_known:
        likelihoods = Known.of(likelihoods, path, seed)
    energy = KineticEnergy(interval=INTERVAL, times=options.times, particles=options.particles)
    objective = likelihoods + options.energy * PerMember(PerContext(energy))
    if config.path.start == "fitted":
        objective += PerMember(start_likelihood(training, seed))
    # A mixture starts from a fitted end, and what is left to learn is how to get there: that costs
    # likelihood nothing, so likelihood must not stop it.
    validation = None
    if parts.validation is not None and not is_mixture:
        validation = PerMember(likelihood(parts.validation, units, "validation"))
    facts = {
        "samples": sum(len(part) for part in parts if part is not None),
        "coordinates": training.dim,
        "classes": len(training.classes),
        "model": choice.config.path.model,
        "members": choice.config.path.members,
    }
    if choice.gain is not None:
        facts["validation nats gained in the trial of a richer family"] = round(choice.gain, 4)
    return Start(
        choice.config,
        path,
        objective,
        validation,
        facts,
        known=(parts, units),
        is_interrupted=choice.is_interrupted,
    )


def model(start: Start, result: Fit) -> Model:
    """The model in the units of the samples."""
    parts, units = start.known
    names = parts.training.context_names
    return Model(
        path=units.seen(result.path),
        units=units.units,
        times=np.array(INTERVAL),
        features=parts.training.features,
        classes=parts.training.classes,
        notes={
            "model": start.config.path.model,
            "quantisation": quantisation_of(parts.training).to_dict(),
            **({"contexts": list(names)} if names else {}),
        },
    )


TASK = Task(
    name="density",
    config=DensityConfig,
    result=DensityFit,
    read=read,
    arrays=lambda samples: [samples.points, samples.labels, samples.weights, samples.contexts],
    resolve=resolve,
    model=model,
    measure=measure.measure,
    contents=later("liouville.tasks.density.report:contents"),
    evaluate=measure.evaluate,
)
