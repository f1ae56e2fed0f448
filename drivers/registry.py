"""From an address to a device."""

from __future__ import annotations

import difflib
import math
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from itertools import product
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from drivers.contract.answers import DriverCall
from drivers.contract.device import Device
from drivers.contract.info import CONTRACT, MANUAL
from drivers.contract.statements import check_info
from drivers.contract.watchdog import Call, Overdue
from drivers.errors import (
    ContractMismatch,
    DeviceError,
    DeviceNotFound,
    DriverError,
    SettingError,
    nearest,
)

ENTRY_POINTS = "hil.drivers"
# The options that every address has; all others are the driver's own.
CALL_LIMIT, ISOLATED, FAULTS = "call_limit", "isolated", "faults"
# scheme -> module and class, imported when first asked for
BUILTIN = {
    "board": "drivers.board.device:Board",
    "emulator": "drivers.emulator.device:Emulator",
    "fleet": "drivers.fleet:Fleet",
    "replay": "drivers.session.recording:Replay",
    "superneuromat": "drivers.simulators.superneuromat:SuperNeuroMAT",
    "tiled": "drivers.tiled:Tiled",
    "xylo": "drivers.simulators.xylo:Xylo",
}
# Schemes whose targets are addresses of other devices, with options of their own.
HOLDING = frozenset({"fleet", "tiled"})
MOST_MEMBERS = 1024
# The options of a fleet's own, and how its addresses are written.
OWN = re.compile(r"(may_fail|at_once)=([^,]*),")
RANGE = re.compile(r"(?<![\d.])(\d+)\.\.(\d+)(?![\d.])")
USAGE = "write fleet:ADDRESS,ADDRESS,..., or tiled:, a range of numbers as in chip=1..8"


def schemes() -> dict[str, str]:
    """Every known scheme with the `module:class` that serves it, built-in ones first."""
    return {**find_entry_points(ENTRY_POINTS), **BUILTIN}


def find_entry_points(group: str) -> dict[str, str]:
    """Find what installed packages bring by an entry point of a group: `module:NAME` by name."""
    return dict(_entry_points(group, tuple(sys.path)))


@cache
def _entry_points(group: str, places: tuple[str, ...]) -> dict[str, str]:
    """Read those that are found below these places, which takes a while."""
    return {point.name: point.value for point in entry_points(group=group)}


def _suggest_driver(scheme: str, known: Iterable[str]) -> str:
    """Say how to get an unknown driver: as `hil new-driver` leaves it, it has to be installed."""
    if scheme.endswith(".py"):
        return "a driver is an installed package: hil new-driver NAME makes one to start from"
    if re.fullmatch("[a-z][a-z0-9-]{0,100}", scheme):
        for folder in (Path(scheme), Path()):
            if folder.resolve().name == scheme and (folder / "pyproject.toml").is_file():
                return (
                    f"the package in {folder.resolve()} is not installed: pip install -e {folder}"
                )
    return nearest(scheme, known)


def driver(scheme: str) -> type[Device]:
    """The driver class of a scheme.

    Raises:
        DeviceNotFound: For an unknown scheme, or a driver that cannot be imported.
    """
    known = BUILTIN if scheme in BUILTIN else schemes()
    if scheme not in known:
        raise DeviceNotFound(f"no driver for {scheme!r}: {_suggest_driver(scheme, known)}")
    module, _, name = known[scheme].partition(":")
    try:
        with Call(module, Device.call_limit):
            kind = getattr(import_module(module), name)
    except (Exception, SystemExit, Overdue) as error:  # code of others: it may fail in any way
        if isinstance(error, ImportError) and error.name == "drivers":
            raise ContractMismatch(
                f"driver of {scheme!r} is not written for contract {CONTRACT}, which this "
                f"spikeloop speaks: {error}; see {MANUAL}"
            ) from error
        raise DeviceNotFound(f"driver of {scheme!r} cannot be loaded: {error}") from error
    if not (isinstance(kind, type) and issubclass(kind, Device)):
        raise DeviceNotFound(f"driver of {scheme!r} is {known[scheme]}, which is no Device class")
    return kind


def addresses() -> list[str]:
    """Names of the lab's devices, and addresses that drivers offer, or the scheme of one."""
    from drivers import lab

    offers: list[str] = []
    with suppress(DeviceError):
        offers += lab.list_devices()
    for scheme in schemes():
        offered: list[str] = []
        with suppress(Exception):  # code of others: it may fail in any way
            kind = driver(scheme)
            with DriverCall(kind, "catalogue"):
                offered = [address for address, _ in kind.catalogue()]
        offers += offered or [f"{scheme}:"]
    return offers


def suggest_address(text: str) -> str | None:
    """The address that was meant by what comes after its scheme, None where nothing is alike.

    Args:
        text: For instance `brainscales-2`, or `/dev/ttyACM0`.
    """
    target, question, options = text.partition("?")
    if target.startswith("/dev/"):
        return f"board:{text}"
    if target.endswith(".toml"):
        return f"emulator:{text}"
    places = {address.partition(":")[2] or address: address for address in addresses()}
    close = difflib.get_close_matches(target, filter(None, places), n=1, cutoff=0.7)
    return f"{places[close[0]]}{question}{options}" if close else None


def split(url: str) -> tuple[str, str, dict[str, str]]:
    """Take an address apart.

    Args:
        url: `scheme:target?key=value&...`; what follows the scheme is the driver's own. Or the
            name of a device of the lab.

    Returns:
        Scheme, target and options.

    Raises:
        DeviceNotFound: When there is no scheme.
        SettingError: For an option without value, or named twice.
    """
    from drivers import lab

    if name := lab.find_name(url):
        options = _parse_options(url.partition("?")[2], url)
        return split(with_options(lab.find_device(name).address, options))
    scheme, colon, rest = url.partition(":")
    if not colon or not scheme:
        likely = suggest_address(url)
        hint = "" if likely is None else f"did you mean {likely!r}? "
        raise DeviceNotFound(
            f"device {url!r} has no scheme: {hint}write scheme:target, e.g. emulator:mixed-signal; "
            f"known schemes: {', '.join(sorted(schemes()))}"
        )
    if scheme in HOLDING:
        return scheme, rest, {}
    target, _, query = rest.partition("?")
    return scheme, target, _parse_options(query, url)


def _parse_options(query: str, url: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise SettingError(f"options {query!r} of {url!r}: write key=value&key=value") from error
    options: dict[str, str] = {}
    for key, value in pairs:
        if key in options:
            raise SettingError(f"option {key!r} of {url!r} is given twice")
        options[key] = value
    return options


def driver_of(url: str) -> type[Device]:
    """The driver class that serves an address; nothing is opened.

    It states what holds for every device of its kind: `independent` and `chip_option`.

    Args:
        url: An address, as for `open`.

    Raises:
        DeviceNotFound: For an unknown scheme, or a driver that cannot be imported.
        SettingError: For an option without value, or named twice.
    """
    return driver(split(url)[0])


def independent(url: str) -> bool:
    """Tell whether each opening of an address gives a device of its own; nothing is opened.

    Raises:
        DeviceNotFound: For an unknown scheme, or a driver that cannot be imported.
        SettingError: For an option without value, or named twice.
    """
    return all(driver_of(each).independent for each in list_addresses(url))


def list_addresses(url: str) -> tuple[str, ...]:
    """The addresses that an address holds; one that holds no others is all there is."""
    members = members_of(url)
    return (url,) if members is None else members.addresses


def members_of(url: str) -> Members | None:
    """The members of an address that holds others; None of any other."""
    scheme, target, _ = split(url)
    return parse_members(target, schemes()) if scheme in HOLDING else None


def with_options(url: str, options: Mapping[str, object]) -> str:
    """An address with further options; those that it holds get them, where it holds others.

    Args:
        url: An address, as for `open`.
        options: By name.
    """
    if not options:
        return url
    scheme, _, target = url.partition(":")
    if scheme in HOLDING:
        members = parse_members(target, schemes())
        given = tuple(with_options(each, options) for each in members.addresses)
        return members._replace(addresses=given).join(scheme)
    return f"{url}{'&' if '?' in url else '?'}{urlencode(options)}"


def code_of(url: str) -> tuple[str, ...]:
    """Files of Python that opening an address would run; nothing is opened.

    Args:
        url: An address, as for `open`.

    Raises:
        DeviceNotFound: For an unknown scheme, or a driver that cannot be imported.
        SettingError: For an option without value, or named twice.
    """
    scheme, target, options = split(url)
    kind = driver(scheme)
    with DriverCall(kind, "code_of"):
        return tuple(str(file) for file in kind.code_of(target, options))


def open(url: str, *, record: str | Path | None = None) -> Device:
    """Open the device at an address.

    Args:
        url: `emulator:mixed-signal?chip=7`, or any other scheme that a driver serves. Every address
            may have the options `call_limit`, how long a call of the driver may last, in seconds,
            before it counts as hung, `isolated=1`, which runs it in a process of its own, and
            `faults=`, faults or none yet: see `drivers.contract.faults.read_faults`.
        record: File to record the whole session to, for `replay:FILE`; it must not exist.

    Returns:
        The device, not yet configured. Use it as a context manager, or close it.

    Raises:
        DeviceNotFound: For an unknown scheme or nothing at that address.
        SettingError: For an option that the driver does not know or allow.
        ContractMismatch: When the driver is written for another version of the contract.
        ReadoutError: When what the device states about itself cannot be.
        DriverError: When the driver fails in another way than by an error of a device.
        ValueError: When the recording exists already, or its folder does not.
        OSError: When it cannot be written.
    """
    scheme, target, options = split(url)
    kind = driver(scheme)
    limit = _parse_call_limit(options.pop(CALL_LIMIT, None), kind.call_limit)
    if record is not None:
        from drivers.session.file import check_free

        check_free(record)  # before a device is touched
    faults = options.pop(FAULTS, None)
    isolated = options.pop(ISOLATED, "0")
    if isolated not in ("0", "1"):
        raise SettingError(f"{ISOLATED}={isolated}: give 1, or 0")
    device: Device
    if isolated == "1":
        from drivers.isolation import Isolated

        device = Isolated(with_options(f"{scheme}:{target}", options), BUILTIN, limit)
    else:
        with DriverCall(kind, "from_url", limit):
            device = kind.from_url(target, options)
        if not isinstance(device, Device):
            raise DriverError(
                f"{kind.__name__}.from_url gave {type(device).__name__}: give the device, opened"
            )
        device.call_limit = limit
    try:
        with DriverCall(device, "info") as method:
            check_info(method, device.info)
        if faults is not None:
            from drivers.contract.faults import read_faults
            from drivers.faulty import FaultyWeights

            device = device if device.info.abilities.faults else FaultyWeights(device)
            device.set_faults(read_faults(faults))
        if record is None:
            return device
        from drivers.session.recording import Recorded

        return Recorded(device, record)
    except BaseException:
        device.close()
        raise


def _parse_call_limit(text: str | None, default: float) -> float:
    if text is None:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 1 <= seconds <= 1e6:  # NaN is neither
        raise SettingError(f"{CALL_LIMIT}={text}: give seconds from 1 to 1000000")
    return seconds


class Members(NamedTuple):
    """The devices that an address holds.

    Attributes:
        addresses: Of each.
        may_fail: How many of them may fail without ending the work.
        at_once: How many of them run a batch, in turn; all when 0.
    """

    addresses: tuple[str, ...]
    may_fail: int = 0
    at_once: int = 0

    def join(self, scheme: str) -> str:
        """Write their address."""
        own = {"may_fail": self.may_fail, "at_once": self.at_once}
        options = [f"{name}={number}" for name, number in own.items() if number]
        return f"{scheme}:{','.join([*options, *self.addresses])}"


def parse_members(target: str, schemes: Iterable[str]) -> Members:
    """Read `[may_fail=N,][at_once=N,]ADDRESS[,ADDRESS...]`.

    A comma ends an address where a known scheme follows. `A..B` stands for all whole numbers from A
    to B, each of which gives an address of its own.

    Args:
        target: What follows the scheme.
        schemes: All that are known.

    Raises:
        SettingError: When it is something else.
    """
    own, rest = _parse_own(target)
    names = "|".join(re.escape(scheme) for scheme in schemes)
    parts = re.split(rf",(?=(?:{names}):)", rest)
    addresses = [address for part in parts for address in _expand_ranges(part)]
    if not re.match(rf"(?:{names}):", rest):
        raise SettingError(f"{rest[:60]!r} names no device: {USAGE}")
    if nested := [part for part in parts if part.partition(":")[0] in HOLDING]:
        raise SettingError(f"{nested[0][:60]!r} within another: name its members themselves")
    if len(addresses) > MOST_MEMBERS:
        raise SettingError(f"{len(addresses)} devices as one: give at most {MOST_MEMBERS}")
    members = Members(tuple(addresses), **own)
    if members.may_fail >= len(addresses):
        raise SettingError(f"may_fail={members.may_fail} of {len(addresses)}: one has to remain")
    if members.at_once > len(addresses):
        raise SettingError(f"at_once={members.at_once} of {len(addresses)}: there are no more")
    return members


def _parse_own(target: str) -> tuple[dict[str, int], str]:
    """The fleet's own options, and the addresses."""
    own: dict[str, int] = {}
    while match := OWN.match(target):
        name, number = match.groups()
        if not (number.isascii() and number.isdigit() and len(number) < 5) or name in own:
            raise SettingError(f"{name}={number[:20]}: give a number of members, once")
        own[name], target = int(number), target[match.end() :]
    return own, target


def _expand_ranges(address: str) -> list[str]:
    """Each address that one with ranges stands for."""
    texts, numbers = RANGE.split(address)[::3], RANGE.findall(address)
    ranges = [_range_of(first, last) for first, last in numbers]
    if math.prod(map(len, ranges)) > MOST_MEMBERS:
        raise SettingError(
            f"ranges of {address[:60]!r} make more than {MOST_MEMBERS} devices: give fewer"
        )
    return [
        texts[0] + "".join(f"{n}{text}" for n, text in zip(chosen, texts[1:], strict=True))
        for chosen in product(*ranges)
    ]


def _range_of(first: str, last: str) -> range:
    """Make the range of two numbers as texts."""
    if max(len(first), len(last)) > 18 or int(last) < int(first):
        raise SettingError(f"range {first[:20]}..{last[:20]}: give a number to a larger one")
    return range(int(first), int(last) + 1)
