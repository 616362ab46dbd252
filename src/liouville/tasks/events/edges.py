"""What the border of a region does to densities: exact masses of Gaussians, and mirror images."""

import numpy as np
from scipy.special import owens_t

from liouville.data import Region
from liouville.numerics.mixtures import GaussianMixture

# So many pairs of a point, or a part, and an edge of the border are handled at once.
_PAIRS = 2**19
# The broadest part of a density, over half of the region's extent: inside its logarithm has the
# variance .003 at most about that of a uniform density, and one of seven draws is inside.
_BREADTH = 2.0


def masses_inside(mixture: GaussianMixture, region: Region) -> np.ndarray:
    r"""The mass of every part in a region, exact, shape `(parts,)`.

    In coordinates in which a part is standard normal, the triangle of its middle and an edge at the
    distance $h$, from $a$ to $b$ along it, has the mass

    $$\frac{\arctan(b/h) - \arctan(a/h)}{2\pi} - \bigl[T(h, b/h) - T(h, a/h)\bigr]$$

    with Owen's $T$, positive if the edge goes around the middle counter-clockwise. Source: Owen
    (1956), Tables for computing bivariate normal probabilities.
    """
    inverse = np.linalg.inv(np.linalg.cholesky(mixture.covariances))
    step = max(1, _PAIRS // len(region.edges[0]))
    blocks = [slice(first, first + step) for first in range(0, len(inverse), step)]
    found = [_masses(mixture.means[rows], inverse[rows], region) for rows in blocks]
    return np.concatenate(found)


def _masses(means: np.ndarray, inverse: np.ndarray, region: Region) -> np.ndarray:
    r"""The masses of some parts, whose points $L^{-1} (x - \mu)$ are standard normal."""
    begins, ends = (
        np.einsum("kij,kej->kei", inverse, corner - means[:, None]) for corner in region.edges
    )
    along = ends - begins
    length = np.linalg.norm(along, axis=2)
    way = (begins[..., 0] * along[..., 1] - begins[..., 1] * along[..., 0]) / length
    height = np.maximum(np.abs(way), 1e-12)

    def part(corner: np.ndarray) -> np.ndarray:
        slope = np.einsum("kei,kei->ke", corner, along) / length / height
        return np.arctan(slope) / (2.0 * np.pi) - owens_t(height, slope)

    found = (np.sign(way) * (part(ends) - part(begins))).sum(axis=1)
    return np.clip(found, 0.0, 1.0)


def mass_inside(mixture: GaussianMixture, region: Region | None) -> float:
    """The mass of a mixture in a region, one if there is none."""
    return 1.0 if region is None else float(mixture.weights @ masses_inside(mixture, region))


def mirrored(places: np.ndarray, region: Region) -> tuple[np.ndarray, np.ndarray]:
    """Mirror images of places at the nearest point of the border, and the ways there.

    What leaks out of the region from a place leaks in from its image: about a straight border both
    together have a mass of one inside. An image that is inside itself, across a narrow gap, has an
    infinite way. Shapes `(n, 2)` and `(n,)`.
    """
    begins, ends = region.edges
    along = ends - begins
    squares = (along**2).sum(axis=1)
    images, ways, step = np.empty_like(places), np.empty(len(places)), max(1, _PAIRS // len(begins))
    for first in range(0, len(places), step):
        block = slice(first, first + step)
        x = places[block]
        share = ((x[:, None] - begins) * along).sum(axis=2) / squares
        near = begins + np.clip(share, 0.0, 1.0)[..., None] * along
        distance = np.linalg.norm(near - x[:, None], axis=2)
        nearest = distance.argmin(axis=1)
        rows = np.arange(len(x))
        images[block] = 2.0 * near[rows, nearest] - x
        ways[block] = distance[rows, nearest]
    return images, np.where(region.contains(images) & (ways > 0), np.inf, ways)


def nearly_uniform(region: Region) -> GaussianMixture:
    """One Gaussian so much broader than a region that it is about uniform inside."""
    west, south, east, north = region.bounds
    middle = 0.5 * np.array([west + east, south + north])
    widths = 0.5 * _BREADTH * np.array([east - west, north - south])
    return GaussianMixture(np.ones(1), middle[None], np.diag(widths**2)[None])
