"""Compile a kernel in a process of its own, and keep what numba made of it.

It runs in the folder of what is kept: numba reads a configuration in the folder that it works in.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from device_models.engine.user_cache import keep

FOLDER = Path()


@contextmanager
def _lock(name: str) -> Iterator[None]:
    """Let processes with the same to do do it one after another, so that it is done once."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with (FOLDER / f"lock-{name[-1]}").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def compile_kernel(text: str, module: str, types: list[Any]) -> bytes:
    """Compile a kernel.

    Args:
        text: Source of a module whose function `kernel` is the kernel.
        module: Name of that module.
        types: Of its arguments, as `kernel_library.describe_type` has them.

    Returns:
        What numba makes the compiled function of again.
    """
    sys.modules["scipy"] = None  # type: ignore[assignment]  # numba would import its linear algebra
    import numba
    import numpy as np

    space = ModuleType(module)
    sys.modules[module] = space  # where numba looks for what the kernel calls
    exec(compile(text, module, "exec"), space.__dict__)

    def make_type(described: Any) -> Any:
        if isinstance(described, str):
            return {"int": numba.int64, "float": numba.float64}[described]
        dtype, dimensions, layout, is_writable = described
        kind = numba.from_dtype(np.dtype(dtype))
        return numba.types.Array(kind, dimensions, layout, readonly=not is_writable)

    signature = tuple(map(make_type, types))
    space.kernel.compile(signature)
    return pickle.dumps(space.kernel.overloads[signature]._reduce())


def main() -> None:
    """Compile what standard input asks for, unless another process did."""
    order = json.load(sys.stdin)
    name = order.pop("name")
    with _lock(name):
        if not (FOLDER / name).exists():
            keep(name, compile_kernel(**order), FOLDER)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}"[:500])
