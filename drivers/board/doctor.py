"""What is wrong with a board, or how good its line is: asked at the one port that a user names.

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
from drivers.board.transport import BITS, DENIED, IN_USE, Transport, error_number
from drivers.errors import DeviceError, DeviceNotFound, DeviceRestarted, LinkError, SettingError

RATES = (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1_000_000, 2_000_000)
PATIENCE = 0.3  # seconds, beyond what the line needs, to wait for the first answer
LISTENING = 0.05  # seconds to listen before anything is sent
SHORT, LONG = 40, 8  # exchanges that are measured
SECONDS = 0.2  # of the line that a long frame takes at most
LATE, UNEVEN = 0.008, 0.05  # seconds beyond what the line needs that are too much
# USB devices that are no serial port: a chip whose maker's loader waits for firmware.
LOADERS = {
    "2e8a:0003": "the loader of a Raspberry Pi RP2040",
    "2e8a:000f": "the loader of a Raspberry Pi RP2350",
    "0483:df11": "the DFU loader of an STM32",
}
LOADER_ANSWERS = set(b"\x79\x1f")  # ACK and NACK of the STM32's loader on a serial port
USB_DEVICES = Path("/sys/bus/usb/devices")
FLASH = "flash its firmware, hil board flash does it for a device of the lab"
# Bytes that something on the way may keep or change, by what does so, and what to do then.
TRANSLATIONS = {
    "flow control": (b"\x11\x13", "turn XON/XOFF off in the adapter or server"),
    "newlines": (b"\x0a\x0d", "turn the translation of newlines off in the adapter or server"),
}
RESTARTS = "the board restarted meanwhile, or another host took it: look at its power and cable"
SEQUENCE = 0x5A  # of the first request, which a line at rest does not show by chance


@dataclass
class Examination:
    """What was found out about a board.

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
    """Ends an examination: the fault, and its line."""


def examine(target: str, options: Mapping[str, str], usb: Path = USB_DEVICES) -> Examination:
    """Examine the board at a port.

    Args:
        target: What follows `board:` in its address.
        options: Of the address.
        usb: Where Linux shows USB devices.

    Raises:
        SettingError: For an option that is unknown or out of range.
    """
    found = Examination(address=f"board:{target}{_join(options)}")
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
                _measure(line, rate, found)
                return found
        other = _find_rate(target, options, rate)
        if other:
            found.address = f"board:{target}{_join({**options, 'baud': str(other)})}"
            raise _Fault("wrong rate", f"it answers at {other} baud: open {found.address}")
        raise first
    except _Fault as fault:
        found.fault, found.line = fault.args
    return found


def _join(options: Mapping[str, str]) -> str:
    return "?" + "&".join(f"{key}={value}" for key, value in options.items()) if options else ""


@contextmanager
def _open(target: str, options: Mapping[str, str], usb: Path) -> Iterator[tuple[Transport, int]]:
    """Open the port, or say why it cannot be opened."""
    try:
        line, rate = open_line(target, options)
    except SettingError:
        raise
    except DeviceNotFound as error:
        number = error_number(error)
        if number in DENIED:
            raise _Fault("permission", str(error)) from None
        if number in IN_USE:
            raise _Fault("held", str(error)) from None
        for loader in _find_loaders(usb):
            words = f"{loader} waits on USB, and is no serial port: {FLASH}"
            raise _Fault("loader waiting", words) from None
        raise _Fault("no port", str(error)) from None
    try:
        yield line, rate
    except LinkError as error:
        if "is gone" not in str(error):
            raise
        raise _Fault("unplugged", str(error)) from None
    finally:
        line.close()


def _find_loaders(usb: Path) -> Iterator[str]:
    for folder in usb.glob("*"):
        with suppress(OSError):
            vendor, product = ((folder / f"id{n}").read_text() for n in ("Vendor", "Product"))
            known = LOADERS.get(f"{vendor.strip()}:{product.strip()}".lower())
            if known:
                yield known


def _listen(line: Transport, seconds: float) -> bytes:
    """Take in all that comes, until nothing has come for so long, or five times as long is over."""
    heard, end = b"", time.monotonic() + 5 * seconds
    while (data := line.read(seconds)) and time.monotonic() < end:
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
        frames = _whole_frames(heard)
        answers = [frame for frame in frames if frame.type == RequestType.HELLO | ANSWER]
        good = [frame for frame in answers if frame.sequence == SEQUENCE]
        if good:
            _check_greeting(good[0])
            return
    if not heard:
        words = "nothing came back: check port, power, that RX and TX are not swapped, and firmware"
        raise _Fault("silent", words)
    if any(frame.type == RequestType.HELLO for frame in frames):
        raise _Fault("echo", "what was sent came back: RX and TX are bridged, or the line echoes")
    if any(frame.type == RequestType.LINKERR for frame in frames):
        words = "requests arrive damaged, answers whole: check the wire to its RX, or lower baud"
        raise _Fault("requests damaged", words)
    if answers:
        words = "it answers with the sequence of another request: " + FLASH
        raise _Fault("stale answers", words)
    raise _Fault(*_explain_garbage(heard, unasked))


def _whole_frames(heard: bytes) -> list[Frame]:
    frames = []
    for piece in FrameSplitter(LONGEST).feed(heard):
        with suppress(FrameDamaged):
            frames.append(Frame.decode(piece or b""))
    return frames


def _explain_garbage(heard: bytes, unasked: bytes) -> tuple[str, str]:
    """Say what sends bytes without a whole frame in them: the fault, and its line."""
    if set(heard) <= LOADER_ANSWERS:
        return "loader waiting", f"the serial loader of an STM32 answers: {FLASH}"
    if _whole_frames(heard.replace(b"\r\n", b"\n")):
        return "newlines", f"newlines arrive as two bytes: {TRANSLATIONS['newlines'][1]}"
    text = heard.replace(b"\r", b"").strip(b"\0\n ")
    if text and all(32 <= byte < 127 or byte in b"\t\n" for byte in text):
        first = text.split(b"\n")[0].decode()[:60]
        words = f"another program answers, with the text {first!r}: name another port, or {FLASH}"
        return "another program", words
    if unasked:
        words = f"{len(unasked)} bytes of no frame came before anything was sent: ground, cable?"
        return "noise", words
    if len(heard) > 20 and max(heard) < 128:  # the type of an answer alone is above
        return "seven bits", "only 7 bits of a byte come through: set 8 data bits and no parity"
    return "garbled", f"{len(heard)} bytes came, and no whole frame: check baud rate and cable"


def _check_greeting(answer: Frame) -> None:
    if answer.version != VERSION or answer.status == Status.VERSION:
        is_older = answer.version < VERSION
        words = f"it speaks version {answer.version} of the protocol, this host {VERSION}: "
        raise _Fault(
            "older firmware" if is_older else "newer firmware",
            words + (OLDER if is_older else NEWER),
        )
    if answer.status != Status.OK:
        raise _Fault("refuses", f"it refuses HELLO with status {answer.status:#04x}: {FLASH}")


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


def _measure(line: Transport, rate: int, found: Examination) -> None:
    """Measure the line by echoes.

    Raises:
        _Fault: Where it is not as it should be.
    """
    try:
        link = Link(line, found.address, rate, retries=1)
        info = link.board.to_contract()
        found.figures["board"] = f"{link.board.name}, firmware {info.identity.firmware}"
        link.take_lease()
    except DeviceNotFound as error:
        raise _Fault("held", str(error)) from None
    except DeviceError as error:
        fault = "incomplete HELLO" if "does not say" in str(error) else "garbled"
        raise _Fault(fault, str(error)) from None
    try:
        _measure_echoes(link, line, rate, found)
    finally:
        link.close()


def _measure_echoes(link: Link, line: Transport, rate: int, found: Examination) -> None:
    boot, payload = link.board.boot_id, b"U" * 24  # no byte that anything on the way minds
    for name, (values, remedy) in TRANSLATIONS.items():
        marked = [payload + values + bytes((n,)) for n in (65, 66, 67)]
        if not any(_is_echoed(link, each) for each in marked) and _is_echoed(link, payload):
            raise _Fault(name, f"bytes {values.hex(' ')} do not come through as sent: {remedy}")
    times = sorted(_time_echo(link, payload) for _ in range(SHORT))
    least = 2 * (len(payload) + 10) * BITS / rate
    middle, slow = times[len(times) // 2], times[-1 - len(times) // 100]
    found.figures["round trip"] = f"{1e3 * middle:.1f} ms (p50), {1e3 * slow:.1f} ms (p99)"
    size = max(16, min(link.board.payload, int(rate / BITS * SECONDS)))
    sent = list[bool]()
    while len(sent) < LONG and (len(sent) < 2 or any(sent)):
        sent.append(_is_echoed(link, os.urandom(size)))
    got, lost = link.received, link.lost
    counts = (
        f"{lost} of {link.sent} frames without answer; damaged: {got.complaints} requests, "
        f"{got.damaged} answers; late: {got.late}"
    )
    found.figures["losses"] = counts
    if link.ask_hello().boot_id != boot:
        raise _Fault("restarts", RESTARTS)
    if not any(sent):
        words = f"frames of {size} bytes never come through, those of {len(payload)} do: lower baud"
        raise _Fault("loses long frames", f"{words}, or turn hardware flow control on; {counts}")
    if lost:
        slower = max([r for r in RATES if r < rate], default=rate)
        kinds = {got.complaints: "requests damaged", got.damaged: "answers damaged"}
        worst = max(kinds)
        fault = kinds[worst] if 2 * worst > lost else "loses frames"
        raise _Fault(fault, f"{counts}: shorten or change the cable, or use baud={slower}")
    up, down = _measure_goodput(link, line, size)
    found.figures["goodput"] = f"{up / 1e3:.1f} kB/s to the board, {down / 1e3:.1f} kB/s from it"
    if middle > least + LATE:
        words = f"a short exchange takes {1e3 * middle:.0f} ms, the line needs {1e3 * least:.0f}"
        raise _Fault("late", f"{words}: plug it in without a hub, or set latency_timer to 1")
    if slow > middle + UNEVEN:
        words = f"some exchanges take {1e3 * slow:.0f} ms, most {1e3 * middle:.0f}"
        raise _Fault("uneven", f"{words}: plug it in without a hub, stop what loads the machine")
    found.line = f"all is well: use {found.address}"


def _time_echo(link: Link, payload: bytes) -> float:
    began = time.monotonic()
    _echo(link, payload)
    return time.monotonic() - began


def _echo(link: Link, payload: bytes) -> None:
    try:
        answer = link.exchange(RequestType.ECHO, payload, answer=len(payload))
    except LinkError as error:
        if "is gone" in str(error):
            raise
        raise _Fault("loses frames", str(error)) from None
    except DeviceRestarted:
        raise _Fault("restarts", RESTARTS) from None
    except DeviceError as error:
        raise _Fault("refuses", str(error)) from None
    if answer != payload:
        raise _Fault("wrong answers", f"an echo came back whole and is another one: {FLASH}")


def _is_echoed(link: Link, payload: bytes) -> bool:
    try:
        _echo(link, payload)
    except _Fault as fault:
        if fault.args[0] != "loses frames":
            raise
        return False
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
