"""Timing, measured from nothing but the contract: when events act, and what a reset clears.

A few runs of a small network of all-to-all weights, from output spikes alone: how long a strong
input takes to the output of one layer and of two, and how often neurons fire under a ramp of
constant inputs. What is fitted to these rates is a nominal neuron under each timing and reset; the
one that comes nearest is what was measured. Membranes of the same runs tell when they are sampled.

A neuron with a soft reset whose events act at the end of a step is, by its spikes, one whose
events act in the next step with a threshold that is 1 / d times as high: of these two the one is
taken whose threshold is nearer to the nominal one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from drivers import CapacityError, Device, DeviceInfo, Network, Probe, Stimulus, StimulusError
from drivers.contract.info import Arrival, Sampled, StimulusKind, Timing
from hil.characterisation.estimators import Array
from hil.learning.nominal_neuron import NominalNeuron, Reset, integrate_held_current, simulate
from hil.partial_runs import CURRENTS, choose_kind, find_nearest_full_scale

# Fields of a timing that these runs measure.
TIMING_FIELDS = ("input", "layer", "hard_reset_clears_events", "events_add")
# A layer of each place, in a network of two.
PLACES = {"hidden": (1, 2), "output": (2, 2)}
# Neurons of a layer and input channels of the network that is used.
SIZE = 32
# Charge of an event that makes every usual neuron fire, and the least that does.
STRONG, ENOUGH = 3.0, 1.6
# The ramp of constant inputs, in thresholds per step; writes, each with the ramp at other neurons.
LOWEST, HIGHEST, WRITES = 0.12, 2.5, 3
# Steps of the longest run, and of the shortest runs, in which an event is waited for.
STEPS, WAIT = 40, 4
# Steps in which a slow membrane has its peak after one event.
SLOW = 8
# Inputs at which samples before and after a reset differ most, within what converters read.
TELLING = (0.25, 1.3)
# Thresholds over gain that are tried for all neurons, and what a factor of e from 1 counts.
SCALES: Array = np.geomspace(0.6, 1.7, 53)
UNLIKELY = 0.02
# By how much what the maker does not state has to be nearer than what he states, in spikes a step.
DOUBT = 0.005
# Decays that are tried where the maker states none.
DECAYS = (0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.96, 0.98, 1.0)
# Longest rest after a spike that is tried where the maker states none, in steps.
RESTS = 4
# Largest mean difference of rates, in spikes per step, of a neuron that counts as explained.
EXPLAINED = 0.08
ARRIVALS: tuple[Arrival, ...] = ("same_step", "end_of_step", "next_step")


@dataclass(frozen=True)
class Difference:
    """A fact that a device states otherwise than it was measured.

    Attributes:
        fact: Its name, such as `timing.layer`.
        stated: What the device says.
        measured: What was measured.
    """

    fact: str
    stated: str | bool
    measured: str | bool


@dataclass(frozen=True)
class MeasuredTiming:
    """The timing of a device as measured; None for what could not be told.

    Attributes:
        timing: When events act.
        reset: What a spike does to the membrane.
        refractory: Steps after that of a spike in which a neuron ignores its input.
        decay: What a step leaves of a membrane: as stated, or the nearest of a few values.
        sampled: When membranes are sampled, of `hidden` layers and of the `output`.
    """

    timing: Timing
    reset: Reset | None = None
    refractory: int | None = None
    decay: float | None = None
    sampled: Mapping[str, Sampled | None] = field(default_factory=dict)

    def differences(self, info: DeviceInfo) -> tuple[Difference, ...]:
        """Compare with what a device states; what either leaves open is no difference.

        Args:
            info: What the device states.
        """
        facts = {
            f"timing.{name}": (getattr(info.timing, name), getattr(self.timing, name))
            for name in TIMING_FIELDS
        }
        facts["neuron.reset"] = (info.neuron.reset, self.reset)
        for place, sampled in self.sampled.items():
            offer = info.offer("membrane", *PLACES[place])
            facts[f"membranes of {place}"] = (offer and offer.sampled, sampled)
        return tuple(
            Difference(fact, stated, measured)
            for fact, (stated, measured) in facts.items()
            if stated is not None and measured is not None and stated != measured
        )

    def fill_from(self, info: DeviceInfo) -> MeasuredTiming:
        """Fill what could not be measured with what the device states."""
        offers = {place: info.offer("membrane", *PLACES[place]) for place in PLACES}
        stated: dict[str, Sampled | None] = {p: o.sampled for p, o in offers.items() if o}
        measured = {place: sampled for place, sampled in self.sampled.items() if sampled}
        return MeasuredTiming(
            timing=fill_timing(self.timing, info.timing),
            reset=self.reset or info.neuron.reset,
            refractory=info.neuron.refractory if self.refractory is None else self.refractory,
            decay=self.decay,
            sampled=stated | measured,
        )


def fill_timing(first: Timing, second: Timing) -> Timing:
    """Fill what one account of a timing leaves open with what another says."""
    open_fields = [name for name in TIMING_FIELDS if getattr(first, name) is None]
    return replace(first, **{name: getattr(second, name) for name in open_fields})


@dataclass
class SmallNetwork:
    """A device with a small network of all-to-all weights, and runs that are numbered.

    Attributes:
        device: The device.
        kind: What it is given.
        inputs: Input channels.
        size: Neurons of each layer.
        steps: Longest run.
        trial: Number of the next run.
        mapped: The network on the device.
    """

    device: Device
    kind: StimulusKind
    inputs: int
    size: int
    steps: int
    trial: int
    mapped: Network | None = None

    def write(self, *charges: Array) -> list[Array]:
        """Map a network and write what all of a layer together bring to each neuron, `(n,)`.

        Returns:
            The same for each projection, as stored.
        """
        layers = (self.inputs, *[self.size] * len(charges))
        matrices = [
            (_uneven_shares(pre)[:, None] * charge).astype(np.float32)
            for pre, charge in zip(layers, charges, strict=False)
        ]
        scales = [
            find_nearest_full_scale(self.device.info, p, float(np.abs(matrix).max()))
            for p, matrix in enumerate(matrices)
        ]
        network = Network.feed_forward(layers, tuple(scales))
        if network != self.mapped:
            self.device.configure(network)
            self.mapped = network
        return [
            self.device.write_weights(p, matrix).astype(np.float64).sum(axis=0)
            for p, matrix in enumerate(matrices)
        ]

    def run(self, train: Array, groups: int = 1, probe: Probe | None = None) -> tuple[Array, Array]:
        """Drive all inputs together; of several groups each takes its turn with the steps.

        Args:
            train: `(T,)`, events of each step; for a constant current all the same.
            groups: Groups of input channels.
            probe: Membranes to observe.

        Returns:
            Output counts `(n,)`, and what the probe gave, `(K, n)`, in nominal thresholds.
        """
        steps = len(train)
        charge = np.zeros((steps, 1, self.inputs), np.float32)
        for group in range(groups):
            turn = (np.arange(steps) % groups == group) * train
            charge[:, 0, group::groups] = turn[:, None]
        stimulus = Stimulus.of(self.kind, charge)
        readout = self.device.run(stimulus, [] if probe is None else [probe], trial=self.trial)
        self.trial += 1
        membranes = np.zeros((0, self.size))
        if probe is not None:
            samples = readout.samples[probe].astype(np.float32)
            scaled = self.device.info.neuron.membrane.in_thresholds(samples)
            membranes = scaled.reshape(-1, self.size).astype(np.float64)
        return readout.counts[0].astype(np.float64), membranes

    def separate(self, groups: int) -> None:
        """Let each group of inputs drive its own group of the first layer, as strongly as before.

        Args:
            groups: Groups of inputs and of neurons.
        """
        own = np.arange(self.inputs)[:, None] % groups == np.arange(self.size) % groups
        strength = min(groups * STRONG / self.inputs, self.device.network.full_scale[0])
        self.device.write_weights(0, (own * strength).astype(np.float32))


def _uneven_shares(size: int) -> Array:
    """Shares `(size,)` of a charge that neurons bring, which add up to 1.

    They are unlike, so that sums are finer than the steps of stored weights, but those of an even
    neuron and of the odd one after it.
    """
    pairs = np.linspace(0.5, 1.5, (size + 1) // 2)
    shares = np.repeat(pairs, 2)[:size]
    return np.asarray(shares / shares.sum())


@dataclass
class Ramp:
    """Rates of neurons under a ramp of constant inputs.

    Attributes:
        levels: What reached each neuron in each step that it was sent to, `(N,)`.
        train: When it was sent, `(T,)`.
        rates: Spikes per step, `(N,)`.
        membranes: Samples of a probe, `(K, N)`.
    """

    levels: Array
    train: Array
    rates: Array
    membranes: Array


def measure_ramp(
    network: SmallNetwork,
    probe: Probe | None,
    depth: int = 1,
    groups: int = 1,
    sent: Array | None = None,
    at_first: bool = False,
) -> Ramp:
    """Measure rates of the output under constant inputs of every strength.

    Args:
        network: The network; its input is driven in every step.
        probe: Membranes to observe.
        depth: Layers; those before the output fire whenever they can.
        groups: Groups of inputs, and of neurons before the output, that take turns.
        sent: When the layer before the output fires, `(T,)`; every step where None.
        at_first: Whether the ramp is at the first layer, for its membranes, and not at the output.
    """
    train = np.ones(network.steps)
    levels, rates, membranes = [], [], []
    spread = np.geomspace(LOWEST, HIGHEST, network.size)
    strong = np.full(network.size, STRONG)
    for number in range(WRITES):
        rolled = np.roll(spread, number * max(network.size // WRITES, 1))
        stored = network.write(
            *([rolled, strong] if at_first else [*[strong] * (depth - 1), rolled])
        )
        if groups > 1:
            network.separate(groups)
        counts, samples = network.run(train, groups, probe)
        levels.append(stored[0 if at_first else -1] / groups)
        rates.append(counts / len(train))
        membranes.append(samples)
    when = train if sent is None else sent
    if groups > 1:  # the groups' turns follow each other
        when = np.minimum(
            sum((np.roll(when, k) * (np.arange(when.size) >= k)) for k in range(groups)), 1
        )
    return Ramp(
        np.concatenate(levels), when, np.concatenate(rates), np.concatenate(membranes, axis=1)
    )


def measure(device: Device, trial: int = 0) -> MeasuredTiming:
    """Measure the timing of a device. It is configured anew a few times.

    Args:
        device: The open device.
        trial: Number of the first run.

    Returns:
        What was measured; None in it for what these runs cannot tell.

    Raises:
        DeviceError: When the device fails.
    """
    info = device.info
    network = SmallNetwork(
        device=device,
        kind=choose_kind(info, "spikes", *CURRENTS),  # spikes show most
        inputs=min(SIZE, info.capacity.inputs, info.capacity.fan_in or SIZE),
        size=min(SIZE, info.capacity.neurons, info.capacity.fan_in or SIZE),
        steps=min(STEPS, info.capacity.steps),
        trial=trial,
    )
    try:
        return _measure_layers(network)
    except CapacityError:  # a device that takes one network alone, e.g. the twin of another
        return MeasuredTiming(Timing(dt=info.timing.dt))


def _measure_layers(network: SmallNetwork) -> MeasuredTiming:
    info = network.device.info
    unknown = MeasuredTiming(Timing(dt=info.timing.dt))
    latency = _measure_latency(network, 1)
    if latency is None:
        return unknown
    has_spikes = network.kind == "spikes"
    probe = _membrane_probe(info, 1, 1, network.steps)
    ramp = measure_ramp(network, probe)
    arrivals = ARRIVALS[:1] if latency == 0 else ARRIVALS[1:] if has_spikes else ARRIVALS[2:]
    rules = [*_candidate_rules(info, arrivals, _possible_rests(info, ramp))]
    rule, error = _fit_rule(ramp, rules, info, 1, is_current=not has_spikes)
    if error > EXPLAINED:
        return unknown
    sampled = {}
    if probe is not None:
        sampled["output"] = _fit_sampling(ramp, rule, probe, is_current=not has_spikes)
    timing = replace(
        unknown.timing,
        input=rule.arrival if has_spikes else None,
        hard_reset_clears_events=rule.clears_events if _has_late_events(rule) else None,
        events_add=_measure_events_add(network, latency) if has_spikes else None,
    )
    measured = MeasuredTiming(timing, rule.reset, rule.refractory, rule.decay, sampled)
    if info.capacity.layers < 2:
        return measured
    return _measure_second_layer(network, measured, rule, latency)


def _measure_second_layer(
    network: SmallNetwork, first: MeasuredTiming, rule: NominalNeuron, latency: int
) -> MeasuredTiming:
    """Measure the same of events between layers."""
    info = network.device.info
    total = _measure_latency(network, 2)
    if total is None or not latency <= total <= latency + 1:
        return first
    has_spikes, groups = network.kind == "spikes", 1
    charge = _charge(np.full(network.steps, STRONG), rule.decay, not has_spikes)
    sent = simulate(rule, charge).spikes
    gaps = np.diff(np.flatnonzero(sent)[:2])
    is_even = network.size % 2 == network.inputs % 2 == 0
    if network.kind != "current" and gaps.size and gaps[0] > 1 and is_even:
        groups = int(min(gaps[0], 2))
    ramp = measure_ramp(network, None, depth=2, groups=groups, sent=sent)
    rules = [
        candidate
        for candidate in _candidate_rules(
            info, ARRIVALS[:1] if total == latency else ARRIVALS[1:], [rule.refractory]
        )
        if candidate.reset == rule.reset
        and (info.neuron.decay is not None or candidate.decay == rule.decay)
    ]
    behind, error = _fit_rule(ramp, rules, info, 2, is_current=False)
    if error > EXPLAINED:
        return first
    clears = first.timing.hard_reset_clears_events
    if _has_late_events(behind):
        clears = behind.clears_events
    timing = replace(first.timing, layer=behind.arrival, hard_reset_clears_events=clears)
    sampled = dict(first.sampled)
    probe = _membrane_probe(info, 1, 2, network.steps)
    if probe is not None:
        hidden = measure_ramp(network, probe, depth=2, at_first=True)
        sampled["hidden"] = _fit_sampling(hidden, rule, probe, is_current=not has_spikes)
    return replace(first, timing=timing, sampled=sampled)


def _measure_latency(network: SmallNetwork, depth: int) -> int | None:
    """Steps from a strong input to the output of so many layers; None where nothing fires."""
    stored = network.write(*[np.full(network.size, STRONG)] * depth)
    if min(float(np.median(charge)) for charge in stored) < ENOUGH:
        return None
    for steps in range(1, min(WAIT, network.steps) + 1):
        counts, _ = network.run(np.ones(steps))
        if np.mean(counts > 0) > 0.5:
            return steps - 1
    return None


def _possible_rests(info: DeviceInfo, ramp: Ramp) -> list[int]:
    """List the steps that a neuron may rest after a spike: stated, or within its highest rate."""
    if info.neuron.refractory is not None:
        return [info.neuron.refractory]
    # A spike that comes first has nothing before it that it must wait for.
    most = info.neuron.spikes_per_step
    highest = ramp.rates.max() - most / len(ramp.train)
    return [0, *(rest for rest in range(1, RESTS + 1) if most / (1 + rest) >= highest)]


def _candidate_rules(
    info: DeviceInfo, arrivals: Sequence[Arrival], rests: Sequence[int]
) -> Iterator[NominalNeuron]:
    """Every rule that could explain what is seen."""
    decays = DECAYS if info.neuron.decay is None else (info.neuron.decay,)
    resets: tuple[Reset, ...] = ("soft", "hard")
    most = info.neuron.spikes_per_step
    for reset, arrival, decay, rest in product(resets, arrivals, decays, rests):
        rule = NominalNeuron(decay, reset, arrival, most=most, refractory=rest)
        yield rule
        if _has_late_events(rule):
            yield replace(rule, clears_events=False)


def _has_late_events(rule: NominalNeuron) -> bool:
    """Tell rules under which a hard reset may clear an event of its step."""
    return rule.reset == "hard" and rule.arrival == "end_of_step"


def _charge(levels: Array, decay: float, is_current: bool) -> Array:
    return levels * (integrate_held_current(decay) if is_current else 1.0)


def _fit_rule(
    ramp: Ramp, rules: Sequence[NominalNeuron], info: DeviceInfo, layer: int, *, is_current: bool
) -> tuple[NominalNeuron, float]:
    """Find the rule that comes nearest, and how far its rates are from those measured.

    Args:
        ramp: What was measured.
        rules: What could explain it.
        info: What the device states.
        layer: Layer that the ramp is of.
        is_current: Whether it is of currents, which act in their own step.
    """
    stated = info.timing.layer if layer > 1 else None if is_current else info.timing.input
    best, nearest, distance = rules[0], np.inf, np.inf
    for rule in rules:
        levels = _charge(ramp.levels, rule.decay, is_current) / SCALES[:, None]
        rates = simulate(rule, ramp.train[:, None, None] * levels).spikes.mean(axis=0)
        error = np.abs(rates - ramp.rates).mean(axis=1)
        score = error + UNLIKELY * np.abs(np.log(SCALES))
        is_doubted = (
            info.neuron.reset not in (None, rule.reset)
            or stated not in (None, rule.arrival)
            or (info.neuron.refractory is None and rule.refractory)
        )
        if is_doubted:
            score = score + DOUBT
        if score.min() < nearest:
            best, nearest, distance = rule, float(score.min()), float(error[score.argmin()])
    return best, distance


def _measure_events_add(network: SmallNetwork, latency: int) -> bool | None:
    """Tell whether two events of one step do what one event of twice the weight does."""
    shares = []
    for events in (1.0, 2.0):
        train = np.zeros(min(latency + SLOW, network.steps))
        train[0] = events
        network.write(np.geomspace(0.4, 1.6, network.size))
        try:
            counts, _ = network.run(train)
        except StimulusError:  # the device takes one event of a channel in a step
            return None
        shares.append(float(np.mean(counts > 0)))
    # A factor of two is half of this ramp.
    return shares[1] - shares[0] > 0.25


def _membrane_probe(info: DeviceInfo, layer: int, depth: int, steps: int) -> Probe | None:
    offer = info.offer("membrane", layer, depth)
    if offer is None or offer.neurons is not None or offer.every > steps:
        return None
    return Probe(layer, "membrane", None, offer.every, offer.reductions[0])


def _fit_sampling(
    ramp: Ramp, rule: NominalNeuron, probe: Probe, *, is_current: bool
) -> Sampled | None:
    """Tell when membranes are sampled: they are nearer to those before a reset, or after one."""
    is_telling = (ramp.levels > TELLING[0]) & (ramp.levels < TELLING[1])
    levels = _charge(ramp.levels[is_telling], rule.decay, is_current)
    run = simulate(rule, ramp.train[:, None] * levels)
    traces: dict[Sampled, Array] = {"before_reset": run.before, "after_reset": run.after}
    errors: dict[Sampled, float] = {}
    for name, trace in traces.items():
        samples = trace[probe.every - 1 :: probe.every]
        if probe.reduce != "none":
            samples = samples.mean(axis=0)[None] if probe.reduce == "mean" else samples[-1:]
        # A last sample of many steps is a matter of chance for one neuron, not for all of them.
        seen = np.sort(ramp.membranes[:, is_telling], axis=1)
        errors[name] = float(np.abs(np.sort(samples, axis=1) - seen).mean())
    low, high = sorted(errors, key=lambda name: errors[name])
    return low if errors[low] < 0.9 * errors[high] else None
