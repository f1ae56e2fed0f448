"""How much the tests try: what finds most of it each time, and all where `HIL_THOROUGH` is set."""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("HIL_THOROUGH"))


def tries(usual: int, thorough: int) -> int:
    """How many examples to try, or files to damage."""
    return thorough if THOROUGH else usual
