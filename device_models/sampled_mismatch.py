"""The mismatch of one chip, sampled from its seed: its neurons, synapses and channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from device_models.cells import Cells, draw_cells
from device_models.neurons import NeuronModel, Parameter
from device_models.nonidealities.adc import MembraneADC
from device_models.nonidealities.fixed_pattern import FixedPattern, chosen, factors, offsets

Value = float | NDArray[np.float32]
"""A nominal parameter: of all neurons of a layer, or of each, `(n,)`."""
Nominal = Mapping[str, Value]

# Where a tonic neuron's bias would hold its membrane, in swings: it fires without input.
TONIC = 2.0


@dataclass(frozen=True)
class LayerMismatch:
    """The neurons of one layer of one chip.

    Attributes:
        size: Number of neurons n.
        varied: Parameters that differ from neuron to neuron, each `(n,)` float32.
        gain: Input gain `(n,)` float32; 0 for a dead neuron.
        bias: Where a bias current would hold a leaky membrane, `(n,)` float32 in swings (rest to
            nominal threshold) above rest.
    """

    size: int
    varied: Mapping[str, NDArray[np.float32]]
    gain: NDArray[np.float32]
    bias: NDArray[np.float32]


class Pattern(Protocol):
    """The fixed pattern of a chip, part by part: sampled from a seed, or measured."""

    def layer(
        self, model: NeuronModel, index: int, size: int, nominal: Nominal, last: bool
    ) -> LayerMismatch:
        """The neurons of layer `index` (0 is the first) of `size`, under nominal parameters."""

    def cells(self, projection: int, shape: tuple[int, int], ends: tuple[int, int]) -> Cells:
        """The synapses of a projection `(n_pre, n_post)` between two layers, 0 being the input."""

    def channels(self, layer: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Gain and offset (in swings) of each readout channel of a layer, `(n,)` each."""


@dataclass(frozen=True)
class SampledMismatch:
    """A pattern drawn from a seed: one seed, one piece of silicon.

    Attributes:
        seed: Which chip.
        fixed_pattern: The spread of what is drawn.
        adc: The spread of the readout.
    """

    seed: int
    fixed_pattern: FixedPattern
    adc: MembraneADC

    def layer(
        self, model: NeuronModel, index: int, size: int, nominal: Nominal, last: bool
    ) -> LayerMismatch:
        """Draw one layer; the output, mapped on tested neurons, is spared dead and tonic ones."""
        varied = {
            name: self._varied(model, parameter, index, size, nominal[name])
            for name, parameter in model.parameters.items()
            if parameter.mismatch is not None
        }
        gain = factors(self.seed, "gain_cv", index, size, self.fixed_pattern.gain_cv)
        bias = offsets(self.seed, "bias_sd", index, size, self.fixed_pattern.bias_sd)
        if not last:
            bias[chosen(self.seed, "tonic", index, size, self.fixed_pattern.tonic_fraction)] = TONIC
            dead = chosen(self.seed, "dead", index, size, self.fixed_pattern.dead_fraction)
            varied[model.silent][dead] = np.inf
            gain[dead] = bias[dead] = 0.0
        return LayerMismatch(size, varied, gain, bias)

    def cells(self, projection: int, shape: tuple[int, int], ends: tuple[int, int]) -> Cells:
        """Draw the synapses of a projection."""
        return draw_cells(self.seed, projection, shape, self.fixed_pattern)

    def channels(self, layer: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Draw gain and offset of each readout channel."""
        return (
            factors(self.seed, "adc_gain_cv", layer, size, self.adc.adc_gain_cv),
            offsets(self.seed, "adc_offset_sd", layer, size, self.adc.adc_offset_sd),
        )

    def _varied(
        self, model: NeuronModel, parameter: Parameter, layer: int, size: int, nominal: Value
    ) -> NDArray[np.float32]:
        assert parameter.mismatch is not None
        name, acts = parameter.mismatch.nonideality, parameter.mismatch.acts
        spread: float = getattr(self.fixed_pattern, name)
        if acts == "add":
            off = offsets(self.seed, name, layer, size, spread) * np.float32(model.swing)
            return np.float32(nominal) + off
        drawn = factors(self.seed, name, layer, size, spread)
        if acts == "divide":
            return np.float32(nominal) / drawn
        # Of a level what varies is its distance from rest.
        rest = np.float32(model.rest if parameter.unit == model.unit else 0.0)
        return rest + (np.float32(nominal) - rest) * drawn
