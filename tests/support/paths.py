"""Where the project lies, and what is compiled."""

from __future__ import annotations

import os
from pathlib import Path

import pooch

ROOT = Path(__file__).resolve().parents[2]
# Kernels of the emulated chip, for processes with a home of their own: each takes seconds to
# compile.
KERNELS = Path(os.environ.get("NUMBA_CACHE_DIR") or pooch.os_cache("spikeloop") / "kernels")
