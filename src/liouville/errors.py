"""Errors a user can act on.

Every message is one line that names the offending value and the remedy. The command line prints
it and exits with code 2; Python callers catch one class.
"""

import re

# Characters of one value that a message shows, and of a whole message.
_VALUE = 200
_MESSAGE = 800

# What in a message is a value, or may be one: what stands in quotation marks, and whatever goes on
# for so long without a blank. Apostrophes inside words open nothing.
_LONG = re.compile(
    r"(?<![^\s(\[{{=:,])(?:'[^']{{{n},}}'|\"[^\"]{{{n},}}\")|\S{{{n},}}".format(n=_VALUE - 1)
)


def shown(value: object, most: int = _VALUE) -> str:
    r"""A value as a message may show it: on one line, harmless to a terminal, not too long.

    What cannot be printed (control characters, marks that turn the direction of writing) is
    written as Python writes it, such as ``\x1b``; of a long text the middle is left out.
    """
    text = _cut(str(value), most)
    if not text.isprintable():
        escaped = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
        text = _cut("".join(escaped), most)
    return text


def one_line(message: object) -> str:
    """A message, or that of another's error, as it may be printed: every value in it `shown`."""
    text = str(message)
    if isinstance(message, BaseException):
        text = " ".join(text.split()) or type(message).__name__
    text = shown(text, 100 * _MESSAGE)
    return _cut(_LONG.sub(lambda found: _cut(found[0], _VALUE), text), _MESSAGE)


def _cut(text: str, most: int) -> str:
    half = (most - 3) // 2
    return text if len(text) <= most else f"{text[:half]}...{text[-half:]}"


class LiouvilleError(ValueError):
    """Input that cannot be used: the message says what came and what to do about it.

    The message is made one line without control characters, and long values in it are cut, so
    that whatever a file holds can be named in it.
    """

    def __init__(self, message: object = ""):
        super().__init__(one_line(message))


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
