"""A small, quick and honest device in numpy, for the wrong devices to get wrong."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers import (
    Abilities,
    Capacity,
    DeviceInfo,
    Identity,
    LinkError,
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

REST, THRESHOLD = -70.0, -50.0  # mV
LEAK = 0.9

INFO = DeviceInfo(
    contract=4,
    identity=Identity("good", serial="1"),
    capacity=Capacity(layers=3, inputs=96, neurons=24, batch=20, steps=120, synapses=2400),
    timing=Timing(dt=1e-3),
    neuron=Neuron(
        reset="soft",
        membrane=Membrane("mV", REST, THRESHOLD),
        settings=(
            Setting("threshold", "mV", -60, -30, THRESHOLD, "Level.", True, role="threshold"),
        ),
        decay=LEAK,
    ),
    weights=(WeightFormat(0.01, 4.0, levels=63),),
    offers=Offers(
        stimuli=("current", "current_trace", "spikes"),
        probes=(ProbeOffer("spikes"), ProbeOffer("membrane")),
    ),
    abilities=Abilities(deterministic=True, resumable=True, runs_on=True, lengths=True),
)


class Good(StatedDevice):
    """Leaky neurons with a soft reset, and noise of a given standard deviation."""

    stated = INFO
    noise = 0.0

    def __init__(self) -> None:
        self._untold = 0
        self._lengths: NDArray[np.int64] | None = None
        self._membranes: list[NDArray[np.float64]] = []
        self._cells: list[NDArray[np.float32]] = []

    def _configure(self, network: Network) -> None:
        super()._configure(network)
        self._thresholds = [
            (values.astype(np.float64) - REST) / (THRESHOLD - REST)
            for values in network.values("threshold")
        ]

    def state(self) -> dict[str, NDArray[np.generic]]:
        return {str(p): cells.copy() for p, cells in enumerate(self._cells)}

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        self._cells = [np.array(state[str(p)], np.float32) for p in range(len(state))]

    # -- a run, in parts that can go wrong one by one ------------------------------------------

    def drive(self, stimulus: Stimulus) -> NDArray[np.float64]:
        """Events of each step, `(T, B, n_in)`."""
        shape = (stimulus.steps, stimulus.batch, stimulus.channels)
        if stimulus.kind == "spikes":
            return np.asarray(stimulus.data.toarray(), np.float64).reshape(shape)
        return np.broadcast_to(np.asarray(stimulus.data, np.float64), shape)

    def weights(self) -> list[NDArray[np.float64]]:
        """What synapses transmit."""
        return [cells.astype(np.float64) for cells in self._cells]

    def generator(self, trial: int | None) -> np.random.Generator:
        self._untold += trial is None
        return np.random.default_rng([1, self._untold] if trial is None else [0, trial])

    def start(self, batch: int) -> list[NDArray[np.float64]]:
        """Membranes at the begin of a run, 0 at rest and 1 at threshold."""
        return [np.zeros((batch, cells.shape[1])) for cells in self._cells]

    def shown(self, probe: Probe, raster: Any, before: Any, after: Any) -> Any:
        """All samples of a probe, `(T // every, B, n)`, from those of every step."""
        if probe.quantity == "spikes":
            return raster[probe.layer - 1].astype(np.uint8)
        samples = before[probe.layer - 1][probe.every - 1 :: probe.every]
        return (REST + (THRESHOLD - REST) * samples).astype(np.float32)

    def reduced(self, probe: Probe, samples: Any) -> Any:
        return sampling.reduce_samples(probe, samples, self._lengths)

    def counts(self, raster: NDArray[np.bool_]) -> NDArray[np.int32]:
        """From the output's raster `(T, B, n)`."""
        return raster.sum(axis=0).astype(np.int32)

    def lasting(self, stimulus: Stimulus) -> NDArray[np.bool_]:
        """Which steps are those of each sample, `(T, B)`."""
        return stimulus.mask

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        membranes = self._membranes if carry else self.start(stimulus.batch)
        rng, weights, drive = self.generator(trial), self.weights(), self.drive(stimulus)
        self._lengths, lasting = stimulus.lengths, self.lasting(stimulus)
        traces: list[list[list[Any]]] = [[[], [], []] for _ in weights]
        for step in range(stimulus.steps):
            active = drive[step]
            for layer, matrix in enumerate(weights):
                membrane = LEAK * membranes[layer] + active @ matrix
                if self.noise:
                    membrane += rng.normal(0, self.noise, membrane.shape)
                goes_on = lasting[step][:, np.newaxis]
                fired = (membrane >= self._thresholds[layer]) & goes_on
                left = membrane - self._thresholds[layer] * fired
                membranes[layer] = np.where(goes_on, left, membranes[layer])
                for trace, value in zip(
                    traces[layer], (fired, membrane, membranes[layer]), strict=True
                ):
                    trace.append(value.copy())
                active = fired.astype(np.float64)
        self.ended(membranes)
        self._membranes = membranes
        raster, before, after = ([np.array(layer[kind]) for layer in traces] for kind in range(3))
        samples = {
            probe: self.reduced(probe, self.shown(probe, raster, before, after)) for probe in probes
        }
        return Readout(self.counts(raster[-1]), stimulus.steps, samples)

    def ended(self, membranes: list[NDArray[np.float64]]) -> None:
        """What is to be done with the membranes at the end of a run."""


MEETING = threading.Barrier(3, timeout=20)


class Member(Good):
    """`member:?chip=N&fails=M`: synapses of a strength of its own, unplugged at its M-th run."""

    def __init__(self, chip: int, fails: int, meets: bool = False) -> None:
        super().__init__()
        self.chip, self.fails, self.meets, self.runs = chip, fails, meets, 0

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Member:
        chip, fails = int(options.get("chip", "0")), int(options.get("fails", "0"))
        return cls(chip, fails, "meets" in options)

    def weights(self) -> list[Any]:
        gains = np.random.default_rng(self.chip).uniform(0.5, 1.5, len(self._cells))
        return [gain * cells for gain, cells in zip(gains, super().weights(), strict=True)]

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        self.runs += 1
        if self.meets:
            MEETING.wait()
        if self.runs == self.fails:
            raise LinkError("the cable was pulled")
        return super()._run(stimulus, probes, trial, carry)
