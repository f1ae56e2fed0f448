"""Loops that touch each number of some arrays once, in compiled code as soon as there is any.

A loop is written once, over `parts`: they are single numbers where it is compiled, and slices of
what the processor's cache holds where it is not. Both give the same bits, so long as every constant
in it is a scalar of numpy: to the compiler, a plain number is of double precision.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from hashlib import sha256
from operator import methodcaller
from typing import Any

import numpy as np

from machine_code import CompiledFunction

Loop = Callable[..., None]
BLOCK = 1 << 14  # numbers of a slice
flatten = methodcaller("reshape", -1)  # of an array, a view where it is contiguous
SOME = 20  # calls before a loop is worth compiling; what runs first is the chip


def parts(size: int, width: int = 1) -> Iterable[Any]:
    """Cover an axis by indices: slices, or each number where it is compiled.

    Args:
        size: Length of the axis.
        width: Numbers that each index of it stands for.
    """
    many = max(1, BLOCK // width)
    return [slice(first, first + many) for first in range(0, size, many)]


class OnePass:
    """A loop that is compiled when it is first called, where it can be; in slices until it is.

    Attributes:
        loop: The loop in slices.
        compiled: Its compiled code.
    """

    def __init__(self, loop: Loop, *uses: Callable[..., Any]) -> None:
        """Compile nothing yet.

        Args:
            loop: Function of a module; takes flat arrays, contiguous, and scalars of numpy or
                tuples of them, and changes arrays in place. No array overlaps another one, and no
                number in them is nan.
            uses: Functions of modules, of numbers or of slices of arrays, that it calls.
        """
        self.loop = loop
        self.compiled = CompiledFunction(partial(_write, loop, uses), after=SOME)

    def __call__(self, *arguments: Any) -> None:
        """Run the loop."""
        (self.compiled.find(arguments) or self.loop)(*arguments)


def _write(loop: Loop, uses: Sequence[Callable[..., Any]]) -> str:
    """Write a module that compiles a loop, with a digest of all that the code depends on."""
    lines, about = ["from hil.one_pass import make_numba_function"], []
    for number, each in enumerate((loop, *uses)):
        lines.append(f"from {each.__module__} import {each.__name__} as f{number}")
    for each in (loop, *uses, make_numba_function):
        constants = [(n, each.__globals__.get(n)) for n in each.__code__.co_names]
        named = [(n, value) for n, value in constants if isinstance(value, np.generic)]
        about.append((inspect.getsource(each), repr(named)))
    names = ", ".join(f"f{number}" for number in range(1 + len(uses)))
    lines.append(f"function = make_numba_function({names})")
    return "\n".join([*lines, f"# {sha256(repr(about).encode()).hexdigest()}"])


def make_numba_function(loop: Loop, *uses: Callable[..., Any]) -> Any:
    """Make a function of numba, not compiled yet, of a loop and what it calls."""
    import numba
    from numba.core.compiler import CompilerBase, DefaultPassBuilder
    from numba.extending import overload, register_jitable

    class Pipeline(CompilerBase):  # type: ignore[misc]
        def define_pipelines(self) -> list[Any]:
            self.state.flags.noalias = True
            return [DefaultPassBuilder.define_nopython_pipeline(self.state)]

    overload(parts, inline="always")(lambda size, width=1: lambda size, width=1: range(size))
    for function in uses:
        register_jitable(function)
    # Nothing is allocated. Without nan the lesser of two numbers is one instruction, and without
    # overlaps many are computed at once.
    options = {"error_model": "numpy", "nogil": True, "fastmath": {"nnan"}, "_nrt": False}
    return numba.njit(loop, pipeline_class=Pipeline, **options)
