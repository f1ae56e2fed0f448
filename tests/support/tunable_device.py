"""A right device that states all that a device can: timing, reset, refractory steps, roles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from drivers import (
    Capacity,
    DeviceInfo,
    Identity,
    Membrane,
    Network,
    Neuron,
    Offers,
    Probe,
    ProbeOffer,
    Readout,
    Setting,
    Stimulus,
    Timing,
    WeightFormat,
    sampling,
)
from support.restated import StatedDevice

REST, THRESHOLD, DT = -70.0, -50.0, 1e-3  # mV, s
TAU = -DT / math.log(0.9)

INFO = DeviceInfo(
    contract=4,
    identity=Identity("tunable"),
    capacity=Capacity(layers=3, inputs=96, neurons=32, batch=20, steps=80),
    timing=Timing(
        dt=DT,
        input="same_step",
        layer="end_of_step",
        hard_reset_clears_events=False,
        events_add=True,
    ),
    neuron=Neuron(
        reset="hard",
        decay=0.9,
        refractory=2,
        membrane=Membrane("mV", REST, THRESHOLD),
        settings=(
            Setting("v_th", "mV", -62.0, -38.0, THRESHOLD, "Where it fires.", role="threshold"),
            Setting("tau", "s", 4e-3, 40e-3, TAU, "How it leaks.", role="time_constant"),
        ),
    ),
    weights=(WeightFormat(0.01, 4.0, levels=255),),
    offers=Offers(
        stimuli=("spikes", "current_trace"),
        probes=(ProbeOffer("membrane", sampled="after_reset"), ProbeOffer("spikes")),
    ),
)


class Tunable(StatedDevice):
    """Leaky neurons; what a class attribute says is done, and what `INFO` says is stated."""

    stated = INFO
    arrivals: ClassVar[tuple[str, ...]] = ("same_step", "end_of_step", "end_of_step")
    gains: ClassVar[tuple[float, ...]] = (1.0, 1.0, 1.0)
    clears, adds, refractory = False, True, 2

    def _configure(self, network: Network) -> None:
        super()._configure(network)
        self._threshold = self.threshold(network.settings["v_th"])
        self._decay = self.decay(network.settings["tau"])

    def threshold(self, millivolts: float) -> float:
        return (millivolts - REST) / (THRESHOLD - REST)

    def decay(self, seconds: float) -> float:
        return math.exp(-DT / seconds)

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        shapes = [(stimulus.batch, cells.shape[1]) for cells in self._cells]
        v, pending, held = ([np.zeros(shape) for shape in shapes] for _ in range(3))
        seen, spikes = (
            [np.zeros((stimulus.steps, *shape), np.float32) for shape in shapes] for _ in range(2)
        )
        for step, active in enumerate(stimulus.dense()):
            events = active if self.adds or stimulus.kind != "spikes" else np.minimum(active, 1)
            for layer, cells in enumerate(self._cells):
                arrival, charge = self.arrivals[layer], self.gains[layer] * (events @ cells)
                if arrival == "next_step":
                    charge, pending[layer] = pending[layer], charge
                ignores = held[layer] > 0
                u = self._decay * v[layer] + (0 if arrival == "end_of_step" else charge)
                u = np.where(ignores, 0, u)
                fired = u >= self._threshold
                left = np.where(fired, 0, u)
                if arrival == "end_of_step":
                    late = fired & self.clears | ignores
                    left = left + np.where(late, 0, charge)
                held[layer] = np.where(fired, self.refractory, np.maximum(held[layer] - 1, 0))
                v[layer], seen[layer][step], spikes[layer][step] = left, left, fired
                events = fired.astype(np.float32)
        return self.readout(stimulus, probes, seen, spikes)

    def readout(
        self, stimulus: Stimulus, probes: Sequence[Probe], seen: Any, spikes: Any
    ) -> Readout:
        samples = {}
        for probe in probes:
            if probe.quantity == "spikes":
                trace = spikes[probe.layer - 1].astype(np.uint8)
            else:
                trace = (REST + (THRESHOLD - REST) * seen[probe.layer - 1]).astype(np.float32)
            samples[probe] = sampling.answer(probe, trace)
        counts = spikes[-1].sum(axis=0).astype(np.int32)
        return Readout(counts, stimulus.steps, samples, "after_reset")
