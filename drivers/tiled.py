"""One network on many devices: layers are cut into tiles, and the host passes spikes on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import methodcaller
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.contract.device import Device
from drivers.contract.info import DeviceInfo
from drivers.contract.messages import Probe, Readout, Stimulus
from drivers.contract.network import Network, Population, Projection, Synapses
from drivers.contract.requests import complete_network
from drivers.errors import CapacityError, SettingError
from drivers.group import Group, Job
from drivers.registry import Members

RASTER = Probe(1, "spikes")


@dataclass(frozen=True, eq=False)
class Tile:
    """Some neurons of a layer with all of their synapses, a network of one layer.

    Attributes:
        layer: Number of the layer, from 1.
        first: Number of its first neuron.
        last: Number of the one after its last.
        network: What its device is given.
        weights: Index of its weights among those of the projection.
        channels: Neurons before that it has synapses from; None for all.
    """

    layer: int
    first: int
    last: int
    network: Network
    weights: Any
    channels: NDArray[np.int64] | None = None

    def select_channels(self, stimulus: Stimulus) -> Stimulus:
        """Select what of a stimulus reaches the tile."""
        if self.channels is None:
            return stimulus
        data = stimulus.data
        taken = np.take(data, self.channels, -1) if isinstance(data, np.ndarray) else None
        return replace(stimulus, data=data[:, self.channels] if taken is None else taken)

    def select_neurons(self, probe: Probe) -> tuple[Probe, NDArray[np.int64]]:
        """Select what of a probe concerns the tile: a probe of its own, and places in the answer.

        Nothing does where there are no places.
        """
        if probe.neurons is None:
            return replace(probe, layer=1), np.arange(self.first, self.last)
        neurons = np.asarray(probe.neurons)
        places = np.flatnonzero((neurons >= self.first) & (neurons < self.last))
        own = tuple((neurons[places] - self.first).tolist())
        return replace(probe, layer=1, neurons=own), places


class Tiled(Group):
    """`tiled:ADDRESS[,ADDRESS...]`, e.g. `tiled:emulator:ideal?chip=1..4`.

    Each device holds one tile: some neurons of one layer, with all that leads to them. A run goes
    layer by layer; the spikes of a layer are read step by step and given to all tiles of the next.
    """

    def __init__(self, devices: Sequence[Device], members: Members) -> None:
        """Take over devices that are open; see `Group`.

        Raises:
            SettingError: When they cannot be one device, or one does not show all that the next
                layer has to be given.
        """
        super().__init__(devices, members)
        if members.may_fail or members.at_once:
            raise SettingError("may_fail, at_once: a network does not run without all its tiles")
        for device, address in zip(devices, members.addresses, strict=True):
            _check_member(device.info, devices[0].info, address)
        self._room, self._addresses = self._info, members.addresses
        self._info = _combine_rooms(self._room, len(devices))
        self._tiles: list[Tile] = []

    @classmethod
    def catalogue(cls) -> list[tuple[str, str]]:
        """Say what an address looks like."""
        example = "one network over many, e.g. tiled:emulator:ideal?chip=1..4"
        return [("tiled:ADDRESS,ADDRESS,...", example)]

    def _configure(self, network: Network) -> None:
        tiles = plan_tiles(network, self._room, len(self.devices))
        self._tiles, self._members = tiles, list(range(len(tiles)))
        self._names = [
            f"tile {n} (layer {tile.layer}, neurons {tile.first} to {tile.last - 1}) at {address}"
            for n, (tile, address) in enumerate(zip(tiles, self._addresses, strict=False), start=1)
        ]
        self._ask_each({n: methodcaller("configure", t.network) for n, t in enumerate(tiles)})

    def _list_tiles(self, layer: int) -> dict[int, Tile]:
        """The tiles of a layer by the number of their device."""
        return {n: tile for n, tile in enumerate(self._tiles) if tile.layer == layer}

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        tiles, stored = self._list_tiles(projection + 1), np.empty_like(weights)
        answers = self._ask_each(
            {n: methodcaller("write_weights", 0, weights[t.weights]) for n, t in tiles.items()}
        )
        for number, answer in answers.items():
            stored[tiles[number].weights] = answer
        return stored

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        depth, given, samples = self.network.depth, stimulus, dict[Probe, NDArray[np.generic]]()
        for layer in range(1, depth + 1):
            tiles, asked = self._list_tiles(layer), [p for p in probes if p.layer == layer]
            passed_on = [] if layer == depth else [replace(RASTER, layer=layer)]
            jobs: dict[int, Job[Readout]] = {}
            for number, tile in tiles.items():
                own = [tile.select_neurons(probe) for probe in [*asked, *passed_on]]
                wanted = dict.fromkeys(probe for probe, places in own if len(places))
                jobs[number] = methodcaller(
                    "run", tile.select_channels(given), tuple(wanted), trial=trial, carry=carry
                )
            answers = [(tiles[n], answer) for n, answer in self._ask_each(jobs).items()]
            for probe in asked:
                samples[probe] = _join_samples(probe, answers)
            for probe in passed_on:
                raster = _join_samples(probe, answers)
                events = raster.reshape(-1, raster.shape[-1])
                given = Stimulus.spikes(events, steps=given.steps, lengths=given.lengths)
        counts = np.concatenate([answer.counts for _, answer in answers], axis=1)
        return Readout(counts, stimulus.steps, samples, answers[0][1].membrane_sampled)


def plan_tiles(network: Network, room: DeviceInfo, devices: int) -> list[Tile]:
    """Cut the layers of a network into as many tiles as there are devices, if possible.

    Layers are cut until their tiles fit; what is left over halves the largest tiles.

    Args:
        network: The network, complete.
        room: What each of the devices states.
        devices: How many there are.

    Returns:
        The tiles, layer by layer.

    Raises:
        CapacityError: When it needs more devices.
    """
    cuts = [_cut_until_fitting(network, n, room, devices) for n in range(1, network.depth + 1)]
    needed = [len(tiles) for tiles in cuts]
    if sum(needed) > devices:
        raise CapacityError(
            f"layers {'-'.join(map(str, network.layers))} take {' + '.join(map(str, needed))} "
            f"tiles, each a device of its own: there are {devices}, so name more"
        )
    for _ in range(devices - sum(needed)):
        largest = max(range(len(cuts)), key=lambda k: network.layers[k + 1] / len(cuts[k]))
        with suppress(CapacityError):  # of a single neuron, or one that nothing leads to
            cuts[largest] = cut_layer(network, largest + 1, len(cuts[largest]) + 1, room)
    return [tile for tiles in cuts for tile in tiles]


def _cut_until_fitting(network: Network, layer: int, room: DeviceInfo, most: int) -> list[Tile]:
    """Cut a layer into the fewest tiles that have room on a device each."""
    refusal: CapacityError | None = None
    for parts in range(1, min(most, network.layers[layer]) + 1):
        try:
            return cut_layer(network, layer, parts, room)
        except CapacityError as error:
            refusal = error
    raise CapacityError(f"layer {layer} in {parts} tiles, the most there can be: {refusal}")


def cut_layer(network: Network, layer: int, parts: int, room: DeviceInfo) -> list[Tile]:
    """Cut a layer into tiles of about as many neurons.

    Args:
        network: The network.
        layer: Number of the layer, from 1.
        parts: How many tiles.
        room: What each device states.

    Raises:
        CapacityError: When a tile has no room on a device.
    """
    ends = [network.layers[layer] * part // parts for part in range(parts + 1)]
    tiles = [_cut_tile(network, layer, *each) for each in pairwise(ends)]
    for tile in tiles:
        complete_network(tile.network, room)
    return tiles


def _cut_tile(network: Network, layer: int, first: int, last: int) -> Tile:
    population, projection = network.populations[layer - 1], network.projections[layer - 1]
    whole, synapses, channels = projection.synapses, None, None
    weights: Any = np.s_[:, first:last]
    inputs = network.layers[layer - 1]
    if whole is not None:
        weights = np.flatnonzero((whole.post >= first) & (whole.post < last))
        channels, pre = np.unique(whole.pre[weights], return_inverse=True)
        synapses, inputs = (
            Synapses(pre.astype(np.int32), whole.post[weights] - first),
            len(channels),
        )
    delay = (
        projection.delay[weights] if isinstance(projection.delay, np.ndarray) else projection.delay
    )
    trims = {name: values[first:last] for name, values in population.trims.items()}
    tile = Network(
        inputs,
        (Population(last - first, population.settings, trims),),
        (Projection(0, 1, projection.full_scale, delay, synapses),),
    )
    return Tile(layer, first, last, tile, weights, channels)


def _join_samples(probe: Probe, answers: Sequence[tuple[Tile, Readout]]) -> NDArray[np.generic]:
    """The answer to a probe of a layer, from those of its tiles."""
    parts = [(*tile.select_neurons(probe), answer.samples) for tile, answer in answers]
    shares = [(places, samples[own]) for own, places, samples in parts if len(places)]
    answer = np.concatenate([values for _, values in shares], axis=-1)
    order = np.argsort(np.concatenate([places for places, _ in shares]))
    return np.take(answer, order, axis=-1)


def _check_member(info: DeviceInfo, first: DeviceInfo, address: str) -> None:
    """Refuse a device that cannot hold a tile.

    Raises:
        SettingError: Naming it.
    """
    shown = info.offer("spikes", 1, 1)
    if shown is None or "none" not in shown.reductions or shown.neurons is not None:
        raise SettingError(
            f"{address} does not show all spikes of its output step by step, which the next layer "
            "is given: use a device that does"
        )
    if "spikes" not in info.offers.stimuli:
        raise SettingError(f"{address} takes no spikes, which the layer before gives")
    if info.weights[0] != first.weights[0]:
        raise SettingError(f"{address} stores other weights than the first device: give alike ones")


def _combine_rooms(room: DeviceInfo, devices: int) -> DeviceInfo:
    """State what devices with the same room each are together."""
    own = room.capacity
    limits = (own.inputs, own.fan_in, own.synapses)
    fan_in = min(limit for limit in limits if limit is not None)
    synapses = None if own.synapses is None else own.synapses // fan_in * fan_in * devices
    shown = [room.offer("spikes", 1, 1), room.offer("membrane", 1, 1)]
    return replace(
        room,
        identity=replace(room.identity, name=f"tiled over {room.identity.name}"),
        capacity=replace(
            own,
            inputs=own.inputs * devices,
            neurons=own.neurons * devices,
            layers=devices,
            fan_in=fan_in,
            synapses=synapses,
            recurrence=False,
            skips=False,
            sparse=True,
        ),
        timing=replace(room.timing, layer=room.timing.input),
        weights=room.weights[:1],
        offers=replace(
            room.offers, probes=tuple(replace(o, layers="any") for o in shown if o is not None)
        ),
        abilities=replace(room.abilities, faults=()),
    )
