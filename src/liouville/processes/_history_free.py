from liouville.numerics.types import Scalar
from liouville.paths import AbstractMarginal, AbstractPath
from liouville.processes._base import AbstractPlaces
from liouville.processes._history import History


class HistoryFree(AbstractPlaces):
    r"""Places that follow a path on the clock of the sequence, $\rho_t(x)$, whatever happened.

    Attributes:
        path: the path; one that stands still makes a static density.
    """

    path: AbstractPath

    def after(self, history: History) -> AbstractPath:
        """The path on the local clock of a history."""
        return OnLocalClock(self.path, history)


class OnLocalClock(AbstractPath):
    """A path on the clock of a sequence, seen from the local clock of a history."""

    path: AbstractPath
    history: History

    @property
    def dim(self) -> int:
        """The number of coordinates of a place."""
        return self.path.dim

    def at(self, t: Scalar) -> AbstractMarginal:
        """The marginal at the local time `t`."""
        return self.path.at(self.history.clock(t))
