"""What a fitted model says of cells: where they go and came from, and where it is written down."""

from liouville.cells._couplings import coupling as coupling
from liouville.cells._fates import ancestors as ancestors
from liouville.cells._fates import fates as fates
from liouville.cells._fates import pull as pull
from liouville.cells._fates import push as push
from liouville.cells._groups import Groups as Groups
from liouville.cells._transitions import Transitions as Transitions
from liouville.cells._transitions import transitions as transitions
