import equinox as eqx

from liouville.processes._base import AbstractIntensity, AbstractMarks, AbstractPlaces


class PointProcess(eqx.Module):
    r"""Events in time and space.

    $$\lambda(t, x, m \mid H) = \lambda(t \mid H)\, \rho_t(x \mid H)\, f(m).$$

    The three factors are normalised each by itself, so the log-likelihood of a sequence is the sum
    of theirs, and no integral over space is ever needed.

    Attributes:
        intensity: when.
        places: where.
        marks: how large or of what kind; `None` for events without mark.
    """

    intensity: AbstractIntensity
    places: AbstractPlaces
    marks: AbstractMarks | None = None
