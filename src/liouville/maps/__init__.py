r"""Maps: invertible functions $T(t, x)$ that move in time, for `liouville.paths.Pushforward`.

`map.at(t)` returns the transform at one time; everything that depends on time alone (the time
part of a network, the inverse of a matrix, the knots of a spline without a network) is computed
there, once. A transform answers for one point, both ways, with the log-determinant of the
forward direction.

| map | $y$ | log-determinant |
|---|---|---|
| `Elementwise` | $f_i(t, x_i)$ | sum of log-slopes |
| `Coupling` | $x_a$ and $f(x_b; \phi(t, x_a))$ | sum of log-slopes |
| `Linear` | $L(t) U(t) x + b(t)$ | $\sum_i \log U_{ii}$ |
| `Permutation` | $x_{\sigma(i)}$ | zero |
| `Exp`, `Softplus`, `Logit` | $l_i + f(x_i)$, within bounds | sum of log-slopes |
| `Sinh` | $w_i \sinh(x_i / w_i)$ | sum of log-slopes |
| `Chain` | $T_n \circ \dots \circ T_1$ | sum |

Functions $f$ of one coordinate are `Affine` or a `Spline`; `Exp`, `Softplus` and `Logit` take the
line onto a half line or an interval, `Sinh` gives it the tails of a power law; they have no
parameters. Zero parameters are the identity for every other
map but a permutation; parameters that are gated by a factor that is zero at the start make
the map start there exactly. `coupling_flow` builds a chain with good defaults.
"""

from liouville.maps._base import AbstractMap as AbstractMap
from liouville.maps._base import AbstractTransform as AbstractTransform
from liouville.maps._base import Push as Push
from liouville.maps._base import push as push
from liouville.maps._base import transform_and_rate as transform_and_rate
from liouville.maps._bounded import AbstractBounded as AbstractBounded
from liouville.maps._bounded import Exp as Exp
from liouville.maps._bounded import Logit as Logit
from liouville.maps._bounded import Softplus as Softplus
from liouville.maps._chain import Chain as Chain
from liouville.maps._chain import ChainTransform as ChainTransform
from liouville.maps._chain import Permutation as Permutation
from liouville.maps._coupling import Coupling as Coupling
from liouville.maps._elementwise import Elementwise as Elementwise
from liouville.maps._elementwise import ElementwiseTransform as ElementwiseTransform
from liouville.maps._flows import coupling_flow as coupling_flow
from liouville.maps._linear import Linear as Linear
from liouville.maps._scalars import LEAST_SIDE as LEAST_SIDE
from liouville.maps._scalars import LOG_SLOPE_BOUND as LOG_SLOPE_BOUND
from liouville.maps._scalars import AbstractScalarMap as AbstractScalarMap
from liouville.maps._scalars import AbstractScalars as AbstractScalars
from liouville.maps._scalars import Affine as Affine
from liouville.maps._scalars import Spline as Spline
from liouville.maps._sinh import Sinh as Sinh
