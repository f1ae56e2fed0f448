"""A device whose whole session is recorded to a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from drivers.contract.composite import Composite
from drivers.contract.device import Device
from drivers.contract.message_files import readout_arrays
from drivers.contract.messages import Probe, Readout, Stimulus
from drivers.contract.network import Network
from drivers.errors import DeviceError, DeviceNotFound
from drivers.session.codec import (
    Exchange,
    Kind,
    info_fields,
    network_fields,
    run_fields,
    write_fields,
)
from drivers.session.file import Fields, Writer

Answer = TypeVar("Answer")


class Recorded(Composite):
    """Any device, with each exchange appended to a file as soon as it is over.

    What `Device` refuses before it reaches the driver is not recorded; what the driver refuses
    is. Reading its state changes nothing, and is not recorded either.
    """

    def __init__(self, device: Device, path: str | Path) -> None:
        """Begin a session.

        Args:
            device: The device, just opened; closed with this one.
            path: File to record to; it must not exist.

        Raises:
            ValueError: When the file exists, or its folder does not.
            OSError: When it cannot be written.
        """
        opening = Exchange("open", given={"info": info_fields(device.info)})
        super().__init__(device)
        self._device, self.call_limit = device, device.call_limit
        self._file = Writer(path)
        self._began = time.perf_counter()
        self._file.append(opening.record())

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Recorded:
        """Refuse: a recording is made with `drivers.open(url, record=FILE)`."""
        raise DeviceNotFound("a recording has no address: use drivers.open(url, record=FILE)")

    def _configure(self, network: Network) -> None:
        self._exchange(
            "configure", network_fields(network), lambda: self._device.configure(network)
        )

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._exchange(
            "write",
            write_fields(projection, weights),
            lambda: self._device.write_weights(projection, weights),
            lambda stored: {"stored": stored},
        )

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        return self._exchange(
            "run",
            run_fields(stimulus, probes, trial, carry),
            lambda: self._device.run(stimulus, probes, trial=trial, carry=carry),
            lambda readout: readout_arrays(readout),
        )

    def _reset(self) -> None:
        self._exchange("reset", {}, super()._reset)

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Return the device to what `state` gave, where it is resumable."""
        self._exchange("restore", dict(state), lambda: super(Recorded, self).restore(state))

    def _close(self) -> None:
        try:
            self._exchange("close", {}, super()._close)
        finally:
            self._file.close()

    def _exchange(
        self,
        kind: Kind,
        asked: Fields,
        act: Callable[[], Answer],
        told: Callable[[Answer], Fields] = lambda _: {},
    ) -> Answer:
        began, line = time.perf_counter(), self._device.transfer_seconds

        def append(given: Fields) -> None:
            seconds, transfer = time.perf_counter() - began, self._device.transfer_seconds - line
            done = Exchange(kind, asked, given, began - self._began, seconds, transfer)
            self._file.append(done.record())

        try:
            answer = act()
        except DeviceError as error:
            append({"error": type(error).__name__, "message": str(error)})
            raise
        append(told(answer))
        return answer
