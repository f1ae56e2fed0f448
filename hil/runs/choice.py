"""A setting that was left open, and what it became."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Choice:
    """A setting that was left open, and what the device made of it.

    Attributes:
        setting: Its name, `section.key`.
        value: What was chosen.
        reason: What of the device it follows from.
    """

    setting: str
    value: str | int | float | list[int]
    reason: str

    def __str__(self) -> str:
        """One line, e.g. `network.steps = 32: this device takes 32 steps in a run`."""
        return f"{self.setting} = {self.value}: {self.reason}"

    def as_json(self) -> dict[str, Any]:
        """As the record of a run keeps it."""
        return asdict(self)
