"""A device under measurement: its network, its runs, and the neurons that plans count on.

Each layer on the bench is driven through the layers before it, and recorded. Neurons behind the
first layer are driven by relays, chains of single, strong synapses by which one input channel
alone makes one neuron fire.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drivers import Device, Network, Probe, ProbeOffer, Readout, Stimulus
from drivers.contract.info import Arrival, Quantity, Reduction
from hil.characterisation.estimators import TIME_CONSTANTS, Array, ChargeTiming, Samples
from hil.characterisation.timing import MeasuredTiming
from hil.learning.nominal_neuron import NominalNeuron, Reset, integrate_held_current, simulate
from hil.partial_runs import (
    CURRENTS,
    choose_kind,
    find_nearest_full_scale,
    join_batches,
    join_groups,
    split_probes,
)

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
        share = integrate_held_current(self.decay) if layer == 1 and self.has_currents else 1.0
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
        return find_nearest_full_scale(self.device.info, projection, largest)


# Reductions of a probe, the most telling first.
REDUCTIONS: dict[Quantity, tuple[Reduction, ...]] = {
    "membrane": ("none", "last", "mean"),
    "spikes": ("none", "mean"),
}
# Lengths of run from which a device that only gives a mean or a last sample is known.
LENGTHS = 8
# Share of a relay's weight that a device may store of it.
ENOUGH = 0.6
# Largest weight of a relay beside the usual one; a synapse that needs more is left out.
LARGEST = 20.0
Matrix = NDArray[np.float32]
Indices = NDArray[np.int64]


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


@dataclass(frozen=True)
class DrivableLayer:
    """A layer of n neurons that was measured, as far as driving the next one needs to know it.

    Attributes:
        needed: `(n_pre, n)`, weight whose event brings the neuron from rest to its threshold; NaN
            for a synapse that cannot.
        live: Indices of the neurons that fire when driven, and only then.
    """

    needed: Array
    live: Indices


@dataclass(frozen=True)
class LayerBench:
    """A layer of n neurons on the bench, behind n_pre inputs or neurons.

    Attributes:
        bench: The bench.
        before: The layers before it, as measured.
    """

    bench: Bench
    before: Sequence[DrivableLayer] = ()

    @property
    def number(self) -> int:
        """Number of the layer, 1 to L."""
        return len(self.before) + 1

    @property
    def shape(self) -> tuple[int, int]:
        """Shape `(n_pre, n)` of the weights to it."""
        n_pre, size = self.bench.layers[self.number - 1 : self.number + 1]
        return n_pre, size

    @property
    def charge_timing(self) -> ChargeTiming:
        """Timing of the charge that it receives while its input is driven in every step."""
        sent: Array | None = None
        if self.before:
            sent = self.bench.driven_spikes(self.number - 1)
        elif not self.bench.has_currents:
            sent = np.ones(LONGEST)
        return ChargeTiming(sent, self.bench.arrival(self.number), self.is_sampled_after_reset)

    # What the device shows of it.

    @property
    def offer(self) -> ProbeOffer | None:
        """Offer of its membranes; None where the device shows none."""
        return self.bench.device.info.offer("membrane", self.number, self.bench.depth)

    @property
    def is_sampled_every_step(self) -> bool:
        """True where the device gives a membrane sample of every step."""
        return self.reduction == "none" and self.offer is not None and self.offer.every == 1

    @property
    def is_sampled_after_reset(self) -> bool:
        """True where samples are taken after the reset of their step."""
        place = "output" if self.number == self.bench.depth else "hidden"
        return self.bench.measured.sampled.get(place) == "after_reset"

    @property
    def reduction(self) -> Reduction | None:
        """Reduction of its membrane samples; None where there are none."""
        probe = self._probe("membrane")
        return None if probe is None else probe.reduce

    def sampling(self, steps: int) -> Array | None:
        """From steps to membrane samples, `(K, T)`; None where the device shows none.

        Args:
            steps: T.
        """
        probe = self._probe("membrane")
        if probe is None or probe.every > steps:
            return None
        sampled = np.arange(probe.every - 1, steps, probe.every)
        if probe.reduce == "none":
            whole: Array = np.eye(steps)[sampled]
            return whole
        lengths = _run_lengths(probe, steps)
        rows = np.zeros((len(lengths), steps))
        for row, length in zip(rows, lengths, strict=True):
            seen = sampled[sampled < length]
            if probe.reduce == "last":
                row[seen[-1]] = 1.0
            else:
                row[seen] = 1.0 / seen.size
        return rows

    def _probe(self, quantity: Quantity) -> Probe | None:
        """Make the probe that shows most of the layer; None where the device shows none of it."""
        offer = self.bench.device.info.offer(quantity, self.number, self.bench.depth)
        for reduce in REDUCTIONS[quantity]:
            if offer is not None and reduce in offer.reductions:
                return Probe(self.number, quantity, None, offer.every, reduce)
        return None

    # Recording it.

    def record(
        self, active: NDArray[np.bool_], steps: int, runs: int = 1, *, is_whole: bool = True
    ) -> LayerRecording:
        """Drive input channels in every step and record the layer.

        A layer that the device shows only in part is recorded in several runs; one whose membranes
        it reduces is recorded in runs of several lengths.

        Args:
            active: `(B, n_in)`, which channels are driven, by a current of 1 or a spike a step.
            steps: T.
            runs: How often; the repetitions follow each other in the batch of the recording.
            is_whole: Whether shorter runs are to tell how a reduced membrane comes there.
        """
        membrane, spikes = self._probe("membrane"), self._probe("spikes")
        lengths = _run_lengths(membrane, steps) if membrane and is_whole else [steps]
        parts: list[list[Readout]] = []
        for _ in range(runs):
            for first in range(0, len(active), self.bench.batch):
                part = active[first : first + self.bench.batch]
                parts.append(self._run(part, lengths, membrane, spikes))
        readouts = [join_batches(each) for each in zip(*parts, strict=True)]
        counts: Array | None = None
        if spikes is not None:
            counts = readouts[-1].samples[spikes].astype(np.float64)
            counts = counts.sum(axis=0) if spikes.reduce == "none" else counts * steps
        elif self.number == self.bench.depth:
            counts = readouts[-1].counts.astype(np.float64)
        has_raster = spikes is not None and spikes.reduce == "none"
        return LayerRecording(
            membrane=None if membrane is None else self._in_thresholds(readouts, membrane),
            raster=readouts[-1].samples[spikes] if spikes is not None and has_raster else None,
            counts=counts,
        )

    def _run(
        self,
        active: NDArray[np.bool_],
        lengths: Sequence[int],
        membrane: Probe | None,
        spikes: Probe | None,
    ) -> list[Readout]:
        """Run a batch for every length and all groups of neurons; the longest runs show spikes."""
        device = self.bench.device
        kind = choose_kind(device.info, *CURRENTS, "spikes")
        probes = [probe for probe in (membrane, spikes) if probe is not None]
        groups = split_probes(probes, device.network, device.info, is_same_run=True)
        shorter = [{p: part for p, part in group.items() if p == membrane} for group in groups]
        answers: list[list[Readout]] = [[] for _ in lengths]
        for whole, short in zip(groups, shorter, strict=True):
            for answer, length in zip(answers, lengths, strict=True):
                asked = whole if length == lengths[-1] else short
                stimulus = Stimulus.of(kind, np.broadcast_to(active, (length, *active.shape)))
                answer.append(device.run(stimulus, [*asked.values()], trial=self.bench.trial))
                self.bench.trial += 1
        return [
            *(join_groups(shorter, answer) for answer in answers[:-1]),
            join_groups(groups, answers[-1]),
        ]

    def _in_thresholds(self, readouts: Sequence[Readout], probe: Probe) -> Samples:
        samples = [readout.samples[probe].astype(np.float32) for readout in readouts]
        traces = samples if probe.reduce == "none" else [each[None] for each in samples]
        in_thresholds = self.bench.device.info.neuron.membrane.in_thresholds
        return np.concatenate([in_thresholds(each) for each in traces])

    # Driving it.

    @property
    def sources(self) -> Indices:
        """Indices of the neurons before it, or inputs, that can be driven."""
        return self.before[-1].live if self.before else np.arange(self.shape[0])

    @property
    def channels(self) -> int:
        """Number of sources that can be driven one by one at once."""
        lives = (layer.live.size for layer in self.before[:-1])
        return min([self.bench.layers[0], self.bench.batch, *lives])

    def relays_to(self, targets: Sequence[Indices]) -> list[Matrix]:
        """Weights by which input channel i alone makes the sources `targets[i]` fire in every step.

        Args:
            targets: Sources for each channel, at most `channels` of them.

        Returns:
            One matrix for each projection before the layer's own; none where sources are inputs.
        """
        weights = []
        for p, layer in enumerate(self.before):
            matrix = np.zeros(layer.needed.shape, np.float32)
            usual = float(np.nanmedian(layer.needed)) if np.isfinite(layer.needed).any() else 1.0
            for channel, last in enumerate(targets):
                pre = channel if p == 0 else int(self.before[p - 1].live[channel])
                is_last = p == len(self.before) - 1
                post = last if is_last else layer.live[channel : channel + 1]
                needed = layer.needed[pre, post]
                with np.errstate(invalid="ignore"):
                    is_usable = (needed > 0) & (needed < LARGEST * usual)
                matrix[pre, post] = np.where(is_usable, MARGIN * needed, 0.0)
            weights.append(matrix)
        return weights

    def relays_to_all(self) -> list[Matrix]:
        """Weights by which all sources fire, spread over the channels; as `relays_to` gives."""
        count = self.channels if self.before else 0
        return self.relays_to([self.sources[i::count] for i in range(count)])

    def reach(self, relays: Sequence[Matrix]) -> NDArray[np.bool_]:
        """Mark the sources that each input makes fire, `(n_in, n_pre)`.

        Args:
            relays: As written.
        """
        reached = np.eye(self.bench.layers[0], dtype=bool)
        for matrix in relays:
            reached = reached @ (matrix != 0)
        return reached

    def map(self, relays: Sequence[Matrix], largest: float) -> None:
        """Map the network anew, with relays written and room for weights to the layer.

        Args:
            relays: The relays.
            largest: Largest |weight| to the layer.
        """
        scales = [float(np.abs(matrix).max(initial=0)) or 1.0 for matrix in relays]
        self.bench.map(*scales, largest)
        for p, matrix in enumerate(relays):
            is_weak = self.bench.device.write_weights(p, matrix) < ENOUGH * matrix
            if is_weak.any():
                # No storable value is close enough: a stronger weight also works, a weaker fails.
                stronger = np.where(is_weak, np.float32(scales[p]), matrix)
                self.bench.device.write_weights(p, stronger)

    def write(self, weights: Matrix) -> Matrix:
        """Write the weights to the layer, `(n_pre, n)`, and give them as stored."""
        return self.bench.device.write_weights(self.number - 1, weights)


def _run_lengths(probe: Probe, steps: int) -> list[int]:
    """Lengths of the runs that tell how a membrane rises; one where it is sampled on the way."""
    if probe.reduce == "none":
        return [steps]
    lengths = np.geomspace(max(probe.every, 2), steps, LENGTHS).round().astype(int)
    return sorted({max(int(length), probe.every) for length in lengths})
