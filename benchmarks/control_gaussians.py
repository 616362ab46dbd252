"""Control problems with answers on paper, solved by mixtures of moving parts.

    python benchmarks/control_gaussians.py [--parts 8] [--steps 2000] [--only TEXT]
        [--save]

Linear-quadratic control with a terminal cost and a free end in 20 dimensions: dX = a X dt + u dt
+ dW, cost int |u|^2/2 + p |X|^2 dt + q |X_1|^2, from N(.5, .04 I). Bridges between Gaussians in
the plane with a quadratic state cost (sigma = 1). The one-dimensional mean-field bridge from
N(-7, .2) to N(7, .2) with entropy, confinement and attraction. Positions and momenta in the plane,
with noise on the momenta (1.5) and a spring on the positions, in the time 2. Parts are cut, so no
start is the answer, except that with momenta, which starts from the bridge without the spring.
Wanted: relative errors of at most 1e-3 (state cost) and 2e-3 (the others).
"""

import argparse
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
from results import Column, Table

from liouville.numerics.mixtures import gaussian
from liouville.objectives import Entropy, Interaction, Potential
from liouville.problems import LinearBridge, LinearQuadratic, MeanFieldBridge, PotentialBridge
from liouville.tasks.control.fit import fit_control
from liouville.tasks.control.problem import ControlProblem

M0, M1 = np.array([-2.0, 0.0]), np.array([2.0, 1.0])
S0, S1 = np.array([[1.0, 0.3], [0.3, 0.5]]), np.array([[0.4, -0.2], [-0.2, 1.2]])
MEAN_FIELD = ((0, 0, 0), (4, 0, 0), (0, 1, 0), (0, 8, 0), (0, 0, 1), (1, 2, 0.5))

COLUMNS = (
    *(Column("problem"), Column("exact", ".6f"), Column("closed form", ".6f")),
    *(Column("error", "+.1e"), Column("rollout", ".4f"), Column("seconds", ".0f")),
)


def squared(t, x):
    return 0.5 * jnp.sum(x**2)


def distance(x, y):
    return 0.5 * jnp.sum((x - y) ** 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--only", default="", help="problems whose names hold this text")
    parser.add_argument("--save", action="store_true", help="write the table of the pages")
    options = parser.parse_args()
    settings = {
        "path.parts": options.parts,
        "training.steps": options.steps,
        "objective.crowding": 0.5,
        "rollout.steps": 1000,
    }
    note = f"{options.parts} parts, {options.steps} steps."
    table = Table("control_gaussians", COLUMNS, keep=options.save, note=note)
    for name, exact, problem in problems():
        if options.only in name:
            found = fit_control(problem, settings, progress=False).summary
            value = found["objective (closed form)"]
            row = {"problem": name, "exact": exact, "closed form": value}
            row |= {"error": value / exact - 1, "rollout": found["objective (rollout)"]}
            table.add({**row, "seconds": sum(found["seconds"].values())})


def problems() -> Iterator[tuple[str, float, ControlProblem]]:
    """Name, exact value and problem."""
    for a, p, q in ((0.2, 0.2, 0.1), (1.0, 1.0, 0.5)):
        yield (
            f"free end, 20 dimensions, a = {a:g}, p = {p:g}, q = {q:g}",
            *linear_quadratic(a, p, q),
        )
    for q in (1.0, 4.0, 9.0):
        exact = PotentialBridge(M0, S0, M1, S1, q=q).cost()
        problem = ControlProblem(
            gaussian(M0, S0), gaussian(M1, S1), costs={"place": Potential(squared)}
        )
        yield f"bridge in the potential {q:g} x²/2", exact, problem.weighted(place=q)
    for q, entropy, pull in MEAN_FIELD:
        exact = MeanFieldBridge(-7.0, 0.2, 7.0, 0.2, q=q, entropy=entropy, attraction=pull).cost()
        problem = ControlProblem(
            gaussian(np.array([-7.0]), np.array([[0.2]])),
            gaussian(np.array([7.0]), np.array([[0.2]])),
            costs={
                "place": Potential(squared),
                "entropy": Entropy(),
                "pairs": Interaction(distance),
            },
            weights={"place": q, "entropy": entropy, "pairs": pull},
        )
        yield f"mean field q = {q}, entropy {entropy}, pull {pull}", exact, problem
    for spring in (0.0, 1.0, 4.0):
        yield f"momenta, spring {spring:g}", *with_momenta(spring)


def linear_quadratic(a, p, q, dim=20):
    eye, mean, cov = np.eye(dim), np.full(dim, 0.5), 0.04 * np.eye(dim)
    exact = LinearQuadratic(a * eye, p * eye, q * eye, eye, 1.0).value(mean, cov)
    problem = ControlProblem(
        gaussian(mean, cov),
        drift=lambda t, x: a * x,
        costs={"place": Potential(lambda t, x: p * jnp.sum(x**2))},
        terminal=lambda x: q * jnp.sum(x**2),
    )
    return exact, problem


def with_momenta(spring):
    eye, step = np.eye(2), np.array([3.0, 1.0, 0.0, 0.0])
    spread = np.diag([0.4, 0.2, 0.1, 0.3])
    rate = np.block([[0.0 * eye, eye], [-spring * eye, 0.0 * eye]])
    noise = np.concatenate([0.0 * eye, 1.5 * eye])
    exact = LinearBridge(-step, spread, step, spread, rate, noise, 2.0).effort()
    problem = ControlProblem(
        gaussian(-step, spread),
        gaussian(step, spread),
        sigma=1.5,
        horizon=2.0,
        drift=lambda t, x: -spring * x[:2],
        momenta=True,
    )
    return exact, problem


if __name__ == "__main__":
    main()
