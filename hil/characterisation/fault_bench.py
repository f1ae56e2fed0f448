"""A device whose faults are looked for: one neuron, or one source of synapses, is driven at a time.

Behind a neuron that is driven, chains of single synapses through neurons without fault, one for
each output neuron, carry what its line does to the output, so that counts of output spikes tell it.
Whatever else is driven is inhibited: a faulty synapse then wakes nothing that was to be silent.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from drivers import Device
from drivers.contract.info import Timing
from hil.characterisation.bench import Bench, DrivableLayer, LayerBench, LayerRecording
from hil.characterisation.estimators import Array
from hil.characterisation.timing import MeasuredTiming

Indices = NDArray[np.int64]
NOBODY: Indices = np.empty(0, np.int64)

STEPS = 200  # of a run
# Samples of each condition, and writes of each code.
REPEATS, WRITES = 4, 6
# What a driven neuron receives, in thresholds a step, and what an event brings along a chain.
DRIVE, RELAY = 4.0, 1.5
# How far from rest a synapse at full scale brings a membrane, in thresholds.
DEPTH = 0.5


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
        self.steps = min(STEPS, device.info.capacity.steps)
        self.live: list[Indices] = [np.arange(size) for size in layers]

    def read_lines(self, number: int, relay: float = RELAY) -> Array:
        """Read what the lines of a layer carry, in output spikes a step.

        Args:
            number: Of the layer, from 1.
            relay: What an event brings along a chain, in thresholds.

        Returns:
            `(n, C, 2)` by each of C chains: while the neuron is driven, and while it is inhibited.
        """
        depth, size = self.bench.depth, self.layers[number]
        self._map(number, *[relay] * (depth - number))
        if number == depth:
            self._drive(number, np.arange(size))
            return self._count_spikes().T[:, np.newaxis]
        reach = min(self.live[layer].size for layer in range(number + 1, depth + 1))
        chains = [self.live[layer][:reach] for layer in range(number + 1, depth + 1)]
        for p, ends in enumerate(pairwise(chains), start=number + 1):
            self._write(p, ends)
        self._drive(number, NOBODY)
        unread = self._count_spikes()
        lines = np.empty((size, *unread.shape))
        for neuron in range(size):
            self._drive(number, np.array([neuron]))
            self._write(number, (np.array([neuron]), chains[0]))
            lines[neuron] = self._count_spikes() - unread
        return lines[..., chains[-1]].transpose(0, 2, 1)

    def read_synapses(self, number: int) -> tuple[Array, Array] | None:
        """Read what the synapses of live neurons to a layer transmit.

        Args:
            number: Of the layer, from 1.

        Returns:
            How far each moved the mean membrane by each code, `(3, n_pre, n)` in thresholds, and
            the codes as weights, `(3,)`: none, and two of which one has each bit that the other
            has not. None where the device does not show the membranes of the layer.
        """
        device, p, shape = self.bench.device, number - 1, self.layers[number - 1 : number + 1]
        if device.info.offer("membrane", number, self.bench.depth) is None:
            return None
        wanted = DEPTH * (1 - self.bench.decay)
        self._map(p, wanted)
        scale = device.network.full_scale[p]
        # Two thirds of a full scale are a code of alternating bits, with its complement below 0.
        most = 2 / 3 * min(scale, wanted)
        codes = (0.0, most, -most - device.info.weight_format(p).step(scale))
        moved, stored = np.zeros((3, *shape)), np.zeros(3)
        active = np.eye(self.layers[0], dtype=bool) if p == 0 else self._choose_halves()[:REPEATS]
        active = np.concatenate([active, np.zeros((REPEATS, self.layers[0]), bool)])
        for rows in [self.live[0]] if p == 0 else self.live[p][:, np.newaxis]:
            if p:
                self._drive(p, rows)
            for n, code in [*enumerate(codes)] * WRITES:
                weights = np.zeros(shape, np.float32)
                weights[rows] = code
                stored[n] = device.write_weights(p, weights)[rows[0], 0]
                shown = self._record(number, active).membrane
                assert shown is not None
                means = shown.mean(axis=0, dtype=np.float64)
                driven = means[:-REPEATS] - means[-REPEATS:].mean(axis=0)
                moved[n, rows] += (driven.mean(axis=0) if p else driven) / WRITES
        return moved, stored

    def _map(self, number: int, *behind: float) -> None:
        """Map the network, with what drives the layers before one, and room behind it."""
        drives = [2 * DRIVE / max(self.live[p].size, 2) for p in range(number)]
        self.bench.map(*drives, *behind)
        for layer in range(1, number):
            self._drive(layer, self.live[layer][::2], self.live[layer][1::2])

    def _drive(self, number: int, even: Indices, odd: Indices = NOBODY) -> None:
        """Let even live neurons before a layer drive some of its neurons, odd ones others.

        Each neuron that they do not drive they inhibit.
        """
        own = self.live[number - 1][:, np.newaxis]
        self._write(number - 1, (own[::2], even), (own[1::2], odd), inhibiting=own)

    def _write(self, p: int, *ends: tuple[Indices, Indices], inhibiting: Indices = NOBODY) -> None:
        """Write synapses of a projection at full scale; the others are 0, or inhibit."""
        weights = np.zeros(self.layers[p : p + 2], np.float32)
        weights[inhibiting] = -self.bench.device.network.full_scale[p]
        for pre, post in ends:
            weights[pre, post] = self.bench.device.network.full_scale[p]
        self.bench.device.write_weights(p, weights)

    def _choose_halves(self) -> NDArray[np.bool_]:
        """Inputs that drive, and then those that inhibit, `(2 * REPEATS, n_in)`."""
        even = np.arange(self.layers[0]) % 2 == 0
        return np.repeat([even, ~even], REPEATS, axis=0)

    def _count_spikes(self) -> Array:
        """Output spikes a step, at most one, of driven and of inhibited neurons, `(2, n)`."""
        most = min(self.steps, self.bench.device.info.neuron.spikes_per_run or self.steps)
        counts = self._record(self.bench.depth, self._choose_halves()).counts
        assert counts is not None
        return np.asarray(np.minimum(counts.reshape(2, REPEATS, -1).mean(axis=1) / most, 1.0))

    def _record(self, number: int, active: NDArray[np.bool_]) -> LayerRecording:
        """Drive input channels in every step, `(B, n_in)`, and record a layer."""
        before = [DrivableLayer(np.empty((0, 0)), live) for live in self.live[1:number]]
        return LayerBench(self.bench, before).record(active, self.steps, is_whole=False)
