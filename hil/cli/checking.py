"""The conformance checks of a device, as the command shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import drivers
from drivers.conformance import CHECKS, Harness, Outcome, Verdict, name, outcome

HEADER = ("check", "verdict", "what it asks, or what was found")
VERDICTS: tuple[Verdict, ...] = ("passed", "failed", "not applicable")


def stages() -> int:
    """How often `check` tells its watcher."""
    return len(CHECKS)


def check(url: str, record: Path | None, watch: Callable[[str], None]) -> list[Outcome]:
    """Make every check on a device.

    Args:
        url: Address of the device.
        record: File to record the session with the device to. The session ends where the device
            is opened anew: after a check that failed, or for the last ones.
        watch: Is told which check is under way.

    Raises:
        DeviceError: When the device cannot be opened.
        ValueError: When the recording exists already.
    """
    records = iter((record,))
    found = []
    with Harness(lambda: drivers.open(url, record=next(records, None))) as harness:
        for each in CHECKS:
            watch(name(each))
            found.append(outcome(each, harness))
    return found


def broken(found: Sequence[Outcome]) -> bool:
    """Whether any check failed."""
    return any(each.verdict == "failed" for each in found)


def rows(found: Sequence[Outcome]) -> list[tuple[str, str, str]]:
    """A row for each check, as `HEADER` names its cells."""
    return [(each.check, each.verdict, each.detail or each.reason) for each in found]


def summary(found: Sequence[Outcome]) -> str:
    """How many checks ended how."""
    counts = Counter(each.verdict for each in found)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)


def result(url: str, found: Sequence[Outcome]) -> dict[str, Any]:
    """All outcomes, for JSON."""
    counts = Counter(each.verdict for each in found)
    return {
        "device": url,
        **{verdict.replace(" ", "_"): counts[verdict] for verdict in VERDICTS},
        "checks": [asdict(each) for each in found],
    }
