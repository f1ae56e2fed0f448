"""A training step is few calls deep, as `benchmarks/step_calls.py` counts them."""

from __future__ import annotations

import pytest

from support.benchmark_programs import loaded


def test_a_step_reaches_the_engine_in_few_frames_and_few_calls() -> None:
    pytest.importorskip("numba")  # without, the chip runs in Brian2's code, object by object
    calls = loaded("step_calls").count_step()
    assert any("controller.py:_step" in name or "decode" in name for name in calls.functions)
    assert 2 < calls.deepest <= 12
    assert 50 < calls.own <= 480 < calls.total
