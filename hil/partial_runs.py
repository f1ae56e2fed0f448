"""Runs within what a device takes: stimuli, full scales, whole layers and batches in parts.

A batch is run once for each group of neurons. A chip with some converters for all of its neurons
shows another group of them in each run. On a chip without noise all runs are the same; on any other
each group is seen in a run of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from drivers import Device, DeviceInfo, Network, Probe, Readout
from drivers.contract.info import StimulusKind

Group = dict[Probe, Probe]
"""Probes of one run, by the probe of the whole layer that each is a part of."""


def split_probes(
    probes: Sequence[Probe], network: Network, info: DeviceInfo, *, is_same_run: bool = False
) -> list[Group]:
    """Split probes of whole layers into the runs that answer them, one at least.

    Args:
        probes: What is to be observed.
        network: What is configured.
        info: What the device states.
        is_same_run: Whether all that is observed of a neuron has to be of one run; the probes are
            then of one layer.
    """
    rooms = [_neurons_at_once(probe, network, info) for probe in probes]
    if is_same_run and rooms:
        rooms = [min(rooms)] * len(rooms)
    parts = {probe: _split(probe, room, network) for probe, room in zip(probes, rooms, strict=True)}
    number = max((len(each) for each in parts.values()), default=1)
    return [
        {probe: each[n] for probe, each in parts.items() if n < len(each)} for n in range(number)
    ]


def _neurons_at_once(probe: Probe, network: Network, info: DeviceInfo) -> int:
    """Number of neurons of its layer that the device shows in one run; 0 for any."""
    if probe.neurons is not None or not 1 <= probe.layer <= network.depth:
        return 0
    offer = info.offer(probe.quantity, probe.layer, network.depth)
    return 0 if offer is None else offer.neurons or network.layers[probe.layer]


def _split(probe: Probe, room: int, network: Network) -> list[Probe]:
    size = network.layers[probe.layer] if room else 0
    if not 0 < room < size:
        return [probe]
    return [
        replace(probe, neurons=tuple(range(first, min(first + room, size))))
        for first in range(0, size, room)
    ]


def join_groups(groups: Sequence[Group], readouts: Sequence[Readout]) -> Readout:
    """Join the runs of all groups: counts of the first one, and of each probe all neurons."""
    samples = {
        probe: np.concatenate(
            [
                readout.samples[group[probe]]
                for group, readout in zip(groups, readouts, strict=True)
                if probe in group
            ],
            axis=-1,
        )
        for probe in groups[0]
    }
    return replace(readouts[0], samples=samples)


def join_batches(readouts: Sequence[Readout]) -> Readout:
    """Join the parts of a batch: the samples of all of them, in order."""
    samples = {
        probe: np.concatenate(
            [readout.samples[probe] for readout in readouts],
            axis=1 if probe.reduce == "none" else 0,
        )
        for probe in readouts[0].samples
    }
    counts = np.concatenate([readout.counts for readout in readouts])
    return replace(readouts[0], counts=counts, samples=samples)


CURRENTS: tuple[StimulusKind, ...] = ("current", "current_trace")


def choose_kind(info: DeviceInfo, *order: StimulusKind) -> StimulusKind:
    """Choose the first kind of stimulus, in this order, that a device takes."""
    return next(kind for kind in order if kind in info.offers.stimuli)


def find_nearest_full_scale(info: DeviceInfo, projection: int, largest: float) -> float:
    """Take the full scale nearest to the largest |weight| that a projection needs."""
    allowed = info.weight_format(projection)
    return float(np.clip(largest, allowed.minimum_full_scale, allowed.maximum_full_scale))


def check_capacity(device: Device, layers: Sequence[int]) -> None:
    """Map a network before anything is measured, so that one that is too large is refused at once.

    Raises:
        DeviceError: When the device cannot hold it.
    """
    scales = [find_nearest_full_scale(device.info, p, 1.0) for p in range(len(layers) - 1)]
    device.configure(Network.feed_forward(tuple(layers), tuple(scales)))
