"""A job of several processes: how each finds the others, and how it ends when one of them dies."""

import contextlib
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from typing import Any

from liouville.errors import LiouvilleError

VARIABLE = "LIOUVILLE_DISTRIBUTED"
"""The variable of the environment that says as much as `--distributed`."""

# As the JAX runtime of Kubeflow sets them.
_ADDRESS, _NUMBER, _OWN = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"
# After so many seconds a process that says nothing is lost, and the others end.
_SILENT = 15
_PATIENCE = 300  # seconds in which all must have come
LOST = (
    "error: another process of the job has ended or cannot be reached; start all of them again "
    "with --resume to go on from the last checkpoint"
)
# What XLA says of a lost process, in many lines, from its log or as an error.
_LOG = re.compile(rb"[EF]\d{4} .*(coordination|distributed service|client\.h)")
_LOSS = re.compile(r"gloo|nccl|coordination|UNAVAILABLE|DEADLINE_EXCEEDED", re.I)

_joined = False


def join() -> int:
    """Makes this process one of a job, before anything is computed, and says which.

    The others are found by JAX itself under SLURM, Open MPI and Kubernetes, or by three variables
    of the environment: `JAX_COORDINATOR_ADDRESS` (host and port of process 0), `JAX_NUM_PROCESSES`
    and `JAX_PROCESS_ID`. From now on a process that is lost ends all others.

    Raises:
        LiouvilleError: if there is no job, or the others do not come.
    """
    global _joined
    given = {name: os.environ.get(name) for name in (_ADDRESS, _NUMBER, _OWN)}
    where = {}
    if given[_NUMBER] is not None or given[_OWN] is not None:
        if missing := [name for name, value in given.items() if value is None]:
            raise LiouvilleError(f"{missing[0]} is not set; give all of {', '.join(given)}")
        where = {
            "coordinator_address": given[_ADDRESS],
            "num_processes": _number(_NUMBER),
            "process_id": _number(_OWN),
            "cluster_detection_method": "deactivate",
        }
    _say_losses_in_a_line()

    import jax

    jax.config.update("jax_enable_preemption_service", False)  # signals are ours
    try:
        jax.distributed.initialize(**where, heartbeat_timeout_seconds=_SILENT)
        _joined = True
        _connect()
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise LiouvilleError(
            f"--distributed found no job ({reason}); start it by srun, mpirun or Kubernetes, or "
            f"set {', '.join(given)} for each process"
        ) from error
    return jax.process_index()


def _connect() -> None:
    """Adds something up over all devices, for which they connect.

    They wait for each other half a minute, and come to it together: when all have the program.
    """
    import jax
    import jax.numpy as jnp
    from jax._src import distributed  # has the only barrier that is no program itself
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    devices = jax.devices()
    each = NamedSharding(Mesh(devices, ("data",)), PartitionSpec("data"))
    ones = jax.make_array_from_callback((len(devices),), each, lambda _: jnp.ones(1))
    added = jax.jit(jnp.sum).lower(ones).compile()
    client: Any = distributed.global_state.client
    client.wait_at_barrier("liouville", _PATIENCE * 1000)
    added(ones).block_until_ready()


def _number(name: str) -> int:
    text = os.environ[name]
    if not text.isdecimal():
        raise LiouvilleError(f"{name} is {text!r}; give a whole number")
    return int(text)


def leave() -> None:
    """Parts from the other processes, which all come to this; the first may go on alone."""
    global _joined
    if _joined:
        import jax

        jax.distributed.shutdown()
        _joined = False


@contextlib.contextmanager
def ending() -> Iterator[None]:
    """A process of a job that fails in this block ends at once, and the others see it.

    Python would wait for them at its end.
    """
    try:
        yield
    except SystemExit as error:
        if _joined and error.code:
            _end(error.code if isinstance(error.code, int) else 1)
        raise
    except Exception as error:
        if not _joined:
            raise
        if _LOSS.search(str(error)):
            print(LOST, file=sys.stderr)
        else:
            traceback.print_exc()
        _end(1)


def _end(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _say_losses_in_a_line() -> None:
    """Sends the standard error of this process, and of the libraries in it, through `_pass_on`.

    XLA ends a process of a job that lost another from a thread of its own, with a page of text.
    """
    program = f"from {__name__} import _pass_on; _pass_on()"
    reader = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=2, start_new_session=True
    )
    assert reader.stdin is not None
    sys.stderr.flush()
    os.dup2(reader.stdin.fileno(), 2)
    reader.stdin.close()


def _pass_on() -> None:
    """Passes lines on until XLA tells of a lost process, which is said in one line, and once."""
    is_lost = False
    while line := sys.stdin.buffer.readline():
        if _LOG.match(line) or line.startswith(LOST.encode()):
            line = b"" if is_lost else f"{LOST}\n".encode()
            is_lost = True
        elif is_lost:
            continue
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
