"""Calibration: settings that bring a device's neurons to a common threshold and time constant."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivers import Device, Identity, Setting
from drivers.files import replacing

if TYPE_CHECKING:
    from hil.characterisation.survey import Neurons, Watch

Array = NDArray[np.float64]
VERSION = 1
# Measurements at most; two corrections usually reach what can be measured.
ROUNDS = 5
# More runs than a measurement takes.
RUNS = 1_000_000
# A correction that leaves more than this share of the deviation is no improvement.
BETTER = 0.95
# Which setting moves which measured quantity, in proportion.
MOVES = {"threshold": "threshold_over_gain", "tau_membrane": "time_constant"}
HEADER = ("setting", "chosen for", "before: mean, spread", "after: mean, spread")


@dataclass(frozen=True)
class Spread:
    """How far neurons are from the target, in targets.

    Attributes:
        mean: Mean over neurons; 1 is on target.
        sd: Standard deviation over neurons.
    """

    mean: float
    sd: float


@dataclass(frozen=True)
class Calibration:
    """Settings found for one device.

    Attributes:
        identity: The device.
        layers: Sizes of the network it was mapped with, the input first.
        settings: Settings of all neurons, by name.
        trims: Settings of each neuron by name, `(n_l,)` for each layer of neurons.
        before: What each setting moves, before, by name of the setting.
        after: The same with the settings found.
    """

    identity: Identity
    layers: tuple[int, ...]
    settings: Mapping[str, float] = field(default_factory=dict)
    trims: Mapping[str, Sequence[NDArray[np.float32]]] = field(default_factory=dict)
    before: Mapping[str, Spread] = field(default_factory=dict)
    after: Mapping[str, Spread] = field(default_factory=dict)


def stages(layers: Sequence[int]) -> int:
    """How often `calibrate` tells its watcher, at most."""
    from hil.characterisation.survey import DEVICE_STAGES, LAYER_STAGES

    return ROUNDS * (LAYER_STAGES * (len(layers) - 1) + DEVICE_STAGES)


def calibrate(url: str, layers: Sequence[int], watch: Watch | None = None) -> Calibration:
    """Measure and correct a device in turn, until it gets no better.

    Threshold over gain is brought to one nominal threshold, the time constant to its nominal value.
    Settings that the device offers for each neuron bring every neuron there; where it offers none,
    settings of all neurons bring the mean there.

    Args:
        url: Address of the device.
        layers: Sizes of the network to map on it, the input first.
        watch: Is told what is measured next.

    Raises:
        DeviceError: When the device cannot hold the network, or fails.
        ValueError: When it offers no setting that could help, or shows nothing to go by.
    """
    import drivers
    from hil.characterisation.survey import survey, unwatched

    sizes = tuple(layers)
    with drivers.open(url) as device:
        known = [s for s in device.info.settings if s.name in MOVES]
        offered = [s for s in known if s.per_neuron] or known
        if not offered:
            raise ValueError(
                f"{url} offers no setting named {' or '.join(MOVES)}: it cannot be calibrated"
            )
        values = {s.name: [np.full(n, s.default) for n in sizes[1:]] for s in offered}
        best: Calibration | None = None
        first: dict[str, Spread] = {}
        for number in range(ROUNDS):
            settings, trims = _chosen(offered, values)
            # Runs of its own, so that no noise is corrected away with what it was measured in.
            found = survey(device, sizes, settings, trims, number * RUNS, watch or unwatched)
            neurons = found.neurons
            away = {s.name: _away(s, neurons, device) for s in offered}
            now = {name: _spread(layers) for name, layers in away.items()}
            if not now or not any(np.isfinite(s.mean) for s in now.values()):
                raise ValueError(f"{url} shows nothing by which it could be calibrated")
            first = first or now
            if best is not None and _deviation(now) > BETTER * _deviation(best.after):
                break
            best = Calibration(device.info.identity, sizes, settings, trims, first, now)
            values = {s.name: _corrected(s, values[s.name], away[s.name]) for s in offered}
    assert best is not None
    return best


def _chosen(
    offered: Sequence[Setting], values: Mapping[str, Sequence[Array]]
) -> tuple[dict[str, float], dict[str, list[NDArray[np.float32]]]]:
    settings = {s.name: float(values[s.name][0][0]) for s in offered if not s.per_neuron}
    trims = {
        s.name: [layer.astype(np.float32) for layer in values[s.name]]
        for s in offered
        if s.per_neuron
    }
    return settings, trims


def _away(setting: Setting, neurons: Sequence[Neurons | None], device: Device) -> list[Array]:
    """Each neuron's measured value in targets; NaN where it is dead, tonic or not measured."""
    info = device.info
    target = 1.0
    if setting.name == "tau_membrane":
        target = -info.dt / float(np.log(info.decay)) if info.decay else setting.default
    found = []
    for layer in neurons:
        measured = None if layer is None else getattr(layer, MOVES[setting.name])
        if layer is None or measured is None:
            found.append(np.array(np.nan))
        else:
            found.append(np.where(layer.dead | layer.tonic, np.nan, measured.value / target))
    return found


def _corrected(setting: Setting, values: Sequence[Array], away: Sequence[Array]) -> list[Array]:
    if setting.per_neuron:
        factors = [np.where(np.isfinite(a) & (a > 0), a, 1.0) for a in away]
    else:
        mean = _spread(away).mean
        factors = [np.asarray(mean if np.isfinite(mean) and mean > 0 else 1.0)] * len(values)
    return [
        np.clip(v / f, setting.minimum, setting.maximum)
        for v, f in zip(values, factors, strict=True)
    ]


def _spread(away: Sequence[Array]) -> Spread:
    found = np.concatenate([np.atleast_1d(a) for a in away])
    found = found[np.isfinite(found)]
    if not found.size:
        return Spread(float("nan"), float("nan"))
    return Spread(float(found.mean()), float(found.std()))


def _deviation(spreads: Mapping[str, Spread]) -> float:
    """Root of the mean square distance from the target, over all quantities."""
    apart = [(s.mean - 1) ** 2 + s.sd**2 for s in spreads.values() if np.isfinite(s.mean)]
    return float(np.sqrt(np.mean(apart)))


def write(made: Calibration, path: Path) -> Path:
    """Write a calibration as TOML, whole or not at all.

    Raises:
        OSError: When the folder cannot be written.
    """
    import tomli_w

    with replacing(path) as handle:
        handle.write(tomli_w.dumps(record(made)).encode())
    return path


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
    found = []
    for name, before in made.before.items():
        whose, after = "each neuron" if name in made.trims else "all neurons", made.after[name]
        texts = [f"{s.mean:.3f}, {s.sd:.3f}" for s in (before, after)]
        found.append((name, whose, texts[0], texts[1]))
    return found


def read(path: str | Path) -> Calibration:
    """Read what `write` wrote.

    Raises:
        ValueError: One line, when the file is missing, damaged or of a newer version.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        version = table["version"]
        if type(version) is int and version > VERSION:
            raise ValueError(
                f"calibration {path} is of version {version}, this spikeloop reads up to "
                f"{VERSION}: upgrade it"
            )
        layers = tuple(int(size) for size in table["layers"])
        trims = {
            str(name): [np.asarray(values, np.float32) for values in arrays]
            for name, arrays in table["trims"].items()
        }
        for name, arrays in trims.items():
            if [a.shape for a in arrays] != [(n,) for n in layers[1:]]:
                raise ValueError(f"calibration {path}: {name} is not of layers {layers}")
        return Calibration(
            Identity(**{str(k): str(v) for k, v in table["device"].items()}),
            layers,
            {str(name): float(value) for name, value in table["settings"].items()},
            trims,
            {name: Spread(**spread) for name, spread in table["before"].items()},
            {name: Spread(**spread) for name, spread in table["after"].items()},
        )
    except OSError as error:
        raise ValueError(f"calibration {path}: {error.strerror}") from None
    except (
        KeyError,
        TypeError,
        AttributeError,
        UnicodeDecodeError,
        tomllib.TOMLDecodeError,
    ) as error:
        raise ValueError(f"calibration {path} is damaged, or none: {error}") from None


def fitting(path: str | Path, device: Device, layers: Sequence[int]) -> Calibration:
    """Read a calibration that is meant for a device and a network.

    Args:
        path: The file.
        device: The device it is to be used on.
        layers: Sizes of the network, the input first.

    Raises:
        ValueError: One line, when it is of another device or network, or cannot be read.
    """
    found, here = read(path), device.info.identity
    if found.identity != here:
        raise ValueError(
            f"calibration {path} is of {_named(found.identity)}, this is {_named(here)}: "
            "calibrate this device"
        )
    if found.layers != tuple(layers):
        raise ValueError(
            f"calibration {path} is of a network of layers {found.layers}, this one has "
            f"{tuple(layers)}: calibrate with --layers {','.join(map(str, layers))}"
        )
    return found


def _named(identity: Identity) -> str:
    return " ".join(part for part in asdict(identity).values() if part)
