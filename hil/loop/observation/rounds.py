"""Whole layers and batches from a device that shows few neurons, or takes few samples, at a time.

A batch is run once for each group of neurons. A chip with some converters for all of its neurons
shows another group of them in each run. On a chip without noise all runs are the same; on any other
each group is seen in a run of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drivers import DeviceInfo, Network, Probe, Readout

Round = dict[Probe, Probe]
"""What is asked for in one run, by the probe of the whole layer that it is a part of."""


def rounds(probes: Sequence[Probe], network: Network, info: DeviceInfo) -> list[Round]:
    """The runs that answer some probes, one at least.

    Args:
        probes: What is to be observed.
        network: What is configured.
        info: What the device states.
    """
    parts = {probe: _parts(probe, network, info) for probe in probes}
    number = max((len(each) for each in parts.values()), default=1)
    return [
        {probe: each[n] for probe, each in parts.items() if n < len(each)} for n in range(number)
    ]


def _parts(probe: Probe, network: Network, info: DeviceInfo) -> list[Probe]:
    """A probe of a whole layer, in parts that the device can show at once."""
    known = 1 <= probe.layer <= network.depth
    offer = info.offer(probe.quantity, probe.layer, network.depth) if known else None
    size = network.layers[probe.layer] if known else 0
    if probe.neurons is not None or offer is None or not 0 < (offer.neurons or size) < size:
        return [probe]
    most = offer.neurons or size
    return [
        Probe(
            probe.layer,
            probe.quantity,
            tuple(range(first, min(first + most, size))),
            probe.every,
            probe.reduce,
        )
        for first in range(0, size, most)
    ]


def joined(asked: Sequence[Round], readouts: Sequence[Readout]) -> Readout:
    """One answer: output counts of the first run, and of each probe all parts side by side."""
    first = readouts[0]
    samples = {
        probe: np.concatenate(
            [
                readout.samples[each[probe]]
                for each, readout in zip(asked, readouts, strict=True)
                if probe in each
            ],
            axis=-1,
        )
        for probe in asked[0]
    }
    return Readout(first.counts, first.steps, samples, first.membrane_sampled)


def stacked(readouts: Sequence[Readout]) -> Readout:
    """One answer of the parts of a batch: the samples of all of them, in order."""
    first = readouts[0]
    samples = {
        probe: np.concatenate(
            [readout.samples[probe] for readout in readouts],
            axis=1 if probe.reduce == "none" else 0,
        )
        for probe in first.samples
    }
    counts = np.concatenate([readout.counts for readout in readouts])
    return Readout(counts, first.steps, samples, first.membrane_sampled)
