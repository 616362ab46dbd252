"""What a check found, and what it tolerates."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array

TOLERANCES: dict[str, dict[str, float]] = {
    # Relative to the sum of the magnitudes of the terms, so rounding alone, with a factor for
    # second derivatives far out in the tails where terms of 10^4 cancel to order one.
    "continuity": {"float64": 1e-11, "float32": 1e-3},
    "fokker-planck": {"float64": 1e-11, "float32": 1e-3},
    # The trapezoidal rule on a smooth density that vanishes at the ends of the box converges
    # faster than any power of the step; what is left is the mass outside the box.
    "mass": {"float64": 1e-8, "float32": 1e-4},
    "growth": {"float64": 1e-8, "float32": 1e-4},
    # In standard errors: the largest of some tens of normal variables is below 5 in all but one
    # of 10^5 draws.
    "sampler": {"float64": 5.0, "float32": 5.0},
    "particles": {"float64": 5.0, "float32": 5.0},
    # Error of the fourth order method with 200 steps, in nats. At a knot where the velocity jumps,
    # one stage of one step sees the other side, which costs a sixth of the jump times the step. A
    # wrong velocity costs tenths of a nat.
    "transport": {"float64": 1e-3, "float32": 5e-2},
    # A learned number whose gradient is exactly zero takes no part in the objective.
    "gradients": {"float64": 0.0, "float32": 0.0},
}


@dataclass(frozen=True)
class Report:
    """The outcome of one check.

    Attributes:
        law: the name of the law.
        value: what was measured.
        tolerance: the largest value that passes.
        detail: what the value is, in words.
    """

    law: str
    value: float
    tolerance: float
    detail: str

    @property
    def passed(self) -> bool:
        """Whether the value is a number not above the tolerance."""
        return bool(self.value <= self.tolerance)

    def __str__(self) -> str:
        mark = "ok  " if self.passed else "FAIL"
        return f"{mark} {self.law:<14} {self.value:9.2e} <= {self.tolerance:.0e}  {self.detail}"


def report_of(law: str, value: float, detail: str, like: Array) -> Report:
    """The outcome of a check, with the tolerance of its precision."""
    return Report(law, value, TOLERANCES[law][str(np.dtype(like.dtype))], detail)
