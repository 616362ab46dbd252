"""What a fitted model says of cells: where they go and came from, and where it is written down."""

from liouville.cells._annotate import annotate as annotate
from liouville.cells._couplings import coupling as coupling
from liouville.cells._embedding import projected as projected
from liouville.cells._fates import ancestors as ancestors
from liouville.cells._fates import fates as fates
from liouville.cells._fates import pull as pull
from liouville.cells._fates import push as push
from liouville.cells._files import annotate_file as annotate_file
from liouville.cells._genes import Trends as Trends
from liouville.cells._genes import drivers as drivers
from liouville.cells._genes import gene_trends as gene_trends
from liouville.cells._genes import trends as trends
from liouville.cells._groups import Groups as Groups
from liouville.cells._loadings import Loadings as Loadings
from liouville.cells._loadings import loadings_of as loadings_of
from liouville.cells._transitions import Transitions as Transitions
from liouville.cells._transitions import transitions as transitions
