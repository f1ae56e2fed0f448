"""The readout of membranes: an analog-to-digital converter with a channel for each neuron."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device_models.generators import Noise
from device_models.nonidealities.nonideality import nonideality


@dataclass(frozen=True)
class MembraneADC:
    """How membranes are read. Bits, spreads and noise are 0 on an ideal chip."""

    adc_bits: int = nonideality(
        0, "bit", 0, 16, "Resolution of a membrane sample; 0 is exact.", severity="bits"
    )
    adc_minimum: float = nonideality(
        -2.0, "threshold", -100.0, 0.0, "Lowest membrane the converter can tell.", severity="fixed"
    )
    adc_maximum: float = nonideality(
        2.0, "threshold", 0.1, 100.0, "Highest membrane the converter can tell.", severity="fixed"
    )
    adc_gain_cv: float = nonideality(
        0.0, "", 0.0, 1.0, "Coefficient of variation of the readout gain over channels."
    )
    adc_offset_sd: float = nonideality(
        0.0, "threshold", 0.0, 1.0, "Standard deviation of the readout offset over channels."
    )
    adc_noise: float = nonideality(
        0.0, "threshold", 0.0, 1.0, "Standard deviation of the noise of one sample."
    )
    adc_every: int = nonideality(
        1, "step", 1, 1000, "Fewest steps between two samples.", severity="fixed"
    )
    adc_channels: int = nonideality(
        0,
        "neuron",
        0,
        65536,
        "Neurons of a layer that can be sampled at once; 0 is all.",
        severity="fixed",
    )
    adc_after_reset: int = nonideality(
        0,
        "",
        0,
        1,
        "Whether a sample is taken after the reset of its step, and not before.",
        severity="fixed",
    )
    adc_mean: int = nonideality(
        0, "", 0, 1, "Whether the mean over a run is all that is shown.", severity="fixed"
    )


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
            np.clip(out, np.float32(0), self.codes, out=out)
        if self.step != 1:
            out *= self.step
        if self.low != 0:
            out += self.low
