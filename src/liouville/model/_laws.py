"""The law of a later place given an earlier one: by plans in closed form, or by draws."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from liouville.numerics.plans import ConditionalLaw, Plan


class Leg(NamedTuple):
    """A plan, and the shares of its time from and to which it is asked."""

    plan: Plan
    start: float
    end: float


def legs_between(
    plans: Sequence[Plan], times: np.ndarray, start: float, end: float
) -> tuple[Leg, ...]:
    """The gaps between two times of which the first is earlier; none without plans."""
    legs = []
    for plan, (a, b) in zip(plans, itertools.pairwise(np.unique(times).tolist())):
        low, high = max(start, a), min(end, b)
        if low < high:
            legs.append(Leg(plan, (low - a) / (b - a), (high - a) / (b - a)))
    return tuple(legs)


def law_through(legs: Sequence[Leg], z: np.ndarray, draws: int, seed: int) -> ConditionalLaw:
    """The law at the end of some legs: in closed form of one, by draws of several."""
    if len(legs) == 1:
        return legs[0].plan.given(z, legs[0].start, legs[0].end)
    moved = np.broadcast_to(z, (draws, *z.shape))
    for number, leg in enumerate(legs):
        moved = leg.plan.given(moved, leg.start, leg.end).sample(1, seed=seed + number)[0]
    return law_of_draws(moved)


def law_of_draws(moved: np.ndarray) -> ConditionalLaw:
    """The law of equally likely points, shape `(draws, ..., dim)`."""
    means = np.moveaxis(moved, 0, -2)
    return ConditionalLaw(np.full(means.shape[:-1], 1.0 / len(moved)), means, None)


def bent_clock(times: np.ndarray, start: float, end: float) -> np.ndarray:
    """Times from one to another that crowd next to a model's own, where parts come apart."""
    lower, upper = min(start, end), max(start, end)
    knots = [lower, *[float(t) for t in times if lower < t < upper], upper]
    bent = 0.5 * (1.0 - np.cos(np.pi * np.linspace(0.0, 1.0, 33)))
    clock = np.unique(np.concatenate([a + (b - a) * bent for a, b in itertools.pairwise(knots)]))
    return clock if start < end else clock[::-1]
