"""SuperNeuroMAT, the matrix simulator of Oak Ridge National Laboratory, as a device.

P. Date et al., SuperNeuro: a fast and scalable simulator for neuromorphic computing, ICONS 2023.
A neuron leaks by a constant towards 0, adds what arrives, and above its threshold fires and is
set to 0. An input channel is a neuron that fires when it is told to.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.contract.device import Device
from drivers.contract.info import (
    Abilities,
    Capacity,
    DeviceInfo,
    Identity,
    Membrane,
    Neuron,
    Offers,
    ProbeOffer,
    Setting,
    Timing,
    WeightFormat,
)
from drivers.contract.messages import Probe, Readout, Stimulus
from drivers.contract.network import Network
from drivers.contract.sampling import answer
from drivers.errors import DeviceNotFound, SettingError, StimulusError

MOST_SYNAPSES = 2**20  # each is an object of the simulator, and one of a square matrix


class SuperNeuroMAT(Device):
    """`superneuromat:`, the simulator on the processor that the host runs on."""

    independent = True

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> SuperNeuroMAT:
        """Take the simulator; there is one."""
        if target or options:
            raise SettingError(
                f"superneuromat: takes neither target nor options, was given "
                f"{', '.join([target, *options]).strip(', ')}"
            )
        try:
            _import_simulator()
        except ImportError as error:
            raise DeviceNotFound(
                f"superneuromat: needs the simulator ({error}): "
                "pip install 'spikeloop[superneuromat]'"
            ) from None
        return cls()

    @classmethod
    def catalogue(cls) -> list[tuple[str, str]]:
        """List the one address."""
        return [("superneuromat:", "the simulator SuperNeuroMAT: linear leak, hard reset")]

    @property
    def info(self) -> DeviceInfo:
        """Statement of the simulator; its limits are what it does in reasonable time."""
        return DeviceInfo(
            contract=4,
            identity=Identity("superneuromat"),
            capacity=Capacity(
                layers=8,
                inputs=1024,
                neurons=1024,
                batch=1024,
                steps=10_000,
                synapses=MOST_SYNAPSES,
            ),
            timing=Timing(dt=1e-3, input="same_step", layer="same_step"),
            neuron=Neuron(
                membrane=Membrane("thresholds"),
                settings=(
                    Setting(
                        "leak",
                        unit="",
                        minimum=0.0,
                        maximum=10.0,
                        default=0.02,
                        meaning="What a membrane loses in a step, in thresholds.",
                    ),
                ),
                reset="hard",
                refractory=0,
            ),
            weights=(WeightFormat(1e-3, 1000.0),),
            offers=Offers(
                stimuli=("spikes",),
                probes=(ProbeOffer("spikes"), ProbeOffer("membrane", sampled="after_reset")),
            ),
            abilities=Abilities(deterministic=True),
        )

    def _configure(self, network: Network) -> None:
        self._snn: Any = _import_simulator().SNN()
        self._snn.backend, self._snn.stdp = "cpu", False
        ends = np.cumsum([0, *network.layers]).tolist()
        self._layers = [slice(first, end) for first, end in pairwise(ends)]
        for _ in range(network.layers[0]):
            self._snn.create_neuron(threshold=0.0)
        for _ in range(ends[-1] - network.layers[0]):
            self._snn.create_neuron(threshold=1.0, leak=network.settings["leak"])
        for sources, targets in pairwise(self._layers):
            for source in range(sources.start, sources.stop):
                for target in range(targets.start, targets.stop):
                    self._snn.create_synapse(source, target, weight=0.0)
        self._matrix = np.zeros((ends[-1], ends[-1]))

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        stored = self.info.weight_format(projection).quantise(
            weights, self.network.full_scale[projection]
        )
        self._matrix[self._layers[projection], self._layers[projection + 1]] = stored
        self._snn.set_weights_from_mat(self._matrix)
        return stored

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        steps, batch, depth = stimulus.steps, stimulus.batch, self.network.depth
        counts = stimulus.dense()
        if counts.max() > 1:
            raise StimulusError(
                f"{counts.max():g} spikes of a channel in one step: superneuromat takes 1"
            )
        inputs: list[list[tuple[int, int]]] = [[] for _ in range(batch)]
        for step, sample, channel in np.argwhere(counts).tolist():
            inputs[sample].append((step, channel))
        # Every layer hears of the one before a step later: layer l runs l steps late.
        ticks = steps + depth
        fired = np.empty((ticks, batch, len(self._matrix)), np.uint8)
        membranes = None
        if any(probe.quantity == "membrane" for probe in probes):
            membranes = np.empty((ticks, batch, len(self._matrix)), np.float32)
        for sample in range(batch):
            seen = None if membranes is None else membranes[:, sample]
            fired[:, sample] = self._simulate(inputs[sample], ticks, seen)
        samples = {}
        for probe in probes:
            trace = fired if probe.quantity == "spikes" else membranes
            assert trace is not None
            window = slice(probe.layer, probe.layer + steps)
            samples[probe] = answer(probe, trace[window, :, self._layers[probe.layer]])
        output = fired[depth:, :, self._layers[-1]].sum(axis=0, dtype=np.int32)
        return Readout(output, steps, samples, "after_reset")

    def _simulate(
        self, spikes: list[tuple[int, int]], ticks: int, seen: NDArray[np.float32] | None
    ) -> NDArray[np.bool_]:
        """Simulate one sample from reset: spikes of every neuron; fills `seen` with membranes."""
        self._snn.reset()
        for tick, channel in spikes:
            self._snn.add_spike(tick, channel)

        def look(snn: Any, tick: int, _: int) -> None:  # called before each tick
            if tick and seen is not None:
                snn.devec()
                seen[tick - 1] = snn.neuron_states

        self._snn.simulate(ticks, look if seen is not None else None)
        if seen is not None:
            seen[-1] = self._snn.neuron_states
        raster: NDArray[np.bool_] = self._snn.ispikes
        return raster


def _import_simulator() -> Any:
    """Import it without numba, which it can do without and which the working folder configures."""
    absent = "numba" not in sys.modules
    if absent:
        sys.modules["numba"] = None  # type: ignore[assignment]
    try:
        return import_module("superneuromat")
    finally:
        if absent:
            del sys.modules["numba"]
