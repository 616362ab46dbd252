r"""What a path is trained for: sums of weighted terms.

A term is a module called as `term(path, key=key)`; it returns one number, an unbiased estimate
with an unbiased gradient. Its data are arrays inside it, so terms are compiled once and can be
saved, batched and replaced. Terms are summed with weights:

    objective = NegativeLogLikelihood(snapshots) + 0.1 * KineticEnergy((0.0, 1.0))
"""

from liouville.objectives._base import AbstractTerm as AbstractTerm
from liouville.objectives._base import Objective as Objective
from liouville.objectives._base import stratified_times as stratified_times
from liouville.objectives._clouds import Clouds as Clouds
from liouville.objectives._events import AbstractEventTerm as AbstractEventTerm
from liouville.objectives._events import InheritancePrior as InheritancePrior
from liouville.objectives._events import MarkLikelihood as MarkLikelihood
from liouville.objectives._events import PlaceLikelihood as PlaceLikelihood
from liouville.objectives._events import TimeLikelihood as TimeLikelihood
from liouville.objectives._events import WithBackground as WithBackground
from liouville.objectives._events import compensate as compensate
from liouville.objectives._likelihood import ContextLikelihood as ContextLikelihood
from liouville.objectives._likelihood import GrowthDeviation as GrowthDeviation
from liouville.objectives._likelihood import MassLikelihood as MassLikelihood
from liouville.objectives._likelihood import NegativeLogLikelihood as NegativeLogLikelihood
from liouville.objectives._likelihood import drawn_rows as drawn_rows
from liouville.objectives._likelihood import negative_log_likelihoods as negative_log_likelihoods
from liouville.objectives._members import PerContext as PerContext
from liouville.objectives._members import PerMember as PerMember
from liouville.objectives._running import AbstractRunningCost as AbstractRunningCost
from liouville.objectives._running import Crowd as Crowd
from liouville.objectives._running import Drift as Drift
from liouville.objectives._running import Effort as Effort
from liouville.objectives._running import Entropy as Entropy
from liouville.objectives._running import Functional as Functional
from liouville.objectives._running import Interaction as Interaction
from liouville.objectives._running import MeanField as MeanField
from liouville.objectives._running import Noise as Noise
from liouville.objectives._running import Potential as Potential
from liouville.objectives._running import Running as Running
from liouville.objectives._running import Terminal as Terminal
from liouville.objectives._running import control_at as control_at
from liouville.objectives._running import drift_among as drift_among
from liouville.objectives._running import drift_within as drift_within
from liouville.objectives._running import noise_matrix as noise_matrix
from liouville.objectives._running import noise_shape as noise_shape
from liouville.objectives._transport import Cost as Cost
from liouville.objectives._transport import Field as Field
from liouville.objectives._transport import JacobianAsymmetry as JacobianAsymmetry
from liouville.objectives._transport import KineticEnergy as KineticEnergy
from liouville.objectives._transport import OverPieces as OverPieces
from liouville.objectives._transport import StateCost as StateCost
