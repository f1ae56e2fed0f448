"""Exceptions that end a check, and the check that a refusal is the right one."""

from __future__ import annotations

from collections.abc import Callable

from drivers.errors import DeviceError, Diverged


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
