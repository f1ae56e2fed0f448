"""A right device that runs any graph with any delays, in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers import (
    Abilities,
    Capacity,
    DeviceInfo,
    Identity,
    Network,
    Neuron,
    Offers,
    Probe,
    ProbeOffer,
    Projection,
    Readout,
    Stimulus,
    Timing,
    WeightFormat,
    sampling,
)
from support.restated import StatedDevice, restated

LEAK, LONGEST = 0.9, 6

INFO = DeviceInfo(
    contract=4,
    identity=Identity("wired"),
    capacity=Capacity(
        layers=3,
        inputs=96,
        neurons=32,
        batch=20,
        steps=80,
        recurrence=True,
        skips=True,
        delay=LONGEST,
        synapse_delays=True,
    ),
    timing=Timing(dt=1e-3, input="end_of_step", layer="end_of_step", events_add=True),
    neuron=Neuron(reset="soft", decay=LEAK),
    weights=(WeightFormat(0.01, 4.0, levels=63),),
    offers=Offers(
        stimuli=("spikes", "current_trace"),
        probes=(ProbeOffer("spikes"), ProbeOffer("membrane")),
    ),
    abilities=Abilities(deterministic=True, runs_on=True),
)


class Wired(StatedDevice):
    """Leaky neurons with a soft reset; events wait in line until they are due."""

    stated = INFO
    arrival = "end_of_step"

    @property
    def info(self) -> DeviceInfo:
        return restated(super().info, input=self.arrival, layer=self.arrival)

    def _configure(self, network: Network) -> None:
        super()._configure(network)
        self._wired, self._sizes = network.projections, network.layers

    # -- a run, in parts that can go wrong one by one ------------------------------------------

    def weights(self, number: int) -> NDArray[np.float64]:
        return self._cells[number].astype(np.float64)

    def delays(self, number: int) -> NDArray[np.int64]:
        """Of each synapse of a projection."""
        return np.broadcast_to(self._wired[number].delay, self.weights(number).shape)

    def target(self, each: Projection) -> int:
        return each.target

    def back(self, each: Projection) -> int:
        """How many steps an event takes without delay until a test that it can move."""
        if self.arrival == "same_step":
            return int(each.target <= each.source)
        return 1

    def start(self, batch: int) -> None:
        """Nothing before a run from reset: no charge, nothing on its way."""
        shapes = [(batch, n) for n in self._sizes[1:]]
        self._membranes = [np.zeros(shape) for shape in shapes]
        self._due = [[np.zeros(shape) for shape in shapes] for _ in range(LONGEST + 3)]

    def resume(self, batch: int) -> None:
        """What is done before a run that carries on."""

    def send(self, number: int, active: NDArray[np.float64]) -> None:
        """Put events of a projection in line."""
        each, weights, delays = self._wired[number], self.weights(number), self.delays(number)
        for delay in np.unique(delays):
            due = self._due[delay + self.back(each)][self.target(each) - 1]
            due += active @ np.where(delays == delay, weights, 0.0)

    def tested(self, layer: int, membrane: NDArray[np.float64]) -> NDArray[np.float64]:
        """The membrane that is held against the threshold."""
        return membrane

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        (self.resume if carry else self.start)(stimulus.batch)
        raster: list[list[Any]] = [[] for _ in self._membranes]
        seen: list[list[Any]] = [[] for _ in self._membranes]
        for active in stimulus.dense():
            self._hand_on(0, active.astype(np.float64))
            for layer in range(len(self._membranes)):
                # Charge at the end of a step leaks before the next test, as that in line does not.
                leaks = LEAK if self.arrival == "end_of_step" else 1.0
                arrived = leaks * self._due[0][layer]
                membrane = self.tested(layer, LEAK * self._membranes[layer] + arrived)
                spikes = membrane >= 1
                self._membranes[layer] = membrane - spikes
                raster[layer].append(spikes)
                seen[layer].append(membrane.astype(np.float32))
                self._hand_on(layer + 1, spikes.astype(np.float64))
            done = self._due.pop(0)
            self._due.append([np.zeros_like(each) for each in done])
        samples = {
            probe: sampling.answer(
                probe,
                np.array(raster[probe.layer - 1], np.uint8)
                if probe.quantity == "spikes"
                else np.array(seen[probe.layer - 1]),
            )
            for probe in probes
        }
        counts = np.array(raster[-1]).sum(axis=0).astype(np.int32)
        return Readout(counts, stimulus.steps, samples)

    def _hand_on(self, source: int, active: NDArray[np.float64]) -> None:
        for number, each in enumerate(self._wired):
            if each.source == source:
                self.send(number, active)
