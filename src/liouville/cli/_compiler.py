"""How programs are compiled for the command line: fast, and once. Nothing here imports JAX."""

import os
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_path

# A third of the time of compilation on CPU. Versions that do not know a flag refuse to start.
_FLAGS = {"0.10.": "--xla_cpu_use_fusion_emitters=false"}
_OFF = ("0", "off", "no", "false")
_LEAST_SECONDS, _MOST_BYTES = 0.2, 2**29


def prepare_compiler() -> None:
    """Sets what JAX reads from the environment when it is imported, unless it is set already.

    Compiled programs are kept in a folder of the user's cache directory, up to half a gigabyte, of
    which the oldest go first. `LIOUVILLE_CACHE` names another folder, or is `off`.
    """
    for release, flags in _FLAGS.items():
        if version("jaxlib").startswith(release):
            os.environ.setdefault("XLA_FLAGS", flags)
    choice = os.environ.get("LIOUVILLE_CACHE", "")
    if choice.casefold() in _OFF:
        return
    folder = Path(choice) if choice else user_cache_path("liouville") / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # a home that cannot be written has no cache
        return
    if not os.access(folder, os.W_OK):
        return
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder))
    os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(_MOST_BYTES))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", str(_LEAST_SECONDS))
