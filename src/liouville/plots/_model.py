"""What the figures need to know of a model and of its data: two small protocols."""

from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class DrawableModel(Protocol):
    """A moving density with its velocity, seen through NumPy and in the user's units."""

    @property
    def dim(self) -> int:
        """Number of coordinates of a point."""
        ...

    @property
    def times(self) -> np.ndarray:
        """Snapshot times the model was fitted to, shape ``(k,)``."""
        ...

    @property
    def interval(self) -> tuple[float, float]:
        """First and last time at which the model is defined."""
        ...

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the coordinates, ``dim`` of them."""
        ...

    @property
    def time_name(self) -> str:
        """What time is called, for instance ``"day"``."""
        ...

    @property
    def time_unit(self) -> str:
        """Unit of time, or an empty string."""
        ...

    @property
    def sigma(self) -> float | np.ndarray:
        """Noise of the stochastic trajectories: a number, or one for each coordinate."""
        ...

    def log_density(self, t: float | np.ndarray, x: np.ndarray) -> np.ndarray:
        """Log-density at points of shape ``(..., dim)``, shape ``(...)``."""
        ...

    def velocity(self, t: float | np.ndarray, x: np.ndarray) -> np.ndarray:
        """Velocity at points of shape ``(..., dim)``, same shape."""
        ...

    def sample(self, t: float, n: int, *, seed: int = 0) -> np.ndarray:
        """``n`` independent points at time ``t``, shape ``(n, dim)``."""
        ...

    def trajectories(
        self, x0: np.ndarray, times: np.ndarray, *, seed: int = 0, stochastic: bool = False
    ) -> np.ndarray:
        """Paths from ``x0`` at ``times[0]``, shape ``(len(times), *batch, dim)``."""
        ...


@runtime_checkable
class DrawableSnapshots(Protocol):
    """Observed points, each with the time at which it was seen."""

    @property
    def points(self) -> np.ndarray:
        """Observed points, shape ``(n, dim)``."""
        ...

    @property
    def times(self) -> np.ndarray:
        """Time of each point, shape ``(n,)``."""
        ...

    @property
    def embedding(self) -> np.ndarray | None:
        """Two coordinates per point for drawing, shape ``(n, 2)``, if there are any."""
        ...

    @property
    def distinct_times(self) -> np.ndarray:
        """The snapshot times, sorted, shape ``(k,)``."""
        ...
