"""Functions of a user's own that say whose they are when they fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import wraps
from traceback import walk_tb
from typing import Any, TypeVar, cast

T = TypeVar("T")


def blaming(value: T, what: str) -> T:
    """The same object, whose functions say what they are of when they fail.

    Args:
        value: A dataclass with functions in it, or a function.
        what: What it is, e.g. `rule '/home/me/mine.py:SIGNED'`.
    """
    if not is_dataclass(value):
        return cast(T, _blamed(value, what)) if callable(value) else value
    functions = {
        f.name: _blamed(held, what)
        for f in fields(value)
        if callable(held := getattr(value, f.name)) and not isinstance(held, type)
    }
    return cast(T, replace(cast(Any, value), **functions)) if functions else value


def _blamed(function: Callable[..., Any], what: str) -> Callable[..., Any]:
    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            found = function(*args, **kwargs)
        except MemoryError:
            raise
        except Exception as error:
            place = getattr(getattr(function, "__code__", None), "co_filename", "")
            raise ValueError(f"{what} failed: {said(error, place)}") from error
        return blaming(found, what) if is_dataclass(found) else found

    return called


def said(error: BaseException, file: str) -> str:
    """What an error says, with its type, and the line of a file in which it came up."""
    lines = [n for frame, n in walk_tb(error.__traceback__) if frame.f_code.co_filename == file]
    line = f"line {lines[-1]}: " if lines else ""
    return f"{line}{type(error).__name__}: {error}".rstrip(": ")
