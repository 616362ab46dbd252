"""What the report of a transport holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from liouville.data import Snapshots
from liouville.plots import Answer, Key, Page, Words, density_page
from liouville.problems import toys
from liouville.runs.words import with_error
from liouville.tasks.transport.ends import equal_rows
from liouville.tasks.transport.fit import TransportFit
from liouville.tasks.transport.problem import Given

_DRAWN = 1000
_ERROR = ", standard error"
# What arrives is where it should be up to so many floors, and an energy is least up to such a part.
_NEAR, _LEAST = 1.25, 0.05
_WORDS = Words(
    density="From end to end",
    velocity="The flow between the ends",
    paths="Where single points go",
    film="The transport as it moves",
    of_density=(
        "Blue is the density of the path at the ends, on one scale; thin lines enclose 50 % and "
        "90 % of its mass. Dots are samples of the ends: they should fill the lines evenly."
    ),
    of_velocity=(
        "Streamlines follow the velocity halfway between the ends, darker where it is faster, over "
        "samples of both. Regions with the last percent of the mass are left out."
    ),
    of_paths=(
        "Points of the first end (rings) and where the velocity carries them (dots). Paths of "
        "least energy are straight and do not cross."
    ),
    of_film=(
        "Darker is denser, on one scale for the whole film. Samples of an end fade in around its "
        "time; in between is the path of least energy that was found."
    ),
)


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
        subject=_subject(fitted, words),
        words=_WORDS,
        answer=answer(fitted.summary),
        movie=fitted.config.report.movie,
    )


def _subject(fitted: TransportFit, names: list[str]) -> str:
    """What is carried where, in a sentence."""
    noise = "along a velocity" if not np.any(fitted.model.sigma) else "by a diffusion"
    dims = f"{fitted.model.dim} dimension{'s' if fitted.model.dim > 1 else ''}"
    return f"The mass of {' to '.join(names)} in {dims}, carried {noise} at least energy."


def answer(summary: Mapping[str, Any]) -> Answer:
    """The energy beside the least there can be, and whether what is carried arrives."""
    keys, said = [], []
    prefixes = [name.removesuffix("energy") for name in summary if _is_energy(name)]
    for prefix in prefixes:
        own = {k.removeprefix(prefix): v for k, v in summary.items() if k.startswith(prefix)}
        keys.append(Key(f"{prefix}energy", own["energy"], own.get(f"energy{_ERROR}")))
        least = own.get("least energy (closed form)", own.get("least energy (discrete problem)"))
        if least is not None:
            keys.append(Key(f"{prefix}least there can be", least, own.get(f"least energy{_ERROR}")))
        if (gap := own.get("gap")) is not None:
            told = f"{prefix}The energy is {100 * gap:.1f} % above an estimate of the least."
            said.append((gap < _LEAST, told))
        floor = own.get("W2 of two draws of the end")
        for kind in ("velocity", "diffusion"):
            name = f"W2 of arrival ({kind})"
            if floor is None or name not in own:
                continue
            error = own.get(f"{name}{_ERROR}")
            keys.append(Key(f"{prefix}{name}", own[name], error))
            told = f"What the {kind} carries is {with_error(own[name], error)} from the end (W2); "
            text = f"{prefix}{told}two draws of it are {floor:.4g} apart."
            said.append((own[name] < _NEAR * floor, text))
    return Answer(keys[: 3 if len(prefixes) == 1 else 6], said)


def _is_energy(name: str) -> bool:
    return name == "energy" or name.endswith(": energy")


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
