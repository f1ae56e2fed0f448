"""The fixed pattern of a chip, drawn from its seed: neurons, synapses and readout channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from device_models.generators import generator
from device_models.neurons import NeuronModel, Parameter
from device_models.nonidealities import FixedPattern, MembraneADC


@dataclass(frozen=True)
class Cells:
    """The synapses of one projection.

    Attributes:
        gain: Gain of each synapse `(n_pre, n_post)` float32; None when all are 1.
        frozen: Flat positions `(k,)` int64 of cells that no write changes, ascending.
        value: What those hold, `(k,)` float32, in full scales.
        late: Seconds that each synapse adds to its delay, where it has one, `(n_pre, n_post)`
            float32; None when none does.
    """

    gain: NDArray[np.float32] | None
    frozen: NDArray[np.int64]
    value: NDArray[np.float32]
    late: NDArray[np.float32] | None = None


def draw_cells(chip: int, projection: int, shape: tuple[int, int], spread: FixedPattern) -> Cells:
    """Draw the synapses of one projection of a chip.

    A higher fraction of a defect keeps the cells of a lower one, with their values. A cell drawn
    for several defects has the first of dead, on and stuck.

    Args:
        chip: Chip seed.
        projection: Which projection, from 0.
        shape: `(n_pre, n_post)`.
        spread: The non-idealities `weight_cv`, `delay_sd`, `dead_cells`, `on_cells` and
            `stuck_cells`.
    """
    gain = late = None
    if spread.weight_cv:
        gain = draw_factors(chip, "weight_cv", projection, shape, spread.weight_cv)
    if spread.delay_sd:
        late = draw_offsets(chip, "delay_sd", projection, shape, spread.delay_sd)
    if not (spread.dead_cells or spread.on_cells or spread.stuck_cells):
        return Cells(gain, np.empty(0, np.int64), np.empty(0, np.float32), late)

    size = shape[0] * shape[1]
    # Every cell has a value of its own, so that it does not depend on how many are defective.
    own = generator(chip, "cell_value", projection).uniform(-1, 1, size).astype(np.float32)
    fixed = np.full(size, np.nan, np.float32)
    for name, values in (
        ("stuck_cells", own),
        ("on_cells", np.copysign(np.float32(1), own)),
        ("dead_cells", np.zeros_like(own)),
    ):
        fraction: float = getattr(spread, name)
        if fraction:
            np.copyto(fixed, values, where=draw_defects(chip, name, projection, size, fraction))
    frozen = np.flatnonzero(~np.isnan(fixed))
    return Cells(gain, frozen, fixed[frozen], late)


Value = float | NDArray[np.float32]
"""A nominal parameter: of all neurons of a layer, or of each, `(n,)`."""
Nominal = Mapping[str, Value]

# Where a tonic neuron's bias would hold its membrane, in swings: it fires without input.
TONIC = 2.0


@dataclass(frozen=True, eq=False)
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
            name: self._vary(model, parameter, index, size, nominal[name])
            for name, parameter in model.parameters.items()
            if parameter.mismatch is not None
        }
        gain = draw_factors(self.seed, "gain_cv", index, size, self.fixed_pattern.gain_cv)
        bias = draw_offsets(self.seed, "bias_sd", index, size, self.fixed_pattern.bias_sd)
        if not last:
            bias[
                draw_defects(self.seed, "tonic", index, size, self.fixed_pattern.tonic_fraction)
            ] = TONIC
            dead = draw_defects(self.seed, "dead", index, size, self.fixed_pattern.dead_fraction)
            varied[model.silent][dead] = np.inf
            gain[dead] = bias[dead] = 0.0
        return LayerMismatch(size, varied, gain, bias)

    def cells(self, projection: int, shape: tuple[int, int], ends: tuple[int, int]) -> Cells:
        """Draw the synapses of a projection."""
        return draw_cells(self.seed, projection, shape, self.fixed_pattern)

    def channels(self, layer: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Draw gain and offset of each readout channel."""
        return (
            draw_factors(self.seed, "adc_gain_cv", layer, size, self.adc.adc_gain_cv),
            draw_offsets(self.seed, "adc_offset_sd", layer, size, self.adc.adc_offset_sd),
        )

    def _vary(
        self, model: NeuronModel, parameter: Parameter, layer: int, size: int, nominal: Value
    ) -> NDArray[np.float32]:
        assert parameter.mismatch is not None
        name, acts = parameter.mismatch.nonideality, parameter.mismatch.acts
        spread: float = getattr(self.fixed_pattern, name)
        if acts == "add":
            off = draw_offsets(self.seed, name, layer, size, spread) * np.float32(model.swing)
            return np.float32(nominal) + off
        drawn = draw_factors(self.seed, name, layer, size, spread)
        if acts == "divide":
            return np.float32(nominal) / drawn
        # Of a level what varies is its distance from rest.
        rest = np.float32(model.rest if parameter.unit == model.unit else 0.0)
        return rest + (np.float32(nominal) - rest) * drawn


def draw_factors(
    chip: int, name: str, layer: int, size: int | tuple[int, int], cv: float
) -> NDArray[np.float32]:
    """Draw log-normal factors with mean 1 and the given coefficient of variation.

    Args:
        chip: Chip seed.
        name: What varies; each name has a pattern of its own.
        layer: Layer (or projection) it belongs to.
        size: How many, or a shape.
        cv: Standard deviation over mean.
    """
    if cv == 0.0:
        return np.ones(size, dtype=np.float32)
    sigma = np.sqrt(np.log1p(cv**2))
    normal = generator(chip, name, layer).standard_normal(size, dtype=np.float32)
    drawn: NDArray[np.float32] = np.exp(np.float32(sigma) * normal - np.float32(sigma**2 / 2))
    return drawn


def draw_offsets(
    chip: int, name: str, layer: int, size: int | tuple[int, int], sd: float
) -> NDArray[np.float32]:
    """Draw normal offsets of mean 0 and the given standard deviation, cut at three of them."""
    normal = generator(chip, name, layer).standard_normal(size, dtype=np.float32)
    return np.clip(normal, -3, 3) * np.float32(sd)


def draw_defects(chip: int, name: str, layer: int, size: int, fraction: float) -> NDArray[np.bool_]:
    """Draw the members of a layer with a defect, `(size,)`; a higher fraction keeps a lower's."""
    return generator(chip, name, layer).random(size) < fraction
