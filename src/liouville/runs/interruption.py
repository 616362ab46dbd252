"""Stopping when the user says so, by SIGINT (Ctrl-C) or SIGTERM, wherever the program is."""

import contextlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from liouville.runs.files import clear_leftovers

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Interruption:
    """What a loop asks between two pieces of work.

    Attributes:
        number: the signal that came, or 0.
        is_patient: whether the loop will ask soon, so that its work need not be thrown away.
    """

    number: int = 0
    is_patient: bool = False

    def is_set(self) -> bool:
        """Whether a signal came."""
        return self.number != 0


_current: Interruption | None = None
_last = int(signal.SIGINT)
_last_words: Callable[[], str] | None = None


@contextlib.contextmanager
def graceful_interruption() -> Iterator[Interruption]:
    """Turns SIGINT and SIGTERM into something that a loop asks for between chunks.

    A second signal acts at once, as usual. Outside the main thread signals cannot be caught and
    nothing is ever set.
    """
    global _current
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    previous = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def note(number: int, _frame: object) -> None:
        global _last
        interruption.number = _last = number
        restore()

    for number in previous:
        signal.signal(number, note)
    outer, _current = _current, interruption
    try:
        yield interruption
    finally:
        _current = outer
        restore()


@contextlib.contextmanager
def obeyed() -> Iterator[None]:
    """In this block, SIGINT and SIGTERM end the process at once with one last line on stderr.

    A handler in Python has to wait for compiled code, such as the compiler itself, and an
    exception may be lost in it. Therefore a thread, woken by the handler in C, says the last words
    and ends the process without unwinding. This loses nothing: every file is whole at any moment.
    Only where a patient `graceful_interruption` is under way is the first signal left to it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    previous = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reading,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in previous.items():
            signal.signal(number, handler)
        os.close(writing)


def set_last_words(words: Callable[[], str]) -> None:
    """Chooses what is said when a signal ends the process; it is asked at that moment."""
    global _last_words
    _last_words = words


def command(*, without: str = "", more: str = "") -> str:
    """The command line of this process, to be typed again."""
    words = [word for word in sys.argv[1:] if word != without]
    return shlex.join(["liouville", *words, *([more] if more and more not in words else [])])


def exit_code() -> int:
    """Of a process that the latest signal has ended: 130 for SIGINT, 143 for SIGTERM."""
    return 128 + _last


def _watch(reading: int) -> None:
    with open(reading, "rb", buffering=0) as pipe:
        warned = False
        while number := pipe.read(1):
            if number[0] not in SIGNALS:
                continue
            if _current is not None and _current.is_patient and not warned:
                _tell("stopping after the steps under way; a second signal stops at once")
                warned = True
            else:
                _end(number[0])


def _end(number: int) -> None:
    try:
        words = f"stopped; to start again: {command()}" if _last_words is None else _last_words()
    except Exception:  # whatever state the program is in, it has to end
        words = "stopped"
    clear_leftovers()
    _tell(words)
    os._exit(128 + number)


def _tell(line: str) -> None:
    # Not by `sys.stderr`, whose lock the main thread may hold.
    with contextlib.suppress(OSError):
        begin = "\n" if os.isatty(2) else ""  # after a progress bar
        os.write(2, f"{begin}{line}\n".encode(errors="backslashreplace"))
