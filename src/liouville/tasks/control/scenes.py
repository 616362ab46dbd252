"""Named control problems, with the constants they are published with."""

import jax
import jax.numpy as jnp
import numpy as np

from liouville.numerics.mixtures import GaussianMixture
from liouville.objectives import Entropy, Interaction, Potential
from liouville.tasks.control.problem import ControlProblem


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
        obstacle=lambda x: depth(x).max(),
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
        obstacle=depth,
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
        obstacle=lambda x: depth(x).max(),
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
    r"""Opinions that polarise are brought together: $f = 2 \tanh(3 x_1) e_1$ in two dimensions.

    A drift of our own that pulls opinions apart along one axis; the crowd starts mixed, would split
    in two, and has to end mixed and twice as wide, at least effort.
    """

    def drift(t, x):
        return 2.0 * jnp.tanh(3.0 * x[0]) * jnp.array([1.0, 0.0])

    return ControlProblem(
        source=_balls([(0.0, 0.0)], 0.25),
        target=_balls([(0.0, 0.0)], 1.0),
        sigma=sigma,
        drift=drift,
        name="opinion",
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
        obstacle=lambda x: depth(x).max(),
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
_SCENES = (s_tunnel, v_neck, gmm, linear_quadratic, double_well, opinion, drones)
NAMES = {scene.__name__.replace("_", "-"): scene for scene in _SCENES}
