"""What a check can come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from drivers.conformance.bench import Bench
from drivers.errors import DeviceError, Diverged

Verdict = Literal["passed", "failed", "not applicable"]
Check = Callable[[Bench], None]


class Failed(Exception):
    """The device breaks the contract; says how."""


class NotApplicable(Exception):
    """The check asks for what this device need not have; says what."""


def refuses(what: str, expected: type[DeviceError], ask: Callable[[], object]) -> None:
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


def outcome(check: Check, bench: Bench) -> Outcome:
    """Make one check; whatever a driver raises that it should not is a failure."""

    def found(verdict: Verdict, detail: object) -> Outcome:
        return Outcome(name(check), reason(check), verdict, " ".join(str(detail).split()))

    try:
        check(bench)
    except NotApplicable as why:
        return found("not applicable", why)
    except Diverged as why:  # a recording is no device that could be asked anything else
        return found("not applicable", why)
    except Failed as why:
        bench.discard()
        return found("failed", why)
    except Exception as error:
        bench.discard()
        kind = "refused" if isinstance(error, DeviceError) else "the driver raised"
        return found("failed", f"{kind}: {type(error).__name__}: {error}")
    return found("passed", "")
