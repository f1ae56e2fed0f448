"""Compiled functions: loaded from where they are kept, else compiled beside what goes on."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from operator import attrgetter
from types import ModuleType
from typing import IO, Any

import numpy as np

from machine_code.user_cache import discard, find_folder, read_kept, say_once

Function = Callable[..., None]
# What decides the code for an array; quick, since it is looked at in every call.
look_at = attrgetter("dtype", "ndim", "flags.num")


class CompiledFunction:
    """A function that is compiled beside, for each kind of arguments that it is to be called with.

    The source must tell all that the code depends on, and compile with `_nrt=False`: what is loaded
    can allocate nothing.
    """

    def __init__(self, write: Callable[[], str], after: int = 0) -> None:
        """Compile nothing yet.

        Args:
            write: Writes the source of a module in which `function` is compiled by numba.
            after: How often it is called before it is worth compiling.
        """
        self._write, self._calls_left = write, after
        self._found: dict[tuple[object, ...], Function] = {}
        self._asked: dict[tuple[object, ...], dict[str, Any]] = {}
        self._can_be = True

    def find(self, arguments: Sequence[Any], wait: bool = False) -> Function | None:
        """Find the code for such arguments; it is compiled where it is not kept.

        Args:
            arguments: Numbers, arrays, and tuples of numbers, always of the same types.
            wait: Whether to wait until it is compiled.

        Returns:
            The compiled function; None while it is being compiled, or where it cannot be.
        """
        looks = []
        for value in arguments:  # in every call of the code: a loop calls nothing
            looks.append(look_at(value) if isinstance(value, np.ndarray) else value.__class__)
        kinds = tuple(looks)
        function = self._found.get(kinds)
        if function is None and self._can_be:
            function = self._look_up(kinds, arguments, wait)
            if function is not None:
                self._found[kinds] = function
        return function

    def _look_up(
        self, kinds: tuple[object, ...], arguments: Sequence[Any], wait: bool
    ) -> Function | None:
        if kinds not in self._asked:
            self._can_be = find_spec("numba") is not None
            if not self._can_be:
                return None
            text, types = self._write(), tuple(map(describe_type, arguments))
            about = (text, types, sys.version, _describe_numba())
            name = f"function_{sha256(repr(about).encode()).hexdigest()[:32]}"
            with suppress(LookupError):
                return load_function(name)
            self._asked[kinds] = {"name": name, "text": text, "types": types}
        self._calls_left -= 1
        if self._calls_left >= 0 and not wait:
            return None
        order = self._asked[kinds]
        name, answer = order["name"], _find_compiler().ask(order)
        if not (wait or answer.done()):
            return None
        reason = answer.result() or "numba cannot load what it compiled"
        with suppress(LookupError):
            return load_function(name)
        self._can_be = False
        say_once(f"it computes without compiled code, which is slower: {reason}")
        return None


def describe_type(value: Any) -> Any:
    """Describe what decides the code for an argument: its type, dimensions, layout and access."""
    if isinstance(value, tuple):
        return [describe_type(each) for each in value]
    if not isinstance(value, np.ndarray):
        return np.asarray(value).dtype.str
    flags = value.flags
    return value.dtype.str, value.ndim, "C" if flags.c_contiguous else "A", flags.writeable


@cache
def load_function(name: str) -> Function:
    """Load a function that was kept.

    Raises:
        LookupError: When none was, or none that this numba takes.
    """
    content = read_kept(name)
    if content is None:
        raise LookupError(name)
    import_numba()
    compiler, registry = (import_module(f"numba.core.{n}") for n in ("compiler", "registry"))
    sys.modules.setdefault(name, ModuleType(name))  # where numba looks for names of the function
    context = registry.cpu_target.target_context
    try:
        found = compiler.CompileResult._rebuild(context, *pickle.loads(content))
    except Exception as error:
        discard(name, f"numba cannot load it ({error})")
        raise LookupError(name) from None
    function: Function = found.entry_point
    return function


@cache
def _describe_numba() -> tuple[str, ...]:
    """The version of numba, and the processor that it compiles for."""
    numba = import_numba()
    target = import_module("numba.core.registry").cpu_target.target_context
    return (numba.__version__, *map(str, target.codegen().magic_tuple()))


def import_numba() -> Any:
    """Import numba without what `.numba_config.yaml` in the working folder says.

    It may name a folder of what was compiled before, from which numba would load code.
    """
    if "numba" not in sys.modules:
        present = sys.modules.get("yaml")
        sys.modules["yaml"] = None  # type: ignore[assignment]
        try:
            with warnings.catch_warnings():  # numba says that it cannot read the file
                warnings.simplefilter("ignore")
                return import_module("numba")
        finally:
            del sys.modules["yaml"]
            if present is not None:
                sys.modules["yaml"] = present
    return sys.modules["numba"]


# -- the compiler ------------------------------------------------------------------------------


class Compiler:
    """A process that compiles one order after another, and is there while there are any.

    It goes on to their end where this process ends before.
    """

    def __init__(self) -> None:
        """Start nothing yet."""
        self._lock = threading.Lock()
        self._answers: dict[str, Future[str]] = {}
        self._orders: IO[str] | None = None

    def ask(self, order: dict[str, Any]) -> Future[str]:
        """Ask for a function, once; the answer is why it could not be compiled, or empty."""
        name = order["name"]
        with self._lock:
            if name not in self._answers:
                self._answers[name] = Future()
                try:
                    self._orders = self._orders or self._start()
                    print(json.dumps(order), file=self._orders, flush=True)
                except OSError as error:
                    self._answers[name].set_result(str(error))
            return self._answers[name]

    def _start(self) -> IO[str]:
        ours = {name: value for name, value in os.environ.items() if name[:6] != "NUMBA_"}
        ours["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if os.path.isabs(path))
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "machine_code.compiling"],
            cwd=find_folder(),
            env=ours,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        threading.Thread(target=self._follow, args=(process,), daemon=True).start()
        assert process.stdin is not None
        return process.stdin

    def _follow(self, process: subprocess.Popen[str]) -> None:
        """Take the answers of a process, and let it end once there are none to come."""
        assert process.stdout is not None and process.stdin is not None
        for line in process.stdout:
            name, reason = json.loads(line)
            with self._lock:
                self._answers[name].set_result(reason)
                if all(answer.done() for answer in self._answers.values()):
                    self._orders = None
                    with suppress(OSError):
                        process.stdin.close()
        process.stdout.close()
        code = process.wait()
        with self._lock:
            for answer in self._answers.values():
                if self._orders is process.stdin and not answer.done():
                    answer.set_result(f"the compiler ended with exit code {code}")
            if self._orders is process.stdin:
                self._orders = None


@cache
def _find_compiler() -> Compiler:
    """The compiler of this process."""
    return Compiler()


def wait_for_code() -> None:
    """Wait until all that was to be compiled is, for those who measure what it gives."""
    for answer in list(_find_compiler()._answers.values()):
        answer.result()
