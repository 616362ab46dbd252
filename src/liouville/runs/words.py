"""Figures in words, the same on a terminal and in a report."""

import math

_CLEAR = 2.0  # standard errors from which on a difference is no noise


def with_error(value: float, error: float | None) -> str:
    """A figure with its standard error, of which two digits are said, as `2.165 ± 0.024`."""
    if error is None or not math.isfinite(error) or not error > 0:
        return f"{value:.4g}"
    digits = max(1 - math.floor(math.log10(error)), 0)
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def is_noise(value: float, error: float) -> bool:
    """Whether a difference is too small for its error to be told from none."""
    return not abs(value) > _CLEAR * error


def in_words(difference: tuple[float, float], unit: str) -> str:
    """A difference and its error with what they mean: `0.002 ± 0.010 nats, within noise`."""
    value, error = difference
    if not math.isfinite(error):
        return f"{value:.3g} {unit}"
    meant = (
        "within noise" if is_noise(value, error) else f"clearly {'more' if value > 0 else 'less'}"
    )
    return f"{with_error(value, error)} {unit}, {meant}"


def say_value(value: object) -> str:
    """A value as a reader would like to see it: four digits, thousands separated."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(say_value(item) for item in value)
    if isinstance(value, str):
        return value
    try:
        number = float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        return str(value)
    if math.isfinite(number) and number == int(number) and abs(number) < 1e15:
        return f"{int(number):,}"
    return f"{number:.4g}"
