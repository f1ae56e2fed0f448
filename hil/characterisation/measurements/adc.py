"""The ADC that reads membranes: the step between two codes, and the ends of its range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hil.characterisation.bench import LayerBench

# How far membranes are driven to meet the ends of the range, in nominal thresholds per step.
FAR = 100.0
STEPS = 20
SAMPLES = 8
# Largest resolution that is looked for.
BITS = 16


@dataclass(frozen=True)
class MeasuredADC:
    """The ADC of the membranes. Its range is in nominal thresholds above nominal rest.

    Attributes:
        bits: Its resolution.
        minimum: The membrane of the lowest code.
        maximum: The membrane of the highest code.
    """

    bits: int
    minimum: float
    maximum: float

    @property
    def step(self) -> float:
        """Membrane difference between two neighbouring codes, in nominal thresholds."""
        return (self.maximum - self.minimum) / ((1 << self.bits) - 1)


def measure(layer: LayerBench) -> MeasuredADC | None:
    """Measure the ADC of the first layer.

    Args:
        layer: The layer, of which the device gives membrane samples, not reduced.

    Returns:
        The ADC; None where samples show no ends of a range, or no steps.
    """
    n_pre, size = layer.shape
    layer.map([], FAR / n_pre)
    active = np.ones((SAMPLES, n_pre), bool)
    active[0] = False
    samples = []
    for sign in (-1, 1):
        layer.write(np.full((n_pre, size), sign * FAR / n_pre, np.float32))
        membrane = layer.record(active, STEPS).membrane
        assert membrane is not None
        samples.append(membrane)
    low, high = float(samples[0].min()), float(samples[1].max())
    # At an end of its range an ADC repeats one code; a membrane within it does not.
    ends = [float((s[1:, 1:] == end).mean()) for s, end in zip(samples, (low, high), strict=True)]
    codes = np.unique(np.concatenate([s.ravel() for s in samples]).astype(np.float64))
    if min(ends) < 0.1 or codes.size < 3:
        return None
    gaps = np.diff(codes)
    step = float(gaps[gaps > 1e-6 * (high - low)].min())
    bits = round(np.log2((high - low) / step + 1))
    whole = (codes - low) / (high - low) * (2**bits - 1)
    if bits > BITS or np.abs(whole - whole.round()).max() > 0.05:
        return None
    return MeasuredADC(bits=bits, minimum=low, maximum=high)
