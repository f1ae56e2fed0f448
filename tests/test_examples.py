"""The board that was written from the page of the protocol alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import hil
from hil.cli.app import app
from hil.runs.folder import Run
from support.data_sets import write_xor
from support.paths import ROOT


@pytest.fixture
def address() -> Iterator[str]:
    command = [sys.executable, str(ROOT / "examples" / "board.py"), "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as board:
        assert board.stdout is not None
        yield board.stdout.readline().strip()
        board.kill()


@pytest.mark.parametrize("task", ["xor", pytest.param("digits", marks=pytest.mark.thorough)])
@pytest.mark.parametrize("observe", ["membrane", "spikes"])
def test_it_learns_the_same_weights_as_the_simulated_board(
    task: str, observe: str, address: str, tmp_path: Path
) -> None:
    name = write_xor(tmp_path, 60, 20) if task == "xor" else task
    weights = []
    for number, device in enumerate((address, "board:simulated://?seed=3")):
        given = {"network": {"hidden": [30, 12], "steps": 10}, "training": {"epochs": 1}}
        out = tmp_path / str(number)
        hil.train(name, device=device, observe=observe, out=out, **given)
        weights.append(Run.open(out).load_checkpoint() or {})
    names = [name for name in weights[0] if name.startswith(("weights/", "stored/"))]
    assert len(names) == 6
    for name in names:
        np.testing.assert_array_equal(weights[0][name], weights[1][name])


@pytest.mark.thorough
def test_it_is_what_the_contract_says(address: str) -> None:
    checked = CliRunner().invoke(app, ["check", address, "--json"])
    found = json.loads(checked.stdout)
    assert checked.exit_code == 0 and found["failed"] == 0 and found["passed"] > 50


def test_it_imports_nothing_of_spikeloop() -> None:
    text = ROOT.joinpath("examples", "board.py").read_text(encoding="utf-8")
    modules = {line.split()[1] for line in text.splitlines() if line.strip().startswith("import")}
    assert modules == {"os", "struct", "sys", "zlib", "tty"} and "\nfrom " not in text
    assert len([line for line in text.splitlines() if line.strip()]) <= 300
