"""What one event adds to a fitted process, read off its parameters."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from liouville.data import Events
from liouville.numerics.types import as_float
from liouville.paths import Gaussian, LocationScaleMarginal
from liouville.plots import Clock, Picture, triggering_figure
from liouville.processes import AbstractZones, History, Triggered
from liouville.tasks.events.model import EventModel

_PARENTS = 64
_DIRECTIONS = 16
_AGES = (0.02, 1.0, 50.0)  # since the event, at which its zones are shown, in mean gaps

_TITLE = "What an event triggers"
_IN_TIME = (
    "The rate of events that one event adds, of any kind, by the time since. Straight lines are "
    "power laws."
)
_READING = (
    "What one event does. The rate it adds, by the time since; the weight of its surroundings over "
    "that of the background, for middling events and their spread; and how far from it the next "
    "event then is, as a density averaged over events and directions. Straight lines are power "
    "laws."
)


def triggering_picture(model: EventModel, training: Events, clock: Clock) -> list[Picture]:
    """The picture of the triggering law, if places are triggered, or events in time alone are."""
    if not model.dim and model.hawkes is not None:
        return [
            Picture("triggering.png", _TITLE, _IN_TIME, lambda: _in_time(model, training, clock))
        ]
    if not isinstance(model.process.places, Triggered) or model.dim != 2:
        return []
    return [Picture("triggering.png", _TITLE, _READING, lambda: _figure(model, training, clock))]


def _in_time(model: EventModel, training: Events, clock: Clock):
    elapsed = _ages(training)
    rates, none = _rates(model, training, elapsed), np.zeros(0)
    return triggering_figure(clock, elapsed, none, rates, none, {}, "")


def _ages(training: Events) -> np.ndarray:
    return np.geomspace(1e-3, 1e3, 120) * training.mean_gap


def _figure(model: EventModel, training: Events, clock: Clock):
    process, units = model.process, model.units
    assert isinstance(process.places, Triggered)
    gap, elapsed = training.mean_gap, _ages(training)
    rows = np.unique(np.linspace(0, len(training) - 1, _PARENTS).astype(int))
    places = units.to_model(training.places[rows])
    marks = units.marks(training)[rows]
    # Lengths in km on a map; in the user's own units only if all coordinates share one scale.
    scale = float(np.exp(np.log(units.scale).mean()))
    is_in_units = units.projection is not None or np.allclose(units.scale, scale, rtol=0.5)
    scale = scale if is_in_units else 1.0
    reach = float(np.linalg.norm(places.std(axis=0)))
    radii = np.geomspace(1e-3, 1.0, 90) * reach
    ages = gap * np.array(_AGES)
    inputs = map(as_float, (places, marks, elapsed, ages, radii))
    weights, zones = _zones(process.places.zones, *inputs)
    log_weights = np.asarray(weights, np.float64)
    levels = np.quantile(np.exp(log_weights), [0.1, 0.5, 0.9], axis=0)
    density = np.asarray(zones, np.float64).mean(axis=0) / scale**2
    unit = clock.unit or ""
    names = [f"after {age:.2g} {unit}".strip() for age in ages]
    if np.allclose(density, density[:1], rtol=1e-3):
        names, density = ["at any time"], density[:1]
    length = "km" if units.projection is not None else "" if is_in_units else "standardised"
    rates, zones = _rates(model, training, elapsed), dict(zip(names, density, strict=True))
    return triggering_figure(clock, elapsed, levels, rates, radii * scale, zones, length)


def _rates(model: EventModel, training: Events, elapsed: np.ndarray) -> dict[str, np.ndarray]:
    """The rate one event adds, for a small and a large one if they differ."""
    base = model.hawkes
    if base is None:
        return {}
    own = {"any event": 0.0}
    if training.marks is not None and not training.kinds:
        sizes = np.quantile(training.marks, [0.1, 0.99])
        own = {f"{model.mark_name} {m:.3g}": float(model.units.marks_to_model(m)) for m in sizes}
    elif training.kinds:
        own = {kind: float(i) for i, kind in enumerate(training.kinds[:3])}
    times = as_float(elapsed)
    density = np.asarray(jax.vmap(base.kernel.log_density)(times), np.float64)
    return {
        name: np.exp(density + float(base.productivity.log_mean(jnp.asarray(m, times.dtype))))
        for name, m in own.items()
    }


@eqx.filter_jit
def _zones(
    law: AbstractZones,
    places: jax.Array,
    marks: jax.Array,
    elapsed: jax.Array,
    ages: jax.Array,
    radii: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Log-weights of events by elapsed time, and densities of their zones by age and distance."""
    angles = jnp.linspace(0.0, 2.0 * jnp.pi, _DIRECTIONS, endpoint=False, dtype=radii.dtype)
    ring = jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=-1)

    def one(args: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        place, mark = args
        zero = jnp.zeros((), radii.dtype)
        alone = History(zero[None], place[None], mark[None], zero[None], jnp.ones(1, bool), zero)
        brood = law.after(alone)
        totals = jax.vmap(lambda t: jax.nn.logsumexp(brood.log_weights(t)))(elapsed)

        def zone(t: jax.Array) -> jax.Array:
            logs = jax.nn.log_softmax(brood.log_weights(t).reshape(-1))
            marginal = LocationScaleMarginal(brood.frames(t), logs, None, Gaussian())
            points = place + radii[:, None, None] * ring
            return jnp.exp(jax.vmap(jax.vmap(marginal.log_density))(points)).mean(axis=1)

        return totals, jax.vmap(zone)(ages)

    return jax.lax.map(one, (places, marks))
