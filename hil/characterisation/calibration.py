"""Calibration: the settings that even out the neurons of one device, found and kept in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from drivers import Device, Identity, Setting
from drivers.errors import shorten
from drivers.files.bounded import check_schema, read_toml
from drivers.files.writing import write_text
from hil.characterisation import timing
from hil.characterisation.survey import (
    DEVICE_STAGES,
    LAYER_STAGES,
    MeasuredNeurons,
    Watch,
    ignore_stage,
    survey,
)
from hil.partial_runs import check_capacity

VERSION = 1
MOST_BYTES = 2 << 20  # of a file
# Corrections at most; two usually reach what can be measured.
ROUNDS = 4
# More runs than a measurement takes.
RUNS = 1_000_000
# A correction that leaves more than this share of the deviation is no improvement.
BETTER = 0.95
# Measured quantity that a setting of a role moves, in proportion.
MOVES = {"threshold": "threshold_over_gain", "time_constant": "time_constant"}
HEADER = ("setting", "chosen for", "before: mean, spread", "after: mean, spread")
Array = NDArray[np.float64]
ByLayer = Mapping[str, Sequence[Array]]
"""Values of each neuron by setting, `(n_l,)` for each layer of neurons."""
Value = Annotated[float, Field(ge=-1e30, le=1e30)]  # as float32 has it
Text = Annotated[str, Field(max_length=1000)]


class _Table(BaseModel):
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


class _IdentityTable(_Table):
    """Identity of the device, as the file says."""

    name: Text
    serial: Text = ""
    firmware: Text = ""
    protocol: Text = ""


class _SpreadTable(_Table):
    """A spread, as the file says."""

    mean: Value
    sd: Value


class _CalibrationTable(_Table):
    """A calibration file."""

    version: int
    layers: Annotated[list[Annotated[int, Field(ge=1, le=1 << 24)]], Field(min_length=2)]
    device: _IdentityTable
    settings: dict[str, Value]
    trims: dict[str, list[list[Value]]]
    before: dict[str, _SpreadTable]
    after: dict[str, _SpreadTable]


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

    return write_text(path, tomli_w.dumps(to_record(made)))


def to_record(made: Calibration) -> dict[str, Any]:
    """Put a calibration in plain values, as the file holds it."""
    return {
        "version": VERSION,
        "layers": list(made.layers),
        "device": asdict(made.identity),
        "settings": dict(made.settings),
        "trims": {name: [a.tolist() for a in layers] for name, layers in made.trims.items()},
        "before": {name: asdict(spread) for name, spread in made.before.items()},
        "after": {name: asdict(spread) for name, spread in made.after.items()},
    }


def tabulate(made: Calibration) -> list[tuple[str, str, str, str]]:
    """Make rows of a table of the spreads before and after."""
    rows = []
    for name in made.before:
        before, after = (f"{s.mean:.3f}, {s.sd:.3f}" for s in (made.before[name], made.after[name]))
        whose = "each neuron" if name in made.trims else "all neurons"
        rows.append((name, whose, before, after))
    return rows


def read(path: str | Path) -> Calibration:
    """Read what `write` wrote.

    Raises:
        ValueError: One line, when the file is missing, damaged or of a newer version.
    """
    try:
        table = read_toml(path, MOST_BYTES)
        version = table.get("version")
        if type(version) is int and version > VERSION:
            raise ValueError(
                f"{path} is of version {version}, this spikeloop reads up to {VERSION}: upgrade it"
            )
        check_schema(_CalibrationTable, table, str(path))
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
            f"calibration {path} is of {_describe(calibration.identity)}, this is "
            f"{_describe(here)}: calibrate this device"
        )
    if calibration.layers != tuple(layers):
        raise ValueError(
            f"calibration {path} is of a network of layers {calibration.layers}, this one has "
            f"{tuple(layers)}: calibrate with --layers {','.join(map(str, layers))}"
        )
    return calibration


def _describe(identity: Identity) -> str:
    return " ".join(part for part in asdict(identity).values() if part)


def count_stages(layers: Sequence[int]) -> int:
    """Count how often `calibrate` calls its watcher at most, for a network of these layers."""
    return 1 + (ROUNDS + 1) * (LAYER_STAGES * (len(layers) - 1) + DEVICE_STAGES)


def calibrate(device: Device, layers: Sequence[int], watch: Watch = ignore_stage) -> Calibration:
    """Measure and correct a device in turn, until it gets no better.

    Threshold over gain is brought to one nominal threshold, the time constant to its nominal value.
    Settings that the device offers for each neuron bring every neuron there; where it offers none,
    settings of all neurons bring the mean there.

    Args:
        device: The device; what was on it is lost.
        layers: Sizes of the network to map on it, the input first.
        watch: Called with the name of each measurement before it starts.

    Raises:
        DeviceError: When the device cannot hold the network, or fails.
        ValueError: When it offers no setting that could help, or shows nothing to go by.
    """
    sizes, name = tuple(layers), device.info.identity.name
    movable = [s for s in device.info.neuron.settings if s.role in MOVES]
    offered = [s for s in movable if s.per_neuron] or movable
    if not offered:
        raise ValueError(
            f"{name} offers no setting of the role {' or '.join(MOVES)}: it cannot be calibrated"
        )
    check_capacity(device, sizes)
    measure = _measurer(device, sizes, offered, watch)
    asked: ByLayer = {s.name: [np.full(n, s.default) for n in sizes[1:]] for s in offered}
    best = asked
    distance: ByLayer = {s.name: [np.full(n, np.inf) for n in sizes[1:]] for s in offered}
    before: dict[str, TargetSpread] = {}
    for number in range(ROUNDS):
        measured = measure(asked, number)
        before = before or _spreads(measured)
        if not any(np.isfinite(s.mean) for s in before.values()):
            raise ValueError(f"{name} shows nothing by which it could be calibrated")
        last = _total(distance)
        best, distance = _keep_best_values(offered, best, distance, asked, measured)
        if _total(distance) > BETTER * last:
            break
        # From the values that were asked for: a device does not report those it applied.
        asked = {s.name: _correct(s, asked[s.name], measured[s.name]) for s in offered}
    # Choosing the nearest of noisy values makes them look nearer than they are: measure again.
    after = _spreads(measure(best, ROUNDS))
    settings, trims = _split_settings(offered, best)
    return Calibration(device.info.identity, sizes, settings, trims, before, after)


def _measurer(
    device: Device, sizes: tuple[int, ...], offered: Sequence[Setting], watch: Watch
) -> Callable[[ByLayer, int], ByLayer]:
    """Make what measures each neuron under values of the settings, in targets, round by round."""
    watch("timing")
    timed = timing.measure(device)

    def measure(values: ByLayer, number: int) -> ByLayer:
        settings, trims = _split_settings(offered, values)
        # Runs of its own, so that no noise is corrected away with what it was measured in.
        surveyed = survey(device, sizes, settings, trims, number * RUNS, watch, timed)
        return {s.name: _in_targets(s, surveyed.neurons, device, sizes) for s in offered}

    return measure


def _keep_best_values(
    offered: Sequence[Setting], best: ByLayer, distance: ByLayer, asked: ByLayer, measured: ByLayer
) -> tuple[ByLayer, ByLayer]:
    """Keep, for each neuron, the tried value whose measurement came nearest, and its distance.

    A setting that all neurons share is judged by their mean.
    """
    values: dict[str, list[Array]] = {}
    distances: dict[str, list[Array]] = {}
    for setting in offered:
        name, mean = setting.name, _spread(measured[setting.name]).mean
        values[name], distances[name] = [], []
        for v, d, a, m in zip(best[name], distance[name], asked[name], measured[name], strict=True):
            now = np.abs((m if setting.per_neuron else np.full(d.shape, mean)) - 1)
            values[name].append(np.where(now < d, a, v))
            distances[name].append(np.where(now < d, now, d))
    return values, distances


def _total(distance: ByLayer) -> float:
    """Root of the mean square distance from the target, over all that was measured."""
    distances = np.concatenate([layer for layers in distance.values() for layer in layers])
    distances = distances[np.isfinite(distances)]
    return float(np.sqrt(np.mean(distances**2))) if distances.size else np.inf


def _split_settings(
    offered: Sequence[Setting], values: ByLayer
) -> tuple[dict[str, float], dict[str, list[NDArray[np.float32]]]]:
    """Split values into settings of all neurons and settings of each."""
    settings, trims = {}, {}
    for setting in offered:
        own = values[setting.name]
        if setting.per_neuron:
            trims[setting.name] = [layer.astype(np.float32) for layer in own]
        else:
            settings[setting.name] = float(own[0][0])
    return settings, trims


def _in_targets(
    setting: Setting,
    neurons: Sequence[MeasuredNeurons | None],
    device: Device,
    sizes: tuple[int, ...],
) -> list[Array]:
    """Put each neuron's measured value in targets; NaN where it is dead, tonic or not measured."""
    target = 1.0
    if setting.role == "time_constant":
        decay = device.info.neuron.decay or 1.0
        target = -device.info.timing.dt / float(np.log(decay)) if decay < 1 else setting.default
    values = []
    for layer, size in zip(neurons, sizes[1:], strict=True):
        measured = None if layer is None else getattr(layer, MOVES[setting.role])
        if layer is None or measured is None:
            values.append(np.full(size, np.nan))
        else:
            values.append(np.where(layer.dead | layer.tonic, np.nan, measured.value / target))
    return values


def _correct(setting: Setting, values: Sequence[Array], measured: Sequence[Array]) -> list[Array]:
    factors = measured
    if not setting.per_neuron:
        factors = [np.asarray(_spread(measured).mean)] * len(values)
    return [
        np.clip(v / np.where(np.isfinite(f) & (f > 0), f, 1.0), setting.minimum, setting.maximum)
        for v, f in zip(values, factors, strict=True)
    ]


def _spreads(measured: ByLayer) -> dict[str, TargetSpread]:
    return {name: _spread(layers) for name, layers in measured.items()}


def _spread(layers: Sequence[Array]) -> TargetSpread:
    values = np.concatenate(layers)
    values = values[np.isfinite(values)]
    if not values.size:
        return TargetSpread(float("nan"), float("nan"))
    return TargetSpread(float(values.mean()), float(values.std()))
