"""The league: who is in it, who is missing, whose spikes are the same, and that it runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import numpy as np
import pandas
import pytest

from support.benchmark_programs import loaded
from support.paths import ROOT, tries
from support.read_kinds import KINDS, ending, made

PROGRAM = ROOT / "benchmarks" / "league.py"


@pytest.fixture
def league(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """The modules of the league by name, as the program finds them."""
    monkeypatch.syspath_prepend(str(PROGRAM.parent))
    return {name: import_module(f"league.{name}") for name in ("contest", "entrant", "network")}


def told(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_every_file_is_an_entrant_and_ours_come_first(league: dict[str, ModuleType]) -> None:
    entrants = league["entrant"].found()
    files = {path.stem for path in (PROGRAM.parent / "league" / "entrants").glob("[!_]*.py")}
    for name in files:
        assert any(name in entrant.packages for entrant in entrants), name
    for contest in ("training step", "emulation"):
        first = next(entrant for entrant in entrants if entrant.contest == contest)
        assert first.packages[0] == "spikeloop"
    assert len({(entrant.contest, entrant.name) for entrant in entrants}) == len(entrants)


def test_who_is_missing_is_said_with_the_command_that_installs_it(
    league: dict[str, ModuleType],
) -> None:
    def never(_: Any) -> None:
        raise AssertionError("prepared without its package")

    module = league["entrant"]
    absent = module.Entrant("Absent", "emulation", "-", ("no-such-package-9",), never)
    broken = module.Entrant("Broken", "emulation", "-", ("numpy",), never)
    network = league["network"].drawn((8, 6, 2), steps=4, batch=2)
    rows = league["contest"].held([absent, broken], network, repeats=1)
    assert [row.ms for row in rows] == [None, None]
    assert rows[0].missing == "not installed: pip install no-such-package-9"
    assert rows[1].missing == "fails: AssertionError: prepared without its package"


def test_ours_and_textbook_brian2_spike_alike(league: dict[str, ModuleType]) -> None:
    """Both rules and the emulator alone run the network that Brian2 runs."""
    network = league["network"].drawn((40, 30, 5), steps=20, batch=3)
    spikes = {}
    for entrant in league["entrant"].found("brian2, numpy"):
        if not entrant.other:
            ready = entrant.prepare(network)
            spikes[entrant.contest, entrant.name] = ready.spikes()
            ready.close()
    expected = spikes.pop(("emulation", "Brian2, numpy"))
    assert expected.shape == (20, 3, 5) and 10 < np.count_nonzero(expected) < 200
    assert len(spikes) == 3
    for found in spikes.values():
        np.testing.assert_array_equal(found, expected)


def test_a_difference_is_told_and_so_is_a_shift(league: dict[str, ModuleType]) -> None:
    difference = league["contest"].difference
    ours = np.random.default_rng(0).random((12, 4, 3)) < 0.3
    earlier = np.concatenate([ours[2:], ours[:2]])[:, :3]
    total = np.count_nonzero(ours[2:, :3])
    assert difference(ours, ours, 2) == f"all {np.count_nonzero(ours)} the same"
    assert difference(ours, earlier, 2) == f"all {total} the same, 2 steps earlier"
    earlier[5, 1, 1] ^= True
    more = earlier[5, 1, 1]
    expected = f"{total - 1 + more} of {total} the same, {int(more)} others, 2 steps earlier"
    assert difference(ours, earlier, 2) == expected


def test_it_runs_and_times_are_relative_to_ours(tmp_path: Path) -> None:
    plot = tmp_path / "growth.png"
    ran = told("--quick", "--only", "Brian2, numpy", "--json", "--plot", str(plot))
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    rows = {(row["contest"], row["name"]): row for row in found["rows"]}
    ours, other = (rows["emulation", name] for name in ("spikeloop, ideal", "Brian2, numpy"))
    assert ours["ratio"] == 1 and other["ratio"] == pytest.approx(other["ms"] / ours["ms"])
    assert "the same" in other["spikes"] and other["version"]
    assert found["machine"]["threads"] == 1 and found["machine"]["CPU"]
    assert plot.read_bytes().startswith(b"\x89PNG")
    for axis, lines in found["growth"].items():
        assert lines["spikeloop, ideal"][0][1] > 0, axis


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--only", "nobody"], "no entrant is called 'nobody': known are Brian2, cython"),
        (["--plot", "no-such-folder/x.png"], "give FILE.png in a folder that is there"),
        (["--plot", "growth.xyz"], "give FILE.png in a folder that is there"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_line(options: list[str], said: str) -> None:
    ran = told(*options)
    assert ran.returncode == 2 and ran.stdout == ""
    assert said in ran.stderr.splitlines()[-1]


def test_a_step_reaches_the_engine_in_few_frames_and_few_calls() -> None:
    pytest.importorskip("numba")  # without, the chip runs in Brian2's code, object by object
    calls = loaded("step_calls").count_step()
    assert any("controller.py:_step" in name or "decode" in name for name in calls.functions)
    assert 2 < calls.deepest <= 12
    assert 50 < calls.own <= 290 and calls.own < calls.total <= 410


DAMAGED = tries(50, 1000)  # files of each kind


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_file_is_read_or_refused_in_one_line(name: str, world: Path) -> None:
    kind = KINDS[name]
    path = next(iter(sorted(world.glob(kind.file))))
    good = path.read_bytes()
    ends: Counter[str] = Counter()
    before = sorted(world.rglob("*"))
    try:
        assert ending(kind, path) == "read"
        for seed in range(DAMAGED):
            path.write_bytes(kind.damage(good, Random(seed)))
            try:
                ends[ending(kind, path)] += 1
            except BaseException as error:
                error.add_note(f"{name}, seed {seed}: {path.read_bytes()[:2000]!r}")
                raise
    finally:
        path.write_bytes(good)
    assert ends["refused"] > DAMAGED / 4, ends
    assert sorted(world.rglob("*")) == before


@pytest.fixture(scope="module")
def figures() -> ModuleType:
    return loaded("figures")


def test_every_figure_stands_in_its_page(figures: ModuleType) -> None:
    listed = figures.read()
    assert len({(figure.page, figure.says) for figure in listed}) == len(listed)
    for figure in listed:
        page = (ROOT / figure.page).read_text(encoding="utf-8")
        assert figure.text in page or figure.text in " ".join(page.split()), figure.text


def test_a_page_that_says_something_else_is_found(figures: ModuleType) -> None:
    figure = figures.Figure("README.md", "{} %", "98.6", "true", within=0.3, key="a", factor=100)
    assert figure.text == "98.6 %"
    output = 'other\n{"a": 0.983}\n'
    assert figure.measured(output) == pytest.approx(98.3)
    assert figure.holds(98.31) and not figure.holds(98.29) and not figure.holds(98.91)


def test_the_figures_are_measured_where_every_change_passes() -> None:
    assert "python benchmarks/figures.py" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_a_winner_is_predicted_where_features_tell_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Of four profiles, one rule suits a third of the chips and the other the rest, by 10."""
    hard = np.tile([1.0, 0.0, 0.0], 8)
    index = [f"emulator:{'abcd'[n // 6]}?chip={n}" for n in range(24)]
    reached = pandas.DataFrame({"one": 80 + 10 * hard, "other": 90 - 10 * hard}, index)
    loaded("winner").predict_winners(np.stack([hard, np.full(24, np.nan)], 1), reached)
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    blind, sighted = rows[:2], rows[2:]
    assert {(right, regret) for _, right, _, regret, _ in sighted} == {("24 of 24", "0.0")}
    assert {(right, regret, most) for _, right, _, regret, most in blind} == {
        ("16 of 24", "3.3", "10.0")
    }
