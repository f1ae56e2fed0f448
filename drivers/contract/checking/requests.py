"""Checks of what a device is asked for, made by `Device` for all drivers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers.contract.errors import CapacityError, SettingError, UnsupportedProbe, WeightError
from drivers.contract.info import DeviceInfo
from drivers.contract.messages import Network, Probe
from drivers.contract.naming import nearest


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


def full_scales(network: Network, info: DeviceInfo) -> tuple[float, ...]:
    """The full scale of each projection, checked, or chosen where the network leaves it open.

    Returns:
        One for each projection, in nominal thresholds.

    Raises:
        CapacityError: When there are too many or too few, or one is out of range.
    """
    formats = [info.weight_format(p) for p in range(network.depth)]
    if not network.full_scale:
        return tuple(min(max(1.0, f.minimum_full_scale), f.maximum_full_scale) for f in formats)
    if len(network.full_scale) != network.depth:
        raise CapacityError(
            f"{len(network.full_scale)} full scales for {network.depth} projections: "
            "give one for each, or none"
        )
    for p, (scale, fmt) in enumerate(zip(network.full_scale, formats, strict=True)):
        # A hair of slack: a full scale that was computed from a limit must not miss it.
        low, high = fmt.minimum_full_scale * (1 - 1e-6), fmt.maximum_full_scale * (1 + 1e-6)
        if not (math.isfinite(scale) and low <= scale <= high):
            raise CapacityError(
                f"full scale {scale:g} of projection {p}: this device allows "
                f"{fmt.minimum_full_scale:g} to {fmt.maximum_full_scale:g}"
            )
    return tuple(float(scale) for scale in network.full_scale)


def settings(network: Network, info: DeviceInfo) -> dict[str, float]:
    """Every nominal setting of the device: as the network asks, else the default.

    Raises:
        SettingError: For an unknown setting, or a value out of range.
    """
    offered = {setting.name: setting for setting in info.neuron.settings}
    chosen = {name: setting.default for name, setting in offered.items()}
    for name, value in network.settings.items():
        if name not in offered:
            raise SettingError(f"setting {name!r} is unknown: {nearest(name, offered)}")
        setting = offered[name]
        if not setting.minimum <= value <= setting.maximum:
            raise SettingError(
                f"setting {name} = {value:g} {setting.unit}: allowed is "
                f"{setting.minimum:g} to {setting.maximum:g} {setting.unit}".rstrip()
            )
        chosen[name] = float(value)
    return chosen


def trims(network: Network, info: DeviceInfo) -> dict[str, tuple[NDArray[np.float32], ...]]:
    """Settings chosen for each neuron, checked.

    Returns:
        By name, one array `(n_l,)` for each layer of neurons.

    Raises:
        SettingError: For a setting that is not offered for each neuron, or arrays of a wrong
            shape or with values out of range.
    """
    offered = {setting.name: setting for setting in info.neuron.settings if setting.per_neuron}
    found = {}
    for name, layers in network.trims.items():
        if name not in offered:
            raise SettingError(f"setting {name!r} for each neuron: {nearest(name, offered)}")
        setting, sizes = offered[name], network.layers[1:]
        arrays = tuple(np.asarray(values, np.float32) for values in layers)
        if [a.shape for a in arrays] != [(size,) for size in sizes]:
            raise SettingError(
                f"setting {name} for each neuron has shapes {[a.shape for a in arrays]}: give one "
                f"array for each layer, of {', '.join(map(str, sizes))} neurons"
            )
        for values in arrays:
            # Written so that NaN fails; a hair of slack for what float32 rounds up.
            inside = (values >= setting.minimum * (1 - 1e-6)) & (
                values <= setting.maximum * (1 + 1e-6)
            )
            if not inside.all():
                wrong = float(values[~inside][0])
                raise SettingError(
                    f"setting {name} = {wrong:g} {setting.unit} of a neuron: allowed is "
                    f"{setting.minimum:g} to {setting.maximum:g} {setting.unit}".rstrip()
                )
        found[name] = arrays
    return found


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
    if not 0 <= projection < network.depth:
        raise WeightError(f"projection {projection}: the network has 0 to {network.depth - 1}")
    matrix = np.asarray(weights, dtype=np.float32)
    shape = network.layers[projection : projection + 2]
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
