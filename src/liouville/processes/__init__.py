r"""Point processes: events in time and space, each of which may make others more likely.

$$\lambda(t, x, m \mid H) = \lambda(t \mid H)\; \rho_t(x \mid H)\; f(m \mid t, x, H).$$

The history $H$ is the events before $t$. Three factors, each normalised by itself: an *intensity*
in time whose integral is known in closed form, *places* that follow a path of densities, and
*marks*. The log-likelihood is a sum of theirs, the compensator needs no quadrature, and the next
event is drawn exactly. Each factor answers in two stages: `after(history)` does the work that
depends on the past alone, and what it returns is asked at many times.
"""

from liouville.processes._base import AbstractHazard as AbstractHazard
from liouville.processes._base import AbstractIntensity as AbstractIntensity
from liouville.processes._base import AbstractMagnitudes as AbstractMagnitudes
from liouville.processes._base import AbstractMarks as AbstractMarks
from liouville.processes._base import AbstractPlaces as AbstractPlaces
from liouville.processes._base import integrals as integrals
from liouville.processes._clusters import Clusters as Clusters
from liouville.processes._clusters import exploded as exploded
from liouville.processes._clusters import first_generation as first_generation
from liouville.processes._clusters import simulate_clusters as simulate_clusters
from liouville.processes._encoded import Encoder as Encoder
from liouville.processes._encoded import Recalled as Recalled
from liouville.processes._excerpts import Excerpts as Excerpts
from liouville.processes._following import Followed as Followed
from liouville.processes._following import When as When
from liouville.processes._following import follow as follow
from liouville.processes._following import shares_parts as shares_parts
from liouville.processes._following import weights_of_parts as weights_of_parts
from liouville.processes._hawkes import AbstractProductivity as AbstractProductivity
from liouville.processes._hawkes import ByKind as ByKind
from liouville.processes._hawkes import ByMagnitude as ByMagnitude
from liouville.processes._hawkes import Hawkes as Hawkes
from liouville.processes._hawkes import Poisson as Poisson
from liouville.processes._hawkes import Unmarked as Unmarked
from liouville.processes._history import History as History
from liouville.processes._history_free import HistoryFree as HistoryFree
from liouville.processes._inherited import InheritedKinds as InheritedKinds
from liouville.processes._kernels import AbstractKernel as AbstractKernel
from liouville.processes._kernels import Exponentials as Exponentials
from liouville.processes._kernels import FinitePowerLaw as FinitePowerLaw
from liouville.processes._kernels import KernelMixture as KernelMixture
from liouville.processes._kernels import PowerLaws as PowerLaws
from liouville.processes._marks import DetectedMagnitudes as DetectedMagnitudes
from liouville.processes._marks import GutenbergRichter as GutenbergRichter
from liouville.processes._marks import Kinds as Kinds
from liouville.processes._marks import MixtureMarks as MixtureMarks
from liouville.processes._marks import Rounded as Rounded
from liouville.processes._neural import Growth as Growth
from liouville.processes._neural import Neural as Neural
from liouville.processes._next import next_time as next_time
from liouville.processes._next import rescale_times as rescale_times
from liouville.processes._next import simulate_times as simulate_times
from liouville.processes._nowhere import Nowhere as Nowhere
from liouville.processes._periodic import PeriodicSeries as PeriodicSeries
from liouville.processes._periodic import PeriodicSteps as PeriodicSteps
from liouville.processes._periodic import PiecewiseLinear as PiecewiseLinear
from liouville.processes._periodic import ProductOfSeries as ProductOfSeries
from liouville.processes._polygon import Polygon as Polygon
from liouville.processes._process import PointProcess as PointProcess
from liouville.processes._process import log_density as log_density
from liouville.processes._process import log_rates as log_rates
from liouville.processes._rates import AbstractRate as AbstractRate
from liouville.processes._rates import ConstantRate as ConstantRate
from liouville.processes._rates import Piecewise as Piecewise
from liouville.processes._rates import SumOfRates as SumOfRates
from liouville.processes._rates import WithCovariates as WithCovariates
from liouville.processes._reach import Reach as Reach
from liouville.processes._routed import Routed as Routed
from liouville.processes._seen import Seen as Seen
from liouville.processes._triggered import Triggered as Triggered
from liouville.processes._triggered import TriggeredPath as TriggeredPath
from liouville.processes._zones import AbstractZones as AbstractZones
from liouville.processes._zones import FreeZones as FreeZones
from liouville.processes._zones import PowerZones as PowerZones
from liouville.processes._zones import log_power_law as log_power_law
