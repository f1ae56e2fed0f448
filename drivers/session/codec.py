"""One exchange with a device as plain values and arrays by name, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from drivers.contract.arrays import select_prefix
from drivers.contract.info import DeviceInfo
from drivers.contract.message_files import stimulus_arrays
from drivers.contract.messages import Probe, Stimulus
from drivers.contract.network import Network
from drivers.session.file import Fields

Kind = Literal["open", "configure", "write", "run", "reset", "restore", "close"]
if TYPE_CHECKING:
    from pydantic import TypeAdapter

ASKED, GIVEN = "asked.", "given."
TIMES = ("at", "seconds", "transfer_seconds")


@dataclass(frozen=True)
class Exchange:
    """What was asked of a device, and what it answered.

    Attributes:
        kind: What was done. `open` comes first and `close` last.
        asked: The request.
        given: The answer; `error` and `message` where it was an error.
        at: When it was asked, in seconds since the session began.
        seconds: How long the answer took.
        transfer_seconds: How much of it was spent on the line.
    """

    kind: Kind
    asked: Fields = field(default_factory=dict)
    given: Fields = field(default_factory=dict)
    at: float = 0.0
    seconds: float = 0.0
    transfer_seconds: float = 0.0

    def record(self) -> Fields:
        """The fields of a record."""
        times = {
            "at": self.at,
            "seconds": self.seconds,
            "transfer_seconds": self.transfer_seconds,
        }
        asked = {ASKED + name: value for name, value in self.asked.items()}
        given = {GIVEN + name: value for name, value in self.given.items()}
        return {"kind": self.kind, **times, **asked, **given}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Exchange:
        """The exchange of a record.

        Raises:
            ValueError: When a field is missing, or is none of an exchange.
        """
        kind: Any = record.get("kind")
        if kind not in get_args(Kind):
            raise ValueError(f"kind is {_short(kind)}")
        for name in TIMES:
            if type(record.get(name)) not in (int, float):
                raise ValueError(f"{name} is missing, or no time")
        asked, given = select_prefix(record, ASKED), select_prefix(record, GIVEN)
        if "error" in given and not isinstance(given.get("message"), str):
            raise ValueError("given.message is missing, or no text")
        return cls(kind, asked, given, *(record[name] for name in TIMES))


def network_fields(network: Network) -> Fields:
    """A complete network."""
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
        **trims,
    }


def write_fields(projection: int, weights: NDArray[np.float32]) -> Fields:
    """Weights and where they go."""
    return {"projection": int(projection), "weights": weights}


def run_fields(
    stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
) -> Fields:
    """A stimulus, probes, a trial, and whether the run carries on."""
    shown = {f"stimulus.{name}": value for name, value in stimulus_arrays(stimulus).items()}
    return {
        "trial": None if trial is None else int(trial),
        "carry": carry,
        "probes": [_plain(asdict(probe)) for probe in probes],
        **{n: v if isinstance(v, np.ndarray) else _plain(v) for n, v in shown.items()},
    }


def info_fields(info: DeviceInfo) -> Fields:
    """What a device is, as JSON has it."""
    found: Fields = _plain(asdict(info))
    return found


def info_from(fields: Any) -> DeviceInfo:
    """The facts that `info_fields` gave.

    Raises:
        ValueError: When they are not complete or not valid.
    """
    from pydantic import ValidationError

    try:
        info = _device_info().validate_json(json.dumps(fields), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    for number, form in enumerate(info.weights):
        if not 0 < form.minimum_full_scale <= form.maximum_full_scale:
            raise ValueError(f"weights.{number}: full scales that are none")
        if form.levels is not None and form.levels < 2:
            raise ValueError(f"weights.{number}.levels: {form.levels}")
    swing = info.neuron.membrane.threshold - info.neuron.membrane.rest
    wrong = {
        "weights": not info.weights,
        "dt": not info.timing.dt > 0,
        "spikes_per_step": not 1 <= info.neuron.spikes_per_step <= 255,
        "membrane": not swing,
        "probes": any(offer.every < 1 for offer in info.offers.probes),
    }
    for name, is_wrong in wrong.items():
        if is_wrong:
            raise ValueError(f"{name}: is what no device states")
    return info


@cache
def _device_info() -> TypeAdapter[DeviceInfo]:
    from pydantic import TypeAdapter

    return TypeAdapter(DeviceInfo)


def difference(recorded: Fields, asked: Fields) -> str | None:
    """The first field that is not the same, with both values, or None."""
    for name in [*recorded, *(n for n in asked if n not in recorded)]:
        if name not in recorded or name not in asked:
            return f"{name} was {'' if name in recorded else 'not '}recorded"
        was, now = recorded[name], asked[name]
        if isinstance(was, np.ndarray) and isinstance(now, np.ndarray):
            found = _unlike(was, now)
            if found:
                return f"{name}{found}"
        elif isinstance(was, np.ndarray) or isinstance(now, np.ndarray) or was != now:
            return f"{name}: recorded {_short(was)}, asked {_short(now)}"
    return None


def _unlike(was: NDArray[Any], now: NDArray[Any]) -> str | None:
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


def _short(value: Any) -> str:
    text = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _plain(value: Any) -> Any:
    """As it comes back from JSON, so that both sides compare alike."""
    return json.loads(json.dumps(value, default=_number))


def _number(value: Any) -> Any:
    return value.item()  # a numpy number
