"""Pictures of a control: the crowd among the obstacles, the control, and what is paid when."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from liouville.data import Snapshots
from liouville.plots import (
    COST,
    GROUPS,
    INK,
    MODEL,
    MUTED,
    Answer,
    Key,
    Page,
    Picture,
    Scenery,
    Words,
    density_page,
    headline,
    label,
    name_axes,
    plain,
    sheet,
    tidy_bar,
)
from liouville.runs.words import with_error
from liouville.tasks.control.fit import ControlFit
from liouville.tasks.control.policy import Policy
from liouville.tasks.control.problem import ControlProblem, Loaded
from liouville.tasks.control.rollout import Rollout

_SHOWN = 400
_ARROWS = 120
_PANELS = 6
_WAYS, _MOMENTS = 80, 50
_GRID = 300
_COSTS = (
    "What the population pays for a unit of time, along simulated trajectories. The areas add up "
    "to the objective; a peak shows where the way is dear."
)
_CONTROL = (
    "Arrows are the control at simulated points, in units of the noise: where they are long, the "
    "population is pushed."
)

_TO_GO = (
    "What is still to be paid from a place, up to a number for each time: minus the integral of "
    "the control over the noise along the line from the middle of the crowd. The "
    "best control is a gradient, for which the way does not matter."
)
# How far the two objectives may be apart, and what arrives from the target, in shares.
_ALIKE, _NEAR, _INSIDE = 0.02, 1.25, 0.01
_WORDS = Words(
    density="The crowd at six moments",
    velocity="The velocity between these moments",
    paths="Ways through the scene",
    film="The crowd as it moves",
    of_density=(
        "Blue is the density of the crowd, on one scale for all panels; dots are a simulation "
        "under the control. Dots should fill the lines that enclose 50 % and 90 % of the mass."
    ),
    of_paths=(
        "Points of the start (rings) and where the control takes them (dots), noise included. Grey "
        "is closed or dear."
    ),
    of_film=(
        "Darker is denser, on one scale for the whole film; dots are a simulation under the "
        "control, near their own time."
    ),
)


def contents(fitted: ControlFit, data: Loaded) -> Page:
    """The moving density among the obstacles, after what it costs and how it is pushed."""
    policy, problem, rollout = fitted.policy, fitted.problem, fitted.rollout
    assert rollout is not None, "there is no report of a fit that was interrupted"
    scenery = _scenery(problem)
    after = [Picture("costs.png", "Costs over time", _COSTS, lambda: _costs(problem, rollout))]
    if problem.dim > 1:
        after.append(
            Picture("control.png", "Control", _CONTROL, lambda: _arrows(policy, rollout, scenery))
        )
    if problem.dim == 2 and isinstance(problem.noise, float):
        after.append(
            Picture(
                "cost_to_go.png", "Cost to go", _TO_GO, lambda: _to_go(policy, rollout, scenery)
            )
        )
    return density_page(
        policy.model,
        _snapshots(policy, rollout),
        fitted.history,
        fitted.summary,
        title=f"Control: {problem.name}",
        subject=_subject(problem),
        words=_WORDS,
        answer=answer(fitted.summary),
        movie=fitted.config.report.movie,
        after=after,
        scenery=scenery,
        ways=_ways(rollout),
        paths_first=True,
    )


def _subject(problem: ControlProblem) -> str:
    """What is steered where at what cost, in a sentence."""
    aim = "to a target" if problem.target is not None else "without a fixed end"
    costs = ", ".join(problem.running)
    return (
        f"A population of {problem.dim} coordinate{'s' if problem.dim > 1 else ''} is steered "
        f"{aim} in the time {problem.horizon:g}; it pays for {costs}."
    )


def answer(summary: Mapping[str, Any]) -> Answer:
    """The objective, whether a simulation pays the same, and where it arrives."""
    exact, simulated = summary["objective (closed form)"], summary["objective (rollout)"]
    error = summary.get("objective (closed form), standard error")
    keys = [
        Key("objective, from the closed forms", exact, error),
        Key("objective of a simulation", simulated),
    ]
    apart = abs(simulated - exact) / max(abs(exact), 1e-12)
    is_alike = apart < _ALIKE or abs(simulated - exact) < 3.0 * (error or 0.0)
    told = f"A simulation with fresh noise pays {simulated:.4g}, the closed forms say "
    said = [(is_alike, f"{told}{with_error(exact, error)}.")]
    if (arrival := summary.get("W2 of arrival")) is not None:
        floor = summary["W2 of two draws of the target"]
        keys.append(Key("W2 of arrival", arrival))
        told = f"The simulation ends {arrival:.3g} from the target (W2); two draws of it are "
        said.append((arrival < _NEAR * floor, f"{told}{floor:.3g} apart."))
    inside = summary.get("inside an obstacle (share of path time)")
    if inside is not None:
        told = f"{100 * inside:.2g} % of the time is spent inside an obstacle."
        said.append((inside < _INSIDE, told))
    return Answer(keys, said)


def _ways(rollout: Rollout) -> tuple[np.ndarray, np.ndarray]:
    """Some simulated trajectories, at moments enough for a line."""
    moments = np.unique(np.linspace(0, len(rollout.times) - 1, _MOMENTS).round().astype(int))
    return np.asarray(rollout.times, float)[moments], np.asarray(rollout.points, float)[
        moments, :_WAYS
    ]


def _snapshots(policy: Policy, rollout: Rollout) -> Snapshots:
    """The crowd at some moments, as the points of the pictures."""
    moments = np.linspace(0, len(rollout.times) - 1, _PANELS).round().astype(int)
    clouds = list(np.asarray(rollout.points, float)[moments, :_SHOWN])
    times = np.asarray(rollout.times, float)[moments]
    return Snapshots.of(clouds, times, features=policy.model.features, source="rollout")


def _scenery(problem: ControlProblem) -> Scenery | None:
    """Obstacles as grey areas; in more than two dimensions there is no one picture of them.

    Of several times it is where an obstacle is at any of them.
    """
    obstacle = problem.obstacle
    if obstacle is None or problem.dim != 2:
        return None

    @jax.jit
    def deepest(times, places):
        at = jax.vmap(jax.vmap(obstacle, in_axes=(None, 0)), in_axes=(None, 0))
        return jax.lax.map(lambda t: at(t, places), times).max(axis=0)

    def draw(axes: Axes, times: np.ndarray) -> list[Artist]:
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        x, y = np.linspace(left, right, _GRID), np.linspace(bottom, top, _GRID)
        places = jnp.asarray(np.stack(np.meshgrid(x, y), axis=-1), jnp.zeros(()).dtype)
        depth = np.asarray(deepest(jnp.asarray(times, places.dtype), places))
        if not depth.max() > 0 > depth.min():
            return []
        levels = [0.0, float(depth.max())]
        return [
            axes.contourf(x, y, depth, levels, colors=[MUTED], alpha=0.55, zorder=2),
            axes.contour(x, y, depth, [0.0], colors=[MUTED], linewidths=0.8, zorder=2),
        ]

    return draw


def _costs(problem: ControlProblem, rollout: Rollout) -> Figure:
    """Every running cost against time."""
    figure, (axes,) = sheet(6.4, 3.2)
    rates = np.asarray(rollout.rates, float)
    times = np.linspace(0.0, problem.horizon, len(rates), endpoint=False)
    for number, name in enumerate(problem.running):
        paid = problem.weights.get(name, 1.0) * rates[:, number]
        axes.plot(times, paid, label=plain(name), lw=1.4, color=GROUPS[number % len(GROUPS)])
    label(axes, "time", "cost per unit of time")
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    return figure


def _arrows(policy: Policy, rollout: Rollout, scenery: Scenery | None) -> Figure:
    """The control at points of the rollout, at three times."""
    shares = (0.1, 0.5, 0.9)
    moments = [round(s * (len(rollout.times) - 1)) for s in shares]
    places = np.asarray(rollout.points, float)
    # All panels show the same window: everywhere the crowd goes.
    seen = places[:: max(1, len(places) // 50), :_SHOWN, :2].reshape(-1, 2)
    low, high = seen.min(axis=0), seen.max(axis=0)
    pad = 0.05 * (high - low)
    ratio = float(np.clip((high - low)[1] / (high - low)[0], 0.4, 1.6))
    figure, panels = sheet(9.6, 3.2 * ratio + 0.6, columns=len(shares))
    for axes, moment in zip(panels, moments, strict=True):
        t, x = float(rollout.times[moment]), places[moment, :_ARROWS]
        c = policy(t, x)
        axes.quiver(*x[:, :2].T, *c[:, :2].T, angles="xy", width=0.004, color=MODEL, zorder=3)
        axes.set(xlim=(low[0] - pad[0], high[0] + pad[0]), ylim=(low[1] - pad[1], high[1] + pad[1]))
        if scenery is not None:
            scenery(axes, np.array([t]))
        headline(axes, f"time {t:.3g}")
    name_axes(panels, *policy.model.features[:2])
    return figure


def cost_to_go(policy: Policy, t: float, points: np.ndarray, start: np.ndarray) -> np.ndarray:
    r"""$-\int_0^1 c(t, a + s (x - a)) \cdot (x - a)\,ds / \sigma$, by Gauss-Legendre quadrature.

    Under scalar noise; where the control is $-\sigma\nabla V$ this is $V(x) - V(a)$. The points $x$
    have the shape `(n, dim)`, and the start $a$ `(dim,)`.
    """
    nodes, weights = np.polynomial.legendre.leggauss(16)
    ways = points - start
    places = start + 0.5 * (nodes[:, None, None] + 1.0) * ways
    along = np.einsum("sni,ni->sn", policy(t, places), ways)
    return -0.5 * weights @ along / float(policy.problem.sigma)


def _to_go(policy: Policy, rollout: Rollout, scenery: Scenery | None) -> Figure:
    """The cost to go at three times, where the crowd is."""
    figure, panels = sheet(9.6, 3.2, columns=3)
    places = np.asarray(rollout.points, float)
    for axes, share in zip(panels, (0.1, 0.5, 0.9), strict=True):
        moment = round(share * (len(rollout.times) - 1))
        t, crowd = float(rollout.times[moment]), places[moment]
        low, high = np.quantile(crowd, [0.002, 0.998], axis=0)
        grid = np.stack(np.meshgrid(*(np.linspace(a, b, 60) for a, b in zip(low, high))), -1)
        flat = grid.reshape(-1, 2)
        value = cost_to_go(policy, t, flat, crowd.mean(axis=0))
        level = np.quantile(policy.model.log_density(t, crowd), 0.01)
        value = np.where(policy.model.log_density(t, flat) > level, value, np.nan)
        field = axes.contourf(*np.moveaxis(grid, -1, 0), value.reshape(60, 60), 12, cmap=COST)
        bar = figure.colorbar(field, ax=axes, fraction=0.05, shrink=0.8, pad=0.02, aspect=28)
        tidy_bar(bar, "cost to go" if axes is panels[-1] else "")
        if scenery is not None:
            scenery(axes, np.array([t]))
        headline(axes, f"time {t:.3g}")
    name_axes(panels, *policy.model.features[:2])
    return figure
