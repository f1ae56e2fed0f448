"""Brian2 runs its numpy code, as the engine does: nothing is compiled."""

from __future__ import annotations

import brian2 as b2
import pytest


@pytest.fixture(autouse=True)
def _numpy_code() -> None:
    b2.prefs.codegen.target = "numpy"
