"""A calibration as data and as a file: the settings that even out one device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from drivers import Identity
from drivers.files.bounded import check_schema, read_toml
from drivers.files.writing import write_text
from drivers.refusals import shorten

VERSION = 1
MOST = 2 << 20  # bytes of a file
Value = Annotated[float, Field(ge=-1e30, le=1e30)]  # as float32 has it
Text = Annotated[str, Field(max_length=1000)]
HEADER = ("setting", "chosen for", "before: mean, spread", "after: mean, spread")


class Record(BaseModel):
    """A table of the file; nothing is turned into something else."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class TargetSpread:
    """Mean and spread of a quantity over neurons, in units of its target value.

    Attributes:
        mean: Mean over neurons; 1 is the target.
        sd: Standard deviation over neurons.
    """

    mean: float
    sd: float


class IdentityRecord(Record):
    """Which device, as the file says."""

    name: Text
    serial: Text = ""
    firmware: Text = ""
    protocol: Text = ""


class SpreadRecord(Record):
    """A spread, as the file says."""

    mean: Value
    sd: Value


class CalibrationRecord(Record):
    """A calibration file."""

    version: int
    layers: Annotated[list[Annotated[int, Field(ge=1, le=1 << 24)]], Field(min_length=2)]
    device: IdentityRecord
    settings: dict[str, Value]
    trims: dict[str, list[list[Value]]]
    before: dict[str, SpreadRecord]
    after: dict[str, SpreadRecord]


@dataclass(frozen=True)
class Calibration:
    """Settings found for one device.

    Attributes:
        identity: The device.
        layers: Sizes of the network it was mapped with, the input first.
        settings: Settings of all neurons, by name.
        trims: Settings of each neuron by name, `(n_l,)` for each layer of neurons.
        before: The quantity that each setting moves, before calibration, by name of the setting.
        after: The same quantities under the settings found.
    """

    identity: Identity
    layers: tuple[int, ...]
    settings: Mapping[str, float] = field(default_factory=dict)
    trims: Mapping[str, Sequence[NDArray[np.float32]]] = field(default_factory=dict)
    before: Mapping[str, TargetSpread] = field(default_factory=dict)
    after: Mapping[str, TargetSpread] = field(default_factory=dict)


def write(made: Calibration, path: Path) -> Path:
    """Write a calibration as TOML, whole or not at all.

    Raises:
        OSError: When the folder cannot be written.
    """
    import tomli_w

    return write_text(path, tomli_w.dumps(record(made)))


def record(made: Calibration) -> dict[str, Any]:
    """A calibration in plain values, as the file holds it."""
    return {
        "version": VERSION,
        "layers": list(made.layers),
        "device": asdict(made.identity),
        "settings": dict(made.settings),
        "trims": {name: [a.tolist() for a in layers] for name, layers in made.trims.items()},
        "before": {name: asdict(spread) for name, spread in made.before.items()},
        "after": {name: asdict(spread) for name, spread in made.after.items()},
    }


def rows(made: Calibration) -> list[tuple[str, str, str, str]]:
    """The spreads before and after, as rows of a table."""
    table = []
    for name, before in made.before.items():
        whose, after = "each neuron" if name in made.trims else "all neurons", made.after[name]
        texts = [f"{s.mean:.3f}, {s.sd:.3f}" for s in (before, after)]
        table.append((name, whose, texts[0], texts[1]))
    return table


def read(path: str | Path) -> Calibration:
    """Read what `write` wrote.

    Raises:
        ValueError: One line, when the file is missing, damaged or of a newer version.
    """
    try:
        table = read_toml(path, MOST)
        version = table.get("version")
        if type(version) is int and version > VERSION:
            raise ValueError(
                f"{path} is of version {version}, this spikeloop reads up to {VERSION}: upgrade it"
            )
        check_schema(CalibrationRecord, table, str(path))
    except ValueError as error:
        raise ValueError(f"calibration {error}") from None
    layers = tuple(table["layers"])
    trims = {
        name: [np.asarray(values, np.float32) for values in arrays]
        for name, arrays in table["trims"].items()
    }
    for name, arrays in trims.items():
        if [a.shape for a in arrays] != [(n,) for n in layers[1:]]:
            raise ValueError(f"calibration {path}: trims.{shorten(name)} is not of layers {layers}")
    for name in table["before"]:
        if name not in table["after"]:
            raise ValueError(f"calibration {path}: after.{shorten(name)} is missing")
    return Calibration(
        identity=Identity(**table["device"]),
        layers=layers,
        settings={name: float(value) for name, value in table["settings"].items()},
        trims=trims,
        before={name: TargetSpread(**spread) for name, spread in table["before"].items()},
        after={name: TargetSpread(**spread) for name, spread in table["after"].items()},
    )


def read_for(path: str | Path, here: Identity, layers: Sequence[int]) -> Calibration:
    """Read a calibration, and check that it is of this device and this network.

    Args:
        path: The file.
        here: Identity of the device it is to be used on.
        layers: Sizes of the network, the input first.

    Raises:
        ValueError: One line, when it is of another device or network, or cannot be read.
    """
    calibration = read(path)
    if calibration.identity != here:
        raise ValueError(
            f"calibration {path} is of {_named(calibration.identity)}, this is {_named(here)}: "
            "calibrate this device"
        )
    if calibration.layers != tuple(layers):
        raise ValueError(
            f"calibration {path} is of a network of layers {calibration.layers}, this one has "
            f"{tuple(layers)}: calibrate with --layers {','.join(map(str, layers))}"
        )
    return calibration


def _named(identity: Identity) -> str:
    return " ".join(part for part in asdict(identity).values() if part)
