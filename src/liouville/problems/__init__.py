"""Problems with answers on paper: the oracles of everything that is trained."""

from liouville.problems.cells import BranchingCells as BranchingCells
from liouville.problems.control import DoubleWell as DoubleWell
from liouville.problems.control import LinearQuadratic as LinearQuadratic
from liouville.problems.control import MeanFieldBridge as MeanFieldBridge
from liouville.problems.control import OrnsteinUhlenbeck as OrnsteinUhlenbeck
from liouville.problems.control import PotentialBridge as PotentialBridge
from liouville.problems.gaussian import GaussianBridge as GaussianBridge
from liouville.problems.gaussian import bridge_cross as bridge_cross
from liouville.problems.gaussian import bures as bures
from liouville.problems.linear import LinearBridge as LinearBridge
from liouville.problems.opinion import directional_similarity as directional_similarity
from liouville.problems.plans import conditional_distance as conditional_distance
from liouville.problems.plans import known_plan as known_plan
