"""A process that reads wrong files: one line of JSON goes in for a case, one comes out.

It is a process of its own so that a case which hangs in compiled code, or takes all memory, ends
the worker and not the tests. Run as a script by `harness.py`.
"""

import contextlib
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

SECONDS = 5.0  # of this process, for one case
GIB = 2**30
MOST_MEMORY = 2 * GIB
MOST_MESSAGE = 1000


class _TooLong(BaseException):
    """A case did not end; no `except Exception` may catch it."""


def _stop(*_: Any) -> None:
    raise _TooLong


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _changed(target: Any, rng: random.Random) -> tuple[str, bytes]:
    from mutations import bytes_changed

    suffix = rng.choice(list(target.seeds))
    data = target.seeds[suffix]
    change = rng.choice([bytes_changed, *target.changes])
    # A change that cannot be made of these bytes leaves them as they are.
    with contextlib.suppress(Exception):
        data = change(data, rng)
    if rng.random() < 0.2:
        data = bytes_changed(data, rng)
    return suffix, data


def _is_fine(message: str) -> bool:
    return message.isprintable() and 0 < len(message) <= MOST_MESSAGE


def run_case(target: Any, name: str, seed: int, folder: Path) -> dict[str, Any]:
    """Reads one wrong file and says what happened."""
    from liouville.errors import LiouvilleError

    rng = random.Random(seed * 1_000_003 + zlib.crc32(name.encode()))
    suffix, data = _changed(target, rng)
    file = folder / (f"a{suffix}" if suffix.startswith((".", "2")) else suffix)
    file.write_bytes(data)
    before = _memory()
    found: dict[str, Any] = {"outcome": "read", "place": ""}
    begun = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(file, rng)
    except LiouvilleError as error:
        found["outcome"] = "refused"
        if not _is_fine(str(error)):
            found |= {"outcome": "message", "place": repr(str(error)[:300])}
    except _TooLong:
        found |= {"outcome": "hang", "place": _place(sys.exc_info())}
    except BaseException as error:
        found |= {"outcome": "traceback", "place": f"{error!r}"[:200] + _place(sys.exc_info())}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    if _memory() > max(before, MOST_MEMORY):
        found |= {"outcome": "memory", "place": f"{_memory() / GIB:.1f} GiB"}
    found["seconds"] = time.process_time() - begun
    file.unlink(missing_ok=True)
    return found


def _place(info: Any) -> str:
    """The innermost lines of ours."""
    frames = [f for f in traceback.extract_tb(info[2]) if "liouville" in f.filename]
    return "".join(f" {Path(f.filename).name}:{f.lineno}" for f in frames[-3:])


def main() -> None:
    """Reads cases until there are none."""
    signal.signal(signal.SIGPROF, _stop)
    out, sys.stdout = sys.stdout, sys.stderr
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        from readers import plain_targets

        targets = plain_targets()
        needs_jax = json.loads(sys.stdin.readline())
        if needs_jax:
            from containers import container_targets
            from readers import run_targets

            from liouville import plots

            plots.write_page = lambda folder, *_, **__: folder
            targets |= container_targets()
            targets |= run_targets(folder / "runs")
        with open("/proc/self/statm") as statm:
            size = int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        # What asks for more is told so at once, and does not fill the memory of the machine.
        resource.setrlimit(resource.RLIMIT_AS, (size + 4 * GIB, resource.RLIM_INFINITY))
        print(json.dumps(list(targets)), file=out, flush=True)
        for line in sys.stdin:
            target, seed = json.loads(line)
            case = run_case(targets[target], target, seed, folder)
            print(json.dumps(case), file=out, flush=True)


if __name__ == "__main__":
    main()
