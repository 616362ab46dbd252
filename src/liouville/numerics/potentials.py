r"""Lower bounds of the least energy between two measures of which mass may grow, in closed form.

By duality no path from $m_0\rho_0$ to $m_1\rho_1$ has less energy
$\tfrac12\int\int |u|^2 + \delta^2 h^2$ than

$$2\delta^2\Bigl[\int (1 - a)\,d(m_0\rho_0) + \int (1 - b)\,d(m_1\rho_1)\Bigr], \qquad
  a(x)\,b(y) \ge \cos_+^2\frac{|x - y|}{2\delta} \ \text{ everywhere}$$

(Liero, Mielke and Savare, Invent. Math. 2018, section 8). Two families of pairs $(a, b)$ have
integrals over Gaussians in closed form:

* $a = e^{-f}$ with a quadratic $f$ and $b = e^{-g}$, where
  $g(y) = \inf_x |x - y|^2/4\delta^2 - f(x)$, because $\cos^2 z \le e^{-z^2}$;
* along one direction $a = v^\top P v$ and $b = v^\top P^{-1} v$ with $\omega \le 1/\delta$ and
  $v(x) = (\cos, \sin)(\omega x/2)$, because $\langle v(x), v(y)\rangle = \cos(\omega(x - y)/2)$,
  by Cauchy and Schwarz; times the former in the directions across, because $\log\cos\sqrt{z}$ is
  concave.

The first is near the least energy where mass moves by less than $\delta$; the second is exact for
two points at any distance.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

from liouville.numerics.mixtures import GaussianMixture

Array = np.ndarray

_ITERATIONS = 400
_IMPOSSIBLE = 1e30


def growing_bound(
    source: GaussianMixture, target: GaussianMixture, masses: tuple[float, float], delta: float
) -> float:
    r"""The best bound of both families, for unit time; it may be zero.

    Args:
        source: $\rho_0$.
        target: $\rho_1$.
        masses: $m_0$ and $m_1$.
        delta: $\delta$, a length.
    """
    # In units of the length, with the direction between the means as first axis.
    turn = _turned(target.mean - source.mean) / delta
    sides = [
        _Side(mass * end.weights, end.means @ turn.T, turn @ end.covariances @ turn.T)
        for mass, end in zip(masses, (source, target))
    ]
    unit = float(np.mean(masses))
    sides = [side._replace(masses=side.masses / unit) for side in sides]
    found = [_best(sides, is_wave) for is_wave in (False, True)]
    return 2.0 * delta**2 * unit * max(0.0, *found)


class _Side(NamedTuple):
    masses: Any
    means: Any
    covariances: Any


def _turned(direction: Array) -> Array:
    """A rotation or reflection that makes a direction the first axis."""
    length, eye = np.linalg.norm(direction), np.eye(len(direction))
    normal = (direction / length if length > 0 else eye[0]) - eye[0]
    square = normal @ normal
    return eye if square < 1e-12 else eye - 2.0 * np.outer(normal, normal) / square


def _best(sides: list[_Side], is_wave: bool) -> float:
    dim, ratio = sides[0].means.shape[1], np.log(sides[0].masses.sum() / sides[1].masses.sum())
    size = dim - is_wave
    start = np.zeros(size * (size + 1) // 2 + size + 5)
    start[-5] = 0.5 * ratio  # constant potentials, the best for two masses at one place
    if is_wave:
        # From the distance pi on a wave of frequency one would rise again.
        means = [side.masses @ side.means / side.masses.sum() for side in sides]
        frequency = min(0.98, np.pi / max(float(np.abs(means[1] - means[0])[0]), 1e-6))
        start[-1], start[-3] = np.log(frequency / (1.0 - frequency)), 0.1

    @jax.jit
    def slope(p: Any) -> Any:
        return jax.value_and_grad(lambda p: -_value(jnp, p, sides, is_wave))(p)

    def asked(p: Array) -> tuple[float, Array]:
        value, gradient = (np.asarray(a, float) for a in slope(jnp.asarray(p)))
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return _IMPOSSIBLE, np.zeros_like(p)
        return float(value), gradient

    found = minimize(asked, start, jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS})
    with np.errstate(all="ignore"):
        value = float(_value(np, found.x, sides, is_wave))
    return value if np.isfinite(value) else 0.0


def _value(xp: Any, p: Any, sides: list[_Side], is_wave: bool) -> Any:
    """The bound of one pair, in units of twice the squared length; minus infinity for no pair."""
    dim = sides[0].means.shape[1]
    size = dim - is_wave
    count = size * (size + 1) // 2
    *_, constant, wave0, wave1, wave2, frequency = p
    raw, slope = p[:count], p[count : count + size]
    # With lengths in units of delta the cost is |x - y|^2 / 4 = kappa |x - y|^2 / 2.
    kappa = 0.5
    select = np.zeros((count, size, size))
    rows, columns = np.tril_indices(size)
    select[np.arange(count), rows, columns] = 1.0
    lower = xp.tensordot(raw, xp.asarray(select), 1) if size else xp.zeros((0, 0))
    diagonal = xp.exp(xp.diagonal(lower))
    root = lower - xp.diag(xp.diagonal(lower)) + xp.diag(diagonal)
    rest = kappa * root @ root.T  # kappa - A, positive definite
    eye = xp.eye(size)
    inverse = xp.linalg.inv(rest) if size else rest
    pairs = [
        (kappa * eye - rest, slope, constant),
        (
            kappa * eye - kappa**2 * inverse,
            -kappa * inverse @ slope,
            -0.5 * slope @ inverse @ slope - constant,
        ),
    ]
    waves = [(1.0, 0.0, 0.0)] * 2
    omega = 1.0 / (1.0 + xp.exp(-frequency))
    if is_wave:
        a, b, c = xp.exp(wave0), wave1, xp.exp(wave2)
        p11, p12, p22 = a * a, a * b, b * b + c * c
        volume = p11 * p22 - p12 * p12
        waves = [
            (0.5 * (p11 + p22), 0.5 * (p11 - p22), p12),
            (0.5 * (p11 + p22) / volume, 0.5 * (p22 - p11) / volume, -p12 / volume),
        ]
    total = 0.0
    pad = xp.asarray(np.eye(dim)[:, is_wave:])
    for side, (matrix, linear, shift), (mean, cosine, sine) in zip(sides, pairs, waves):
        means, covariances = xp.asarray(side.means), xp.asarray(side.covariances)
        whole, b = pad @ matrix @ pad.T, pad @ linear
        precision = xp.linalg.inv(covariances)
        values = xp.linalg.eigvalsh(precision + whole)
        narrow = xp.linalg.inv(precision + whole)
        middle = xp.einsum("kij,kj->ki", narrow, xp.einsum("kij,kj->ki", precision, means) - b)
        # The integral of exp(-f) over a part, by its value at the middle of the product.
        move = middle - means
        exponent = (
            -0.5 * xp.einsum("ki,kij,kj->k", move, precision, move)
            - 0.5 * xp.einsum("ki,ij,kj->k", middle, whole, middle)
            - middle @ b
            - shift
            - 0.5 * xp.linalg.slogdet(xp.eye(dim) + covariances @ whole)[1]
        )
        damping = xp.exp(-0.5 * omega**2 * narrow[:, 0, 0])
        angle = omega * middle[:, 0]
        wave = mean + damping * (cosine * xp.cos(angle) + sine * xp.sin(angle))
        integral = xp.exp(exponent) * wave
        integral = xp.where((values > 0).all(axis=1), integral, xp.inf)
        total = total + xp.asarray(side.masses) @ (1.0 - integral)
    return total
