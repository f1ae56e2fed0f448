"""Addresses that hold others: what follows `fleet:` are the addresses of its members."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import product
from math import prod
from typing import NamedTuple

from drivers.errors import SettingError

MOST = 1024  # members
LOST = "may_fail"
OWN = re.compile(rf"{LOST}=([^,]*),")
RANGE = re.compile(r"(?<![\d.])(\d+)\.\.(\d+)(?![\d.])")
USAGE = "write fleet:ADDRESS,ADDRESS,..., a range of numbers as in chip=1..8"


class Members(NamedTuple):
    """The members of a fleet.

    Attributes:
        addresses: Of each.
        may_fail: How many of them may fail without ending the work.
    """

    addresses: tuple[str, ...]
    may_fail: int


def parse(target: str, schemes: Iterable[str]) -> Members:
    """Read `[may_fail=N,]ADDRESS[,ADDRESS...]`.

    A comma ends an address where a known scheme follows. `A..B` stands for all whole numbers from A
    to B, each of which gives an address of its own.

    Args:
        target: What follows `fleet:`.
        schemes: All that are known.

    Raises:
        SettingError: When it is something else.
    """
    may_fail, rest = _own(target)
    names = "|".join(re.escape(scheme) for scheme in schemes)
    parts = re.split(rf",(?=(?:{names}):)", rest)
    addresses = [address for part in parts for address in _spread(part)]
    if not re.match(rf"(?:{names}):", rest):
        raise SettingError(f"fleet {rest[:60]!r} names no device: {USAGE}")
    if nested := [part for part in parts if part.startswith("fleet:")]:
        raise SettingError(f"{nested[0][:60]!r} within a fleet: name its members themselves")
    if len(addresses) > MOST:
        raise SettingError(f"a fleet of {len(addresses)} devices: give at most {MOST}")
    if may_fail >= len(addresses):
        raise SettingError(f"{LOST}={may_fail} of {len(addresses)}: one has to remain")
    return Members(tuple(addresses), may_fail)


def _own(target: str) -> tuple[int, str]:
    """The fleet's own option, and the addresses."""
    found = OWN.match(target)
    if not found:
        return 0, target
    number = found[1]
    if not (number.isascii() and number.isdigit() and len(number) < 5):
        raise SettingError(f"{LOST}={number[:20]}: give the number of members that may fail")
    return int(number), target[found.end() :]


def _spread(address: str) -> list[str]:
    """Each address that one with ranges stands for."""
    texts, numbers = RANGE.split(address)[::3], RANGE.findall(address)
    ranges = [_numbers(first, last) for first, last in numbers]
    if prod(map(len, ranges)) > MOST:
        raise SettingError(f"ranges of {address[:60]!r} make more than {MOST} devices: give fewer")
    return [
        texts[0] + "".join(f"{n}{text}" for n, text in zip(chosen, texts[1:], strict=True))
        for chosen in product(*ranges)
    ]


def _numbers(first: str, last: str) -> range:
    """All of a range."""
    if max(len(first), len(last)) > 18 or int(last) < int(first):
        raise SettingError(
            f"range {first[:20]}..{last[:20]} in a fleet: give a number to a larger one"
        )
    return range(int(first), int(last) + 1)
