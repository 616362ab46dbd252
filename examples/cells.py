"""A branching population through the Python interface: fit, ask, compare with the truth, draw.

    python examples/cells.py [FOLDER]

The cells are drawn from a population whose density and velocity are known at every time. With your
own data, replace `truth.cells` by `lv.read_cells("cells.h5ad", time_key="day", basis="X_pca")`.
"""

import sys
from pathlib import Path

import numpy as np

import liouville as lv
from liouville.tasks.cells.demo import demo_cells


def main():
    """Fits the population and says how far the model is from it."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    truth = demo_cells(seed=0)
    fitted = lv.fit_cells(truth.cells, {"training.steps": 500, "path.members": 2})
    for name, value in fitted.summary.items():
        print(f"{name:<55} {value}")

    model = fitted.model
    print("\nday   KL to the truth (nats)   relative error of the velocity")
    for day in (0.5, 1.5, 2.5, 3.5):  # between the days on which cells were seen
        x = truth.model.sample(day, 2000, seed=1)
        divergence = np.mean(truth.model.log_density(day, x) - model.log_density(day, x))
        right = truth.model.velocity(day, x)
        error = np.sum((model.velocity(day, x) - right) ** 2) / np.sum(right**2)
        print(f"{day:.1f} {divergence:15.3f} {np.sqrt(error):29.3f}")

    # Where do the cells of the upper branch on the last day come from?
    start, end = model.interval
    last = truth.cells.at(end)
    upper = last[last[:, 1] > 0]
    ancestors = model.trajectories(upper, np.linspace(end, start, 9))
    print(f"\n{len(upper)} cells of the upper branch, mean place on the way back:")
    for day, place in zip(np.linspace(end, start, 9), ancestors.mean(axis=1), strict=True):
        print(f"day {day:.1f}   {place[0]:6.2f} {place[1]:6.2f}")

    model.save(folder / "branching.lv")
    lv.plots.density_panels(model, truth.cells).savefig(folder / "branching.png", dpi=150)
    print(f"\nmodel in {folder / 'branching.lv'}, picture in {folder / 'branching.png'}")


if __name__ == "__main__":
    main()
