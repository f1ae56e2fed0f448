"""Files of sessions: whole up to a crash at any byte, and never taken for what they are not."""

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

import drivers
from drivers import Network, Probe, Stimulus
from drivers.session import SessionReader
from drivers.session.file import FRAME, SessionWriter


def small(path: Path) -> bytes:
    with drivers.open("emulator:ideal", record=path) as device:
        device.configure(Network.feed_forward((2, 2)))
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
        reader = SessionReader(path)
        assert (len(reader), reader.cut) == (whole, length not in borders[whole:][:1])
        reader.close()
    for index, border in enumerate(borders[1:]):
        path.write_bytes(content[: border + 7])
        with drivers.open(f"replay:{path}") as replay:
            if index >= 1:
                replay.configure(Network.feed_forward((2, 2)))
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
            SessionReader(path)
        assert "\n" not in str(caught.value)


@given(noise=st.binary(max_size=300))
def test_foreign_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "foreign.session"
    for content in (noise, b"spikeloop session 2\n" + noise):
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
        (b"spikeloop session 1\n", "version 1, .* record the session anew"),
        (b"spikeloop session 3\n", "version 3, .* upgrade it"),
        (b"spikeloop session x\n", "not a recorded session"),
        (b"PK\x03\x04", "not a recorded session"),
        (b"spikeloop session 2\n" + record({"kind": "open"}), "no exchange"),
        (
            b"spikeloop session 2\n"
            + record({"kind": "open", "at": 0, "seconds": 0, "transfer_seconds": 0}),
            "does not begin with what the device was",
        ),
        (
            b"spikeloop session 2\n" + record({}, [["x", "|O", [1], 0, False]]),
            "record 0 is damaged",
        ),
        (b"spikeloop session 2\n" + record({}, [["x", "<f4", [9], 0, True]]), "record 0"),
        (b"spikeloop session 2\n" + record({}, [["x", "nonsense", [1], 0, 0]]), "record 0"),
        (b"spikeloop session 2\n" + record({}, [7]), "record 0"),
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
        "device.configure(drivers.Network.feed_forward((2, 2)))\n"
        "device.write_weights(0, np.eye(2))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with drivers.open(f"replay:{path}") as replay:
        replay.configure(Network.feed_forward((2, 2)))
        np.testing.assert_array_equal(replay.write_weights(0, np.eye(2)), np.eye(2))


def test_a_signal_within_a_write_leaves_whole_records(tmp_path: Path) -> None:
    path = tmp_path / "a.session"
    writer = SessionWriter(path)
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
    assert [SessionReader(path)[i]["n"] for i in range(2)] == [0, 2]


def test_a_recording_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.session"
    path.write_text("precious")
    with pytest.raises(ValueError, match="exists already"):
        drivers.open("emulator:ideal", record=path)
    with pytest.raises(ValueError, match="no folder"):
        drivers.open("emulator:ideal", record=tmp_path / "none" / "a.session")
    assert path.read_text() == "precious"
