"""The pictures of docs/gallery.md, from fits to embryoid bodies at 2 and at 30 components.

`python benchmarks/gallery.py DATA.npz` fits twice, with arrays `X` (components) and `t` in the
file, and writes docs/images/gallery. Groups are k-means clusters of thirty components, numbered in
the order of their mean time; the embedding is a UMAP of these components. It needs umap-learn and
scikit-learn.
"""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

import liouville as lv
from liouville.plots import Picture
from liouville.tasks.cells.report import contents

PLACE = Path(__file__).parents[1] / "docs" / "images" / "gallery"
MANY, CLUSTERS = 30, 8
WIDEST = 1000  # pixels
# Of each run: the pictures of its report that are shown, without `.png`.
SHOWN = {
    2: ("density", "velocity", "trajectories"),
    MANY: ("density", "groups", "growth", "composition", "fates", "sankey"),
}


def embryoid_bodies(file: Path):
    """The cells as AnnData with components, an embedding and clusters."""
    import anndata
    import pandas as pd
    import umap
    from sklearn.cluster import KMeans

    with np.load(file) as found:
        x, t = found["X"][:, :MANY].astype(float), found["t"]
    label = KMeans(CLUSTERS, n_init=5, random_state=0).fit_predict(x)
    rank = np.argsort(np.argsort([t[label == k].mean() for k in range(CLUSTERS)]))
    names = [f"c{k + 1}" for k in rank[label]]
    rows = [f"cell{i}" for i in range(len(t))]
    about = pd.DataFrame({"sample": t, "cluster": pd.Categorical(names)}, index=rows)
    places = umap.UMAP(random_state=0, n_jobs=1).fit_transform(x)
    return anndata.AnnData(obs=about, obsm={"X_pca": x, "X_umap": np.asarray(places)})


def write(figure, file: Path) -> None:
    """A picture of the width of a page and few colours, as a small file."""
    image = Image.open(io.BytesIO(lv.plots.to_png(figure))).convert("RGB")
    if image.width > WIDEST:
        size = (WIDEST, round(image.height * WIDEST / image.width))
        image = image.resize(size, Image.Resampling.LANCZOS)
    few = image.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    file.parent.mkdir(parents=True, exist_ok=True)
    few.save(file, optimize=True)
    print(
        f"{file.name} {image.width}x{image.height} {file.stat().st_size / 1e3:.0f} kB", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument("--all", type=Path, help="folder for all other pictures of the reports")
    options = parser.parse_args()
    adata = embryoid_bodies(options.data)
    for dims, shown in SHOWN.items():
        fitted = lv.fit_cells(
            adata,
            time_key="sample",
            basis="X_pca",
            dims=dims,
            embedding=None if dims == 2 else "X_umap",
            color="cluster",
            members=options.members,
            seed=0,
        )
        pictures = [
            item for item in contents(fitted, fitted.data).contents if isinstance(item, Picture)
        ]
        for picture in pictures:
            name = Path(picture.name).stem
            folder = PLACE if name in shown else options.all
            if folder is not None:
                write(picture.draw(), folder / f"{name}{dims}.png")
    write(lv.plots.density_pairs(fitted.model, fitted.data), PLACE / f"pairs{MANY}.png")


if __name__ == "__main__":
    main()
