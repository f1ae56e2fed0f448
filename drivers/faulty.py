"""A device whose synapses are faulty because of what is written to it: for those that take none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from drivers.contract.device import Composite, Device
from drivers.contract.faults import SYNAPSE_FAULTS, Fault, apply_to_weights
from drivers.contract.info import DeviceInfo
from drivers.contract.network import Network
from drivers.errors import SettingError


class FaultyWeights(Composite):
    """Any device, with permanent faults of synapses in the weights that it is given.

    To the host it stores what it would without them.
    """

    def __init__(self, device: Device) -> None:
        """Take over a device that is open; it is closed with this one."""
        super().__init__(device)
        self._faults: Sequence[Fault] = ()
        self._stored: dict[int, NDArray[np.float32]] = {}

    @property
    def info(self) -> DeviceInfo:
        """Statement of the device."""
        info = self.devices[0].info
        return replace(info, abilities=replace(info.abilities, faults=SYNAPSE_FAULTS))

    def _configure(self, network: Network) -> None:
        self._stored = {}
        self.devices[0].configure(network)

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        scale, form = self.network.full_scale[projection], self.info.weight_format(projection)
        stored = form.quantise(weights, scale)
        self._stored[projection], faulty = stored, stored
        for fault in self._faults:
            if fault.place == projection:
                faulty = apply_to_weights(fault, faulty, form, scale)
        self.devices[0].write_weights(projection, faulty)
        return stored

    def _set_faults(self, faults: Sequence[Fault]) -> None:
        for fault in faults:
            if fault.steps is not None or fault.chance < 1:
                raise SettingError(f"{fault.kind}: in weights that are written it is permanent")
        self._faults = faults
        for projection, stored in list(self._stored.items()):
            self._write(projection, stored)
