"""Checks of what a device is asked for, made by `Device` for all drivers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers.contract.errors import CapacityError, UnsupportedProbe, WeightError
from drivers.contract.info import DeviceInfo
from drivers.contract.messages import Probe
from drivers.contract.network import Network


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
