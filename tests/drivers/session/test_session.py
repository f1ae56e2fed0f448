"""Sessions: replayed as recorded, strict about what differs, whole up to a crash at any byte."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import drivers
import hil
from drivers import Network, Probe, Stimulus
from drivers.emulator.device import Emulator
from drivers.session import Reader, Recorded
from drivers.session.file import FRAME, Writer
from hil.cli.app import app

CHIP = "emulator:mixed-signal?chip=3"
NETWORK = Network((4, 6, 3), (1.5, 1.5))
PROBES = [Probe(1, neurons=(4, 1)), Probe(2, "spikes"), Probe(2, reduce="mean", every=2)]
TINY: dict[str, Any] = {"network": {"hidden": [12], "steps": 8}, "training": {"epochs": 1}}


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
    device.configure(Network((4, 3)))
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
    records = [Reader(session)[i] for i in range(len(Reader(session)))]
    assert [r["kind"] for r in records] == [
        "open", "configure", "write", "write", "run", "run", "run",
        "reset", "configure", "run", "close",
    ]  # fmt: skip
    began = [r["at"] for r in records[1:]]
    ended = [r["at"] + r["seconds"] for r in records[1:]]
    assert all(start <= end for start, end in zip(began, ended, strict=True))
    assert all(end <= start for end, start in zip(ended, began[1:], strict=False))
    assert all(r["seconds"] > 0 for r in records if r["kind"] == "run")


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
        (1, lambda d: d.configure(Network((4, 7, 3), (1.5, 1.5))), ["configure", "layers", "7"]),
        (1, lambda d: d.configure(Network((4, 6, 3), (1.5, 1.25))), ["full_scale", "1.25"]),
        (1, lambda d: d.configure(Network((4, 6, 3), (1.5, 1.5), {"threshold": 2})), ["settings"]),
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
    use_up = len(Reader(session)) - 2
    with pytest.raises(drivers.Diverged, match=f"exchange {use_up + 1}: recorded was close"):
        until(replay, 5)
        for number, stimulus in list(enumerate(stimuli()))[1:]:
            replay.run(stimulus, PROBES, trial=None if number == 1 else number)
        replay.reset()
        replay.configure(Network((4, 3)))
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


# -- files ------------------------------------------------------------------------------------


def small(path: Path) -> bytes:
    with drivers.open("emulator:ideal", record=path) as device:
        device.configure(Network((2, 2)))
        device.write_weights(0, np.eye(2))
        device.run(Stimulus.current(np.ones((1, 2)), steps=3), [Probe(1)], trial=0)
    return path.read_bytes()


def ends(content: bytes) -> list[int]:
    """Where each record ends, found from the format as documented."""
    found = [content.index(b"\n") + 1]
    while found[-1] < len(content):
        length = FRAME.unpack_from(content, found[-1])[0]
        found.append(found[-1] + FRAME.size + length)
    return found


def test_a_recording_cut_at_any_byte_opens_up_to_the_last_whole_exchange(tmp_path: Path) -> None:
    content = small(tmp_path / "whole.session")
    borders = ends(content)
    assert len(borders) == 6  # opening, configure, write, run, close
    path = tmp_path / "cut.session"
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        whole = sum(length >= border for border in borders[1:])
        reader = Reader(path)
        assert (len(reader), reader.cut) == (whole, length not in borders[whole:][:1])
        reader.close()
    for index, border in enumerate(borders[1:]):
        path.write_bytes(content[: border + 7])
        with drivers.open(f"replay:{path}") as replay:
            if index >= 1:
                replay.configure(Network((2, 2)))
            if index >= 2:
                np.testing.assert_array_equal(replay.write_weights(0, np.eye(2)), np.eye(2))
            if index == 1:
                with pytest.raises(drivers.Diverged, match="cut there after 1 exchange"):
                    replay.write_weights(0, np.eye(2))


def test_a_recording_without_its_opening_is_refused(tmp_path: Path) -> None:
    content = small(tmp_path / "whole.session")
    path = tmp_path / "cut.session"
    for length in (0, 5, ends(content)[0], ends(content)[1] - 1):
        path.write_bytes(content[:length])
        with pytest.raises(drivers.FileFormatError, match="cut before its first exchange"):
            drivers.open(f"replay:{path}")


def test_every_damaged_byte_is_noticed(tmp_path: Path) -> None:
    content = small(tmp_path / "whole.session")
    path = tmp_path / "damaged.session"
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x41]) + content[place + 1 :])
        with pytest.raises(drivers.FileFormatError) as caught:
            Reader(path)
        assert "\n" not in str(caught.value)


@given(noise=st.binary(max_size=300))
def test_foreign_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "foreign.session"
    for content in (noise, b"spikeloop session 1\n" + noise):
        path.write_bytes(content)
        with pytest.raises(drivers.FileFormatError):
            drivers.open(f"replay:{path}")


def record(fields: Mapping[str, object], arrays: list[object] | None = None) -> bytes:
    """A record with sound checks and any content."""
    head = json.dumps({"values": fields, "arrays": arrays or []}).encode()
    body = len(head).to_bytes(4, "little") + head
    frame = len(body).to_bytes(4, "little") + zlib.crc32(body).to_bytes(4, "little")
    return frame + zlib.crc32(frame).to_bytes(4, "little") + body


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"spikeloop session 2\n", "version 2, this spikeloop reads up to 1"),
        (b"spikeloop session x\n", "not a recorded session"),
        (b"PK\x03\x04", "not a recorded session"),
        (b"spikeloop session 1\n" + record({"kind": "open"}), "no exchange"),
        (
            b"spikeloop session 1\n"
            + record({"kind": "open", "at": 0, "seconds": 0, "transfer_seconds": 0}),
            "does not begin with what the device was",
        ),
        (
            b"spikeloop session 1\n" + record({}, [["x", "|O", [1], 0, False]]),
            "record 0 is damaged",
        ),
        (b"spikeloop session 1\n" + record({}, [["x", "<f4", [9], 0, True]]), "record 0"),
        (b"spikeloop session 1\n" + record({}, [["x", "nonsense", [1], 0, 0]]), "record 0"),
        (b"spikeloop session 1\n" + record({}, [7]), "record 0"),
    ],
)
def test_what_is_no_session_is_refused_in_one_line(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "a.session"
    path.write_bytes(content)
    with pytest.raises(drivers.FileFormatError, match=words):
        drivers.open(f"replay:{path}")


def test_a_recording_is_readable_after_kill(tmp_path: Path) -> None:
    path = tmp_path / "killed.session"
    code = (
        "import os, signal, numpy as np, drivers\n"
        f"device = drivers.open('emulator:ideal', record={str(path)!r})\n"
        "device.configure(drivers.Network((2, 2)))\n"
        "device.write_weights(0, np.eye(2))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with drivers.open(f"replay:{path}") as replay:
        replay.configure(Network((2, 2)))
        np.testing.assert_array_equal(replay.write_weights(0, np.eye(2)), np.eye(2))


def test_a_signal_within_a_write_leaves_whole_records(tmp_path: Path) -> None:
    path = tmp_path / "a.session"
    writer = Writer(path)
    writer.append({"n": 0})

    class Stopped:
        """A file that a signal hits after a few bytes."""

        def __init__(self, file: Any) -> None:
            self._file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def write(self, data: bytes) -> int:
            self._file.write(data[:5])
            raise KeyboardInterrupt

    writer._file, file = Stopped(writer._file), writer._file  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        writer.append({"n": 1})
    writer._file = file
    writer.append({"n": 2})
    writer.close()
    assert [Reader(path)[i]["n"] for i in range(2)] == [0, 2]


def test_a_recording_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.session"
    path.write_text("precious")
    with pytest.raises(ValueError, match="exists already"):
        drivers.open("emulator:ideal", record=path)
    with pytest.raises(ValueError, match="no folder"):
        drivers.open("emulator:ideal", record=tmp_path / "none" / "a.session")
    assert path.read_text() == "precious"


# -- the command line -------------------------------------------------------------------------


def command(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def refusal(*words: object) -> str:
    result = command(*words)
    assert result.exit_code == 2 and result.stderr.count("\n") == 1, result.output
    return str(result.stderr)


SETTINGS = ["--hidden", "12", "--epochs", "1", "--set", "network.steps=8"]


def same_weights(one: Path, two: Path) -> bool:
    with np.load(one / "checkpoint.npz") as a, np.load(two / "checkpoint.npz") as b:
        names = [name for name in a.files if name.startswith(("weights/", "optimiser/"))]
        assert len(names) > 3
        return all(a[name].tobytes() == b[name].tobytes() for name in names)


@pytest.mark.parametrize("chip", ["mixed-signal?chip=5", "pcm-crossbar"])
def test_a_training_replays_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chip: str
) -> None:
    monkeypatch.chdir(tmp_path)
    device = f"emulator:{chip}"
    made = command("train", "digits", "--device", device, *SETTINGS, "--out", "a", "--record", "s")
    assert made.exit_code == 0, made.output
    # No device: the emulator is not even to be had.
    monkeypatch.setattr(Emulator, "from_url", None)
    again = command("train", "digits", "--device", "replay:s", *SETTINGS, "--out", "b")
    assert again.exit_code == 0, again.output
    assert same_weights(Path("a"), Path("b"))
    other = refusal("train", "digits", "--device", "replay:s", *SETTINGS, "--seed", "1")
    assert "exchange 2, write: weights[0, 0]" in other
    # Never recorded over, and nothing is made before that is known.
    words = ["train", "digits", "--device", "replay:s", *SETTINGS, "--out", "c", "--record", "s"]
    assert "s exists already" in refusal(*words)
    assert not Path("c").exists()


def test_a_replayed_training_that_is_stopped_goes_on(tmp_path: Path) -> None:
    from hil import config
    from hil.loop import training
    from hil.runs.folder import Run

    record = tmp_path / "s"
    whole = hil.train("digits", out=tmp_path / "a", record=record, **TINY)
    built = config.build({"task": "digits", "device": f"replay:{record}"}, TINY)
    run = Run.create(tmp_path / "b", built)

    def stop(position: training.Progress) -> None:
        if (position.phase, position.done) == ("train", 3):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "CHECKPOINT_SECONDS", 0)
        training.train(run, stop)
    assert run.load_checkpoint() is not None
    hil.resume(run.path)
    assert same_weights(whole.path, run.path)


def test_evaluate_resume_and_characterise_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hil.train("digits", device="emulator:ideal", out=tmp_path / "a", **TINY)
    ask = ["evaluate", "a", "--json", "--device"]
    recorded = command(*ask, CHIP, "--record", "e")
    replayed = command(*ask, "replay:e")
    assert recorded.exit_code == replayed.exit_code == 0, recorded.output + replayed.output
    one, two = json.loads(recorded.stdout), json.loads(replayed.stdout)
    assert one["test_accuracy"] == two["test_accuracy"]
    assert "exists already" in refusal(*ask, CHIP, "--record", "e")

    done = command("characterise", CHIP, "--layers", "4,3", "--out", "one.toml", "--record", "c")
    assert done.exit_code == 0, done.output
    again = command("characterise", "replay:c", "--layers", "4,3", "--out", "two.toml")
    assert again.exit_code == 0, again.output
    with np.load("one.npz") as a, np.load("two.npz") as b:
        assert all(a[name].tobytes() == b[name].tobytes() for name in a.files)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("replay:", "replay:FILE"),
        ("replay:none.session", "no such file"),
        ("replay:.", "Is a directory"),
        ("replay:x?speed=2", "takes no options"),
    ],
)
def test_bad_addresses_of_replays(tmp_path, monkeypatch, address: str, words: str) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    assert words in refusal("train", "digits", "--device", address)
