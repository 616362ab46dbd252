import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from liouville.numerics.types import Scalar, as_float


class History(eqx.Module):
    """Events of one sequence in order of time, as a process sees them: an array of fixed length.

    Methods are those of one history; `Excerpts` holds many with a leading axis. Times are counted
    from a local origin, so that the short times between events keep their digits in float32
    however long the catalogue is.

    Attributes:
        times: when, after `origin`, not decreasing, shape `(n,)`.
        places: where, shape `(n, dim)`.
        marks: how large or of what kind, shape `(n,)`; zeros if events carry no mark.
        log_odds: that it was triggered rather than background when and where it came, shape
            `(n,)`; zeros if nobody asks for them. See `AbstractPlaces.log_odds`.
        valid: which entries are events; the others are padding.
        origin: the local origin on the clock of the sequence, shape `()`.
    """

    times: Float[Array, "*excerpts n"]
    places: Float[Array, "*excerpts n dim"]
    marks: Float[Array, "*excerpts n"]
    log_odds: Float[Array, "*excerpts n"]
    valid: Bool[Array, "*excerpts n"]
    origin: Float[Array, "*excerpts"]

    @staticmethod
    def of(
        times: np.ndarray,
        places: np.ndarray,
        marks: np.ndarray | None = None,
        *,
        origin: float = 0.0,
    ) -> "History":
        """The history of given events, all valid; `times` are on the clock of the sequence."""
        times = np.asarray(times, np.float64) - origin
        marks = np.zeros(len(times)) if marks is None else marks
        odds = jnp.zeros(len(times))
        valid = jnp.ones(len(times), bool)
        own, where, what = map(as_float, (times, places, marks))
        return History(own, where, what, odds, valid, as_float(origin))

    def longer(self, n: int) -> "History":
        """The same events, with room for `n` more at the end."""
        own = (self.times, self.places, self.marks, self.log_odds, self.valid)
        times, places, marks, odds, valid = (
            jnp.concatenate([a, jnp.zeros((n, *a.shape[1:]), a.dtype)]) for a in own
        )
        return History(times, places, marks, odds, valid, self.origin)

    def entry(self, index: Int[Array, ""]) -> "History":
        """One of the entries alone."""
        own = (self.times, self.places, self.marks, self.log_odds, self.valid)
        times, places, marks, odds, valid = (a[index][None] for a in own)
        return History(times, places, marks, odds, valid, self.origin)

    def before(self, t: Scalar, *, inclusive: bool = False) -> Bool[Array, " n"]:
        """Which entries are events before `t`, or not after it."""
        return self.valid & ((self.times <= t) if inclusive else (self.times < t))

    def elapsed(self, t: Scalar) -> Float[Array, " n"]:
        """The times since the events, zero for those that are not yet."""
        return jnp.maximum(t - self.times, 0.0)

    def clock(self, t: Scalar) -> Scalar:
        """The local time `t` on the clock of the sequence."""
        return self.origin + t
