r"""The law of the end given the start: plans of Schrödinger bridges in closed form."""

from typing import Any

import numpy as np

from liouville.data import read_samples
from liouville.diffusions import entropic_plan
from liouville.errors import LiouvilleError
from liouville.numerics.arguments import check_counts, check_positive
from liouville.numerics.mixtures import GaussianMixture, check_mixture
from liouville.numerics.plans import Plan

Array = np.ndarray

# Draws that stand for an end that is given exactly, and the fewest samples of an end.
_DRAWS, _FEWEST = 2**16, 10


def fit_plan(
    source: Any,
    target: Any,
    *,
    sigma: float,
    duration: float = 1.0,
    parts: int | None = None,
    seed: int = 0,
) -> Plan:
    r"""The plan of the Schrödinger bridge between two distributions, by maximum likelihood.

    Samples are taken as they are, without a mixture between. The law of the end given the start is
    `plan.given(x)`: weights, means and covariances, exact for the start and for the potential that
    is found. The end that the plan leads to is the target up to what samples tell: the relative
    entropy to it is no more than what the likelihood falls short of its best.

    Args:
        source: samples, shape `(n, dim)`, or whatever they are read from, or a `GaussianMixture`.
        target: likewise; no sample of it belongs to one of the source.
        sigma: the noise of $dX = b\,dt + \sigma\,dW$, in your length per root of your time.
        duration: the time from one to the other.
        parts: the number of parts of the potential; by default chosen on rows kept aside.
        seed: of starts and draws.

    Raises:
        LiouvilleError: if an end or a number cannot be used.
    """
    check_positive("the plan", sigma=sigma, duration=duration)
    if parts is not None:
        check_counts(parts=parts)
    rows = [_rows(name, end, seed + i) for i, (name, end) in enumerate(_named(source, target))]
    dims = [z.shape[1] for z in rows]
    if dims[0] != dims[1]:
        raise LiouvilleError(
            f"the source has {dims[0]} coordinates but the target {dims[1]}; give the same ones"
        )
    if parts is not None and parts > min(map(len, rows)):
        raise LiouvilleError(
            f"{parts} parts for {min(map(len, rows))} samples; give fewer parts or more samples"
        )
    return entropic_plan(*rows, sigma**2 * duration, parts=parts, seed=seed)


def _named(source: Any, target: Any) -> list[tuple[str, Any]]:
    return [("the source", source), ("the target", target)]


def _rows(name: str, end: Any, seed: int) -> Array:
    """Samples of an end, or evenly spread points of one that is given exactly."""
    if isinstance(end, GaussianMixture):
        return check_mixture(name, end).spread(_DRAWS, seed=seed)
    return read_samples(end).check(min_rows=_FEWEST).points
