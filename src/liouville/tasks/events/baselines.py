"""The plain models whose figures stand beside those of a fit."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from scipy.spatial import KDTree
from scipy.special import logsumexp

from liouville.data import Events
from liouville.objectives import AbstractEventTerm, MarkLikelihood, Objective, TimeLikelihood
from liouville.processes import InheritedKinds, Nowhere, PointProcess
from liouville.tasks.events._initial import initial_intensity
from liouville.tasks.events.config import EventsConfig, TimesConfig
from liouville.tasks.events.kinds import INDEPENDENT, LAST, plain_laws
from liouville.tasks.events.measure import kept_parts, plain_name, scores_of, standard_shift
from liouville.tasks.events.model import EventModel
from liouville.tasks.events.poisson import static_mixture
from liouville.tasks.events.scores import Scores
from liouville.tasks.events.split import Split
from liouville.training import fit

_STEPS = 400
_MOST_KERNELS = 20_000
_BLOCK = 500
_TIME, _SPACE, _MARKS = "in time", "in space, standardised", "of marks"

Kind = Callable[..., AbstractEventTerm]
"""Of excerpts and other options, what an event's likelihood is."""


class _Plain(NamedTuple):
    """What every plain model is fitted to and judged on, in the units of the model beside."""

    parts: Split
    kept: dict[str, Events]
    model: EventModel
    settings: EventsConfig

    def term(self, kind: Kind, events: Events, **options: Any) -> Any:
        own, units = self.settings.objective, self.model.units
        return kind(excerpts=units.excerpts(events, self.model.reach, own.targets), **options)

    def fitted(self, start: Any, kinds: Sequence[Kind]) -> Any:
        size, training = self.settings.objective.batch_size, self.parts.training
        terms = Objective.of([self.term(kind, training, batch_size=size) for kind in kinds])
        fitted = fit(start, terms, steps=_STEPS, optimizer=0.03, progress=False)
        if fitted.reason == "interrupted":
            raise KeyboardInterrupt
        return fitted.path

    def nats(self, model: Any, kind: Kind) -> dict[str, float]:
        value = eqx.filter_jit(lambda model, term: term(model, key=jax.random.key(0)))
        return {name: float(value(model, self.term(kind, e))) for name, e in self.kept.items()}

    def seen(self, events: Events) -> np.ndarray:
        return self.model.units.to_model(events.places[~events.is_history])

    def log_volume(self, events: Events) -> np.ndarray:
        """What log-densities of the places seen lack to be standardised, but for a constant."""
        return self.model.units.log_volume(events.places[~events.is_history])


def baselines(
    parts: Split,
    settings: EventsConfig,
    model: EventModel,
    etas: Mapping[str, Scores] | None = None,
) -> list[dict[str, float | str]]:
    """Nats per event of plain models, in time, in space (standardised units) and of kinds.

    All are fitted to the training events; those with a width or a rate to choose end where the
    validation events like it best. Of the epidemic-type law, which the model holds, `etas` are the
    scores of each part that was kept from training, if they are known.
    """
    kept = kept_parts(parts)
    if not kept:
        return []
    if etas is None:
        law = model.plain_model
        etas = {} if law is None else scores_of(law, parts)
    plain = _Plain(parts, kept, model, settings)
    return [
        {"model": "homogeneous Poisson", **_figures(_poisson(plain), _TIME)},
        {"model": "Hawkes, one exponential", **_hawkes(plain)},
        *_in_space(plain),
        *_of_kinds(plain),
        *_etas(parts, etas),
    ]


def _figures(values: Mapping[str, float], what: str) -> dict[str, float]:
    return {f"{name} nats {what}": round(v, 4) for name, v in values.items()}


def _hawkes(plain: _Plain) -> dict[str, float]:
    """Of kinds the multivariate process, by plain maximum likelihood."""
    training, options = plain.parts.training, TimesConfig(exponentials=1, powers=0)
    intensity = initial_intensity(options, training, plain.model.units)
    if not training.kinds:
        found = plain.fitted(PointProcess(intensity, Nowhere()), [TimeLikelihood])
        return _figures(plain.nats(found, TimeLikelihood), _TIME)
    numbers = plain.model.units.marks(training).astype(int)
    shares = np.bincount(numbers, minlength=len(training.kinds)) + 1.0
    law = InheritedKinds.of(shares, np.tile(shares, (len(shares), 1)))
    marks = partial(MarkLikelihood, parents="intensity")
    start = PointProcess(intensity, Nowhere(), law)
    found = plain.fitted(start, [TimeLikelihood, marks])
    time = _figures(plain.nats(found, TimeLikelihood), _TIME)
    return time | _figures(plain.nats(found, marks), _MARKS)


def _in_space(plain: _Plain) -> list[dict[str, float | str]]:
    """Densities that do not move; none of events in time alone."""
    if not plain.parts.training.dim:
        return []
    seed = plain.settings.training.seed
    mixture = static_mixture(plain.parts.training, plain.model.units, seed=seed)
    return [
        {"model": "static mixture", **_figures(_static(plain, mixture.log_density), _SPACE)},
        {"model": "kernel density", **_figures(_static(plain, _kernels(plain)), _SPACE)},
    ]


def _of_kinds(plain: _Plain) -> list[dict[str, float | str]]:
    """Laws of kinds without parents, if marks are kinds."""
    if not plain.parts.training.kinds:
        return []
    laws = {name: plain_laws(plain.parts.training, e) for name, e in plain.kept.items()}
    return [
        {"model": law, **_figures({n: -found[law].mean() for n, found in laws.items()}, _MARKS)}
        for law in (INDEPENDENT, LAST)
    ]


def _poisson(plain: _Plain) -> dict[str, float]:
    training = plain.parts.training
    rate = training.counts.sum() / training.durations.sum()
    return {
        name: float(rate * e.durations.sum() / e.counts.sum() - np.log(rate))
        for name, e in plain.kept.items()
    }


def _etas(parts: Split, scores: Mapping[str, Scores]) -> list[dict[str, float | str]]:
    """The law that was fitted to the same events with its own declustered background."""
    if not scores:
        return []
    shift = standard_shift(parts)
    row = _figures({name: own.nats_in_time for name, own in scores.items()}, _TIME)
    if parts.training.dim:
        space = {name: own.nats_in_space - shift for name, own in scores.items()}
        row |= _figures(space, _SPACE)
    if parts.training.kinds:
        row |= _figures({name: own.nats_of_marks for name, own in scores.items()}, _MARKS)
    return [{"model": plain_name(parts.training), **row}]


def _kernels(plain: _Plain) -> Callable[[np.ndarray], np.ndarray]:
    """A Gaussian kernel estimate; its width is the best for validation, or for held-out rows."""
    own = np.unique(plain.seen(plain.parts.training), axis=0)
    own = own[np.random.default_rng(0).permutation(len(own))[:_MOST_KERNELS]]
    if plain.parts.validation is not None:
        judge, base = plain.seen(plain.parts.validation), own
    else:
        judge, base = own[: len(own) // 10], own[len(own) // 10 :]
    widths = np.geomspace(0.01, 0.5, 12).tolist()
    best = max(widths, key=lambda width: _kernel_density(base, judge[:2000], width).mean())
    return lambda x: _kernel_density(own, x, best)


def _kernel_density(centers: np.ndarray, x: np.ndarray, width: float) -> np.ndarray:
    """Log-densities; kernels farther than eight widths are left out where there are nearer ones."""
    dim, tree = centers.shape[1], KDTree(centers)
    constant = np.log(len(centers)) + dim * np.log(width) + 0.5 * dim * np.log(2.0 * np.pi)
    found = np.empty(len(x))
    for begin in range(0, len(x), _BLOCK):
        block = x[begin : begin + _BLOCK]
        near = tree.query_ball_point(block, 8.0 * width)
        for row, (point, rows) in enumerate(zip(block, near, strict=True)):
            own = centers[rows] if rows else centers
            square = ((own - point) ** 2).sum(1) / width**2
            found[begin + row] = logsumexp(-0.5 * square) - constant
    return found


def _static(plain: _Plain, log_density: Callable[[np.ndarray], np.ndarray]) -> dict[str, float]:
    shift = standard_shift(plain.parts)
    return {
        name: -float((log_density(plain.seen(e)) + plain.log_volume(e)).mean()) - shift
        for name, e in plain.kept.items()
    }
