"""The readout of membranes: an analog-to-digital converter with a channel for each neuron."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device_models.figures import figure
from device_models.fixed_pattern import factors, offsets
from device_models.generators import Normals


@dataclass(frozen=True)
class MembraneADC:
    """How membranes are read. Bits, spreads and noise are 0 on an ideal chip."""

    adc_bits: int = figure(0, "bit", 0, 16, "Resolution of a membrane sample; 0 is exact.")
    adc_minimum: float = figure(-2.0, "V", -100.0, 0.0, "Lowest membrane the converter can tell.")
    adc_maximum: float = figure(2.0, "V", 0.1, 100.0, "Highest membrane the converter can tell.")
    adc_gain_cv: float = figure(
        0.0, "", 0.0, 1.0, "Coefficient of variation of the readout gain over channels."
    )
    adc_offset_sd: float = figure(
        0.0, "V", 0.0, 1.0, "Standard deviation of the readout offset over channels."
    )
    adc_noise: float = figure(0.0, "V", 0.0, 1.0, "Standard deviation of the noise of one sample.")


class Converter:
    """The channels of one layer."""

    def __init__(self, adc: MembraneADC, chip: int, layer: int, size: int) -> None:
        """Draw the channels' fixed pattern: gain and offset of each of `size` neurons."""
        self.gain = factors(chip, "adc_gain_cv", layer, size, adc.adc_gain_cv)
        self.offset = offsets(chip, "adc_offset_sd", layer, size, adc.adc_offset_sd)
        self._bits = adc.adc_bits
        # From volts to codes in one product and one sum; without bits, a code is a volt.
        codes = 2**adc.adc_bits - 1
        self._step = np.float32((adc.adc_maximum - adc.adc_minimum) / codes if codes else 1.0)
        self._low = np.float32(adc.adc_minimum if codes else 0.0)
        self._codes = np.float32(codes)
        self._scale = self.gain / self._step
        self._shift = (self.offset - self._low) / self._step
        self._noise = np.float32(adc.adc_noise) / self._step

    def read(
        self, membrane: NDArray[np.float32], out: NDArray[np.float32], normals: Normals
    ) -> None:
        """Convert one sample of all channels.

        Args:
            membrane: `(B, n)`, in volts; not changed.
            out: `(B, n)`, in volts, overwritten.
            normals: Noise of this trial.
        """
        np.multiply(membrane, self._scale, out=out)
        out += self._shift
        if self._noise:
            draw = normals.draw(out.size).reshape(out.shape)
            draw *= self._noise
            out += draw
        if self._bits:
            np.rint(out, out=out)
            np.clip(out, np.float32(0), self._codes, out=out)
            out *= self._step
            out += self._low
