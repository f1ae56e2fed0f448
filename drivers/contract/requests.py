"""Checks of what a device is asked for, made by `Device` for all drivers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers.contract.arrays import read_only
from drivers.contract.info import Capacity, DeviceInfo, Setting, StimulusKind, WeightFormat
from drivers.contract.messages import Probe, Stimulus
from drivers.contract.network import Network, Population, Projection, Synapses
from drivers.errors import (
    CapacityError,
    SettingError,
    StimulusError,
    UnsupportedProbe,
    WeightError,
    nearest,
)


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
    most = info.capacity.events_per_step
    if most is not None and stimulus.kind == "spikes":
        fullest = int(stimulus.data.sum(axis=1).max())
        if fullest > most:
            raise StimulusError(
                f"{fullest} input events in one step of a sample: this device takes {most}, so "
                "give fewer"
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


def check_weights(projection: int, weights: ArrayLike, network: Network) -> NDArray[np.float32]:
    """The weights of one projection as an array, checked.

    Args:
        projection: 0 (from the input) to L-1.
        weights: As `Network.shapes`, in nominal thresholds.
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
    # One pass over them, unless the sum of their squares is beyond what float32 holds.
    if not (math.isfinite(np.vdot(matrix, matrix)) or np.isfinite(matrix).all()):
        raise WeightError(
            f"weights of projection {projection} are not all finite: lower the learning rate "
            "or check the data"
        )
    return matrix


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
    places = tuple(map(_check_places, network.projections, network.ends))
    network = replace(network, projections=places)
    _check_synapses(network, info.capacity)
    projections = tuple(
        replace(
            projection,
            full_scale=_complete_full_scale(p, projection, info.weight_format(p)),
            delay=_check_delay(
                _describe_projection(p, projection), projection, network.shapes[p], info.capacity
            ),
        )
        for p, projection in enumerate(network.projections)
    )
    populations = _complete_populations(network.populations, info.neuron.settings)
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
        told, (source, target) = _describe_projection(p, projection), ends[p]
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


def _check_places(projection: Projection, ends: tuple[int, int]) -> Projection:
    """The projection with its synapses as int32, read-only, in order and in range."""
    given = projection.synapses
    if given is None:
        return projection
    what = f"synapses from {projection.source} to {projection.target}"
    number = np.size(given.pre)
    places = []
    for name, most in (("pre", ends[0]), ("post", ends[1])):
        values = np.asarray(getattr(given, name))
        whole = np.issubdtype(values.dtype, np.integer) and values.shape == (number,)
        if not (whole and number and 0 <= values.min() <= values.max() < most):
            raise CapacityError(
                f"{what}: {name} is {values.dtype} {values.shape}, give {number or 'some'} whole "
                f"numbers from 0 to {most - 1}"
            )
        places.append(read_only(np.ascontiguousarray(values, np.int32)))
    pre, post = places
    level = pre[1:] == pre[:-1]
    ordered = (pre[1:] > pre[:-1]) | level & (post[1:] > post[:-1])
    delays = np.asarray(projection.delay)
    if delays.shape == pre.shape:
        ordered |= level & (post[1:] == post[:-1]) & (delays[1:] > delays[:-1])
    if not ordered.all():
        first = int(np.argmin(ordered)) + 1
        raise CapacityError(
            f"{what}: number {first}, from {pre[first]} to {post[first]}, is out of order or there "
            "twice: sort them by pre, then post, then delay"
        )
    return replace(projection, synapses=Synapses(*places))


def _check_synapses(network: Network, capacity: Capacity) -> None:
    reaching = [np.zeros(size, np.int64) for size in network.layers]
    synapses = 0
    for (before, after), projection in zip(network.ends, network.projections, strict=True):
        own = projection.synapses if capacity.sparse else None
        if capacity.fan_in is not None:
            fan_in = before if own is None else np.bincount(own.post, minlength=after)
            reaching[projection.target] += fan_in
        synapses += before * after if own is None else own.size
    for population, counts in enumerate(reaching[1:], start=1):
        if capacity.fan_in is not None:
            what = f"synapses that reach a neuron of layer {population}"
            check_limit(what, int(counts.max()), capacity.fan_in)
    if capacity.synapses is not None:
        check_limit("synapses in all", synapses, capacity.synapses)


def _complete_full_scale(p: int, projection: Projection, form: WeightFormat) -> float:
    low, high = form.minimum_full_scale, form.maximum_full_scale
    scale = projection.full_scale
    if scale is None:
        return min(max(1.0, low), high)
    if not (math.isfinite(scale) and low * (1 - SLACK) <= scale <= high * (1 + SLACK)):
        raise CapacityError(
            f"full scale {scale:g} of projection {p}: this device allows {low:g} to {high:g}"
        )
    return float(scale)


def _check_delay(
    told: str, projection: Projection, shape: tuple[int, ...], capacity: Capacity
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


def _complete_populations(
    populations: tuple[Population, ...], offered: tuple[Setting, ...]
) -> tuple[Population, ...]:
    by_name = {setting.name: setting for setting in offered}
    chosen = [_complete_settings(population, by_name) for population in populations]
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
            names = [setting.name for setting in offered if setting.per_neuron]
            raise SettingError(f"setting {name!r} for each neuron: {nearest(name, names)}")
    return tuple(
        Population(
            population.size,
            values,
            {n: _complete_trims(k, population, by_name[n], values[n]) for n in sorted(trimmed)},
        )
        for k, (population, values) in enumerate(zip(populations, chosen, strict=True), start=1)
    )


def _complete_settings(population: Population, offered: dict[str, Setting]) -> dict[str, float]:
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


def _complete_trims(
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


def _describe_projection(p: int, projection: Projection) -> str:
    return f"projection {p}, from {projection.source} to {projection.target}"
