from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

Array = np.ndarray

# Epsilon is lowered in steps of four; the first stages need no more than a rough answer.
_SHRINK, _ROUGH = 0.25, 1e-2
# Scalings are moved into the potentials before they leave what a double can multiply safely.
_MOST_SCALING = 1e60
# So are shifts of more epsilons than this.
_MOST_SHIFT = 100.0
# The noise of a coupling with growth, as a share of what growth costs.
_BLUR = 0.01
# What is left of a cosine that is zero.
_LEAST_COSINE = np.exp(-20.0)


class UnbalancedCoupling(NamedTuple):
    r"""A coupling whose sums may differ from the masses it joins, and how well it was solved.

    Attributes:
        plan: $\pi$, shape `(n, m)`.
        dual: $\lambda\sum a(1 - e^{-f/\lambda}) + \lambda\sum b(1 - e^{-g/\lambda}) +
            \varepsilon\sum (ab - \pi)$ at the potentials found, at most the least value.
        error: by how much the logarithm of the sum of a row or a column is off at most.
        iterations: how many were made at the last $\varepsilon$.
        converged: whether the error came below the tolerance.
    """

    plan: Array
    dual: float
    error: float
    iterations: int
    converged: bool


def unbalanced_sinkhorn(
    cost: Array,
    relaxation: float,
    epsilon: float,
    source: Array,
    target: Array,
    *,
    tolerance: float = 1e-3,
    iterations: int = 2000,
) -> UnbalancedCoupling:
    r"""Couples two discrete measures where mass may also grow and shrink, at a cost.

    $$\min_\pi \sum \pi c + \lambda\,\mathrm{KL}(\pi 1\,|\,a) + \lambda\,\mathrm{KL}(\pi^\top 1
      \,|\,b) + \varepsilon\,\mathrm{KL}(\pi\,|\,a \otimes b)$$

    with $\mathrm{KL}(p\,|\,a) = \sum p \log(p/a) - p + a$. With $c = \tfrac12|x - y|^2$ and
    $\lambda = 2\delta^2$ it is the static form of the energy $\tfrac12\int|u|^2 + \delta^2 h^2$, up
    to terms of higher order in $|x - y|/\delta$ (Liero, Mielke and Savare 2018; Chizat et al.
    2018). The iteration is Sinkhorn's with potentials damped by $\lambda/(\lambda + \varepsilon)$
    (Chizat et al., Math. Comp. 2018), and after each the best constant is moved from one potential
    to the other (Sejourne, Vialard and Peyre, AISTATS 2022): fewer than half the
    iterations, and a mass of the whole that is right far below the tolerance.

    Args:
        cost: $c$, shape `(n, m)`.
        relaxation: $\lambda$, in units of the cost: what it costs that masses are not met.
        epsilon: $\varepsilon$, in units of the cost.
        source: $a$, positive, of any sum, shape `(n,)`.
        target: $b$, likewise, shape `(m,)`.
        tolerance: of the error.
        iterations: the most at every $\varepsilon$.

    Raises:
        ValueError: if `relaxation` or `epsilon` is not positive, or a shape does not fit.
    """
    if not (epsilon > 0 and relaxation > 0):
        raise ValueError(f"relaxation {relaxation} and epsilon {epsilon} must be positive")
    if (*source.shape, *target.shape) != cost.shape:
        raise ValueError(f"a cost of {cost.shape} and masses of {source.shape}, {target.shape}")
    f, g, done, error = np.zeros(len(source)), np.zeros(len(target)), 0, np.inf
    widest = max(float(np.ptp(cost)), epsilon)
    stages = int(np.ceil(np.log(widest / epsilon) / -np.log(_SHRINK)))
    for eps in [*(widest * _SHRINK**i for i in range(stages)), epsilon]:
        goal = tolerance if eps == epsilon else _ROUGH
        f, g, error, done = _at(cost, relaxation, eps, (source, target), f, g, goal, iterations)
    plan = source[:, None] * target * np.exp((f[:, None] + g - cost) / epsilon)
    grown = source @ -np.expm1(-f / relaxation) + target @ -np.expm1(-g / relaxation)
    dual = relaxation * grown + epsilon * (source.sum() * target.sum() - plan.sum())
    return UnbalancedCoupling(plan, float(dual), error, done, error <= tolerance)


def growing_cost(x: Array, y: Array, delta: float) -> Array:
    r"""$-2\delta^2 \log\cos^2(|x - y|/2\delta)$ between points `(n, dim)` and `(m, dim)`, bounded.

    With it and $\lambda = 2\delta^2$ the problem of `unbalanced_sinkhorn` without noise has as its
    value the least energy $\tfrac12\int\int |u|^2 + \delta^2 h^2$ between two measures, exactly
    (Liero, Mielke and Savare, Invent. Math. 2018; Chizat et al., J. Funct. Anal. 2018). From the
    distance $\pi\delta$ on no mass travels, and the cost is infinite; here it is what leaves e^-40
    of it.
    """
    angle = np.minimum(cdist(x, y) / (2.0 * delta), 0.5 * np.pi)
    logs = np.log(np.maximum(np.cos(angle), _LEAST_COSINE))
    return -4.0 * delta**2 * logs


def growing_coupling(
    x: Array,
    y: Array,
    source: Array,
    target: Array,
    delta: float,
    *,
    tolerance: float = 1e-3,
) -> UnbalancedCoupling:
    r"""The coupling of points with masses by `growing_cost`.

    The noise is a hundredth of $2\delta^2$. Points have the shapes `(n, dim)` and `(m, dim)`, and
    masses `(n,)` and `(m,)`; all else is as in `unbalanced_sinkhorn`.
    """
    cost, price = growing_cost(x, y, delta), 2.0 * delta**2
    return unbalanced_sinkhorn(cost, price, _BLUR * price, source, target, tolerance=tolerance)


def _at(
    cost: Array,
    relaxation: float,
    epsilon: float,
    masses: tuple[Array, Array],
    f: Array,
    g: Array,
    tolerance: float,
    iterations: int,
) -> tuple[Array, Array, float, int]:
    """The potentials at one epsilon, the error and the number of iterations."""
    a, b = masses
    damping, share = relaxation / (relaxation + epsilon), epsilon / relaxation
    # One matrix for all: to ask the system for its memory takes longer than the arithmetic.
    work = np.empty_like(cost)
    highest = np.subtract(g, cost, out=work).max(axis=1)
    f = -damping * (highest + epsilon * np.log(_exp(work, -highest, 0.0, epsilon) @ b))
    highest = np.subtract(f[:, None], cost, out=work).max(axis=0)
    g = -damping * (highest + epsilon * np.log(a @ _exp(work, np.zeros(1), -highest, epsilon)))
    error, done = np.inf, 0
    while error > tolerance and done < iterations:
        kernel = _exp(np.negative(cost, out=work), f, g, epsilon)
        u, v = np.ones_like(a), np.ones_like(b)
        while error > tolerance and done < iterations:
            before = u, v
            # What the potentials hold already is damped anew with the whole.
            u = np.exp(-damping * np.log(kernel @ (v * b)) - (1.0 - damping) * f / epsilon)
            v = np.exp(-damping * np.log((u * a) @ kernel) - (1.0 - damping) * g / epsilon)
            done += 1
            # The sum of a row should be its mass times exp(-f / relaxation); what it is off by is
            # the change over the damping.
            change = max(np.abs(np.log(x / y)).max() for x, y in zip((u, v), before))
            error = float(change) / damping
            # How much there is of all is settled at once: f + t and g - t for the best t leave
            # the plan as it is, and by themselves would be the last to come to rest.
            inside = zip((a, b), (f, g), (u, v))
            left = [m @ (np.exp(-p / relaxation) * w**-share) for m, p, w in inside]
            shift = 0.5 * relaxation * np.log(left[0] / left[1])
            if abs(shift) > _MOST_SHIFT * epsilon:
                f, g = f + shift, g - shift
                break
            u, v = u * np.exp(shift / epsilon), v * np.exp(-shift / epsilon)
            if max(u.max(), v.max(), 1.0 / u.min(), 1.0 / v.min()) > _MOST_SCALING:
                break
        f, g = f + epsilon * np.log(u), g + epsilon * np.log(v)
    return f, g, error, done


def _exp(work: Array, f: Array, g: Array | float, epsilon: float) -> Array:
    r"""$e^{(w_{ij} + f_i + g_j) / \varepsilon}$, in place."""
    work += f[:, None]
    work += g
    work /= epsilon
    return np.exp(work, out=work)
