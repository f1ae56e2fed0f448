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

from dataclasses import replace
from itertools import product

import numpy as np

from drivers import CapacityError, Device, DeviceInfo, Probe, StimulusError
from drivers.contract.info import Arrival, StimulusKind, Timing
from hil.characterisation.estimators import Array
from hil.characterisation.measurements.small_network import STRONG, Ramp, SmallNetwork, ramp
from hil.characterisation.timing_data import MeasuredTiming, Sampled
from hil.learning.nominal_neuron import NominalNeuron, Reset, held_current, simulate

# Neurons of a layer and input channels of the network that is used.
SIZE = 32
# Least charge of an event that makes every usual neuron fire.
ENOUGH = 1.6
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
    rig = SmallNetwork(
        device=device,
        kind=_kind(info),
        inputs=min(SIZE, info.capacity.inputs, info.capacity.fan_in or SIZE),
        size=min(SIZE, info.capacity.neurons, info.capacity.fan_in or SIZE),
        steps=min(STEPS, info.capacity.steps),
        trial=trial,
    )
    try:
        return _measured(rig)
    except CapacityError:  # a device that takes one network alone, e.g. the twin of another
        return MeasuredTiming(Timing(dt=info.timing.dt))


def _measured(rig: SmallNetwork) -> MeasuredTiming:
    info = rig.device.info
    unknown = MeasuredTiming(Timing(dt=info.timing.dt))
    first = _latency(rig, 1)
    if first is None:
        return unknown
    spikes = rig.kind == "spikes"
    probe = _probe(info, 1, 1, rig.steps)
    seen = ramp(rig, np.ones(rig.steps), probe)
    arrivals = ARRIVALS[:1] if first == 0 else ARRIVALS[1:] if spikes else ARRIVALS[2:]
    rests = _rests(info, seen)
    hypotheses = _hypotheses(info, arrivals, rests)
    rule, error = _fitted(seen, hypotheses, info, 1, current=not spikes)
    if error > EXPLAINED:
        return unknown
    sampled = {} if probe is None else {"output": _sampled(seen, rule, probe, not spikes)}
    clears = rule.clears_events if rule.reset == "hard" and rule.arrival == "end_of_step" else None
    timing = replace(
        unknown.timing,
        input=rule.arrival if spikes else None,
        hard_reset_clears_events=clears,
        events_add=_events_add(rig, first) if spikes else None,
    )
    found = MeasuredTiming(timing, rule.reset, rule.refractory, rule.decay, sampled)
    if info.capacity.layers < 2:
        return found
    return _second_layer(rig, found, rule, first)


def _second_layer(
    rig: SmallNetwork, found: MeasuredTiming, rule: NominalNeuron, first: int
) -> MeasuredTiming:
    """The same of events between layers."""
    info = rig.device.info
    second = _latency(rig, 2)
    if second is None or not first <= second <= first + 1:
        return found
    waits = second - first
    spikes, groups = rig.kind == "spikes", 1
    sent = simulate(rule, _charge(np.full(rig.steps, STRONG), rule.decay, not spikes)).spikes
    gaps = np.diff(np.flatnonzero(sent)[:2])
    if rig.kind != "current" and gaps.size and gaps[0] > 1 and rig.size % 2 == rig.inputs % 2 == 0:
        groups = int(min(gaps[0], 2))
    seen = ramp(rig, np.ones(rig.steps), None, depth=2, groups=groups, sent=sent)
    arrivals = ARRIVALS[:1] if waits == 0 else ARRIVALS[1:]
    hypotheses = [
        h
        for h in _hypotheses(info, arrivals, [rule.refractory])
        if h.reset == rule.reset and (info.neuron.decay is not None or h.decay == rule.decay)
    ]
    behind, error = _fitted(seen, hypotheses, info, 2, current=False)
    if error > EXPLAINED:
        return found
    clears = found.timing.hard_reset_clears_events
    if behind.reset == "hard" and behind.arrival == "end_of_step":
        clears = behind.clears_events
    timing = replace(found.timing, layer=behind.arrival, hard_reset_clears_events=clears)
    sampled = dict(found.sampled)
    probe = _probe(info, 1, 2, rig.steps)
    if probe is not None:
        hidden = ramp(rig, np.ones(rig.steps), probe, depth=2, first=True)
        sampled["hidden"] = _sampled(hidden, rule, probe, not spikes)
    return replace(found, timing=timing, sampled=sampled)


def _kind(info: DeviceInfo) -> StimulusKind:
    """Spikes, which show most; else currents."""
    order: tuple[StimulusKind, ...] = ("spikes", "current", "current_trace")
    return next(kind for kind in order if kind in info.offers.stimuli)


def _latency(rig: SmallNetwork, depth: int) -> int | None:
    """Steps from a strong input to the output of so many layers; None where nothing fires."""
    strong = np.full(rig.size, STRONG)
    stored = rig.write(*[strong] * depth)
    if min(float(np.median(charge)) for charge in stored) < ENOUGH:
        return None
    for steps in range(1, min(WAIT, rig.steps) + 1):
        counts, _ = rig.run(np.ones(steps))
        if np.mean(counts > 0) > 0.5:
            return steps - 1
    return None


def _rests(info: DeviceInfo, seen: Ramp) -> list[int]:
    """How many steps a neuron may rest after a spike: as stated, or as its highest rate allows."""
    if info.neuron.refractory is not None:
        return [info.neuron.refractory]
    # A spike that comes first has nothing before it that it must wait for.
    highest = seen.rates.max() - info.neuron.spikes_per_step / len(seen.train)
    most = info.neuron.spikes_per_step
    return [0, *(rest for rest in range(1, RESTS + 1) if most / (1 + rest) >= highest)]


def _hypotheses(
    info: DeviceInfo, arrivals: tuple[Arrival, ...], rests: list[int]
) -> list[NominalNeuron]:
    """Every rule that could explain what is seen."""
    decays = DECAYS if info.neuron.decay is None else (info.neuron.decay,)
    resets: tuple[Reset, ...] = ("soft", "hard")
    found = []
    for reset, arrival, decay, rest in product(resets, arrivals, decays, rests):
        open_question = reset == "hard" and arrival == "end_of_step"
        for clears in (True, False) if open_question else (True,):
            found.append(
                NominalNeuron(
                    decay=decay,
                    reset=reset,
                    arrival=arrival,
                    clears_events=clears,
                    most=info.neuron.spikes_per_step,
                    refractory=rest,
                )
            )
    return found


def _charge(levels: Array, decay: float, current: bool) -> Array:
    return levels * (held_current(decay) if current else 1.0)


def _fitted(
    seen: Ramp, rules: list[NominalNeuron], info: DeviceInfo, layer: int, *, current: bool
) -> tuple[NominalNeuron, float]:
    """The rule that comes nearest, and how far its rates are from those measured.

    Args:
        seen: What was measured.
        rules: What could explain it.
        info: What the device states.
        layer: Layer that the ramp is of.
        current: Whether it is of currents, which act in their own step.
    """
    said = info.timing.layer if layer > 1 else None if current else info.timing.input
    best, nearest, distance = rules[0], np.inf, np.inf
    for rule in rules:
        levels = _charge(seen.levels, rule.decay, current) / SCALES[:, None]
        rates = simulate(rule, seen.train[:, None, None] * levels).spikes.mean(axis=0)
        away = np.abs(rates - seen.rates).mean(axis=1)
        score = away + UNLIKELY * np.abs(np.log(SCALES))
        doubted = info.neuron.reset not in (None, rule.reset) or said not in (None, rule.arrival)
        if doubted or (info.neuron.refractory is None and rule.refractory):
            score = score + DOUBT
        if score.min() < nearest:
            best, nearest, distance = rule, float(score.min()), float(away[score.argmin()])
    return best, distance


def _events_add(rig: SmallNetwork, latency: int) -> bool | None:
    """Whether two events of one step do what one event of twice the weight does."""
    fired = []
    for events in (1.0, 2.0):
        train = np.zeros(min(latency + SLOW, rig.steps))
        train[0] = events
        rig.write(np.geomspace(0.4, 1.6, rig.size))
        try:
            counts, _ = rig.run(train)
        except StimulusError:  # the device takes one event of a channel in a step
            return None
        fired.append(float(np.mean(counts > 0)))
    # A factor of two is half of this ramp.
    return fired[1] - fired[0] > 0.25


def _probe(info: DeviceInfo, layer: int, depth: int, steps: int) -> Probe | None:
    offer = info.offer("membrane", layer, depth)
    if offer is None or offer.neurons is not None or offer.every > steps:
        return None
    return Probe(layer, "membrane", None, offer.every, offer.reductions[0])


def _sampled(seen: Ramp, rule: NominalNeuron, probe: Probe, current: bool) -> Sampled | None:
    """When membranes are sampled, by whether they are nearer to those before a reset or after."""
    telling = (seen.levels > TELLING[0]) & (seen.levels < TELLING[1])
    levels, shown = _charge(seen.levels[telling], rule.decay, current), seen.shown[:, telling]
    fired = simulate(rule, seen.train[:, None] * levels)
    errors: dict[Sampled, float] = {}
    order: tuple[tuple[Sampled, Array], ...] = (
        ("before_reset", fired.before),
        ("after_reset", fired.after),
    )
    for name, trace in order:
        taken = trace[probe.every - 1 :: probe.every]
        expected = {"none": taken, "mean": taken.mean(axis=0)[None], "last": taken[-1:]}[
            probe.reduce
        ]
        # A last sample of many steps is a matter of chance for one neuron, not for all of them.
        errors[name] = float(np.abs(np.sort(expected, axis=1) - np.sort(shown, axis=1)).mean())
    low, high = sorted(errors, key=lambda name: errors[name])
    return low if errors[low] < 0.9 * errors[high] else None
