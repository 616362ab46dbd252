"""A diffusion in other coordinates, by Itô's formula."""

from typing import Any

import jax
import jax.numpy as jnp

from liouville.diffusions._moments import diffusion
from liouville.maps import AbstractMap
from liouville.numerics.types import Point, Scalar
from liouville.objectives import Drift, MeanField, Noise, noise_matrix


def pulled_back(mapping: AbstractMap, drift: Drift, sigma: Noise) -> tuple[Drift, Noise]:
    r"""Drift and noise of $X = T^{-1}(Y)$ for $dY = f\,dt + \sigma\,dW$ and a map that rests.

    With $D = \sigma_X \sigma_X^\top$,

    $$\sigma_X = T'^{-1} \sigma, \qquad
      f_X = T'^{-1}\Big(f - \tfrac12 \sum_{ij} D_{ij}\,\partial_i \partial_j T\Big).$$

    A `MeanField` meets the population in its own coordinates.
    """

    def image(x: Point) -> Point:
        return mapping.at(jnp.zeros((), x.dtype)).forward(x)[0]

    def noise(t: Scalar, x: Point) -> jax.Array:
        return jnp.linalg.solve(jax.jacfwd(image)(x), noise_matrix(sigma, t, image(x)))

    def carried(t: Scalar, x: Point, force: Any) -> Point:
        bend = jax.jacfwd(jax.jacfwd(image))(x)
        spread = 0.5 * jnp.einsum("kij,ij->k", bend, diffusion(noise, t, x))
        return jnp.linalg.solve(jax.jacfwd(image)(x), force - spread)

    if isinstance(drift, MeanField):

        def among(t: Scalar, x: Point, crowd: Any) -> Point:
            met = drift.among(jax.vmap(image)(crowd.points), crowd.weights)
            return carried(t, x, met(t, image(x)))

        return MeanField(among, drift.crowd), noise
    return (lambda t, x: carried(t, x, drift(t, image(x)))), noise
