"""Kernels, compiled once on a machine and kept in the user's cache."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from device_models.kernel_source import Shape, arguments, source


@cache
def compiled(shape: Shape) -> tuple[Callable[..., None], tuple[str, ...]]:
    """The kernel of a model, and the names of its arguments.

    What is run is always the source that was made here; what was compiled of the very same source
    before, on this machine, is loaded in its place where the cache can be read and written.
    """
    text = source(shape)
    name = sha256(text.encode()).hexdigest()[:24]
    path = _kept(text, f"kernel_{name}.py")
    text = text.replace("<CACHE>", str(path is not None))
    module = ModuleType(f"spikeloop_kernel_{name}")
    sys.modules[module.__name__] = module  # where what was compiled before looks for its functions
    exec(compile(text, str(path or f"<kernel {name}>"), "exec"), module.__dict__)
    return module.kernel, arguments(shape)


def _kept(text: str, name: str) -> Path | None:
    """A file that stands for the source in the cache; None where it cannot be written."""
    import pooch

    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or pooch.os_cache("spikeloop") / "kernels")
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            draft = path.with_suffix(f".{os.getpid()}")
            draft.write_text(text, encoding="utf-8")
            draft.replace(path)
        (folder / "__pycache__").mkdir(exist_ok=True)
    except OSError:
        return None
    return path if os.access(folder / "__pycache__", os.W_OK) else None
