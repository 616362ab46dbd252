"""A model of cells whose answers are known, and AnnData that it fits."""

from typing import Any

import anndata
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from liouville.curves import Knots
from liouville.data import Standardisation, number_values
from liouville.model import Model
from liouville.paths import Diagonal, Gaussian, LocationScale, Masses

DAYS = (0.0, 2.0, 4.0)
DIM, GENES, CELLS = 4, 12, 60


def growing_model(dim: int = DIM, **changes: Any) -> Model:
    """Two Gaussian parts that part along the first coordinate; the second one grows.

    In units of the user: times 0, 2 and 4 days, spread 3.
    """
    times = (0.0, 0.5, 1.0)
    location = np.zeros((3, 2, dim))
    location[:, 0, 0], location[:, 1, 0] = (0.0, -1.0, -2.0), (0.0, 1.0, 2.0)
    path = LocationScale(
        Knots(times, jnp.asarray(location), "linear"),
        Knots(times, jnp.zeros((3, *Diagonal().raw_shape(2, dim))), "linear"),
        Masses(Knots(times, jnp.asarray([[0.0, 0.0], [0.0, 0.5], [0.0, 1.0]]), "linear")),
        Gaussian(),
        Diagonal(),
    )
    known: dict[str, Any] = {
        "path": path,
        "units": Standardisation(np.zeros(dim), np.full(dim, 3.0), 0.0, 4.0),
        "times": np.array(DAYS),
        "features": number_values(dim, "PC"),
        "time_name": "day",
    }
    return Model(**{**known, **changes})


def annotated(model: Model, cells: int = CELLS, **changes: Any) -> anndata.AnnData:
    """Cells drawn from a model, in an order that is not that of time, with sparse counts."""
    rng = np.random.default_rng(0)
    place = rng.integers(0, len(DAYS), cells)
    x = np.zeros((cells, model.dim), np.float32)
    for number, t in enumerate(DAYS):
        rows = np.flatnonzero(place == number)
        x[rows] = model.sample(t, len(rows), seed=number)
    loadings = rng.normal(size=(GENES, model.dim)).astype(np.float32)
    loadings[-2:] = 0.0  # genes that are not variable
    kinds = np.where(x[:, 0] < 0, "left", "right")
    obs = pd.DataFrame(
        {
            "day": np.array(DAYS)[place],
            "label": pd.Categorical([f"day {DAYS[i]:g}" for i in place]),
            "kind": pd.Categorical(kinds, categories=["right", "left"]),
        },
        index=pd.Index([f"cell-{rng.integers(10**9)}-{i}" for i in range(cells)]),
    )
    embedding = np.column_stack([2.0 * x[:, 0] + x[:, 1], x[:, 1]])
    parts: dict[str, Any] = {
        "X": csr_matrix(rng.poisson(0.7, (cells, GENES)).astype(np.float32)),
        "obs": obs,
        "var": pd.DataFrame(index=pd.Index([f"gene{i}" for i in range(GENES)])),
        "obsm": {"X_pca": x, "X_umap": embedding},
        "varm": {"PCs": loadings},
        "uns": {"kind_colors": np.array(["#ff0000", "#0000ff"], object)},
    }
    return anndata.AnnData(**{**parts, **changes})
