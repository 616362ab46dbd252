"""Flags of commands from configurations: a setting and its flag stand in one place."""

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from liouville.runs.config import Entry


def with_flags(function: Callable[..., None], entries: Iterable[Entry]) -> Callable[..., None]:
    """A command of `function` that takes the flags and arguments of settings, too.

    The function gets them as `flags`, values by dotted key, `None` for not given. Settings without
    a flag and without an argument are passed over.
    """
    offered = {e.key.replace(".", "__"): e for e in entries if e.flag or e.argument}
    kind = inspect.Parameter.KEYWORD_ONLY
    every = inspect.signature(function).parameters.values()
    own = [p.replace(kind=kind) for p in every if p.name != "flags"]
    made = [_parameter(name, entry) for name, entry in offered.items()]
    every = sorted([*made, *own], key=lambda p: p.default is not inspect.Parameter.empty)

    def command(**values: Any) -> None:
        flags = {entry.key: values.pop(name) for name, entry in offered.items()}
        for entry in offered.values():  # a flag that is given twice says more of the same
            if entry.flag and isinstance(flags[entry.key], list):
                flags[entry.key] = ",".join(flags[entry.key]) or None
        function(flags=flags, **values)

    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__signature__ = inspect.Signature(every)  # pyright: ignore[reportFunctionMemberAccess]
    command.__annotations__ = {p.name: p.annotation for p in every}
    return command


def _parameter(name: str, entry: Entry) -> inspect.Parameter:
    """A parameter of a command that sets a setting; what is no number or switch is text."""
    kind = inspect.Parameter.KEYWORD_ONLY
    if entry.argument:
        is_list = any(get_origin(m) is tuple for m in _members(entry.annotation))
        told = typer.Argument(metavar=entry.argument, help=entry.doc)
        own = list[str] if is_list else str
        return inspect.Parameter(name, kind, annotation=Annotated[own, told])
    numbers = [m for m in _members(entry.annotation) if m in (bool, int, float)]
    own = numbers[0] if len(numbers) == 1 else str
    if any(
        get_origin(m) is tuple and get_args(m)[:1] == (str,) for m in _members(entry.annotation)
    ):
        own = list[str]
    choices = [
        str(c)
        for member in _members(entry.annotation)
        if get_origin(member) is Literal
        for c in get_args(member)
    ]
    more = f"; {entry.range}" if str(entry.range) else ""
    more += "" if entry.default in (None, ()) else f" [default: {entry.default}]"
    told = typer.Option(
        entry.flag, metavar="|".join(choices) or None, help=f"{entry.doc}{more}", show_default=False
    )
    return inspect.Parameter(name, kind, default=None, annotation=Annotated[own | None, told])


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if type(None) in get_args(annotation) else (annotation,)
