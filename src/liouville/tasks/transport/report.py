"""Stub."""


def contents(fitted, data):
    """Stub."""
    return
