"""Errors a user can act on.

Every message is one line that names the offending value and the remedy. The command line prints
it and exits with code 2; Python callers catch one class.
"""


class LiouvilleError(ValueError):
    """Input that cannot be used: the message says what came and what to do about it."""


class TrainingError(LiouvilleError):
    """Training stopped on a non-finite number; the last good state was kept.

    Attributes:
        step: the step whose loss or gradient was not finite.
        term: the name of the term of the objective that produced it.
    """

    def __init__(self, message: str, *, step: int, term: str):
        super().__init__(message)
        self.step = step
        self.term = term
