r"""Densities in the plane to look at, each drawn exactly and with its density where it has one.

NumPy and float64 throughout: these are answers, not models. A density along a curve with Gaussian
noise is a mixture with infinitely many parts, an integral over the curve that Gauss-Legendre
quadrature gives to rounding near the curve:

$$\log \rho(x) = \log \int_0^1 N(x;\, c(u), \sigma^2 I)\, du .$$

Use them as `toys.named("two_moons").sample(1000, seed=0)`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.special import i0e, logsumexp

from liouville.errors import LiouvilleError
from liouville.numerics.mixtures import GaussianMixture

Points = Float[np.ndarray, "n dim"]

_CHUNK = 512
"""Points at a time in a quadrature: 512 x 1024 numbers are 4 MiB."""


@dataclass(frozen=True, eq=False)
class Toy:
    """A distribution that can be drawn from.

    Attributes:
        name: For tables and messages.
        dim: Number of coordinates.
        draw: From a generator and a number `n`, points of shape `(n, dim)`.
        log_density: From points of shape `(n, dim)`, nats of shape `(n,)`; None if it is not known.
        reach: The mass outside the cube of this half width about the origin is below 1e-6.
        mixture: The density as a Gaussian mixture of few parts; None if it is no such mixture.
    """

    name: str
    dim: int
    draw: Callable[[np.random.Generator, int], np.ndarray]
    log_density: Callable[[np.ndarray], np.ndarray] | None
    reach: float
    mixture: GaussianMixture | None = None

    def sample(self, n: int, *, seed: int) -> Points:
        """Independent draws, shape `(n, dim)`; the same ones for the same seed, not negative."""
        return self.draw(np.random.default_rng(seed), n)

    def entropy(self, *, n: int = 100_000, seed: int = 0) -> tuple[float, float]:
        r"""$-E \log \rho$ in nats, the least negative log-likelihood of any model.

        Args:
            n: Draws of the average.
            seed: Of the draws.

        Returns:
            The average and its standard error.

        Raises:
            LiouvilleError: If the density is not known.
        """
        if self.log_density is None:
            raise LiouvilleError(f"the density of {self.name} is not known; choose another toy")
        nats = -self.log_density(self.sample(n, seed=seed))
        return float(nats.mean()), float(nats.std(ddof=1) / np.sqrt(n))


def normal(dim: int = 2) -> Toy:
    r"""The standard normal distribution in `dim` coordinates; entropy $d/2 \log 2\pi e$."""
    if dim < 1:
        raise ValueError(f"a normal distribution needs one coordinate or more, got {dim}")
    return Toy(
        "normal",
        dim,
        lambda rng, n: rng.normal(size=(n, dim)),
        lambda x: -0.5 * (x**2).sum(1) - 0.5 * dim * np.log(2.0 * np.pi),
        6.0,
        GaussianMixture(np.ones(1), np.zeros((1, dim)), np.eye(dim)[None]),
    )


def eight_gaussians(radius: float = 5.0, variance: float = 0.1) -> Toy:
    r"""Eight normal distributions on a circle, of equal weights; `variance` is of each coordinate.

    The generator of TorchCFM is called with .1 but has $\sqrt{.1}$: `torchcfm_eight_gaussians`.
    """
    _check_positive(variance=variance)
    angles = np.arange(8) * np.pi / 4.0
    means, sd = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1), np.sqrt(variance)

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        return means[rng.integers(8, size=n)] + sd * rng.normal(size=(n, 2))

    weights = np.full(8, 0.125)
    return Toy(
        "eight_gaussians",
        2,
        draw,
        lambda x: _mixture_density(x, means, weights, sd),
        radius + 6.0 * float(sd),
        GaussianMixture(weights, means, np.tile(variance * np.eye(2), (8, 1, 1))),
    )


def two_moons(noise: float = 0.2, scale: float = 3.0, shift: float = -1.0) -> Toy:
    """Two interleaved half circles with Gaussian noise.

    The half circles are those of scikit-learn's `make_moons`: of radius one about `(0, 0)` and
    `(1, .5)`, and `noise` is in units of the radius. They are then stretched by `scale` and
    shifted.
    """
    _check_positive(noise=noise, scale=scale)
    upper = _curve_parts(lambda u: scale * _upper_moon(u) + shift, 32)
    lower = _curve_parts(lambda u: scale * _lower_moon(u) + shift, 32)
    means = np.concatenate([upper[0], lower[0]])
    weights = 0.5 * np.concatenate([upper[1], lower[1]])
    sd = scale * noise

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        return scale * _moons(rng, n) + shift + sd * rng.normal(size=(n, 2))

    return Toy(
        "two_moons",
        2,
        draw,
        lambda x: _mixture_density(x, means, weights, sd),
        2.0 * scale + abs(shift) + 6.0 * sd,
    )


def checkerboard(scale: float = 4.0) -> Toy:
    """The uniform density on the dark squares of a board of four by four, `2 scale` long."""
    _check_positive(scale=scale)
    side = scale / 2.0

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        column, row = rng.integers(4, size=n), rng.integers(2, size=n)
        corner = np.stack([column, 2 * row + column % 2], axis=1) * side - scale
        return corner + side * rng.random((n, 2))

    def log_density(x: np.ndarray) -> np.ndarray:
        cell = np.floor((x + scale) / side).astype(int)
        is_dark = (cell.sum(1) % 2 == 0) & np.all((cell >= 0) & (cell < 4), axis=1)
        return np.where(is_dark, -np.log(8.0 * side**2), -np.inf)

    return Toy("checkerboard", 2, draw, log_density, scale)


def circles(inner: float = 1.5, outer: float = 3.0, noise: float = 0.24) -> Toy:
    r"""Two rings about the origin with Gaussian noise, of equal weights.

    A ring of radius $R$ with noise $\sigma$ has the density
    $\frac{1}{2\pi\sigma^2} e^{-(r^2 + R^2)/2\sigma^2} I_0(rR/\sigma^2)$.
    """
    _check_positive(inner=inner, outer=outer, noise=noise)
    radii = np.array([inner, outer])

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        angle = 2.0 * np.pi * rng.random(n)
        ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return radii[rng.integers(2, size=n), None] * ring + noise * rng.normal(size=(n, 2))

    def log_density(x: np.ndarray) -> np.ndarray:
        r = np.hypot(x[:, 0], x[:, 1])[:, None]
        bell = -0.5 * ((r - radii) / noise) ** 2 + np.log(i0e(r * radii / noise**2))
        return np.asarray(logsumexp(bell, axis=1)) - np.log(4.0 * np.pi * noise**2)

    return Toy("circles", 2, draw, log_density, outer + 6.0 * noise)


def pinwheel(arms: int = 5, rate: float = 0.25, scale: float = 2.0) -> Toy:
    r"""Long bells on a circle, $K$ `arms`, bent by a twist of `rate` $r$ about the origin.

    A point $z$ with $z_1 \sim N(1, .3^2)$, $z_2 \sim N(0, .1^2)$ is turned by
    $-(2\pi k / K + r e^{|z|})$ and stretched by `scale`. The usual pinwheel turns by $e^{z_1}$
    instead, which folds the plane; a turn that depends on $|z|$ keeps areas and has an exact
    inverse, so that the density is that of the bells, turned back.
    """
    _check_positive(scale=scale, arms=arms)
    mean, sd = np.array([1.0, 0.0]), np.array([0.3, 0.1])
    starts = 2.0 * np.pi * np.arange(arms) / arms

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        z = mean + sd * rng.normal(size=(n, 2))
        twist = rate * np.exp(np.hypot(z[:, 0], z[:, 1]))
        return scale * turned(z, -(starts[rng.integers(arms, size=n)] + twist))

    def log_density(x: np.ndarray) -> np.ndarray:
        y = x / scale
        # Far out the twist overflows, but there the density does not depend on it.
        twist = rate * np.exp(np.minimum(np.hypot(y[:, 0], y[:, 1]), 30.0))
        bells = [-0.5 * (((turned(y, s + twist) - mean) / sd) ** 2).sum(1) for s in starts]
        constant = np.log(arms * 2.0 * np.pi * sd.prod() * scale**2)
        return np.asarray(logsumexp(np.stack(bells), axis=0)) - constant

    return Toy("pinwheel", 2, draw, log_density, 2.6 * scale)


def swiss_roll(noise: float = 0.2, scale: float = 0.2) -> Toy:
    r"""A spiral $a\,s\,(\cos s, \sin s)$ with Gaussian noise, $s$ uniform in $1.5\pi$ to $4.5\pi$.

    The spiral is that of scikit-learn's `make_swiss_roll` without its third coordinate; `scale` is
    $a$.
    """
    _check_positive(noise=noise, scale=scale)

    def curve(u: np.ndarray) -> np.ndarray:
        s = 1.5 * np.pi * (1.0 + 2.0 * u)
        return scale * s[:, None] * np.stack([np.cos(s), np.sin(s)], axis=1)

    means, weights = _curve_parts(curve, 128)
    return Toy(
        "swiss_roll",
        2,
        lambda rng, n: curve(rng.random(n)) + noise * rng.normal(size=(n, 2)),
        lambda x: _mixture_density(x, means, weights, noise),
        4.5 * np.pi * scale + 6.0 * noise,
    )


def torchcfm_eight_gaussians() -> Toy:
    r"""The eight Gaussians that TorchCFM's generator draws: radius 5, variance $\sqrt{.1}$."""
    return replace(eight_gaussians(5.0, float(np.sqrt(0.1))), name="torchcfm_eight_gaussians")


def torchcfm_moons() -> Toy:
    """The moons that TorchCFM draws by torchdyn's generator, stretched by 3 and shifted by -1.

    Their noise is one uniform number up to .2, added to both coordinates of a point: the density
    is infinite where the diagonal touches a half circle, and is left out here.
    """

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        return 3.0 * (_moons(rng, n) + 0.2 * rng.random((n, 1))) - 1.0

    return Toy("torchcfm_moons", 2, draw, None, 6.0)


_MAKERS: tuple[Callable[[], Toy], ...] = (
    *(checkerboard, circles, eight_gaussians, normal, pinwheel, swiss_roll),
    *(torchcfm_eight_gaussians, torchcfm_moons, two_moons),
)
_TOYS = {make.__name__: make for make in _MAKERS}
NAMES = tuple(_TOYS)
"""What `named` knows."""


def named(name: str) -> Toy:
    """The toy of a name with its usual numbers.

    Raises:
        LiouvilleError: If there is none of that name.
    """
    if name not in _TOYS:
        raise LiouvilleError(f"no toy called {name!r}; choose one of {', '.join(NAMES)}")
    return _TOYS[name]()


def _check_positive(**values: int | float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} of a toy must be positive, got {value}")


def _upper_moon(u: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(np.pi * u), np.sin(np.pi * u)], axis=1)


def _lower_moon(u: np.ndarray) -> np.ndarray:
    return np.array([1.0, 0.5]) - _upper_moon(u)


def _moons(rng: np.random.Generator, n: int) -> np.ndarray:
    u, is_upper = rng.random(n), rng.random((n, 1)) < 0.5
    return np.where(is_upper, _upper_moon(u), _lower_moon(u))


def turned(x: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Points of shape `(n, 2)`, each turned by its angle about the origin."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * x[:, 0] - sin * x[:, 1], sin * x[:, 0] + cos * x[:, 1]], axis=1)


def _curve_parts(
    curve: Callable[[np.ndarray], np.ndarray], panels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of a quadrature along a curve over the unit interval.

    The eight nodes of a panel are exact to rounding for bells as wide as the panel is long.
    """
    node, weight = np.polynomial.legendre.leggauss(8)
    u = (np.arange(panels)[:, None] + 0.5 * (node + 1.0)) / panels
    return curve(u.ravel()), np.tile(0.5 * weight / panels, panels)


def _mixture_density(
    x: np.ndarray, means: np.ndarray, weights: np.ndarray, sd: float
) -> np.ndarray:
    """Log-density of a mixture of round normal distributions of one width, shape `(n,)`."""
    constant = np.log(weights) - means.shape[1] * (np.log(sd) + 0.5 * np.log(2.0 * np.pi))

    def of(part: np.ndarray) -> np.ndarray:
        # In place, and without SciPy's checks, which take most of the time for a thousand parts.
        terms = np.broadcast_to(constant, (len(part), len(means))).copy()
        for i in range(means.shape[1]):
            terms -= 0.5 * ((part[:, i, None] - means[:, i]) / sd) ** 2
        largest = terms.max(axis=1)
        terms -= largest[:, None]
        return largest + np.log(np.exp(terms, out=terms).sum(axis=1))

    parts = [of(x[i : i + _CHUNK]) for i in range(0, len(x), _CHUNK)]
    return np.concatenate(parts) if parts else np.zeros(0)
