"""Sessions: replayed as recorded, and strict about what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import drivers
from drivers import Diverged, Network, Population, Probe, Projection, Stimulus
from drivers.emulator.device import Emulator
from drivers.session import Recorded, SessionReader
from support.wired_device import Wired

CHIP = "emulator:mixed-signal?chip=3"
mapped = Network.feed_forward
NETWORK = Network.feed_forward((4, 6, 3), (1.5, 1.5))
PROBES = [Probe(1, neurons=(4, 1)), Probe(2, "spikes"), Probe(2, reduce="mean", every=2)]


def weights(seed: int, shape: tuple[int, int] = (4, 6)) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.5, 0.5, shape).astype(np.float32)


def stimuli() -> list[Stimulus]:
    rng = np.random.default_rng(5)
    return [
        Stimulus.current(rng.random((2, 4)), steps=6),
        Stimulus.current_trace(rng.random((6, 2, 4))),
        Stimulus.spikes(rng.integers(0, 3, (12, 4)), steps=6),
    ]


def use(device: drivers.Device) -> list[np.ndarray]:
    """A session with everything in it; what the device answered."""
    answers: list[np.ndarray] = []
    device.configure(NETWORK)
    answers.append(device.write_weights(0, weights(1)))
    answers.append(device.write_weights(1, weights(2, (6, 3))))
    for number, stimulus in enumerate(stimuli()):
        readout = device.run(stimulus, PROBES, trial=None if number == 1 else number)
        answers += [readout.counts, *(readout.samples[probe] for probe in PROBES)]
    device.reset()
    device.configure(Network.feed_forward((4, 3)))
    answers.append(device.run(stimuli()[0]).counts)
    device.close()
    return answers


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("session") / "a.session"
    use(drivers.open(CHIP, record=path))
    return path


def test_a_recording_changes_nothing_and_replays_bit_by_bit(tmp_path: Path, session: Path) -> None:
    plain = use(drivers.open(CHIP))
    recorded = use(drivers.open(CHIP, record=tmp_path / "b.session"))
    replayed = use(drivers.open(f"replay:{session}"))
    for one, two, three in zip(plain, recorded, replayed, strict=True):
        assert one.dtype == two.dtype == three.dtype
        assert one.tobytes() == two.tobytes() == three.tobytes()


def test_a_replay_tells_what_the_device_was(session: Path) -> None:
    with drivers.open(CHIP) as chip, drivers.open(f"replay:{session}") as replay:
        assert replay.info == chip.info


def test_times_are_in_the_file(session: Path) -> None:
    records = [SessionReader(session)[i] for i in range(len(SessionReader(session)))]
    assert [r["kind"] for r in records] == [
        "open", "configure", "write", "write", "run", "run", "run",
        "reset", "configure", "run", "close",
    ]  # fmt: skip
    began = [r["at"] for r in records[1:]]
    ended = [r["at"] + r["seconds"] for r in records[1:]]
    assert all(start <= end for start, end in zip(began, ended, strict=True))
    assert all(end <= start for end, start in zip(ended, began[1:], strict=False))
    assert all(r["seconds"] > 0 for r in records if r["kind"] == "run")


def graph(*delays: object, again: tuple[int, int] = (1, 1)) -> Network:
    """Two layers that also lead back and past one, with these delays."""
    ends = [(0, 1), (1, 2), again, (0, 2)]
    projections = [
        Projection(*each, 1.5, delay)  # type: ignore[arg-type]
        for each, delay in zip(ends, delays, strict=True)
    ]
    return Network(4, (Population(6), Population(3)), tuple(projections))


def test_a_graph_with_delays_is_recorded_and_replayed(tmp_path: Path) -> None:
    path, own = tmp_path / "a.session", np.arange(18).reshape(6, 3) % 4
    delays = (2, own, 1, 0)

    def used(device: drivers.Device, *delays: object, again: tuple[int, int] = (1, 1)) -> list[Any]:
        with device:
            device.configure(graph(*delays, again=again))
            for p, shape in enumerate(device.network.shapes):
                device.write_weights(p, weights(p, shape))
            runs = [
                device.run(stimuli()[2], [Probe(1), Probe(2)], trial=n, carry=bool(n))
                for n in range(2)
            ]
        return [run.counts for run in runs] + [x for run in runs for x in run.samples.values()]

    recorded = used(Recorded(Wired(), path), *delays)
    other = own.copy()
    other[4, 1] += 1
    # A delay is the same whatever kind of whole number it is.
    replayed = used(drivers.open(f"replay:{path}"), np.int8(2), own.astype(np.uint8), 1, 0)
    for one, two in zip(recorded, replayed, strict=True):
        assert one.tobytes() == two.tobytes()
    for changed, again, words in (
        ((2, other, 1, 0), (1, 1), r"delay\.1\[4, 1\]: recorded 1, asked 2"),
        ((2, own, 0, 0), (1, 1), r"delay\.2.*recorded 1, asked 0"),
        ((2, 3, 1, 0), (1, 1), r"delay\.1: recorded int64 \(6, 3\)"),
        (delays, (2, 1), "projections: "),
    ):
        with pytest.raises(Diverged, match=words):
            used(drivers.open(f"replay:{path}"), *changed, again=again)


# -- divergence -------------------------------------------------------------------------------


def until(device: drivers.Device, exchange: int) -> None:
    """The first exchanges of `use`."""
    steps = [
        lambda: device.configure(NETWORK),
        lambda: device.write_weights(0, weights(1)),
        lambda: device.write_weights(1, weights(2, (6, 3))),
        lambda: device.run(stimuli()[0], PROBES, trial=0),
    ]
    for step in steps[: exchange - 1]:
        step()


def touched(array: np.ndarray, place: tuple[int, ...]) -> np.ndarray:
    other = array.copy()
    other[place] = np.nextafter(other[place], np.float32(9))
    return other


@pytest.mark.parametrize(
    ("exchange", "ask", "words"),
    [
        (
            1,
            lambda d: d.configure(mapped((4, 7, 3), (1.5, 1.5))),
            ["configure", "layers", "7"],
        ),
        (
            1,
            lambda d: d.configure(mapped((4, 6, 3), (1.5, 1.25))),
            ["full_scale", "1.25"],
        ),
        (
            1,
            lambda d: d.configure(mapped((4, 6, 3), (1.5, 1.5), {"threshold": 2})),
            ["settings"],
        ),
        (2, lambda d: d.write_weights(0, touched(weights(1), (2, 3))), ["write", "weights[2, 3]"]),
        (2, lambda d: d.write_weights(1, weights(2, (6, 3))), ["write", "projection", "1"]),
        (2, lambda d: d.run(stimuli()[0]), ["recorded was write", "asked run"]),
        (4, lambda d: d.run(stimuli()[0], PROBES, trial=7), ["run", "trial", "0", "7"]),
        (4, lambda d: d.run(stimuli()[0], PROBES[:2], trial=0), ["run", "probes"]),
        (4, lambda d: d.run(stimuli()[1], PROBES, trial=0), ["kind", "current_trace"]),
        (
            4,
            lambda d: d.run(
                Stimulus.current(touched(stimuli()[0].data, (1, 2)), steps=6), PROBES, trial=0
            ),
            ["stimulus.data[1, 2]"],
        ),
        (5, lambda d: d.run(stimuli()[2], PROBES), ["exchange 5, run: stimulus.kind"]),
    ],
)
def test_the_first_divergence_is_named(session: Path, exchange: int, ask, words) -> None:  # type: ignore[no-untyped-def]
    with drivers.open(f"replay:{session}") as replay:
        until(replay, exchange)
        with pytest.raises(drivers.Diverged) as caught:
            ask(replay)
    message = str(caught.value)
    assert f"exchange {exchange}" in message and "\n" not in message
    assert all(word in message for word in words), message


@given(
    place=st.tuples(st.integers(0, 3), st.integers(0, 5)),
    bit=st.integers(0, 30),
)
def test_no_changed_bit_of_a_weight_passes(session: Path, place: tuple[int, int], bit: int) -> None:
    changed = weights(1)
    bits = changed.view(np.uint32)
    bits[place] ^= np.uint32(1 << bit)
    with drivers.open(f"replay:{session}") as replay:
        replay.configure(NETWORK)
        if not np.isfinite(changed).all():
            return
        with pytest.raises(drivers.Diverged, match=rf"\[{place[0]}, {place[1]}\]"):
            replay.write_weights(0, changed)
        # Who then asks what was recorded is answered still.
        replay.write_weights(0, weights(1))


def test_who_asks_beyond_the_end_is_told_so(session: Path) -> None:
    replay = drivers.open(f"replay:{session}")
    use_up = len(SessionReader(session)) - 2
    with pytest.raises(drivers.Diverged, match=f"exchange {use_up + 1}: recorded was close"):
        until(replay, 5)
        for number, stimulus in list(enumerate(stimuli()))[1:]:
            replay.run(stimulus, PROBES, trial=None if number == 1 else number)
        replay.reset()
        replay.configure(Network.feed_forward((4, 3)))
        replay.run(stimuli()[0])
        replay.run(stimuli()[0])


class Refusing(Emulator):
    """A chip that refuses every second write."""

    _refused = False

    def _write(self, projection, weights):  # type: ignore[no-untyped-def]
        self._refused = not self._refused
        if self._refused:
            raise drivers.LinkError("the line was down for 3 s")
        return super()._write(projection, weights)


def test_errors_of_the_device_are_replayed(tmp_path: Path) -> None:
    path = tmp_path / "a.session"

    def twice(device: drivers.Device) -> np.ndarray:
        device.configure(NETWORK)
        with pytest.raises(drivers.LinkError, match="down for 3 s"):
            device.write_weights(0, weights(1))
        return device.write_weights(0, weights(1))

    with Recorded(Refusing.from_url("ideal", {}), path) as recorded:
        stored = twice(recorded)
    with drivers.open(f"replay:{path}") as replay:
        np.testing.assert_array_equal(twice(replay), stored)
