"""Chips that are measured before a trial, calibrated or for a twin, and what that costs of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers import Device, Network, Probe, Readout, Stimulus
from drivers.contract.device import Composite
from hil.characterisation import calibration, characterise
from hil.config import Config
from hil.loop.costs import Costs
from hil.sections.trials import PAID
from hil.trust import open_device


class Metered(Composite):
    """Any device, with what it pays counted over all networks that it is given."""

    def __init__(self, device: Device) -> None:
        """Take over a device that is open; it is closed with this one."""
        super().__init__(device)
        self._costs, self._stored = Costs.none(()), list[NDArray[np.float32]]()
        self._changes, self._seconds = 0, 0.0

    def sum_up(self, layers: Sequence[int]) -> dict[str, float]:
        """Sum up by the names of measures; writes are a mean over the cells of these layers."""
        usage = {**asdict(self._costs.usage), "line_bytes": self.transfer_bytes}
        cells = sum(n * m for n, m in pairwise(layers))
        return {
            **{name: float(usage[key]) for name, key in PAID.items() if key in usage},
            "cell_writes_mean": self._changes / cells,
            "chip_seconds": self._seconds,
        }

    def _configure(self, network: Network) -> None:
        super()._configure(network)
        self._stored = [np.zeros(shape, np.float32) for shape in network.shapes]

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        stored = super()._write(projection, weights)
        self._costs.usage.write_calls += 1
        self._changes += int(np.count_nonzero(stored != self._stored[projection]))
        self._stored[projection] = stored
        return stored

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        readout = super()._run(stimulus, probes, trial, carry)
        self._costs.count_run(stimulus, readout)
        self._seconds += stimulus.batch * stimulus.steps * self.info.timing.dt
        return readout


def calibrate_chip(
    config: Config, layers: Sequence[int], folder: Path
) -> tuple[Config, dict[str, float]]:
    """Calibrate the chip of a configuration.

    Args:
        config: The configuration.
        layers: Sizes of its network, the input first.
        folder: Where the calibration is written to.

    Returns:
        The configuration with the calibration, and what that cost.
    """
    with Metered(open_device(config)) as device:
        made = calibration.calibrate(device, layers)
        file = calibration.write(made, folder / "calibration.toml")
        network = config.network.model_copy(update={"calibration": str(file)})
        return config.model_copy(update={"network": network}), device.sum_up(layers)


def measure_twin(
    config: Config, layers: Sequence[int], folder: Path
) -> tuple[Config, dict[str, float]]:
    """Measure a twin of the chip of a configuration; arguments as `calibrate_chip`.

    Returns:
        The configuration with the twin as its device, and what that cost.
    """
    file = folder / "twin.toml"
    with Metered(open_device(config)) as device:
        characterise(device, layers, file)
        model = {"device": f"emulator:{file}", "device_options": {}}
        return config.model_copy(update=model), device.sum_up(layers)
