"""Densities of samples as the end of a path that starts from the standard normal law."""

from liouville.density._config import DensityConfig as DensityConfig
from liouville.density._fit import DensityFit as DensityFit
from liouville.density._fit import Parts as Parts
from liouville.density._fit import fit_density as fit_density
