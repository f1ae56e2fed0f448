"""Charge that has to reach a neuron in one step for it to fire, asked of counts alone.

Every neuron of a layer gets the same small weight from each of many sources. In each sample of a
batch another number of sources is active, so that one run tries all charges.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.harness import Harness, NotApplicable, View, skip_if
from drivers.contract.info import DeviceInfo, Reduction, StimulusKind
from drivers.contract.messages import Stimulus
from drivers.contract.network import Network
from drivers.errors import CapacityError

# Greatest charge that is tried, in thresholds, and into how many parts it is divided.
MOST, RUNGS, NEURONS = 3.0, 60, 32
# The charge that makes a hidden neuron fire once, and the least that is sure to.
KICK, LEAST = 1.5, 1.2
# A part of more than this, in thresholds, tells too little.
COARSE = 0.14
# Neurons of the layer where the device has no room for more.
FEW = 8
# Steps of a run beside those that it takes to reach the layer.
REST = 5
# Share of the charge of an event that a synaptic current may still hold when it counts as over.
OVER = 0.02


def steps_of_inflow(info: DeviceInfo) -> int:
    """Steps for which an event flows in, by the setting of role synapse; 0 without one."""
    kept = _current_left(info)
    return math.ceil(math.log(OVER) / math.log(kept)) if kept else 0


def peak_membrane(info: DeviceInfo, decay: float, tau: float | None = None) -> float:
    """The highest membrane after an event of one threshold, a current that flows as stated.

    Args:
        info: What the device states.
        decay: What a step leaves of a membrane.
        tau: Value of the setting of role synapse, in seconds; None for its default.
    """
    kept, highest, membrane, current = _current_left(info, tau), 0.0, 0.0, 1.0
    current -= kept
    while current > OVER * (1 - kept):
        membrane = decay * membrane + current
        highest, current = max(highest, membrane), kept * current
    return highest


def _current_left(info: DeviceInfo, tau: float | None = None) -> float:
    """Compute what a step leaves of a synaptic current."""
    setting = info.neuron.setting("synapse")
    return 0.0 if setting is None else math.exp(-info.timing.dt / (tau or setting.default))


@dataclass(frozen=True)
class FiringCharges:
    """Charges at which neurons fire.

    Attributes:
        neurons: Of each neuron that fires at all, in thresholds.
        part: How finely that is known, in thresholds.
        kind: Kind of stimulus that was used.
    """

    neurons: NDArray[np.float64]
    part: float
    kind: StimulusKind

    @property
    def median(self) -> float:
        """Median charge at which neurons fire, in thresholds."""
        return float(np.median(self.neurons))

    @property
    def spread(self) -> float:
        """Standard deviation from neuron to neuron, as a share of the median."""
        return float(self.neurons.std()) / self.median

    @property
    def error(self) -> float:
        """By how much of itself the median may be off, for the spread and number of neurons."""
        return 4.5 * self.spread / float(np.sqrt(len(self.neurons))) + self.part / 2 / self.median


class ChargeLadder:
    """A network in which a layer can be given charges; it is mapped when first asked."""

    def __init__(self, layer: int = 1, settings: Mapping[str, float] | None = None) -> None:
        """Say which network.

        Args:
            layer: Which layer of neurons; it is the output.
            settings: Nominal settings of the device.
        """
        self.layer, self.settings = layer, settings or {}
        self._part: float | None = None

    def charges(
        self, harness: Harness, before: float = 0.0, wait: int = 0, rest: int = REST
    ) -> FiringCharges:
        """Find at which charge neurons fire.

        Args:
            harness: The device, on which nothing else was mapped since this was first asked.
            before: A charge that comes first, in thresholds.
            wait: How many steps before.
            rest: Steps of the run beside those that it takes to reach the layer.

        Raises:
            NotApplicable: When the device, which takes more than constant currents, cannot be
                asked.
        """
        info, kind = harness.info, harness.event_kind
        steps = self.layer - 1 + wait + rest + self.layer * steps_of_inflow(info)
        skip_if(steps > info.capacity.steps, "runs are too short")
        if self._part is None:
            self._part = self._write(harness)
        part = self._part
        first = round(before / part)
        sources = self._sources(harness)
        counts = []
        size = info.capacity.batch
        for begin in range(0, sources, size):
            rungs = np.arange(begin + 1, min(begin + size, sources) + 1)
            active = np.zeros((steps, len(rungs), sources), np.float32)
            active[0, :, :first] = 1
            active[wait] = np.arange(sources) < rungs[:, None]
            counts.append(harness.run(Stimulus.of(kind, active)).counts)
        silent = (np.concatenate(counts) == 0).sum(axis=0)
        fires = silent < sources
        if fires.mean() < 0.5:
            raise NotApplicable(
                f"{sources * part:.2g} thresholds in one step make {fires.mean():.0%} of the "
                f"neurons of layer {self.layer} fire"
            )
        return FiringCharges((silent[fires] + 0.5) * part, part, kind)

    def _sources(self, harness: Harness) -> int:
        neurons = RUNGS if self.layer == 1 else harness.info.capacity.neurons
        return min(RUNGS, harness.most_at_once, neurons)

    def _write(self, harness: Harness) -> float:
        """Map the network and write its weights; returns what one source brings."""
        info, sources = harness.info, self._sources(harness)
        forms = [info.weight_format(p) for p in range(self.layer)]
        wanted = [KICK] * (self.layer - 1) + [MOST / sources]
        scales = tuple(
            float(np.clip(w, f.minimum_full_scale, f.maximum_full_scale))
            for w, f in zip(wanted, forms, strict=True)
        )
        if min(scales[:-1], default=KICK) < LEAST:
            raise NotApplicable("one spike makes no neuron of the next layer fire")
        device = harness.device
        for neurons in (min(most, info.capacity.neurons) for most in (NEURONS, FEW)):
            layers = (*[sources] * self.layer, neurons)
            try:
                device.configure(Network.feed_forward(layers, scales, settings=self.settings))
                break
            except CapacityError:
                continue
        else:
            raise NotApplicable(f"no room for a network of layers {'-'.join(map(str, layers))}")
        one = np.eye(sources, dtype=np.float32) * np.float32(KICK)
        for projection in range(self.layer - 1):
            kept = device.write_weights(projection, one)
            if np.abs(kept * (one == 0)).sum(axis=0).max() > 0.05:
                raise NotApplicable("none of the levels is zero, or near it")
        last = np.full((sources, neurons), min(MOST / sources, scales[-1]), np.float32)
        part = float(np.median(device.write_weights(self.layer - 1, last)))
        if not 0 < part <= COARSE:
            raise NotApplicable("inputs are too few, or levels too coarse, for charges this small")
        return part


def read_membranes(
    harness: Harness, view: View, stimulus: Stimulus, reduce: Reduction
) -> NDArray[np.float32]:
    """Run what is mapped, and read samples in thresholds, `(K, B, k)` or `(B, k)`."""
    probe = harness.probe(view.offer, reduce)
    samples = np.asarray(harness.run(stimulus, [probe]).samples[probe], np.float32)
    return harness.info.neuron.membrane.in_thresholds(samples)


def read_last_membranes(harness: Harness, view: View, stimulus: Stimulus) -> NDArray[np.float32]:
    """Membranes of the last step, in which a sample is taken, in thresholds, `(B, k)`."""
    reduce = next(r for r in ("last", "none", "mean") if r in view.offer.reductions)
    samples = read_membranes(harness, view, stimulus, reduce)
    if reduce == "none":
        return np.asarray(samples[-1])
    every, steps = view.offer.every, stimulus.steps
    if reduce == "last" or steps == every:
        return samples
    shorter = read_membranes(harness, view, stimulus.between(0, steps - every), "mean")
    return samples * (steps // every) - shorter * (steps // every - 1)


def membranes_after_event(
    harness: Harness, view: View, age: int, kind: StimulusKind, events: int = 1
) -> NDArray[np.float32]:
    """Membranes in thresholds, `(B, k)`, in the step of an event of each input, or later.

    Args:
        harness: The device, with a network mapped.
        view: What it shows.
        age: Steps since the event.
        kind: Kind of stimulus.
        events: 0 for none at all.

    Raises:
        NotApplicable: When runs are too short.
    """
    steps = -(-(age + 1) // view.offer.every) * view.offer.every
    skip_if(steps > harness.info.capacity.steps, "runs are too short")
    driven = steps - age - 1 if events else None
    return read_last_membranes(harness, view, harness.pulse(steps, driven, kind))


@dataclass(frozen=True)
class EventResponse:
    """Response of a membrane to an event.

    Attributes:
        charge: Charge that it brings, in thresholds, as stored.
        moved: Membranes less those without it, at each age, in thresholds: the median over samples
            and neurons.
        unit: One of a membrane that counts in whole numbers, in thresholds; 0 of any other.
    """

    charge: float
    moved: NDArray[np.float64]
    unit: float


def follow_event(
    harness: Harness, view: View, charge: float, ages: Sequence[int], kind: StimulusKind
) -> EventResponse:
    """Follow a membrane after an event.

    Args:
        harness: The device.
        view: What it shows.
        charge: Charge that the event brings to each neuron, in thresholds.
        ages: Steps since the event.
        kind: Kind of stimulus.

    Raises:
        NotApplicable: When runs are too short, or levels too coarse.
    """
    harness.clear(view.depth)
    stored = harness.write(harness.find_weight_share(charge) * np.eye(harness.neurons))
    brought = float(stored.flat[np.abs(stored).argmax()]) * harness.group * harness.amplitude
    skip_if(not 0.5 < brought / charge < 1.7, f"levels are too coarse for {charge:g} thresholds")
    moved, unit = [], 0.0
    for age in ages:
        lit, dark = (membranes_after_event(harness, view, age, kind, events) for events in (1, 0))
        moved.append(float(np.median(lit - dark)))
        unit = max(unit, _unit_of_whole_numbers(harness, lit))
    return EventResponse(brought, np.array(moved), unit)


def _unit_of_whole_numbers(harness: Harness, shown: NDArray[np.float32]) -> float:
    membrane = harness.info.neuron.membrane
    unit = 1 / abs(membrane.threshold - membrane.rest)
    parts = shown / unit
    return unit if unit < 1 and np.abs(parts - np.rint(parts)).max() < 1e-3 else 0.0
