"""Diagnosis of a device: which of its neurons and synapses are faulty, as far as a host can tell.

A line that carries events although its neuron is inhibited, and no others when it is driven, is
held; one that carries none even then is dead. What a synapse did to a membrane by three codes is
compared with what each fault would make of them, spread of gains and noise considered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from drivers import Device, Fault, Identity
from drivers.contract.faults import VALUES, apply_to_weights, count_bits
from drivers.contract.info import WeightFormat
from drivers.files.writing import write_text
from hil.characterisation.access import check_capacity
from hil.characterisation.estimators import Array
from hil.characterisation.fault_bench import RELAY, STEPS, FaultBench, Indices, SynapseReading
from hil.characterisation.survey import Watch, ignore_stage
from hil.characterisation.twin import check_path
from hil.learning.nominal_neuron import simulate

# Share of steps from which a line carries events; of what it can carry, from which it does in
# each; and by how much more of it has to come of a drive where the neuron has a say.
ON, FULL, MORE = 0.03, 0.9, 0.15
# Share of its full scale from which a synapse that always transmits the same is saturated.
SATURATED = 0.7
# Share of what a strong synapse of a neuron does from which one is usual, and the least spread
# that gains are taken to have.
USUAL, EVEN = 0.3, 0.05
# What a fault has to explain more than health, in squared standard deviations: any, one with a
# value of its own, and a factor, which the spread of gains of a chip without faults also makes.
UNUSUAL, VALUED, FACTOR = 16.0, 6.0, 20.0
HEADER = ("fault", "place", "value", "bit", "found", "where", "certainty")
NEURONS = ("", "dead_neuron", "saturated_neuron", "stuck_neuron")


@dataclass(frozen=True)
class Finding:
    """Neurons of a layer, or synapses of a projection, with the same fault.

    Attributes:
        fault: The fault, with the numbers of those that have it, `(k,)`.
        certainty: Of each, the share of what was read that speaks for it, `(k,)`.
    """

    fault: Fault
    certainty: Array


@dataclass(frozen=True)
class Diagnosis:
    """Faults that were found in a device.

    Attributes:
        identity: The device.
        layers: Sizes of the network that was mapped on it, the input first.
        findings: What was found.
        skipped: What could not be looked at, and why.
    """

    identity: Identity
    layers: tuple[int, ...]
    findings: tuple[Finding, ...]
    skipped: dict[str, str]


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
    rig, skipped, numbers = FaultBench(device, layers), {}, range(1, len(layers))
    by_layer: dict[int, list[Finding]] = {}
    for again in ("", ", through those without fault"):
        for number in reversed(numbers):  # a layer is read through those behind it
            watch(f"layer {number}: neurons{again}")
            by_layer[number], live = _judge_neurons(rig, number)
            # Where all are faulty, they are as good as each other.
            rig.live[number] = live if live.size else np.arange(layers[number])
    findings = [each for number in numbers for each in by_layer[number]]
    for number in numbers:
        watch(f"layer {number}: synapses")
        reading = rig.read_synapses(number)
        if reading is None:
            skipped[f"projection {number - 1}: synapses"] = "membranes behind them are not shown"
            continue
        pre, post = rig.live[number - 1 : number + 1]
        findings += judge_synapses(
            reading, device.info.weight_format(number - 1), pre, post, number - 1
        )
        left = int(np.prod(layers[number - 1 : number + 1])) - pre.size * post.size
        if left:
            what = f"projection {number - 1}: {left} synapses"
            skipped[what] = "a faulty neuron is at one of their ends"
    return Diagnosis(device.info.identity, tuple(layers), tuple(findings), skipped)


def _judge_neurons(rig: FaultBench, number: int) -> tuple[list[Finding], Indices]:
    """Judge the neurons of a layer: what is found, and which of them are without fault."""
    lines = rig.read_lines(number)
    most = lines[..., 0].max(axis=0, initial=0.0)[:, np.newaxis]
    shares = np.clip(lines / np.where(most > ON, most, 1.0), 0, 1)
    middle = np.quantile(shares, 0.5, axis=1, method="higher")
    kinds = _judge_lines(middle)
    certainty = (_judge_lines(shares) == kinds[:, np.newaxis]).mean(axis=1)
    values = np.where(kinds == 3, np.interp(middle[:, 1], *_relay_shares(rig, number)).round(2), 1)
    return [
        Finding(Fault(NEURONS[kind], number, where, float(value)), certainty[where])
        for kind in (1, 2, 3)
        for value in np.unique(values[kinds == kind])
        for where in [np.flatnonzero((kinds == kind) & (values == value))]
    ], np.flatnonzero(kinds == 0)


def _judge_lines(shares: Array) -> Indices:
    """Judge lines by what they carry of driven and of inhibited neurons: numbers in `NEURONS`.

    Args:
        shares: `(..., 2)`.
    """
    driven, inhibited = shares[..., 0], shares[..., 1]
    is_held = (inhibited > ON) & (driven < inhibited + MORE)
    held = np.where(inhibited > FULL, 2, 3)
    return np.where(is_held, held, np.where(driven < ON, 1, 0))


def _relay_shares(rig: FaultBench, number: int) -> tuple[Array, Array]:
    """What nominal neurons behind a line make of the shares at which it can be held, and these."""
    shares = np.linspace(0, 1, 101)
    events = np.diff(np.floor(np.arange(STEPS + 1)[:, np.newaxis] * shares + 1e-9), axis=0)
    for layer in range(number + 1, rig.bench.depth + 1):
        events = np.minimum(simulate(rig.bench.nominal_neuron(layer), RELAY * events).spikes, 1)
    seen = np.maximum.accumulate(events.mean(axis=0))
    return seen / (seen[-1] or 1.0), shares


def judge_synapses(
    reading: SynapseReading, form: WeightFormat, pre: Indices, post: Indices, place: int
) -> list[Finding]:
    """Judge the synapses of a projection.

    Args:
        reading: What they did.
        form: Format of their weights.
        pre: Neurons before them that were driven.
        post: Neurons behind them, whose membranes move by what most of their synapses transmit.
        place: Number of the projection.
    """
    scale, moved = reading.full_scale, reading.moved[:, pre][:, :, post]
    _, up, down = reading.stored
    is_usual = moved[1] > USUAL * np.quantile(moved[1], 0.8, axis=0)
    if not is_usual.any():
        return []
    # Membranes may go down less than up, or not at all.
    bend = float(np.median((moved[2] / moved[1])[is_usual])) * up / down if down else 1.0

    def transmit(codes: Array) -> Array:
        return np.where(codes < 0, bend, 1.0) * codes

    healthy = transmit(reading.stored)
    gain = np.tensordot(healthy, moved, 1) / (healthy @ healthy)
    typical = np.nanmedian(np.where(is_usual, gain, np.nan), axis=0)
    moved, gain = moved / typical, gain / typical
    spread = max(1.48 * float(np.median(np.abs(gain[is_usual] - 1))), EVEN)

    def miss(codes: Array, factor: Array) -> Array:
        missed: Array = ((moved - np.multiply.outer(codes, factor)) ** 2).sum(axis=0)
        return missed

    # The median of a chi-square of two degrees of freedom is 1.39.
    least = 0.01 * (form.step(scale) or scale / 100) ** 2
    noise = max(float(np.median(miss(healthy, gain)[is_usual])) / 1.39, least)

    def compare(codes: Array) -> Array:
        """What speaks against codes: their misfit by the best gain, and how unusual that is."""
        weight = codes @ codes / noise + 1 / spread**2
        best = (np.tensordot(codes, moved, 1) / noise + 1 / spread**2) / weight
        return np.asarray(miss(codes, best) / noise + ((best - 1) / spread) ** 2)

    held, one = moved.mean(axis=0), np.ones(3)
    value = np.clip((held / np.where(held < 0, bend or 1.0, 1.0) / scale).round(1), -1, 1)
    candidates: list[tuple[str, ArrayLike, int, Array]] = [
        ("", 1.0, 0, compare(healthy)),
        ("dead_synapse", 1.0, 0, miss(one, 0 * held) / noise + UNUSUAL),
        ("stuck_synapse", value, 0, miss(one, held) / noise + UNUSUAL + VALUED),
        ("perturbed_synapse", gain.round(1), 0, miss(healthy, gain) / noise + UNUSUAL + FACTOR),
    ]
    stored = reading.stored.astype(np.float32)
    for bit in range(count_bits(form)):
        fault = Fault("flipped_bit", place, range(3), bit=bit)
        codes = transmit(apply_to_weights(fault, stored, form, scale).astype(np.float64))
        candidates.append(("flipped_bit", 1.0, bit, compare(codes) + UNUSUAL + VALUED))
    scores = np.stack([score for *_, score in candidates])
    best, certainty = scores.argmin(axis=0), 1 - scores.min(axis=0) / scores[0]
    numbers, findings = pre[:, np.newaxis] * reading.moved.shape[2] + post, []
    for n, (kind, values, bit, _) in enumerate(candidates[1:], start=1):
        spread_out = np.broadcast_to(values, best.shape)
        for one_value in np.unique(spread_out[best == n]):
            own = (best == n) & (spread_out == one_value)
            is_full = kind == "stuck_synapse" and abs(one_value) >= SATURATED
            name, given = (
                ("saturated_synapse", np.sign(one_value)) if is_full else (kind, one_value)
            )
            fault = Fault(name, place, numbers[own], float(given), bit)
            findings.append(Finding(fault, certainty[own]))
    return findings


def to_record(made: Diagnosis) -> dict[str, Any]:
    """Put a diagnosis in plain values; the faults as a file of them has them."""
    return {
        "device": asdict(made.identity),
        "layers": list(made.layers),
        "fault": [_describe(each.fault) for each in made.findings],
        "certainty": [each.certainty.round(3).tolist() for each in made.findings],
        "skipped": made.skipped,
    }


def _describe(fault: Fault) -> dict[str, Any]:
    where = np.asarray(fault.where).tolist()
    told = {"kind": fault.kind, "place": fault.place, "where": where}
    if fault.kind in VALUES:
        told["value"] = fault.value
    return told | ({"bit": fault.bit} if fault.kind == "flipped_bit" else {})


def write(made: Diagnosis, path: Path) -> Path:
    """Write what was found as a file of faults, which the option `faults` of an address takes.

    Raises:
        ValueError: For a path that does not end in `.toml`.
        OSError: When the folder cannot be written.
    """
    import tomli_w

    check_path(path)
    return write_text(path, tomli_w.dumps({"fault": to_record(made)["fault"]}))


def tabulate(made: Diagnosis) -> list[tuple[str, ...]]:
    """Make rows of a table, by `HEADER`: what was found, and what could not be looked at."""
    rows = []
    for each in made.findings:
        told = _describe(each.fault)
        listed = ", ".join([*map(str, told["where"][:8]), *["..."] * (len(told["where"]) > 8)])
        noun = "layer" if each.fault.kind in NEURONS else "projection"
        given = [str(told.get(name, "")) for name in ("value", "bit")]
        rows.append(
            (
                each.fault.kind,
                f"{noun} {each.fault.place}",
                *given,
                str(each.certainty.size),
                listed,
                f"{each.certainty.mean():.0%}",
            )
        )
    rows += [(f"{what}: {why}", *[""] * 6) for what, why in made.skipped.items()]
    return rows
