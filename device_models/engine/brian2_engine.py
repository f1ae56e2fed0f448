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

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from device_models.engine.brian2_network import LayerGroup, Stepper, brian2, quiet
from device_models.engine.circuit import ChipRun, Circuit, Phase, Synapses
from device_models.engine.in_flight import Events, InFlight, current_slopes
from device_models.generators import Noise
from device_models.temporal_noise import (
    add_spurious_spikes,
    drop_lost_events,
    drop_lost_spikes,
    hold_lines,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class Brian2Engine:
    """B copies of a chip, ready to run."""

    def __init__(
        self, chip: Circuit, batch: int, current_input: bool, changing: bool = False
    ) -> None:
        """Build and prepare the Brian2 network.

        Args:
            chip: The chip.
            batch: Number of copies B.
            current_input: Whether currents can flow into what the input projects to; events can in
                any case.
            changing: Whether parameters of neurons may change, as faults do.
        """
        b2 = brian2()
        self._chip, self._batch = chip, batch
        clock = b2.Clock(dt=chip.dt * b2.second, name="spikeloop_clock*")
        self._layers = [
            LayerGroup(
                chip,
                layer,
                batch,
                current_input and number in chip.input_targets(),
                clock,
            )
            for number, layer in enumerate(chip.layers, start=1)
        ]

        def operation(function: object, when: str, order: int = 0) -> object:
            return quiet(b2.NetworkOperation)(function, clock=clock, when=when, order=order)

        objects = [layer.group for layer in self._layers]
        objects.append(operation(self._deliver, "synapses"))
        objects.append(operation(self._collect, "after_thresholds"))
        objects.append(operation(self._sample_late, "after_resets"))
        if current_input:
            objects.append(operation(self._inject, "before_groups"))
        if chip.temporal.membrane_noise:
            objects.append(operation(self._add_noise, "after_groups"))
        shifted = [chip.model.silent] if chip.temporal.trial_threshold_sd else []
        shifted += chip.layers[0].varied if changing else []
        self._stepper = Stepper(b2.Network(objects), clock, shifted)
        self._in_flight = InFlight(chip.longest_delays)
        self._rows: dict[int, csr_matrix] = {}
        self._edges = [np.arange(batch + 1, dtype=np.int32) * n.size for n in chip.layers]
        self._placed = self._circuit = chip  # as neurons are now, and at the end of the last run

    def run(self, run: ChipRun, after: Brian2Engine | None = None, begun: int = 0) -> None:
        """Run all copies from reset, or from where their last run ended.

        Args:
            run: The run.
            after: What ran last, of the same chip and number of copies; None runs from reset.
            begun: Steps since reset before this run.
        """
        temporal = self._chip.temporal
        self._begin(after, begun)
        self._membrane_noise = self._layer_noise(run, "membrane_noise")
        self._losses = self._layer_noise(run, "spike_loss")
        self._spurious = self._layer_noise(run, "spurious_spikes")
        if temporal.trial_threshold_sd and after is None:
            silent = self._chip.model.silent
            self._chip.shift_thresholds(run, [layer.view(silent) for layer in self._layers])
        self._in_flight.begin_run(self._chip, run, begun)
        self._recorders = run.recorders
        self._inputs = run.drive.shape[-1]
        self._events: list[NDArray[np.int32]] = []
        for number, phase in enumerate(run.phases):
            self._place(phase, run)
            self._is_renewed = number > 0
            self._stepper.step(phase.steps)

    def _place(self, phase: Phase, run: ChipRun) -> None:
        """Bring neurons and synapses to what they are in a phase."""
        circuit, silent = phase.circuit, self._chip.model.silent
        if circuit is not self._circuit and circuit.temporal.trial_threshold_sd:
            circuit.move_thresholds(self._circuit, [layer.view(silent) for layer in self._layers])
        self._circuit = circuit
        for layer, own in zip(self._layers, circuit.layers, strict=True):
            layer.place(circuit, own, parameters=circuit is not self._placed)
        self._placed = circuit
        self._weights = circuit.weigh_synapses(phase.replace_weights(run.weights))
        self._gain = circuit.gains(run.supply)
        self._scales = [bool(np.any(gain != 1)) for gain in self._gain]
        self._noise_sd = [circuit.noise_sd(layer) for layer in circuit.layers]
        ends = np.cumsum([layer.size for layer in circuit.layers])[:-1]
        self._lines = np.split(phase.lines, ends)

    @property
    def has_currents_to_come(self) -> bool:
        """Tell whether an input current of the last run has yet to arrive."""
        return self._in_flight.has_currents_to_come

    def _layer_noise(self, run: ChipRun, name: str) -> list[Noise]:
        """Noise of the input and of each layer; none where the chip has none of that kind."""
        if not getattr(self._chip.temporal, name):
            return []
        return [Noise(*run.trial, name, n) for n in range(1 + len(self._layers))]

    def _begin(self, after: Brian2Engine | None, begun: int) -> None:
        """Bring all state to where the run begins."""
        if after is None:
            for layer in self._layers:
                layer.reset()
            self._circuit = self._chip
            self._in_flight = InFlight(self._chip.longest_delays)
        elif after is not self:
            for layer, other in zip(self._layers, after._layers, strict=True):
                layer.copy_state(other, self._chip.model.silent)
            self._in_flight, self._circuit = after._in_flight, after._circuit
        self._begun = begun
        self._stepper.set_clock(begun)

    @property
    def _step(self) -> int:
        """Step of this run."""
        return self._stepper.step_index - self._begun

    # -- what happens in a step ---------------------------------------------------------------

    def _inject(self) -> None:
        """Turn input currents into slopes of the membranes of what the input projects to."""
        is_new = self._in_flight.advance_current(self._step) or self._is_renewed
        self._is_renewed = False
        if not is_new:
            return
        weights, gain = self._weights, self._gain
        for number, slope in current_slopes(self._circuit, self._in_flight, weights, gain):
            current = self._layers[number - 1].current
            assert current is not None
            current[...] = slope

    def _add_noise(self) -> None:
        step, noises = self._stepper.step_index, self._membrane_noise[1:]
        for layer, sd, own in zip(self._layers, self._noise_sd, noises, strict=True):
            noise = own.normals(step, *layer.membrane.shape) * sd
            if layer.free is not None:
                noise *= layer.free
            layer.membrane += np.rint(noise) if self._chip.model.update else noise

    def _collect(self) -> None:
        temporal, step = self._chip.temporal, self._stepper.step_index
        self._events = []
        for n, layer in enumerate(self._layers, start=1):
            events, size = layer.spikes[: layer.spikes[-1]], layer.membrane.shape[1]
            if self._losses:
                events = drop_lost_spikes(events, size, temporal.spike_loss, self._losses[n], step)
            if self._spurious:
                chance, noise = temporal.spurious_spikes, self._spurious[n]
                events = add_spurious_spikes(events, self._batch, size, chance, noise, step)
            lines = self._lines[n - 1]
            if not np.isnan(lines).all():
                events = hold_lines(events, self._batch, lines, step)
            self._events.append(events)
        self._sample(after_reset=False)

    def _sample_late(self) -> None:
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
        for source in self._in_flight.sources:
            sent = self._layer_events(source) if source else self._input_events()
            self._in_flight.send(source, sent)
        for projection, weights in zip(self._chip.projections, self._weights, strict=True):
            for delay, parts in weights:
                arrived = self._in_flight.sent_before(projection.source, delay)
                if arrived is not None and arrived.counts.size:
                    matrix = self._matrix(projection.source, arrived)
                    self._receive(projection.target - 1, matrix, parts)

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
        spikes = self._in_flight.spikes
        if spikes is None:
            return None
        first = self._step * self._batch
        bounds = spikes.indptr[first : first + self._batch + 1]
        counts = spikes.data[bounds[0] : bounds[-1]]
        channels, bounds = spikes.indices[bounds[0] : bounds[-1]], bounds - bounds[0]
        if self._losses:
            samples = np.repeat(np.arange(self._batch), np.diff(bounds))
            loss, step = self._chip.temporal.spike_loss, self._stepper.step_index
            counts = drop_lost_events(counts, samples, channels, loss, self._losses[0], step)
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
