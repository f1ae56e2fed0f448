"""Costs of work on a microcontroller: instructions in QEMU, cycles in rp2040js.

    python benchmarks/firmware_speed.py [PORT ...]

Runs are whole, with the frames that ask and answer. What an event at a synapse, or the update of a
neuron, costs is the difference of two runs, so that what they have in common is left out.
"""

from __future__ import annotations

import sys
import zlib
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

import drivers
from drivers import Device, Network, Probe, Stimulus, firmware

SIZES, STEPS, SAMPLES = (64, 200, 10), 20, 4
REPEATS = 4
OBSERVED = (
    Probe(1, "spikes", reduce="mean"),
    Probe(1, reduce="mean"),
    Probe(2, reduce="mean"),
)


def count(running: firmware.Running, device: Device, stimulus: Stimulus, *probes: Probe) -> int:
    """Count what a run takes; the least of several, as a host may ask again for what is late."""
    counted = []
    for _ in range(REPEATS):
        before = running.count()
        readout = device.run(stimulus, probes)
        counted.append(running.count() - before)
    taken = min(counted)
    crc = zlib.crc32(np.ascontiguousarray(readout.counts).tobytes())
    for probe in probes:
        crc = zlib.crc32(np.ascontiguousarray(readout.samples[probe]).tobytes(), crc)
    print(f"    {taken:>12}   answer {crc:08x}")
    return taken


def write(device: Device, scale: float) -> None:
    """Map the network, with random weights up to a scale."""
    rng = np.random.default_rng(1)
    device.configure(Network.feed_forward(SIZES))
    for projection, shape in enumerate(pairwise(SIZES)):
        device.write_weights(projection, rng.uniform(-scale, scale, shape))


def inputs() -> dict[str, Stimulus]:
    """Inputs of each kind, half of whose pixels are dark, as those of the digits are."""
    rng = np.random.default_rng(2)
    lit = rng.random((SAMPLES, SIZES[0])) < 0.5
    pixels = (rng.uniform(0, 0.5, lit.shape) * lit).astype(np.float32)
    rows = np.repeat(pixels[None], STEPS, axis=0)
    return {
        "constant currents": Stimulus.current(pixels, steps=STEPS),
        "current traces": Stimulus.current_trace(rows),
        "spikes": spikes(rng.random(rows.shape) < rows),
    }


def spikes(happens: NDArray[np.bool_]) -> Stimulus:
    """Spikes of each step, sample and input."""
    return Stimulus.spikes(happens.reshape(-1, SIZES[0]).astype(np.float32), steps=len(happens))


def events(active: int, steps: int = STEPS, each: float = 0.0) -> Stimulus:
    """Input in each step at the first inputs: spikes, or such a current."""
    rows: NDArray[np.float32] = np.zeros((steps, SAMPLES, SIZES[0]), np.float32)
    rows[..., :active] = each or 1
    return Stimulus.current_trace(rows) if each else spikes(rows > 0)


def measure(port: str) -> None:
    """Print the figures of a port."""
    print(port)
    with (
        firmware.start(port, 7, is_counted=True) as running,
        drivers.open(f"board:{running.url}") as device,
    ):
        write(device, 0.3)
        for name, stimulus in inputs().items():
            print(f"  RUN on {name}")
            count(running, device, stimulus, *OBSERVED)
        write(device, 0.0)  # nothing spikes then, and only the input does anything
        print("  nothing, spikes, more steps, no current, current")
        none, spikes, long, dark, lit = (
            count(running, device, each)
            for each in (
                events(0),
                events(48),
                events(0, 2 * STEPS),
                events(0, each=0.1),
                events(48, each=0.1),
            )
        )
    synapses = 48 * SIZES[1] * STEPS * SAMPLES
    updates = sum(SIZES[1:]) * STEPS * SAMPLES
    print(f"  event at a synapse {(spikes - none) / synapses:.2f}")
    print(f"  current at a synapse {(lit - dark) / synapses:.2f}")
    print(f"  update of a neuron {(long - none) / updates:.2f}")


if __name__ == "__main__":
    for each in sys.argv[1:] or ("mps2", "stm32f405", "pico"):
        measure(each)
