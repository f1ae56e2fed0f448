"""Runs that carry on, samples that end at their own lengths, and devices made of devices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import drivers
from drivers import Composite, Network, Probe, Readout, Stimulus, StimulusError, load, save
from drivers.session import Recorded, Replay
from drivers.session.file import SessionReader
from support.good_device import Good

PROBES = [
    Probe(2),
    Probe(1, reduce="mean"),
    Probe(2, reduce="last", every=2),
    Probe(1, "spikes"),
]


def mapped(device: drivers.Device) -> drivers.Device:
    rng = np.random.default_rng(3)
    device.configure(Network.feed_forward((5, 4, 3), (1.0, 2.0)))
    device.write_weights(0, rng.uniform(0, 0.6, (5, 4)))
    device.write_weights(1, rng.uniform(0, 1.0, (4, 3)))
    return device


def trace(steps: int, batch: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((steps, batch, 5)).astype(np.float32)


@given(cuts=st.lists(st.integers(1, 9), min_size=2, max_size=4))
def test_a_run_in_parts_is_one_run(cuts: list[int]) -> None:
    device, x = mapped(Good()), trace(sum(cuts), 2)
    whole = device.run(Stimulus.current_trace(x), [Probe(2)])
    counts, shown, start = np.zeros((2, 3), int), [], 0
    for length in cuts:
        part = Stimulus.current_trace(x[start : start + length])
        readout = device.run(part, [Probe(2)], carry=start > 0)
        counts, start = counts + readout.counts, start + length
        shown.append(readout.samples[Probe(2)])
    np.testing.assert_array_equal(counts, whole.counts)
    np.testing.assert_array_equal(np.concatenate(shown), whole.samples[Probe(2)])


@given(lengths=st.lists(st.integers(2, 12), min_size=1, max_size=4), kind=st.integers(0, 2))
def test_a_sample_among_longer_ones_is_as_by_itself(lengths: list[int], kind: int) -> None:
    device, steps, batch = mapped(Good()), max(lengths), len(lengths)
    x = trace(steps, batch) if kind != 2 else (trace(steps, batch) * 3).round()

    def made(x: np.ndarray, lengths: list[int] | None = None) -> Stimulus:
        if kind == 0:
            return Stimulus.current(x[0], steps=len(x), lengths=lengths)
        if kind == 1:
            return Stimulus.current_trace(x, lengths=lengths)
        return Stimulus.spikes(x.reshape(-1, 5), steps=len(x), lengths=lengths)

    together = device.run(made(x, lengths), PROBES)
    for b, length in enumerate(lengths):
        alone = device.run(made(x[:length, b : b + 1]), PROBES)
        np.testing.assert_array_equal(together.counts[b], alone.counts[0])
        for probe in PROBES:
            found, own = together.samples[probe], alone.samples[probe]
            if probe.reduce != "none":
                np.testing.assert_allclose(found[b], own[0], rtol=1e-6)
                continue
            np.testing.assert_array_equal(found[:length, b], own[:, 0])
            assert not found[length:, b].any()


def test_a_sample_that_ended_carries_on_from_its_own_end() -> None:
    device, x, y = mapped(Good()), trace(9, 2), trace(4, 2, seed=1)
    device.run(Stimulus.current_trace(x, lengths=[3, 9]))
    after = device.run(Stimulus.current_trace(y), [Probe(2)], carry=True)
    device.run(Stimulus.current_trace(x[:3]))
    alone = device.run(Stimulus.current_trace(y), [Probe(2)], carry=True)
    np.testing.assert_array_equal(after.samples[Probe(2)][:, 0], alone.samples[Probe(2)][:, 0])


def test_a_stimulus_shows_nothing_after_the_end_of_a_sample(tmp_path: Path) -> None:
    x = np.ones((4, 2, 5), np.float32)
    for stimulus in (
        Stimulus.current(x[0], steps=4, lengths=[1, 4]),
        Stimulus.current_trace(x, lengths=[1, 4]),
        Stimulus.spikes(x.reshape(-1, 5), steps=4, lengths=[1, 4]),
    ):
        kept = load(save(tmp_path / "stimulus.npz", stimulus))
        assert isinstance(kept, Stimulus)
        for found in (stimulus, kept):
            assert found.mask.tolist() == [[True, True], *[[False, True]] * 3]
            np.testing.assert_array_equal(found.dense(), x * found.mask[..., np.newaxis])


@pytest.mark.parametrize("lengths", [[0, 4], [1, 5], [1], [1.5, 2.0], [[1, 2]]])
def test_lengths_that_are_none_are_refused(lengths: Any) -> None:
    with pytest.raises(StimulusError, match="give 2 whole numbers of steps, 1 to 4"):
        Stimulus.current(np.ones((2, 5)), steps=4, lengths=lengths)


def test_what_cannot_be_carried_on_or_ended_is_refused_in_one_line() -> None:
    x = Stimulus.current(np.ones((2, 5)), steps=4)
    plain = mapped(type("Plain", (Good,), {"facts": {"runs_on": False, "lengths": False}})())
    plain.run(x)
    with pytest.raises(StimulusError, match="begins each run from reset"):
        plain.run(x, carry=True)
    with pytest.raises(StimulusError, match="one length at a time"):
        plain.run(Stimulus.current(np.ones((2, 5)), steps=4, lengths=[2, 4]))
    device = mapped(Good())
    with pytest.raises(StimulusError, match="none on this network"):
        device.run(x, carry=True)
    device.run(x)
    with pytest.raises(StimulusError, match="it had 2 samples"):
        device.run(Stimulus.current(np.ones((3, 5)), steps=4), carry=True)
    device.run(x, carry=True)
    mapped(device)
    with pytest.raises(StimulusError, match="none on this network"):
        device.run(x, carry=True)
    with pytest.raises(drivers.UnsupportedProbe, match="every 3 steps of a run of 2"):
        short = Stimulus.current(np.ones((2, 5)), steps=4, lengths=[2, 4])
        device.run(short, [Probe(2, every=3)])


def test_a_recording_of_runs_that_carry_on_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "a.session"
    ended = Stimulus.current_trace(trace(6, 2), lengths=[2, 6])

    def used(device: drivers.Device) -> list[Readout]:
        with mapped(device):
            return [device.run(ended, PROBES[:1], carry=carry) for carry in (False, True)]

    recorded, replayed = used(Recorded(Good(), path)), used(Replay(SessionReader(path)))
    for one, two in zip(recorded, replayed, strict=True):
        np.testing.assert_array_equal(one.counts, two.counts)
    assert not np.array_equal(recorded[0].samples[PROBES[0]], recorded[1].samples[PROBES[0]])
    replay = mapped(Replay(SessionReader(path)))
    with pytest.raises(drivers.Diverged, match=r"stimulus\.lengths"):
        replay.run(Stimulus.current_trace(trace(6, 2), lengths=[3, 6]), PROBES[:1])
    replay.run(ended, PROBES[:1])
    with pytest.raises(drivers.Diverged, match="carry"):
        replay.run(ended, PROBES[:1])


class Pair(Composite):
    """Two devices that share a batch."""

    @classmethod
    def from_url(cls, target: str, options: Any) -> Pair:
        return cls(Good(), Good())

    def _configure(self, network: Network) -> None:
        for device in self.devices:
            device.configure(network)

    def _write(self, projection: int, weights: Any) -> Any:
        stored = [device.write_weights(projection, weights) for device in self.devices]
        return stored[0]

    def _run(self, stimulus: Any, probes: Any, trial: int | None, carry: bool) -> Readout:
        half = stimulus.batch // 2
        parts = (stimulus.data[:, :half], stimulus.data[:, half:])
        found = [
            device.run(Stimulus.current_trace(part), probes, trial=trial, carry=carry)
            for device, part in zip(self.devices, parts, strict=True)
        ]
        counts = np.concatenate([readout.counts for readout in found])
        return Readout(counts, stimulus.steps)


def test_a_device_made_of_devices_delegates_what_it_does_not_say() -> None:
    pair, single, x = mapped(Pair.from_url("", {})), mapped(Good()), trace(8, 4)
    for part, carry in ((x[:5], False), (x[5:], True)):
        stimulus = Stimulus.current_trace(part)
        one, two = (device.run(stimulus, carry=carry) for device in (pair, single))
        np.testing.assert_array_equal(one.counts, two.counts)
    assert pair.info == single.info and pair.transfer_bytes == pair.transfer_seconds == 0
    state = pair.state()
    assert set(state) == {"0/0", "0/1", "1/0", "1/1"}
    pair.write_weights(0, np.zeros((5, 4)))
    pair.restore(state)
    np.testing.assert_array_equal(pair.state()["1/0"], state["1/0"])
    pair.reset()
    assert isinstance(pair, Pair)
    for device in pair.devices:
        with pytest.raises(drivers.NotConfigured):
            _ = device.network


def test_all_devices_are_closed_though_one_fails() -> None:
    closed = []

    class Closing(Good):
        def _close(self) -> None:
            closed.append(self)
            if len(closed) == 1:
                raise drivers.LinkError("gone")

    with pytest.raises(drivers.LinkError, match="gone"):
        Pair(Closing(), Closing()).close()
    assert len(closed) == 2
