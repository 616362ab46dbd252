import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def graceful_interruption() -> Iterator[threading.Event]:
    """Turns SIGINT and SIGTERM into an event that the loop asks for between chunks.

    A second signal acts at once, as usual. Outside the main thread signals cannot be caught and
    it stays unset.
    """
    interruption = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def note(_number: int, _frame: object) -> None:
        interruption.set()
        restore()

    for number in previous:
        signal.signal(number, note)
    try:
        yield interruption
    finally:
        restore()
