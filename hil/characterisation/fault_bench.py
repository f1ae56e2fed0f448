"""A device whose faults are looked for: one neuron, or one source of synapses, is driven at a time.

Behind a neuron that is driven, chains of single synapses through neurons without fault, one for
each output neuron, carry what its line does to the output, so that counts of output spikes tell it.
Whatever else is driven is inhibited: a faulty synapse then wakes nothing that was to be silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from drivers import Device, Probe, Readout
from drivers.contract.info import Timing
from hil.characterisation.access import CURRENTS, choose_kind, make_stimulus
from hil.characterisation.bench import Bench
from hil.characterisation.estimators import Array
from hil.characterisation.timing import MeasuredTiming
from hil.partial_runs import join_batches, join_groups, split_probes

Indices = NDArray[np.int64]

STEPS = 200  # of a run
# Samples of each condition, and writes of each code.
REPEATS, WRITES = 4, 6
# What a driven neuron receives, in thresholds a step, and what an event brings along a chain.
DRIVE, RELAY = 4.0, 1.5
# How far from rest a synapse at full scale brings a membrane, in thresholds.
DEPTH = 0.5


@dataclass(frozen=True)
class SynapseReading:
    """What the synapses of a projection did to the membranes behind them.

    Attributes:
        moved: How far each moved the mean membrane by each code, `(3, n_pre, n)` in thresholds.
        stored: The codes as weights, `(3,)`; of the other two, one has each bit that the other
            has not.
        full_scale: Full scale of the projection.
    """

    moved: Array
    stored: Array
    full_scale: float


class FaultBench:
    """The device, mapped anew for each reading.

    Attributes:
        layers: Sizes of the network, the input first.
        live: Of the input and of each layer, the neurons that others are driven or read through.
    """

    def __init__(self, device: Device, layers: Sequence[int]) -> None:
        """Take all neurons to be without fault."""
        timing = MeasuredTiming(Timing(dt=device.info.timing.dt)).fill_from(device.info)
        self.bench, self.layers = Bench(device, tuple(layers), timing), tuple(layers)
        self.live: list[Indices] = [np.arange(size) for size in layers]

    def read_lines(self, number: int) -> Array:
        """Read what the lines of a layer carry, in output spikes a step.

        Args:
            number: Of the layer, from 1.

        Returns:
            `(n, C, 2)` by each of C chains: while the neuron is driven, and while it is inhibited.
        """
        depth, size = self.bench.depth, self.layers[number]
        self._map(number, *[RELAY] * (depth - number))
        if number == depth:
            self._drive(number, range(size))
            return self._count_spikes().T[:, np.newaxis]
        reach = min(self.live[layer].size for layer in range(number + 1, depth + 1))
        chains = [self.live[layer][:reach] for layer in range(number + 1, depth + 1)]
        for p, (pre, post) in enumerate(pairwise(chains), start=number + 1):
            self._connect(p, RELAY, pre, post)
        self._drive(number, ())
        unread = self._count_spikes()[:, chains[-1]]
        lines = np.empty((size, reach, 2))
        for neuron in range(size):
            self._drive(number, (neuron,))
            self._connect(number, RELAY, np.full(reach, neuron), chains[0])
            lines[neuron] = (self._count_spikes()[:, chains[-1]] - unread).T
        return lines

    def read_synapses(self, number: int) -> SynapseReading | None:
        """Read what the synapses of live neurons to a layer transmit.

        Args:
            number: Of the layer, from 1.

        Returns:
            The reading; None where the device does not show the membranes of the layer.
        """
        device, p = self.bench.device, number - 1
        offer = device.info.offer("membrane", number, self.bench.depth)
        if offer is None:
            return None
        reduce = next(each for each in ("mean", "none", "last") if each in offer.reductions)
        probe = Probe(number, "membrane", None, offer.every, reduce)
        self._map(p, DEPTH * (1 - self.bench.decay))
        scale, form = device.network.full_scale[p], device.info.weight_format(p)
        # Two thirds of a full scale are a code of alternating bits, with its complement below 0.
        largest = 2 / 3 * min(scale, DEPTH * (1 - self.bench.decay))
        codes = (0.0, largest, -largest - form.step(scale))
        moved, stored = np.zeros((3, *self.layers[p : p + 2])), np.zeros(3)
        sources = [self.live[0]] if p == 0 else list(self.live[p][:, np.newaxis])
        for rows in sources:
            if p == 0:
                active = np.eye(self.layers[0], dtype=bool)
            else:
                self._drive(p, rows)
                active = self._choose_halves()[:REPEATS]
            active = np.concatenate([active, np.zeros((REPEATS, self.layers[0]), bool)])
            for n, code in [*enumerate(codes)] * WRITES:
                weights = np.zeros(self.layers[p : p + 2], np.float32)
                weights[rows] = code
                stored[n] = device.write_weights(p, weights)[rows[0], 0]
                shown = self._run(active, probe).samples[probe]
                means = (shown.mean(axis=0) if reduce == "none" else shown).astype(np.float64)
                driven = means[:-REPEATS] - means[-REPEATS:].mean(axis=0)
                moved[n, rows] += (driven if p == 0 else driven.mean(axis=0)) / WRITES
        swing = device.info.neuron.membrane
        return SynapseReading(moved / (swing.threshold - swing.rest), stored, scale)

    def _map(self, number: int, *behind: float) -> None:
        """Map the network, with what drives the layers before one, and room behind it."""
        drives = [2 * DRIVE / max(self.live[p].size, 2) for p in range(number)]
        self.bench.map(*drives, *behind)
        for p in range(number - 1):
            halves = [self.live[p + 1][half::2] for half in (0, 1)]
            self._drive(p + 1, *halves)

    def _drive(self, number: int, even: Iterable[int], odd: Iterable[int] = ()) -> None:
        """Let even live neurons before a layer drive some of its neurons, odd ones others.

        Each neuron that they do not drive they inhibit.
        """
        p, own = number - 1, self.live[number - 1]
        weights = np.zeros(self.layers[p : p + 2], np.float32)
        weights[own] = -1
        weights[np.ix_(own[::2], np.array([*even], int))] = 1
        weights[np.ix_(own[1::2], np.array([*odd], int))] = 1
        self._write(p, 2 * DRIVE / max(own.size, 2), weights)

    def _connect(self, p: int, weight: float, pre: Indices, post: Indices) -> None:
        """Write single synapses of a projection, and none else."""
        weights = np.zeros(self.layers[p : p + 2], np.float32)
        weights[pre, post] = 1
        self._write(p, weight, weights)

    def _write(self, p: int, weight: float, signs: NDArray[np.float32]) -> None:
        """Write the least weight that is as large as one, or else the largest there is."""
        device = self.bench.device
        scale = device.network.full_scale[p]
        step = device.info.weight_format(p).step(scale)
        device.write_weights(p, signs * np.float32(min(max(weight, step), scale)))

    def _choose_halves(self) -> NDArray[np.bool_]:
        """Inputs that drive, and then those that inhibit, `(2 * REPEATS, n_in)`."""
        even = np.arange(self.layers[0]) % 2 == 0
        return np.repeat([even, ~even], REPEATS, axis=0)

    def _count_spikes(self) -> Array:
        """Output spikes a step, at most one, of driven and of inhibited neurons, `(2, n)`."""
        info = self.bench.device.info
        most = min(self._steps, info.neuron.spikes_per_run or self._steps)
        counts = self._run(self._choose_halves()).counts.reshape(2, REPEATS, -1)
        return np.asarray(np.minimum(counts.mean(axis=1) / most, 1.0))

    @property
    def _steps(self) -> int:
        return min(STEPS, self.bench.device.info.capacity.steps)

    def _run(self, active: NDArray[np.bool_], *probes: Probe) -> Readout:
        """Drive input channels in every step, `(B, n_in)`."""
        bench, device, answers = self.bench, self.bench.device, []
        kind = choose_kind(device.info, *CURRENTS, "spikes")
        groups = split_probes(probes, device.network, device.info)
        for first in range(0, len(active), bench.batch):
            part = active[first : first + bench.batch]
            stimulus = make_stimulus(kind, np.broadcast_to(part, (self._steps, *part.shape)))
            readouts = []
            for group in groups:
                readouts.append(device.run(stimulus, [*group.values()], trial=bench.trial))
                bench.trial += 1
            answers.append(join_groups(groups, readouts))
        return join_batches(answers)
