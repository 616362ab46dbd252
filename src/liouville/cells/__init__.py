"""From snapshots of cells at a few days to a model of how the population moves.

`fit_cells` is the whole application: it standardises the cells, starts from optimal-transport
chains through the snapshots, and trains a mixture path by likelihood plus kinetic energy.
"""

from liouville.cells._config import CellsConfig as CellsConfig
from liouville.cells._demo import Truth as Truth
from liouville.cells._demo import demo_cells as demo_cells
from liouville.cells._evaluate import leave_out as leave_out
from liouville.cells._fit import CellsFit as CellsFit
from liouville.cells._fit import fit_cells as fit_cells
from liouville.cells._initial import initial_path as initial_path
