"""Facts about one run for the pages of runs: its settings as text, its time by part, its costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hil.config import Config


PAID = {
    "runs": "runs of a batch",
    "samples": "samples",
    "input_events": "events of the input",
    "spikes": "spikes of neurons",
    "synaptic_events": "synaptic events",
    "line_bytes": "bytes on the line",
    "write_calls": "writes of a projection",
    "cell_writes_mean": "writes of a cell, mean",
    "cell_writes_max": "writes of a cell, most",
}


@dataclass(frozen=True)
class Paid:
    """One thing that a device pays, for one sample and for the training, as text."""

    what: str
    inference: str
    training: str


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


def inference(costs: Mapping[str, Mapping[str, float | None]]) -> str:
    """What the device paid for one sample, in a line.

    Args:
        costs: `costs` of a result.
    """
    found = costs["inference"]
    return ", ".join(f"{PAID[key]} {_amount(found[key])}" for key in PAID if key in found)


def paid(costs: Mapping[str, Mapping[str, float | None]]) -> list[Paid]:
    """What the device paid, thing by thing.

    Args:
        costs: `costs` of a result.
    """
    one = {"samples": 1.0, **costs["inference"]}
    return [
        Paid(
            what,
            _amount(one[key]) if key in one else "",
            _amount(costs["training"][key]),
        )
        for key, what in PAID.items()
    ]


def _amount(value: float | None) -> str:
    """A number to be read: whole and in groups of three digits, or with three digits in all."""
    if value is None:
        return "not known"
    if value >= 100 or value == int(value):
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.3g}"
