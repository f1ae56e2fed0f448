"""Loops that touch each number of some arrays once, compiled where numba is installed.

A loop is written once, over `parts`: they are single numbers where it is compiled, and slices of
what the processor's cache holds where it is not. Both give the same bits, so long as every constant
in it is a scalar of numpy: to the compiler, a plain number is of double precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, ParamSpec

P = ParamSpec("P")
BLOCK = 1 << 13  # numbers of a slice


def parts(size: int) -> Iterable[Any]:
    """Cover a flat array of some size by indices: slices, or each number where it is compiled."""
    return [slice(first, first + BLOCK) for first in range(0, size, BLOCK)]


def one_pass(loop: Callable[P, None], *uses: Callable[..., Any]) -> Callable[P, None]:
    """Have a loop compiled when it is first called, where it can be.

    Args:
        loop: Takes flat arrays, contiguous, and scalars of numpy, and changes arrays in place. No
            number in them is nan.
        uses: Functions of numbers, or of slices of arrays, that it calls.
    """
    compiled: list[Callable[P, None]] = []

    def run(*arguments: P.args, **named: P.kwargs) -> None:
        if not compiled:
            compiled.append(_compile(loop, uses))
        compiled[0](*arguments, **named)

    return run


def _compile(loop: Callable[P, None], uses: Iterable[Callable[..., Any]]) -> Callable[P, None]:
    """Compile a loop, and keep it for later processes where that can be; as it is without numba."""
    try:
        import numba
        from numba.extending import register_jitable
    except ImportError:
        return loop
    _make_parts_numbers()
    for function in uses:
        register_jitable(function)
    # Without nan, the lesser of two numbers is one instruction.
    options = {"error_model": "numpy", "nogil": True, "fastmath": {"nnan"}}
    try:
        return numba.njit(loop, cache=True, **options)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder can be written
        return numba.njit(loop, **options)  # type: ignore[no-any-return]


@cache
def _make_parts_numbers() -> None:
    from numba.extending import overload

    overload(parts, inline="always")(lambda size: lambda size: range(size))
