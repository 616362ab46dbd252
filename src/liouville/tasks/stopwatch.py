"""Where the time of a fit goes."""

import time

import jax.monitoring

PHASES = ("read", "start", "compile", "train", "measure", "pictures")
"""Of a fit, in the order of a summary; `compile` is what was compiled in all of them."""

_COMPILATION = "/jax/core/compile/"  # tracing, lowering, and compiling or finding what was kept


class Stopwatch:
    """Seconds by phase; tracing and compiling count by themselves, in whichever phase they are."""

    def __init__(self, begun: float | None = None):
        """Begins now, or at a `time.monotonic` before."""
        self._mark = time.monotonic() if begun is None else begun
        self._compiled = _programs.seconds
        self._seconds: dict[str, float] = dict.fromkeys(PHASES, 0.0)

    def end(self, phase: str) -> None:
        """Ends a phase, and begins the next."""
        now, compiled = time.monotonic(), _programs.seconds
        spent = compiled - self._compiled
        self._seconds[phase] += max(now - self._mark - spent, 0.0)
        self._seconds["compile"] += spent
        self._mark, self._compiled = now, compiled

    @property
    def seconds(self) -> dict[str, float]:
        """The seconds of all phases that have ended, to a tenth."""
        return {phase: round(seconds, 1) for phase, seconds in self._seconds.items()}


class _Programs:
    """The seconds that JAX has spent on programs since this was imported.

    It says what each took when it is finished. What is traced or compiled for another counts once,
    in that.
    """

    def __init__(self):
        self._spans: list[tuple[float, float]] = []
        self.seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._hear)

    def _hear(self, event: str, duration_secs: float, **_: object) -> None:
        if not event.startswith(_COMPILATION):
            return
        end = time.monotonic()
        begin = end - duration_secs
        while self._spans and self._spans[-1][0] >= begin:
            within = self._spans.pop()
            self.seconds -= within[1] - within[0]
        self._spans.append((begin, end))
        self.seconds += duration_secs


_programs = _Programs()
