"""What a check is: what it needs of a device, what it holds it to, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from drivers.conformance.harness import Harness, Measured, NotApplicable
from drivers.conformance.needs import Need
from drivers.errors import DeviceError, DeviceHung, Diverged, DriverError, ReadoutError


class Failed(Exception):
    """The device breaks the contract; says how."""


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        name: Its name, in words with hyphens.
        reason: What it holds the device to, in a line.
        needs: What it needs of the device; where that is missing it is not applicable.
        look: Where the author of a driver that fails it looks.
        hold: Holds a device to it.
    """

    name: str
    reason: str
    needs: tuple[Need, ...]
    look: str
    hold: Callable[[Harness], None]


def check(*needs: Need, look: str = "") -> Callable[[Callable[[Harness], None]], Check]:
    """Make a check of a function that raises `Failed` for a device that breaks the contract.

    Args:
        needs: What the check needs of the device.
        look: Where the author of a driver that fails looks.
    """

    def make(hold: Callable[[Harness], None]) -> Check:
        reason = (hold.__doc__ or "").strip().removesuffix(".")
        return Check(hold.__name__.replace("_", "-"), reason, needs, look, hold)

    return make


Answer = TypeVar("Answer")
Verdict = Literal["passed", "failed", "not applicable"]


@dataclass(frozen=True)
class Outcome:
    """Result of a check.

    Attributes:
        check: Name of the check.
        reason: What it holds the device to.
        verdict: How it ended.
        detail: What is wrong, or why it was not applicable; empty when passed.
        measured: What was measured that info leaves open; empty where nothing was.
    """

    check: str
    reason: str
    verdict: Verdict
    detail: str = ""
    measured: str = ""


def run_check(check: Check, harness: Harness) -> Outcome:
    """Make one check; any exception of the driver that the check does not expect is a failure."""
    exact = harness.info.abilities.deterministic
    for _ in range(1 if exact else 2):  # what noise does, it hardly does twice
        verdict, detail, *measured = _judge(check, harness)
        if verdict != "failed":
            break
        harness.discard()
    return Outcome(check.name, check.reason, verdict, " ".join(detail.split()), *measured)


def _judge(check: Check, harness: Harness) -> tuple[Verdict, str] | tuple[Verdict, str, str]:
    if harness.hung:
        return "not applicable", "the driver hung in a check before"
    try:
        for need in check.needs:
            if not need.is_met(harness):
                return "not applicable", need.otherwise
        check.hold(harness)
    except Measured as why:
        return "not applicable", str(why), why.told
    except (NotApplicable, Diverged) as why:  # a recording could not be asked anything else
        return "not applicable", str(why)
    except Failed as why:
        return "failed", f"{why}: look at {check.look}" if check.look else str(why)
    except (DeviceHung, DriverError, ReadoutError) as error:  # these name the driver's method
        harness.hung = isinstance(error, DeviceHung)
        return "failed", str(error)
    except Exception as error:
        kind = "refused" if isinstance(error, DeviceError) else "the driver raised"
        return "failed", f"{kind}: {type(error).__name__}: {error}"
    return "passed", ""


def check_refusal(what: str, expected: type[DeviceError], ask: Callable[[], object]) -> None:
    """Hold a device to the error with which it has to refuse something.

    Raises:
        Failed: When it raises another one, or none.
    """
    try:
        ask()
    except expected:
        return
    except Diverged:
        raise
    except Exception as error:
        raise Failed(f"{what}: raised {type(error).__name__}, not {expected.__name__}") from None
    raise Failed(f"{what}: not refused")


def check_taken(what: str, ask: Callable[[], Answer]) -> Answer:
    """Hold a device to taking what it states as possible, and give its answer.

    Raises:
        Failed: When it refuses.
    """
    try:
        return ask()
    except Diverged:
        raise
    except DeviceError as error:
        raise Failed(f"{what}: stated as possible, but {type(error).__name__}: {error}") from None
