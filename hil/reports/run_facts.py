"""Facts about one run for the pages of runs: its settings as text, its time by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hil.config import Config


def settings(config: Config) -> dict[tuple[str, str], str]:
    """Every setting as text.

    Args:
        config: A complete configuration.

    Returns:
        Text by section and key; the section of those that have none is `run`.
    """
    texts: dict[tuple[str, str], str] = {}
    for name, value in config.model_dump(mode="json").items():
        if isinstance(value, dict):
            texts |= {(name, key): _text(item) for key, item in value.items()}
        else:
            texts["run", name] = _text(value)
    return texts


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} = {item}" for key, item in value.items()) or "as it comes"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def time_by_part(metrics: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Training time of all epochs so far.

    Args:
        metrics: Metrics of each finished epoch.

    Returns:
        Seconds in the device, on the host and in transfer.
    """
    return {
        part: sum(row[f"{part}_seconds"] for row in metrics)
        for part in ("device", "host", "transfer")
    }
