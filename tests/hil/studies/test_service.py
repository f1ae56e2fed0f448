"""A chip in service: what it pays, and the departure that calls learning in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hil.sections.trials import Outcome
from hil.studies import loader
from hil.studies.plan import list_cells, list_units, make_jobs
from hil.studies.service import depart
from hil.studies.trial import evaluate


def serve(place: Path, learning: str) -> Outcome:
    """Measures of 6 batches of 20, with calls of 2 steps from 3 batches each."""
    study = loader.build(loader.read(place / "study.toml"), budget="small")
    service = {"learning": learning, "runs": 6, "day": 3, "steps": 2, "batches": 3}
    settings = {**list_cells(study)[0].settings, "mode": "service", "service": service}
    source, trial = make_jobs(study, list_units(study)[0], settings)
    return evaluate(trial, evaluate(source)[1])[0]


def test_a_service_pays_for_what_it_serves_and_learns_alone(place: Path) -> None:
    off, on, called = (serve(place, learning) for learning in ("off", "on", "called"))
    assert [len(each["curve"]) for each in (off, on, called)] == [2, 2, 2]
    assert (off["device_runs"], off["samples"]) == (6, 6 * 20)
    assert off["write_calls"] == off["cell_writes_mean"] == off["cell_writes_max"] == 0
    assert (on["device_runs"], on["samples"], on["write_calls"]) == (12, 12 * 20, 6 * 2)
    assert 0 < on["cell_writes_mean"] < on["cell_writes_max"] <= 6
    assert called["calls"] == 1 and called["write_calls"] == 2 * 2
    assert called["samples"] == 6 * 20 + 2 * 3 * 20


def test_a_departure_is_in_standard_errors_of_what_was_seen_before() -> None:
    rng = np.random.default_rng(0)
    seen = list(rng.normal(0.3, 0.1, (60, 500)).astype(np.float32))
    assert depart(seen[:59], 30) == 0.0
    assert depart(seen, 30) == pytest.approx(1, abs=0.15)
    moved = [*seen[:30], *(each + np.float32(0.1) for each in seen[30:])]
    assert depart(moved, 30) == pytest.approx(np.sqrt(1 + 30 / 2), rel=0.1)
