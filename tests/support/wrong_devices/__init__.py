"""Devices that are wrong in one thing each, with the check that has to catch it."""

from __future__ import annotations

from support.good_device import Good
from support.wrong_devices import limits, order, probes, runs, stimuli, weights

WRONG: tuple[type[Good], ...] = tuple(
    device
    for module in (limits, weights, stimuli, runs, probes, order)
    for device in vars(module).values()
    if isinstance(device, type) and issubclass(device, Good) and device is not Good
)
