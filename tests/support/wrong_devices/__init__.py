"""Devices that are wrong in one thing each, with the check that has to catch it."""

from __future__ import annotations

from drivers import Device
from support.devices_abroad import Abroad, Stranger
from support.good_device import Good
from support.tunable_device import Tunable
from support.wired_device import Wired
from support.wrong_devices import graphs, layers, probes, runs, statements, strangers, weights

MODULES = (statements, weights, runs, probes, layers, strangers, graphs)
WRONG: tuple[type[Device], ...] = tuple(
    device
    for module in MODULES
    for device in vars(module).values()
    if isinstance(device, type)
    and issubclass(device, Good | Stranger | Tunable | Wired | Abroad)
    and hasattr(device, "caught_by")
)
