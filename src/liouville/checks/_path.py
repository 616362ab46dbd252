"""All laws on one path."""

import itertools
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from liouville.checks._draws import particles, sampler
from liouville.checks._equations import continuity, fokker_planck
from liouville.checks._mass import mass_and_growth
from liouville.checks._report import Report
from liouville.checks._transport import transport
from liouville.paths import AbstractPath


def check_path(
    path: AbstractPath, times: Sequence[float], *, n: int = 512, seed: int = 0
) -> list[Report]:
    """Measures every law on a path, at its own samples and far out in its tails.

    Args:
        path: the path, in double precision if the tolerances are to mean much.
        times: two times or more, increasing. Name the knots if the velocity jumps at them: then
            transport is measured between neighbours, where its steps are accurate.
        n: the number of points at which the equations are tested.
        seed: of the points.
    """
    keys = jr.split(jr.key(seed), 6)
    start, end = times[0], times[-1]
    clock = start + (end - start) * jr.uniform(keys[0], (n,))
    near = eqx.filter_jit(jax.vmap(lambda t, k: path.at(t).sample(key=k)))
    points = near(clock, jr.split(keys[1], n))
    # Every other point is thrown 20 standard deviations out, where a wrong flux shows.
    away = points.std(0) * jr.normal(keys[2], points.shape)
    points = points + jnp.where(jnp.arange(n)[:, None] % 2 == 0, 0.0, 20.0) * away
    middle = jnp.asarray(0.5 * (start + end), points.dtype)
    reports = [
        continuity(path, clock, points),
        fokker_planck(path, clock, points, g=1.0),
        sampler(path, middle, key=keys[3]),
        particles(path, middle, key=keys[4]),
        max(
            (transport(path, piece, key=keys[5]) for piece in itertools.pairwise(times)),
            key=lambda report: report.value,
        ),
    ]
    if path.dim <= 2:
        reports += mass_and_growth(path, middle)
    return reports
