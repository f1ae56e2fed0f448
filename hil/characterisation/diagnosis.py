"""Diagnosis of a device: which of its neurons and synapses are faulty, as far as a host can tell.

A line that carries events although its neuron is inhibited, and no others when it is driven, is
held; one that carries none even then is dead. What a synapse did to a membrane by three codes is
compared with what each fault would make of them, spread of gains and noise considered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers import Device, Fault, Identity
from drivers.contract.faults import VALUES, apply_to_weights, count_bits, describe_fault
from hil.characterisation.estimators import Array
from hil.characterisation.fault_bench import FaultBench, Indices
from hil.characterisation.survey import Watch, ignore_stage
from hil.partial_runs import check_capacity

# Share of steps from which a line carries events; from which it does in each, as far as mismatch
# behind it lets tell; and by how much more has to come of a drive where the neuron has a say.
ON, FULL, MORE = 0.04, 0.85, 0.15
# Share of chains that has to carry anything of a line: others are broken themselves. Quantile of
# those that tells: in sensitive ones, what an event leaves adds to later ones.
SEEN, LOW = 0.3, 0.4
# Share of its full scale from which a synapse that always transmits the same is saturated.
SATURATED = 0.7
# Share of what a strong synapse of a neuron does from which one is usual; share of what strong ones
# of most neurons do that it has to do; and the least spread that gains are taken to have.
USUAL, LEAST, EVEN = 0.3, 0.4, 0.05
# Evidence that a fault of a synapse takes, in twice the logarithm of the odds; and above that a
# bit, of which there are many, and a factor, by which gains also differ without any fault.
UNUSUAL, BIT, FACTOR = 12.0, 10.0, 40.0
HEADER = ("fault", "place", "value", "bit", "found", "where", "certainty")
NEURONS = ("", "dead_neuron", "saturated_neuron", "stuck_neuron")


@dataclass(frozen=True)
class Diagnosis:
    """Faults that were found in a device.

    Attributes:
        identity: The device.
        layers: Sizes of the network that was mapped on it, the input first.
        faults: What was found, in the terms in which a device can be given it.
        certainty: Of each neuron or synapse of each fault, `(k,)`: the share of the chains that
            tell the same of a neuron, or how probable the fault of a synapse is beside none, by the
            spread of gains and the noise.
        skipped: What could not be looked at, and why.
    """

    identity: Identity
    layers: tuple[int, ...]
    faults: list[Fault] = field(default_factory=list)
    certainty: list[Array] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def add(
        self, fault: Fault, is_faulty: NDArray[np.bool_], values: Array, certainty: Array
    ) -> None:
        """Add a fault, once for each value.

        Args:
            fault: The fault, with the numbers of all that were looked at.
            is_faulty: Which of them have it.
            values: Values with which they have it, and
            certainty: how surely; all of one shape.
        """
        for value in np.unique(values[is_faulty]):
            own = is_faulty & (values == value)
            where = np.asarray(fault.where)[own]
            self.faults.append(replace(fault, where=where, value=float(value)))
            self.certainty.append(certainty[own])

    @property
    def record(self) -> dict[str, Any]:
        """All of it in plain values; the faults as a file of them has them."""
        return {
            "device": asdict(self.identity),
            "layers": list(self.layers),
            "fault": [describe_fault(fault) for fault in self.faults],
            "certainty": [each.round(3).tolist() for each in self.certainty],
            "skipped": self.skipped,
        }


def count_stages(layers: Sequence[int]) -> int:
    """Count how often `diagnose` calls its watcher, for a network of these layers."""
    return 3 * (len(layers) - 1)


def diagnose(device: Device, layers: Sequence[int], watch: Watch = ignore_stage) -> Diagnosis:
    """Find faults of a device through its contract alone. It is configured anew many times.

    Args:
        device: The open device.
        layers: Sizes of the network to map on it, the input first.
        watch: Called with the name of each measurement before it starts.

    Raises:
        DeviceError: When the device cannot hold the network, or fails.
    """
    check_capacity(device, layers)
    rig, result = FaultBench(device, layers), Diagnosis(device.info.identity, tuple(layers))
    numbers = range(1, len(layers))
    # A layer is read through those behind it, the second time through their healthy neurons.
    for turn, number in product(range(2), reversed(numbers)):
        watch(f"layer {number}: neurons, turn {turn + 1} of 2")
        healthy = _judge_neurons(rig, number, result if turn else None)
        rig.live[number] = healthy if healthy.size else np.arange(layers[number])
    for number in numbers:
        watch(f"layer {number}: synapses")
        reading = rig.read_synapses(number)
        if reading is None:
            result.skipped[f"projection {number - 1}"] = "membranes behind it are not shown"
        else:
            judge_synapses(result, number - 1, *reading, rig.live[number - 1 : number + 1], device)
    return result


def _judge_neurons(rig: FaultBench, number: int, result: Diagnosis | None) -> Indices:
    """Judge the neurons of a layer, add what is found, and give those without fault."""
    lines = rig.read_lines(number)
    most = lines[..., 0].max(axis=0, initial=0.0)[:, np.newaxis]
    shares = np.clip(lines / np.where(most > ON, most, 1.0), 0, 1)
    is_seen = (shares > ON).any(axis=2)
    middle = np.array(
        [
            np.quantile(own[seen], LOW, axis=0) if seen.mean() > SEEN else np.zeros(2)
            for own, seen in zip(shares, is_seen, strict=True)
        ]
    )
    kinds = _judge_lines(middle)
    certainty = (_judge_lines(shares) == kinds[:, np.newaxis]).mean(axis=1)
    healthy, is_held = np.flatnonzero(kinds == 0), kinds == 2
    if result is not None:
        on = _measure_share_on(rig, number, healthy) if is_held.any() else np.ones(kinds.size)
        kinds[is_held & (on <= FULL)] = 3
        for kind, name in enumerate(NEURONS[1:], start=1):
            fault = Fault(name, number, np.arange(kinds.size))
            own = on.round(2) if name in VALUES else np.ones(kinds.size)
            result.add(fault, kinds == kind, own, certainty)
    return healthy


def _judge_lines(shares: Array) -> Indices:
    """Judge lines by what they carry of driven and of inhibited neurons: 1 dead, 2 held, 0 neither.

    Args:
        shares: `(..., 2)`.
    """
    driven, inhibited = shares[..., 0], shares[..., 1]
    is_held = (inhibited > ON) & (driven < inhibited + MORE)
    return np.where(is_held, 2, np.where(driven < ON, 1, 0))


def _measure_share_on(rig: FaultBench, number: int, healthy: Indices) -> Array:
    """Measure in what share of steps inhibited lines carry events, beside those of driven neurons.

    Behind a hidden layer a single event is to make just one: more would hide how many there are.
    """
    lines = rig.read_lines(number, relay=1.0).mean(axis=1)
    most = 1.0
    if number < rig.bench.depth:
        most = lines[healthy, 0].mean() if healthy.size else lines.max()
    return np.asarray(np.clip(lines[:, 1] / max(most, ON), ON, 1))


def _keep_telling(result: Diagnosis, where: str, neurons: Indices, moved: Array) -> Indices:
    """Keep neurons whose strong synapses do about what those of others do; the rest is skipped.

    A membrane that fires, or is at its end, moves less, or down; a neuron may fire too seldom.
    """
    most = np.quantile(moved, 0.8, axis=0)
    is_telling = most > max(LEAST * float(np.median(most)), 0.0)
    if left := neurons[~is_telling].tolist():
        reason = "hardly a membrane follows what these synapses transmit"
        result.skipped[f"{where} {', '.join(map(str, left))}"] = reason
    kept: Indices = neurons[is_telling]
    return kept


def judge_synapses(
    result: Diagnosis, place: int, moved: Array, stored: Array, ends: list[Indices], device: Device
) -> None:
    """Judge the synapses of a projection, and add what is found.

    Args:
        result: What is added to.
        place: Number of the projection.
        moved: How far each moved the mean membrane by each code, `(3, n_pre, n)` in thresholds.
        stored: The codes as weights, `(3,)`.
        ends: Neurons before them, that were driven, and behind them, whose membranes move by what
            most of their synapses transmit.
        device: The device as it was read.
    """
    form, scale = device.info.weight_format(place), device.network.full_scale[place]
    pre, post = ends
    if place:
        pre = _keep_telling(result, f"projection {place} from", pre, moved[1][np.ix_(pre, post)].T)
    if pre.size:
        post = _keep_telling(result, f"projection {place} to", post, moved[1][np.ix_(pre, post)])
    if not (pre.size and post.size):
        return
    numbers = pre[:, np.newaxis] * moved.shape[2] + post
    moved = moved[:, pre][:, :, post]
    is_usual = moved[1] > USUAL * np.quantile(moved[1], 0.8, axis=0)
    # Membranes may go down less than up, or not at all.
    bend = 1.0
    if stored[2]:
        bend = float(np.median(moved[2, is_usual] / moved[1, is_usual]) * stored[1] / stored[2])

    def transmit(codes: Array) -> Array:
        return np.where(codes < 0, bend, 1.0) * codes

    healthy = transmit(stored)
    gain = np.tensordot(healthy, moved, 1) / (healthy @ healthy)
    typical = np.nanmedian(np.where(is_usual, gain, np.nan), axis=0)
    moved, gain = moved / typical, gain / typical

    def miss(codes: Array, factor: Array) -> Array:
        return np.asarray(((moved - np.multiply.outer(codes, factor)) ** 2).sum(axis=0))

    # The median of a chi-square of two degrees of freedom is 1.39.
    left, one = miss(healthy, gain), np.ones(3)
    least = 0.01 * (form.step(scale) or scale / 100) ** 2
    noise = max(float(np.median(left[is_usual])) / 1.39, least)
    even = gain[is_usual & (left < 9 * noise)]
    spread = max(1.48 * float(np.median(np.abs(even - 1))), EVEN)

    def compare(codes: Array) -> Array:
        """Evidence against codes through a gain that is drawn as those of the others are."""
        weight = codes @ codes / noise + 1 / spread**2
        best = (np.tensordot(codes, moved, 1) / noise + 1 / spread**2) / weight
        off = miss(codes, best) / noise + ((best - 1) / spread) ** 2
        return np.asarray(off + np.log(weight * spread**2))

    held, none = moved.mean(axis=0), np.zeros_like(gain)
    value = np.clip((held / np.where(held < 0, bend or 1.0, 1.0) / scale).round(1), -1, 1)
    is_full, any_value = np.abs(value) >= SATURATED, UNUSUAL + np.log(scale**2 / noise)
    always = miss(one, held) / noise + any_value
    candidates = [
        (Fault("dead_synapse"), none + 1, miss(one, none) / noise + UNUSUAL),
        (Fault("saturated_synapse"), np.sign(value), np.where(is_full, always, np.inf)),
        (Fault("stuck_synapse"), value, np.where(is_full, np.inf, always)),
        (Fault("perturbed_synapse"), gain.round(1), left / noise + any_value + FACTOR),
    ]
    for bit in range(count_bits(form)):
        fault = Fault("flipped_bit", place, range(3), bit=bit)
        codes = apply_to_weights(fault, stored.astype(np.float32), form, scale)
        against = compare(transmit(codes.astype(np.float64))) + UNUSUAL + BIT
        candidates.append((fault, none + 1, against))
    scores = np.stack([compare(healthy), *(score for *_, score in candidates)])
    best = scores.argmin(axis=0)
    certainty = 1 / (1 + np.exp((scores.min(axis=0) - scores[0]) / 2))
    for n, (fault, values, _) in enumerate(candidates, start=1):
        result.add(replace(fault, place=place, where=numbers), best == n, values, certainty)


def tabulate(result: Diagnosis) -> list[tuple[str, ...]]:
    """Make rows of a table, by `HEADER`: what was found, and what could not be looked at."""
    rows = []
    for fault, certainty in zip(result.faults, result.certainty, strict=True):
        entry = {"value": "", "bit": "", **describe_fault(fault)}
        if fault.kind == "flipped_bit":
            entry["bit"] = fault.bit
        listed = ", ".join([*map(str, entry["where"][:8]), *["..."] * (certainty.size > 8)])
        place = f"{'layer' if fault.kind in NEURONS else 'projection'} {fault.place}"
        given = (str(entry["value"]), str(entry["bit"]), str(certainty.size))
        rows.append((fault.kind, place, *given, listed, f"{certainty.mean():.0%}"))
    return rows + [
        ("not looked at", what, *[""] * 3, why, "") for what, why in result.skipped.items()
    ]
