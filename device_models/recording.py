"""Recorders: what is kept of a layer while the chip runs."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from device_models.generators import Noise
from device_models.nonidealities.adc import ADCChannels


class Recorder(Protocol):
    """Something that watches one layer, 0 being the first layer of neurons."""

    layer: int
    after_reset: bool

    def sample(self, step: int, membrane: NDArray[np.float32], events: NDArray[np.int32]) -> None:
        """Take note of step `step` (from 0).

        Args:
            step: The step.
            membrane: `(B, n)` in the model's unit, after the threshold test and before the reset,
                or with `after_reset` at the end of the step.
            events: Sorted numbers `b * n + i` of the neurons whose spikes got through.
        """


class SpikeCounts:
    """Spikes of each neuron over the run."""

    after_reset = False

    def __init__(self, layer: int, batch: int, size: int) -> None:
        """Prepare `counts`, `(B, n)` int32, of 0."""
        self.layer = layer
        self.counts: NDArray[np.int32] = np.zeros((batch, size), np.int32)

    def sample(self, step: int, membrane: NDArray[np.float32], events: NDArray[np.int32]) -> None:
        """Count the events of a step."""
        self.counts.reshape(-1)[events] += 1


class Raster:
    """Spikes of each neuron at each step."""

    after_reset = False

    def __init__(self, layer: int, steps: int, batch: int, size: int) -> None:
        """Prepare `samples`, `(T, B, n)` uint8, without spikes."""
        self.layer = layer
        self.samples: NDArray[np.uint8] = np.zeros((steps, batch, size), np.uint8)

    def sample(self, step: int, membrane: NDArray[np.float32], events: NDArray[np.int32]) -> None:
        """Mark the events of a step."""
        self.samples[step].reshape(-1)[events] = 1


class MembraneRecorder:
    """Membranes of chosen neurons, as the converter reads them every few steps."""

    def __init__(
        self,
        layer: int,
        samples: int,
        batch: int,
        every: int,
        channels: ADCChannels,
        noise: Noise,
        after_reset: bool,
        begun: int,
    ) -> None:
        """Prepare `samples`, `(S, B, n)` float32 in the membrane's unit."""
        self.layer, self.after_reset = layer, after_reset
        self.samples = np.empty((samples, batch, channels.size), np.float32)
        self.every, self.channels, self.noise, self._begun = every, channels, noise, begun

    def sample(self, step: int, membrane: NDArray[np.float32], events: NDArray[np.int32]) -> None:
        """Convert the membranes at the end of every `every`-th step."""
        index, rest = divmod(step + 1, self.every)
        if rest == 0 and index <= len(self.samples):
            out = self.samples[index - 1]
            self.channels.read(membrane, out, self.noise, self._begun + step)
