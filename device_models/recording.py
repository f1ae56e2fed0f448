"""What a host can observe of a layer while the chip runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from device_models.generators import Normals
from device_models.nonidealities.adc import ADCChannels


class SpikeCounts:
    """Spikes of each neuron over the run."""

    def __init__(self, layer: int, batch: int, size: int) -> None:
        """Start from zero; `counts` is `(B, n)` int32."""
        self.layer = layer
        self.counts: NDArray[np.int32] = np.zeros((batch, size), np.int32)

    def sample(self, step: int, membrane: NDArray[np.float32], events: NDArray[np.int32]) -> None:
        """Count the events of a step."""
        self.counts.reshape(-1)[events] += 1


class Raster:
    """Spikes of each neuron at each step."""

    def __init__(self, layer: int, steps: int, batch: int, size: int) -> None:
        """Start from silence; `raster` is `(T, B, n)` uint8."""
        self.layer = layer
        self.raster: NDArray[np.uint8] = np.zeros((steps, batch, size), np.uint8)

    def sample(self, step: int, membrane: NDArray[np.float32], events: NDArray[np.int32]) -> None:
        """Mark the events of a step."""
        self.raster[step].reshape(-1)[events] = 1


class MembraneRecorder:
    """Membranes of chosen neurons, as the converter reads them every few steps."""

    def __init__(
        self,
        layer: int,
        samples: int,
        batch: int,
        every: int,
        converter: ADCChannels,
        normals: Normals,
    ) -> None:
        """Prepare `traces`, `(S, B, n)` float32 in the membrane's unit, of S samples."""
        self.layer = layer
        self.traces = np.empty((samples, batch, converter.size), np.float32)
        self._every, self._converter, self._normals = every, converter, normals

    def sample(self, step: int, membrane: NDArray[np.float32], events: NDArray[np.int32]) -> None:
        """Convert the membranes at the end of every `every`-th step."""
        index, rest = divmod(step + 1, self._every)
        if rest == 0 and index <= len(self.traces):
            self._converter.read(membrane, self.traces[index - 1], self._normals)
