"""Starting a run from another one: its settings below what is asked for, its weights at first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hil.config import Sections
from hil.runs.folder import Run


def base(start: str | Path, *asked: Mapping[str, Any]) -> Sections:
    """The lowest layer of the configuration of a run that starts from another.

    Args:
        start: The other run's folder.
        asked: The layers that will lie on top. Where one of them names a device, the options and
            the calibration of the other run's own are left out.

    Returns:
        The complete configuration of the other run, its seed included, with it as `start`.

    Raises:
        ValueError: When it is no run folder.
    """
    sections = Run.open(start).config().model_dump(mode="json")
    if any("device" in layer for layer in asked):
        del sections["device_options"], sections["network"]["calibration"]
    return {**sections, "start": str(start)}
