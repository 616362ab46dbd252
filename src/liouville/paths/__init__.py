r"""Paths: densities that move, with the velocity that moves them and the rate at which they grow.

**The law.** A path is a density $\rho_t(x)$ and a velocity $u_t(x)$ such that

$$\partial_t \rho + \nabla\cdot(\rho u) = 0 \quad\Longleftrightarrow\quad
  \partial_t \log\rho + u\cdot\nabla\log\rho + \nabla\cdot u = 0$$

holds exactly, for every value of the parameters. The primitive is the velocity $u$ and not the
flux $\rho u$: in single precision $\rho$ underflows below $\log\rho = -87$ while $\log\rho$ and
$u$ stay finite. Score, flux, energy and drift are functions of a marginal, in
`liouville.quantities` and `liouville.dynamics`.

**Growth.** Where mass is born and dies, a path has a total mass $M_t$ (`log_mass`) and a growth
rate $h_t(x)$ (`growth`) besides its density $\rho_t$, which stays normalised, and the law is

$$\partial_t(M\rho) + \nabla\cdot(M\rho u) = h M\rho \quad\Longleftrightarrow\quad
  \partial_t \log(M\rho) + u\cdot\nabla\log\rho + \nabla\cdot u = h.$$

Particles that follow $u$ and carry weights $\exp(\int h\,dt)$ have the law $M\rho$. Growth starts
in `LocationScale` with `Masses`; all other paths hand it on or have $M = 1$, $h = 0$.

**Two steps.** `path.at(t)` returns the marginal at one time: locations, inverse scales and their
rates are computed there, once. A marginal answers for one point; `jax.vmap` makes it answer for
many, and the work per point is then a matrix product.

**Closure.** Operations on paths are paths:

| path | log-density | velocity |
|---|---|---|
| `LocationScale`, $x = \mu_k + L_k z$ | logsumexp | mean of $\mu_k' + L_k' L_k^{-1}(x - \mu_k)$ |
| with `Masses` $m_k(t)$ | logsumexp | that of `LocationScale`, and $h = \sum_k \gamma_k m_k'/m_k$ |
| `Inertial`, positions and momenta | logsumexp | likewise, and $u_q = p$ |
| `Mixture`, constant weights | logsumexp | $\sum_k \gamma_k(x) u_k(x)$ |
| `Ensemble`, the same for stacked paths | logsumexp | $\sum_m \gamma_m(x) u_m(x)$ |
| `Contextual`, the same over contexts | logsumexp | $\sum_c \gamma_c(x) u_c(x)$ |
| `Product` | sum | concatenation |
| `TimeChange` by $\tau(t)$ | $\log\rho_{\tau(t)}$ | $\tau'(t)\, u_{\tau(t)}$ |
| `Factorised`, moving weights too | $\sum_i \log f_i$ | $u_i = -\partial_t F_i / f_i$ |
| `FactorisedMixture`, moving weights | logsumexp | the mixture's plus a transfer flux |
| `Autoregressive` | $\sum_i \log f_i(x_i \mid x_{<i})$ | $J u = -\partial_t F$, triangular |
| `Pushforward` by $T(t, x)$ | change of variables | $\partial_t T + (\partial_x T)\,u$ |
| `Gauged` by antisymmetric $B$ | unchanged | $u + \operatorname{div} B + B\nabla\log\rho$ |
| `Exchanged` by $w$ | unchanged | $u + w$, and $h + \nabla\cdot w + w\cdot\nabla\log\rho$ |

with the responsibilities $\gamma_k = \mathrm{softmax}_k(\log w_k + \log\rho_k)$: an average of
velocities cannot explode where the density is small. Growth rates are averaged likewise, add up in
products and follow the clock in changes of time. The weights must not move in time: mass would
then have to travel between parts, or grow (`Masses`), and the average rule alone is wrong (the
tests keep it as a negative control).

Source: Hua, Vanden-Eijnden and Chen, *Simulation-Free Differential Dynamics through Neural
Conservation Laws* (UAI 2025), who give the flux of factorised and autoregressive densities; the
rules above are ours or go back to the algebra of the continuity equation.
"""

from liouville.paths._autoregressive import Autoregressive as Autoregressive
from liouville.paths._base import AbstractMarginal as AbstractMarginal
from liouville.paths._base import AbstractPath as AbstractPath
from liouville.paths._conditional import ConditionalBridge as ConditionalBridge
from liouville.paths._conditional import ConditionalMixture as ConditionalMixture
from liouville.paths._conditional import Geodesic as Geodesic
from liouville.paths._contextual import Contextual as Contextual
from liouville.paths._contextual import Selected as Selected
from liouville.paths._contextual import Standardised as Standardised
from liouville.paths._ensemble import Ensemble as Ensemble
from liouville.paths._exchanged import Exchanged as Exchanged
from liouville.paths._factorised import Factorised as Factorised
from liouville.paths._families import AbstractFamily as AbstractFamily
from liouville.paths._families import AbstractShape as AbstractShape
from liouville.paths._families import Gaussian as Gaussian
from liouville.paths._families import Logistic as Logistic
from liouville.paths._frames import GrowingFrames as GrowingFrames
from liouville.paths._frames import JoinedFrames as JoinedFrames
from liouville.paths._functions import FromFunctions as FromFunctions
from liouville.paths._gauged import Gauged as Gauged
from liouville.paths._inertial import Inertial as Inertial
from liouville.paths._joined import Joined as Joined
from liouville.paths._leading import Leading as Leading
from liouville.paths._line import MixtureOnLine as MixtureOnLine
from liouville.paths._location_scale import LocationScale as LocationScale
from liouville.paths._location_scale import LocationScaleMarginal as LocationScaleMarginal
from liouville.paths._location_scale import Masses as Masses
from liouville.paths._mixture import Mixture as Mixture
from liouville.paths._normal import Normal as Normal
from liouville.paths._opened import Opened as Opened
from liouville.paths._opened import Rosenblatt as Rosenblatt
from liouville.paths._opened import can_open as can_open
from liouville.paths._product import Product as Product
from liouville.paths._pushforward import Pushforward as Pushforward
from liouville.paths._rescaled import Rescaled as Rescaled
from liouville.paths._rescaled import function_in_model as function_in_model
from liouville.paths._rescaled import path_in_user as path_in_user
from liouville.paths._scales import AbstractFrames as AbstractFrames
from liouville.paths._scales import AbstractScale as AbstractScale
from liouville.paths._scales import Diagonal as Diagonal
from liouville.paths._scales import Full as Full
from liouville.paths._student import Student as Student
from liouville.paths._time import Reversed as Reversed
from liouville.paths._time import TimeChange as TimeChange
from liouville.paths._transfer import FactorisedMixture as FactorisedMixture
from liouville.paths._turning import Turning as Turning
