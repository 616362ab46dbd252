"""Pictures of a control: the crowd among the obstacles, the control, and what is paid when."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from liouville.data import Snapshots
from liouville.plots import Picture, write_report
from liouville.plots._style import MUTED, Scenery, headline, tidy
from liouville.tasks.control.policy import Policy
from liouville.tasks.control.problem import ControlProblem
from liouville.tasks.control.rollout import Rollout

_SHOWN = 400
_PANELS = 6
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


def write_control_report(
    folder: Path,
    policy: Policy,
    rollout: Rollout,
    history: Sequence[Mapping[str, Any]],
    summary: Mapping[str, Any],
    *,
    movie: bool = True,
) -> Path:
    """Draws `report.html` and its pictures.

    Args:
        folder: the run's folder.
        policy: the control.
        rollout: simulated trajectories.
        history: the rows of the training log.
        summary: the figures of the fit.
        movie: whether to make the GIF.
    """
    problem = policy.problem
    scenery = _scenery(problem)
    more = [Picture("costs.png", "Costs over time", _COSTS, lambda: _costs(problem, rollout))]
    if problem.dim > 1:
        more.append(
            Picture("control.png", "Control", _CONTROL, lambda: _arrows(policy, rollout, scenery))
        )
    if problem.dim == 2 and isinstance(problem.noise, float):
        more.append(
            Picture(
                "cost_to_go.png", "Cost to go", _TO_GO, lambda: _to_go(policy, rollout, scenery)
            )
        )
    return write_report(
        folder,
        policy.model,
        _snapshots(policy, rollout),
        history,
        {"title": f"Control: {problem.name}", **summary},
        movie=movie,
        more=more,
        scenery=scenery,
        stochastic=bool(np.any(policy.model.sigma)),
    )


def _snapshots(policy: Policy, rollout: Rollout) -> Snapshots:
    """The crowd at some moments, as the points of the pictures."""
    moments = np.linspace(0, len(rollout.times) - 1, _PANELS).round().astype(int)
    points = np.asarray(rollout.points, float)[moments, :_SHOWN]
    return Snapshots(
        points=points.reshape(-1, points.shape[-1]),
        times=np.repeat(np.asarray(rollout.times, float)[moments], points.shape[1]),
        features=policy.model.features,
        source="rollout",
    )


def _scenery(problem: ControlProblem) -> Scenery | None:
    """Obstacles as grey areas; in more than two dimensions there is no one picture of them."""
    obstacle = problem.obstacle
    if obstacle is None or problem.dim != 2:
        return None

    def draw(axes: Axes) -> None:
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        x, y = np.linspace(left, right, _GRID), np.linspace(bottom, top, _GRID)
        places = jnp.asarray(np.stack(np.meshgrid(x, y), axis=-1), jnp.zeros(()).dtype)
        depth = np.asarray(jax.vmap(jax.vmap(obstacle))(places))
        if depth.max() > 0 > depth.min():
            levels = [0.0, float(depth.max())]
            axes.contourf(x, y, depth, levels, colors=[MUTED], alpha=0.55, zorder=2)
            axes.contour(x, y, depth, [0.0], colors=[MUTED], linewidths=0.8, zorder=2)

    return draw


def _costs(problem: ControlProblem, rollout: Rollout) -> Figure:
    """Every running cost against time."""
    figure = Figure(figsize=(6.4, 3.2), facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    times, rates = np.asarray(rollout.times, float)[:-1], np.asarray(rollout.rates, float)
    for number, name in enumerate(problem.running):
        axes.plot(times, problem.weights.get(name, 1.0) * rates[:, number], label=name, lw=1.4)
    axes.set(xlabel="time", ylabel="cost per unit of time")
    axes.legend(frameon=False, fontsize=9)
    tidy(axes)
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
    figure = Figure(figsize=(9.6, 3.2 * ratio + 0.6), facecolor="white", layout="constrained")
    panels = figure.subplots(1, len(shares))
    for axes, moment in zip(panels, moments):
        t, x = float(rollout.times[moment]), places[moment, :_SHOWN]
        c = policy(t, x)
        axes.quiver(*x[:, :2].T, *c[:, :2].T, angles="xy", width=0.004, color="#0072b2", zorder=3)
        axes.set(xlim=(low[0] - pad[0], high[0] + pad[0]), ylim=(low[1] - pad[1], high[1] + pad[1]))
        if scenery is not None:
            scenery(axes)
        headline(axes, f"time {t:.3g}")
        tidy(axes)
    return figure


def cost_to_go(policy: Policy, t: float, points: np.ndarray, start: np.ndarray) -> np.ndarray:
    r"""$-\int_0^1 c(t, a + s (x - a)) \cdot (x - a)\,ds / \sigma$, by Gauss-Legendre quadrature.

    Args:
        policy: a control under scalar noise; where it is $-\sigma\nabla V$ this is $V(x) - V(a)$.
        t: time.
        points: $x$, shape `(n, dim)`.
        start: $a$, shape `(dim,)`.
    """
    nodes, weights = np.polynomial.legendre.leggauss(16)
    ways = points - start
    places = start + 0.5 * (nodes[:, None, None] + 1.0) * ways
    along = np.einsum("sni,ni->sn", policy(t, places), ways)
    return -0.5 * weights @ along / float(policy.problem.sigma)


def _to_go(policy: Policy, rollout: Rollout, scenery: Scenery | None) -> Figure:
    """The cost to go at three times, where the crowd is."""
    figure = Figure(figsize=(9.6, 3.2), facecolor="white", layout="constrained")
    places = np.asarray(rollout.points, float)
    for axes, share in zip(figure.subplots(1, 3), (0.1, 0.5, 0.9)):
        moment = round(share * (len(rollout.times) - 1))
        t, crowd = float(rollout.times[moment]), places[moment]
        low, high = np.quantile(crowd, [0.002, 0.998], axis=0)
        grid = np.stack(np.meshgrid(*(np.linspace(a, b, 60) for a, b in zip(low, high))), -1)
        flat = grid.reshape(-1, 2)
        value = cost_to_go(policy, t, flat, crowd.mean(axis=0))
        level = np.quantile(policy.model.log_density(t, crowd), 0.01)
        value = np.where(policy.model.log_density(t, flat) > level, value, np.nan)
        field = axes.contourf(*np.moveaxis(grid, -1, 0), value.reshape(60, 60), 12, cmap="viridis")
        figure.colorbar(field, ax=axes)
        if scenery is not None:
            scenery(axes)
        headline(axes, f"time {t:.3g}")
        tidy(axes)
    return figure


def contents(fitted, data):
    """Stub."""
