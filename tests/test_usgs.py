import contextlib
import http.server
import threading
import urllib.parse
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liouville.data import (
    Region,
    download_usgs,
    read_events,
)
from liouville.errors import LiouvilleError

_USGS_HEADER = "time,latitude,longitude,depth,mag,magType,id,place,type"


def _raises(pattern: str) -> Any:
    return pytest.raises(LiouvilleError, match=pattern)


# Downloading.


class _Catalogue:
    """A small service of events that can fail in the ways of a real one."""

    def __init__(self, count: int, limit: int) -> None:
        seconds = np.sort(np.random.default_rng(5).integers(0, 86400 * 10, count))
        stamps = np.datetime_as_string((seconds * 1000).astype("datetime64[ms]")).tolist()
        self.times = [f"{stamp}Z" for stamp in stamps]
        self.rows = [
            # No two have a number in common.
            f"{time},{(i * 7) % 20 - 10}.{i:03},{-179 if i % 3 else 179}.{i:03},"
            f'10,5.{i % 10},mb,id{i},"a, b",eq'
            for i, time in enumerate(self.times)
        ]
        self.limit = limit
        self.failures: list[Any] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.lost = 0

    def answer(self, method: str, query: dict[str, str]) -> tuple[int, str]:
        start, end = query["starttime"], query["endtime"]  # to the millisecond, without zone
        pairs = zip(self.rows, self.times, strict=True)
        chosen = [row for row, time in pairs if start <= time[:23] <= end]
        if method == "count":
            return 200, str(len(chosen))
        if len(chosen) > self.limit:
            return 400, f"Error 400: {len(chosen)} matching events exceeds limit"
        return 200, "\n".join([_USGS_HEADER, *chosen[self.lost :]]) + "\n"


@contextlib.contextmanager
def _serving(catalogue: _Catalogue) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            method = parts.path.rsplit("/", 1)[-1]
            query = dict(urllib.parse.parse_qsl(parts.query))
            catalogue.asked.append((method, query))
            failure = catalogue.failures.pop(0) if catalogue.failures else None
            if failure == "drop":
                self.close_connection = True
                return
            status, text = failure if failure else catalogue.answer(method, query)
            body = text.encode()
            self.send_response(status)
            if status in (429, 503):
                self.send_header("Retry-After", "0")
            # A body shorter than it says is an answer cut off.
            self.send_header("Content-Length", str(len(body) + (text == "cut")))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/fdsnws/event/1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


_DECADE: dict[str, Any] = {"start": "1970-01-01T00:00:00Z", "end": "1970-01-12T00:00:00Z"}


def test_downloads_are_split_and_joined(tmp_path: Path) -> None:
    catalogue = _Catalogue(100, limit=30)
    with _serving(catalogue) as url:
        path = download_usgs(
            tmp_path / "a.csv", **_DECADE, min_magnitude=4.5, region="170,-20,-170,20", url=url,
            limit=30,
        )  # fmt: skip
        assert all(q["minmagnitude"] == "4.5" for _, q in catalogue.asked)
        assert {(q["minlongitude"], q["maxlongitude"]) for _, q in catalogue.asked} == {
            ("170", "190")
        }
        assert [m for m, _ in catalogue.asked].count("query") >= 4
        lines = path.read_text().splitlines()
        assert lines == [_USGS_HEADER, *catalogue.rows]
        assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]
        # A triangle keeps what is inside, also across the date line.
        triangle = Region(np.array([[175.0, -3], [185, -3], [180, 30]]))
        path = download_usgs(tmp_path / "b.csv", **_DECADE, region=triangle, url=url, limit=30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # simultaneous events, moved longitudes
        found = read_events(path, window=(0, 12), region=triangle).check()
    inside = [row for row in catalogue.rows if -3 <= float(row.split(",")[1]) <= 30]
    assert len(found) == len(path.read_text().splitlines()) - 1 == len(inside)
    longitudes = np.array([float(row.split(",")[2]) for row in inside])
    moved = np.sort(np.where(longitudes < 0, longitudes + 360.0, longitudes))
    np.testing.assert_allclose(np.sort(found.places[:, 0]), moved, rtol=1e-14)


def test_downloads_survive_failures(tmp_path: Path) -> None:
    catalogue = _Catalogue(20, limit=100)
    catalogue.failures = [
        (503, "busy"), (429, "slow"), "drop", None, (500, ""), (200, "cut"), (200, "<html>"), None,
    ]  # fmt: skip
    with _serving(catalogue) as url:
        path = download_usgs(tmp_path / "a.csv", **_DECADE, url=url, wait=0.001)
    assert path.read_text().splitlines()[1:] == catalogue.rows
    assert not catalogue.failures


def test_downloads_go_on_where_they_stopped(tmp_path: Path) -> None:
    catalogue = _Catalogue(60, limit=20)
    options: dict[str, Any] = {**_DECADE, "limit": 20, "retries": 1, "wait": 0.001}
    with _serving(catalogue) as url:
        whole = download_usgs(tmp_path / "whole.csv", url=url, **options).read_text()
        asked = len(catalogue.asked)
        catalogue.asked.clear()
        catalogue.failures = [None] * (asked - 2) + [(503, "down")] * 2
        path = tmp_path / "a.csv"
        with _raises(r"no answer from .* after 2 attempts \(503 .*: down\).* kept in"):
            download_usgs(path, url=url, **options)
        assert not path.exists()
        catalogue.asked.clear()
        assert download_usgs(path, url=url, **options).read_text() == whole
        assert len(catalogue.asked) <= 2
        # A cache that is kept answers without the service.
        cache = tmp_path / "cache"
        download_usgs(path, url=url, cache=cache, **options)
        catalogue.asked.clear()
        assert download_usgs(path, url=url, cache=cache, **options).read_text() == whole
        assert not catalogue.asked
        # Another question is another piece.
        download_usgs(path, url=url, cache=cache, **{**options, "min_magnitude": 1})
        assert catalogue.asked


def test_downloads_that_fail_for_good(tmp_path: Path) -> None:
    catalogue = _Catalogue(10, limit=100)
    path = tmp_path / "a.csv"
    quick: dict[str, Any] = {**_DECADE, "retries": 0}
    with _serving(catalogue) as url:
        for failures, pattern in [
            ([(400, "Error 400: bad\n starttime")], "refuses the query.*400.*bad starttime"),
            ([(404, "")], "refuses the query"),
            ([(200, "many")], "answered 'many', which is no number"),
            ([(200, "0")], "no events for these times"),
            ([(200, "9"), (200, "<html>")], "no table of events but '<html>'"),
        ]:
            catalogue.failures = failures
            with _raises(pattern):
                download_usgs(path, url=url, cache=tmp_path / str(len(pattern)), **quick)
        catalogue.failures = []
        with _raises("all 10 events of the service are outside"):
            download_usgs(path, url=url, region="0,0,1,1", **quick)
        catalogue.lost = 3
        with pytest.warns(UserWarning, match="counted 10 events .* but sent 7"):
            download_usgs(path, url=url, cache=tmp_path / "lost", **quick)
        catalogue.times = catalogue.times[:1] * 10  # all at once: no time parts them
        with _raises("counts 10 events from .* more than 5 in one answer"):
            download_usgs(path, url=url, cache=tmp_path / "once", limit=5, **quick)
    with _raises(r"no answer from .*check the network"):
        download_usgs(path, url=url, **{**quick, "retries": 1}, wait=0.001)
    for changed, pattern in [
        ({"file": tmp_path / "a.txt"}, "written as .csv"),
        ({"url": "file:///etc"}, "http or https"),
        ({"end": "1969-01-01T00:00Z"}, "start before it ends"),
        ({"start": "01/02/1970"}, "start '01/02/1970'"),
        ({"region": "1,2"}, "no file of the region"),
    ]:
        with _raises(pattern):
            download_usgs(**{"file": path, **quick, **changed})
