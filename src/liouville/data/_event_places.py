"""Places that many events share: towns, cells of a grid, whole degrees."""

from collections.abc import Sequence
from shlex import quote

import numpy as np

from liouville.data._geography import EARTH_RADIUS
from liouville.data._quantisation import quantisation
from liouville.data._regions import Region

# Places stand for areas, and times for steps, if so many events share one on average, of so many in
# all; catalogues of instruments have 1.0 to 1.1.
_FEWEST_EACH, _FEWEST = 1.5, 20
# A place far from all others is blurred by no more than so many times what most are.
_MOST_MEDIANS = 2.0
# A number stands for a range, such as a depth that was not measured, if so many events have it, and
# this share of all.
_LEAST_SHARE = 0.01
_TRIES = 16  # to find a place inside the region
# Places are far from all others if they are at one point beyond a gap as wide as the range of all
# others, or so few of all beyond so many such ranges, and if the standard deviation is so many
# times what it is without them. A process with heavy tails has clusters a few ranges away.
_MOST_FAR, _RANGES, _LEAST_TAKEN = 0.01, 10.0, 1.5


def around_shared(
    places: np.ndarray, is_geographic: bool, region: Region | None, source: str, said: list[str]
) -> np.ndarray:
    r"""Events around the places that they share, instead of all at one point.

    A density has no largest likelihood of events that lie at points: parts shrink onto them. If
    there are half as many events again as places, or more, uniform noise is added: of one step
    along coordinates that are on a grid, and along others of the distance to the nearest other
    place. Noise that leaves the region is drawn again. It is the same for the same events. If all
    are at one place they stay, and it is said. So do fewer than 20 events. Where places differ but
    20 events and one of a hundred have the same number in one coordinate, noise is added to that.

    Args:
        places: shape `(n, dim)`.
        is_geographic: whether they are longitude and latitude, in degrees.
        region: where events are observed, if it is known.
        source: where they came from, for the message.
        said: to which the message is added.
    """
    if not are_shared(places):
        return _off_numbers(places, region, source, said)
    different, inverse = np.unique(places, axis=0, return_inverse=True)
    if len(different) == 1:
        said.append(
            f"all {len(places)} events of {source} are at one place, of whose surroundings nothing "
            "is known: the nats in space mean nothing; leave the coordinates out of the file to "
            "fit times alone"
        )
        return places
    width = _widths(different, is_geographic)[inverse.ravel()]
    found = _moved(places, width, region)
    wide = " by ".join(f"{w:.3g}" for w in np.median(width, axis=0))
    said.append(
        f"{len(places)} events of {source} are at {len(different)} places; each is put somewhere "
        f"within {wide}{' degrees' if is_geographic else ''} around its place, and nothing is told "
        "on a smaller scale"
    )
    return found


def say_far(places: np.ndarray, features: Sequence[str], source: str, said: list[str]) -> None:
    """Says which places are far from all others: beyond a gap wider than the others' whole range.

    They are several at one point that is no town among towns, or at 0, 0, which stands for unknown,
    or one of a hundred at most, ten ranges away; and they make the standard deviation half as large
    again. Of fewer than 20 events nothing is said. The places stay, and `said` is told how to leave
    them out.

    Args:
        places: shape `(n, dim)`.
        features: the names of the coordinates.
        source: where they came from, for the message.
        said: to which the message is added.
    """
    if len(places) < _FEWEST:
        return
    is_towns, found, conditions = are_shared(places), np.zeros(len(places), bool), []
    for name, column in zip(features, places.T, strict=True):
        for sign, order in ((1.0, "<"), (-1.0, ">")):
            far, middle = _beyond(sign * column, places, is_towns)
            if far.any():
                found |= far
                conditions.append(f"{name}{order}{sign * middle:.12g}")
    if not found.any():
        return
    one = ", ".join(f"{name} {value:g}" for name, value in zip(features, places[found][0]))
    said.append(
        f"{int(found.sum())} of {len(places)} events of {source} are farther from all others than "
        f"these are from each other, such as {one}: scales and the background become theirs, and "
        "what is near looks triggered; leave them out with select (--select "
        f"{quote(','.join(conditions))})"
    )


def _beyond(column: np.ndarray, places: np.ndarray, is_towns: bool) -> tuple[np.ndarray, float]:
    """Which places are beyond the widest such gap on the right of a coordinate; its middle."""
    values = np.sort(column)
    gaps = np.diff(values)
    is_gap = (gaps > values[:-1] - values[0]) & (values[:-1] > values[0])
    for i in np.flatnonzero(is_gap & (np.arange(1, len(values)) > len(values) / 2)).tolist():
        far = column > values[i]
        is_point = np.ptp(places[far], axis=0).max() == 0.0
        is_point &= not places[far].any() or not (is_towns or far.sum() == 1)
        is_wide = gaps[i] > _RANGES * (values[i] - values[0])
        is_few = is_wide and far.sum() <= max(1, _MOST_FAR * len(values))
        if (is_point or is_few) and column.std() > _LEAST_TAKEN * column[~far].std():
            digits = 1 - int(np.floor(np.log10(gaps[i])))
            return far, round(float(values[i] + values[i + 1]) / 2.0, digits)
    return np.zeros(len(column), bool), 0.0


def _moved(places: np.ndarray, width: np.ndarray, region: Region | None) -> np.ndarray:
    """Places with uniform noise of widths `(n, dim)`, inside the region."""
    rng = np.random.default_rng(0)
    found, wrong = places.copy(), np.arange(len(places))
    for _ in range(_TRIES):
        moved = places[wrong] + width[wrong] * (rng.random(places[wrong].shape) - 0.5)
        inside = np.ones(len(wrong), bool) if region is None else region.contains(moved)
        found[wrong[inside]], wrong = moved[inside], wrong[~inside]
        if not wrong.size:
            break
    return found


def _off_numbers(
    places: np.ndarray, region: Region | None, source: str, said: list[str]
) -> np.ndarray:
    """Events around a number that many have in one coordinate, such as a depth of 10 or a street.

    As around places: noise of the usual distance of neighbouring numbers, for these events alone.
    """
    width = np.zeros_like(places)
    for column, own in zip(places.T, width.T, strict=True):
        numbers, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
        if len(numbers) > 1:
            is_common = counts >= max(_FEWEST, _LEAST_SHARE * len(column))
            own[is_common[inverse]] = np.median(np.diff(numbers))
    many = int(np.sum((width > 0.0).any(axis=1)))
    if not many:
        return places
    wide = " by ".join(f"{w:.3g}" for w in width.max(axis=0))
    said.append(
        f"{many} events of {source} have a coordinate in common with many others; each is put "
        f"somewhere within {wide} around its place, and nothing is told on a smaller scale"
    )
    return _moved(places, width, region)


def are_shared(rows: np.ndarray) -> bool:
    """Whether there are half as many events again as different rows, or more, and enough of them.

    Rows are places or times, shape `(n, size)`; without coordinates none is shared.
    """
    if not rows.size or len(rows) < _FEWEST:
        return False
    return len(rows) >= _FEWEST_EACH * len(np.unique(rows, axis=0))


def _widths(different: np.ndarray, is_geographic: bool) -> np.ndarray:
    """How wide the surroundings of different places are, shape `(places, dim)`."""
    from scipy.spatial import KDTree  # a fifth of a second, which other readers need not wait

    if is_geographic:  # degrees of longitude are shorter, and a depth is in kilometres
        shrink = max(np.cos(np.deg2rad(different[:, 1].mean())), 1e-3)
        unit = np.array([1.0 / shrink, 1.0, np.radians(EARTH_RADIUS)])[: different.shape[1]]
    else:  # each coordinate may have a unit of its own
        spread = different.std(axis=0)
        unit = np.where(spread > 0.0, spread, 1.0)
    nearest = KDTree(different / unit).query(different / unit, 2)[0][:, 1]
    nearest = np.minimum(nearest, _MOST_MEDIANS * np.median(nearest))
    steps = quantisation(different).step
    on_grid = (steps > 0.0) & (np.ptp(different, axis=0) > 0.0)
    return np.where(on_grid, steps, nearest[:, None] * unit)
