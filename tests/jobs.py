"""Jobs of several processes of this machine, as a launcher starts them."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence


def start_job(number: int, *commands: Sequence[object]) -> list[subprocess.Popen]:
    """So many processes of Python, which find each other by the environment.

    All have one command, or each has its own.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job = {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}", "JAX_NUM_PROCESSES": str(number)}
    return [
        subprocess.Popen(
            [sys.executable, *map(str, commands[own % len(commands)])],
            env={**os.environ, **job, "JAX_PROCESS_ID": str(own)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for own in range(number)
    ]


def ended(job: Sequence[subprocess.Popen], seconds: float = 300.0) -> list[tuple[int, str, str]]:
    """The code, the output and the errors of each process, when all have ended."""
    try:
        said = [process.communicate(timeout=seconds) for process in job]
    finally:
        for process in job:
            process.kill()
    return [(process.returncode, *texts) for process, texts in zip(job, said)]
