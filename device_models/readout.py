"""Readout of a layer while the chip runs: recorders, and the converter of membranes."""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from device_models.generators import Noise
from device_models.nonidealities import MembraneADC

Reduction: TypeAlias = Literal["none", "mean", "last"]
REDUCTIONS: tuple[Reduction, ...] = ("none", "mean", "last")


class Recorder(Protocol):
    """Recorder that watches one layer, 0 being the first layer of neurons.

    Attributes:
        layer: Which.
        after_reset: Whether it takes its samples at the end of a step.
        samples: Its samples.
    """

    layer: int
    after_reset: bool
    samples: NDArray[Any]

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
        """Prepare `samples`, `(B, n)` int32, of 0."""
        self.layer = layer
        self.samples: NDArray[np.int32] = np.zeros((batch, size), np.int32)

    def sample(self, step: int, membrane: NDArray[np.float32], events: NDArray[np.int32]) -> None:
        """Count the events of a step."""
        self.samples.reshape(-1)[events] += 1


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
        number: int,
        batch: int,
        every: int,
        channels: ADCChannels,
        noise: Noise,
        after_reset: bool,
        begun: int,
        reduce: Reduction,
    ) -> None:
        """Prepare `samples`, float32 in the membrane's unit: `(number, B, n)`, or reduced."""
        self.layer, self.number, self.after_reset, self.reduce = layer, number, after_reset, reduce
        shape = (batch, channels.size) if reduce != "none" else (number, batch, channels.size)
        self.samples = np.empty(shape, np.float32)
        self.every, self.channels, self.noise, self._begun = every, channels, noise, begun

    def sample(self, step: int, membrane: NDArray[np.float32], events: NDArray[np.int32]) -> None:
        """Convert the membranes at the end of every `every`-th step."""
        turn, rest = divmod(step + 1, self.every)
        if rest or turn > self.number or (self.reduce == "last" and turn < self.number):
            return
        adds = self.reduce == "mean" and turn > 1
        kept = self.samples[turn - 1] if self.reduce == "none" else self.samples
        out = np.empty_like(kept) if adds else kept
        self.channels.read(membrane, out, self.noise, self._begun + step)
        if adds:
            kept += out
        if self.reduce == "mean" and turn == self.number:
            kept /= np.float32(self.number)


class ADCChannels:
    """The channels of one layer."""

    def __init__(
        self,
        adc: MembraneADC,
        gain: NDArray[np.float32],
        offset: NDArray[np.float32],
        rest: float = 0.0,
        swing: float = 1.0,
    ) -> None:
        """Prepare the channels.

        Args:
            adc: Resolution, range and noise.
            gain: Gain of each channel, `(n,)`.
            offset: Offset of each channel, `(n,)` in swings.
            rest: Nominal resting membrane, in the membrane's unit: where channels read their
                offset.
            swing: From rest to the nominal threshold, in the membrane's unit.
        """
        self.size = gain.size
        self.bits = adc.adc_bits
        # From membranes to codes in one product and one sum; without bits, a code is a swing.
        codes = 2**adc.adc_bits - 1
        step = (adc.adc_maximum - adc.adc_minimum) / codes if codes else 1.0
        low = adc.adc_minimum if codes else 0.0
        self.codes = np.float32(codes)
        self.scale = (gain / (step * swing)).astype(np.float32)
        self.shift = ((offset - low) / step - rest * gain / (step * swing)).astype(np.float32)
        self.noise = np.float32(adc.adc_noise / step)
        # And back from codes to membranes.
        self.step = np.float32(step * swing)
        self.low = np.float32(low * swing + rest)

    def read(
        self, membrane: NDArray[np.float32], out: NDArray[np.float32], noise: Noise, step: int
    ) -> None:
        """Convert one sample of all channels.

        Args:
            membrane: `(B, n)`, in the membrane's unit; not changed.
            out: `(B, n)`, in the same unit, overwritten.
            noise: That of this trial.
            step: The step, since reset.
        """
        np.multiply(membrane, self.scale, out=out)
        out += self.shift
        if self.noise:
            draw = noise.normals(step, *out.shape)
            draw *= self.noise
            out += draw
        if self.bits:
            np.rint(out, out=out)
            np.maximum(out, np.float32(0), out=out)
            np.minimum(out, self.codes, out=out)
        if self.step != 1:
            out *= self.step
        if self.low != 0:
            out += self.low
