"""The Pico's line over USB, as an operating system sees it: the host is in usb_host.cjs."""

import json
import time
from pathlib import Path

import pytest

from drivers.board.frames import RequestType
from support.firmware_ports import connected
from support.paths import ROOT

pytestmark = pytest.mark.thorough


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    host = ROOT / "tests" / "support" / "usb_host.cjs"
    monkeypatch.setenv("NODE_OPTIONS", f"--require {host}")
    monkeypatch.setenv("USB_NOTES", str(tmp_path / "notes"))
    return tmp_path / "notes"


def split_descriptors(block: list[int]) -> list[list[int]]:
    parts = []
    while block:
        parts.append(block[: block[0]])
        block = block[block[0] :]
    return parts


def test_a_host_finds_a_serial_line_named_by_the_chip(notes: Path) -> None:
    with connected("pico over USB", seed=1234567) as (_, host):
        host.hello()
    answers = json.loads(notes.read_text().splitlines()[0])

    def read_text(name: str) -> str:
        size, kind, *text = answers[name]
        assert (size, kind) == (2 + len(text), 3)
        return bytes(text).decode("utf-16-le")

    assert read_text("serial") == "1234567"
    assert "spikeloop" in read_text("product")
    device = answers["device"]
    assert (device[0], device[1], device[4], device[7], device[17]) == (18, 1, 2, 64, 1)
    assert device[8:12] == [0x09, 0x12, 0x01, 0x00]
    head, *parts = split_descriptors(answers["configuration"])
    assert answers["head"] == head and head[2] + 256 * head[3] == len(answers["configuration"])
    interfaces = [part[5:8] for part in parts if part[1] == 4]
    assert interfaces == [[2, 2, 0], [10, 0, 0]]
    endpoints = [(part[2], part[3], part[4] + 256 * part[5]) for part in parts if part[1] == 5]
    assert endpoints == [(0x81, 3, 8), (0x82, 2, 64), (0x02, 2, 64)]
    assert answers["in use"] == [1] and answers["status"] == [0, 0]
    assert answers["coding set"] == [] and answers["coding"] == [0x80, 0x25, 0, 0, 0, 0, 8]
    assert answers["refused"]


def test_every_answer_ends_with_a_packet_that_is_not_full(notes: Path) -> None:
    """A host waits for more after a full one."""
    with connected("pico over USB") as (_, host):
        host.hello()
        seen = len(notes.read_text().splitlines())
        for size in range(130):
            sent = bytes(1 + i % 255 for i in range(size))
            assert host.ask(RequestType.ECHO, sent, sequence=size).payload == sent
            until, packets = time.monotonic() + 10, [64]
            while packets[-1] == 64 and time.monotonic() < until:  # the empty one comes last
                packets = [int(line) for line in notes.read_text().split("\n")[seen:-1]] or [64]
            assert packets[-1] < 64 and set(packets[:-1]) <= {64}
            seen += len(packets)
