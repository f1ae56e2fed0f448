"""Examination of a board and its line, at the one port that a user names.

Nobody else's port is opened. Nothing is configured, so that a network and its weights stay.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from drivers.board.frames import (
    ANSWER,
    VERSION,
    Frame,
    FrameDamaged,
    FrameSplitter,
    RequestType,
    Status,
)
from drivers.board.link import LONGEST, NEWER, OLDER, Link
from drivers.board.ports import SIMULATED, open_line
from drivers.board.transport import BITS, DENIED, IN_USE, PortGone, Transport, error_number
from drivers.errors import DeviceError, DeviceNotFound, DeviceRestarted, LinkError, ProtocolMismatch

RATES = (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1_000_000, 2_000_000)
PATIENCE = 0.3  # seconds, beyond what the line needs, to wait for the first answer
LISTENING = 0.05  # seconds to listen before anything is sent
SHORT, LONG = 40, 8  # exchanges that are measured
SECONDS = 0.2  # of the line that a long frame takes at most
LATE, UNEVEN = 0.008, 0.05  # seconds beyond what the line needs that are too much
SEQUENCE = 0x5A  # of the first request, which a line at rest does not show by chance
USB_DEVICES = Path("/sys/bus/usb/devices")
# USB devices that are no serial port: a chip whose maker's loader waits for firmware.
LOADERS = {"2e8a:0003": "of an RP2040", "2e8a:000f": "of an RP2350", "0483:df11": "of an STM32"}
LOADER_ANSWERS = set(b"\x79\x1f")  # ACK and NACK of the STM32's loader on a serial port
PLAIN = b"U" * 24  # no byte that anything on the way minds
# Bytes that something on the way may keep or change, by what does so.
TRANSLATIONS = {"flow control": b"\x11\x13", "newlines": b"\x0a\x0d"}
# What each fault means, and what to do.
FAULTS = {
    "no port": "{error}",
    "permission": "{error}",
    "held": "{error}",
    "unplugged": "{error}",
    "loader waiting": "the loader {of} waits: flash its firmware, see hil board flash",
    "silent": "nothing came back: check port, power, firmware, and that RX and TX are not swapped",
    "echo": "what was sent came back: RX and TX are bridged, or the line echoes",
    "noise": "bytes of no frame came before anything was sent: check ground and cable",
    "garbled": "{count} bytes came, and no whole frame: check baud rate and cable",
    "wrong rate": "it answers at another rate: use {address}",
    "seven bits": "only 7 bits of a byte come through: set 8 data bits and no parity",
    "another program": "it answers with {text!r}: name another port, or flash its firmware",
    "older firmware": f"it speaks version {{version}} of the protocol: {OLDER}",
    "newer firmware": f"it speaks version {{version}} of the protocol: {NEWER}",
    "incomplete HELLO": "{error}",
    "refuses": "{error}: flash the firmware that comes with this host",
    "stale answers": "it answers with the sequence of another request: flash its firmware",
    "wrong answers": "an echo came back whole and is another one: flash its firmware",
    "flow control": "XON and XOFF do not come through: turn flow control off on the way",
    "newlines": "newlines do not come through: turn their translation off on the way",
    "requests damaged": "{counts}: check the wire to its RX and the cable, or use baud={slower}",
    "answers damaged": "{counts}: check the wire from its TX and the cable, or use baud={slower}",
    "loses frames": "{counts}: shorten or change the cable, or use baud={slower}",
    "loses long frames": "frames of {size} bytes never come through: turn RTS/CTS on, {counts}",
    "restarts": "the board restarted meanwhile, or another host took it: look at power and cable",
    "late": "a short exchange takes {took:.0f} ms: use no hub, or set latency_timer to 1",
    "uneven": "some exchanges take {took:.0f} ms: use no hub, and stop what loads the machine",
}


@dataclass
class Examination:
    """Result of an examination of a board.

    Attributes:
        fault: What is wrong in a word or two; empty where nothing is.
        line: What that means and what to do, in one line.
        figures: What was measured, by name: value and unit as text.
        address: How to open the board, as far as found out.
    """

    fault: str = ""
    line: str = ""
    figures: dict[str, str] = field(default_factory=dict)
    address: str = ""


class _Fault(Exception):
    """Ends an examination: the name of the fault, and its line."""

    def __init__(self, name: str, **given: object) -> None:
        super().__init__(name, FAULTS[name].format(**given))


def _refuse(is_so: object, name: str, **given: object) -> None:
    if is_so:
        raise _Fault(name, **given)


def examine(target: str, options: Mapping[str, str], usb: Path = USB_DEVICES) -> Examination:
    """Examine the board at a port.

    Args:
        target: What follows `board:` in its address.
        options: Of the address.
        usb: Where Linux shows USB devices.

    Raises:
        SettingError: For an option that is unknown or out of range.
    """
    examination = Examination(address=f"board:{target}{_join(options)}")
    try:
        with _open(target, options, usb) as (line, rate):
            unasked = _listen(line, LISTENING)
            try:
                _greet(line, rate, unasked)
            except _Fault as fault:
                if fault.args[0] not in ("silent", "garbled") or "://" in target:
                    raise
                first = fault
            else:
                _measure(line, rate, examination)
                return examination
        if other := _find_rate(target, options, rate):
            examination.address = f"board:{target}{_join({**options, 'baud': str(other)})}"
            raise _Fault("wrong rate", address=examination.address)
        raise first
    except _Fault as fault:
        examination.fault, examination.line = fault.args
    return examination


def _join(options: Mapping[str, str]) -> str:
    return "?" + "&".join(f"{key}={value}" for key, value in options.items()) if options else ""


@contextmanager
def _open(target: str, options: Mapping[str, str], usb: Path) -> Iterator[tuple[Transport, int]]:
    """Open the port, or say why it cannot be opened."""
    try:
        line, rate = open_line(target, options)
    except DeviceNotFound as error:
        number = error_number(error)
        _refuse(number in DENIED, "permission", error=error)
        _refuse(number in IN_USE, "held", error=error)
        for folder in usb.glob("*"):
            with suppress(OSError):
                ids = ((folder / f"id{n}").read_text().strip() for n in ("Vendor", "Product"))
                loader = LOADERS.get(":".join(ids).lower())
                _refuse(loader, "loader waiting", of=loader)
        raise _Fault("no port", error=error) from None
    try:
        yield line, rate
    except PortGone as error:
        raise _Fault("unplugged", error=error) from None
    finally:
        line.close()


def _listen(line: Transport, seconds: float) -> bytes:
    """Take in all that comes, until nothing has come for so long, or five times as long is over."""
    heard, end = b"", time.monotonic() + 5 * seconds
    while time.monotonic() < end and (data := line.read(seconds)):
        heard += data
    return heard


def _greet(line: Transport, rate: int, unasked: bytes, tries: int = 3) -> None:
    """Say HELLO, and find out from whatever comes back what is there.

    Raises:
        _Fault: Where it is no board that this host understands.
    """
    request, heard = b"\0" + Frame(RequestType.HELLO, SEQUENCE).encode(), b""
    for _ in range(tries):
        line.write(request)
        heard += _listen(line, PATIENCE + len(request) * BITS / rate)
        frames = _list_whole_frames(heard)
        answers = [frame for frame in frames if frame.type == RequestType.HELLO | ANSWER]
        good = [frame for frame in answers if frame.sequence == SEQUENCE]
        if good:
            version, status = good[0].version, good[0].status
            _refuse(version < VERSION, "older firmware", version=version)
            _refuse(version > VERSION, "newer firmware", version=version)
            _refuse(status != Status.OK, "refuses", error=f"HELLO has the status {status:#04x}")
            return
    kinds = {frame.type for frame in frames}
    _refuse(not heard, "silent")
    _refuse(RequestType.HELLO in kinds, "echo")
    counts, slower = "all requests arrive damaged, answers whole", rate // 2
    _refuse(RequestType.LINKERR in kinds, "requests damaged", counts=counts, slower=slower)
    _refuse(answers, "stale answers")
    _refuse(set(heard) <= LOADER_ANSWERS, "loader waiting", of="of an STM32")
    _refuse(_list_whole_frames(heard.replace(b"\r\n", b"\n")), "newlines")
    text = heard.replace(b"\r", b"").strip(b"\0\n ").decode("latin-1")
    is_text = text.replace("\n", "").replace("\t", "").isprintable() and text.isascii()
    _refuse(text and is_text, "another program", text=text.partition("\n")[0][:60])
    _refuse(unasked, "noise")
    # The type of an answer alone is above.
    _refuse(len(heard) > 20 and max(heard) < 128, "seven bits")
    raise _Fault("garbled", count=len(heard))


def _list_whole_frames(heard: bytes) -> list[Frame]:
    frames = []
    for piece in FrameSplitter(LONGEST).feed(heard):
        with suppress(FrameDamaged):
            frames.append(Frame.decode(piece or b""))
    return frames


def _find_rate(target: str, options: Mapping[str, str], tried: int) -> int:
    """Find another rate at which a board answers; 0 for none."""
    for rate in RATES:
        if rate != tried and target != SIMULATED:
            line, _ = open_line(target, {**options, "baud": str(rate)})
            try:
                _greet(line, rate, b"", tries=1)
                return rate
            except (_Fault, DeviceError):
                pass
            finally:
                line.close()
    return 0


# -- a line on which a board answers -------------------------------------------------------------


def _measure(line: Transport, rate: int, examination: Examination) -> None:
    """Measure the line by echoes.

    Raises:
        _Fault: Where it is not as it should be.
    """
    try:
        link = Link(line, examination.address, rate, retries=1)
        info = link.board.to_contract()
        examination.figures["board"] = f"{link.board.name}, firmware {info.identity.firmware}"
        is_free = link.board.lease is None or not link.board.lease.number
        if is_free:  # before the lease, whose numbers may have such bytes
            _find_translation(link)
        link.take_lease()
    except DeviceNotFound as error:
        raise _Fault("held", error=error) from None
    except ProtocolMismatch as error:
        raise _Fault("incomplete HELLO", error=error) from None
    except PortGone:
        raise
    except LinkError as error:
        raise _Fault("loses frames", counts=error, slower=9600) from None
    try:
        if not is_free:
            _find_translation(link)
        _measure_echoes(link, line, rate, examination)
    finally:
        link.close()


def _find_translation(link: Link) -> None:
    """Find bytes that do not come through where others do."""
    for name, values in TRANSLATIONS.items():
        marked = [PLAIN + values + bytes((n,)) for n in (65, 66, 67)]
        _refuse(not any(_echo(link, e) for e in marked) and _echo(link, PLAIN), name)


def _measure_echoes(link: Link, line: Transport, rate: int, examination: Examination) -> None:
    boot = link.board.boot_id
    times = sorted(_time_echo(link, PLAIN) for _ in range(SHORT))
    least = 2 * (len(PLAIN) + 10) * BITS / rate
    middle, slow = times[len(times) // 2], times[-1 - len(times) // 100]
    examination.figures["round trip"] = f"{1e3 * middle:.1f} ms (p50), {1e3 * slow:.1f} ms (p99)"
    size = max(16, min(link.board.payload, int(rate / BITS * SECONDS)))
    sent = list[bool]()
    while len(sent) < LONG and (len(sent) < 2 or any(sent)):
        sent.append(_echo(link, os.urandom(size)))
    got, lost = link.received, link.lost
    counts = (
        f"{lost} of {link.sent} frames without answer; damaged: {got.complaints} requests, "
        f"{got.damaged} answers; late: {got.late}"
    )
    examination.figures["losses"] = counts
    _refuse(link.ask_hello().boot_id != boot, "restarts")
    _refuse(not any(sent), "loses long frames", size=size, counts=counts)
    kinds = {got.complaints: "requests damaged", got.damaged: "answers damaged"}
    worst = max(kinds)
    fault = kinds[worst] if 2 * worst > lost else "loses frames"
    slower = max([r for r in RATES if r < rate], default=rate)
    _refuse(lost, fault, counts=counts, slower=slower)
    up, down = _measure_goodput(link, line, size)
    examination.figures["goodput"] = (
        f"{up / 1e3:.1f} kB/s to the board, {down / 1e3:.1f} kB/s from it"
    )
    _refuse(middle > least + LATE, "late", took=1e3 * middle)
    _refuse(slow > middle + UNEVEN, "uneven", took=1e3 * slow)
    examination.line = f"all is well: use {examination.address}"


def _time_echo(link: Link, payload: bytes) -> float:
    began = time.monotonic()
    if not _echo(link, payload):
        raise _Fault("loses frames", counts="a short frame never came through", slower=9600)
    return time.monotonic() - began


def _echo(link: Link, payload: bytes) -> bool:
    """Send an echo, and say if it came back.

    Raises:
        PortGone: As it says.
    """
    try:
        answer = link.exchange(RequestType.ECHO, payload, answer=len(payload))
    except PortGone:
        raise
    except LinkError:
        return False
    except DeviceRestarted:
        raise _Fault("restarts") from None
    except DeviceError as error:
        raise _Fault("refuses", error=error) from None
    _refuse(answer != payload, "wrong answers")
    return True


def _measure_goodput(link: Link, line: Transport, size: int) -> tuple[float, float]:
    """Measure bytes a second to the board, by zeros that it passes over, and from it."""
    times = []
    for padding, payload in ((0, b""), (size, b""), (0, bytes(size))):
        began = time.monotonic()
        line.write(bytes(padding))
        _echo(link, payload)
        times.append(time.monotonic() - began)
    idle, upward, both = times
    up = max(upward - idle, 1e-6)
    return size / up, size / max(both - idle - up, 1e-6)
