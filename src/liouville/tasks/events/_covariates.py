"""What is known of the world besides the events, as it changes with time."""

from dataclasses import dataclass

import numpy as np

from liouville.data import Events, TimeUnit, open_table, times_on_clock
from liouville.errors import LiouvilleError


@dataclass(frozen=True, eq=False)
class Covariates:
    """A table whose rows hold from their time on, the first one before it as well."""

    names: tuple[str, ...]
    times: np.ndarray  # (n,), increasing, on the clock of the events
    values: np.ndarray  # (n, covariates), of mean zero and deviation one over the rows


def read_covariates(
    file: str | None, events: Events, time_unit: TimeUnit = "auto"
) -> Covariates | None:
    """Reads a table of times, put on the clock of the events, and a column for every covariate."""
    if file is None:
        return None
    table = open_table(file)
    if table is None:
        raise LiouvilleError(f"{file} has no names of columns; give a table, such as .csv")
    used, moments = times_on_clock(table, events.origin, time_unit=time_unit)
    time, names = ", ".join(used), tuple(name for name in table.names if name not in used)
    if not names or not len(table):
        raise LiouvilleError(f"{file} has no covariates; give rows of a time and numbers")
    columns = {name: table.numbers(name) for name in names}
    columns[time] = moments
    for name, column in columns.items():
        absent = np.flatnonzero(~np.isfinite(column))
        if absent.size:
            raise LiouvilleError(
                f"{name!r} is missing on {table.where(absent[0])} of {file}; a row holds "
                "until the next one, so leave it out or fill it in"
            )
    order = np.argsort(columns[time], kind="stable")
    times = columns[time][order]
    twice = np.flatnonzero(np.diff(times) == 0)
    if twice.size:
        raise LiouvilleError(
            f"{events.instant(float(times[twice[0]]))} stands twice in {file}; keep one row a time"
        )
    values = np.column_stack([columns[name][order] for name in names])
    deviations = values.std(axis=0)
    still = np.flatnonzero(~(deviations > 0))
    if still.size:
        raise LiouvilleError(
            f"{names[still[0]]!r} of {file} never changes and can explain nothing; leave it out"
        )
    return Covariates(names, times, (values - values.mean(axis=0)) / deviations)
