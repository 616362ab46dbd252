"""The samples of a fit, divided."""

from typing import NamedTuple

from liouville.data import Quantisation, Samples
from liouville.tasks.density.config import DensityConfig


class Parts(NamedTuple):
    """The samples of a fit, dequantised: for training, for stopping and for the report."""

    training: Samples
    validation: Samples | None
    test: Samples | None


def divide(samples: Samples, config: DensityConfig) -> Parts:
    """Dequantises the samples and divides them, class by class, as the configuration says."""
    options = config.data
    seed = config.training.seed
    samples = samples.dequantise(options.dequantise, seed=seed)
    training, *kept = samples.split(options.validation, options.test, seed)
    validation, test = (part if len(part) else None for part in kept)
    return Parts(training, validation, test)


def quantisation_of(samples: Samples) -> Quantisation:
    """The lattices of dequantised samples."""
    assert samples.quantisation is not None  # `divide` dequantises
    return samples.quantisation
