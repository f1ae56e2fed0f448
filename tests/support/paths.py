"""Where the project lies, and what is compiled."""

from __future__ import annotations

import os
from pathlib import Path

import pooch

ROOT = Path(__file__).resolve().parents[2]
# Kernels of the emulated chip, for processes with a home of their own: each takes seconds to
# compile.
KERNELS = Path(os.environ.get("NUMBA_CACHE_DIR") or pooch.os_cache("spikeloop") / "kernels")


THOROUGH = bool(os.environ.get("HIL_THOROUGH"))


def tries(usual: int, thorough: int) -> int:
    """How many examples to try, or files to damage."""
    return thorough if THOROUGH else usual
