"""A digital chip of strangers: integer neurons with a hard reset that take spikes alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    Stimulus,
    Timing,
    WeightFormat,
    sampling,
)

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
