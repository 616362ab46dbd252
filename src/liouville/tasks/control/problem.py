"""A control problem: what is given, and what is paid for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

import jax.numpy as jnp
import numpy as np

from liouville.numerics.mixtures import GaussianMixture
from liouville.objectives import AbstractRunningCost, Drift, Effort, MeanField, Noise
from liouville.tasks.transport.ends import End


@dataclass(frozen=True, eq=False)
class ControlProblem:
    r"""A population to be steered at least cost.

    $$\min \int_0^T \Big( \tfrac12 E|c_t|^2 + \sum_j \lambda_j C_j(\rho_t) \Big) dt
      + E\,\varphi(X_T), \qquad dX = (f + \sigma c)\,dt + \sigma\,dW.$$

    With `momenta` the points are $X = (q, p)$, and noise, force and control act on the momenta:
    $dq = p\,dt$, $dp = (f(t, q, p) + \sigma c)\,dt + \sigma\,dW$.

    Attributes:
        source: the distribution at time 0, met exactly: a mixture, or samples, to which a fit
            puts one (whatever `liouville.read_samples` reads, `Samples`, or points with weights).
        target: the distribution at the horizon, met exactly; `None` leaves it free.
        sigma: the noise, in space per square root of time: a number, one for each coordinate, a
            matrix of shape `(dim, dim)`, or a function of time and place that gives one of these.
            With `momenta` it is theirs, a number, `dim / 2` of them or a matrix of so many rows.
        horizon: $T$.
        drift: $f(t, x)$, what moves the population without control, or a `MeanField` that depends
            on its law; `None` for nothing.
        costs: the running costs $C_j$ by name.
        weights: $\lambda$ by name; one for a cost that is not named.
        stiff: names of costs that start small in training and grow.
        terminal: $\varphi(x)$, or `None`.
        obstacle: $h(t, x)$, positive inside an obstacle: where nobody should be; or `None`.
        name: of the problem.
        momenta: whether the second half of the coordinates are the momenta of the first.
    """

    source: GaussianMixture | Any
    target: GaussianMixture | Any | None = None
    sigma: Any = 1.0
    horizon: float = 1.0
    drift: Drift | None = None
    costs: Mapping[str, AbstractRunningCost] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    stiff: tuple[str, ...] = ()
    terminal: Callable[[Any], Any] | None = None
    obstacle: Callable[[Any, Any], Any] | None = None
    name: str = "problem"
    momenta: bool = False

    @property
    def dim(self) -> int:
        """The number of coordinates of a point."""
        return self.source.dim

    @property
    def ends(self) -> list[GaussianMixture]:
        """The source, and the target if there is one."""
        return [self.source] if self.target is None else [self.source, self.target]

    @property
    def noise(self) -> Noise:
        """The noise as costs take it: a number, an array or a function."""
        sigma = self.sigma
        if callable(sigma):
            return cast(Noise, sigma)
        value = np.asarray(sigma, float)
        if self.momenta:
            own = value if value.ndim == 2 else value * np.eye(self.dim // 2)
            return cast(Noise, jnp.asarray(np.concatenate([np.zeros_like(own), own])))
        return cast(Noise, jnp.asarray(value) if value.ndim else float(value))

    @property
    def motion(self) -> Drift | None:
        """What moves the population without control, in all coordinates."""
        return _with_momenta(self.drift) if self.momenta else self.drift

    @property
    def running(self) -> dict[str, AbstractRunningCost]:
        """All running costs, the effort first."""
        return {"effort": Effort(self.noise, self.motion), **self.costs}

    def exact(self) -> "ControlProblem":
        """The same problem with all costs as they are: what figures are of."""
        return replace(self, costs={name: cost.exact() for name, cost in self.costs.items()})

    def weighted(self, **weights: float) -> "ControlProblem":
        """The same problem with other weights."""
        return replace(self, weights={**self.weights, **weights})


def _with_momenta(force: Drift | None) -> Drift:
    """Positions move as the momenta say, and momenta as the force does."""

    def moved(x, push):
        momenta = x[x.shape[0] // 2 :]
        return jnp.concatenate([momenta, jnp.zeros_like(momenta) if push is None else push])

    if isinstance(force, MeanField):
        return MeanField(lambda t, x, crowd: moved(x, force.drift(t, x, crowd)), force.crowd)
    return lambda t, x: moved(x, None if force is None else force(t, x))


class Loaded(NamedTuple):
    """A problem with a configuration's noise and weights, and what it is recognised by."""

    problem: ControlProblem
    source: bytes = b""
    ends: tuple[End, ...] = ()  # as they were given; those of samples have rows kept apart
