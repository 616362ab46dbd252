"""Named control problems, with the constants they are published with."""

import jax
import jax.numpy as jnp
import numpy as np

from liouville.numerics.mixtures import GaussianMixture, gaussian
from liouville.objectives import Entropy, Interaction, MeanField, Potential
from liouville.problems import opinion as opinion_problem
from liouville.tasks.control.problem import ControlProblem

# How far from a topic, along it, opinions feel in training that they may change sides.
_SOFT = 0.2


def s_tunnel(sigma: float = 1.0) -> ControlProblem:
    r"""Through an S-shaped passage between two ellipses, in a crowd that keeps apart.

    $N((-11,-1), .5)$ to $N((11,1), .5)$, $V = 1500\,[s(90 - 20(x-5)^2 - (y-6)^2) +
    s(90 - 20(x+5)^2 - (y+6)^2)]$ with the softplus $s$, and $50\,E\,2/(1 + |x-y|^2)$ (Liu et al.,
    Generalized Schrödinger Bridge Matching, ICLR 2024).
    """

    def depth(x):
        upper = 90.0 - 20.0 * (x[0] - 5.0) ** 2 - (x[1] - 6.0) ** 2
        lower = 90.0 - 20.0 * (x[0] + 5.0) ** 2 - (x[1] + 6.0) ** 2
        return jnp.stack([upper, lower])

    return ControlProblem(
        source=_balls([(-11.0, -1.0)], 0.5),
        target=_balls([(11.0, 1.0)], 0.5),
        sigma=sigma,
        costs={
            "obstacle": Potential(lambda t, x: jax.nn.softplus(depth(x)).sum()),
            "congestion": Interaction(lambda x, y: 2.0 / (1.0 + jnp.sum((x - y) ** 2))),
        },
        weights={"obstacle": 1500.0, "congestion": 50.0},
        stiff=("obstacle",),
        obstacle=lambda t, x: depth(x).max(),
        name="s-tunnel",
    )


def v_neck(sigma: float = 1.0) -> ControlProblem:
    r"""Through a neck, in a crowd that spreads by entropy.

    $N((-7,0), .2)$ to $N((7,0), .2)$, $V = 3000\, s(-.36 - 5x^2 + y^2)$ and $8\,E\log\rho$ (Liu
    et al., ICLR 2024).
    """

    def depth(x):
        return -0.36 - 5.0 * x[0] ** 2 + x[1] ** 2

    return ControlProblem(
        source=_balls([(-7.0, 0.0)], 0.2),
        target=_balls([(7.0, 0.0)], 0.2),
        sigma=sigma,
        costs={"obstacle": Potential(lambda t, x: jax.nn.softplus(depth(x))), "entropy": Entropy()},
        weights={"obstacle": 3000.0, "entropy": 8.0},
        stiff=("obstacle",),
        obstacle=lambda t, x: depth(x),
        name="v-neck",
    )


def gmm(sigma: float = 1.0) -> ControlProblem:
    r"""From four Gaussians to eight around three discs, in a crowd that spreads by entropy.

    $N(\cdot, 1)$ at $(\pm 4, 0), (0, \pm 4)$ to $N(\cdot, 1)$ on a circle of radius 16,
    $V = 1500 \sum_c s(100\,(1.5 - |x - c|))$ for $c = (6, 6), (6, -6), (-6, -6)$ and
    $5\,E\log\rho$ (Liu et al., ICLR 2024).
    """
    centers = jnp.array([(6.0, 6.0), (6.0, -6.0), (-6.0, -6.0)])

    def depth(x):
        return 1.5 - jnp.sqrt(jnp.sum((x - centers) ** 2, axis=-1) + 1e-12)

    angles = np.pi / 4.0 * np.arange(8)
    return ControlProblem(
        source=_balls([(4.0, 0.0), (-4.0, 0.0), (0.0, 4.0), (0.0, -4.0)], 1.0),
        target=_balls(16.0 * np.stack([np.cos(angles), np.sin(angles)], axis=1), 1.0),
        sigma=sigma,
        costs={
            "obstacle": Potential(lambda t, x: jax.nn.softplus(100.0 * depth(x)).sum()),
            "entropy": Entropy(),
        },
        weights={"obstacle": 1500.0, "entropy": 5.0},
        stiff=("obstacle",),
        obstacle=lambda t, x: depth(x).max(),
        name="gmm",
    )


def _balls(centers, variance: float) -> GaussianMixture:
    """A uniform mixture of round Gaussians."""
    centers = np.asarray(centers, float)
    count, dim = centers.shape
    covariances = np.repeat(variance * np.eye(dim)[None], count, axis=0)
    return GaussianMixture(np.full(count, 1.0 / count), centers, covariances)


def double_well(sigma: float = 1.0) -> ControlProblem:
    r"""Over the barrier of $U = 4 (x^2 - 1)^2$, from one well to the other, against the drift."""
    return ControlProblem(
        source=_balls([(-1.0,)], 0.05),
        target=_balls([(1.0,)], 0.05),
        sigma=sigma,
        drift=lambda t, x: -16.0 * x * (x**2 - 1.0),
        name="double-well",
    )


def opinion(sigma: float = 0.5) -> ControlProblem:
    r"""Opinions that polarise are kept mixed, in two dimensions.

    From $N(0, \mathrm{diag}(.5, .25))$ to $N(0, 3 I)$ in the dynamics of
    `liouville.problems.opinion` of strength 3, and $10\,E\,2/(1 + |x-y|^2)$ (Liu et al., ICLR
    2024).
    """
    return _opinion("opinion", [0.5, 0.25], 3.0, sigma, strength=3.0, crowd=1024)


def opinion_1000(sigma: float = 0.5) -> ControlProblem:
    r"""Opinions that polarise are kept mixed, in a thousand dimensions.

    As `opinion`, from $N(0, \mathrm{diag}(4, .25, .25, \dots))$ to $N(0, 4 I)$ with the strength 6.
    What a crowd leans to is small beside the chance of a few thousand opinions in so many
    coordinates: so the crowd is large.
    """
    variances = [4.0, *[0.25] * 999]
    return _opinion("opinion-1000", variances, 4.0, sigma, strength=6.0, crowd=2048)


def _opinion(
    name: str, start: list[float], end: float, sigma: float, *, strength: float, crowd: int
) -> ControlProblem:
    dim = len(start)
    topics = jnp.asarray(opinion_problem.topics(dim), jnp.zeros(()).dtype)

    def side(topic, x):
        # The sign, with the slope of a soft one: opinions that change sides are few but count.
        inner = topic @ x
        soft = jnp.tanh(inner / _SOFT)
        return soft + jax.lax.stop_gradient(jnp.where(inner > 0.0, 1.0, -1.0) - soft)

    def drift(t, x, crowd):
        topic = topics[jnp.round(t * (len(topics) - 1)).astype(int)]
        lean = crowd.mean(lambda y: side(topic, y) * y / jnp.sqrt(jnp.linalg.norm(y)))
        fading = jnp.clip(1.0 - jnp.exp(8.0 * (t - 1.0)) + 1e-5, 1e-4, 1.0) ** 5
        return strength * fading * side(topic, x) * lean / jnp.sqrt(jnp.linalg.norm(lean))

    return ControlProblem(
        source=gaussian(np.zeros(dim), np.diag(start)),
        target=gaussian(np.zeros(dim), end * np.eye(dim)),
        sigma=sigma,
        drift=MeanField(drift, crowd),
        costs={"congestion": Interaction(lambda x, y: 2.0 / (1.0 + jnp.sum((x - y) ** 2)))},
        weights={"congestion": 10.0},
        name=name,
    )


def drones(sigma: float = 0.5) -> ControlProblem:
    r"""A swarm in three dimensions around two pillars and under a beam, keeping apart.

    Pillars of radius 1 stand at $(-3, \pm 1.6)$ and $(2, 0)$; the beam, of radius 1, lies along the
    second axis at $x_1 = 0$, $x_3 = 1.5$. Drones pay $20\,E\,1/(1 + 4|x - y|^2)$ for company.
    """

    def depth(x):
        pillars = [(-3.0, 1.6), (-3.0, -1.6), (2.0, 0.0)]
        holes = [1.0 - jnp.sqrt((x[0] - a) ** 2 + (x[1] - b) ** 2 + 1e-12) for a, b in pillars]
        beam = 1.0 - jnp.sqrt(x[0] ** 2 + (x[2] - 1.5) ** 2 + 1e-12)
        return jnp.stack([*holes, beam])

    return ControlProblem(
        source=_balls([(-7.0, 0.0, 0.0)], 0.2),
        target=_balls([(6.0, 0.0, 1.0)], 0.2),
        sigma=sigma,
        costs={
            "obstacle": Potential(lambda t, x: jax.nn.softplus(20.0 * depth(x)).sum()),
            "congestion": Interaction(lambda x, y: 1.0 / (1.0 + 4.0 * jnp.sum((x - y) ** 2))),
        },
        weights={"obstacle": 300.0, "congestion": 20.0},
        stiff=("obstacle",),
        obstacle=lambda t, x: depth(x).max(),
        name="drones",
    )


def linear_quadratic(sigma: float = 1.0) -> ControlProblem:
    r"""Linear dynamics in 20 dimensions, quadratic costs and a free end: it has an answer on paper.

    $dX = .2 X\,dt + \sigma(c\,dt + dW)$ from $N(.5, .04 I)$, running cost $.2 |x|^2$, at the end
    $.1 |x|^2$; see `liouville.problems.LinearQuadratic`.
    """
    dim = 20
    return ControlProblem(
        source=_balls([(0.5,) * dim], 0.04),
        sigma=sigma,
        drift=lambda t, x: 0.2 * x,
        costs={"place": Potential(lambda t, x: 0.2 * jnp.sum(x**2))},
        terminal=lambda x: 0.1 * jnp.sum(x**2),
        name="linear-quadratic",
    )


# What the command line knows by name.
_SCENES = (
    s_tunnel,
    v_neck,
    gmm,
    linear_quadratic,
    double_well,
    opinion,
    opinion_1000,
    drones,
)
NAMES = {scene.__name__.replace("_", "-"): scene for scene in _SCENES}
