import contextlib
import signal
import threading
from collections.abc import Iterator


class Interruption:
    """Whether the user or the system asked the run to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None


@contextlib.contextmanager
def graceful_interruption() -> Iterator[Interruption]:
    """Turns SIGINT and SIGTERM into a flag that the loop reads between chunks.

    A second signal acts at once, as usual. Outside the main thread signals cannot be caught and
    the flag stays down.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def note(number: int, _frame: object) -> None:
        interruption.signal = number
        restore()

    for number in previous:
        signal.signal(number, note)
    try:
        yield interruption
    finally:
        restore()
