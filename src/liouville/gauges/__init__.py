r"""Gauges: velocities that move the points and leave the density as it is.

An antisymmetric matrix field $B(t, x)$ gives, for any density $\rho$,

$$v = \operatorname{div} B + B \nabla \log\rho, \qquad
  \operatorname{div}(\rho v) = \sum_{ij} \partial_i \partial_j (\rho B_{ij}) = 0,$$

with the divergence taken row by row. We write $B = \sum_r \phi_r(t, x) A_r$ with constant
antisymmetric $A_r$ and scalar fields $\phi_r$, so that no second derivative is needed:

$$v = \sum_r A_r (\nabla\phi_r + \phi_r \nabla\log\rho).$$

The construction extends Richter-Powell, Lipman and Chen, *Neural Conservation Laws* (2022), who
parameterise the flux $\rho v$; here nothing is ever divided by $\rho$. `FullGauge` has all
$d(d-1)/2$ generators (for $d = 2$, the stream function); `LowRankGauge` has a chosen number of
learned ones, $A_r = c_r q_r^\top - q_r c_r^\top$, for many dimensions. Both vanish before
training and, with `gated=True`, at the ends of their interval always. `Exchange` trades motion for
growth, where mass need not be conserved.
"""

from liouville.gauges._base import AbstractGauge as AbstractGauge
from liouville.gauges._base import AbstractGaugeField as AbstractGaugeField
from liouville.gauges._base import Potentials as Potentials
from liouville.gauges._exchange import Exchange as Exchange
from liouville.gauges._exchange import ExchangeField as ExchangeField
from liouville.gauges._full import FullGauge as FullGauge
from liouville.gauges._low_rank import LowRankGauge as LowRankGauge
