"""Costs of a device: writes of its cells, runs, spikes, synaptic events and bytes on the line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers import Device, Energy, Network, Readout, Stimulus
from drivers.contract.arrays import first_mismatch
from hil.one_pass import OnePass, parts
from hil.runs.records import Amount, Count, read_dataclass

Matrix = NDArray[np.float32]
SAMPLE_BITS = 8  # of a membrane sample, whatever converter the device has


def _count_changes(counts: NDArray[np.int32], before: Matrix, after: Matrix) -> None:
    for i in parts(counts.size):
        counts[i] += before[i] != after[i]


count_changes = OnePass(_count_changes)


@dataclass
class Usage:
    """Counts of the work that a device was asked for.

    Attributes:
        runs: Batches that it ran.
        samples: Samples in them.
        input_events: Events of the input in all of them; a current counts the events that would
            inject as much.
        output_spikes: Spikes of the output layer.
        line_bytes: Bytes on the line, both ways, for writing and running.
        write_calls: Writes of a projection.
        read_bits: Bits that the host has read of it: one for each neuron and step of a raster, as
            many as count all steps for spikes that are counted, 8 for a membrane sample.
    """

    runs: Count = 0
    samples: Count = 0
    input_events: Amount = 0.0
    output_spikes: Count = 0
    line_bytes: Count = 0
    write_calls: Count = 0
    read_bits: Count = 0

    def __sub__(self, other: Usage) -> Usage:
        """Subtract the counts of an earlier time."""
        return Usage(**{key: value - vars(other)[key] for key, value in vars(self).items()})


@dataclass
class Costs:
    """Counts what a device pays while it is used.

    Attributes:
        programmed: How often the stored value of each cell changed, for each projection in
            the shape of its weights.
        usage: What was asked of the device.
    """

    programmed: list[NDArray[np.int32]]
    usage: Usage = field(default_factory=Usage)

    @classmethod
    def none(cls, shapes: Sequence[tuple[int, ...]]) -> Costs:
        """Make the costs of projections with weights of these shapes that were not used."""
        return cls([np.zeros(shape, np.int32) for shape in shapes])

    def count_write(self, projection: int, before: Matrix, after: Matrix) -> None:
        """Count one write of a projection, from what it stored to what it stores."""
        self.usage.write_calls += 1
        count_changes(self.programmed[projection].reshape(-1), before.ravel(), after.ravel())

    def count_run(self, stimulus: Stimulus, readout: Readout) -> None:
        """Count one batch."""
        usage = self.usage
        usage.runs += 1
        usage.samples += stimulus.batch
        usage.output_spikes += int(readout.counts.sum())
        events = float(abs(stimulus.data).sum(dtype=np.float64))
        counter = math.ceil(math.log2(stimulus.steps + 1))
        usage.read_bits += readout.counts.size * counter
        for probe, values in readout.samples.items():
            reduced = SAMPLE_BITS if probe.quantity == "membrane" else counter
            usage.read_bits += values.size * (
                1 if (probe.quantity, probe.reduce) == ("spikes", "none") else reduced
            )
        usage.input_events += events * (stimulus.steps if stimulus.kind == "current" else 1)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Give the counts as named arrays; `usage` is JSON."""
        arrays: dict[str, NDArray[np.generic]] = {
            f"programmed_{p}": counts.copy() for p, counts in enumerate(self.programmed)
        }
        return {**arrays, "usage": np.asarray(json.dumps(asdict(self.usage)))}

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Return to what `state` gave.

        Raises:
            ValueError: When it is that of another network, or none.
        """
        wrong = first_mismatch(
            {**state, "usage": np.asarray("")}, {**self.state(), "usage": np.asarray("")}
        )
        if wrong or "usage" not in state:
            raise ValueError(f"costs/{wrong or 'usage is missing'}")
        self.programmed = [
            np.array(state[f"programmed_{p}"], np.int32, order="C")
            for p in range(len(self.programmed))
        ]
        self.usage = read_dataclass(Usage, str(state["usage"]), "costs/usage")


def sum_up_training(
    costs: Costs, device: Device, steps: int, metrics: Sequence[Mapping[str, Any]]
) -> dict[str, float | None]:
    """Sum up the costs of a training to the device, validation included.

    Args:
        costs: As counted at its end.
        device: The device, with the network on it.
        steps: T of each run.
        metrics: Those of its epochs; hidden spikes are their mean rates over all samples.

    Returns:
        By the names of the table in `docs/run_folder.md`.
    """
    rates = [row["hidden_rates"] for row in metrics]
    mean = np.mean(rates, axis=0).tolist() if rates else None
    cells = sum(counts.size for counts in costs.programmed)
    return {
        **_activity(costs.usage, device.network, steps, mean, device.info.energy),
        "write_calls": costs.usage.write_calls,
        "cell_writes_mean": sum(int(counts.sum()) for counts in costs.programmed) / cells,
        "cell_writes_max": max(int(counts.max()) for counts in costs.programmed),
    }


def average_inference(
    usage: Usage,
    network: Network,
    steps: int,
    metrics: Sequence[Mapping[str, Any]],
    energy: Energy | None = None,
) -> dict[str, float | None]:
    """Average the costs of one sample of which the output alone is read.

    Args:
        usage: What the test of the trained network asked of it.
        network: The network.
        steps: T of each run.
        metrics: Those of the epochs; hidden rates are those of the last one.
        energy: What the device takes.

    Returns:
        By the names of the table in `docs/run_folder.md`, for one sample on average.
    """
    rates = metrics[-1]["hidden_rates"] if metrics else None
    paid = _activity(usage, network, steps, rates, energy)
    del paid["samples"]
    return {key: None if x is None else x / usage.samples for key, x in paid.items()}


def _activity(
    usage: Usage,
    network: Network,
    steps: int,
    hidden_rates: Sequence[float] | None,
    energy: Energy | None,
) -> dict[str, float | None]:
    """Runs, samples, spikes, events and bytes; None for what nobody knows the hidden rates of."""
    layers = network.layers
    if not usage.samples:
        hidden_rates = [0.0] * (len(layers) - 2)
    spikes: float | None = None
    events: float | None = None
    if hidden_rates is not None or len(layers) == 2:
        hidden = [
            rate * size * steps * usage.samples
            for rate, size in zip(hidden_rates or (), layers[1:-1], strict=True)
        ]
        spikes = sum(hidden) + usage.output_spikes
        sources = [usage.input_events, *hidden]
        # Of a sparse projection, the synapses that leave a neuron on average.
        leaving = [math.prod(a) / b[0] for a, b in zip(network.shapes, network.ends, strict=True)]
        events = sum(
            sources[p.source] * n for p, n in zip(network.projections, leaving, strict=True)
        )
    each = None if energy is None else energy.synaptic_event
    return {
        "runs": usage.runs,
        "samples": usage.samples,
        "input_events": usage.input_events,
        "spikes": spikes,
        "synaptic_events": events,
        "membrane_updates": sum(layers[1:]) * steps * usage.samples,
        "energy": None if each is None or events is None else each * events,
        "line_bytes": usage.line_bytes,
        "read_bits": usage.read_bits,
    }


def describe_network(
    stored: Sequence[Matrix], device: Device, inference: Mapping[str, float | None]
) -> dict[str, float | None]:
    """Sum up what a trained network is, by the definitions of NeuroBench.

    J. Yik et al. 2025, Nat. Commun. 16, 1545. Of synaptic operations, `synaptic_events` counts
    those at weights of 0 as well.

    Args:
        stored: What the device stores of each projection.
        device: The device.
        inference: As `average_inference` gives it.

    Returns:
        `footprint` in bytes, at the bits of the device, 32 where it is exact;
        `connection_sparsity`, the share of weights that are 0; `activation_sparsity`, that of all
        neurons and steps without a spike, where the hidden rates are known.
    """
    levels = [device.info.weight_format(p).levels for p in range(len(stored))]
    bits = [32.0 if n is None else math.log2(n + 1) for n in levels]
    spikes, steps = inference["spikes"], inference["membrane_updates"]
    size = sum(w.size for w in stored)
    return {
        "footprint": sum(n * w.size for n, w in zip(bits, stored, strict=True)) / 8,
        "connection_sparsity": sum(int((w == 0).sum()) for w in stored) / size,
        "activation_sparsity": None if spikes is None or not steps else 1 - spikes / steps,
    }
