"""One exchange with a device as plain values and arrays by name, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from drivers.contract.arrays import select_prefix
from drivers.contract.faults import Fault
from drivers.contract.info import DeviceInfo
from drivers.contract.messages import Probe, Stimulus, read_fields, stimulus_arrays
from drivers.contract.network import Network
from drivers.contract.statements import contradictions
from drivers.session.file import Fields

ExchangeKind = Literal["open", "configure", "write", "run", "faults", "reset", "restore", "close"]
ASKED, GIVEN = "asked.", "given."
TIMES = ("at", "seconds", "transfer_seconds")


@dataclass(frozen=True)
class Exchange:
    """One request to a device, and its answer.

    Attributes:
        kind: What was done. `open` comes first and `close` last.
        asked: The request.
        given: The answer; `error` and `message` where it was an error.
        at: When it was asked, in seconds since the session began.
        seconds: How long the answer took.
        transfer_seconds: How much of it was spent on the line.
    """

    kind: ExchangeKind
    asked: Fields = field(default_factory=dict)
    given: Fields = field(default_factory=dict)
    at: float = 0.0
    seconds: float = 0.0
    transfer_seconds: float = 0.0

    def to_record(self) -> Fields:
        """Make the fields of a record."""
        times = {name: getattr(self, name) for name in TIMES}
        asked = {ASKED + name: value for name, value in self.asked.items()}
        given = {GIVEN + name: value for name, value in self.given.items()}
        return {"kind": self.kind, **times, **asked, **given}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Exchange:
        """Read the exchange of a record.

        Raises:
            ValueError: When a field is missing, or is none of an exchange.
        """
        kind: Any = record.get("kind")
        if kind not in get_args(ExchangeKind):
            raise ValueError(f"kind is {_shorten(kind)}")
        for name in TIMES:
            if type(record.get(name)) not in (int, float):
                raise ValueError(f"{name} is missing, or no time")
        asked, given = select_prefix(record, ASKED), select_prefix(record, GIVEN)
        if "error" in given and not isinstance(given.get("message"), str):
            raise ValueError("given.message is missing, or no text")
        return cls(kind, asked, given, *(record[name] for name in TIMES))


def network_fields(network: Network) -> Fields:
    """Take a complete network apart."""
    populations, projections = network.populations, network.projections
    trims = {
        f"trims.{name}.{number}": np.asarray(values)
        for number, population in enumerate(populations, start=1)
        for name, values in population.trims.items()
    }
    return {
        "layers": [int(size) for size in network.layers],
        "projections": [[int(p.source), int(p.target)] for p in projections],
        "full_scale": [float(scale) for scale in network.full_scale],
        "settings": [
            {name: float(value) for name, value in population.settings.items()}
            for population in populations
        ],
        **{f"delay.{number}": np.asarray(p.delay) for number, p in enumerate(projections)},
        **{
            f"synapses.{number}": np.stack([p.synapses.pre, p.synapses.post])
            for number, p in enumerate(projections)
            if p.synapses is not None
        },
        **trims,
    }


def write_fields(projection: int, weights: NDArray[np.float32]) -> Fields:
    """Take apart weights and where they go."""
    return {"projection": int(projection), "weights": weights}


def run_fields(
    stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
) -> Fields:
    """Take apart a stimulus, probes, a trial, and whether the run carries on."""
    parts = {f"stimulus.{name}": value for name, value in stimulus_arrays(stimulus).items()}
    return {
        "trial": None if trial is None else int(trial),
        "carry": carry,
        "probes": [_to_plain(asdict(probe)) for probe in probes],
        **{n: v if isinstance(v, np.ndarray) else _to_plain(v) for n, v in parts.items()},
    }


def fault_fields(faults: Sequence[Fault]) -> Fields:
    """Take apart faults, complete."""
    numbers = {f"where.{number}": np.asarray(f.where) for number, f in enumerate(faults)}
    return {"faults": [_to_plain({**asdict(f), "where": []}) for f in faults], **numbers}


def info_fields(info: DeviceInfo) -> Fields:
    """Take apart what a device is, as JSON has it."""
    fields: Fields = _to_plain(asdict(info))
    return fields


def read_info(fields: Any) -> DeviceInfo:
    """Read the facts that `info_fields` gave.

    Raises:
        ValueError: When they are not complete or cannot be.
    """
    info: DeviceInfo = read_fields(DeviceInfo, fields)
    wrong = contradictions(info)
    if wrong:
        raise ValueError(wrong[0])
    return info


def first_difference(recorded: Fields, asked: Fields) -> str | None:
    """Name the first field that is not the same, with both values, or None."""
    for name in [*recorded, *(n for n in asked if n not in recorded)]:
        if name not in recorded or name not in asked:
            return f"{name} was {'' if name in recorded else 'not '}recorded"
        was, now = recorded[name], asked[name]
        if isinstance(was, np.ndarray) and isinstance(now, np.ndarray):
            if where := _array_difference(was, now):
                return f"{name}{where}"
        elif isinstance(was, np.ndarray) or isinstance(now, np.ndarray) or was != now:
            return f"{name}: recorded {_shorten(was)}, asked {_shorten(now)}"
    return None


def _array_difference(was: NDArray[Any], now: NDArray[Any]) -> str | None:
    if (was.shape, was.dtype) != (now.shape, now.dtype):
        return f": recorded {was.dtype} {was.shape}, asked {now.dtype} {now.shape}"
    if was.tobytes() == now.tobytes():
        return None
    # Bytes, so that nothing that is not the same passes: neither -0 for 0 nor one NaN for another.
    size = was.dtype.itemsize
    a, b = (np.frombuffer(x.tobytes(), np.uint8).reshape(-1, size) for x in (was, now))
    first = int(np.flatnonzero((a != b).any(axis=1))[0])
    place = ", ".join(str(i) for i in np.unravel_index(first, was.shape))
    return f"[{place}]: recorded {was.reshape(-1)[first]!s}, asked {now.reshape(-1)[first]!s}"


def _shorten(value: Any) -> str:
    text = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _to_plain(value: Any) -> Any:
    """Return a value as it comes back from JSON, so that both sides compare alike."""
    return json.loads(json.dumps(value, default=lambda number: number.item()))
