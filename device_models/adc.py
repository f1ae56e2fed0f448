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
        self._adc = adc
        self.gain = factors(chip, "adc_gain_cv", layer, size, adc.adc_gain_cv)
        self.offset = offsets(chip, "adc_offset_sd", layer, size, adc.adc_offset_sd)
        self._distorts = bool(adc.adc_gain_cv or adc.adc_offset_sd)

    def read(
        self, membrane: NDArray[np.float32], out: NDArray[np.float32], normals: Normals
    ) -> None:
        """Convert one sample of all channels.

        Args:
            membrane: `(B, n)`, in volts; not changed.
            out: `(B, n)`, in volts, overwritten.
            normals: Noise of this trial.
        """
        adc = self._adc
        if self._distorts:
            np.multiply(membrane, self.gain, out=out)
            out += self.offset
        else:
            out[...] = membrane
        if adc.adc_noise:
            draw = normals.draw(out.size).reshape(out.shape)
            draw *= np.float32(adc.adc_noise)
            out += draw
        if adc.adc_bits:
            span = adc.adc_maximum - adc.adc_minimum
            step = np.float32(span / (2**adc.adc_bits - 1))
            out -= np.float32(adc.adc_minimum)
            out *= np.float32(1.0) / step
            np.rint(out, out=out)
            np.clip(out, 0, 2**adc.adc_bits - 1, out=out)
            out *= step
            out += np.float32(adc.adc_minimum)
