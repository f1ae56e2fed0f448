"""The Brian2 engine: a batch of copies of one chip, prepared once and stepped many times.

A chip of L layers, copied B times, is L Brian2 groups of `B * n` neurons; neuron i of copy b is
number `b * n + i`. All copies share the fixed pattern and nothing else. Each time step follows
Brian2's default schedule:

    groups       membranes advance by dt; membrane noise is added
    thresholds   neurons at or above threshold fire; lost events are dropped, spurious ones
                 appear; recorders sample, but for those of what is left after a reset
    synapses     events move the membranes of the next layer (so they act from the next step on)
    resets       neurons that fired are reset
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from device_models.generators import Normals, generator, sequence
from device_models.neuron_group import Circuit, Layerwise
from device_models.nonidealities.temporal import (
    delayed,
    leaked,
    step_noise,
    survivors,
    with_spurious,
)
from device_models.stepping import Stepper, brian2, quiet

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class Recorder(Protocol):
    """Something that watches one layer, 0 being the first layer of neurons."""

    layer: int
    after_reset: bool

    def sample(self, step: int, membrane: NDArray[np.float32], events: NDArray[np.int32]) -> None:
        """Take note of step `step` (from 0).

        Args:
            step: The step.
            membrane: `(B, n)` in the model's unit, after the threshold test and before the reset,
                or with `after_reset` at the end of the step.
            events: Sorted numbers `b * n + i` of the neurons whose spikes got through.
        """


class Engine:
    """B copies of a chip, ready to run."""

    def __init__(self, chip: Circuit, batch: int, current_input: bool) -> None:
        """Build and prepare the Brian2 network.

        Args:
            chip: The chip.
            batch: Number of copies B.
            current_input: Whether the first layer is driven by currents (else by events).
        """
        b2 = brian2()
        self._chip, self._batch = chip, batch
        clock = b2.Clock(dt=chip.dt * b2.second, name="spikeloop_clock*")
        self._layers = [
            Layerwise(chip, layer, batch, current_input and i == 0, clock)
            for i, layer in enumerate(chip.layers)
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
        self._stepper = Stepper(b2.Network(objects), clock)
        self._rows: dict[int, csr_matrix] = {}
        self._edges = [np.arange(batch + 1, dtype=np.int32) * n.size for n in chip.layers]
        self._noise_sd = [
            step_noise(
                chip.temporal.membrane_noise * chip.model.swing,
                chip.values(chip.model.time_constant, layer),
                chip.dt,
            )
            * (layer.gain > 0)
            for layer in chip.layers
        ]

    def run(
        self,
        drive: NDArray[np.float32] | csr_matrix,
        steps: int,
        weights: Sequence[NDArray[np.float32]],
        recorders: Sequence[Recorder],
        trial: tuple[int, ...],
        supply: float = 1.0,
    ) -> None:
        """Run all copies from reset.

        Args:
            drive: Currents `(B, n_in)` or `(T, B, n_in)`, or event counts `(T*B, n_in)` in CSR.
            steps: T.
            weights: What the synapses of each projection transmit, `(n_pre, n_post)`, in swings.
            recorders: What is to be observed.
            trial: Seed and names of the random streams of this run.
            supply: Factor of all input gains now.
        """
        temporal, swing = self._chip.temporal, self._chip.model.swing
        for layer in self._layers:
            layer.start()
        self._stepper.rewind()
        self._normals = Normals(sequence(*trial, "membrane_noise"))
        self._losses = generator(*trial, "spike_loss")
        self._spurious = generator(*trial, "spurious_spikes")
        if temporal.trial_threshold_sd:
            self._shift_thresholds(Normals(sequence(*trial, "trial_threshold_sd")))
        if temporal.input_jitter and not isinstance(drive, np.ndarray):
            jitter = generator(*trial, "input_jitter")
            drive = delayed(drive, steps, temporal.input_jitter / self._chip.dt, jitter)
        self._drive, self._recorders = drive, recorders
        self._weights = [self._transmitted(w) for w in weights]
        kind = np.float64 if self._chip.model.precision == "double" else np.float32
        self._gain = [layer.gain * kind(supply * swing) for layer in self._chip.layers]
        self._scales = [bool(np.any(gain != 1)) for gain in self._gain]
        self._events: list[NDArray[np.int32]] = []
        self._stepper.step(steps)

    def _transmitted(self, weights: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """What each variable of the receiving neurons gets of one event."""
        model, crosstalk = self._chip.model, self._chip.temporal.crosstalk
        if crosstalk:
            weights = leaked(weights, crosstalk)
        if model.precision == "double":
            weights = weights.astype(np.float64)
        if model.update:  # digital synapses hold whole numbers
            weights = np.rint(weights * model.swing) / model.swing
        if isinstance(model.receives, str):
            return (weights,)
        return (np.maximum(weights, 0), np.maximum(-weights, 0))

    def _shift_thresholds(self, normals: Normals) -> None:
        model = self._chip.model
        scale = np.float32(self._chip.temporal.trial_threshold_sd * model.swing)
        for layer, wired in zip(self._chip.layers, self._layers, strict=True):
            thresholds = wired.view(model.silent)
            draw = normals.draw(thresholds.size).reshape(thresholds.shape)
            thresholds[...] = self._chip.values(model.silent, layer) + draw * scale

    # -- what happens in a step ---------------------------------------------------------------

    def _inject(self) -> None:
        """Turn input currents into slopes of the first layer's membranes."""
        assert isinstance(self._drive, np.ndarray)
        step = self._stepper.step_index
        if self._drive.ndim == 2 and step > 0:
            return
        now = self._drive if self._drive.ndim == 2 else self._drive[step]
        first, current = self._chip.layers[0], self._layers[0].current
        assert current is not None
        parts = self._weights[0]
        slope = now @ (parts[0] if len(parts) == 1 else parts[0] - parts[1])
        slope *= self._gain[0] / self._gain[0].dtype.type(self._chip.dt)
        if np.any(first.bias):
            slope += self._chip.bias_slope(first)
        current[...] = slope

    def _disturb(self) -> None:
        for layer, sd in zip(self._layers, self._noise_sd, strict=True):
            noise = self._normals.draw(layer.membrane.size).reshape(layer.membrane.shape) * sd
            if layer.free is not None:
                noise *= layer.free
            layer.membrane += np.rint(noise) if self._chip.model.update else noise

    def _collect(self) -> None:
        loss = self._chip.temporal.spike_loss
        spurious = self._chip.temporal.spurious_spikes
        self._events = [layer.spikes[: layer.spikes[-1]] for layer in self._layers]
        if loss:
            self._events = [survivors(events, loss, self._losses) for events in self._events]
        if spurious:
            self._events = [
                with_spurious(events, layer.membrane.size, spurious, self._spurious)
                for events, layer in zip(self._events, self._layers, strict=True)
            ]
        self._sample(after_reset=False)

    def _collect_late(self) -> None:
        self._sample(after_reset=True)

    def _sample(self, after_reset: bool) -> None:
        for recorder in self._recorders:
            if recorder.after_reset == after_reset:
                recorder.sample(
                    self._stepper.step_index,
                    self._layers[recorder.layer].membrane,
                    self._events[recorder.layer],
                )

    def _deliver(self) -> None:
        model = self._chip.model
        for i, layer in enumerate(self._layers):
            rows = self._input_events() if i == 0 else self._layer_events(i - 1)
            if rows is None or not rows.nnz:
                continue
            for receiver, weights in zip(layer.receivers, self._weights[i], strict=True):
                arriving = rows @ weights
                if self._scales[i]:
                    arriving *= self._gain[i]
                if layer.free is not None and model.receives == model.membrane:
                    arriving *= layer.free
                receiver += np.rint(arriving) if model.update else arriving

    def _input_events(self) -> csr_matrix | None:
        """Input events of this step, `(B, n_in)`, or None when the input is a current."""
        if isinstance(self._drive, np.ndarray):
            return None
        first = self._stepper.step_index * self._batch
        bounds = self._drive.indptr[first : first + self._batch + 1]
        counts = self._drive.data[bounds[0] : bounds[-1]]
        loss = self._chip.temporal.spike_loss
        if loss:
            counts = self._losses.binomial(counts.astype(np.int64), 1 - loss).astype(np.float32)
        indices = self._drive.indices[bounds[0] : bounds[-1]]
        return self._events_of(0, counts, indices, bounds - bounds[0], self._drive.shape[1])

    def _layer_events(self, layer: int) -> csr_matrix:
        """Events of one layer in this step, `(B, n)`."""
        size, events = self._chip.layers[layer].size, self._events[layer]
        bounds = np.searchsorted(events, self._edges[layer])
        counts = np.ones(events.size, np.float32)
        return self._events_of(layer + 1, counts, events % size, bounds, size)

    def _events_of(
        self,
        projection: int,
        counts: NDArray[np.float32],
        indices: NDArray[np.int32],
        bounds: NDArray[np.integer],
        size: int,
    ) -> csr_matrix:
        """Counts of the events into a projection, `(B, size)`, from their parts.

        The matrix is made once: its constructor checks what is known here, in every step.
        """
        if projection not in self._rows:
            from scipy.sparse import csr_matrix

            self._rows[projection] = csr_matrix((self._batch, size), dtype=np.float32)
        rows = self._rows[projection]
        rows.data, rows.indices = counts, indices.astype(np.int32, copy=False)
        rows.indptr = bounds.astype(np.int32, copy=False)
        return rows
