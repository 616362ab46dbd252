"""Figures of the training: losses and comparison with baselines on held-out data."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from liouville.plots._clock import Clock
from liouville.plots._page import Picture
from liouville.plots._style import (
    FAINT,
    INK,
    MARK,
    MODEL,
    MUTED,
    headline,
    name_axes,
    panels,
    plain,
)

NOT_TERMS = ("step", "loss", "validation")

_LINES = "Pale lines are the logged values, strong lines their moving average."
_LOWEST = "The orange line marks the step with the lowest validation, whose parameters were kept."
_OVERFITTING = "A rise after it is a sign of overfitting."
_SETTLED = (
    "No data are at stake: the validation is the objective again, of averaged parameters and more "
    "particles, with the same random numbers each time. It should have levelled out."
)


def loss_curves(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss, its terms and the validation against the training step.

    Every curve has its own panel because terms and validation need not share a scale; a loss that
    is one term alone is drawn once, as that term. The pale line is what was logged, the strong one
    its exponential moving average.

    Args:
        history: One mapping per logged step with ``"step"``, ``"loss"``, one entry per term
            and, at some steps, ``"validation"``. May be empty.
    """
    curves = _curves(history)
    figure, axes = panels(max(1, len(curves)), 0.66, width=3.3, most=3, share=False)
    if not curves:
        say_nothing(axes[0], "nothing was logged")
        return figure
    validation, steps = curves.get("validation"), np.concatenate([c[:, 0] for c in curves.values()])
    best = None if validation is None else validation[np.argmin(validation[:, 1])]
    pad = 0.03 * float(np.ptp(steps)) or 1.0
    for panel, (name, curve) in zip(axes, curves.items(), strict=True):
        draw_curve(panel, curve)
        headline(panel, plain(name, 24))
        if best is not None:
            panel.axvline(best[0], color=MARK, linewidth=0.8, alpha=0.6, zorder=0)
        if name == "validation" and best is not None:
            panel.plot(*best, "o", color=MARK, markersize=5, markeredgecolor="white")
            headline(panel, "validation", f"lowest {best[1]:.4g} at step {best[0]:,.0f}")
        panel.set_xlim(float(steps.min()) - pad, float(steps.max()) + pad)
    name_axes(axes, "step", "")
    return figure


def training_picture(history: Sequence[Mapping[str, Any]]) -> Picture:
    """The picture of `loss_curves` for a report."""
    return Picture("loss.png", "Training", explain(history), lambda: loss_curves(history))


def explain(history: Sequence[Mapping[str, Any]]) -> str:
    """How to read `loss_curves`: the validation is of data, of the objective, or not there."""
    parts = [_LINES]
    if any("validation" in entry for entry in history):
        parts.append(_LOWEST)
        is_of_data = any("likelihood" in entry for entry in history)
        parts.append(_OVERFITTING if is_of_data else _SETTLED)
    return " ".join(parts)


def draw_curve(axes: Axes, curve: np.ndarray) -> None:
    """A curve of shape ``(n, 2)`` and its moving average, on a log scale where that makes sense.

    Positive values that span more than a factor 20 are drawn on a log scale. Otherwise the
    scale is linear and the first plunge is cut off if it would hide everything after it.
    """
    steps, values = curve.T
    few = len(values) <= 40
    span = max(1.0, 0.01 * len(values))
    if few:
        axes.plot(steps, values, color=MODEL, linewidth=1.4, marker="o", markersize=2.5)
    else:
        axes.plot(steps, values, color=MODEL, linewidth=0.6, alpha=0.3)
        axes.plot(steps, moving_average(values, span), color=MODEL, linewidth=1.6)
    if values.min() > 0 and values.max() > 20 * values.min():
        axes.set_yscale("log")
        return
    low, high = float(values.min()), float(values.max())
    late = values[len(values) // 20 :]
    settled = float(np.quantile(late, 0.995))
    if high - low > 3.0 * (settled - low) > 0:
        high = settled + 0.4 * (settled - low)
    pad = 0.06 * (high - low) or 0.5
    axes.set_ylim(low - pad, high + pad)


def moving_average(values: np.ndarray, span: float) -> np.ndarray:
    """Exponential moving average over about `span` entries, without a bias toward the start."""
    keep = math.exp(-1.0 / span)
    total, weight, averages = 0.0, 0.0, np.empty(len(values))
    for index, value in enumerate(values):
        total, weight = keep * total + value, keep * weight + 1.0
        averages[index] = total / weight
    return averages


def held_out(
    likelihood: Mapping[str, Mapping[float, float]], *, time_name: str = "time", time_unit: str = ""
) -> Figure:
    """Negative log-likelihood of held-out snapshots, the model against baselines.

    One panel per time, one row per method; smaller is better. The first name is taken as
    the model and drawn in colour, with a line through all rows to compare against.

    Args:
        likelihood: For each method its negative log-likelihood by time, in nats per point.
        time_name: What time is called.
        time_unit: Unit of time.
    """
    times = sorted({float(t) for values in likelihood.values() for t in values})
    rows = max(1, len(likelihood))
    height = (0.32 * rows + 0.4) / 3.1
    figure, axes = panels(max(1, len(times)), height, width=3.1, most=3, share=False)
    if not times:
        say_nothing(axes[0], "nothing was held out")
        return figure
    names = list(likelihood)
    clock = Clock(time_unit, name=time_name)
    for index, (panel, t) in enumerate(zip(axes, times, strict=True)):
        values = [float(likelihood[name].get(t, math.nan)) for name in names]
        draw_ranking(panel, names, values)
        headline(panel, clock.say(t))
        first = panel.get_subplotspec()
        panel.tick_params(labelleft=index == 0 or (first is not None and first.is_first_col()))
    name_axes(axes, "negative log-likelihood (nats)", "")
    return figure


def draw_ranking(axes: Axes, names: Sequence[str], values: Sequence[float]) -> None:
    """One row per name with a dot and its number; the first name is the one to compare."""
    for row, value in enumerate(values):
        colour = MODEL if row == 0 else MUTED
        axes.axhline(row, color=FAINT, linewidth=0.6, zorder=0)
        if math.isfinite(value):
            axes.plot(value, row, "o", color=colour, markersize=7 if row == 0 else 5.5)
            axes.annotate(
                f"{value:.3f}",
                (value, row),
                xytext=(4, 4),
                textcoords="offset points",
                fontsize=7.5,
                color=colour,
            )
        else:
            axes.text(
                0.5, row, "no value", transform=axes.get_yaxis_transform(), ha="center",
                va="center", fontsize=7.5, color=MUTED, backgroundcolor="white",
            )  # fmt: skip
    finite = [value for value in values if math.isfinite(value)]
    if finite:
        pad = 0.15 * (max(finite) - min(finite)) or 0.5
        # The number stands to the right of its dot and needs room there.
        axes.set_xlim(min(finite) - pad, max(finite) + 2 * pad)
    if math.isfinite(values[0]):
        axes.axvline(values[0], color=MODEL, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    axes.set_yticks(range(len(names)), [plain(name, 28) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.6)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def say_nothing(axes: Axes, why: str) -> None:
    """An empty panel that says why it is empty."""
    axes.set_axis_off()
    axes.text(
        0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=INK, fontsize=10
    )


def _curves(history: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Steps and finite values, shape ``(n, 2)``, by name; a loss of one term alone is left out."""
    rows = [entry for entry in history if "step" in entry]
    names = dict.fromkeys(name for entry in history for name in entry)
    terms = [name for name in names if name not in NOT_TERMS]
    curves = {}
    for name in ("loss", "validation", *terms):
        curve = np.array([(row["step"], row.get(name)) for row in rows], float).reshape(-1, 2)
        curve = curve[np.isfinite(curve[:, 1])]
        if len(curve):
            curves[name] = curve
    whole = curves.get("loss", np.empty((0, 2)))
    for own in (curves[name] for name in terms if name in curves):
        # Up to the rounding of single precision.
        if np.array_equal(own[:, 0], whole[:, 0]) and np.allclose(own, whole, rtol=1e-6):
            del curves["loss"]
            break
    return curves
