"""What calls learning in: a departure that is 1 where nothing has changed."""

from __future__ import annotations

import numpy as np
import pytest

from hil.studies.service import depart


def test_a_departure_is_in_standard_errors_of_what_was_seen_before() -> None:
    rng = np.random.default_rng(0)
    seen = list(rng.normal(0.3, 0.1, (60, 500)).astype(np.float32))
    assert depart(seen[:59], 30) == 0.0
    assert depart(seen, 30) == pytest.approx(1, abs=0.15)
    moved = [*seen[:30], *(each + np.float32(0.1) for each in seen[30:])]
    assert depart(moved, 30) == pytest.approx(np.sqrt(1 + 30 / 2), rel=0.1)
