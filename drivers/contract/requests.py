"""Checks of what a device is asked for, made by `Device` for all drivers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers.contract.info import DeviceInfo, StimulusKind
from drivers.contract.messages import Probe, Stimulus
from drivers.contract.network import Network
from drivers.errors import CapacityError, StimulusError, UnsupportedProbe, WeightError


def check_limit(what: str, asked: int, allowed: int) -> None:
    """Refuse more than the device has room for.

    Args:
        what: What is counted, for the message, e.g. `synapses`.
        asked: How many the request needs.
        allowed: How many the device has room for.

    Raises:
        CapacityError: When that is too many.
    """
    if asked > allowed:
        raise CapacityError(f"{asked} {what}: this device has room for {allowed}, ask for less")


def check_probe(probe: Probe, network: Network, info: DeviceInfo, steps: int) -> None:
    """Refuse a probe that the device does not offer.

    Args:
        probe: The probe.
        network: What is configured.
        info: What the device offers.
        steps: T of the run.

    Raises:
        UnsupportedProbe: For a layer, quantity, reduction, interval or neurons not offered.
    """
    if not 1 <= probe.layer <= network.depth:
        raise UnsupportedProbe(f"probe of layer {probe.layer}: layers are 1 to {network.depth}")
    place = "output" if probe.layer == network.depth else "hidden"
    offer = info.offer(probe.quantity, probe.layer, network.depth)
    if offer is None:
        raise UnsupportedProbe(f"this device does not show the {probe.quantity} of {place} layers")
    if probe.reduce not in offer.reductions:
        raise UnsupportedProbe(
            f"{probe.quantity} of {place} layers reduced by {probe.reduce!r}: this device offers "
            f"{', '.join(offer.reductions)}"
        )
    if probe.every < offer.every:
        raise UnsupportedProbe(
            f"{probe.quantity} sampled every {probe.every} steps: this device samples at most "
            f"every {offer.every}"
        )
    if probe.every > steps:
        raise UnsupportedProbe(f"probe every {probe.every} steps of a run of {steps}: no sample")
    size = network.layers[probe.layer]
    asked = size if probe.neurons is None else len(probe.neurons)
    if offer.neurons is not None and asked > offer.neurons:
        raise UnsupportedProbe(
            f"{asked} neurons at once: this device shows the {probe.quantity} of {offer.neurons}"
        )
    if probe.neurons is not None:
        if not probe.neurons:
            raise UnsupportedProbe("probe of no neurons: name some, or None for all")
        if min(probe.neurons) < 0 or max(probe.neurons) >= size:
            raise UnsupportedProbe(
                f"probe of neurons outside 0 to {size - 1} of layer {probe.layer}"
            )


def check_run(
    kind: StimulusKind,
    batch: int,
    steps: int,
    probes: Sequence[Probe],
    network: Network,
    info: DeviceInfo,
) -> None:
    """Refuse a run that the device cannot serve.

    Args:
        kind: Kind of stimulus.
        batch: Number of samples B.
        steps: Number of steps T.
        probes: What to observe.
        network: What is configured.
        info: What the device offers.

    Raises:
        StimulusError: When the device does not take that kind.
        CapacityError: When the batch or the run is too long for the device.
        UnsupportedProbe: When the device does not offer a probe.
    """
    if kind not in info.offers.stimuli:
        raise StimulusError(
            f"stimulus of kind {kind!r}: this device takes {', '.join(info.offers.stimuli)}"
        )
    check_limit("samples in a batch", batch, info.capacity.batch)
    check_limit("steps in a run", steps, info.capacity.steps)
    for probe in probes:
        check_probe(probe, network, info, steps)


def check_stimulus(
    stimulus: Stimulus, probes: Sequence[Probe], network: Network, info: DeviceInfo
) -> None:
    """Refuse a stimulus that does not fit the network, or whose samples may not differ in length.

    Args:
        stimulus: The stimulus.
        probes: What is to be observed.
        network: What is configured.
        info: What the device offers.

    Raises:
        StimulusError: When it does not fit.
        UnsupportedProbe: For a probe that takes no sample of the shortest one.
    """
    if stimulus.channels != network.inputs:
        raise StimulusError(
            f"stimulus has {stimulus.channels} channels: the network has {network.inputs}"
        )
    if stimulus.lengths is None:
        return
    if not info.abilities.lengths:
        raise StimulusError(
            "samples of different lengths: this device runs all samples for as long, so give it "
            "those of one length at a time"
        )
    for probe in probes:
        check_probe(probe, network, info, int(stimulus.lengths.min()))


def check_carry(batch: int, carried: int | None, info: DeviceInfo) -> None:
    """Refuse to carry on where that is not offered, or there is nothing to carry on from.

    Args:
        batch: Number of samples of the run.
        carried: That of the run before; None when there was none since the network was mapped,
            or it failed.
        info: What the device offers.

    Raises:
        StimulusError: When it is to be refused.
    """
    if not info.abilities.runs_on:
        raise StimulusError("run with carry=True: this device begins each run from reset")
    if carried != batch:
        was = "there was none on this network" if carried is None else f"it had {carried} samples"
        raise StimulusError(
            f"run of {batch} samples that carries on from the last run: {was}, so begin with "
            "carry=False"
        )


def checked_weights(projection: int, weights: ArrayLike, network: Network) -> NDArray[np.float32]:
    """The weights of one projection as an array, checked.

    Args:
        projection: 0 (from the input) to L-1.
        weights: `(n_pre, n_post)`, in nominal thresholds.
        network: What is configured.

    Returns:
        The same as float32.

    Raises:
        WeightError: For a wrong projection or shape, or values that are not finite.
    """
    last = len(network.projections) - 1
    if not 0 <= projection <= last:
        raise WeightError(f"projection {projection}: the network has 0 to {last}")
    matrix = np.asarray(weights, dtype=np.float32)
    shape = network.shapes[projection]
    if matrix.shape != shape:
        raise WeightError(
            f"weights of projection {projection} have shape {matrix.shape}: give {shape}"
        )
    if not np.isfinite(matrix).all():
        raise WeightError(
            f"weights of projection {projection} are not all finite: lower the learning rate "
            "or check the data"
        )
    return matrix
