"""What nobody asked for is chosen by what the device states; what was asked for is not changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers import (
    CapacityError,
    DeviceError,
    DeviceInfo,
    ProbeOffer,
    Setting,
    SettingError,
    StimulusError,
)
from drivers.registry import BUILTIN
from hil import api, config, tasks
from hil.loop import mapping
from hil.loop.defaults import Choice, find_open_settings, resolve_defaults
from hil.runs.folder import Run
from hil.studies.plan import Job
from hil.studies.trial import evaluate
from support.command_line import command
from support.devices_abroad import IntegerChip
from support.good_device import INFO
from support.restated import restated

ROOM: dict[str, Any] = {"neurons": 1000, "inputs": 1000, "batch": 100}
ANY = restated(INFO, synapses=None, **ROOM)
DATA = tasks.load("digits", 0, 0.1)


@pytest.fixture(autouse=True)
def stranger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setitem(BUILTIN, "integer", "support.devices_abroad:IntegerChip")
    monkeypatch.chdir(tmp_path)
    yield


def settled(
    info: DeviceInfo, *layers: Mapping[str, Any], starts: bool = False
) -> tuple[config.Config, tuple[Choice, ...]]:
    return resolve_defaults(
        config.build(*layers), find_open_settings(*layers, starts=starts), info, DATA
    )


def chosen(info: DeviceInfo, *layers: Mapping[str, Any]) -> dict[str, Any]:
    return {choice.setting: choice.value for choice in settled(info, *layers)[1]}


def test_nothing_is_chosen_where_the_device_takes_everything() -> None:
    found, choices = settled(ANY)
    assert choices == ()
    assert found == config.build()


@pytest.mark.parametrize("most", [1, 3])
def test_homeostasis_aims_at_a_rate_that_can_be(most: int) -> None:
    neuron = replace(ANY.neuron, spikes_per_step=most)
    info = replace(ANY, neuron=neuron)
    found, _ = settled(info, {"homeostasis": {"target": float(most)}})
    assert found.homeostasis.target == most
    with pytest.raises(SettingError, match=f"fires at most {most}: give 0 to {most}"):
        settled(info, {"homeostasis": {"target": most + 0.01}})


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"batch": 7}, {}),
        ({"steps": 9}, {"network.steps": 9}),
        ({"neurons": 64}, {"network.hidden": [64]}),
        ({"fan_in": 70}, {"network.hidden": [70]}),
        ({"synapses": 6000}, {"network.hidden": [81]}),
        ({"layers": 1}, {"network.hidden": []}),
        ({"stimuli": ("current_trace",)}, {}),
        (
            {"stimuli": ("spikes",)},
            {
                "encoding.name": "regular",
                "optimiser.learning_rate": 0.01,
                "network.initial_scale": 0.3,
            },
        ),
        (
            {"reset": "hard"},
            {"optimiser.learning_rate": 0.01, "encoding.gain": 2.0},
        ),
        ({"probes": (ProbeOffer("spikes"),)}, {"observe": "spikes"}),
        (
            {"probes": (ProbeOffer("spikes"), ProbeOffer("membrane", "output"))},
            {"observe": "spikes"},
        ),
        ({"probes": (ProbeOffer("membrane", "any", neurons=1),)}, {"observe": "output"}),
        ({"probes": (ProbeOffer("membrane", "any", neurons=64),)}, {}),
    ],
)
def test_each_fact_asks_for_its_own_settings(
    facts: dict[str, Any], expected: dict[str, Any]
) -> None:
    info = restated(ANY, **facts)
    found, choices = settled(info)
    assert {choice.setting: choice.value for choice in choices} == expected
    sections = found.model_dump()
    for name, value in expected.items():
        section, _, key = name.partition(".")
        kept = sections[section][key] if key else sections[section]
        assert (list(kept) if isinstance(kept, tuple) else kept) == value
    assert all(re.fullmatch(r"\S+ = \S+: [^\n]+", str(choice)) for choice in choices)
    assert resolve_defaults(found, (), info, DATA) == (found, ())  # a repeated run chooses nothing


@pytest.mark.parametrize(
    "asked",
    [
        {"rule": {"name": "bptt"}},
        {"rule": {"clock": "trace"}},
        {"activity": {"estimator": "fused"}},
    ],
)
def test_what_reads_hidden_membranes_reads_them_though_it_is_slow(asked: dict[str, Any]) -> None:
    offer = ProbeOffer("membrane", "any", reductions=("none", "mean"), neurons=1)
    assert "observe" not in chosen(restated(ANY, probes=(offer,)), asked)


@pytest.mark.parametrize(
    ("facts", "asked", "remedy"),
    [
        ({"steps": 9}, {"network": {"steps": 10}}, "network.steps=9"),
        ({"stimuli": ("spikes",)}, {"encoding": {"name": "current"}}, "encoding.name=regular"),
        ({"stimuli": ("spikes",)}, {"encoding": {"gain": 2.0}}, "encoding.name=regular"),
        ({"stimuli": ("current",)}, {"encoding": {"name": "poisson"}}, "encoding.name=current"),
        ({"neurons": 64}, {"network": {"hidden": [65]}}, "network.hidden=[64]"),
        ({"layers": 2}, {"network": {"hidden": [5, 5]}}, "network.hidden=[5]"),
        ({"layers": 1}, {"network": {"hidden": [5]}}, "network.hidden=[]"),
        ({"inputs": 63}, {}, "fewer features"),
        ({"fan_in": 63}, {}, "63 synapses that reach a neuron"),
        ({"fan_in": 64}, {"network": {"hidden": [65]}}, "network.hidden=[64]"),
        ({"synapses": 600}, {"network": {"hidden": [9]}}, "network.hidden=[8]"),
        ({"neurons": 9}, {}, "fewer classes"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_remedy_that_works(
    facts: dict[str, Any], asked: dict[str, Any], remedy: str
) -> None:
    info = restated(ANY, **facts)
    with pytest.raises((StimulusError, CapacityError)) as error:
        settled(info, asked)
    message = str(error.value)
    assert remedy in message
    assert "\n" not in message
    if "=" in remedy:
        settled(info, asked, config.parse_assignments([remedy]))


@pytest.mark.parametrize(
    ("facts", "hidden", "kappa"),
    [
        ({"layer": "end_of_step"}, [9], None),
        ({"layer": "end_of_step", "reset": "hard"}, [9], 20),
        ({"layer": "end_of_step", "reset": "hard"}, [], None),  # its output is driven by a current
        (
            {"layer": "end_of_step", "reset": "hard", "hard_reset_clears_events": False},
            [9],
            None,
        ),
        ({"layer": "next_step", "reset": "hard"}, [9], None),
        ({"layer": "end_of_step", "reset": "hard", "refractory": 2}, [9], 40),
        ({"refractory": 2}, [9], 30),
        ({"refractory": 2, "spikes_per_step": 5}, [9], None),
    ],
)
def test_logits_make_up_for_steps_in_which_no_output_can_fire(
    facts: dict[str, Any], hidden: list[int], kappa: float | None
) -> None:
    found = chosen(restated(ANY, **facts), {"network": {"hidden": hidden}})
    assert found.get("readout.kappa") == kappa


def test_what_was_asked_for_stays() -> None:
    asked = {
        "optimiser": {"learning_rate": 0.002},
        "readout": {"kappa": 9.0},
        "encoding": {"name": "poisson"},
        "network": {"initial_scale": 0.7},
        "training": {"batch": 3},
        "observe": "membrane",
    }
    info = restated(ANY, reset="hard", stimuli=("spikes",), refractory=3)
    found, choices = settled(info, asked)
    assert choices == ()
    assert found == config.build(asked)


@pytest.mark.parametrize(
    ("refractory", "unit", "default", "rests"),
    [
        (2, "s", 0.0, True),
        (0, "s", 2e-3, False),  # what is stated holds
        (None, "s", 2e-3, True),
        (None, "s", 1e-3, False),  # the step of the spike alone
        (None, "steps", 1, True),
        (None, "steps", 0, False),
    ],
)
def test_a_neuron_that_rests_is_not_driven_harder_for_its_hard_reset(
    refractory: int | None, unit: str, default: float, rests: bool
) -> None:
    time = Setting("rest", unit, 0, 10, default, "Rest after a spike.", role="refractory")
    info = restated(ANY, reset="hard", refractory=refractory, settings=(time,), dt=1e-3)
    found = chosen(info)
    assert found["optimiser.learning_rate"] == (0.005 if rests else 0.01)
    assert ("encoding.gain" in found) != rests


def test_tasks_and_rules_have_their_say() -> None:
    hard = restated(ANY, reset="hard")
    assert "encoding.gain" not in chosen(hard, {"task": "yinyang"})  # 3 by the task
    tuned = {"task": "mnist", "rule": {"name": "bp"}}
    assert "optimiser.learning_rate" not in chosen(hard, tuned)
    spikes = restated(ANY, stimuli=("spikes",))
    found, _ = settled(spikes, {"task": "yinyang"})
    assert found.encoding == {"name": "regular", "max_rate": 1.0, "bias": 0.5, "hold": 1}


def test_a_run_that_starts_from_another_takes_its_learning_settings() -> None:
    info = restated(ANY, reset="hard", stimuli=("spikes",), steps=7)
    _, choices = settled(info, starts=True)
    assert [choice.setting for choice in choices] == ["encoding.name", "network.steps"]


def test_a_current_is_given_step_by_step_where_the_device_takes_it_only_so() -> None:
    x = np.random.default_rng(0).random((3, 4), dtype=np.float32)
    built, rng = config.build(), np.random.default_rng(0)
    constant = mapping.encoder(built, ANY)(x, rng)
    trace = mapping.encoder(built, restated(ANY, stimuli=("current_trace",)))(x, rng)
    assert (constant.kind, trace.kind) == ("current", "current_trace")
    assert trace.data.shape == (built.network.steps, 3, 4)
    assert (trace.data == constant.data).all()


# -- a stranger's device, as a user has it --------------------------------------------------------


def test_a_strangers_device_trains_without_an_option() -> None:
    done = command("train", "digits", "--device", "integer:", "--epochs", "1")
    assert done.exit_code == 0, done.output
    lines = re.findall(r"^hil: (\S+ = .+?): ", done.stderr, re.MULTILINE)
    said = [pair for line in lines for pair in re.findall(r"(\S+) = ([^,]+)", line)]
    assert ("encoding.name", "regular") in said
    run = Run.open(Path("runs/digits-adfa-seed0"))
    kept = json.loads((run.path / "environment.json").read_text())
    resolved = [*kept["measured"].items(), *((c["setting"], c["value"]) for c in kept["chosen"])]
    assert [(name, str(value)) for name, value in resolved] == said
    assert run.config().training.batch == 50
    assert run.config().encoding["name"] == "regular"
    page = (run.path / "report.html").read_text()
    assert all(f"{c['setting']} = {c['value']}: {c['reason']}" in page for c in kept["chosen"])
    assert all(f"{name} = {value}" in page for name, value in kept["measured"].items())


def test_a_strangers_device_learns_when_its_spikes_are_seen() -> None:
    result = api.train("digits", device="integer:", observe="spikes", training={"epochs": 12})
    assert result.test_accuracy >= 0.95


def test_a_trial_makes_the_choices_of_a_run(tmp_path: Path) -> None:
    asked = {"device": "integer:", "training": {"epochs": 1}, "observe": "spikes"}
    text = json.dumps(config.build(asked).model_dump(mode="json"))
    outcome, _ = evaluate(Job(text, open_settings=tuple(find_open_settings(asked))))
    result = api.train(out=tmp_path / "run", **asked)
    assert outcome["test_accuracy"] == result.test_accuracy
    assert "error" in evaluate(Job(text))[0]  # where all of it counts as asked for


def test_a_network_is_deployed_on_a_device_that_takes_less(tmp_path: Path) -> None:
    small = {"network": {"hidden": [20]}, "training": {"epochs": 1}}
    result = api.train("digits", device="emulator:ideal", out=tmp_path / "run", **small)
    found = api.evaluate(result.path, "integer:")
    assert 0 <= found["test_accuracy"] <= 1


def test_the_strangers_device_is_conforming() -> None:
    done = command("check", "integer:")
    assert done.exit_code == 0, done.output
    with pytest.raises(DeviceError):
        IntegerChip.from_url("elsewhere", {})
