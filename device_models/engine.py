"""The Brian2 engine: a batch of copies of one chip, prepared once and stepped many times.

A chip of L layers, copied B times, is L Brian2 groups of `B * n` neurons; neuron i of copy b is
number `b * n + i`. All copies share the fixed pattern and nothing else. Each time step follows
Brian2's default schedule:

    groups       membranes advance by dt; membrane noise is added
    thresholds   neurons at or above threshold fire; lost events are dropped, spurious ones
                 appear; recorders sample, but for those of what is left after a reset
    synapses     events move the membranes of the layers that they lead to (so they act from the
                 next step on), those of a projection with delay as many steps later
    resets       neurons that fired are reset
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from device_models.generators import Noise, sequence
from device_models.neuron_group import Circuit, Layerwise
from device_models.nonidealities.temporal import (
    arrived,
    survivors,
    with_spurious,
)
from device_models.recording import Recorder
from device_models.stepping import Stepper, brian2, quiet
from device_models.under_way import Events, UnderWay, slopes
from device_models.wiring import Synapses, transmitted

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class Engine:
    """B copies of a chip, ready to run."""

    def __init__(self, chip: Circuit, batch: int, current_input: bool) -> None:
        """Build and prepare the Brian2 network.

        Args:
            chip: The chip.
            batch: Number of copies B.
            current_input: Whether currents can flow into what the input projects to; events can in
                any case.
        """
        b2 = brian2()
        self._chip, self._batch = chip, batch
        clock = b2.Clock(dt=chip.dt * b2.second, name="spikeloop_clock*")
        self._layers = [
            Layerwise(
                chip,
                layer,
                batch,
                current_input and any((w.source, w.target) == (0, number) for w in chip.wires),
                clock,
            )
            for number, layer in enumerate(chip.layers, start=1)
        ]

        def operation(function: object, when: str, order: int = 0) -> object:
            return quiet(b2.NetworkOperation)(function, clock=clock, when=when, order=order)

        objects = [layer.group for layer in self._layers]
        objects.append(operation(self._deliver, "synapses"))
        objects.append(operation(self._collect, "after_thresholds"))
        objects.append(operation(self._collect_late, "after_resets"))
        if current_input:
            objects.append(operation(self._inject, "before_groups"))
        if chip.temporal.membrane_noise:
            objects.append(operation(self._disturb, "after_groups"))
        shifted = [chip.model.silent] if chip.temporal.trial_threshold_sd else []
        self._stepper = Stepper(b2.Network(objects), clock, shifted)
        self._under_way = UnderWay(chip.wires)
        self._rows: dict[int, csr_matrix] = {}
        self._edges = [np.arange(batch + 1, dtype=np.int32) * n.size for n in chip.layers]
        self._noise_sd = [chip.noise_sd(layer) for layer in chip.layers]

    def run(
        self,
        drive: NDArray[np.float32] | csr_matrix,
        steps: int,
        weights: Sequence[NDArray[np.float32]],
        recorders: Sequence[Recorder],
        trial: tuple[int, ...],
        supply: float = 1.0,
        after: Engine | None = None,
        begun: int = 0,
    ) -> None:
        """Run all copies from reset, or from where their last run ended.

        Args:
            drive: Currents `(B, n_in)` or `(T, B, n_in)`, or event counts `(T*B, n_in)` in CSR.
            steps: T.
            weights: What the synapses of each projection transmit, `(n_pre, n_post)`, in swings.
            recorders: What is to be observed.
            trial: Seed and names of the random streams of this run.
            supply: Factor of all input gains now.
            after: What ran last, of the same chip and number of copies; None runs from reset.
            begun: Steps since reset before this run.
        """
        temporal = self._chip.temporal
        self._start(after, begun)
        self._disturbance = self._noises(trial, "membrane_noise")
        self._losses = self._noises(trial, "spike_loss")
        self._spurious = self._noises(trial, "spurious_spikes")
        if temporal.trial_threshold_sd and after is None:
            self._shift_thresholds(self._noises(trial, "trial_threshold_sd"))
        self._under_way.drive(
            drive,
            steps,
            self._batch,
            temporal.input_jitter / self._chip.dt,
            Noise(sequence(*trial, "input_jitter")),
            begun,
        )
        self._recorders = recorders
        self._inputs = drive.shape[-1]
        self._weights = [
            [
                (path.delay, transmitted(path.of(w), self._chip.model, temporal.crosstalk))
                for path in wire.paths
            ]
            for wire, w in zip(self._chip.wires, weights, strict=True)
        ]
        self._gain = self._chip.gains(supply)
        self._scales = [bool(np.any(gain != 1)) for gain in self._gain]
        self._events: list[NDArray[np.int32]] = []
        self._stepper.step(steps)

    @property
    def currents_to_come(self) -> bool:
        """Whether an input current of the last run has yet to arrive."""
        return self._under_way.currents_to_come

    def _noises(self, trial: tuple[int, ...], name: str) -> list[Noise]:
        """Noise of the input and of each layer; none where the chip has none of that kind."""
        if not getattr(self._chip.temporal, name):
            return []
        return [Noise(sequence(*trial, name, n)) for n in range(1 + len(self._layers))]

    def _start(self, after: Engine | None, begun: int) -> None:
        """Bring all state to where the run begins."""
        if after is None:
            for layer in self._layers:
                layer.start()
            self._under_way = UnderWay(self._chip.wires)
        elif after is not self:
            for layer, other in zip(self._layers, after._layers, strict=True):
                layer.go_on(other, self._chip.model.silent)
            self._under_way = after._under_way
        self._begun = begun
        self._stepper.set_clock(begun)

    @property
    def _step(self) -> int:
        """Step of this run."""
        return self._stepper.step_index - self._begun

    def _shift_thresholds(self, noises: Sequence[Noise]) -> None:
        model = self._chip.model
        scale = np.float32(self._chip.temporal.trial_threshold_sd * model.swing)
        for layer, wired, noise in zip(self._chip.layers, self._layers, noises[1:], strict=True):
            thresholds = wired.view(model.silent)
            draw = noise.normals(0, *thresholds.shape)
            thresholds[...] = self._chip.values(model.silent, layer) + draw * scale

    # -- what happens in a step ---------------------------------------------------------------

    def _inject(self) -> None:
        """Turn input currents into slopes of the membranes of what the input projects to."""
        if not self._under_way.current(self._step):
            return
        for number, slope in slopes(self._chip, self._under_way, self._weights, self._gain):
            current = self._layers[number - 1].current
            assert current is not None
            current[...] = slope

    def _disturb(self) -> None:
        step, noises = self._stepper.step_index, self._disturbance[1:]
        for layer, sd, own in zip(self._layers, self._noise_sd, noises, strict=True):
            noise = own.normals(step, *layer.membrane.shape) * sd
            if layer.free is not None:
                noise *= layer.free
            layer.membrane += np.rint(noise) if self._chip.model.update else noise

    def _collect(self) -> None:
        temporal, step, found = self._chip.temporal, self._stepper.step_index, []
        for n, layer in enumerate(self._layers, start=1):
            events, size = layer.spikes[: layer.spikes[-1]], layer.membrane.shape[1]
            if self._losses:
                events = survivors(events, size, temporal.spike_loss, self._losses[n], step)
            if self._spurious:
                chance, noise = temporal.spurious_spikes, self._spurious[n]
                events = with_spurious(events, self._batch, size, chance, noise, step)
            found.append(events)
        self._events = found
        self._sample(after_reset=False)

    def _collect_late(self) -> None:
        self._sample(after_reset=True)

    def _sample(self, after_reset: bool) -> None:
        for recorder in self._recorders:
            if recorder.after_reset == after_reset:
                recorder.sample(
                    self._step,
                    self._layers[recorder.layer].membrane,
                    self._events[recorder.layer],
                )

    def _deliver(self) -> None:
        for source in self._under_way.sources:
            sent = self._layer_events(source) if source else self._input_events()
            self._under_way.send(source, sent)
        for wire, weights in zip(self._chip.wires, self._weights, strict=True):
            for delay, parts in weights:
                arrived = self._under_way.sent_before(wire.source, delay)
                if arrived is not None and arrived.counts.size:
                    self._receive(wire.target - 1, self._matrix(wire.source, arrived), parts)

    def _receive(self, target: int, rows: csr_matrix, parts: tuple[Synapses, ...]) -> None:
        """Let events `(B, n_pre)` act on the neurons of a layer."""
        model, layer = self._chip.model, self._layers[target]
        for receiver, weights in zip(layer.receivers, parts, strict=True):
            arriving = rows @ weights
            if not isinstance(arriving, np.ndarray):
                arriving = arriving.toarray()
            if self._scales[target]:
                arriving *= self._gain[target]
            if layer.free is not None and model.receives == model.membrane:
                arriving *= layer.free
            receiver += np.rint(arriving) if model.update else arriving

    def _input_events(self) -> Events | None:
        """Input events of this step, or None when there are none."""
        spikes = self._under_way.spikes
        if spikes is None:
            return None
        first = self._step * self._batch
        bounds = spikes.indptr[first : first + self._batch + 1]
        counts = spikes.data[bounds[0] : bounds[-1]]
        channels, bounds = spikes.indices[bounds[0] : bounds[-1]], bounds - bounds[0]
        if self._losses:
            samples = np.repeat(np.arange(self._batch), np.diff(bounds))
            loss, step = self._chip.temporal.spike_loss, self._stepper.step_index
            counts = arrived(counts, samples, channels, loss, self._losses[0], step)
        return Events(counts, channels, bounds)

    def _layer_events(self, number: int) -> Events:
        """Events of one layer in this step."""
        size, events = self._chip.layers[number - 1].size, self._events[number - 1]
        bounds = np.searchsorted(events, self._edges[number - 1])
        return Events(np.ones(events.size, np.float32), events % size, bounds)

    def _matrix(self, source: int, events: Events) -> csr_matrix:
        """Counts of the events of a layer, `(B, n)`.

        The matrix is made once: its constructor checks what is known here, in every step.
        """
        if source not in self._rows:
            from scipy.sparse import csr_matrix

            size = self._inputs if source == 0 else self._chip.layers[source - 1].size
            self._rows[source] = csr_matrix((self._batch, size), dtype=np.float32)
        rows = self._rows[source]
        rows.data, rows.indices = events.counts, events.indices.astype(np.int32, copy=False)
        rows.indptr = events.bounds.astype(np.int32, copy=False)
        return rows
