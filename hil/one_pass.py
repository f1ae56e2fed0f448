"""Loops that touch each number of some arrays once, compiled where numba is installed.

A loop is written once, over `parts`: they are single numbers where it is compiled, and slices of
what the processor's cache holds where it is not. Both give the same bits, so long as every constant
in it is a scalar of numpy: to the compiler, a plain number is of double precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, wraps
from typing import Any

Loop = Callable[..., None]
BLOCK = 1 << 14  # numbers of a slice


def parts(size: int, width: int = 1) -> Iterable[Any]:
    """Cover an axis by indices: slices, or each number where it is compiled.

    Args:
        size: Length of the axis.
        width: Numbers that each index of it stands for.
    """
    many = max(1, BLOCK // width)
    return [slice(first, first + many) for first in range(0, size, many)]


def one_pass(loop: Loop, *uses: Callable[..., Any]) -> Loop:
    """Have a loop compiled when it is first called, where it can be.

    Args:
        loop: Takes flat arrays, contiguous, and scalars of numpy, and changes arrays in place. No
            number in them is nan.
        uses: Functions of numbers, or of slices of arrays, that it calls.
    """
    compiled: list[Loop] = []

    @wraps(loop)
    def run(*arguments: Any) -> None:
        if not compiled:
            compiled.append(_compile(loop, uses))
        compiled[0](*arguments)

    return run


def _compile(loop: Loop, uses: Iterable[Callable[..., Any]]) -> Loop:
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

    overload(parts, inline="always")(lambda size, width=1: lambda size, width=1: range(size))
