"""A small network of all-to-all weights on a device, driven as one, and its answer to a ramp."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from drivers import Device, Network, Probe, Stimulus
from drivers.contract.info import StimulusKind
from hil.characterisation.estimators import Array

# Charge of an event that makes every usual neuron fire.
STRONG = 3.0
# The ramp of constant inputs, in thresholds per step; writes, each with the ramp at other neurons.
LOWEST, HIGHEST, WRITES = 0.12, 2.5, 3


def unlike(size: int) -> Array:
    """Shares `(size,)` of a charge that neurons bring, which add up to 1.

    They are unlike, so that sums are finer than the steps of stored weights, but those of an even
    neuron and of the odd one after it.
    """
    pairs = np.linspace(0.5, 1.5, (size + 1) // 2)
    shares = np.repeat(pairs, 2)[:size]
    return np.asarray(shares / shares.sum())


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
        matrices, scales = [], []
        for p, charge in enumerate(charges):
            weights = (unlike(layers[p])[:, None] * charge).astype(np.float32)
            allowed = self.device.info.weight_format(p)
            largest = float(np.abs(weights).max())
            matrices.append(weights)
            scales.append(
                float(np.clip(largest, allowed.minimum_full_scale, allowed.maximum_full_scale))
            )
        asked = Network.feed_forward(layers, tuple(scales))
        if asked != self.mapped:
            self.device.configure(asked)
            self.mapped = asked
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
        if self.kind == "current":
            stimulus = Stimulus.current(charge[0], steps=steps)
        elif self.kind == "current_trace":
            stimulus = Stimulus.current_trace(charge)
        else:
            stimulus = Stimulus.spikes(charge.reshape(steps, -1), steps=steps)
        readout = self.device.run(stimulus, [] if probe is None else [probe], trial=self.trial)
        self.trial += 1
        shown = np.zeros((0, self.size))
        if probe is not None:
            samples = readout.samples[probe].astype(np.float32)
            scaled = self.device.info.neuron.membrane.in_thresholds(samples)
            shown = scaled.reshape(-1, self.size).astype(np.float64)
        return readout.counts[0].astype(np.float64), shown


@dataclass
class Ramp:
    """What neurons did under a ramp of constant inputs.

    Attributes:
        levels: What reached each neuron in each step that it was sent to, `(N,)`.
        train: When it was sent, `(T,)`.
        rates: Spikes per step, `(N,)`.
        shown: What a probe gave, `(K, N)`.
    """

    levels: Array
    train: Array
    rates: Array
    shown: Array = field(default_factory=lambda: np.zeros((0, 0)))


def ramp(
    network: SmallNetwork,
    train: Array,
    probe: Probe | None,
    depth: int = 1,
    groups: int = 1,
    sent: Array | None = None,
    first: bool = False,
) -> Ramp:
    """Rates of the output under constant inputs of every strength.

    Args:
        network: The network.
        train: What the input is given, `(T,)`.
        probe: Membranes to observe.
        depth: Layers; those before the output fire whenever they can.
        groups: Groups of inputs, and of neurons before the output, that take turns.
        sent: When the layer before the output fires, `(T,)`; the input where None.
        first: Whether the ramp is at the first layer, for its membranes, and not at the output.
    """
    levels, rates, shown = [], [], []
    spread = np.geomspace(LOWEST, HIGHEST, network.size)
    for number in range(WRITES):
        rolled = np.roll(spread, number * max(network.size // WRITES, 1))
        strong = np.full(network.size, STRONG)
        charges = [rolled, strong] if first else [*[strong] * (depth - 1), rolled]
        stored = network.write(*charges)
        if groups > 1:
            _separate(network, groups)
        counts, samples = network.run(train, groups, probe)
        levels.append(stored[0 if first else -1] / groups)
        rates.append(counts / len(train))
        shown.append(samples)
    when = train if sent is None else sent
    if groups > 1:  # the groups' turns follow each other
        when = np.minimum(
            sum((np.roll(when, k) * (np.arange(when.size) >= k)) for k in range(groups)), 1
        )
    return Ramp(np.concatenate(levels), when, np.concatenate(rates), np.concatenate(shown, axis=1))


def _separate(network: SmallNetwork, groups: int) -> None:
    """Let each group of inputs drive its own group of the first layer, as strongly as before."""
    apart = np.arange(network.inputs)[:, None] % groups == np.arange(network.size) % groups
    strength = STRONG / network.inputs
    full = network.device.network.full_scale[0]
    network.device.write_weights(0, (apart * min(groups * strength, full)).astype(np.float32))
