"""The compiled engine: the whole time loop of a run in one function of machine code.

It does what `Brian2Engine` does, to the bit, for models whose steps are arithmetic, where numba is
installed. Brian2 remains the source of the equations: the function is made from its code.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_models.engine.circuit import ChipRun, Circuit, DelayedSynapses
from device_models.engine.in_flight import InFlight, current_slopes
from device_models.engine.kernel import kernel_arguments, write_kernel
from device_models.engine.model_code import ModelCode
from device_models.generators import Noise
from device_models.readout import REDUCTIONS, MembraneRecorder, Raster, Recorder, SpikeCounts
from machine_code import CompiledFunction, Function

# Updates of neurons from which on it is worth it that threads share them, of themselves.
WORTH_SHARING = 1 << 20
KINDS = ("membrane_noise", "spike_loss", "spurious_spikes")
MAX_SLOPES = 1 << 21  # numbers of input current worked out at a time


def count_threads() -> int:
    """Count the threads that this process may use: cores, or what `OMP_NUM_THREADS` says."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, max(int(limit), 1)) if limit.isdigit() else cores


class CompiledEngine:
    """Any number of copies of a chip, ready to run."""

    def __init__(self, chip: Circuit, workers: int | None) -> None:
        """Prepare a chip.

        Args:
            chip: The chip.
            workers: Threads that share a batch; None for as many as this process may use, where
                that is worth it.
        """
        self._chip, self._shares_always = chip, workers is not None
        self._codes: dict[bool, tuple[ModelCode, itemgetter[Any], dict[str, Any]]] = {}
        self._kernels: dict[bool, CompiledFunction] = {}
        self._sizes = np.cumsum([0, *(layer.size for layer in chip.layers)])
        self._width = sum(chip.layers[n - 1].size for n in chip.input_targets())
        self._state: dict[str, NDArray[Any]] = {}
        self._sent: dict[str, NDArray[Any]] = {}
        self._held: tuple[bool, int, int] | None = None  # what state and sent events are for
        self._layout: dict[str, NDArray[Any]] = {}
        # What is transmitted, and what receiving neurons get, where that is the same memory.
        self._weighed: tuple[NDArray[np.float32], list[DelayedSynapses]] | None = None
        self._circuit = chip  # with the faults of the last phase
        self._placed: tuple[Circuit, float, bool, dict[str, Any], list[NDArray[Any]]] | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._rooms = [self._make_room() for _ in range(workers or count_threads())]

    def run(self, run: ChipRun, carry: bool, begun: int, wait: bool) -> bool:
        """Run copies from reset, or from where their last run ended.

        Args:
            run: The run.
            carry: Whether to go on from the last run.
            begun: Steps since reset before this run.
            wait: Whether to wait where the model is yet to be compiled.

        Returns:
            Whether it was done; not while the model is being compiled, or where it cannot be.

        Raises:
            Untranslatable: When the model has no translation that is equal bit by bit.
        """
        chip, steps, batch = self._chip, run.steps, run.batch
        currents = isinstance(run.drive, np.ndarray) or (
            carry and self._in_flight.has_currents_to_come
        )
        if currents not in self._codes:
            code = ModelCode(chip, currents)
            order = itemgetter(*kernel_arguments(code.spec)[2:])
            self._codes[currents] = code, order, self._fixed_arguments(code)
            self._kernels[currents] = CompiledFunction(partial(write_kernel, code.spec))
        code, order, fixed = self._codes[currents]
        if not carry:
            self._begin(code, run, currents)
        self._in_flight.begin_run(chip, run, begun)
        values = {
            "begun": begun,
            **fixed,
            **self._sent,
            "keys": self._find_keys(run),
            **self._spike_arguments(),
            **_recorder_arguments(run.recorders, self._sizes),
            **{f"X_{name}": self._state[name] for name in code.states},
        }
        width = self._width if currents else 0
        most = max(1, MAX_SLOPES // (batch * width)) if width else steps
        end = 0
        for phase in run.phases:
            begin, end = end, end + phase.steps
            own, gain = self._place(code, phase.circuit, run.supply, currents)
            transmitted = phase.replace_weights(run.weights)
            weights, synapses = self._lay_out(code, phase.circuit, transmitted)
            own = {
                **values,
                **own,
                **synapses,
                "lines": phase.lines,
                "held": self._find_held(phase.lines),
            }
            for past in range(begin, end, min(most, phase.steps)):
                length = min(most, end - past)
                steps_now = range(past, past + length)
                slopes = self._slope_arguments(
                    weights, gain, steps_now, (batch, width), renew=past == begin > 0
                )
                arguments = order({**own, **slopes, "past": past, "steps": length})
                example = [0, 0, *arguments, *self._rooms[0]]
                kernel = self._kernels[currents].find(example, wait or carry)
                if kernel is None:
                    return False
                self._run_shared(batch, length, kernel, arguments)
        return True

    def _place(
        self, code: ModelCode, circuit: Circuit, supply: float, currents: bool
    ) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        """Bring neurons to what they are in a phase: arguments of the kernel, and input gains."""
        if circuit is not self._circuit and circuit.temporal.trial_threshold_sd:
            thresholds = self._state[circuit.model.silent]
            own = np.split(thresholds, self._sizes[1:-1], axis=1)
            circuit.move_thresholds(self._circuit, own)
        self._circuit = circuit
        if self._placed is None or self._placed[:3] != (circuit, supply, currents):
            constants, initial = code.evaluate(circuit)
            gain = circuit.gains(supply)
            made = {
                "spread": np.concatenate([circuit.noise_sd(layer) for layer in circuit.layers]),
                **{f"c_{name}": constant for name, constant in constants.items()},
                "gain": np.concatenate(gain),
                "scaled": np.array([bool(np.any(part != 1)) for part in gain]),
                "i_in": initial["i_in"],
            }
            self._placed = circuit, supply, currents, made, gain
        # Without currents nothing flows but biases; with them their slopes are written anew.
        self._state["i_in"][...] = self._placed[3]["i_in"]
        return self._placed[3:]

    def _find_held(self, lines: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Find the layers some of whose lines are held."""
        return np.logical_or.reduceat(~np.isnan(lines), self._sizes[:-1])

    def _fixed_arguments(self, code: ModelCode) -> dict[str, Any]:
        """Arguments of the kernel that are the same in all runs."""
        chip = self._chip
        return {
            "dt": chip.dt,
            "sizes": self._sizes,
            "kinds": code.kinds,
            "q": code.scalars,
            "chance": np.array([getattr(chip.temporal, name) for name in KINDS], float),
        }

    def _run_shared(
        self, batch: int, steps: int, kernel: Function, arguments: Sequence[Any]
    ) -> None:
        """Let each thread compute some of the samples: of itself, only where that is worth it."""
        worth = self._shares_always or batch * steps * self._sizes[-1] >= WORTH_SHARING
        shares = min(len(self._rooms), batch) if worth else 1
        if shares > 1 and self._threads is None:
            self._threads = ThreadPoolExecutor(len(self._rooms) - 1)
        others = []
        for k in range(1, shares):
            edges = batch * k // shares, batch * (k + 1) // shares
            assert self._threads is not None
            others.append(self._threads.submit(kernel, *edges, *arguments, *self._rooms[k]))
        kernel(0, batch // shares, *arguments, *self._rooms[0])
        for other in others:
            other.result()

    def _make_room(self) -> tuple[NDArray[Any], ...]:
        """Make room for the kernel to work in: see `kernel.ROOM`."""
        sizes = [layer.size for layer in self._chip.layers]
        widest = max(sizes)
        eights, words = np.empty(widest // 8 + 1, np.uint64), np.empty(widest // 4 + 1, np.uint64)
        real = np.float64 if self._chip.model.precision == "double" else np.float32
        return (
            np.empty(widest, real),
            np.empty(sum(sizes) + 8, np.int32),
            np.empty(widest + 8, np.int32),
            np.empty(widest + 8, np.int32),
            np.empty(len(sizes), np.int64),
            eights.view(np.uint8),
            eights,
            words,
            words.view(np.uint16),
            np.empty(widest, np.float32),
        )

    def _begin(self, code: ModelCode, run: ChipRun, currents: bool) -> None:
        """Bring all state to where a run from reset begins."""
        chip, batch = self._chip, run.batch
        self._in_flight, self._circuit = InFlight(chip.longest_delays), chip
        held = (currents, batch, run.drive.shape[-1])
        if held != self._held:
            self._held = held
            self._state = {n: np.empty((batch, v.size), v.dtype) for n, v in code.initial.items()}
            self._sent = self._make_sent(*held[1:])
        for name, initial in code.initial.items():
            self._state[name][...] = initial
        self._sent["sent_number"][...] = 0
        if chip.temporal.trial_threshold_sd:
            thresholds = self._state[chip.model.silent]
            chip.shift_thresholds(run, np.split(thresholds, self._sizes[1:-1], axis=1))

    def _make_sent(self, batch: int, inputs: int) -> dict[str, NDArray[Any]]:
        """Make room for events on their way."""
        chip, sources = self._chip, self._in_flight.sources
        depth = 1 + max(chip.longest_delays.values())
        room = [inputs if s == 0 else chip.layers[s - 1].size for s in sources]
        slots = np.full(len(chip.layers) + 1, -1)
        slots[sources] = np.arange(len(sources))
        return {
            "sources": slots,
            "places": np.cumsum([0, *room]),
            "sent_number": np.empty((batch, depth, len(sources)), np.int64),
            "sent_where": np.empty((batch, depth, sum(room)), np.int32),
            "sent_counts": np.empty((batch, depth, sum(room)), np.float32),
        }

    def _find_keys(self, run: ChipRun) -> NDArray[np.uint64]:
        """Find what noise of each kind is seeded with, `(1 + L, 3)`: of the input, loss alone."""
        keys = np.zeros((len(self._chip.layers) + 1, len(KINDS)), np.uint64)
        for kind, name in enumerate(KINDS):
            first = int(name != "spike_loss" or self._in_flight.spikes is None)
            for layer in range(first, len(keys) if getattr(self._chip.temporal, name) else 0):
                keys[layer, kind] = Noise(*run.trial, name, layer).key[0]
        return keys

    def _spike_arguments(self) -> dict[str, Any]:
        spikes, none = self._in_flight.spikes, np.zeros(0, np.int32)
        bounds, channels, counts = (
            (none, none, none) if spikes is None else (spikes.indptr, spikes.indices, spikes.data)
        )
        return {
            "spikes_bounds": np.asarray(bounds, np.int32),
            "spikes_channels": np.asarray(channels, np.int32),
            "spikes_counts": np.asarray(counts, np.float32),
        }

    def _lay_out(
        self, code: ModelCode, circuit: Circuit, transmitted: NDArray[np.float32]
    ) -> tuple[list[DelayedSynapses], dict[str, Any]]:
        """Weigh all synapses, and lay them out in one array for each variable that receives.

        Where an event brings what its synapse transmits, they stay as they are transmitted.
        """
        if self._weighed is not None and transmitted is self._weighed[0]:
            weights = self._weighed[1]
        else:
            weights = circuit.weigh_synapses(transmitted)
        if self._layout:
            return weights, {**self._layout, f"w_{code.spec.receivers[0]}": transmitted}
        rows: list[list[int]] = []
        columns: list[NDArray[np.int32]] = []
        bounds: list[NDArray[np.int32]] = []
        place = at = begin = 0
        values: list[list[NDArray[Any]]] = [[] for _ in code.spec.receivers]
        for projection, groups in zip(self._chip.projections, weights, strict=True):
            slot = self._sent["sources"][projection.source]
            for delay, parts in groups:
                dense = isinstance(parts[0], np.ndarray)
                rows.append([slot, projection.target - 1, delay, dense, place, at, begin])
                for own, part in zip(values, parts, strict=True):
                    own.append((part if isinstance(part, np.ndarray) else part.data).reshape(-1))
                if not isinstance(parts[0], np.ndarray):
                    bounds.append(parts[0].indptr)
                    columns.append(parts[0].indices)
                    at += bounds[-1].size
                    begin += columns[-1].size
                place += values[0][-1].size
        none = np.zeros(0, np.int32)
        layout = {
            "paths": np.array(rows, np.int64),
            "columns": np.concatenate([none, *columns]).astype(np.int32, copy=False),
            "bounds": np.concatenate([none, *bounds]).astype(np.int32, copy=False),
        }
        if self._chip.is_plain:
            self._layout = layout
            if not columns:  # of no sparse matrix, which may be a copy
                self._weighed = transmitted, weights
            return self._lay_out(code, circuit, transmitted)
        return weights, layout | {
            f"w_{name}": np.concatenate(own)
            for name, own in zip(code.spec.receivers, values, strict=True)
        }

    def _slope_arguments(
        self,
        weights: Sequence[DelayedSynapses],
        gain: Sequence[NDArray[Any]],
        steps: range,
        shape: tuple[int, int],
        renew: bool,
    ) -> dict[str, Any]:
        """Slopes of membranes by input currents in some steps, as long as they are new.

        With `renew`, those of the first step are.
        """
        flows = np.full(len(self._chip.layers), -1)
        new: list[NDArray[Any]] = []
        for step in steps if shape[1] else ():
            is_new = self._in_flight.advance_current(step)
            if not is_new and not (renew and step == steps[0]):
                break
            now, at = np.empty((1, *shape), gain[0].dtype), 0
            for number, slope in current_slopes(self._circuit, self._in_flight, weights, gain):
                size = self._chip.layers[number - 1].size
                flows[number - 1] = at
                now[0, :, at : at + size] = slope
                at += size
            new.append(now)
        if len(new) != 1:
            new = [np.concatenate([np.empty((0, *shape), gain[0].dtype), *new])]
        return {"flow": new[0], "flows": flows}


def _recorder_arguments(recorders: Sequence[Recorder], sizes: NDArray[np.int64]) -> dict[str, Any]:
    """Arrays that a kernel writes, of which the recorders then hold parts.

    Args:
        recorders: What is to be observed, the output's spike counts among it.
        sizes: Where the neurons of each layer begin among all, and how many there are.
    """
    kinds: dict[type, list[Any]] = {SpikeCounts: [], Raster: [], MembraneRecorder: []}
    for recorder in recorders:
        kinds[type(recorder)].append(recorder)
    counters, rasters, membranes = kinds.values()
    places = {}
    for name, own, dtype in (("counts", counters, np.int32), ("raster", rasters, np.uint8)):
        places[name], starts = _concatenate(own, dtype)
        at = places[f"{name}_at"] = np.full(sizes.size - 1, -1)
        for recorder, start in zip(own, starts, strict=True):
            at[recorder.layer] = start
    samples, starts = _concatenate(membranes, np.float32)
    samples_at, keys = list[tuple[int, ...]](), list[np.uint64]()
    channels, converter = np.zeros((2, sizes[-1]), np.float32), np.zeros(4, np.float32)
    for recorder, start in zip(membranes, starts, strict=True):
        when = recorder.every, recorder.after_reset
        reduction = REDUCTIONS.index(recorder.reduce)
        samples_at.append((recorder.layer, *when, start, recorder.number, reduction))
        keys.append(recorder.noise.key[0])
        own = recorder.channels
        place = slice(sizes[recorder.layer], sizes[recorder.layer + 1])
        channels[:, place] = own.scale, own.shift
        converter[:] = own.noise, own.codes, own.step, own.low
    return {
        **places,
        "samples": samples,
        "samples_at": np.array(samples_at, np.int64).reshape(-1, 6),
        "channels": channels,
        "converter": converter,
        "channel_keys": np.array(keys, np.uint64),
    }


def _concatenate(
    recorders: Sequence[Raster | MembraneRecorder | SpikeCounts], dtype: Any
) -> tuple[NDArray[Any], list[int]]:
    """One array for the samples of all, and where those of each begin in it."""
    starts, end = list[int](), 0
    for each in recorders:
        starts.append(end)
        end += each.samples.size
    whole = np.zeros(end, dtype)
    for each, start in zip(recorders, starts, strict=True):
        shape, size = each.samples.shape, each.samples.size
        each.samples = whole[start : start + size].reshape(shape)
    return whole, starts
