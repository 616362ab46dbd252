r"""Entropic plans in closed form, and the distance of others from them.

NumPy and float64 throughout: these are answers, not models.
"""

import numpy as np

from liouville.numerics.arguments import check_counts, check_positive
from liouville.numerics.plans import ConditionalLaw, Plan

Array = np.ndarray


def known_plan(
    dim: int,
    noise: float,
    *,
    parts: int = 5,
    radius: float = 5.0,
    spectrum: tuple[float, float] = (0.25, 1.0),
    seed: int = 0,
) -> Plan:
    r"""The plan from any start to where a potential of Gaussian parts leads it.

    The potential is $\varphi = \sum_k N(\mu_k, S_k)$ with $\mu_k$ on a sphere and $S_k$ of evenly
    spaced eigenvalues, turned at random, after the benchmark of Gushchin et al. (arXiv 2306.10161):

    $$\pi(y \mid x) = \sum_k g_k(x)\, N\bigl(M_k (S_k^{-1} \mu_k + x / \varepsilon), M_k\bigr),
      \quad M_k = (I / \varepsilon + S_k^{-1})^{-1}, \quad
      g_k(x) \propto N(x \mid \mu_k, S_k + \varepsilon I).$$

    Whatever the start, the plan is the Schrödinger bridge's between it and the end it leads to.

    Args:
        dim: the number of coordinates.
        noise: $\varepsilon$.
        parts: the number of parts.
        radius: of the sphere.
        spectrum: the smallest and the largest eigenvalue.
        seed: of the places and turns.

    Raises:
        LiouvilleError: if a number cannot be used.
    """
    check_counts(dim=dim, parts=parts)
    check_positive("the plan", noise=noise, radius=radius, least_eigenvalue=spectrum[0])
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(parts, dim))
    means *= radius / np.linalg.norm(means, axis=1, keepdims=True)
    turns = np.linalg.qr(rng.normal(size=(parts, dim, dim)))[0]
    covariances = (turns * np.linspace(*spectrum, dim)) @ turns.mT
    precisions, eye = np.linalg.inv(covariances), np.eye(dim)
    spreads = np.linalg.inv(eye / noise + precisions)
    wide = covariances + noise * eye
    # The logarithm of N(x | mu, S + eps) at x = 0, up to what all parts share.
    heights = -0.5 * np.linalg.slogdet(wide)[1]
    heights -= 0.5 * np.einsum("ki,kij,kj->k", means, np.linalg.inv(wide), means)
    shifts = np.einsum("kij,kjl,kl->ki", spreads, precisions, means)
    return Plan(noise, heights, shifts, spreads / noise)


def conditional_distance(found: ConditionalLaw, truth: ConditionalLaw) -> float:
    r"""Half the squared Bures distance of the first two moments, on average over the points.

    $$E_x\bigl[\tfrac12|m - m'|^2 + \tfrac12\operatorname{tr}(C + C')
      - \operatorname{tr}(C^{1/2} C' C^{1/2})^{1/2}\bigr]$$
    """
    away = 0.5 * ((found.mean - truth.mean) ** 2).sum(-1)
    one, other = found.covariance, truth.covariance
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]) @ vectors.mT
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other @ root), 0.0)).sum(-1)
    spread = 0.5 * np.einsum("...ii->...", one + other) - cross
    return float(np.mean(away + spread))
