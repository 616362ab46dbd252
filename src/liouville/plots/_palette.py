"""Pictures of at most 256 colours, which take a third of the bytes."""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.spatial import KDTree

from liouville.plots._style import DENSITY


@dataclass(frozen=True)
class Palette:
    """Up to 256 colours: the scale of the density, and what lies apart from it.

    A palette made from frequent colours alone would leave rings in the smooth density, tint
    the white and lose the colours of the few pixels that show data.
    """

    colours: np.ndarray  # shape ``(n, 3)``

    @classmethod
    def of(cls, pictures: list[Image.Image]) -> "Palette":
        """The palette of pictures, one for all of them, so that colours stand still."""
        ramp = (255 * np.asarray(DENSITY(np.linspace(0, 1, 96)))[:, :3]).round()
        used = _unpack(np.unique(np.concatenate([_pack(picture) for picture in pictures])))
        apart = used[KDTree(ramp).query(used)[0] > 4.0].astype(np.uint8)
        if len(apart) == 0:
            return cls(ramp)
        strip = Image.fromarray(apart[None])
        others = strip.quantize(160, method=Image.Quantize.MAXCOVERAGE).getpalette() or []
        return cls(np.concatenate([ramp, np.reshape(others, (-1, 3))[:160]]))

    def index(self, picture: Image.Image) -> Image.Image:
        """A picture in these colours, each pixel in the nearest one."""
        packed, inverse = np.unique(_pack(picture), return_inverse=True)
        index = np.asarray(KDTree(self.colours).query(_unpack(packed))[1], np.uint8)
        image = Image.fromarray(index[inverse].reshape(picture.height, picture.width))
        image.putpalette(self.colours.astype(int).ravel().tolist())
        return image


def _pack(picture: Image.Image) -> np.ndarray:
    """One number per pixel instead of three, shape ``(pixels,)``."""
    pixels = np.asarray(picture, np.uint32).reshape(-1, 3)
    return (pixels[:, 0] << 16) | (pixels[:, 1] << 8) | pixels[:, 2]


def _unpack(colours: np.ndarray) -> np.ndarray:
    """Red, green and blue of packed colours, shape ``(n, 3)``."""
    return np.stack([colours >> 16, (colours >> 8) & 255, colours & 255], axis=-1).astype(float)
