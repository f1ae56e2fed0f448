"""Calibration: settings that bring a device's neurons to a common threshold and time constant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers import Device, Setting
from hil.characterisation.calibration.calibration_file import Calibration, TargetSpread
from hil.characterisation.measurements import timing
from hil.characterisation.survey import DEVICE_STAGES, LAYER_STAGES, Watch, survey, unwatched
from hil.characterisation.survey_data import MeasuredNeurons
from hil.characterisation.timing_data import MeasuredTiming

Array = NDArray[np.float64]
# Corrections at most; two usually reach what can be measured.
ROUNDS = 4
# More runs than a measurement takes.
RUNS = 1_000_000
# A correction that leaves more than this share of the deviation is no improvement.
BETTER = 0.95
# Which setting moves which measured quantity, in proportion.
MOVES = {"threshold": "threshold_over_gain", "time_constant": "time_constant"}


def stages(layers: Sequence[int]) -> int:
    """How often `calibrate` calls its watcher at most, for a network of these layers."""
    return 1 + (ROUNDS + 1) * (LAYER_STAGES * (len(layers) - 1) + DEVICE_STAGES)


def calibrate(
    url: str,
    layers: Sequence[int],
    watch: Watch = unwatched,
    record: str | Path | None = None,
) -> Calibration:
    """Measure and correct a device in turn, until it gets no better.

    Threshold over gain is brought to one nominal threshold, the time constant to its nominal value.
    Settings that the device offers for each neuron bring every neuron there; where it offers none,
    settings of all neurons bring the mean there.

    Args:
        url: Address of the device.
        layers: Sizes of the network to map on it, the input first.
        watch: Called with the name of each measurement before it starts.
        record: File to record the session with the device to.

    Raises:
        DeviceError: When the device cannot hold the network, or fails.
        ValueError: When it offers no setting that could help, or shows nothing to go by.
    """
    import drivers

    sizes = tuple(layers)
    with drivers.open(url, record=record) as device:
        known = [s for s in device.info.neuron.settings if s.role in MOVES]
        offered = [s for s in known if s.per_neuron] or known
        if not offered:
            raise ValueError(
                f"{url} offers no setting of the role {' or '.join(MOVES)}: it cannot be calibrated"
            )
        asked = {s.name: [np.full(n, s.default) for n in sizes[1:]] for s in offered}
        best, reached = asked, {s.name: [np.full(n, np.inf) for n in sizes[1:]] for s in offered}
        before: dict[str, TargetSpread] = {}
        watch("timing")
        timed = timing.measure(device)
        measured = partial(_measured, device, sizes, offered, timed, watch)
        for number in range(ROUNDS):
            away = measured(asked, number)
            before = before or _spreads(away)
            if not any(np.isfinite(s.mean) for s in before.values()):
                raise ValueError(f"{url} shows nothing by which it could be calibrated")
            last = _total(reached)
            best, reached = _nearest(offered, best, reached, asked, away)
            if _total(reached) > BETTER * last:
                break
            # From the values that were asked for: a device does not report those it applied.
            asked = {s.name: _corrected(s, asked[s.name], away[s.name]) for s in offered}
        # Choosing the nearest of noisy values makes them look nearer than they are: measure again.
        after = _spreads(measured(best, ROUNDS))
        settings, trims = _chosen(offered, best)
        return Calibration(
            identity=device.info.identity,
            layers=sizes,
            settings=settings,
            trims=trims,
            before=before,
            after=after,
        )


def _measured(
    device: Device,
    sizes: tuple[int, ...],
    offered: Sequence[Setting],
    timed: MeasuredTiming,
    watch: Watch,
    values: Mapping[str, Sequence[Array]],
    number: int,
) -> dict[str, list[Array]]:
    """Each neuron's distance from the target, in targets, by setting, for each layer."""
    settings, trims = _chosen(offered, values)
    # Runs of its own, so that no noise is corrected away with what it was measured in.
    surveyed = survey(device, sizes, settings, trims, number * RUNS, watch, timed)
    return {s.name: _away(s, surveyed.neurons, device, sizes) for s in offered}


def _nearest(
    offered: Sequence[Setting],
    best: Mapping[str, Sequence[Array]],
    reached: Mapping[str, Sequence[Array]],
    asked: Mapping[str, Sequence[Array]],
    away: Mapping[str, Sequence[Array]],
) -> tuple[dict[str, list[Array]], dict[str, list[Array]]]:
    """For each neuron the value that came nearest, and how near; settings of all by their mean."""
    values: dict[str, list[Array]] = {}
    distances: dict[str, list[Array]] = {}
    for setting in offered:
        name, mean = setting.name, _spread(away[setting.name]).mean
        values[name], distances[name] = [], []
        for v, d, a, f in zip(best[name], reached[name], asked[name], away[name], strict=True):
            now = np.abs((f if setting.per_neuron else np.full(d.shape, mean)) - 1)
            nearer = now < d
            values[name].append(np.where(nearer, a, v))
            distances[name].append(np.where(nearer, now, d))
    return values, distances


def _total(reached: Mapping[str, Sequence[Array]]) -> float:
    """Root of the mean square distance from the target, over all that was measured."""
    distances = np.concatenate([layer for layers in reached.values() for layer in layers])
    distances = distances[np.isfinite(distances)]
    return float(np.sqrt(np.mean(distances**2))) if distances.size else np.inf


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


def _away(
    setting: Setting,
    neurons: Sequence[MeasuredNeurons | None],
    device: Device,
    sizes: tuple[int, ...],
) -> list[Array]:
    """Each neuron's measured value in targets; NaN where it is dead, tonic or not measured."""
    info = device.info
    target = 1.0
    if setting.role == "time_constant":
        decay = info.neuron.decay or 1.0
        target = -info.timing.dt / float(np.log(decay)) if decay < 1 else setting.default
    away = []
    for layer, size in zip(neurons, sizes[1:], strict=True):
        measured = None if layer is None else getattr(layer, MOVES[setting.role])
        if layer is None or measured is None:
            away.append(np.full(size, np.nan))
        else:
            away.append(np.where(layer.dead | layer.tonic, np.nan, measured.value / target))
    return away


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


def _spreads(away: Mapping[str, Sequence[Array]]) -> dict[str, TargetSpread]:
    return {name: _spread(layers) for name, layers in away.items()}


def _spread(away: Sequence[Array]) -> TargetSpread:
    values = np.concatenate([np.atleast_1d(a) for a in away])
    values = values[np.isfinite(values)]
    if not values.size:
        return TargetSpread(float("nan"), float("nan"))
    return TargetSpread(float(values.mean()), float(values.std()))
