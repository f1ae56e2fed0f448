"""A device under a controller: timed, and brought back when it has restarted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from drivers import Device, DeviceRestarted, Network, Probe, Readout, Stimulus

Matrix = NDArray[np.float32]
Answer = TypeVar("Answer")
RESTARTS = 10  # in a row, without a single request done, from which a device is given up


@dataclass
class Clock:
    """Where the time went, in seconds, and what the device was asked for.

    Attributes:
        device: In the device: running and storing weights.
        transfer: On the line to it.
        runs: Batches that it ran.
        samples: Samples in them.
        restarts: How often it had to be brought back.
    """

    device: float = 0.0
    transfer: float = 0.0
    runs: int = 0
    samples: int = 0
    restarts: int = 0

    def __sub__(self, other: Clock) -> Clock:
        return Clock(self.device - other.device, self.transfer - other.transfer)


class DeviceSession:
    """A configured device under supervision: timed, restored after a restart, and what it stores.

    Attributes:
        stored: What the device says that it stores of each projection, `(n_pre, n_post)`.
        clock: Where the time went since the session began.
    """

    def __init__(self, device: Device, network: Network) -> None:
        """Map a network.

        Args:
            device: The open device.
            network: As `Device.configure` takes it.
        """
        self._device, self._network, self.clock = device, network, Clock()
        device.configure(network)
        shapes = zip(network.layers, network.layers[1:], strict=False)
        self.stored = [np.zeros(shape, np.float32) for shape in shapes]

    def run(self, stimulus: Stimulus, probes: Sequence[Probe], trial: int) -> Readout:
        """Run a batch, as `Device.run` does."""
        readout = self._timed(lambda: self._device.run(stimulus, probes, trial=trial))
        self.clock.runs += 1
        self.clock.samples += stimulus.batch
        return readout

    def write(self, projection: int, weights: Matrix) -> None:
        """Write one projection, as `Device.write_weights` does."""
        self.stored[projection] = self._timed(
            lambda: self._device.write_weights(projection, weights)
        )

    def _timed(self, act: Callable[[], Answer]) -> Answer:
        started, line = time.perf_counter(), self._device.transfer_seconds
        try:
            return self._steadily(act)
        finally:
            transfer = self._device.transfer_seconds - line
            self.clock.transfer += transfer
            self.clock.device += time.perf_counter() - started - transfer

    def _steadily(self, act: Callable[[], Answer]) -> Answer:
        """Do something, and do it again where the device has lost its network meanwhile."""
        restarts = 0
        while True:
            try:
                if restarts:
                    self._bring_back()
                return act()
            except DeviceRestarted as error:
                restarts += 1
                self.clock.restarts += 1
                if restarts == RESTARTS:
                    raise DeviceRestarted(
                        f"{error}; it restarted {restarts} times without getting anything done, so "
                        "check its power"
                    ) from None

    def _bring_back(self) -> None:
        """Give the device the network and the weights that it had."""
        self._device.configure(self._network)
        for projection, weights in enumerate(self.stored):
            self._device.write_weights(projection, weights)
