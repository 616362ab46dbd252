"""Downloading earthquake catalogues from a service that speaks FDSN, such as that of the USGS."""

import contextlib
import csv
import email.utils
import hashlib
import http.client
import io
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from liouville.data._geography import near_longitude
from liouville.data._instants import microseconds
from liouville.data._regions import Region
from liouville.errors import LiouvilleError, one_line
from liouville.runs.files import atomic_path, write_bytes

USGS = "https://earthquake.usgs.gov/fdsnws/event/1"
_LIMIT = 20_000
"""Events the service gives at most in one answer."""

_SHORTEST = 1_000_000
"""Microseconds: a shorter query is not split."""

_LONGEST_WAIT = 300.0
"""Seconds: a server that asks for more is not waited for longer."""

_COLUMNS = ("time", "latitude", "longitude", "id")


def download_usgs(
    file: str | Path,
    *,
    start: str,
    end: str,
    min_magnitude: int | float | None = None,
    region: Region | str | Path | Sequence[int | float] | None = None,
    url: str = USGS,
    retries: int = 5,
    cache: str | Path | None = None,
    timeout: int | float = 60.0,
    wait: int | float = 1.0,
    limit: int = _LIMIT,
) -> Path:
    """Downloads a catalogue of earthquakes to a file that `read_events` reads; returns its path.

    The service is asked first how many events there are, and the time is halved until no query
    gives more than it can. Finished pieces lie on disk, so a broken download goes on where it
    stopped when it is asked for again. Events that the service sends twice are written once.

    Args:
        file: The ``.csv`` file to write, whole or not at all; replaced if it exists.
        start: First instant, ISO 8601, such as ``1990-01-01T00:00:00Z``.
        end: Last instant, likewise.
        min_magnitude: Smaller events are left out; None for all.
        region: A region, a box ``"west,south,east,north"`` or a GeoJSON file, in degrees; events
            outside are left out. None for all.
        url: Where the service is, without ``/query``.
        retries: How often a query is asked again after a failure of the network or the server.
        cache: A folder that keeps finished pieces; by default a hidden one beside `file`, until
            it is written.
        timeout: Seconds to wait for an answer.
        wait: Seconds before the first repetition, doubled each time, unless the server says how
            long (Retry-After).
        limit: Events in one answer, at most.

    Raises:
        LiouvilleError: If the query makes no sense, or the service cannot be reached, refuses, or
            answers with something else than a catalogue.

    Warns:
        UserWarning: If an answer has fewer events than the service had counted.
    """
    path = Path(file)
    if path.suffix.lower() != ".csv":
        raise LiouvilleError(f"a catalogue is written as .csv, got {path}; change the name")
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise LiouvilleError(f"the service must be at an http or https address, got {url!r}")
    first, last = int(microseconds([start], "start")[0]), int(microseconds([end], "end")[0])
    if first >= last:
        raise LiouvilleError(f"a catalogue must start before it ends, got {start} and {end}")
    where = None if region is None else Region.parse(region)
    fixed = {} if min_magnitude is None else {"minmagnitude": f"{min_magnitude:.10g}"}
    if where is not None:
        names = ("minlongitude", "minlatitude", "maxlongitude", "maxlatitude")
        fixed |= {name: f"{b:.10g}" for name, b in zip(names, where.bounds, strict=True)}
    folder = path.with_name(f".{path.stem}.pieces") if cache is None else Path(cache)
    service = _Service(url.rstrip("/"), fixed, folder, retries, timeout, wait, limit)
    header, rows = _join(service.pieces(first, last), where)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([header, *rows])
    if cache is None:
        shutil.rmtree(folder, ignore_errors=True)
    return path


@dataclass(frozen=True)
class _Service:
    """A service of events and how to ask it."""

    url: str
    fixed: dict[str, str]
    folder: Path
    retries: int
    timeout: int | float
    wait: int | float
    limit: int

    def pieces(self, start: int, end: int) -> Iterator[str]:
        """The answers, as text, for consecutive times from `start` to `end`, in microseconds."""
        query = {**self.fixed, "starttime": _stamp(start), "endtime": _stamp(end)}
        table = {"format": "csv", "orderby": "time-asc", **query}
        stored = self._stored(table)
        if stored.is_file():
            yield stored.read_text(encoding="utf-8")
            return
        count = self._count(query)
        if count > self.limit:
            if end - start < _SHORTEST:
                raise LiouvilleError(
                    f"the service counts {count} events from {_stamp(start)} to {_stamp(end)}, "
                    f"more than {self.limit} in one answer; raise min_magnitude"
                )
            middle = (start + end) // 2000 * 1000  # the service knows milliseconds
            yield from self.pieces(start, middle)
            yield from self.pieces(middle, end)
            return
        text = self._ask("query", table, is_catalogue=True) if count else ""
        found = max(len(text.strip().splitlines()) - 1, 0)
        if found < count:
            warnings.warn(
                f"{self.url} counted {count} events from {_stamp(start)} to {_stamp(end)} but "
                f"sent {found}; download again later to see whether they come",
                stacklevel=5,
            )
        self._store(stored, text)
        yield text

    def _count(self, query: dict[str, str]) -> int:
        stored = self._stored({"count": "", **query})
        is_known = stored.is_file()
        text = stored.read_text(encoding="utf-8") if is_known else ""
        text = text or self._ask("count", {"format": "text", **query})
        try:
            count = int(text.strip())
        except ValueError:
            raise LiouvilleError(
                f"{self.url}/count answered {text.strip()[:80]!r}, which is no number; is it an "
                "FDSN event service?"
            ) from None
        if not is_known:
            self._store(stored, text)
        return count

    def _stored(self, query: dict[str, str]) -> Path:
        """The file of a finished query: its name is a digest of all that was asked."""
        asked = f"{self.url}?{urllib.parse.urlencode(sorted(query.items()))}"
        return (
            self.folder
            / f"{hashlib.sha256(asked.encode(errors='surrogatepass')).hexdigest()[:32]}.csv"
        )

    def _store(self, path: Path, text: str) -> None:
        try:
            write_bytes(path, text.encode())
        except OSError as error:
            raise LiouvilleError(
                f"cannot keep pieces of the catalogue in {self.folder}: {one_line(error)}; name "
                "a folder that can be written with cache"
            ) from None

    def _ask(self, method: str, query: dict[str, str], *, is_catalogue: bool = False) -> str:
        """One answer, asked for again after failures that may pass."""
        address = f"{self.url}/{method}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(address, headers={"User-Agent": "liouville"})
        reason, pause = "", None
        for attempt in range(self.retries + 1):
            if attempt:
                doubled = self.wait * 2 ** (attempt - 1)
                time.sleep(min(doubled if pause is None else pause, _LONGEST_WAIT))
            pause = None
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                    text = answer.read().decode("utf-8")
                names = text.split("\n", 1)[0].strip().split(",")
                if not is_catalogue or all(name in names for name in _COLUMNS):
                    return text
                reason = f"the answer is no table of events but {text.strip()[:60]!r}"
            except urllib.error.HTTPError as error:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    body = " ".join(error.read().decode("utf-8", "replace").split())
                    reason = f"{error.code} {error.reason}: {body[:200]}"
                if error.code != 429 and error.code < 500:
                    raise LiouvilleError(
                        f"{self.url} refuses the query ({reason}); correct start, end, region or "
                        "min_magnitude"
                    ) from None
                pause = _retry_after(error.headers.get("Retry-After"))
            except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
                reason = one_line(getattr(error, "reason", None) or error)
        raise LiouvilleError(
            f"no answer from {self.url} after {self.retries + 1} attempts ({reason}); check the "
            f"network and try again: finished pieces are kept in {self.folder}"
        )


def _stamp(instant: int) -> str:
    """An instant to the millisecond without its zone, which the service takes for UTC."""
    return str(np.datetime64(instant // 1000, "ms"))


def _retry_after(value: str | None) -> float | None:
    """Seconds that a server asks to wait for, given as a number or as a date."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return max(seconds, 0.0) if np.isfinite(seconds) else None


def _join(pieces: Iterator[str], region: Region | None) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of all pieces in the region, each event once, in order of time."""
    header: list[str] = []
    rows: dict[str, list[str]] = {}
    for text in pieces:
        table = list(csv.reader(io.StringIO(text)))
        if not table:
            continue
        if header and table[0] != header:
            raise LiouvilleError(
                f"pieces of the catalogue have different columns ({', '.join(table[0])}); "
                "delete the cache and download it again"
            )
        header = table[0]
        rows |= {row[header.index("id")]: row for row in table[1:] if len(row) == len(header)}
    if not header:
        raise LiouvilleError(
            "the service has no events for these times, this region and this magnitude; ask for "
            "more"
        )
    found = sorted(rows.values(), key=lambda row: row[header.index("time")])
    if region is None:
        return header, found
    columns = [header.index(name) for name in ("longitude", "latitude")]
    places = np.array([[float(row[i]) for i in columns] for row in found]).reshape(-1, 2)
    west, _, east, _ = region.bounds
    places[:, 0] = near_longitude(places[:, 0], (west + east) / 2)
    kept = [row for row, ok in zip(found, region.contains(places), strict=True) if ok]
    if not kept:
        raise LiouvilleError(
            f"all {len(found)} events of the service are outside the region; choose a larger one"
        )
    return header, kept
