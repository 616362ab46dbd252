"""Paths of least energy between distributions: optimal transport and Schrödinger bridges."""

from liouville.transport._answers import couple as couple
from liouville.transport._answers import transport_map as transport_map
from liouville.transport._config import TransportConfig as TransportConfig
from liouville.transport._ends import End as End
from liouville.transport._fit import TransportFit as TransportFit
from liouville.transport._fit import fit_transport as fit_transport
