"""Problems with answers on paper: the oracles of everything that is trained."""

from liouville.problems.gaussian import GaussianBridge as GaussianBridge
from liouville.problems.gaussian import bridge_cross as bridge_cross
from liouville.problems.gaussian import bures as bures
