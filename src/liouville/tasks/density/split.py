"""The samples of a fit, divided."""

from typing import NamedTuple

from liouville.data import Quantisation, Samples
from liouville.errors import LiouvilleError
from liouville.tasks.density.config import DensityConfig


class Split(NamedTuple):
    """The samples of a fit, dequantised: for training, for stopping and for the report."""

    training: Samples
    validation: Samples | None
    test: Samples | None

    def without_validation(self) -> "Split":
        """The same with the samples of validation among those for training."""
        kept = self.validation
        return self if kept is None else Split(self.training.join(kept), None, self.test)


def divide(samples: Samples, config: DensityConfig) -> Split:
    """Dequantises the samples and divides them, class by class, as the configuration says.

    The end of a mixture is fitted before it moves, so that no samples stop its training: those of
    validation, which may have chosen it, are for training too.
    """
    options = config.data
    seed = config.training.seed
    samples = samples.dequantise(options.dequantise, seed=seed)
    training, *kept = samples.split(options.validation, options.test, seed)
    validation, test = (part if len(part) else None for part in kept)
    parts = Split(training, validation, test)
    return parts.without_validation() if config.path.model == "mixture" else parts


def quantisation_of(samples: Samples) -> Quantisation:
    """The lattices of dequantised samples."""
    assert samples.quantisation is not None  # `divide` dequantises
    return samples.quantisation


def image_shape(settings: DensityConfig, dim: int, is_discrete: bool) -> tuple[int, int] | None:
    """The height and width of samples that are images, or `None` if they are none.

    It is what the user says in `data.image`, such as `8x8`; by default a square of 5 by 5 or more
    is an image if all its coordinates are whole steps.
    """
    text = settings.data.image
    if text is None:
        side = round(dim**0.5)
        return (side, side) if is_discrete and side * side == dim and side >= 5 else None
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdigit() for side in sides):
        raise LiouvilleError(f"data.image: an image shape is like 8x8, got {text!r}")
    height, width = (int(side) for side in sides)
    if height * width != dim:
        raise LiouvilleError(
            f"data.image: images of {text} have {height * width} pixels, the data {dim} columns"
        )
    return height, width
