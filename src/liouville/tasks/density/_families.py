"""Where training starts: for each model, a path from the standard normal law toward the data."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from liouville.curves import AbstractCurve, HardEnded, HardStarted, Knots
from liouville.data import Samples
from liouville.maps import coupling_flow
from liouville.numerics.expectation import fit_by_validation, fit_mixture
from liouville.numerics.mixtures import GaussianMixture, log_floor, with_parts
from liouville.numerics.parameters import Fixed
from liouville.paths import (
    AbstractPath,
    Autoregressive,
    ConditionalBridge,
    Contextual,
    Ensemble,
    Full,
    Gaussian,
    LocationScale,
    Logistic,
    Normal,
    Pushforward,
    Selected,
    Standardised,
)
from liouville.tasks.conditional import law_given, listed_contexts, standard_law
from liouville.tasks.density._marginals import marginal_map
from liouville.tasks.density.config import DensityConfig, PathConfig

INTERVAL = (0.0, 1.0)
_CLOCK = (0.0, 0.25, 0.5, 0.75, 1.0)
# Expectation maximisation sees at most so many points.
_MOST_POINTS = 20_000

# Which model: in few coordinates a mixture of moving parts is quick and moves its mass at little
# cost; in many, conditional mixtures find dependences that no small number of parts has. Their
# velocity is a recursion over the coordinates; beyond so many of them the pushforward, whose cost
# per coordinate is flat, is the quicker one to train.
_MOST_MIXTURE = 3
_MOST_AUTOREGRESSIVE = 256
# A mixture whose parts are functions of numbers is one network, and good in more coordinates.
_MOST_GIVEN_NUMBERS = 20
# Columns of whole steps: from this share of them on they rule the choices below.
_MOSTLY_WHOLE = 0.5
# Parts of a mixture that is seen through maps: one for so many samples of the smallest class, and
# at most so many. Those of a conditional mixture are fixed, those of a mixture alone are chosen by
# validation.
_SAMPLES_A_PART, _MOST_WARPED_PARTS, _MOST_PARTS = 40, 16, 128
_CONDITIONAL_PARTS = 8
# Units of a layer: for each coordinate if autoregressive, so that all together are about 64;
# without noise to learn by heart, as with columns of whole steps, more units pay.
_WIDTH, _WARPED_WIDTH, _LEAST_WIDTH, _WHOLE_WIDTH = 64, 32, 4, 512
_MEMBERS = {"autoregressive": 4}
# Maps of a pushforward; few maps with many bins make sharp edges at the least cost.
_LAYERS, _BINS, _WARPED_LAYERS, _WARPED_BINS = 8, 8, 4, 32
# Networks overfit small tables within a hundred steps; pulling the weights toward zero is what
# helped most, in proportion to how little the data say. The locations of a mixture are no such
# weights, and noise that is drawn anew at every step does part of the same work.
_ENOUGH_SAMPLES, _ENOUGH_WHOLE, _WEIGHT_DECAYS = 4000.0, 1200.0, (1e-3, 3.0)
# Bells blur the edges that the map of the marginals draws, so these have none.
_MOST_NOISE, _NOISE = 0.1, 3.5
# A mixture starts from a fitted end; the others learn for about ten passes over the samples.
_MIXTURE_STEPS, _SAMPLES_25_STEPS, _FEWEST_STEPS = 1000, 250, 400
_MOST_STEPS, _MOST_WARPED_STEPS = 2000, 2500
_RATE, _WARPED_RATE, _BATCH, _WARPED_BATCH = 3e-3, 5e-3, 256, 512


def resolve_choices(
    config: DensityConfig,
    dim: int,
    n: int,
    smallest: int,
    whole: float = 0.0,
    *,
    given_numbers: bool = False,
) -> DensityConfig:
    """Fills in what the configuration leaves to the data.

    These are the numbers of coordinates, of training samples and of those of the smallest class,
    the share of the columns that have whole steps, and whether the samples depend on numbers.
    """
    path, training = config.path, config.training
    model = path.model
    if model == "auto":
        most = _MOST_GIVEN_NUMBERS if given_numbers else _MOST_MIXTURE
        few = "mixture" if dim <= most else "autoregressive"
        model = few if dim <= _MOST_AUTOREGRESSIVE else "pushforward"
    is_warped, is_whole = model == "warped", whole > _MOSTLY_WHOLE
    is_network = model not in ("mixture", "warped")
    marginals = model == "autoregressive" and (
        is_whole if path.marginals is None else path.marginals
    )
    parts = None if model == "mixture" else _CONDITIONAL_PARTS
    if is_warped:
        parts = int(np.clip(smallest // _SAMPLES_A_PART, 2, _MOST_WARPED_PARTS))
    least = int(np.clip(_WHOLE_WIDTH // dim, 4, 8)) if is_whole else _LEAST_WIDTH
    width = _WARPED_WIDTH if is_warped else _WIDTH
    if model == "autoregressive":
        width = max(least, _WIDTH // dim)
    enough = _ENOUGH_WHOLE if is_whole else _ENOUGH_SAMPLES
    weight_decay = float(np.clip(enough / n, *_WEIGHT_DECAYS)) if is_network else 0.0
    noise = min(_MOST_NOISE, _NOISE / n**0.5) if is_network and not marginals else 0.0
    most = _MOST_WARPED_STEPS if is_warped else _MOST_STEPS
    steps = int(np.clip(n // _SAMPLES_25_STEPS * 25, _FEWEST_STEPS, most))
    if model == "mixture":
        steps = _MIXTURE_STEPS
    replace = dataclasses.replace
    return replace(
        config,
        data=replace(config.data, noise=_or(config.data.noise, noise)),
        path=replace(
            path,
            model=model,
            members=path.members or _MEMBERS.get(model, 1),
            parts=path.parts or parts,
            width=path.width or width,
            marginals=marginals,
            layers=path.layers or (_WARPED_LAYERS if is_warped else _LAYERS),
            bins=path.bins or (_WARPED_BINS if is_warped else _BINS),
        ),
        objective=replace(
            config.objective,
            batch_size=config.objective.batch_size or (_WARPED_BATCH if is_warped else _BATCH),
        ),
        training=replace(
            training,
            steps=training.steps or steps,
            rate=training.rate or (_WARPED_RATE if is_warped else _RATE),
            weight_decay=_or(training.weight_decay, weight_decay),
        ),
    )


def _or(wished: float | None, otherwise: float) -> float:
    return otherwise if wished is None else wished


def initial_path(
    points: np.ndarray, samples: Samples, config: PathConfig, *, seed: int = 0
) -> AbstractPath:
    """The path to start from, after `resolve_choices`.

    Args:
        points: those of the samples in standardised units, shape `(n, dim)`.
        samples: what the points depend on, and how much they count.
        config: without open choices.
        seed: of everything random.
    """
    assert config.members is not None  # filled in by `resolve_choices`
    members = [_member(points, samples, config, i, seed + i) for i in range(config.members)]
    return members[0] if len(members) == 1 else Ensemble.of(members)


def _member(
    points: np.ndarray, samples: Samples, config: PathConfig, number: int, seed: int
) -> AbstractPath:
    """One path, of all classes or contexts if there are some."""
    rows = samples.contexts
    if rows is None:
        path = _alone(points, samples, config, number, seed)
        counts = None if samples.labels is None else jnp.asarray(samples.masses, float)
        return path if counts is None else Contextual.of_classes(path, counts)
    center, spread = rows.mean(axis=0), np.where(np.ptp(rows, axis=0) > 0, rows.std(axis=0), 1.0)
    inner = dataclasses.replace(samples, contexts=(rows - center) / spread)
    units = (Fixed(jnp.asarray(a, jnp.zeros(()).dtype)) for a in (center, spread))
    path = Standardised(_alone(points, inner, config, number, seed), *units)
    return Contextual(path, *listed_contexts(rows, samples.weights, seed=seed))


def _alone(
    points: np.ndarray, samples: Samples, config: PathConfig, number: int, seed: int
) -> AbstractPath:
    """A path that awaits its context; autoregressive ones differ in their order of the columns."""
    dim, key, rows = points.shape[1], jr.key(seed), samples.context_rows
    context = 0 if rows is None else rows.shape[1]
    assert config.width is not None  # filled in by `resolve_choices`
    assert config.layers is not None
    assert config.bins is not None
    if config.model == "mixture":
        path = _mixture(points, samples, config, seed)
    elif config.model == "autoregressive":
        assert config.parts is not None
        path = Autoregressive.standard(
            dim,
            config.parts,
            INTERVAL,
            hard_start=config.start == "hard",
            order=_order(dim, number, config.members or 1),
            units=config.width,
            depth=config.depth,
            family=_family(config),
            floor=float(np.log(config.min_scale)),
            moving_weights=config.moving_weights,
            context=context,
            key=key,
        )
        if config.marginals:
            path = Pushforward(path, marginal_map(points, INTERVAL))
    else:
        flow = coupling_flow(
            dim,
            INTERVAL,
            layers=config.layers,
            width=config.width,
            depth=config.depth,
            kind=config.map,
            bins=config.bins,
            hard_start=config.start == "hard",
            context=context,
            key=key,
        )
        is_warped = config.model == "warped"
        base = _mixture(points, samples, config, seed) if is_warped else Normal(dim)
        path = Pushforward(base, flow)
    return path


def _order(dim: int, number: int, members: int) -> np.ndarray:
    """The columns from some place on, round and round, every other member backwards.

    Neighbours in a table are often neighbours in kind, such as pixels: with such an order each
    draw is made of parts that saw their surroundings, which a shuffled order leaves to chance.
    """
    pairs = -(-members // 2)
    turned = np.roll(np.arange(dim), -(number // 2 * dim // pairs))
    return turned[::-1].copy() if number % 2 else turned


def _family(config: PathConfig) -> Gaussian | Logistic:
    return Logistic() if config.family == "logistic" else Gaussian()


def _mixture(points: np.ndarray, samples: Samples, config: PathConfig, seed: int) -> AbstractPath:
    """Parts that run from the standard normal law to those of fitted mixtures, one a class."""
    labels, weights = samples.labels, samples.weights
    if samples.contexts is not None:
        rows, key = samples.contexts, jr.key(seed)
        law = law_given(points, rows, weights, parts=config.parts, seed=seed)
        options: Any = {"width": config.width, "key": key}
        return ConditionalBridge.between(standard_law(law), law, INTERVAL, **options)
    groups = [slice(None)] if labels is None else [labels == c for c in np.unique(labels)]
    ends = [
        _fitted(points[own], None if weights is None else weights[own], config, seed)
        for own in groups
    ]
    # Paths of one shape: a part that is cut in two equal ones changes nothing.
    most = max(len(end.weights) for end in ends)
    ends = [with_parts(end, most) for end in ends]
    spread = np.pi / 3.0**0.5 if config.family == "logistic" else 1.0
    factors = [np.linalg.cholesky(end.covariances) / spread for end in ends]
    covariances = np.concatenate([end.covariances for end in ends]) / spread**2
    scale = Full(log_floor(covariances, config.min_scale))
    paths = [_laid(end, f, scale, spread, config) for end, f in zip(ends, factors)]
    return paths[0] if labels is None else Selected.of(paths)


def _fitted(
    points: np.ndarray, weights: np.ndarray | None, config: PathConfig, seed: int
) -> GaussianMixture:
    chosen = np.random.default_rng(seed).permutation(len(points))[:_MOST_POINTS]
    points, weights = points[chosen], None if weights is None else weights[chosen]
    if config.parts is None:
        return fit_by_validation(points, weights, most=_MOST_PARTS, seed=seed)
    return fit_mixture(points, weights, parts=config.parts, seed=seed)


def _laid(
    end: GaussianMixture, factors: np.ndarray, scale: Full, spread: float, config: PathConfig
) -> LocationScale:
    """The path to a mixture whose covariances have such Cholesky factors over the spread."""
    dtype = jnp.zeros(()).dtype

    def raw(factors: np.ndarray) -> jax.Array:
        return jax.jit(scale.from_factor)(jnp.asarray(factors, dtype))

    means, eyes = jnp.asarray(end.means, dtype), np.broadcast_to(np.eye(end.dim), factors.shape)
    logits = jnp.asarray(np.log(end.weights), dtype)
    return LocationScale(
        location=_curve(jnp.zeros_like(means), means, config),
        raw_scale=_curve(raw(eyes / spread), raw(factors), config),
        logits=Fixed(logits) if _is_held(config) else logits,
        family=_family(config),
        scale=scale,
    )


def _curve(start: jax.Array, end: jax.Array, config: PathConfig) -> AbstractCurve:
    """From one value to another in a straight line, of which either is held or learned."""
    if _is_held(config):
        still = Knots(_CLOCK, jnp.zeros((len(_CLOCK), *start.shape), start.dtype), "cubic")
        return HardEnded(INTERVAL, jnp.stack([start, end]), still)
    if config.start == "hard":
        return HardStarted(
            start, Knots(_CLOCK, jnp.stack([end - start] * len(_CLOCK)), "cubic"), INTERVAL
        )
    line = jnp.stack([(1.0 - s) * start + s * end for s in _CLOCK])
    return Knots(_CLOCK, line, "cubic")


def _is_held(config: PathConfig) -> bool:
    """Whether the end of the parts is held with their start.

    That of a mixture alone is what held-out rows chose, and what is left to learn is the way there.
    Seen through maps, parts and maps find their end together.
    """
    return config.model == "mixture" and config.start == "hard"
