"""Faults through the contract: each kind against plain Brian2 with the fault put in by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import drivers
import hil
from drivers import Device, Fault, Network, Probe, Readout, SettingError, Stimulus
from drivers.contract.faults import KINDS, SYNAPSE_FAULTS, complete_faults
from drivers.contract.requests import complete_network
from drivers.faulty import FaultyWeights
from support.plain_brian2 import Change, Textbook

SIZES, STEPS, WHO, BITS, SCALE = (8, 10, 5), 40, 3, 6, 2.0
URL = f"emulator:ideal?t_refractory=0.002&weight_bits={BITS}"
UNIT = SCALE / (2 ** (BITS - 1) - 1)
WINDOW = (9, 26)
RNG = np.random.default_rng(3)
EVENTS = (RNG.random((STEPS, SIZES[0])) < 0.3).astype(float)
# Irrational shares of the levels would be ties in one precision and not in the other.
WEIGHTS = [UNIT * RNG.integers(-8, 20, shape).astype(float) for shape in pairwise(SIZES)]


def mapped(url: str = URL) -> Device:
    device = drivers.open(url)
    device.configure(Network.feed_forward(SIZES, [SCALE] * 2))
    for p, weights in enumerate(WEIGHTS):
        device.write_weights(p, weights)
    return device


def run(device: Device, trial: int = 1) -> Readout:
    stimulus = Stimulus.of("spikes", EVENTS[:, np.newaxis])
    probes = [Probe(layer, "spikes") for layer in (1, 2)]
    return device.run(stimulus, [*probes, Probe(1, "membrane")], trial=trial)


def rasters(readout: Readout) -> list[NDArray[np.bool_]]:
    return [np.asarray(readout.samples[Probe(n, "spikes")])[:, 0] > 0 for n in (1, 2)]


def on_neurons(name: str, factor: float) -> Change:
    def change(groups: list[Any], _: list[Any]) -> None:
        values = getattr(groups[0], name)
        values[WHO] = values[WHO] * factor

    return change


def on_synapses(act: Callable[[float], float]) -> Change:
    def change(_: list[Any], synapses: list[Any]) -> None:
        synapses[1].w[17] = act(float(synapses[1].w[17]))

    return change


def flip(weight: float) -> float:
    """Flip bit 3 of the code as text, which has nothing in common with arithmetic."""
    code = round(weight / UNIT) % 2**BITS
    digits = [*f"{code:0{BITS}b}"]
    digits[-4] = "10"[int(digits[-4])]
    flipped = int("".join(digits), 2)
    return UNIT * (flipped - 2**BITS if flipped >= 2 ** (BITS - 1) else flipped)


def put_nothing(*_: object) -> None:
    """Put in no fault."""


def line(share: float) -> NDArray[np.float64]:
    return np.array([int((t + 1) * share) - int(t * share) for t in range(STEPS)], float)


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "dead_neuron": ({}, {"change": on_neurons("gain", 0), "line": line(0)}),
    "saturated_neuron": ({}, {"line": line(1)}),
    "stuck_neuron": ({"value": 0.25}, {"line": line(0.25)}),
    "threshold_off": ({"value": 0.6}, {"change": on_neurons("level", 0.6)}),
    "leak_off": ({"value": 4.0}, {"change": on_neurons("tau", 0.25)}),
    "refractory_off": ({"value": 3.0}, {"change": on_neurons("rest", 3)}),
    "integration_off": ({"value": 1.7}, {"change": on_neurons("gain", 1.7)}),
    "dead_synapse": ({}, {"change": on_synapses(lambda w: 0)}),
    "saturated_synapse": ({"value": -1.0}, {"change": on_synapses(lambda w: -SCALE)}),
    "stuck_synapse": ({"value": 0.7}, {"change": on_synapses(lambda w: 0.7 * SCALE)}),
    "perturbed_synapse": ({"value": -3.0}, {"change": on_synapses(lambda w: -3 * w)}),
    "flipped_bit": ({"bit": 3}, {"change": on_synapses(flip)}),
}


@cache
def textbook() -> Textbook:
    return Textbook(WEIGHTS, SIZES[0], 1, WHO)


@cache
def healthy() -> list[NDArray[np.bool_]]:
    return textbook().simulate(EVENTS)


@pytest.mark.parametrize("window", [None, WINDOW], ids=["permanent", "transient"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_plain_brian2_with_it_put_in_by_hand(
    kind: str, window: tuple[int, int] | None
) -> None:
    given, by_hand = CASES[kind]
    change, share = by_hand.get("change", put_nothing), by_hand.get("line")
    held = None
    if share is not None:
        held = textbook().simulate(EVENTS, change, window)[0][:, WHO].astype(float)
        acts = slice(*(window or (0, STEPS)))
        held[acts] = share[acts]
    expected = textbook().simulate(EVENTS, change, window, held)
    place, where = (1, [17]) if kind in SYNAPSE_FAULTS else (1, [WHO])
    with mapped() as device:
        device.set_faults([Fault(kind, place, where, steps=window, **given)])
        found = rasters(run(device))
    assert any((a != b).any() for a, b in zip(expected, healthy(), strict=True))
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(own, other)


def test_what_is_lifted_leaves_no_trace() -> None:
    with mapped("emulator:mixed-signal?t_refractory=0.002&chip=3") as device:
        before = run(device)
        device.set_faults([Fault(kind, rate=0.5, value=0.5) for kind in KINDS])
        assert (run(device).counts != before.counts).any()
        device.set_faults([])
        after = run(device)
    np.testing.assert_array_equal(before.counts, after.counts)
    for probe, samples in before.samples.items():
        np.testing.assert_array_equal(samples, after.samples[probe])


def test_faults_hold_through_a_new_network() -> None:
    with mapped() as device:
        device.set_faults([Fault("dead_neuron", 1, range(SIZES[1]))])
        device.configure(Network.feed_forward(SIZES, [SCALE] * 2))
        device.write_weights(0, WEIGHTS[0])
        assert not rasters(run(device))[0].any()


def test_an_intermittent_fault_comes_and_goes_from_run_to_run() -> None:
    with mapped() as device:
        device.set_faults([Fault("saturated_neuron", 1, [WHO], chance=0.3)])
        there = [rasters(run(device, trial))[0][:, WHO].all() for trial in range(200)]
        again = [rasters(run(device, trial))[0][:, WHO].all() for trial in range(20)]
    assert 0.2 < np.mean(there) < 0.4  # a standard deviation is 0.03
    assert again == there[:20]


@pytest.mark.parametrize("chosen", ["emulator:ideal?chip=1", "emulator:ideal?chip=2"])
def test_a_higher_rate_keeps_the_faults_of_a_lower_one(chosen: str) -> None:
    sizes = (3, 400, 400, 2)
    with drivers.open(chosen) as device:
        drawn = [
            complete_faults(
                [Fault("dead_neuron", rate=rate)],
                complete_network(Network.feed_forward(sizes), device.info),
                device.info,
            )
            for rate in (0.1, 0.6)
        ]
    few, many = ({(f.place, n) for f in part for n in f.where} for part in drawn)
    assert few < many
    assert abs(len(many) / 800 - 0.6) < 0.06  # three standard deviations
    assert {place for place, _ in many} == {1, 2}  # and not the output


def test_a_file_and_an_address_give_what_python_does(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(
        '[[fault]]\nkind = "saturated_neuron"\nplace = 1\nwhere = [0, 4]\nsteps = [3, 9]\n'
        '[[fault]]\nkind = "dead_synapse"\nrate = 0.3\n'
    )
    given = [
        Fault("saturated_neuron", 1, [0, 4], steps=(3, 9)),
        Fault("dead_synapse", rate=0.3),
    ]
    answers = []
    for url in (f"{URL}&faults={file}", f"{URL}&faults={file}&isolated=1", URL):
        with mapped(url) as device:
            if url == URL:
                device.set_faults(given)
            answers.append(run(device).counts)
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (Fault("ded_neuron", 1, [0]), "dead_neuron"),
        (Fault("dead_neuron", 3, [0]), "1, 2"),
        (Fault("dead_neuron", 1, [10]), "0 to 9"),
        (Fault("dead_neuron", 1, [-1]), "0 to 9"),
        (Fault("dead_neuron", 1, [0.5]), "whole"),
        (Fault("dead_neuron", 1), "where"),
        (Fault("dead_neuron", None, [1]), "place"),
        (Fault("dead_neuron", rate=float("nan")), "0 to 1"),
        (Fault("stuck_neuron", 1, [0], value=2.0), "0 to 1"),
        (Fault("flipped_bit", 0, [0], bit=6), "0 to 5"),
        (Fault("dead_neuron", 1, [0], steps=(4, 4)), "later"),
        (Fault("dead_neuron", 1, [0], chance=1.5), "0 to 1"),
        (Fault("dead_neuron", rate=0.5, seed=-1), "seed"),
        (Fault("dead_neuron", 1, [[0], [1, 2]]), "where"),
        (Fault("stuck_neuron", 1, [0], value="a"), "value"),
        (Fault("dead_neuron", [1], [0]), "place"),
        (Fault("dead_neuron", 1, [0], steps=(1, 2, 3)), "steps"),
        (Fault("flipped_bit", 0, [0], bit=1.5), "bit"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_a_wrong_fault_is_refused_and_changes_nothing(fault: Fault, named: str) -> None:
    with mapped() as device:
        before = run(device).counts
        with pytest.raises(SettingError, match=named):
            device.set_faults([fault])
        np.testing.assert_array_equal(run(device).counts, before)


@pytest.mark.parametrize("faults", [None, 3, "dead_neuron@0.1", Fault("dead_neuron", 1, [0])])
def test_what_is_no_list_of_faults_is_refused(faults: Any) -> None:
    with mapped() as device, pytest.raises(SettingError, match=r"list of `Fault`"):
        device.set_faults(faults)
    with pytest.raises(ValueError, match="'faults' is unknown"):
        hil.train("digits", faults=faults)


@pytest.mark.parametrize("kind", SYNAPSE_FAULTS)
def test_weights_written_with_a_fault_are_what_the_emulator_has_with_it(kind: str) -> None:
    given, _ = CASES[kind]
    answers, stored = [], []
    for wrapped in (False, True):
        with mapped() as device:
            faulty = FaultyWeights(device) if wrapped else device
            faulty.configure(device.network)
            stored.append([faulty.write_weights(p, w) for p, w in enumerate(WEIGHTS)])
            # Beyond the range of codes the emulator has a value that no weight written has.
            faulty.set_faults([Fault(kind, 1, [17, 4], **given | {"value": 1.0})])
            answers.append(run(faulty).counts)
            again = faulty.write_weights(1, WEIGHTS[1])
            np.testing.assert_array_equal(again, stored[0][1])
    np.testing.assert_array_equal(answers[0], answers[1])


def test_an_empty_option_lets_a_board_have_faults_of_synapses_later() -> None:
    stimulus = Stimulus.of("spikes", EVENTS[:, np.newaxis])
    with mapped("board:simulated://?seed=1&faults=") as device:
        assert device.run(stimulus, [], trial=1).counts.any()
        device.set_faults([Fault("dead_synapse", rate=1.0)])
        assert not device.run(stimulus, [], trial=1).counts.any()


def test_a_recorded_session_replays_its_faults(tmp_path: Path) -> None:
    file, answers = tmp_path / "session.rec", []
    faults = [Fault("dead_neuron", 1, [1, 2])]
    for url, record in ((URL, file), (f"replay:{file}", None)):
        with drivers.open(url, record=record) as device:
            device.configure(Network.feed_forward(SIZES, [SCALE] * 2))
            device.write_weights(0, WEIGHTS[0])
            device.set_faults(faults)
            answers.append(run(device).counts)
    np.testing.assert_array_equal(answers[0], answers[1])
