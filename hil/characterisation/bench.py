"""Access to a device for measurements: map a network, drive its inputs, record one layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from drivers import Device, Network, Probe, Stimulus
from drivers.contract.info import Arrival, Quantity, Reduction
from hil.characterisation.estimators import TIME_CONSTANTS, Array, Drive, Samples
from hil.characterisation.timing_data import MeasuredTiming
from hil.learning.nominal_neuron import NominalNeuron, Reset, held_current, simulate

Kind = TypeVar("Kind", bound=np.generic)
# Samples that one run should hold, so that traces of wide layers fit in memory.
BATCH = 128
# Lengths of run from which a device that only gives a mean or a last sample is known.
LENGTHS = 8
# Steps of the longest measurement.
LONGEST = 400
# What a membrane probe may give, the most telling first.
REDUCTIONS: tuple[Reduction, ...] = ("none", "last", "mean")
# A decay to start from where the maker states none.
DECAY = 0.9
# How far a driven neuron is taken beyond the threshold: it then fires at each event.
MARGIN = 2.5


@dataclass(frozen=True)
class LayerRecording:
    """Membranes and spikes of one layer of n neurons, recorded over a batch of B samples.

    Attributes:
        membrane: K membrane samples of each run, `(K, B, n)` in nominal thresholds; None where the
            device shows none.
        raster: Spikes of each step, `(T, B, n)`; None where the device gives none.
        counts: Spikes `(B, n)` of the longest run; None where the device counts none.
    """

    membrane: Samples | None
    raster: NDArray[np.generic] | None
    counts: Array | None


@dataclass
class Bench:
    """A device under measurement, and the network that every measurement maps on it.

    All measurements reach the device through a bench. It chooses full scales within what the
    device allows, turns driven input channels into a stimulus that the device takes, asks for the
    most detailed probes that it offers, and numbers the runs.

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
    def currents(self) -> bool:
        """Whether inputs are currents; else they are spikes."""
        return (
            "current" in self.device.info.offers.stimuli
            or "current_trace" in self.device.info.offers.stimuli
        )

    @property
    def batch(self) -> int:
        """Samples of a run."""
        return min(BATCH, self.device.info.capacity.batch)

    def drive(self, layer: int) -> Drive:
        """Timing of the charge that a layer receives while its input is driven in every step."""
        late = self.after_reset(layer)
        if layer == 1:
            return Drive(None if self.currents else np.ones(LONGEST), self._arrival(1), late)
        return Drive(self.fired(layer - 1), self._arrival(layer), late)

    def fired(self, layer: int) -> Array:
        """Spikes of a driven neuron of a layer in each step, `(LONGEST,)`.

        What drives it is `MARGIN` times what makes it fire, by currents or by events of the layer
        before.
        """
        info = self.device.info
        sent = np.ones(LONGEST) if layer == 1 else self.fired(layer - 1)
        share = held_current(self.decay) if layer == 1 and self.currents else 1.0
        neuron = NominalNeuron(
            decay=self.decay,
            reset=self.reset,
            arrival=self._arrival(layer),
            clears_events=self.clears,
            most=info.neuron.spikes_per_step,
            refractory=self.measured.refractory or 0,
        )
        return simulate(neuron, MARGIN * share * sent).spikes

    @property
    def reset(self) -> Reset:
        """What a spike does to the membrane."""
        return self.measured.reset or "soft"

    @property
    def clears(self) -> bool:
        """Whether a hard reset also clears what arrives at the end of its step."""
        return self.measured.timing.hard_reset_clears_events is not False

    def _arrival(self, layer: int) -> Arrival:
        """When events reach a layer; a current acts in its own step."""
        timing = self.measured.timing
        if layer > 1:
            return timing.layer or "same_step"
        return "same_step" if self.currents else timing.input or "same_step"

    @property
    def decay(self) -> float:
        """What is left of a membrane after a step, as stated or else as usual, for planning.

        A neuron without leak counts as one that leaks with the longest time constant measured.
        """
        longest = float(np.exp(-1 / TIME_CONSTANTS[-1]))
        return min(self.device.info.neuron.decay or DECAY, longest)

    def steps(self, decay: float) -> int:
        """Steps in which a membrane comes to rest, that is six time constants."""
        return int(
            np.clip(np.ceil(-6 / np.log(decay)), 20, min(LONGEST, self.device.info.capacity.steps))
        )

    def map(self, full_scale: Sequence[float]) -> None:
        """Map the network anew; no weight is written afterwards."""
        self.device.configure(
            Network.feed_forward(
                self.layers, tuple(full_scale), dict(self.settings), dict(self.trims)
            )
        )

    def scale(self, projection: int, largest: float) -> float:
        """The full scale nearest to the largest |weight| that a measurement needs."""
        allowed = self.device.info.weight_format(projection)
        return float(np.clip(largest, allowed.minimum_full_scale, allowed.maximum_full_scale))

    def samples_every_step(self, layer: int) -> bool:
        """Whether the device gives a membrane sample of every step."""
        offer = self.device.info.offer("membrane", layer, self.depth)
        return offer is not None and "none" in offer.reductions and offer.every == 1

    def reduction(self, layer: int) -> Reduction | None:
        """How membrane samples of a layer are reduced; None where it shows none."""
        offer = self.device.info.offer("membrane", layer, self.depth)
        return None if offer is None else next(r for r in REDUCTIONS if r in offer.reductions)

    def after_reset(self, layer: int) -> bool:
        """Whether samples are taken after the reset of their step."""
        place = "output" if layer == self.depth else "hidden"
        return self.measured.sampled.get(place) == "after_reset"

    def sampling(self, layer: int, steps: int) -> Array | None:
        """From steps to samples `(K, T)`, as the device offers it; None where it shows none."""
        offer = self.device.info.offer("membrane", layer, self.depth)
        if offer is None or offer.every > steps:
            return None
        taken = np.arange(offer.every - 1, steps, offer.every)
        if "none" in offer.reductions:
            whole: Array = np.eye(steps)[taken]
            return whole
        lengths = self._lengths(offer.every, steps)
        rows = np.zeros((len(lengths), steps))
        for row, length in zip(rows, lengths, strict=True):
            seen = taken[taken < length]
            if "last" in offer.reductions:
                row[seen[-1]] = 1.0
            else:
                row[seen] = 1.0 / seen.size
        return rows

    def record(
        self, layer: int, active: NDArray[np.bool_], steps: int, runs: int = 1
    ) -> LayerRecording:
        """Drive input channels in every step and record one layer.

        Args:
            layer: Layer of neurons, 1 to L.
            active: `(B, n_in)`, which channels are driven, by a current of 1 or a spike a step.
            steps: T.
            runs: How often; the repetitions follow each other in the batch of the recording.
        """
        parts = [
            self._record_batch(layer, active[i : i + self.batch], steps)
            for _ in range(runs)
            for i in range(0, len(active), self.batch)
        ]
        return LayerRecording(
            _joined([p.membrane for p in parts], 1),
            _joined([p.raster for p in parts], 1),
            _joined([p.counts for p in parts], 0),
        )

    def _record_batch(self, layer: int, active: NDArray[np.bool_], steps: int) -> LayerRecording:
        """One batch; a layer that the device shows only in part is recorded in several runs."""
        info, size = self.device.info, self.layers[layer]
        membrane = info.offer("membrane", layer, self.depth)
        offers = (membrane, info.offer("spikes", layer, self.depth))
        room = min([offer.neurons or size for offer in offers if offer is not None] or [size])
        lengths = [steps]
        if membrane is not None and "none" not in membrane.reductions:
            lengths = self._lengths(membrane.every, steps)
        shown: list[Samples] = []
        rasters: list[NDArray[np.generic]] = []
        counted: list[Array] = []
        for first in range(0, size, room):
            neurons = None if room >= size else tuple(range(first, min(first + room, size)))
            samples: list[Samples] = []
            for length in lengths:
                probes = self._probes(layer, neurons, spikes=length == steps)
                readout = self.device.run(self._stimulus(active, length), probes, trial=self.trial)
                self.trial += 1
                for probe in probes:
                    recorded = readout.samples[probe]
                    if probe.quantity == "membrane":
                        traces = recorded if probe.reduce == "none" else recorded[None]
                        samples.append(
                            info.neuron.membrane.in_thresholds(traces.astype(np.float32))
                        )
                    elif probe.reduce == "none":
                        rasters.append(recorded)
                        counted.append(recorded.sum(axis=0, dtype=np.float64))
                    else:
                        counted.append(recorded.astype(np.float64) * length)
            if samples:
                shown.append(np.concatenate(samples))
        if layer == self.depth and not counted:
            counted = [readout.counts.astype(np.float64)]
        return LayerRecording(_joined(shown, 2), _joined(rasters, 2), _joined(counted, 1))

    def _probes(self, layer: int, neurons: tuple[int, ...] | None, *, spikes: bool) -> list[Probe]:
        """The most that a device shows of some neurons of a layer."""
        wanted: tuple[tuple[Quantity, tuple[Reduction, ...]], ...] = (
            ("membrane", REDUCTIONS),
            ("spikes", ("none", "mean")),
        )
        probes = []
        for quantity, reductions in wanted:
            offer = self.device.info.offer(quantity, layer, self.depth)
            if offer is None or (quantity == "spikes" and not spikes):
                continue
            reduce = next((r for r in reductions if r in offer.reductions), None)
            if reduce is not None:
                probes.append(Probe(layer, quantity, neurons, offer.every, reduce))
        return probes

    def _stimulus(self, active: NDArray[np.bool_], steps: int) -> Stimulus:
        kinds = self.device.info.offers.stimuli
        if "current" in kinds:
            return Stimulus.current(active, steps=steps)
        every = np.broadcast_to(active, (steps, *active.shape))
        if "current_trace" in kinds:
            return Stimulus.current_trace(every)
        return Stimulus.spikes(every.reshape(-1, active.shape[1]).astype(np.float32), steps=steps)

    @staticmethod
    def _lengths(every: int, steps: int) -> list[int]:
        wanted = np.geomspace(max(every, 2), steps, LENGTHS).round().astype(int)
        return sorted({max(int(length), every) for length in wanted})


def _joined(parts: Sequence[NDArray[Kind] | None], axis: int) -> NDArray[Kind] | None:
    present = [part for part in parts if part is not None]
    return np.concatenate(present, axis=axis) if present else None
