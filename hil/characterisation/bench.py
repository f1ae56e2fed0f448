"""A device under measurement: its network, its runs, and the neurons that plans count on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drivers import Device, Network
from drivers.contract.info import Arrival
from hil.characterisation.access import CURRENTS, nearest_full_scale
from hil.characterisation.estimators import TIME_CONSTANTS, Array
from hil.characterisation.timing import MeasuredTiming
from hil.learning.nominal_neuron import NominalNeuron, Reset, held_current, simulate

# Samples that one run should hold, so that traces of wide layers fit in memory.
BATCH = 128
# Steps of the longest measurement.
LONGEST = 400
# A decay to start from where the maker states none.
DECAY = 0.9
# How far a driven neuron is taken beyond the threshold: it then fires at each event.
MARGIN = 2.5


@dataclass
class Bench:
    """A device under measurement, and the network that every measurement maps on it.

    All measurements reach the device through a bench. It chooses full scales within what the
    device allows, and numbers the runs. Each layer is driven and recorded by a `LayerBench`.

    Attributes:
        device: The open device.
        layers: Sizes of the network, the input first.
        measured: When events act, what resets do and when membranes are sampled: as measured, or
            as stated where that could not be told.
        trims: Settings of each neuron under which it is measured.
        settings: Settings of all neurons under which it is measured.
        trial: Number of the next run; the same bench does the same runs again.
    """

    device: Device
    layers: tuple[int, ...]
    measured: MeasuredTiming
    trims: Mapping[str, Sequence[NDArray[np.float32]]] = field(default_factory=dict)
    settings: Mapping[str, float] = field(default_factory=dict)
    trial: int = 0

    @property
    def depth(self) -> int:
        """Number of layers of neurons."""
        return len(self.layers) - 1

    @property
    def has_currents(self) -> bool:
        """True where inputs are currents, False where they are spikes."""
        return not {*CURRENTS}.isdisjoint(self.device.info.offers.stimuli)

    @property
    def batch(self) -> int:
        """Samples of a run."""
        return min(BATCH, self.device.info.capacity.batch)

    def driven_spikes(self, layer: int) -> Array:
        """Spikes of a driven neuron of a layer in each step, `(LONGEST,)`.

        What drives it is `MARGIN` times what makes it fire, by currents or by events of the layer
        before.
        """
        sent = np.ones(LONGEST) if layer == 1 else self.driven_spikes(layer - 1)
        share = held_current(self.decay) if layer == 1 and self.has_currents else 1.0
        neuron = NominalNeuron(
            decay=self.decay,
            reset=self.reset,
            arrival=self.arrival(layer),
            clears_events=self.is_event_cleared,
            most=self.device.info.neuron.spikes_per_step,
            refractory=self.measured.refractory or 0,
        )
        return simulate(neuron, MARGIN * share * sent).spikes

    @property
    def reset(self) -> Reset:
        """Reset of a membrane by a spike."""
        return self.measured.reset or "soft"

    @property
    def is_event_cleared(self) -> bool:
        """True where a hard reset also clears what arrives at the end of its step."""
        return self.measured.timing.hard_reset_clears_events is not False

    def arrival(self, layer: int) -> Arrival:
        """Moment at which events reach a layer; a current acts in its own step."""
        timing = self.measured.timing
        if layer > 1:
            return timing.layer or "same_step"
        return "same_step" if self.has_currents else timing.input or "same_step"

    @property
    def decay(self) -> float:
        """Share of a membrane that a step leaves, as stated or else as usual, for planning.

        A neuron without leak counts as one that leaks with the longest time constant measured.
        """
        longest = float(np.exp(-1 / TIME_CONSTANTS[-1]))
        return min(self.device.info.neuron.decay or DECAY, longest)

    def settling_steps(self, decay: float) -> int:
        """Steps in which a membrane comes to rest, that is six time constants."""
        longest = min(LONGEST, self.device.info.capacity.steps)
        return int(np.clip(np.ceil(-6 / np.log(decay)), 20, longest))

    def map(self, *full_scales: float) -> None:
        """Map the network anew; no weight is written afterwards.

        Args:
            full_scales: Largest |weight| that each projection needs; those left out need 1.
        """
        rest = [1.0] * (self.depth - len(full_scales))
        scales = [self.scale(p, largest) for p, largest in enumerate((*full_scales, *rest))]
        self.device.configure(
            Network.feed_forward(self.layers, tuple(scales), dict(self.settings), dict(self.trims))
        )

    def scale(self, projection: int, largest: float) -> float:
        """Full scale nearest to the largest |weight| that a measurement needs."""
        return nearest_full_scale(self.device.info, projection, largest)
