"""What the report of a transport holds."""

from pathlib import Path

import numpy as np

from liouville.data import Snapshots
from liouville.plots import Page, density_page
from liouville.problems import toys
from liouville.tasks.transport.ends import equal_rows
from liouville.tasks.transport.fit import TransportFit
from liouville.tasks.transport.problem import Given

_DRAWN = 1000


def contents(fitted: TransportFit, given: Given) -> Page:
    """The moving density between samples of the ends."""
    # Names of distributions are written as words, names of files as they are.
    words = [
        e.source.replace("_", " ") if e.source in toys.NAMES else Path(e.source).name
        for e in given.ends
    ]
    return density_page(
        fitted.model,
        _snapshots(fitted),
        fitted.history,
        fitted.summary,
        title=f"Transport: {' to '.join(words)}",
        movie=fitted.config.report.movie,
    )


def _snapshots(fitted: TransportFit) -> Snapshots:
    """What is shown of each end: its samples, or draws of it if it is given exactly."""
    clouds, seed = [], fitted.config.training.seed
    for number, end in enumerate(fitted.ends):
        if end.points is None:
            clouds.append(end.mixture.sample(_DRAWN, seed=seed + number)[0])
        else:
            points = equal_rows(end.points, end.weights, seed)
            clouds.append(points[np.random.default_rng(seed).permutation(len(points))[:_DRAWN]])
    source = ", ".join(end.source for end in fitted.ends)
    return Snapshots.of(clouds, fitted.model.times, features=fitted.model.features, source=source)
