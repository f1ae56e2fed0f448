"""A right device as a stranger builds it: integers, spikes alone, hard reset, means after it."""

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
    Stimulus,
    Timing,
    WeightFormat,
    sampling,
)
from support.restated import restated

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


class Stranger(Device):
    """Integer neurons; the threshold of each layer follows from its projection's full scale."""

    facts: ClassVar[Mapping[str, Any]] = {}
    hard, rests = True, False

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Stranger:
        return cls()

    @property
    def info(self) -> DeviceInfo:
        return restated(INFO, **self.facts)

    def _configure(self, network: Network) -> None:
        self._scales = network.full_scale
        self._codes = [np.zeros(shape, np.int64) for shape in network.shapes]

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        scale = np.float32(self._scales[projection])
        self._codes[projection] = np.rint(np.clip(weights / scale, -1, 1) * 127).astype(np.int64)
        return (self._codes[projection] * (scale / np.float32(127))).astype(np.float32)

    # -- parts that can go wrong one by one ----------------------------------------------------

    def thresholds(self) -> list[int]:
        """In codes of a weight, of each layer, times 16."""
        return [round(127 * 16 / scale) for scale in self._scales]

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
