"""Devices made of devices: what all of them have in common, written once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from drivers.contract.arrays import select_prefix
from drivers.contract.device import Device
from drivers.contract.info import DeviceInfo


class Composite(Device):
    """A device that hands requests on to others, which it owns.

    A subclass writes `from_url`, `_configure`, `_write` and `_run`. It asks its devices by their
    public methods, so that each request is checked against what that device states. What it
    states itself is what the first one states, unless it says otherwise. Where its addresses hold
    others, its `code_of` tells the code of theirs.

    Attributes:
        devices: The devices, opened; closed with this one.
    """

    def __init__(self, *devices: Device) -> None:
        """Take over devices that are open."""
        self.devices = devices

    @property
    def info(self) -> DeviceInfo:
        """What the device is and allows."""
        return self.devices[0].info

    @property
    def transfer_seconds(self) -> float:
        """Time spent on the lines to all devices, in seconds."""
        return sum(device.transfer_seconds for device in self.devices)

    @property
    def transfer_bytes(self) -> int:
        """Bytes on the lines to all devices, both ways."""
        return sum(device.transfer_bytes for device in self.devices)

    @property
    def failed(self) -> tuple[str, ...]:
        """What the devices do without, each with its reason."""
        return tuple(told for device in self.devices for told in device.failed)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """All that the devices remember, by `NUMBER/NAME` where there are several."""
        if len(self.devices) == 1:
            return self.devices[0].state()
        return {
            f"{number}/{name}": value
            for number, device in enumerate(self.devices)
            for name, value in device.state().items()
        }

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Return the devices to what `state` gave."""
        if len(self.devices) == 1:
            self.devices[0].restore(state)
            return
        for number, device in enumerate(self.devices):
            device.restore(select_prefix(state, f"{number}/"))

    def _reset(self) -> None:
        for device in self.devices:
            device.reset()

    def _close(self) -> None:
        with ExitStack() as closing:  # each of them, though another one fails
            for device in self.devices:
                closing.callback(device.close)
