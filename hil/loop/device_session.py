"""A device under a controller: timed, and brought back when it has restarted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from drivers import Device, DeviceRestarted, Network, Probe, Readout, Stimulus
from drivers.contract.answers import driver_call
from drivers.contract.arrays import first_mismatch, select_prefix
from drivers.contract.info import StimulusKind
from hil import streams
from hil.loop.costs import Costs
from hil.partial_runs import join_batches, join_groups, split_probes
from hil.runs import delays

Matrix = NDArray[np.float32]
Answer = TypeVar("Answer")
RESTARTS = 10  # in a row, without a single request done, from which a device is given up


@dataclass
class Clock:
    """Where the time went, in seconds.

    Attributes:
        device: In the device: running and storing weights.
        transfer: On the line to it.
        restarts: How often it had to be brought back.
    """

    device: float = 0.0
    transfer: float = 0.0
    restarts: int = 0

    def __sub__(self, other: Clock) -> Clock:
        return Clock(self.device - other.device, self.transfer - other.transfer)


class DeviceSession:
    """A configured device under supervision: timed, restored after a restart, and what it stores.

    Attributes:
        stored: What the device says that it stores of each projection, `(n_pre, n_post)`.
        clock: Where the time went since the session began.
        costs: What the device paid since the training began.
    """

    def __init__(self, device: Device, network: Network) -> None:
        """Map a network.

        Args:
            device: The open device.
            network: As `Device.configure` takes it.
        """
        self._device, self._network, self.clock = device, network, Clock()
        device.configure(network)
        self.stored = [np.zeros(shape, np.float32) for shape in network.shapes]
        self.costs = Costs.none(network.shapes)

    def check_run(
        self, kind: StimulusKind, batch: int, steps: int, probes: Sequence[Probe]
    ) -> None:
        """Refuse, as `run` would, what the device cannot serve; runs nothing."""
        batch = min(batch, self._device.info.capacity.batch)
        for each in split_probes(probes, self._network, self._device.info):
            self._device.check_run(kind, batch, steps, list(each.values()))

    def run(self, stimulus: Stimulus, probes: Sequence[Probe], trial: int) -> Readout:
        """Run a batch, as `Device.run` does, whatever the device takes and shows at once.

        A batch larger than it takes is run in parts, each a trial of its own; each part anew for
        every group of neurons that are shown at once.
        """
        asked, answers = split_probes(probes, self._network, self._device.info), []
        parts = -(-stimulus.batch // self._device.info.capacity.batch)
        for number, rows in enumerate(np.array_split(np.arange(stimulus.batch), max(parts, 1))):
            shown = stimulus if number == 0 == parts - 1 else stimulus.part(rows)
            name = streams.trial(trial, "part", number) if number else trial
            readouts = [self._run(shown, list(each.values()), name) for each in asked]
            answers.append(readouts[0] if len(readouts) == 1 else join_groups(asked, readouts))
        return answers[0] if len(answers) == 1 else join_batches(answers)

    def _run(self, stimulus: Stimulus, probes: Sequence[Probe], trial: int) -> Readout:
        readout = self._timed(lambda: self._device.run(stimulus, probes, trial=trial))
        self.costs.count_run(stimulus, readout)
        return readout

    def run_with(
        self, weights: Sequence[Matrix], stimulus: Stimulus, probes: Sequence[Probe], trial: int
    ) -> Readout:
        """Write all projections, `(n_pre, n_post)` each, then run a batch."""
        for projection, matrix in enumerate(weights):
            self.write(projection, matrix)
        return self.run(stimulus, probes, trial)

    def write(self, projection: int, weights: Matrix) -> None:
        """Write one projection, as `Device.write_weights` does."""
        stored = self._timed(lambda: self._device.write_weights(projection, weights))
        self.costs.count_write(projection, self.stored[projection], stored)
        self.stored[projection] = stored

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Delays, what is stored, what was paid, and all that a resumable device remembers."""
        found: dict[str, NDArray[np.generic]] = {
            f"stored/{p}": stored for p, stored in enumerate(self.stored)
        }
        found |= delays.kept(self._network)
        found |= {f"costs/{name}": value for name, value in self.costs.state().items()}
        if self._device.info.abilities.resumable:
            with driver_call(self._device, "state"):
                remembered = self._device.state()
            found |= {f"device/{name}": value for name, value in remembered.items()}
        return found

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> bool:
        """Return to what `state` gave, and say whether the device could; else it holds nothing."""
        costs, device = select_prefix(state, "costs/"), select_prefix(state, "device/")
        wrong = first_mismatch(
            select_prefix(state, "stored/"), select_prefix(self.state(), "stored/")
        )
        if wrong:
            raise ValueError(f"stored/{wrong}")
        self.costs.restore(costs)
        if not (device and self._device.info.abilities.resumable):
            return False
        with driver_call(self._device, "restore"):
            self._device.restore({name: array.copy() for name, array in device.items()})
        self.stored = [state[f"stored/{p}"].astype(np.float32) for p in range(len(self.stored))]
        return True

    def _timed(self, act: Callable[[], Answer]) -> Answer:
        started, line = time.perf_counter(), self._device.transfer_seconds
        sent = self._device.transfer_bytes
        try:
            return self._steadily(act)
        finally:
            transfer = self._device.transfer_seconds - line
            self.clock.transfer += transfer
            self.costs.usage.line_bytes += self._device.transfer_bytes - sent
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
            stored = self._device.write_weights(projection, weights)
            self.costs.count_write(projection, np.zeros_like(stored), stored)
