"""Executes notebooks of the documentation in place, and makes their pictures small.

    python tools/notebooks.py events transport_and_control

Pictures become PNG files of at most 128 colours. Needs jupyter (`pip install -e '.[dev,docs]'`).
"""

import base64
import io
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "tutorials"
WIDEST = 1100  # pixels


def small(png: str) -> str:
    """A picture with few colours."""
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    if image.width > WIDEST:
        size = (WIDEST, round(image.height * WIDEST / image.width))
        image = image.resize(size, Image.Resampling.LANCZOS)
    out = io.BytesIO()
    few = image.quantize(128, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(out, format="PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode("ascii")


def main() -> None:
    """Executes those that are named."""
    for name in sys.argv[1:]:
        file = FOLDER / f"{name}.ipynb"
        notebook = nbformat.read(file, as_version=4)
        NotebookClient(notebook, timeout=3600, record_timing=False).execute()
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                data = output.get("data", {})
                if "image/png" in data:
                    data["image/png"] = small(data["image/png"])
        nbformat.write(notebook, file)
        print(f"{file.name} {file.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
