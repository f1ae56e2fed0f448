"""Devices that are wrong in one thing each, with the check that has to catch it."""

from __future__ import annotations

from drivers import Device
from support.good_device import Good
from support.stranger_device import Stranger
from support.wrong_devices import (
    layers,
    limits,
    order,
    probes,
    running_on,
    runs,
    stimuli,
    strangers,
    weights,
)

WRONG: tuple[type[Device], ...] = tuple(
    device
    for module in (limits, weights, stimuli, runs, probes, order, layers, running_on, strangers)
    for device in vars(module).values()
    if isinstance(device, type)
    and issubclass(device, Good | Stranger)
    and device not in (Good, Stranger)
)
