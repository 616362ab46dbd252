import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# The bound of logarithms of slopes. A factor of 20 a layer is more than a layer needs, layers
# multiply, and the round trip through one layer loses at most a digit and a half. Without a bound
# a network far out in the tails, where its outputs grow with the point, gives exp(1000).
LOG_SLOPE_BOUND = 3.0
# The shortest side of a bin, as a share of the mean side.
LEAST_SIDE = 0.05

Values = Float[Array, " n"]


class AbstractScalars(eqx.Module):
    """Increasing functions of one variable, one for each of `n` coordinates."""

    @abc.abstractmethod
    def forward(self, x: Values) -> tuple[Values, Values]:
        """The images of shape `(n,)` and the logarithms of the slopes."""

    @abc.abstractmethod
    def inverse(self, y: Values) -> tuple[Values, Values]:
        """The points of shape `(n,)` and the logarithms of the slopes, those of `forward`."""


class AbstractScalarMap(eqx.Module):
    """A kind of increasing function on the line; zero parameters mean the identity, exactly."""

    @property
    @abc.abstractmethod
    def parameters(self) -> int:
        """How many unconstrained numbers make a function."""

    @abc.abstractmethod
    def of(self, raw: Float[Array, "parameters n"]) -> AbstractScalars:
        """The functions of unconstrained numbers, shape `(parameters, n)`."""


class Affine(AbstractScalarMap):
    r"""$y = e^{\lambda} x + b$ with $\lambda = c \tanh(p / c)$, bounded softly by $c$.

    Attributes:
        bound: the bound $c$ of the log-scale.
    """

    bound: float = eqx.field(static=True, default=LOG_SLOPE_BOUND)

    @property
    def parameters(self) -> int:
        """Two: log-scale and shift."""
        return 2

    def of(self, raw: Float[Array, "parameters n"]) -> "AffineScalars":
        """The functions of unconstrained log-scales `raw[0]` and shifts `raw[1]`."""
        return AffineScalars(_bound(raw[0], self.bound), raw[1])


class AffineScalars(AbstractScalars):
    """Affine functions."""

    log_scale: Values
    shift: Values

    def forward(self, x: Values) -> tuple[Values, Values]:
        r"""$e^{\lambda} x + b$."""
        return jnp.exp(self.log_scale) * x + self.shift, self.log_scale

    def inverse(self, y: Values) -> tuple[Values, Values]:
        r"""$e^{-\lambda} (y - b)$."""
        return jnp.exp(-self.log_scale) * (y - self.shift), self.log_scale


class Spline(AbstractScalarMap):
    r"""A rational-quadratic spline on $[-B, B]$, the identity outside.

    Between knots $(x_k, y_k)$ with slopes $d_k$, and with $\xi = (x - x_k)/w_k$, $s_k = h_k/w_k$,

    $$y = y_k + h_k \frac{s_k \xi^2 + d_k \xi(1-\xi)}{s_k + (d_k + d_{k+1} - 2 s_k)\xi(1-\xi)}.$$

    Widths $w$ and heights $h$ are softmaxes with a floor; the logarithms of the inner slopes are
    bounded softly, and the slopes at the ends of the box are one. Value and slope are continuous.

    Attributes:
        bins: the number of bins, two or more.
        box: $B$, half the width of the box.

    Source: Gregory and Delbourgo (1982); Durkan, Bekasov, Murray and Papamakarios, *Neural Spline
    Flows* (NeurIPS 2019). The root of the inverse is taken in the form that does not cancel.

    Raises:
        ValueError: on fewer than two bins, or a box without width.
    """

    bins: int = eqx.field(static=True, default=8)
    box: float = eqx.field(static=True, default=4.0)

    def __check_init__(self):
        if not 2 <= self.bins <= 100 or not self.box > 0:
            raise ValueError(
                f"a spline needs 2 to 100 bins and a box above zero, got {self.bins} bins and box "
                f"{self.box}; 8 bins on a box of 4 standard deviations are a good start"
            )

    @property
    def parameters(self) -> int:
        """Widths, heights, and the slopes at the inner knots."""
        return 3 * self.bins - 1

    def of(self, raw: Float[Array, "parameters n"]) -> "SplineScalars":
        """The splines of unconstrained widths, heights and slopes, one after the other."""
        sides = raw[: 2 * self.bins].reshape(2, self.bins, raw.shape[1])
        # No side is shorter than a twentieth of the mean side: slopes of the chords stay moderate
        # and the ends of a bin stay apart in single precision.
        share = LEAST_SIDE / self.bins + (1.0 - LEAST_SIDE) * jax.nn.softmax(sides, axis=1)
        sides = 2.0 * self.box * share
        # Sums of the sides before, as a product: a running sum of eight numbers is slow.
        before = jnp.tril(jnp.ones((self.bins, self.bins), raw.dtype), -1)
        edges = jnp.einsum("jk,akn->ajn", before, sides, precision="highest") - self.box
        log_slopes = jnp.pad(_bound(raw[2 * self.bins :], LOG_SLOPE_BOUND), ((1, 1), (0, 0)))
        slopes = jnp.exp(log_slopes)
        ends = jnp.stack([slopes[:-1], slopes[1:]])
        return SplineScalars(jnp.concatenate([edges, sides, ends]), self.box)


class SplineScalars(AbstractScalars):
    """Rational-quadratic splines."""

    # Of every bin the left and lower end, width and height, and both end slopes.
    table: Float[Array, "6 bins n"]
    box: float = eqx.field(static=True)

    def forward(self, x: Values) -> tuple[Values, Values]:
        """The images; outside the box the points themselves."""
        inside = jnp.clip(x, -self.box, self.box)
        bin_ = self._bin(inside, self.table[0])
        share = jnp.clip((inside - bin_.left) / bin_.width, 0.0, 1.0)
        is_inside = jnp.abs(x) < self.box
        y = bin_.bottom + bin_.height * bin_.rise(share)
        return jnp.where(is_inside, y, x), jnp.where(is_inside, bin_.log_slope(share), 0.0)

    def inverse(self, y: Values) -> tuple[Values, Values]:
        """The points, by the root of a quadratic equation."""
        inside = jnp.clip(y, -self.box, self.box)
        bin_ = self._bin(inside, self.table[1])
        share = bin_.share(jnp.clip((inside - bin_.bottom) / bin_.height, 0.0, 1.0))
        is_inside = jnp.abs(y) < self.box
        x = bin_.left + bin_.width * share
        return jnp.where(is_inside, x, y), jnp.where(is_inside, bin_.log_slope(share), 0.0)

    def _bin(self, point: Values, edges: Float[Array, "bins n"]) -> "_Bin":
        """The bin of every point, given the left ends of the bins along the points' own axis.

        Selected by a sum over a mask: a gather would be a scatter on the way back, which is slow.
        """
        is_above = point >= edges[1:]
        always = jnp.ones_like(is_above[:1])
        is_here = jnp.concatenate([always, is_above]) & jnp.concatenate([~is_above, always])
        return _Bin(*jnp.where(is_here, self.table, 0.0).sum(axis=1))


class _Bin(eqx.Module):
    """One bin of every spline, each field of shape `(n,)`."""

    left: Values
    bottom: Values
    width: Values
    height: Values
    first_slope: Values
    last_slope: Values

    def rise(self, share: Values) -> Values:
        """The share of the height at a share of the width, both from zero to one."""
        chord, mixed = self.height / self.width, share * (1.0 - share)
        return (chord * share**2 + self.first_slope * mixed) / self._denominator(mixed)

    def log_slope(self, share: Values) -> Values:
        """The logarithm of the slope at a share of the width."""
        chord, rest = self.height / self.width, 1.0 - share
        numerator = (
            self.last_slope * share**2 + 2.0 * chord * share * rest + self.first_slope * rest**2
        )
        denominator = self._denominator(share * rest)
        return jnp.log(numerator) + 2.0 * jnp.log(chord / denominator)

    def share(self, rise: Values) -> Values:
        r"""The inverse of `rise`: the root of $a\xi^2 + b\xi = s\eta$ between zero and one.

        Where $b < 0$ is $a > s > 0$, so each form of the root is used where nothing cancels.
        """
        chord = self.height / self.width
        bend = rise * (self.first_slope + self.last_slope - 2.0 * chord)
        a, b, c = chord - self.first_slope + bend, self.first_slope - bend, chord * rise
        is_falling = b < 0.0
        root = jnp.sqrt(jnp.maximum(b * b + 4.0 * a * c, jnp.finfo(b.dtype).tiny))
        # Each branch has a denominator above zero, also where it is not taken.
        direct = (root - b) / (2.0 * jnp.where(is_falling, a, 1.0))
        return jnp.where(is_falling, direct, 2.0 * c / (root + jnp.abs(b)))

    def _denominator(self, mixed: Values) -> Values:
        # With the chord's terms together there is no difference of large numbers: mixed <= 1/4.
        chord = self.height / self.width
        return chord * (1.0 - 2.0 * mixed) + (self.first_slope + self.last_slope) * mixed


def _bound(p: Float[Array, "..."], bound: float) -> Float[Array, "..."]:
    return bound * jnp.tanh(p / bound)
