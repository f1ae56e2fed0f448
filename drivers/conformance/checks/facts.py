"""Is what the device states about itself possible, and does it stay so?"""

from __future__ import annotations

import math

from drivers.conformance.kit.ending import Failed
from drivers.conformance.kit.harness import Harness
from drivers.conformance.kit.verdict import Check
from drivers.contract.checking.statements import contradictions


def facts_are_possible(harness: Harness) -> None:
    """What info states could be true."""
    wrong = contradictions(harness.info)
    if wrong:
        raise Failed("; ".join(wrong))


def facts_stay(harness: Harness) -> None:
    """Using the device does not change what info states."""
    harness.clear()
    harness.write(1.0)
    harness.run(harness.everything())
    if harness.device.info != harness.info:
        raise Failed("info is not what it was when the device was opened")


def line_time_never_falls(harness: Harness) -> None:
    """transfer_seconds is time spent so far: finite, at least 0, and growing."""
    harness.clear()
    read = [harness.device.transfer_seconds]
    for share in (1.0, 0.5):
        harness.write(share)
        harness.run(harness.everything())
        read.append(harness.device.transfer_seconds)
    if not (all(map(math.isfinite, read)) and 0 <= read[0] <= read[1] <= read[2]):
        raise Failed(f"transfer_seconds was {', '.join(f'{each:g}' for each in read)}")


CHECKS: tuple[Check, ...] = (facts_are_possible, facts_stay, line_time_never_falls)
