"""Runs on a board that carry on from the one before, and samples of different lengths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from struct import pack

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import drivers
from drivers import (
    CapacityError,
    DeviceRestarted,
    Network,
    Probe,
    Stimulus,
    StimulusError,
    firmware,
    sampling,
)
from drivers.board import run_codec
from drivers.board.device import Board
from drivers.board.hello import (
    KEEPS_WEIGHTS,
    SIMULATED,
    AbilitiesRecord,
    Hello,
    NeuronRecord,
    make_hello,
)
from drivers.board.run_codec import ProbeRequest
from drivers.board.simulated_board import SimulatedBoard
from drivers.conformance import Harness
from drivers.conformance.checks import events, limits
from drivers.conformance.checks.runs import a_run_carries_on, samples_end_at_their_lengths
from support.firmware_ports import need, ports
from support.paths import tries
from support.plain_board import board

CHECKS = (
    a_run_carries_on,
    samples_end_at_their_lengths,
    events.spikes_come_back_in_the_next_step,
    events.projections_past_layers_act_at_their_place,
    events.a_delay_makes_events_late,
    events.each_synapse_has_its_own_delay,
    events.events_under_way_are_carried_on,
    events.a_run_from_reset_has_nothing_under_way,
    limits.what_is_not_stated_is_refused,
)
SIZES = (5, 4, 3)
TRACES = [Probe(layer, what) for layer in (1, 2) for what in ("spikes", "membrane")]
# With these, more than one request asks for: the same run is made twice.
SINGLE = [Probe(1 + n // 4, neurons=(n % 4,)) for n in range(7)]
KINDS: dict[str, Callable[..., Stimulus]] = {
    "current": lambda data, **rest: Stimulus.current(data[0], steps=len(data), **rest),
    "trace": lambda data, **rest: Stimulus.current_trace(data, **rest),
    "events": lambda data, **rest: Stimulus.spikes(
        (data > 0.4).astype(int).reshape(-1, SIZES[0]), steps=len(data), **rest
    ),
    "counts": lambda data, **rest: Stimulus.spikes(
        np.rint(3 * abs(data)).astype(int).reshape(-1, SIZES[0]), steps=len(data), **rest
    ),
}


def configured(hello: Hello = SIMULATED, chip: int = 3) -> tuple[Board, SimulatedBoard]:
    device, _, simulated = board(hello, chip)
    device.configure(Network.feed_forward(SIZES))
    rng = np.random.default_rng(7)
    for projection, shape in enumerate([(5, 4), (4, 3)]):
        device.write_weights(projection, rng.normal(0.2, 0.4, shape))
    return device, simulated


def inputs(seed: int, steps: int, batch: int) -> NDArray[np.float64]:
    data = np.random.default_rng(seed).integers(-128, 256, (steps, batch, SIZES[0])) / 256
    return np.asarray(data)


SMALL = st.sampled_from(
    [make_hello(), make_hello(payload=700), make_hello(payload=190, kept=7 * 6)]
)


@settings(max_examples=tries(35, 100))
@given(
    seed=st.integers(0, 999),
    kind=st.sampled_from(sorted(KINDS)),
    first=st.integers(1, 11),
    batch=st.integers(1, 6),
    hello=SMALL,
)
def test_a_run_in_parts_is_the_run(
    seed: int, kind: str, first: int, batch: int, hello: Hello
) -> None:
    device, _ = configured(hello)
    data = inputs(seed, 12, batch)
    if kind == "current":
        data[:] = data[0]
    probes = [*TRACES, *SINGLE]
    whole = device.run(KINDS[kind](data), probes)
    parts = [device.run(KINDS[kind](data[:first]), probes)]
    middle = (first + 12) // 2
    if first < middle < 12:
        parts.append(device.run(KINDS[kind](data[first:middle]), probes, carry=True))
    else:
        middle = first
    if middle < 12:
        parts.append(device.run(KINDS[kind](data[middle:]), probes, carry=True))
    np.testing.assert_array_equal(sum(each.counts for each in parts), whole.counts)
    for probe in probes:
        shown = np.concatenate([each.samples[probe] for each in parts])
        np.testing.assert_array_equal(shown, whole.samples[probe])


@settings(max_examples=tries(35, 100))
@given(
    seed=st.integers(0, 999),
    kind=st.sampled_from(sorted(KINDS)),
    lengths=st.lists(st.integers(3, 9), min_size=1, max_size=6),
    hello=SMALL,
)
def test_samples_end_and_carry_on_from_their_own_ends(
    seed: int, kind: str, lengths: list[int], hello: Hello
) -> None:
    device, _ = configured(hello)
    data = inputs(seed, 9, len(lengths))
    more = inputs(seed + 1, 4, len(lengths))
    probes = [
        *TRACES,
        Probe(1, reduce="mean"),
        Probe(2, every=2, reduce="mean", neurons=(2, 0)),
        Probe(1, every=3, reduce="last"),
        Probe(2, "spikes", reduce="mean"),
        Probe(1, "spikes", reduce="last"),
    ]
    together = device.run(KINDS[kind](data, lengths=np.array(lengths)), probes)
    after = device.run(KINDS[kind](more), carry=True)
    for b, length in enumerate(lengths):
        alone = device.run(KINDS[kind](data[:length, b : b + 1]), TRACES)
        np.testing.assert_array_equal(alone.counts[0], together.counts[b])
        beyond = device.run(KINDS[kind](more[:, b : b + 1]), carry=True)
        np.testing.assert_array_equal(beyond.counts[0], after.counts[b])
        for probe in probes:
            trace = alone.samples[Probe(probe.layer, probe.quantity)]
            axis = 1 if probe.reduce == "none" else 0
            shown = together.samples[probe].take([b], axis)
            if probe.reduce == "none":
                assert not shown[length:].any()
                shown = shown[:length]
            expected = sampling.answer(probe, trace)
            np.testing.assert_allclose(shown, expected, rtol=1e-5, atol=1e-6)


def test_what_is_after_the_end_of_a_sample_is_no_membrane_wherever_rest_is() -> None:
    told = replace(SIMULATED, neuron=NeuronRecord(1, 1, rest=-100, unit=50))
    asked = [
        ProbeRequest.from_probe(Probe(1, reduce=how), told) for how in ("none", "mean", "last")
    ]
    payload = pack("<H3hih", 1, -50, 0, 0, -50, 0)
    _, (trace, mean, last) = run_codec.decode_answer(told, payload, asked, (1, 1), 3, np.array([2]))
    assert trace[:, 0, 0].tolist() == [1.0, 2.0, 0.0]
    assert mean.tolist() == [[1.5]] and last.tolist() == [[2.0]]


def test_no_more_samples_carry_on_than_are_kept() -> None:
    device, _ = configured(make_hello(kept=7 * 2 + 6))  # 7 neurons
    for batch in (2, 3):
        stimulus = KINDS["trace"](inputs(1, 6, batch))
        counts = device.run(stimulus).counts
        assert counts.shape == (batch, 3)
        if batch == 2:
            device.run(stimulus, carry=True)
    with pytest.raises(CapacityError, match=r"of 3 .* membranes of 2 with"):
        device.run(stimulus, carry=True)
    device, _ = configured(make_hello(kept=0))
    assert not device.info.abilities.runs_on and device.info.abilities.lengths
    device.run(stimulus)


# -- what goes wrong --------------------------------------------------------------------------


def test_nothing_carries_on_from_what_a_restart_has_lost() -> None:
    device, simulated = configured()
    stimulus = KINDS["trace"](inputs(1, 6, 2))
    device.run(stimulus)
    simulated.reboot()
    with pytest.raises(DeviceRestarted, match="configure it"):
        device.run(stimulus, carry=True)
    for _ in range(2):  # neither then, nor when configured anew
        with pytest.raises(StimulusError, match="there was none on this network"):
            device.run(stimulus, carry=True)
        device.configure(Network.feed_forward(SIZES))


class Lasting(SimulatedBoard):
    """A board whose network and weights outlast a restart; membranes do not."""

    def reboot(self) -> None:
        network = self._network
        super().reboot()
        self._network = network


def test_a_board_that_outlasts_a_restart_does_not_carry_on_from_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("support.plain_board.SimulatedBoard", Lasting)
    flags = SIMULATED.abilities.flags | KEEPS_WEIGHTS
    hello = replace(SIMULATED, abilities=AbilitiesRecord(flags))
    device, simulated = configured(hello)
    stimulus = KINDS["trace"](inputs(1, 6, 2))
    device.run(stimulus)
    carried = device.run(stimulus, carry=True).counts
    device.run(stimulus)
    simulated.reboot()
    with pytest.raises(DeviceRestarted, match="has restarted"):
        device.run(stimulus, carry=True)
    device.run(stimulus)
    np.testing.assert_array_equal(device.run(stimulus, carry=True).counts, carried)


@pytest.mark.parametrize("seed", range(3))
def test_a_bad_line_carries_on_once(seed: int) -> None:
    faults = "drop:0.05,flip:0.05,duplicate:0.1,reorder:0.05"
    found = []
    for options in ("", f"&fault={faults}&fault_seed={seed}"):
        with drivers.open(f"board:simulated://?seed=3{options}") as device:
            assert isinstance(device, Board)
            device.configure(Network.feed_forward(SIZES))
            device.write_weights(0, np.full((5, 4), 0.3))
            device.write_weights(1, np.full((4, 3), 0.4))
            data = inputs(seed, 30, 3)
            counts = [device.run(KINDS["trace"](data[:1])).counts]
            counts += [
                device.run(KINDS["trace"](data[t : t + 1]), carry=True).counts for t in range(1, 30)
            ]
            found.append(np.array(counts))
            assert device.stats().runs == 30
    assert found[0].any()
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("port", ["simulated", *ports("native", "mps2", "stm32f405", "pico")])
def test_the_kit_finds_that_boards_run_on_and_any_graph(port: str) -> None:
    if port == "simulated":
        with Harness(lambda: drivers.open("board:simulated://?seed=3")) as harness:
            for check in CHECKS:
                check.hold(harness)
        return
    need(port)
    with (
        firmware.start(port, seed=3) as running,
        Harness(lambda: drivers.open(f"board:{running.url}")) as harness,
    ):
        for check in CHECKS:
            check.hold(harness)
