"""The conformance kit: honest devices pass, and each wrong one fails the check meant for it."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import drivers
from device_models import neurons, profiles
from drivers import Device, ProbeOffer, WeightFormat
from drivers.conformance import CHECKS, Check, Harness, Outcome, run_check
from drivers.session import Recorded
from hil.cli.app import app
from support import matrix_device
from support.devices_abroad import Bursting, Flowing, IntegerChip, Resting, Shifting, Stranger
from support.good_device import Good
from support.paths import ROOT, tries
from support.tunable_device import Tunable
from support.wired_device import Wired
from support.wrong_devices import WRONG
from support.wrong_devices.runs import Fails

# Take seconds on an emulated chip, which states long runs and large networks.
LONG = "the-longest-run-is-counted", "stated-limits-are-taken", "each-input-acts"


def outcomes(connect: Any, *left_out: str) -> dict[str, Outcome]:
    with Harness(connect) as harness:
        found = [run_check(check, harness) for check in CHECKS if check.name not in left_out]
    return {each.check: each for each in found}


def verdicts(found: dict[str, Outcome], verdict: str) -> dict[str, str]:
    return {check: each.detail for check, each in found.items() if each.verdict == verdict}


def passes(connect: Any, *left_out: str) -> dict[str, str]:
    """No check fails; what was not applicable, and why."""
    found = outcomes(connect, *left_out)
    assert not verdicts(found, "failed")
    return verdicts(found, "not applicable")


def test_every_check_has_a_name_and_a_reason_of_one_line() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names) > 40
    for check in CHECKS:
        assert 20 < len(check.reason) < 100 and check.reason.count("\n") == 0


# -- honest devices ---------------------------------------------------------------------------


CHIPS = (
    "mixed-signal?chip=18&severity=2&adc_channels=3&adc_every=4&wander=0.02",
    "loihi?chip=15",
)
MORE_CHIPS = (
    "ideal?chip=3",
    "mixed-signal?chip=11",
    "dynap-se?chip=12",
    "brainscales-2?chip=13",
    "brainscales-2-raw?chip=14",
    "pcm-crossbar?chip=16",
    "rram-crossbar?chip=17",
    "ideal?chip=19&adc_after_reset=1",
    "mixed-signal?chip=20&adc_mean=1",
)


@pytest.mark.parametrize(
    "chip", [*CHIPS, *(pytest.param(chip, marks=pytest.mark.thorough) for chip in MORE_CHIPS)]
)
def test_emulated_chips_pass(chip: str) -> None:
    left_out = () if chip == MORE_CHIPS[0] else LONG
    not_applicable = passes(lambda: drivers.open(f"emulator:{chip}"), *left_out)
    assert len(not_applicable) <= 17 + len(GRAPHS), not_applicable


@pytest.mark.thorough
@pytest.mark.parametrize("neuron", neurons.names())
@pytest.mark.parametrize("profile", ["ideal", "mixed-signal"])
def test_every_neuron_passes(profile: str, neuron: str) -> None:
    passes(lambda: drivers.open(f"emulator:{profile}?neuron={neuron}"), *LONG)


def test_info_leaves_open_what_does_not_hold_of_a_neuron() -> None:
    with (
        drivers.open("emulator:ideal?neuron=izhikevich") as curved,
        drivers.open("emulator:ideal?neuron=lif-cond-exp") as conducting,
    ):
        assert (curved.info.neuron.decay, curved.info.neuron.refractory) == (None, None)
        assert (conducting.info.timing.input, conducting.info.timing.layer) == (None, None)


def test_every_profile_is_among_those_that_pass() -> None:
    assert {chip.partition("?")[0] for chip in CHIPS + MORE_CHIPS} == set(profiles.names())


def test_the_device_of_the_manual_passes() -> None:
    markdown = (ROOT / "docs" / "write_a_driver.md").read_text("utf-8")
    code = re.findall(r"^```python\n(.*?)^```", markdown, flags=re.M | re.S)[0]
    names: dict[str, Any] = {}
    exec(compile(ast.parse(code), "manual", "exec"), names)
    passes(lambda: names["Counter"].from_url("A7", {}))


# Not applicable to a device whose neurons fire once a step, and reset softly.
ONE_SPIKE = {"several-spikes-of-a-step-are-counted", "a-hard-reset-clears-as-stated"}
# What nobody states is measured and told.
UNKNOWN = {
    "refractory-steps-are-as-stated",
    "input-events-act-in-the-stated-step",
    "layer-events-act-in-the-stated-step",
}


FAULTS = {"faults-act-where-they-are-and-lift"}
SPARSE = {"a-sparse-projection-acts-as-a-dense-one"}
# Of recurrence, projections past layers, and delays.
GRAPHS = {
    "spikes-come-back-in-the-next-step",
    "projections-past-layers-act-at-their-place",
    "a-delay-makes-events-late",
    "each-synapse-has-its-own-delay",
    "events-under-way-are-carried-on",
    "a-run-from-reset-has-nothing-under-way",
}


def test_a_good_device_passes_every_check() -> None:
    left_out = passes(Good)
    assert left_out.keys() == ONE_SPIKE | UNKNOWN | GRAPHS | FAULTS | SPARSE
    assert not passes(Fails).keys() & FAULTS
    assert left_out["layer-events-act-in-the-stated-step"].endswith("measured: same_step")


def test_a_device_that_states_all_it_can_passes_every_check() -> None:
    assert not passes(Tunable).keys() & UNKNOWN


@pytest.mark.parametrize("device", [Shifting, Resting, Flowing, Bursting])
def test_devices_from_abroad_pass(device: type[Device]) -> None:
    passes(device)


@pytest.mark.parametrize("device", [Stranger, IntegerChip])
def test_a_strangers_device_passes_every_check(device: type[Device]) -> None:
    assert len(passes(device)) <= 19 + len(GRAPHS | FAULTS | SPARSE)


@pytest.mark.parametrize("arrival", ["same_step", "end_of_step", "next_step"])
def test_a_device_of_any_graph_passes_whenever_its_events_act(arrival: str) -> None:
    left_out = passes(type("Of" + arrival, (Wired,), {"arrival": arrival}))
    assert not left_out.keys() & (GRAPHS | UNKNOWN - {"refractory-steps-are-as-stated"})


@pytest.mark.parametrize("cell", matrix_device.cells()[::6], ids=matrix_device.address)
def test_devices_of_every_kind_pass(cell: dict[str, str]) -> None:
    passes(lambda: matrix_device.MatrixDevice(cell))


@pytest.mark.parametrize("sampled", ["before_reset", "after_reset"])
@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_devices_whose_events_act_at_the_end_of_a_step_pass(reset: str, sampled: str) -> None:
    cell = {"arrival": "end_of_step", "kind": "spikes", "reset": reset, "sampled": sampled}
    passes(lambda: matrix_device.MatrixDevice(cell))


class Positive(Good):
    """Stores no weight below zero."""

    facts: ClassVar = {"weights": (WeightFormat(0.01, 4.0, 64, signs="positive"),)}


class Leaking(Good):
    """A crossbar whose cells leak where a weight is zero."""

    facts: ClassVar = {"weights": (WeightFormat(0.01, 4.0, 63, residual=0.03),)}

    def weights(self) -> Any:
        return [w + 0.02 * s for w, s in zip(super().weights(), self._full_scale, strict=True)]


class Once(Stranger):
    """Its neurons fire once in a run, at the output."""

    facts: ClassVar = {"spikes_per_run": 1}

    def _run(self, *asked: Any) -> Any:
        found = super()._run(*asked)
        return replace(found, counts=np.minimum(found.counts, 1).astype(np.int32))


class Few(Stranger):
    """Takes sixteen events of a step."""

    facts: ClassVar = {"events_per_step": 16}


@pytest.mark.parametrize("device", [Positive, Leaking, Once, Few])
def test_what_a_device_states_of_weights_events_and_spikes_is_no_mistake(
    device: type[Device],
) -> None:
    passes(device)


KINDS = ("current", "current_trace", "spikes")
REDUCTIONS = ("none", "mean", "last")


def some(names: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(names), min_size=1, unique=True).map(tuple)


OFFERS = st.builds(
    lambda quantity, layers, reductions, every, neurons: ProbeOffer(
        quantity, layers, reductions, 1 if quantity == "spikes" else every, neurons
    ),
    st.sampled_from(["spikes", "membrane"]),
    st.sampled_from(["any", "hidden", "output"]),
    some(REDUCTIONS),
    st.integers(1, 5),
    st.sampled_from([None, 1, 2, 5, 100]),
)
FACTS = st.fixed_dictionaries(
    {
        "layers": st.integers(1, 3),
        "inputs": st.integers(1, 96),
        "neurons": st.integers(1, 24),
        "batch": st.integers(1, 20),
        "steps": st.integers(5, 120),
        "stimuli": some(KINDS),
        "probes": st.lists(OFFERS, max_size=3).map(tuple),
        "weights": st.builds(
            lambda low, span, levels: (WeightFormat(low, low * span, levels),),
            st.floats(0.01, 3.0),
            st.floats(1.0, 300.0),
            st.sampled_from([None, 2, 3, 4, 15, 16, 63, 255, 1001]),
        ),
        "deterministic": st.booleans(),
        "resumable": st.booleans(),
    }
)


@given(facts=FACTS, noise=st.sampled_from([0.0, 0.0, 0.01, 0.05]))
@settings(max_examples=tries(5, 40))
def test_an_honest_device_passes_whatever_it_states(facts: dict[str, Any], noise: float) -> None:
    honest = type("Honest", (Good,), {"facts": facts, "noise": noise})
    passes(honest)


# -- wrong devices ----------------------------------------------------------------------------


each_wrong = pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)


def fails_as_meant(wrong: type[Device], checks: Sequence[Check]) -> None:
    with Harness(wrong) as harness:
        found = {each.check: each for each in (run_check(check, harness) for check in checks)}
    failed = verdicts(found, "failed")
    expected: str = wrong.caught_by  # type: ignore[attr-defined]
    assert expected in failed
    assert failed[expected] and "\n" not in failed[expected]


@each_wrong
def test_a_wrong_device_fails_the_check_that_is_meant_for_it(wrong: type[Device]) -> None:
    meant = [check for check in CHECKS if check.name == wrong.caught_by]  # type: ignore[attr-defined]
    fails_as_meant(wrong, 2 * meant)  # the first time nothing may have come before


@pytest.mark.thorough
@each_wrong
def test_a_wrong_device_fails_it_among_all_others(wrong: type[Device]) -> None:
    fails_as_meant(wrong, CHECKS)


def test_every_check_fails_for_some_device() -> None:
    assert {wrong.caught_by for wrong in WRONG} == {check.name for check in CHECKS}  # type: ignore[attr-defined]


def test_a_driver_that_crashes_fails_and_is_opened_anew() -> None:
    opened: list[Device] = []

    class Crashing(Good):
        def _write(self, projection, weights):  # type: ignore[no-untyped-def]
            if weights.min() < 0:
                raise KeyError("no such\nrow")
            return super()._write(projection, weights)

    def connect() -> Device:
        opened.append(Crashing())
        return opened[-1]

    found = outcomes(connect)
    failed = verdicts(found, "failed")
    assert "Crashing._write raised KeyError: 'no such" in failed["negative-weights-do-not-excite"]
    assert found["same-trial-same-run"].verdict == "passed"
    assert len(opened) > len(failed)
    for device in opened:
        with pytest.raises(drivers.DeviceClosed):
            device.reset()


# -- recordings -------------------------------------------------------------------------------


def test_a_recorded_check_replays_with_the_same_verdicts(tmp_path: Path) -> None:
    path = tmp_path / "a.session"
    devices = iter([Recorded(Good(), path)])
    recorded = outcomes(lambda: next(devices, None) or Good())
    replayed = outcomes(lambda: drivers.open(f"replay:{path}"))
    assert {c: o.verdict for c, o in replayed.items()} == {
        c: o.verdict for c, o in recorded.items()
    }


def test_a_recorded_training_is_no_device_to_check(tmp_path: Path) -> None:
    path = tmp_path / "a.session"
    with drivers.open("emulator:ideal", record=path) as device:
        device.configure(drivers.Network.feed_forward((4, 3)))
    found = outcomes(lambda: drivers.open(f"replay:{path}"))
    assert not verdicts(found, "failed")
    assert "recorded" in found["same-trial-same-run"].detail


# -- the command and the plugin ---------------------------------------------------------------


@pytest.fixture
def scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    """`good:` and `wrong:`, as drivers of other packages would be."""
    known = {
        "good": "support.good_device:Good",
        "wrong": "support.wrong_devices.probes:CountsAStepLess",
    }
    monkeypatch.setattr("drivers.registry.BUILTIN", known)


def command(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_command_prints_a_table_and_tells_by_its_exit_code(scheme: None) -> None:
    good = command("check", "good:")
    lines = good.stdout.splitlines()
    assert good.exit_code == 0 and good.stderr == ""
    left_out = 5 + len(GRAPHS | FAULTS | SPARSE)
    assert lines[-1] == f"{len(CHECKS) - left_out} passed, 0 failed, {left_out} not applicable"
    assert [line.split("\t")[0] for line in lines[1:-2]] == [check.name for check in CHECKS]
    assert "timing.layer same_step" in lines[-2] and "spikes of hidden layers" in lines[-2]
    wrong = command("check", "wrong:")
    assert wrong.exit_code == 1
    row = next(r for r in wrong.stdout.splitlines() if r.startswith("counts-agree-with-the-raster"))
    assert row.split("\t")[1] == "failed" and "the raster has" in row


def test_the_command_as_json(scheme: None) -> None:
    found = json.loads(command("check", "wrong:", "--json").stdout)
    assert found["device"] == "wrong:" and len(found["checks"]) == len(CHECKS)
    assert found["passed"] + found["failed"] + found["not_applicable"] == len(CHECKS)
    failed = [each["check"] for each in found["checks"] if each["verdict"] == "failed"]
    assert "counts-agree-with-the-raster" in failed and found["failed"] == len(failed)


def test_the_command_records(scheme: None, tmp_path: Path) -> None:
    path = tmp_path / "a.session"
    assert command("check", "good:", "--record", path).exit_code == 0
    again = command("check", "good:", "--record", path)
    assert again.exit_code == 2 and "exists already" in again.stderr


@pytest.mark.parametrize("address", ["none:", "emulator:idael", "nothing"])
def test_a_device_that_cannot_be_opened_is_no_failed_check(address: str) -> None:
    result = command("check", address)
    assert result.exit_code == 2 and result.stderr.count("\n") == 1 and result.stdout == ""


PLUGIN = """
from drivers.registry import BUILTIN
BUILTIN.update(good="support.good_device:Good", wrong="support.wrong_devices.weights:LosesSigns")
"""


def run_pytest(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Pytest elsewhere, as whoever installed spikeloop runs it."""
    (folder / "conftest.py").write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT / 'tests')!r})\n"
        f"import drivers.registry\n{PLUGIN}\n"
    )
    (folder / "test_own.py").write_text("def test_own(): pass\n")
    # Named anew where it is installed already, so that it need not be.
    plugin = ["-p", "drivers.conformance.plugin"] if not _installed() else []
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", *plugin, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def _installed() -> bool:
    from importlib.metadata import entry_points

    return any(p.value == "drivers.conformance.plugin" for p in entry_points(group="pytest11"))


def test_the_plugin_runs_the_checks_beside_other_tests(tmp_path: Path) -> None:
    good = run_pytest(tmp_path, "--device", "good:")
    assert good.returncode == 0, good.stdout
    skipped = 5 + len(GRAPHS | FAULTS | SPARSE)
    assert f"{len(CHECKS) + 1 - skipped} passed, {skipped} skipped" in good.stdout  # and test_own
    wrong = run_pytest(tmp_path, "--device", "wrong:")
    assert wrong.returncode == 1
    assert (
        "FAILED" in wrong.stdout
        and "test_conformance[negative-weights-do-not-excite]" in wrong.stdout
    )
    assert " failed, " in wrong.stdout


def test_the_plugin_by_the_name_of_the_package(tmp_path: Path) -> None:
    alone = run_pytest(
        tmp_path, "--pyargs", "drivers.conformance", "--device", "emulator:ideal", "-k", "weights"
    )
    assert "6 passed" in alone.stdout, alone.stdout + alone.stderr
    without = run_pytest(tmp_path, "--pyargs", "drivers.conformance")
    assert without.returncode == 4 and "give --device ADDRESS" in without.stderr


def test_without_a_device_the_plugin_stays_out_of_the_way(tmp_path: Path) -> None:
    plain = run_pytest(tmp_path)
    assert plain.returncode == 0 and "1 passed" in plain.stdout
    none = run_pytest(tmp_path, "--device", "nothing:1", "-x")
    assert none.returncode == 1 and "no driver for 'nothing'" in none.stdout
