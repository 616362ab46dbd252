"""Data on the user's side: reading snapshots and points, units, and writing tables.

Arrays here are NumPy, float64, in the user's units. `Standardisation` is the only way from them to
the model's units and back. Nothing in this package imports JAX.
"""

from liouville.data._cells import read_cells as read_cells
from liouville.data._quantisation import DequantisationMode as DequantisationMode
from liouville.data._quantisation import Quantisation as Quantisation
from liouville.data._sample_files import read_samples as read_samples
from liouville.data._samples import Samples as Samples
from liouville.data._samples import split_rows as split_rows
from liouville.data._snapshots import Snapshots as Snapshots
from liouville.data._tables import read_points as read_points
from liouville.data._tables import write_table as write_table
from liouville.data._units import Standardisation as Standardisation
from liouville.data._units import StandardisationMode as StandardisationMode
