"""Stimuli and full scales within what a device takes, for whatever is measured of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers import Device, DeviceInfo, Network, Stimulus
from drivers.contract.info import StimulusKind

CURRENTS: tuple[StimulusKind, ...] = ("current", "current_trace")


def choose_kind(info: DeviceInfo, *order: StimulusKind) -> StimulusKind:
    """Choose the first kind of stimulus, in this order, that a device takes."""
    return next(kind for kind in order if kind in info.offers.stimuli)


def make_stimulus(kind: StimulusKind, values: NDArray[Any]) -> Stimulus:
    """Make a stimulus of what each channel gets in each step.

    Args:
        kind: Constant currents, currents that change, or events.
        values: `(T, B, n)`; for constant currents all steps alike.
    """
    if kind == "current":
        return Stimulus.current(values[0], steps=len(values))
    if kind == "current_trace":
        return Stimulus.current_trace(values)
    events = values.reshape(-1, values.shape[2]).astype(np.float32)
    return Stimulus.spikes(events, steps=len(values))


def nearest_full_scale(info: DeviceInfo, projection: int, largest: float) -> float:
    """Take the full scale nearest to the largest |weight| that a projection needs."""
    allowed = info.weight_format(projection)
    return float(np.clip(largest, allowed.minimum_full_scale, allowed.maximum_full_scale))


def check_capacity(device: Device, layers: Sequence[int]) -> None:
    """Map a network before anything is measured, so that one that is too large is refused at once.

    Raises:
        DeviceError: When the device cannot hold it.
    """
    scales = [nearest_full_scale(device.info, p, 1.0) for p in range(len(layers) - 1)]
    device.configure(Network.feed_forward(tuple(layers), tuple(scales)))
