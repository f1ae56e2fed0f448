"""The fixed pattern of a chip, drawn from its seed: neurons, synapses and readout channels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from device_models.generators import Noise, generator, quantiles, splitmix64
from device_models.neurons import NeuronModel, Parameter
from device_models.nonidealities import FixedPattern, MembraneADC
from device_models.places import Places

# Pairs of neurons up to which a generator draws for all of them, those between which there is no
# synapse too: about a second. Of more, each pair has a number by its address.
DRAWN = 1 << 27
PART = 1 << 16  # pairs drawn at a time


@dataclass(frozen=True)
class Cells:
    """The synapses of one projection.

    Attributes:
        gain: Gain of each synapse, in the shape of `Places`, float32; None when all are 1.
        frozen: Flat positions `(k,)` int64 of cells that no write changes, ascending.
        value: What those hold, `(k,)` float32, in full scales.
        late: Seconds that each synapse adds to its delay, where it has one, likewise; None when
            none does.
    """

    gain: NDArray[np.float32] | None
    frozen: NDArray[np.int64]
    value: NDArray[np.float32]
    late: NDArray[np.float32] | None = None


def draw_cells(chip: int, projection: int, places: Places, spread: FixedPattern) -> Cells:
    """Draw the synapses of one projection of a chip.

    A higher fraction of a defect keeps the cells of a lower one, with their values. A cell drawn
    for several defects has the first of dead, on and stuck.

    Args:
        chip: Chip seed.
        projection: Which projection, from 0.
        places: Where its synapses are. What one has depends on its pair, not on which others there
            are; two of the same pair have the same.
        spread: The non-idealities `weight_cv`, `delay_sd`, `dead_cells`, `on_cells` and
            `stuck_cells`.
    """
    gain = late = None
    if spread.weight_cv:
        gain = draw_factors(chip, "weight_cv", projection, places, spread.weight_cv)
    if spread.delay_sd:
        late = draw_offsets(chip, "delay_sd", projection, places, spread.delay_sd)
    if not (spread.dead_cells or spread.on_cells or spread.stuck_cells):
        return Cells(gain, np.empty(0, np.int64), np.empty(0, np.float32), late)

    # Every cell has a value of its own, so that it does not depend on how many are defective.
    own = 2 * draw_uniforms(chip, "cell_value", projection, places).reshape(-1) - 1
    own = own.astype(np.float32)
    fixed = np.full(places.size, np.nan, np.float32)
    for name, values in (
        ("stuck_cells", own),
        ("on_cells", np.copysign(np.float32(1), own)),
        ("dead_cells", np.zeros_like(own)),
    ):
        fraction: float = getattr(spread, name)
        if fraction:
            defects = draw_defects(chip, name, projection, places, fraction)
            np.copyto(fixed, values, where=defects.reshape(-1))
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

    def cells(self, projection: int, places: Places, ends: tuple[int, int]) -> Cells:
        """The synapses of a projection between two layers, 0 being the input."""

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
        die = self.fixed_pattern
        gain = draw_factors(self.seed, "gain_cv", index, size, die.gain_cv, die)
        bias = draw_offsets(self.seed, "bias_sd", index, size, die.bias_sd, die)
        if not last:
            bias[
                draw_defects(self.seed, "tonic", index, size, self.fixed_pattern.tonic_fraction)
            ] = TONIC
            dead = draw_defects(self.seed, "dead", index, size, self.fixed_pattern.dead_fraction)
            varied[model.silent][dead] = np.inf
            gain[dead] = bias[dead] = 0.0
        return LayerMismatch(size, varied, gain, bias)

    def cells(self, projection: int, places: Places, ends: tuple[int, int]) -> Cells:
        """Draw the synapses of a projection."""
        return draw_cells(self.seed, projection, places, self.fixed_pattern)

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
            die = self.fixed_pattern
            off = draw_offsets(self.seed, name, layer, size, spread, die) * np.float32(model.swing)
            return np.float32(nominal) + off
        drawn = draw_factors(self.seed, name, layer, size, spread, self.fixed_pattern)
        if acts == "divide":
            return np.float32(nominal) / drawn
        # Of a level what varies is its distance from rest.
        rest = np.float32(model.rest if parameter.unit == model.unit else 0.0)
        return rest + (np.float32(nominal) - rest) * drawn


def draw_factors(
    chip: int,
    name: str,
    layer: int,
    size: int | Places,
    cv: float,
    die: FixedPattern | None = None,
) -> NDArray[np.float32]:
    """Draw log-normal factors with mean 1 and the given coefficient of variation.

    Args:
        chip: Chip seed.
        name: What varies; each name has a pattern of its own.
        layer: Layer (or projection) it belongs to.
        size: How many, or of which synapses.
        cv: Standard deviation over mean.
        die: How they lie together on the die; None for parts that are drawn each by itself.
    """
    if cv == 0.0:
        return np.ones(size if isinstance(size, int) else size.shape, dtype=np.float32)
    sigma = np.sqrt(np.log1p(cv**2))
    normal = _draw_on_die(chip, name, layer, size, die)
    drawn: NDArray[np.float32] = np.exp(np.float32(sigma) * normal - np.float32(sigma**2 / 2))
    return drawn


def draw_offsets(
    chip: int,
    name: str,
    layer: int,
    size: int | Places,
    sd: float,
    die: FixedPattern | None = None,
) -> NDArray[np.float32]:
    """Draw normal offsets of mean 0 and the given standard deviation, cut at three of them."""
    return np.clip(_draw_on_die(chip, name, layer, size, die), -3, 3) * np.float32(sd)


def _draw_on_die(
    chip: int, name: str, layer: int, size: int | Places, die: FixedPattern | None
) -> NDArray[np.float32]:
    """Draw standard normals, of neurons as they lie together on the die, row by row on a square.

    Mismatch grows with distance (Pelgrom, Duinmaijer & Welbers 1989, IEEE J. Solid-State Circuits
    24, 1433): a plane of random slopes over the die, and next to it a correlation that falls
    exponentially with the distance along rows and columns (as Xiong, Zolotov & He 2007, IEEE
    Trans. Comput.-Aided Des. 26, 619, extract it).
    """
    share, length = (die.gradient_share, die.correlation_length) if die else (0.0, 0.0)
    if not (share or length) or not isinstance(size, int):
        return draw_normals(chip, name, layer, size)
    side = int(np.ceil(np.sqrt(size)))
    drawn = draw_normals(chip, name, layer, side * side)
    normal, places = drawn.astype(np.float64).reshape(side, side), np.arange(side)
    if length:
        apart = np.abs(places[:, None] - places)
        root = np.linalg.cholesky(np.exp(-apart / length))
        normal = root @ normal @ root.T
    if share and side > 1:
        across = (places - places.mean()) / places.std()
        slope = generator(chip, name, layer, "gradient").standard_normal(2) / np.sqrt(2)
        plane = slope[0] * across + slope[1] * across[:, None]
        normal = np.sqrt(1 - share) * normal + np.sqrt(share) * plane
    return normal.reshape(-1)[:size].astype(np.float32)


def draw_defects(
    chip: int, name: str, layer: int, size: int | Places, fraction: float
) -> NDArray[np.bool_]:
    """Draw the members of a layer with a defect; a higher fraction keeps a lower's."""
    return draw_uniforms(chip, name, layer, size) < fraction


def draw_normals(chip: int, name: str, layer: int, size: int | Places) -> NDArray[np.float32]:
    """Draw standard normals, as `draw_factors` has its arguments."""
    if isinstance(size, Places) and math.prod(size.ends) > DRAWN:
        words = _find_words(chip, name, layer, size) >> np.uint64(48)
        return quantiles().take(words.astype(np.intp)).reshape(size.shape)
    rng = generator(chip, name, layer)
    return _draw_pairs(lambda many: rng.standard_normal(many, dtype=np.float32), size)


def draw_uniforms(chip: int, name: str, layer: int, size: int | Places) -> NDArray[np.float64]:
    """Draw numbers from 0 to below 1, as `draw_factors` has its arguments."""
    if isinstance(size, Places) and math.prod(size.ends) > DRAWN:
        words = _find_words(chip, name, layer, size) >> np.uint64(11)
        return (words.astype(np.float64) * 2.0**-53).reshape(size.shape)
    return _draw_pairs(generator(chip, name, layer).random, size)


def _find_words(chip: int, name: str, layer: int, places: Places) -> NDArray[np.uint64]:
    """A random word for the pair of each synapse."""
    return splitmix64(Noise(chip, name, layer).key, places.numbers)


def _draw_pairs(draw: Callable[[int], NDArray[Any]], size: int | Places) -> NDArray[Any]:
    """Let a generator draw for all pairs, one after another, and keep what synapses have of it."""
    if isinstance(size, int):
        return draw(size)
    if size.pre is None:
        return draw(size.size).reshape(size.shape)
    numbers, pairs = size.numbers, math.prod(size.ends)
    starts = range(0, pairs, PART)
    bounds = np.searchsorted(numbers, [*starts, pairs])
    parts = []
    for start, (first, last) in zip(starts, pairwise(bounds), strict=True):
        drawn = draw(min(PART, pairs - start))
        parts.append(drawn[numbers[first:last] - start])
    return np.concatenate(parts)
