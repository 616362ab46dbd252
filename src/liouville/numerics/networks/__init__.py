"""Networks whose parameters are learned: plain, of space and time, masked, awaiting a context."""

from liouville.numerics.networks._masked import MaskedNetwork as MaskedNetwork
from liouville.numerics.networks._masked import MaskedSpaceNetwork as MaskedSpaceNetwork
from liouville.numerics.networks._plain import MLP as MLP
from liouville.numerics.networks._plain import Conditioned as Conditioned
from liouville.numerics.networks._plain import Shiftable as Shiftable
from liouville.numerics.networks._plain import SpaceNetwork as SpaceNetwork
from liouville.numerics.networks._plain import SpaceTimeNetwork as SpaceTimeNetwork
from liouville.numerics.networks._plain import time_features as time_features
