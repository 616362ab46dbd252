from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

Array = np.ndarray
Pair = tuple[Array, Array]

# Scalings are moved into the potentials before they leave what a double can multiply safely.
_MOST_SCALING = 1e100
_SHRINK = 0.25


class EntropicCoupling(NamedTuple):
    r"""A coupling with noise, and how well it was solved.

    Attributes:
        plan: $\pi$, shape `(n, m)`.
        value: $\sum \pi c + \varepsilon\,\mathrm{KL}(\pi\,|\,a \otimes b)$ in units of the cost.
        dual: $\sum a f + \sum b g$ at the potentials found, at most the least value.
        error: $\sum_i |\sum_j \pi_{ij} - a_i|$; the columns are met exactly.
        iterations: how many were made at the last $\varepsilon$.
        converged: whether the error came below the tolerance.
    """

    plan: Array
    value: float
    dual: float
    error: float
    iterations: int
    converged: bool


def sinkhorn(
    cost: Array,
    epsilon: float,
    source: Array | None = None,
    target: Array | None = None,
    *,
    tolerance: float = 1e-6,
    iterations: int = 5000,
) -> EntropicCoupling:
    r"""Couples two discrete measures at least cost plus entropy.

    $$\min_\pi \sum \pi c + \varepsilon\,\mathrm{KL}(\pi\,|\,a \otimes b), \qquad
      \pi_{ij} = a_i b_j e^{(f_i + g_j - c_{ij}) / \varepsilon}.$$

    Sinkhorn's iteration with potentials in the log domain, into which the scalings are absorbed
    when they grow (Schmitzer, SIAM J. Sci. Comput. 2019), and $\varepsilon$ lowered in steps of
    four. It never stops silently: see `EntropicCoupling.converged`.

    Args:
        cost: $c$, shape `(n, m)`.
        epsilon: $\varepsilon$, positive, in units of the cost.
        source: $a$, shape `(n,)`, of sum one; equal masses by default.
        target: $b$, shape `(m,)`, likewise.
        tolerance: of the error of the rows.
        iterations: the most at every $\varepsilon$.

    Raises:
        ValueError: if `epsilon` is not positive or a shape does not fit.
    """
    if not epsilon > 0:
        raise ValueError(f"epsilon is {epsilon}; give a positive one, or use transport_plan")
    n, m = cost.shape
    a = np.full(n, 1.0 / n) if source is None else np.asarray(source, float)
    b = np.full(m, 1.0 / m) if target is None else np.asarray(target, float)
    if a.shape != (n,) or b.shape != (m,):
        raise ValueError(f"a cost of shape {cost.shape} needs masses ({n},) and ({m},)")
    potentials = np.zeros(n), np.zeros(m)
    widest = max(float(np.ptp(cost)), epsilon)
    stages = int(np.ceil(np.log(widest / epsilon) / -np.log(_SHRINK)))
    done, error = 0, np.inf
    for eps in [widest * _SHRINK**i for i in range(stages)] + [epsilon]:
        goal = tolerance if eps == epsilon else 1e-2
        potentials, error, done = _at(cost, eps, (a, b), potentials, goal, iterations)
    f, g = potentials
    plan = a[:, None] * b * np.exp((f[:, None] + g - cost) / epsilon)
    dual = float(f @ a + g @ b - epsilon * (plan.sum() - 1.0))
    relative = np.log(np.maximum(plan, 1e-300)) - np.log(a)[:, None] - np.log(b)
    value = float((plan * cost).sum() + epsilon * (plan * relative).sum())
    return EntropicCoupling(plan, value, dual, error, done, error <= tolerance)


def _at(
    cost: Array, epsilon: float, masses: Pair, potentials: Pair, tolerance: float, iterations: int
) -> tuple[Pair, float, int]:
    """The potentials at one epsilon, the error of the rows and the number of iterations."""
    (a, b), (f, g) = masses, potentials
    # One exact round in the log domain, so that no row or column of the kernel underflows.
    f = -epsilon * np.asarray(logsumexp((g - cost) / epsilon, b=b[None], axis=1))
    g = -epsilon * np.asarray(logsumexp((f[:, None] - cost) / epsilon, b=a[:, None], axis=0))
    kernel = a[:, None] * b * np.exp((f[:, None] + g - cost) / epsilon)
    u, v, error, done = np.ones_like(a), np.ones_like(b), np.inf, 0
    while done < iterations:
        rows = kernel @ v
        error = float(np.abs(u * rows - a).sum())
        if error <= tolerance:
            break
        u = a / rows
        v = b / (u @ kernel)
        done += 1
        largest = max(u.max(), v.max(), 1.0 / u.min(), 1.0 / v.min())
        if not np.isfinite(largest) or largest > _MOST_SCALING:
            f, g = f + epsilon * np.log(u), g + epsilon * np.log(v)
            kernel = a[:, None] * b * np.exp((f[:, None] + g - cost) / epsilon)
            u, v = np.ones_like(a), np.ones_like(b)
    return (f + epsilon * np.log(u), g + epsilon * np.log(v)), error, done
