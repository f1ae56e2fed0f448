"""Compiled kernels: loaded from where they are kept, else compiled beside what goes on."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from importlib import import_module
from operator import attrgetter
from types import ModuleType
from typing import Any

import numpy as np

from device_models.engine.kernel import KernelSpec, write_kernel
from device_models.engine.user_cache import discard, find_folder, read_kept, say_once

Kernel = Callable[..., None]
# What decides the code for an array; quick, since it is looked at in every run.
look_at = attrgetter("dtype", "ndim", "flags.num")


def describe_type(value: Any) -> str | tuple[str, int, str, bool]:
    """Describe what decides the code for an argument: its type, dimensions, layout and access."""
    if not isinstance(value, np.ndarray):
        return type(value).__name__
    flags = value.flags
    layout = "C" if flags.c_contiguous else "A"
    return value.dtype.str, value.ndim, layout, flags.writeable


class KernelLibrary:
    """The compiled kernels that one chip needs."""

    def __init__(self) -> None:
        """Compile nothing yet."""
        self._ready: dict[tuple[Any, ...], Kernel] = {}
        self._compilers: dict[str, subprocess.Popen[str] | None] = {}

    def find(self, spec: KernelSpec, arguments: Sequence[Any], wait: bool) -> Kernel | None:
        """Find the kernel of a model for such arguments; it is compiled where it is not kept.

        Args:
            spec: What decides its source.
            arguments: All its arguments.
            wait: Whether to wait until it is compiled.

        Returns:
            The kernel; None while it is being compiled, or where it cannot be.
        """
        seen = (spec, *[look_at(value) for value in arguments if isinstance(value, np.ndarray)])
        kernel = self._ready.get(seen)
        if kernel is None:
            kernel = self._load(spec, tuple(map(describe_type, arguments)), wait)
            if kernel is not None:
                self._ready[seen] = kernel
        return kernel

    def _load(self, spec: KernelSpec, types: tuple[Any, ...], wait: bool) -> Kernel | None:
        text = write_kernel(spec)
        machine = import_numba().core.registry.cpu_target.target_context.codegen().magic_tuple()
        about = (text, types, import_numba().__version__, sys.version, machine)
        module = f"spikeloop_kernel_{sha256(repr(about).encode()).hexdigest()[:32]}"
        if module not in self._compilers:
            kernel = load_kernel(module)
            if kernel is not None:
                return kernel
            self._compilers[module] = start_compiler(text, module, types)
        compiler = self._compilers[module]
        if compiler is None:
            return None
        if wait:
            compiler.wait()
        if compiler.poll() is None:
            return None
        kernel = load_kernel(module)
        if kernel is None:
            assert compiler.stderr is not None
            _say_slow(compiler.stderr.read())
            self._compilers[module] = None
        return kernel


def start_compiler(text: str, module: str, types: tuple[Any, ...]) -> subprocess.Popen[str] | None:
    """Start a process that compiles a kernel and keeps it under the name of its module.

    Returns:
        The process; None where none can be had.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    ours["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if os.path.isabs(path))
    try:
        compiler = subprocess.Popen(
            [sys.executable, "-P", "-m", "device_models.engine.compile_kernel"],
            cwd=find_folder(),
            env=ours,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    except OSError as error:
        _say_slow(str(error))
        return None
    order = {"name": module, "module": module, "text": text, "types": types}
    assert compiler.stdin is not None
    with suppress(BrokenPipeError), compiler.stdin as stdin:
        json.dump(order, stdin)
    return compiler


def load_kernel(name: str) -> Kernel | None:
    """Load a kernel that was kept; None where none was, or none that this numba takes."""
    content = read_kept(name)
    if content is None:
        return None
    import_numba()
    compiler, registry = (import_module(f"numba.core.{n}") for n in ("compiler", "registry"))
    sys.modules.setdefault(name, ModuleType(name))  # where numba looks for names of the kernel
    context = registry.cpu_target.target_context
    try:
        found = compiler.CompileResult._rebuild(context, *pickle.loads(content))
    except Exception as error:
        discard(name, f"numba cannot load it ({error})")
        return None
    kernel: Kernel = found.entry_point
    return kernel


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


def _say_slow(reason: str) -> None:
    """Say that a kernel was not compiled, and why."""
    last = reason.strip().splitlines()[-1:] or ["the compiler gave no reason"]
    say_once(f"the chip is computed without compiled code, which is slower: {last[0]}")
