"""Speed of the emulated chip: against textbook Brian2 and against a hand-fused loop.

    python benchmarks/emulator_speed.py [--batch 100] [--repeats 5] [--recurrent] [--json]
    python benchmarks/emulator_speed.py --sparse [--repeats 5]

One network (784-800-10, 25 steps, 5 % input spikes) on an ideal chip, three ways in one process:

    textbook      plain Brian2: one Synapses object for each projection, one Network.run a sample
    emulator      this project's engine, in batches; also with the non-idealities of mixed-signal,
                  and those with two threads
    fused loop    numba, float32, one thread: input rows added, leak, threshold and reset fused

The output spike counts of all three are compared before anything is timed. With `--recurrent` the
hidden neurons project to each other as well, which the fused loop cannot do.

With `--sparse` 100 000 neurons project to each other through 10 million synapses: memory, CPU time
of a step beside a loop over the rows in numba, and spikes beside plain Brian2.
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import brian2 as b2
import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

import drivers
from drivers import Network, Population, Projection, Stimulus, Synapses
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
    parser.add_argument("--sparse", action="store_true")
    asked = parser.parse_args()
    if asked.sparse:
        measure_sparse(asked.repeats)
        return
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


NEURONS, FAN_OUT, INPUT_RATE = 100_000, 100, 0.2


def measure_sparse(repeats: int) -> None:
    """Measure a sparse network, and print what it takes."""
    rng, one = np.random.default_rng(0), np.arange(NEURONS, dtype=np.int32)
    # One in each part of the neurons: none twice, and sorted.
    width = NEURONS // FAN_OUT
    post = rng.integers(0, width, (NEURONS, FAN_OUT), np.int32)
    post = (post + np.arange(0, NEURONS, width, dtype=np.int32)).reshape(-1)
    own = Synapses(one.repeat(FAN_OUT), post)
    weights = on_grid(rng.normal(0.0, 0.1, own.size))
    into = np.full(NEURONS, 0.75, np.float32)
    raster = rng.random((STEPS, NEURONS)) < INPUT_RATE
    stimulus = stimulus_of(raster)
    arrays = own.pre.nbytes + own.post.nbytes + weights.nbytes

    def load(device: drivers.Device, places: Sequence[Synapses], values: Any) -> drivers.Device:
        n = int(places[0].pre[-1]) + 1
        ways = [Projection(k, 1, 1.0, synapses=each) for k, each in enumerate(places)]
        device.configure(Network(n, (Population(n),), tuple(ways)))
        for projection, each in enumerate(values):
            device.write_weights(projection, each)
        return device

    device = drivers.open("emulator:ideal?workers=1")
    few = Synapses(one[:4], one[:4])
    load(device, (few, few), (into[:4], into[:4])).run(stimulus_of(raster[:, :4]))
    wait_for_code()
    device.run(stimulus_of(raster[:, :4]))
    tracemalloc.start()
    load(device, (Synapses(one, one), own), (into, weights))
    counts = device.run(stimulus).counts[0]
    grown = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    bounds = np.arange(0, own.size + 1, FAN_OUT)
    given = raster, bounds, post, weights, into
    np.testing.assert_array_equal(step_rows(*given), counts)
    times = np.array(
        [
            [cpu(lambda: device.run(stimulus)), cpu(lambda: step_rows(*given))]
            for _ in range(repeats)
        ]
    ).min(axis=0)
    differ = int((plain_sparse(raster, own, weights, into) != counts).sum())
    share = (grown + arrays) / arrays
    print(f"{own.size} synapses, {counts.sum()} spikes in {STEPS} steps of {NEURONS} neurons")
    print(f"most memory with pre, post and weights: {share:.2f} x these, {arrays / 2**20:.0f} MiB")
    print("ms a step: {:.2f}, loop {:.2f}".format(*1e3 * times / STEPS), end="")
    print(f", ratio {times[0] / times[1]:.2f}; neurons that differ from plain Brian2: {differ}")


def stimulus_of(raster: NDArray[np.bool_]) -> Stimulus:
    """One sample of input spikes `(T, n)`."""
    return Stimulus.spikes(csr_matrix(raster, dtype=np.float32), steps=STEPS)


def cpu(work: Callable[[], Any]) -> float:
    """CPU seconds of some work."""
    start = time.process_time()
    work()
    return time.process_time() - start


@numba.njit(cache=False, error_model="numpy")
def step_rows(
    raster: NDArray[np.bool_],
    bounds: NDArray[np.int64],
    columns: NDArray[np.int32],
    weights: NDArray[np.float32],
    into: NDArray[np.float32],
) -> NDArray[np.int32]:
    """Spike counts of neurons that project to each other by rows of synapses."""
    steps, n = raster.shape
    counts, fired = np.zeros(n, np.int32), np.empty(n, np.int32)
    v, decay, one = np.zeros(n, np.float32), np.float32(DECAY), np.float32(1)
    for t in range(steps):
        number = 0
        for j in range(n):
            v[j] *= decay
            if v[j] >= one:
                v[j] -= one
                counts[j] += 1
                fired[number] = j
                number += 1
        for i in range(n):
            if raster[t, i]:
                v[i] += into[i]
        for s in range(number):
            i = fired[s]
            for e in range(bounds[i], bounds[i + 1]):
                v[columns[e]] += weights[e]
    return counts


def plain_sparse(
    raster: NDArray[np.bool_], own: Synapses, weights: NDArray[np.float32], into: Any
) -> NDArray[np.int64]:
    """Spike counts of the same in plain Brian2, in single precision."""
    b2.prefs.codegen.target, b2.prefs.core.default_float_dtype = "numpy", np.float32
    times, channels = np.nonzero(raster)
    dt = 1 * b2.ms
    source = b2.SpikeGeneratorGroup(NEURONS, channels, times * dt, dt=dt)
    group = b2.NeuronGroup(
        NEURONS,
        "dv/dt = -v / (10*ms) : volt",
        threshold="v >= 1*volt",
        reset="v -= 1*volt",
        method="exact",
        dt=dt,
    )
    objects = [source, group]
    one = np.arange(NEURONS)
    for before, pre, post, w in ((source, one, one, into), (group, own.pre, own.post, weights)):
        made = b2.Synapses(before, group, "w : volt", on_pre="v_post += w")
        made.connect(i=pre, j=post)
        made.w = w * b2.volt
        objects.append(made)
    count = b2.SpikeMonitor(group, record=False)
    b2.Network(*objects, count).run(STEPS * dt, namespace={})
    return np.asarray(count.count[:])


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
