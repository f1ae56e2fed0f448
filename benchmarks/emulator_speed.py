"""How fast the emulated chip is: against textbook Brian2 and against a hand-fused loop.

    python benchmarks/emulator_speed.py [--batch 100] [--repeats 5] [--recurrent] [--json]

One network (784-800-10, 25 steps, 5 % input spikes) on an ideal chip, three ways in one process:

    textbook      plain Brian2: one Synapses object for each projection, one Network.run a sample
    emulator      this project's engine, in batches; also with the non-idealities of mixed-signal,
                  and those with two threads
    fused loop    numba, float32, one thread: input rows added, leak, threshold and reset fused

The output spike counts of all three are compared before anything is timed. With `--recurrent` the
hidden neurons project to each other as well, which the fused loop cannot do.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import brian2 as b2
import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

import drivers
from drivers import Network, Projection, Stimulus
from machine_code import wait_for_code

LAYERS, STEPS, RATE = (784, 800, 10), 25, 0.05
DECAY = float(np.exp(-0.1))  # 1 ms steps, 10 ms membrane


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--recurrent", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    # Weights on a grid whose sums are exact, so that all three must agree spike by spike.
    weights = [on_grid(rng.normal(0.02, 0.05, shape)) for shape in pairwise(LAYERS)]
    back = on_grid(rng.normal(0, 0.01, (LAYERS[1], LAYERS[1]))) if asked.recurrent else None
    raster = rng.random((STEPS, asked.batch, LAYERS[0])) < RATE
    stimulus = Stimulus.spikes(
        csr_matrix(raster.reshape(-1, LAYERS[0]), dtype=np.float32), steps=STEPS
    )

    textbook = Textbook(weights, back)
    ideal = emulated("emulator:ideal?workers=1", weights, back)
    mixed = emulated("emulator:mixed-signal?workers=1", weights, back)
    both = emulated("emulator:mixed-signal?workers=2", weights, back)
    by_sample = np.ascontiguousarray(raster.transpose(1, 0, 2))
    few = 5
    expected = np.stack([textbook(raster[:, b]) for b in range(few)])
    np.testing.assert_array_equal(ideal.run(stimulus).counts[:few], expected)
    wait_for_code()
    one, two = (device.run(stimulus, trial=0).counts for device in (mixed, both))
    np.testing.assert_array_equal(one, two)

    ways: dict[str, tuple[Callable[[], Any], int]] = {
        "textbook Brian2": (lambda: textbook(raster[:, 0]), 1),
        "emulator, ideal": (lambda: ideal.run(stimulus), asked.batch),
        "emulator, mixed-signal": (lambda: mixed.run(stimulus), asked.batch),
        "the same, two threads": (lambda: both.run(stimulus), asked.batch),
    }
    if back is None:
        np.testing.assert_array_equal(fused(by_sample, *weights)[:few], expected)
        ways["fused loop (numba)"] = (lambda: fused(by_sample, *weights), asked.batch)
    times = {name: per_sample(*way, asked.repeats) for name, way in ways.items()}
    linear = {}
    for batches in (1, 2, 4, 8):
        start = time.perf_counter()
        for _ in range(batches):
            ideal.run(stimulus)
        linear[batches * asked.batch] = time.perf_counter() - start
    report(times, linear, asked.json)


def on_grid(weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """The nearest multiples of 1/256."""
    return (np.rint(weights * 256) / 256).astype(np.float32)


def per_sample(work: Callable[[], Any], samples: int, repeats: int) -> float:
    """Seconds for each sample, the median of some repetitions after a first."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) / samples)
    return float(np.median(times))


def report(times: dict[str, float], linear: dict[int, float], as_json: bool) -> None:
    """Print the figures side by side."""
    if as_json:
        print(json.dumps({"seconds_per_sample": times, "seconds_by_samples": linear}))
        return
    reference, floor = times["textbook Brian2"], times.get("fused loop (numba)")
    print(f"{'way':<24}{'ms/sample':>12}{'x faster than textbook':>26}{'x fused loop':>16}")
    for name, seconds in times.items():
        of_floor = f"{seconds / floor:.2f}" if floor else "-"
        print(f"{name:<24}{1e3 * seconds:>12.3f}{reference / seconds:>26.0f}{of_floor:>16}")
    print("\nemulator, ideal, time by number of samples:")
    for samples, seconds in linear.items():
        total = 1e3 * seconds
        print(f"{samples:>8} samples {total:>10.1f} ms {total / samples:>10.3f} ms each")


class Textbook:
    """One sample a run, as the Brian2 tutorial would write it."""

    def __init__(
        self, weights: list[NDArray[np.float32]], back: NDArray[np.float32] | None
    ) -> None:
        """Build the network once; `back` is what hidden neurons project to each other."""
        b2.prefs.codegen.target = "numpy"
        self._dt = 1 * b2.ms
        self._input = b2.SpikeGeneratorGroup(LAYERS[0], [], [] * b2.second, dt=self._dt)
        groups = [
            b2.NeuronGroup(
                size,
                "dv/dt = -v / (10*ms) : volt",
                threshold="v >= 1*volt",
                reset="v -= 1*volt",
                method="exact",
                dt=self._dt,
            )
            for size in LAYERS[1:]
        ]
        sources, synapses = [self._input, *groups], []
        joined = list(zip(sources, groups, weights, strict=False))
        if back is not None:
            joined.append((groups[0], groups[0], back))
        for source, target, w in joined:
            projection = b2.Synapses(source, target, "w : volt", on_pre="v_post += w")
            projection.connect()
            projection.w = w.reshape(-1).astype(float) * b2.volt
            synapses.append(projection)
        self._count = b2.SpikeMonitor(groups[-1], record=False)
        self._network = b2.Network(self._input, *groups, *synapses, self._count)
        self._network.store()

    def __call__(self, raster: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Output spike counts `(10,)` of one sample's input spikes `(T, 784)`."""
        self._network.restore()
        times, neurons = np.nonzero(raster)
        self._input.set_spikes(neurons, times * self._dt)
        self._network.run(STEPS * self._dt, namespace={})
        return np.asarray(self._count.count[:])


def emulated(
    url: str, weights: list[NDArray[np.float32]], back: NDArray[np.float32] | None
) -> drivers.Device:
    """A device with the weights written."""
    device = drivers.open(url)
    network = Network.feed_forward(LAYERS, (1.0, 1.0))
    if back is not None:
        projections = (*network.projections, Projection(1, 1, 1.0))
        network = replace(network, projections=projections)
    device.configure(network)
    for projection, matrix in enumerate([*weights, *([] if back is None else [back])]):
        device.write_weights(projection, matrix)
    return device


@numba.njit(cache=False, fastmath=True)
def fused(
    raster: NDArray[np.bool_], w1: NDArray[np.float32], w2: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Output spike counts `(B, 10)` of input spikes `(B, T, 784)`, everything in one loop."""
    batch, steps, inputs = raster.shape
    hidden, outputs = w1.shape[1], w2.shape[1]
    counts = np.zeros((batch, outputs), np.int64)
    v = np.empty(hidden, np.float32)
    u = np.empty(outputs, np.float32)
    fired = np.empty(hidden, np.int64)
    decay, one = np.float32(DECAY), np.float32(1)
    for b in range(batch):
        v[:] = 0
        u[:] = 0
        for t in range(steps):
            number = 0
            for j in range(hidden):
                v[j] *= decay
                if v[j] >= one:
                    v[j] -= one
                    fired[number] = j
                    number += 1
            for k in range(outputs):
                u[k] *= decay
                if u[k] >= one:
                    u[k] -= one
                    counts[b, k] += 1
            for i in range(inputs):
                if raster[b, t, i]:
                    for j in range(hidden):
                        v[j] += w1[i, j]
            for s in range(number):
                for k in range(outputs):
                    u[k] += w2[fired[s], k]
    return counts


if __name__ == "__main__":
    main()
