"""The device of `docs/protocol.md` neuron by neuron in plain Python: slow, and easy to read."""

from dataclasses import dataclass


@dataclass
class Neuron:
    threshold: int
    gain: int
    leak: int
    v: int = 0
    spike: bool = False


def bound(x: int) -> int:
    return min(max(x, -(2**30)), 2**30)


def pattern(seed: int, layer: int, count: int, threshold: int, leak: int) -> list[Neuron]:
    """Neurons of a layer, counted from 1, of the chip of that seed."""
    x = (seed * 2654435761 + layer * 40503 + 1) % 2**32 or 1

    def number() -> int:
        nonlocal x
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        return x

    def deviate() -> int:
        return sum(number() >> 24 for _ in range(4)) - 510 if seed else 0

    for _ in range(8):
        number()
    neurons = []
    for _ in range(count):
        r1, r2, r3 = deviate(), deviate(), deviate()
        neurons.append(
            Neuron(
                threshold + ((threshold * r1 * 45) >> 16),
                4096 + ((r2 * 45) >> 4),
                min(max(leak + ((leak * r3 * 90) >> 16), 1), 65535),
            )
        )
    return neurons


def run(
    layers: list[list[Neuron]],
    weights: list[list[list[int]]],
    multipliers: list[int],
    inputs: list[list[int]],
    current: bool,
) -> list[tuple[list[list[bool]], list[list[int]]]]:
    """One sample: spikes and membranes before the reset of every layer, step after step."""
    for neurons in layers:
        for neuron in neurons:
            neuron.v = 0
    steps = []
    for given in inputs:
        arriving = given
        membranes = []
        for number, neurons in enumerate(layers):
            multiplier = multipliers[number]
            drives = [
                sum(x * row[j] for x, row in zip(arriving, weights[number], strict=True))
                for j in range(len(neurons))
            ]
            by_current = current and number == 0
            membranes.append([])
            for neuron, acc in zip(neurons, drives, strict=True):
                neuron.v -= (neuron.v * neuron.leak) >> 16
                if by_current:
                    neuron.v = bound(neuron.v + ((((acc * multiplier) >> 8) * neuron.gain) >> 12))
                neuron.spike = neuron.v >= neuron.threshold
                membranes[-1].append(min(max(neuron.v >> 4, -32768), 32767))
                if not by_current:
                    neuron.v = bound(neuron.v + ((acc * multiplier * neuron.gain) >> 12))
                if neuron.spike:
                    neuron.v = bound(neuron.v - neuron.threshold)
            arriving = [int(neuron.spike) for neuron in neurons]
        steps.append(([[n.spike for n in neurons] for neurons in layers], membranes))
    return steps
