"""Compile what standard input asks for, one order a line, and keep what numba made of it.

This runs as a process of its own, in the folder of what is kept: numba reads a configuration in the
folder that it works in.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from machine_code.user_cache import keep

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


def compile_function(name: str, text: str, types: list[Any]) -> bytes:
    """Compile a function.

    Args:
        name: Name of a module.
        text: Source of that module, in which `function` is compiled by numba.
        types: Of its arguments, as `library.describe_type` has them.

    Returns:
        What numba makes the compiled function of again.
    """
    import numba
    import numpy as np

    space = ModuleType(name)
    sys.modules[name] = space  # where numba looks for what the function calls
    exec(compile(text, name, "exec"), space.__dict__)

    def make_type(described: Any) -> Any:
        if isinstance(described, str):
            return numba.from_dtype(np.dtype(described))
        if not isinstance(described[-1], bool):
            return numba.types.Tuple(tuple(map(make_type, described)))
        dtype, dimensions, layout, is_writable = described
        kind = numba.from_dtype(np.dtype(dtype))
        return numba.types.Array(kind, dimensions, layout, readonly=not is_writable)

    signature = tuple(map(make_type, types))
    space.function.compile(signature)
    return pickle.dumps(space.function.overloads[signature]._reduce())


def fill(order: dict[str, Any]) -> str:
    """Do what one line asks for, unless another process did; returns why it could not be done."""
    name = order["name"]
    try:
        with _lock(name):
            if not (FOLDER / name).exists():
                keep(name, compile_function(**order), FOLDER)
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
    return ""


def main() -> None:
    """Do one after another what is asked for, whoever is left to be told."""
    answers, sys.stdout = sys.stdout, sys.stderr
    sys.modules["scipy"] = None  # type: ignore[assignment]  # whose linear algebra numba looks for
    import numba.np.arraymath  # noqa: F401

    del sys.modules["scipy"]
    for line in sys.stdin:
        order = json.loads(line)
        answer = json.dumps([order["name"], fill(order)])
        with suppress(OSError):
            print(answer, file=answers, flush=True)


if __name__ == "__main__":
    main()
