"""Checks of a network that is to be mapped on a device, and what it leaves open filled in."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from drivers.contract.info import Capacity, DeviceInfo, WeightFormat
from drivers.contract.network import Network, Population, Projection
from drivers.contract.neuron import Setting
from drivers.contract.requests import check_limit
from drivers.errors import CapacityError, SettingError
from drivers.refusals import nearest

# A hair of slack: a value that was computed from a limit, or rounded up by float32, must not miss.
SLACK = 1e-6


def complete_network(network: Network, info: DeviceInfo) -> Network:
    """Refuse a network that the device has no room for, and fill in what it leaves open.

    Args:
        network: The network.
        info: What the device states.

    Returns:
        The same with the full scale of each projection and every setting of each population. A
        trim of one population is one of all.

    Raises:
        CapacityError: When the device is too small, has no such connections, or a full scale or
            delay is out of its range.
        SettingError: For an unknown setting, or a value out of range.
    """
    _check_sizes(network, info.capacity)
    _check_connections(network, info.capacity)
    _check_synapses(network, info.capacity)
    projections = tuple(
        replace(
            projection,
            full_scale=_full_scale(p, projection, info.weight_format(p)),
            delay=_delay(_told(p, projection), projection, network.shapes[p], info.capacity),
        )
        for p, projection in enumerate(network.projections)
    )
    populations = _with_settings(network.populations, info.neuron.settings)
    return Network(network.inputs, populations, projections)


def _check_sizes(network: Network, capacity: Capacity) -> None:
    if network.depth < 1 or min(network.layers) < 1:
        raise CapacityError(
            f"network of layers {network.layers}: give an input and at least one layer, "
            "none of them empty"
        )
    check_limit("neuron layers", network.depth, capacity.layers)
    check_limit("inputs", network.inputs, capacity.inputs)
    for size in network.layers[1:]:
        check_limit("neurons in a layer", size, capacity.neurons)


def _check_connections(network: Network, capacity: Capacity) -> None:
    ends = [(projection.source, projection.target) for projection in network.projections]
    for p, projection in enumerate(network.projections):
        told, (source, target) = _told(p, projection), ends[p]
        if not (0 <= source <= network.depth and 1 <= target <= network.depth):
            raise CapacityError(
                f"{told}: give a source of 0 (the input) to {network.depth} and a target of 1 to "
                f"{network.depth}"
            )
        if target <= source and not capacity.recurrence:
            raise CapacityError(
                f"{told}, to its own or an earlier layer: this device has no recurrence"
            )
        if target > source + 1 and not capacity.skips:
            raise CapacityError(
                f"{told}, past a layer: this device has no projections that skip layers"
            )
        if ends.index(ends[p]) != p:
            raise CapacityError(f"{told}, a second time: give one projection for each pair")
    unreached = set(range(1, network.depth + 1)) - {target for _, target in ends}
    if unreached:
        raise CapacityError(
            f"population {min(unreached)} has no projection that leads to it: give one"
        )
    if not (capacity.recurrence or capacity.skips or network.is_chain):
        raise CapacityError("projections out of order: give those of a chain from the input on")


def _check_synapses(network: Network, capacity: Capacity) -> None:
    if capacity.fan_in is not None:
        for population in range(1, network.depth + 1):
            reaching = sum(
                shape[0]
                for shape, projection in zip(network.shapes, network.projections, strict=True)
                if projection.target == population
            )
            check_limit(
                f"synapses that reach a neuron of layer {population}", reaching, capacity.fan_in
            )
    if capacity.synapses is not None:
        check_limit("synapses in all", sum(a * b for a, b in network.shapes), capacity.synapses)


def _full_scale(p: int, projection: Projection, form: WeightFormat) -> float:
    low, high = form.minimum_full_scale, form.maximum_full_scale
    scale = projection.full_scale
    if scale is None:
        return min(max(1.0, low), high)
    if not (math.isfinite(scale) and low * (1 - SLACK) <= scale <= high * (1 + SLACK)):
        raise CapacityError(
            f"full scale {scale:g} of projection {p}: this device allows {low:g} to {high:g}"
        )
    return float(scale)


def _delay(
    told: str, projection: Projection, shape: tuple[int, int], capacity: Capacity
) -> int | NDArray[np.int64]:
    delays = np.asarray(projection.delay)
    if delays.ndim and not capacity.synapse_delays:
        raise CapacityError(f"{told} with a delay for each synapse: this device takes one for all")
    if delays.ndim and delays.shape != shape:
        raise CapacityError(f"{told} with delays of shape {delays.shape}: give {shape}")
    if not (np.issubdtype(delays.dtype, np.integer) and (delays >= 0).all()):
        raise CapacityError(f"{told} with a delay that is no whole number of steps from 0 on")
    check_limit(f"steps of delay of {told}", int(delays.max()), capacity.delay)
    return delays.astype(np.int64) if delays.ndim else int(delays)


def _with_settings(
    populations: tuple[Population, ...], offered: tuple[Setting, ...]
) -> tuple[Population, ...]:
    by_name = {setting.name: setting for setting in offered}
    chosen = [_settings(population, by_name) for population in populations]
    trimmed = {name for population in populations for name in population.trims}
    for name, setting in by_name.items():
        if any(values[name] != chosen[0][name] for values in chosen):
            if not (setting.per_population or setting.per_neuron):
                raise SettingError(
                    f"setting {name} of one population is not that of another: this device takes "
                    "one value for all"
                )
            if not setting.per_population:
                trimmed.add(name)
    for name in sorted(trimmed):
        if name not in by_name or not by_name[name].per_neuron:
            known = [setting.name for setting in offered if setting.per_neuron]
            raise SettingError(f"setting {name!r} for each neuron: {nearest(name, known)}")
    return tuple(
        Population(
            population.size,
            values,
            {n: _trim(k, population, by_name[n], values[n]) for n in sorted(trimmed)},
        )
        for k, (population, values) in enumerate(zip(populations, chosen, strict=True), start=1)
    )


def _settings(population: Population, offered: dict[str, Setting]) -> dict[str, float]:
    chosen = {name: setting.default for name, setting in offered.items()}
    for name, value in population.settings.items():
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


def _trim(
    number: int, population: Population, setting: Setting, value: float
) -> NDArray[np.float32]:
    values = np.asarray(
        population.trims.get(setting.name, np.full(population.size, value)), np.float32
    )
    if values.shape != (population.size,):
        raise SettingError(
            f"setting {setting.name} for each neuron has shape {values.shape} in layer {number}: "
            f"give {(population.size,)}"
        )
    # Written so that NaN fails.
    low = setting.minimum - SLACK * abs(setting.minimum)
    high = setting.maximum + SLACK * abs(setting.maximum)
    inside = (values >= low) & (values <= high)
    if not inside.all():
        raise SettingError(
            f"setting {setting.name} = {float(values[~inside][0]):g} {setting.unit} of a neuron: "
            f"allowed is {setting.minimum:g} to {setting.maximum:g} {setting.unit}".rstrip()
        )
    return values


def _told(p: int, projection: Projection) -> str:
    return f"projection {p}, from {projection.source} to {projection.target}"
