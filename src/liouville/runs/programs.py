"""How programs are compiled: fast, and once for all processes. Nothing here imports JAX."""

import builtins
import contextlib
import os
import re
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

FOLDER_VARIABLE = "LIOUVILLE_CACHE"
"""The variable of the environment with the folder of compiled programs, or `off`."""

# A third of the time of compilation on CPU. Versions that do not know a flag refuse to start.
_FLAGS = {"0.10.": "--xla_cpu_use_fusion_emitters=false"}
_OFF = ("0", "off", "no", "false")
# What compiles faster is not kept: to look for the oldest among many takes as long.
_LEAST_SECONDS, _MOST_BYTES = 0.05, 2**29
# What another process is about to finish is no older than so many seconds.
_WRITTEN_BY_NOW = 60.0
# What JAX warns of where a program could not be found or kept.
_FAILURE = re.compile(
    r"Error (reading|writing) persistent compilation cache entry for '(.*?)': (\w+): (.*)", re.S
)


def compile_quickly() -> None:
    """Sets the flags of the compiler that suit programs which run for seconds, unless some are."""
    for release, flags in _FLAGS.items():
        if version("jaxlib").startswith(release):
            os.environ.setdefault("XLA_FLAGS", flags)


def keep_programs(folder: str | os.PathLike[str] | None = None) -> Path | None:
    """Keeps compiled programs in a folder, where any other process finds them.

    The command line does so by itself; in a notebook or script, call it before anything is
    compiled. Half a gigabyte is kept, of which the oldest goes first. Any number of processes may
    share a folder. A program that is damaged there is compiled again; where the folder cannot be
    written a warning says so once, and work goes on without. If JAX was given a folder by its own
    setting (`JAX_COMPILATION_CACHE_DIR`), nothing is changed.

    Args:
        folder: by default what the variable `LIOUVILLE_CACHE` of the environment names, where `off`
            is for none, or else a folder in the user's cache directory.

    Returns:
        The folder, or `None` if it is off or JAX has another one.
    """
    choice = os.environ.get(FOLDER_VARIABLE, "") if folder is None else os.fspath(folder)
    if choice.casefold() in _OFF:
        return None
    place = Path(choice).absolute() if choice else user_cache_path("liouville") / "compiled"
    known = _setting("jax_compilation_cache_dir")
    if known:
        return place if str(known) == str(place) else None
    # Where nothing can be written no process evicts anything, and none needs a lock to read.
    is_shown = place.is_dir() and not os.access(place, os.W_OK)
    _set("jax_compilation_cache_max_size", -1 if is_shown else _MOST_BYTES)
    _set("jax_persistent_cache_min_compile_time_secs", _LEAST_SECONDS)
    _set("jax_compilation_cache_dir", str(place))
    if "jax" in sys.modules:  # which forgets that it had no folder at its first program
        from jax.experimental.compilation_cache import compilation_cache

        compilation_cache.reset_cache()
    _remove_torn(place)
    _watch(place)
    return place


def _setting(name: str) -> Any:
    """What JAX is set to, whether it has been imported or not."""
    if "jax" in sys.modules:
        return getattr(sys.modules["jax"].config, name)
    return os.environ.get(name.upper())


def _set(name: str, value: str | float) -> None:
    """Sets what JAX is to do, unless its variable of the environment says something."""
    if name.upper() in os.environ:
        return
    if "jax" in sys.modules:
        sys.modules["jax"].config.update(name, value)
    else:
        os.environ[name.upper()] = str(value)


def _watch(place: Path) -> None:
    """Mends what JAX would warn of once a program, or says it once and in a line."""
    show, told = warnings.showwarning, []

    def shown(message: Any, *rest: Any, **more: Any) -> None:
        failure = _FAILURE.match(str(message))
        if failure is None:
            show(message, *rest, **more)
            return
        deed, program, kind, reason = failure.groups()
        error: Any = getattr(builtins, kind, None)
        is_refused = isinstance(error, type) and issubclass(error, OSError)
        if error is FileNotFoundError:
            _remove_torn(place)  # another process tidied up at this moment, or died before
        elif deed == "reading" and not is_refused and _remove(place, f"{program}-"):
            pass  # JAX writes what it compiles now where there is nothing
        elif not told:
            told.append(reason)
            line = (
                f"compiled programs cannot be kept in {place} ({' '.join(reason.split())}); work "
                f"goes on without, name another folder by {FOLDER_VARIABLE}, or set it to off"
            )
            show(UserWarning(line), *rest, **more)

    warnings.showwarning = shown


def _remove(place: Path, start: str) -> bool:
    """Removes all programs of a name; whether there were any."""
    found = False
    with contextlib.suppress(OSError):
        for entry in os.scandir(place):
            if entry.name.startswith(start) and entry.name.endswith("-cache"):
                os.unlink(entry.path)
                found = True
    return found


def _remove_torn(place: Path) -> None:
    """Removes programs that a process began to write and did not live to finish.

    JAX notes the time beside a program when it is whole, and without that note it can never evict
    the program, nor write another.
    """
    with contextlib.suppress(OSError):
        entries = {entry.name: entry for entry in os.scandir(place)}
        for name, entry in entries.items():
            is_torn = name.endswith("-cache") and f"{name[:-6]}-atime" not in entries
            if is_torn and time.time() - entry.stat().st_mtime > _WRITTEN_BY_NOW:
                os.unlink(entry.path)
