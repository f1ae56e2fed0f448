"""Timing, measured on devices whose timing is known, and statements that are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import drivers
from drivers import DeviceInfo
from drivers.contract.info import Arrival, Timing
from hil.characterisation import timing
from hil.characterisation.survey import survey
from hil.characterisation.timing import Difference, MeasuredTiming, fill_timing
from hil.learning.nominal_neuron import NominalNeuron, simulate
from support.devices_abroad import Stranger
from support.matrix_device import OPTIONS, MatrixDevice
from support.tunable_device import Tunable

# A pair of every reset with every arrival, under every sampling, reduction and input.
CELLS = [
    dict(zip(OPTIONS, values, strict=True))
    for number, values in enumerate(product(*OPTIONS.values()))
    if number % 5 == 0
]


class Mute(MatrixDevice):
    """The same device, by a maker who does not know its timing."""

    @property
    def info(self) -> DeviceInfo:
        """What it is and shows, but not when events act."""
        return replace(super().info, timing=Timing(dt=1e-3))


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: "-".join(cell.values()))
def test_an_unknown_timing_is_measured(cell: Mapping[str, str]) -> None:
    found = timing.measure(Mute(cell))
    assert found.timing.input == ("same_step" if cell["kind"] == "spikes" else None)
    assert found.timing.layer == cell["arrival"]
    assert found.reset == cell["reset"]
    assert found.sampled == {"output": cell["sampled"], "hidden": cell["sampled"]}
    if cell["reset"] == "hard" and cell["arrival"] == "end_of_step":
        assert found.timing.hard_reset_clears_events
    if cell["kind"] == "spikes":
        assert found.timing.events_add
    assert not [*found.differences(MatrixDevice(cell).info)]


@pytest.mark.parametrize("rests", [0, 1, 3])
def test_unknown_neurons_are_measured_whose_thresholds_differ(rests: int) -> None:
    class Resting(Tunable):
        """Hard resets, a fifth of spread, and a maker who knows none of it."""

        facts = dict.fromkeys(("reset", "decay", "refractory", "input", "layer"))
        refractory = rests

        def threshold(self, millivolts: float) -> Any:
            spread = np.random.default_rng(5).normal(1, 0.2, 32)
            return super().threshold(millivolts) * spread.clip(0.5, 1.5)

    found = timing.measure(Resting())
    assert (found.reset, found.refractory, found.timing.input) == ("hard", rests, "same_step")
    assert found.decay == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize(
    ("address", "stated"),
    [
        ("emulator:mixed-signal?chip=5", ("end_of_step", "end_of_step", "soft")),
        ("emulator:mixed-signal?chip=6&severity=2&reset=hard", ("end_of_step",) * 2 + ("hard",)),
        ("emulator:loihi", ("next_step", "next_step", "hard")),
    ],
)
def test_emulated_chips_are_timed_as_they_are_built(
    address: str, stated: tuple[Arrival, Arrival, str]
) -> None:
    with drivers.open(address) as device:
        found = timing.measure(device)
    assert (found.timing.input, found.timing.layer, found.reset) == stated


class Restated(MatrixDevice):
    """A device whose maker is mistaken."""

    changes: Mapping[str, Any] = {}

    @property
    def info(self) -> DeviceInfo:
        """What its maker believes."""
        info = super().info
        neuron = replace(info.neuron, **self.changes.get("neuron", {}))
        return replace(
            info, neuron=neuron, timing=replace(info.timing, **self.changes.get("timing", {}))
        )


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"timing": {"layer": "same_step"}}, ("timing.layer", "same_step", "next_step")),
        ({"timing": {"input": "next_step"}}, ("timing.input", "next_step", "same_step")),
        ({"neuron": {"reset": "soft"}}, ("neuron.reset", "soft", "hard")),
        ({"timing": {"events_add": False}}, ("timing.events_add", False, True)),
    ],
)
def test_a_wrong_statement_is_named_and_not_believed(
    changes: Mapping[str, Any], difference: tuple[str, Any, Any]
) -> None:
    kind = type("Mistaken", (Restated,), {"changes": changes})
    device = kind({"reset": "hard", "kind": "spikes", "arrival": "next_step"})
    found = survey(device, (16, 12, 8))
    assert found.differences == (Difference(*difference),)
    for number, layer in enumerate(found.neurons):
        assert layer is not None
        truth = device._thresholds[number] / device._gains[number]
        assert np.median(np.abs(layer.threshold_over_gain.value / truth - 1)) < 0.05


def test_a_device_that_takes_one_event_in_a_step_is_measured_all_the_same() -> None:
    class Single(Stranger):
        def _run(self, stimulus: Any, probes: Any, trial: Any, carry: bool) -> Any:
            if stimulus.dense().max() > 1:
                raise drivers.StimulusError("one event of a channel in a step")
            return super()._run(stimulus, probes, trial, carry)

    found = timing.measure(Single()).timing
    assert (found.input, found.layer, found.events_add) == ("same_step", "same_step", None)


def test_what_is_stated_stands_before_what_is_measured() -> None:
    stated = Timing(dt=1e-3, input="same_step", events_add=False)
    measured = Timing(dt=1e-3, input="next_step", layer="end_of_step", events_add=True)
    assert fill_timing(stated, measured) == replace(stated, layer="end_of_step")
    assert MeasuredTiming(Timing(dt=1e-3)).fill_from(Stranger().info).reset == "hard"


@given(
    charge=st.lists(st.floats(-1, 3), min_size=3, max_size=20),
    decay=st.floats(0.3, 1.0),
    reset=st.sampled_from(["soft", "hard"]),
    arrival=st.sampled_from(["same_step", "end_of_step", "next_step"]),
    clears=st.booleans(),
)
@settings(max_examples=100)
def test_a_neuron_keeps_what_it_gets(
    charge: list[float], decay: float, reset: Any, arrival: Arrival, clears: bool
) -> None:
    """The oracle is the balance of each step, in which nothing is lost but what may be."""
    done = simulate(NominalNeuron(decay, reset, arrival, clears), np.array(charge))
    came = {
        "same_step": charge,
        "next_step": [0.0, *charge[:-1]],
        "end_of_step": [0.0] * len(charge),
    }[arrival]
    for t, spikes in enumerate(done.spikes):
        kept = decay * (done.after[t - 1] if t else 0.0) + came[t]
        late = charge[t] if arrival == "end_of_step" else 0.0
        assert done.before[t] == pytest.approx(kept)
        assert (spikes == 1) == (kept >= 1 - 1e-9)
        left = kept + late
        if spikes and reset == "soft":
            left -= 1
        elif spikes:
            left = 0.0 if clears else late
        assert done.after[t] == pytest.approx(left)
