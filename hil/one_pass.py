"""Loops that touch each number of some arrays once, compiled where the process has numba.

A loop is written once, over `parts`: they are single numbers where it is compiled, and slices of
what the processor's cache holds where it is not. Both give the same bits, so long as every constant
in it is a scalar of numpy: to the compiler, a plain number is of double precision. Whoever computes
in compiled code has imported numba before; here it is taken as it stands.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import cache, wraps
from types import ModuleType
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
    """Have a loop compiled when it is first called, once there is numba.

    Args:
        loop: Takes flat arrays, contiguous, and scalars of numpy or tuples of them, and changes
            arrays in place. No array overlaps another one, and no number in them is nan.
        uses: Functions of numbers, or of slices of arrays, that it calls.
    """
    compiled: list[Loop] = []

    @wraps(loop)
    def run(*arguments: Any) -> None:
        if not compiled and (numba := sys.modules.get("numba")):
            compiled.append(_compile(numba, loop, uses))
        (compiled[0] if compiled else loop)(*arguments)

    return run


def _compile(numba: ModuleType, loop: Loop, uses: Iterable[Callable[..., Any]]) -> Loop:
    """Compile a loop, and keep it for later processes where that can be."""
    # Without nan the lesser of two numbers is one instruction, and without overlaps many are
    # computed at once.
    options = {"error_model": "numpy", "nogil": True, "fastmath": {"nnan"}}
    options |= {"pipeline_class": _define_pipeline()}
    for function in uses:
        numba.extending.register_jitable(function)
    try:
        compiled: Loop = numba.njit(loop, cache=True, **options)
    except RuntimeError:  # no folder can be written
        compiled = numba.njit(loop, **options)
    return compiled


@cache
def _define_pipeline() -> type:
    """The compiler that takes `parts` for numbers, and arrays for such that do not overlap."""
    from numba.core.compiler import CompilerBase, DefaultPassBuilder
    from numba.extending import overload

    overload(parts, inline="always")(lambda size, width=1: lambda size, width=1: range(size))

    class Pipeline(CompilerBase):  # type: ignore[misc]
        def define_pipelines(self) -> list[Any]:
            self.state.flags.noalias = True
            return [DefaultPassBuilder.define_nopython_pipeline(self.state)]

    return Pipeline
