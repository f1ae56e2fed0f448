"""An emulated chip: one seed is one piece of silicon."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from device_models.crossbar import Crossbar, storable_full_scale
from device_models.engine import Engines
from device_models.engine.circuit import (
    ChipRun,
    Circuit,
    MappedProjection,
    NominalProjection,
    chain_layers,
    map_projection,
)
from device_models.faults import Fault, plan_phases
from device_models.generators import Noise
from device_models.mismatch import Pattern, SampledMismatch, Value
from device_models.naming import select_prefixed
from device_models.neurons import NeuronModel
from device_models.nonidealities import NonIdealities
from device_models.places import Places
from device_models.readout import (
    ADCChannels,
    MembraneRecorder,
    Raster,
    Recorder,
    Reduction,
    SpikeCounts,
)
from device_models.temporal_noise import supply_factor

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class RecordingRequest(NamedTuple):
    """Request to record something of one layer of neurons (0 is the first) in a run.

    Attributes:
        layer: Which layer.
        quantity: `spikes` (a raster) or `membrane`.
        every: Interval between membrane samples, in steps.
        reduce: Whether all samples are wanted, their mean, or the last one.
    """

    layer: int
    quantity: Literal["spikes", "membrane"]
    every: int = 1
    reduce: Reduction = "none"


class Chip:
    """A chip of one neuron model with the non-idealities that its seed drew.

    Args:
        model: The neuron model.
        nonidealities: How far from ideal it is.
        seed: Which chip.
        reset: Which of the model's resets; its first one when None.
        dt: Step, in seconds.
        parameters: Nominal parameters of this chip, where they differ from the model's own.
        pattern: Its fixed pattern; drawn from the seed when None.
        compiled: Whether to compile the model, where it can be; None where numba is installed.
        workers: Threads that share a batch of a compiled model; None for as many as there are
            cores, or as `OMP_NUM_THREADS` says.
        energy: Joules of a synaptic event, and the source; None where nobody says.

    Attributes:
        faults: Faults that it has now.
        clock: Seconds that passed on the chip since it was powered.
    """

    def __init__(
        self,
        model: NeuronModel,
        nonidealities: NonIdealities,
        seed: int = 0,
        reset: str | None = None,
        dt: float = 1e-3,
        parameters: Mapping[str, float] | None = None,
        pattern: Pattern | None = None,
        compiled: bool | None = None,
        workers: int | None = None,
        energy: tuple[float, str] | None = None,
    ) -> None:
        """Make a chip without a network."""
        self.energy = energy
        self.model, self.nonidealities = model, nonidealities
        self.seed, self.reset, self.dt = seed, reset or next(iter(model.resets)), dt
        self.parameters = {n: p.value for n, p in model.parameters.items()} | dict(parameters or {})
        self.pattern: Pattern = pattern or SampledMismatch(
            seed, nonidealities.fixed_pattern, nonidealities.adc
        )
        self._compiled, self._workers = compiled, workers
        self.clock = 0.0
        self.circuit: Circuit | None = None
        self.crossbars: list[Crossbar] = []
        self._ageing: list[Crossbar] = []  # those whose weights drift or decay
        self._channels: list[ADCChannels] = []
        self._engines: Engines | None = None
        self.faults: Sequence[Fault] = ()
        self._faulty: dict[tuple[int, ...], tuple[Circuit, NDArray[np.float64]]] = {}
        self.unnumbered_trials = 0

    def configure(
        self,
        layers: Sequence[int],
        full_scale: Sequence[float],
        nominal: Mapping[str, float] | None = None,
        trims: Mapping[str, Sequence[NDArray[np.float32]]] | None = None,
        projections: Sequence[NominalProjection] = (),
    ) -> None:
        """Map a network; every weight is zero afterwards.

        Args:
            layers: Sizes, the input first and the output last.
            full_scale: Largest |weight| of each projection, in swings (nominal thresholds).
            nominal: Nominal parameters by name, where they differ from the chip's own.
            trims: Parameters chosen for each neuron by name, `(n,)` for each layer of neurons.
            projections: What joins the layers; empty for each neuron to each of the next, without
                delay.

        Raises:
            ValueError: When the chip's pattern was measured on a network of another shape.
        """
        sizes, mapped, cells = layers[1:], [], []
        for p, projection in enumerate(projections or chain_layers(len(sizes))):
            ends = projection.source, projection.target
            places = Places((layers[ends[0]], layers[ends[1]]), projection.pre, projection.post)
            cells.append(self.pattern.cells(p, places, ends))
            mapped.append(map_projection(projection, places, cells[p].late, self.dt))
        nominal = self.parameters | dict(nominal or {})
        self.circuit = self._make_circuit(sizes, mapped, nominal, trims or {})
        programming, self._full_scale = self.nonidealities.programming, tuple(full_scale)
        synapses = sum(projection.places.size for projection in mapped)
        self._weights = np.zeros(synapses, np.float32)
        self.crossbars = [
            Crossbar(
                places=mapped[p].places,
                full_scale=storable_full_scale(full_scale[p], self.model, programming),
                programming=programming,
                cells=cells[p],
                chip=self.seed,
                projection=p,
                transmitted=transmitted,
            )
            for p, transmitted in enumerate(self.circuit.split_weights(self._weights))
        ]
        self._ageing = [crossbar for crossbar in self.crossbars if crossbar.ages]
        self._channels = [
            ADCChannels(
                self.nonidealities.adc,
                *self.pattern.channels(i, size),
                rest=self.model.rest,
                swing=self.model.swing,
            )
            for i, size in enumerate(sizes)
        ]
        self._engines = Engines(self.circuit, self._compiled, self._workers)
        self._counted = RecordingRequest(len(sizes) - 1, "spikes", reduce="mean")
        self.set_faults(())

    def _make_circuit(
        self,
        sizes: Sequence[int],
        projections: Sequence[MappedProjection],
        nominal: Mapping[str, float],
        trims: Mapping[str, Sequence[NDArray[np.float32]]],
    ) -> Circuit:
        """The neurons of a network, `sizes` of each layer of neurons, and what joins them."""
        layers = []
        for i, size in enumerate(sizes):
            values: dict[str, Value] = dict(nominal)
            values |= {name: trimmed[i] for name, trimmed in trims.items()}
            last = i == len(sizes) - 1
            layers.append(self.pattern.layer(self.model, i, size, values, last))
        return Circuit(
            model=self.model,
            reset=self.reset,
            dt=self.dt,
            constants={
                name: nominal[name]
                for name, parameter in self.model.parameters.items()
                if parameter.mismatch is None
            },
            layers=tuple(layers),
            projections=tuple(projections),
            temporal=self.nonidealities.temporal,
        )

    def write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Program one projection, as `Places` has its values; returns what was stored."""
        programming = self.nonidealities.programming
        if self.model.weight_unit and programming.levels is not None:
            # Levels of such a chip may reach beyond what was asked for.
            full_scale = self._full_scale[projection]
            largest = storable_full_scale(full_scale, self.model, programming)
            step = largest / (programming.levels // 2)
            limit = np.float32(step * math.floor(full_scale / step * (1 + 1e-6)))
            weights = np.clip(weights, -limit, limit)
        return self.crossbars[projection].write(weights)

    def set_faults(self, faults: Sequence[Fault]) -> None:
        """Replace the faults that the chip has; nothing is built anew."""
        self.faults, self._faulty = faults, {}

    def run(
        self,
        drive: NDArray[np.float32] | csr_matrix,
        steps: int,
        batch: int,
        requests: Sequence[RecordingRequest] = (),
        trial: int | None = None,
        carry: bool = False,
    ) -> tuple[NDArray[np.int32], list[NDArray[np.generic]]]:
        """Run a batch, each sample from reset unless it carries on.

        Args:
            drive: Currents `(B, n_in)` or `(T, B, n_in)`, or event counts `(T*B, n_in)` in CSR.
            steps: T.
            batch: B.
            requests: What to record.
            trial: Names the noise of this run; None takes noise that no run had before.
            carry: Whether each of as many samples begins where it ended in the last run, with all
                that is in flight.

        Returns:
            Output spike counts `(B, n_out)`, and for each request a raster `(T, B, n)` uint8 or
            membrane samples `(T // every, B, n)` float32 in the model's unit; reduced, `(B, n)`,
            the mean being float32.

        Raises:
            ValueError: Before `configure`.
        """
        if trial is None:
            names: tuple[int, ...] = (self.seed, 0, self.unnumbered_trials)
            self.unnumbered_trials += 1
        else:
            names = (self.seed, 1, trial)
        if self.circuit is None or self._engines is None:
            raise ValueError("the chip has no network yet: call configure first")
        circuit, engines, temporal = self.circuit, self._engines, self.nonidealities.temporal
        counted, recorded = self._counted, [*map(_keep_raster, requests)]
        begun = engines.steps if carry else 0
        recorders = {
            kept: self._make_recorder(kept, steps, batch, names, begun)
            for kept in dict.fromkeys([counted, *recorded])
        }
        for crossbar in self._ageing:
            crossbar.age_transmitted()
        run = ChipRun(
            drive=drive,
            steps=steps,
            batch=batch,
            weights=self._weights,
            recorders=list(recorders.values()),
            trial=names,
            phases=plan_phases(
                self.faults,
                circuit,
                self.crossbars,
                names,
                (begun, steps),
                self._faulty,
            ),
            supply=supply_factor(self.seed, temporal.wander, temporal.wander_seconds, self.clock),
        )
        engines.run(run, carry)
        self.wait(self.nonidealities.programming.run_seconds)
        answers = [
            _reduce_spikes(request, recorders[kept].samples, steps)
            for request, kept in zip(requests, recorded, strict=True)
        ]
        return recorders[counted].samples, answers

    def _make_recorder(
        self,
        request: RecordingRequest,
        steps: int,
        batch: int,
        trial: tuple[int, ...],
        begun: int,
    ) -> Recorder:
        if request.quantity == "spikes":
            size = self._channels[request.layer].size
            if request.reduce == "mean":
                return SpikeCounts(request.layer, batch, size)
            return Raster(request.layer, steps, batch, size)
        return MembraneRecorder(
            layer=request.layer,
            number=steps // request.every,
            batch=batch,
            every=request.every,
            channels=self._channels[request.layer],
            noise=Noise(*trial, "adc_noise", request.layer),
            after_reset=bool(self.nonidealities.adc.adc_after_reset),
            begun=begun,
            reduce=request.reduce,
        )

    def wait(self, seconds: float) -> None:
        """Let time pass: stored weights drift, temperature and supply wander."""
        self.clock += seconds
        for crossbar in self._ageing:
            crossbar.advance(seconds)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return what the chip remembers, as named arrays."""
        state: dict[str, NDArray[np.generic]] = {
            "unnumbered_trials": np.asarray(self.unnumbered_trials),
            "clock": np.asarray(self.clock),
        }
        for p, crossbar in enumerate(self.crossbars):
            state |= {f"projection_{p}/{k}": v for k, v in crossbar.state().items()}
        return state

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Return a configured chip to what `state` gave."""
        self.unnumbered_trials, self.clock = int(state["unnumbered_trials"]), float(state["clock"])
        for p, crossbar in enumerate(self.crossbars):
            crossbar.restore(select_prefixed(f"projection_{p}/", state))

    @property
    def ages(self) -> bool:
        """Tell whether time alone changes what the chip does."""
        stored, temporal = self.nonidealities.programming, self.nonidealities.temporal
        return bool(stored.drift or stored.retention or temporal.wander)


def _keep_raster(request: RecordingRequest) -> RecordingRequest:
    """Choose what to record for a request: of the last spikes, all."""
    last = request.quantity == "spikes" and request.reduce == "last"
    return request._replace(reduce="none") if last else request


def _reduce_spikes(
    request: RecordingRequest, samples: NDArray[np.generic], steps: int
) -> NDArray[np.generic]:
    """Answer a request from what was recorded for it."""
    if request.quantity == "membrane" or request.reduce == "none":
        return samples
    return samples[-1] if request.reduce == "last" else samples.astype(np.float32) / steps
