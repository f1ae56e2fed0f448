"""A device in numpy whose reset, sampling, input and timing are options of its address.

It is written from the device contract alone, as a driver author would, and stands for any device:
`matrix:?reset=hard&sampled=after_reset&reduction=mean&kind=spikes&arrival=next_step`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers import (
    Abilities,
    Capacity,
    Device,
    DeviceInfo,
    Identity,
    Network,
    Neuron,
    Offers,
    Probe,
    ProbeOffer,
    Readout,
    SettingError,
    Stimulus,
    Timing,
    WeightFormat,
    nearest,
    sampling,
)

OPTIONS: dict[str, tuple[str, ...]] = {
    "reset": ("soft", "hard"),
    "sampled": ("before_reset", "after_reset"),
    "reduction": ("none", "mean", "last"),
    "kind": ("current", "current_trace", "spikes"),
    "arrival": ("same_step", "next_step", "end_of_step"),
}
DECAY = 0.9
MISMATCH = 0.05  # coefficient of variation of thresholds and gains


def cells() -> list[dict[str, str]]:
    """Every combination but the arrival at the end of a step, which emulated chips have: 72."""
    options = {**OPTIONS, "arrival": ("same_step", "next_step")}
    return [dict(zip(options, values, strict=True)) for values in product(*options.values())]


def address(cell: Mapping[str, str]) -> str:
    """The address of a cell."""
    return "matrix:?" + "&".join(f"{name}={value}" for name, value in cell.items())


class MatrixDevice(Device):
    """Leaky neurons with mismatch, one spike a step at most."""

    def __init__(self, cell: Mapping[str, str]) -> None:
        """Take a combination of options; what is left out is the first choice."""
        self._cell: dict[str, Any] = {name: cell.get(name, OPTIONS[name][0]) for name in OPTIONS}

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> MatrixDevice:
        """Open the device that the options describe."""
        for name, value in options.items():
            if name not in OPTIONS or value not in OPTIONS[name]:
                known = OPTIONS.get(name, tuple(OPTIONS))
                raise SettingError(f"matrix option {name}={value}: {nearest(value, known)}")
        return cls(options)

    @property
    def info(self) -> DeviceInfo:
        """What it is and shows."""
        cell = self._cell
        return DeviceInfo(
            contract=4,
            identity=Identity("matrix"),
            capacity=Capacity(layers=8, inputs=1024, neurons=1024, batch=500, steps=1000),
            timing=Timing(dt=1e-3, input="same_step", layer=cell["arrival"]),
            neuron=Neuron(reset=cell["reset"], decay=DECAY, refractory=0),
            weights=(WeightFormat(0.01, 100.0, 255),),
            offers=Offers(
                stimuli=(cell["kind"],),
                probes=(
                    ProbeOffer("membrane", "any", (cell["reduction"],), sampled=cell["sampled"]),
                    ProbeOffer("spikes", "any", ("mean",)),
                ),
            ),
            abilities=Abilities(deterministic=True),
        )

    def _configure(self, network: Network) -> None:
        rng = np.random.default_rng(5)
        self._weights = [np.zeros(shape, np.float32) for shape in network.shapes]
        self._thresholds, self._gains = [], []
        for size in network.layers[1:]:
            for kept in (self._thresholds, self._gains):
                kept.append((1 + MISMATCH * rng.standard_normal(size)).astype(np.float32))

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        scale = self.network.full_scale[projection]
        self._weights[projection] = self.info.weight_format(projection).quantise(weights, scale)
        return self._weights[projection].copy()

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        inputs = self._charge(stimulus)
        spikes, membranes = [], []
        for layer in range(len(self._weights)):
            if layer:
                inputs = self._arriving(spikes[-1], layer)
            late = layer > 0 and self._cell["arrival"] == "end_of_step"
            fired, seen = self._layer(inputs, self._thresholds[layer], late)
            spikes.append(fired)
            membranes.append(seen)
        samples = {
            probe: sampling.answer(
                probe, (membranes if probe.quantity == "membrane" else spikes)[probe.layer - 1]
            )
            for probe in probes
        }
        counts = spikes[-1].sum(axis=0, dtype=np.int32)
        return Readout(counts, stimulus.steps, samples, self._cell["sampled"])

    def _charge(self, stimulus: Stimulus) -> NDArray[np.float32]:
        """Charge into the first layer, `(T, B, n)`."""
        matrix = self._weights[0] * self._gains[0]
        steps, batch = stimulus.steps, stimulus.batch
        share = np.float32((1 - DECAY) / -math.log(DECAY))  # it leaks while it flows
        if stimulus.kind == "current":
            return np.broadcast_to(share * (stimulus.data @ matrix), (steps, batch, len(matrix.T)))
        if stimulus.kind == "current_trace":
            return share * np.asarray(stimulus.data @ matrix)
        return np.asarray(stimulus.data @ matrix).reshape(steps, batch, -1)

    def _arriving(self, spikes: NDArray[np.uint8], layer: int) -> NDArray[np.float32]:
        """Charge that the spikes of a layer bring to the next one, step by step."""
        charge = spikes.astype(np.float32) @ (self._weights[layer] * self._gains[layer])
        if self._cell["arrival"] == "next_step":
            charge = np.concatenate([np.zeros_like(charge[:1]), charge[:-1]])
        return charge

    def _layer(
        self, charge: NDArray[np.float32], threshold: NDArray[np.float32], late: bool
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Spikes and membrane samples of one layer, `(T, B, n)` each."""
        v = np.zeros(charge.shape[1:], np.float32)
        spikes, seen = np.empty(charge.shape, np.uint8), np.empty(charge.shape, np.float32)
        for step, x in enumerate(charge):
            u = np.float32(DECAY) * v + (0 if late else x)
            fired = u >= threshold
            charged = u + x if late else u
            v = charged - fired * threshold if self._cell["reset"] == "soft" else charged * ~fired
            spikes[step] = fired
            seen[step] = u if self._cell["sampled"] == "before_reset" else v
        return spikes, seen
