"""One check made, and its outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from drivers.conformance.kit.ending import Failed, NotApplicable
from drivers.conformance.kit.harness import Harness
from drivers.errors import (
    DeviceError,
    DeviceHung,
    Diverged,
    DriverError,
    ReadoutError,
)

Verdict = Literal["passed", "failed", "not applicable"]
Check = Callable[[Harness], None]


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Attributes:
        check: Name of the check.
        reason: What it holds the device to.
        verdict: How it ended.
        detail: What is wrong, or why it was not applicable; empty when passed.
    """

    check: str
    reason: str
    verdict: Verdict
    detail: str = ""


def name(check: Check) -> str:
    """The name of a check."""
    return check.__name__.replace("_", "-")


def reason(check: Check) -> str:
    """What a check holds the device to, in a line."""
    return (check.__doc__ or "").strip().splitlines()[0].removesuffix(".")


def outcome(check: Check, harness: Harness) -> Outcome:
    """Make one check; any exception of the driver that the check does not expect is a failure."""

    def found(verdict: Verdict, detail: object) -> Outcome:
        return Outcome(name(check), reason(check), verdict, " ".join(str(detail).split()))

    if harness.hung:
        return found("not applicable", "the driver hung in a check before")
    try:
        check(harness)
    except NotApplicable as why:
        return found("not applicable", why)
    except Diverged as why:  # a recording is no device that could be asked anything else
        return found("not applicable", why)
    except Failed as why:
        harness.discard()
        return found("failed", why)
    except Exception as error:
        harness.discard()
        harness.hung = isinstance(error, DeviceHung)
        if isinstance(
            error, DeviceHung | DriverError | ReadoutError
        ):  # these name the driver's method
            return found("failed", error)
        kind = "refused" if isinstance(error, DeviceError) else "the driver raised"
        return found("failed", f"{kind}: {type(error).__name__}: {error}")
    return found("passed", "")
