"""Right devices of strangers, each of another make: what they share is numpy and the contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from drivers import (
    Abilities,
    Capacity,
    Device,
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
from drivers.contract.info import StimulusKind
from support.restated import restated

Array = NDArray[Any]


def _stated(name: str, neuron: Neuron, weights: WeightFormat, *stimuli: StimulusKind) -> DeviceInfo:
    return DeviceInfo(
        contract=4,
        identity=Identity(name),
        capacity=Capacity(inputs=128, neurons=256, layers=3, batch=64, steps=64),
        timing=Timing(dt=1e-3, layer="same_step"),
        neuron=neuron,
        weights=(weights,),
        offers=Offers(
            stimuli=stimuli,
            probes=(ProbeOffer("membrane", reductions=("mean", "none")), ProbeOffer("spikes")),
        ),
        abilities=Abilities(deterministic=True),
    )


class Abroad(Device):
    """What they have in common: layers one after the other, each step from what it gets."""

    stated: ClassVar[DeviceInfo]
    facts: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Abroad:
        return cls()

    @property
    def info(self) -> DeviceInfo:
        return restated(self.stated, **self.facts)

    def _configure(self, network: Network) -> None:
        self._network = network
        self._cells = [np.zeros(shape, np.float32) for shape in network.shapes]

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        form = self.info.weight_format(projection)
        self._cells[projection] = form.quantise(weights, self._network.full_scale[projection])
        return self._cells[projection].copy()

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        info = self.info
        shapes = [(stimulus.batch, cells.shape[1]) for cells in self._cells]
        self._v = [np.zeros(shape) for shape in shapes]
        self._more = [np.zeros(shape) for shape in shapes]
        shown = [np.zeros((stimulus.steps, *shape), np.float32) for shape in shapes]
        fired = [np.zeros((stimulus.steps, *shape), np.uint8) for shape in shapes]
        before: list[Array] = [np.zeros((stimulus.batch, stimulus.channels)), *self._v]
        late = [info.timing.input == "next_step" and stimulus.kind == "spikes"]
        late += [info.timing.layer == "next_step"] * len(shapes)
        for step, active in enumerate(stimulus.dense()):
            events: Array = active
            for layer, cells in enumerate(self._cells):
                arrives, before[layer] = before[layer] if late[layer] else events, events
                events, membrane = self.step(layer, arrives @ cells)
                shown[layer][step], fired[layer][step] = membrane, events
        samples = {
            probe: sampling.answer(
                probe, (fired if probe.quantity == "spikes" else shown)[probe.layer - 1]
            )
            for probe in probes
        }
        counts = fired[-1].sum(axis=0, dtype=np.int32)
        sampled = info.offers.probes[0].sampled
        return Readout(counts, stimulus.steps, samples, membrane_sampled=sampled)

    def step(self, layer: int, charge: Array) -> tuple[Array, Array]:
        """Spikes of a step, and the membrane that is shown."""
        raise NotImplementedError


class Shifting(Abroad):
    """Whole numbers that leak by a shift to the right and show means after a hard reset."""

    stated = restated(
        _stated(
            "shifting",
            Neuron(reset="hard", decay=15 / 16, membrane=Membrane("LSB", 0.0, 64.0)),
            WeightFormat(7 / 64, 56 / 64, levels=15),
            "spikes",
        ),
        input="next_step",
        layer="next_step",
        batch=1,
        probes=(
            ProbeOffer("membrane", reductions=("mean",), sampled="after_reset"),
            ProbeOffer("spikes", "output"),
        ),
    )

    def step(self, layer: int, charge: Array) -> tuple[Array, Array]:
        v = self._v[layer]
        v = v - np.floor(v / 16) + np.rint(64 * charge)
        fired = v >= 64
        self._v[layer] = np.where(fired, 0, v)
        return fired, self._v[layer]


class Resting(Abroad):
    """Neurons that rest for two steps, thresholds a fifth apart, 6-bit codes; little known."""

    stated = restated(
        _stated(
            "resting",
            Neuron(reset="soft", membrane=Membrane("code", 20.0, 40.0)),
            WeightFormat(0.1, 4.0, levels=255),
            "current",
            "current_trace",
            "spikes",
        ),
        layer=None,
    )

    def step(self, layer: int, charge: Array) -> tuple[Array, Array]:
        spread = np.random.default_rng(11).normal(1, 0.2, 256).clip(0.5, 1.5)
        threshold, free = spread[: charge.shape[1]], self._more[layer] == 0
        v = 0.85 * self._v[layer] + charge * free
        fired = (v >= threshold) & free
        self._more[layer] = np.where(fired, 2, np.maximum(self._more[layer] - 1, 0))
        self._v[layer] = v - threshold * fired
        return fired, np.rint(20 + 20 * v).clip(0, 63)


class Flowing(Abroad):
    """A synaptic current before the membrane, as stated by the role of a setting."""

    stated = restated(
        _stated(
            "flowing",
            Neuron(
                reset="soft",
                decay=0.9,
                settings=(
                    Setting("tau_s", "s", 1e-3, 2e-2, 3e-3, "How it flows.", role="synapse"),
                ),
            ),
            WeightFormat(0.1, 4.0, levels=255),
            "spikes",
        ),
        input="next_step",
        layer="next_step",
    )

    def step(self, layer: int, charge: Array) -> tuple[Array, Array]:
        kept = np.exp(-1e-3 / self._network.settings.get("tau_s", 3e-3))
        self._more[layer] = kept * self._more[layer] + (1 - kept) * charge
        v = 0.9 * self._v[layer] + self._more[layer]
        self._v[layer] = v - (v >= 1)
        return v >= 1, v


class Bursting(Abroad):
    """Up to four spikes a step, under constant currents, and means after the reset."""

    stated = restated(
        _stated(
            "bursting",
            Neuron(reset="soft", decay=0.5, spikes_per_step=4),
            WeightFormat(0.5, 4.0, levels=15),
            "current",
        ),
        layer="next_step",
        batch=16,
        probes=(ProbeOffer("membrane", reductions=("mean",), sampled="after_reset"),),
    )

    def step(self, layer: int, charge: Array) -> tuple[Array, Array]:
        v = 0.5 * self._v[layer] + charge
        fired = np.floor(v).clip(0, 4)
        self._v[layer] = v - fired
        return fired, self._v[layer]
