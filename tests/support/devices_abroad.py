"""Right devices of strangers, each of another make: what they share is numpy and the contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers import (
    Abilities,
    Capacity,
    Device,
    DeviceInfo,
    DeviceNotFound,
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
from support.restated import StatedDevice, restated

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


class Abroad(StatedDevice):
    """What they have in common: layers one after the other, each step from what it gets."""

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

    @property
    def flow_time(self) -> float:
        return self.network.settings["tau_s"]

    def step(self, layer: int, charge: Array) -> tuple[Array, Array]:
        kept = np.exp(-1e-3 / self.flow_time)
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


UNIT = 4096  # of a membrane, at a weight of one threshold and full scale 1
SHIFT = 4  # a sixteenth leaks away in a step

INFO = DeviceInfo(
    contract=4,
    identity=Identity("stranger"),
    capacity=Capacity(layers=4, inputs=128, neurons=32, batch=32, steps=128),
    timing=Timing(dt=1e-3),
    neuron=Neuron(membrane=Membrane("LSB", 0.0, float(UNIT)), reset="hard", decay=1 - 2.0**-SHIFT),
    weights=(WeightFormat(0.1, 8.0, levels=255),),
    offers=Offers(
        stimuli=("spikes",),
        probes=(ProbeOffer("membrane", "any", ("mean",), sampled="after_reset"),),
    ),
    abilities=Abilities(deterministic=True),
)


class Stranger(StatedDevice):
    """Integer neurons; the threshold of each layer follows from its projection's full scale."""

    stated = INFO
    hard, rests = True, False

    def _configure(self, network: Network) -> None:
        self._full_scale = network.full_scale
        self._codes = [np.zeros(shape, np.int64) for shape in network.shapes]

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        scale = np.float32(self._full_scale[projection])
        self._codes[projection] = np.rint(np.clip(weights / scale, -1, 1) * 127).astype(np.int64)
        return (self._codes[projection] * (scale / np.float32(127))).astype(np.float32)

    # -- parts that can go wrong one by one ----------------------------------------------------

    def thresholds(self) -> list[int]:
        """In codes of a weight, of each layer, times 16."""
        return [round(127 * 16 / scale) for scale in self._full_scale]

    def rows(self, stimulus: Stimulus) -> NDArray[np.int64]:
        """Events, `(T, B, n_in)`."""
        dense = np.asarray(stimulus.data.toarray(), np.int64)  # type: ignore[union-attr]
        return dense.reshape(stimulus.steps, stimulus.batch, -1)

    def leak(self, membrane: NDArray[np.int64]) -> NDArray[np.int64]:
        return membrane - (membrane >> SHIFT)

    def sample(self, before: Any, after: Any) -> Any:
        return after

    def shown(self, probe: Probe, traces: Any) -> Any:
        return sampling.answer(probe, traces[probe.layer - 1])

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        events = self.rows(stimulus)
        steps, batch = events.shape[:2]
        membranes = [np.zeros((batch, codes.shape[1]), np.int64) for codes in self._codes]
        traces = [np.zeros((steps, *m.shape), np.float32) for m in membranes]
        counts = np.zeros(membranes[-1].shape, np.int32)
        rest = [np.zeros(m.shape, bool) for m in membranes]
        for step in range(steps):
            active = events[step]
            for layer, (codes, threshold) in enumerate(
                zip(self._codes, self.thresholds(), strict=True)
            ):
                membrane = self.leak(membranes[layer]) + 16 * (active @ codes) * ~rest[layer]
                fired = membrane >= threshold
                rest[layer] = fired & self.rests
                left = np.where(fired, 0 if self.hard else membrane - threshold, membrane)
                traces[layer][step] = self.sample(membrane, left) * np.float32(UNIT / threshold)
                membranes[layer], active = left, fired.astype(np.int64)
            counts += fired
        samples = {probe: self.shown(probe, traces) for probe in probes}
        sampled = [offer.sampled for offer in self.info.offers.probes]
        return Readout(counts, steps, samples, *sampled[:1])


THRESHOLD, LEVELS = 1024, 31  # in the chip's own unit; stored weights
LEAK = 1 / 8  # of a membrane in a step, rounded towards zero


class IntegerChip(Device):
    """Leaky integer neurons: the host sees the means of their membranes after the reset."""

    independent = True

    def __init__(self) -> None:
        self._full_scale: tuple[float, ...] = ()
        self._cells: list[NDArray[np.int64]] = []

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> IntegerChip:
        if target or options:
            raise DeviceNotFound("there is one integer chip: write integer:")
        return cls()

    @property
    def info(self) -> DeviceInfo:
        return DeviceInfo(
            contract=4,
            identity=Identity("integer"),
            capacity=Capacity(layers=4, inputs=256, neurons=256, batch=32, steps=64),
            timing=Timing(dt=1e-3),
            neuron=Neuron(
                membrane=Membrane("LSB", 0.0, float(THRESHOLD)), reset="hard", decay=1 - LEAK
            ),
            weights=(WeightFormat(0.05, 8.0, levels=LEVELS),),
            offers=Offers(
                stimuli=("spikes",),
                probes=(
                    ProbeOffer("membrane", "any", ("mean",), sampled="after_reset"),
                    ProbeOffer("spikes", "hidden", ("mean",)),
                ),
            ),
            abilities=Abilities(deterministic=True),
        )

    def _configure(self, network: Network) -> None:
        self._full_scale = network.full_scale
        self._cells = [np.zeros(shape, np.int64) for shape in network.shapes]

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        form = self.info.weight_format(projection)
        stored = form.quantise(weights, self._full_scale[projection])
        self._cells[projection] = np.rint(stored * THRESHOLD).astype(np.int64)
        return stored

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        steps, batch = stimulus.steps, stimulus.batch
        events = stimulus.data.toarray().reshape(steps, batch, -1)  # type: ignore[union-attr]
        membranes = [np.zeros((batch, cells.shape[1]), np.int64) for cells in self._cells]
        traces = {
            quantity: [np.zeros((steps, *v.shape), np.float32) for v in membranes]
            for quantity in ("membrane", "spikes")
        }
        for step in range(steps):
            active = events[step]
            for layer, cells in enumerate(self._cells):
                v = membranes[layer]
                v -= np.trunc(v * LEAK).astype(np.int64)
                v += np.rint(active.astype(np.float64) @ cells).astype(np.int64)
                fired = v >= THRESHOLD
                v[fired] = 0
                active = fired.astype(np.float32)
                traces["membrane"][layer][step], traces["spikes"][layer][step] = v, fired
        samples = {
            probe: sampling.answer(probe, traces[probe.quantity][probe.layer - 1])
            for probe in probes
        }
        counts = traces["spikes"][-1].sum(axis=0).astype(np.int32)
        return Readout(counts, steps, samples, "after_reset")
