"""The compiled engine: the whole time loop of a run in one function of machine code.

It does what `engine.Engine` does, to the bit, for models whose steps are arithmetic, where numba is
installed. Brian2 remains the source of the equations: the function is made from its code.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from device_models import compiled_recording as recording
from device_models.compiling import compiled
from device_models.generators import Noise, quantiles, sequence
from device_models.neuron_group import Circuit
from device_models.recording import Recorder
from device_models.translation import Translated
from device_models.under_way import UnderWay, slopes
from device_models.wiring import Synapses, transmitted

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Weights: TypeAlias = "Sequence[Sequence[tuple[int, tuple[Synapses, ...]]]]"
KINDS = ("membrane_noise", "spike_loss", "spurious_spikes")
MOST_SLOPES = 1 << 21  # numbers of input current worked out at a time


def cores() -> int:
    """How many threads this process may use: as many as cores, or as `OMP_NUM_THREADS` says."""
    affinity = getattr(os, "sched_getaffinity", None)
    there = len(affinity(0)) if affinity else os.cpu_count() or 1
    said = os.environ.get("OMP_NUM_THREADS", "")
    return min(there, max(int(said), 1)) if said.isdigit() else there


class Fused:
    """Any number of copies of a chip, ready to run."""

    def __init__(self, chip: Circuit, workers: int | None) -> None:
        """Prepare a chip.

        Args:
            chip: The chip.
            workers: Threads that share a batch; None for as many as this process may use.

        Raises:
            Refused: When the model has no translation that is equal bit by bit.
        """
        self._chip, self._workers = chip, workers or cores()
        self._translated = {False: Translated(chip, False)}
        self._sizes = np.cumsum([0, *(layer.size for layer in chip.layers)])
        self._driven = sorted({w.target for w in chip.wires if w.source == 0})
        self._state: dict[str, NDArray[Any]] = {}

    @property
    def currents_to_come(self) -> bool:
        """Whether an input current of the last run has yet to arrive."""
        return self._under_way.currents_to_come

    def run(
        self,
        drive: NDArray[np.float32] | csr_matrix,
        steps: int,
        batch: int,
        weights: Sequence[NDArray[np.float32]],
        recorders: Sequence[Recorder],
        trial: tuple[int, ...],
        supply: float,
        carry: bool,
        begun: int,
    ) -> None:
        """Run copies from reset, or from where their last run ended.

        Args:
            drive: Currents `(B, n_in)` or `(T, B, n_in)`, or event counts `(T*B, n_in)` in CSR.
            steps: T.
            batch: B.
            weights: What the synapses of each projection transmit, `(n_pre, n_post)`, in swings.
            recorders: What is to be observed.
            trial: Seed and names of the random streams of this run.
            supply: Factor of all input gains now.
            carry: Whether to go on from the last run.
            begun: Steps since reset before this run.
        """
        chip, temporal = self._chip, self._chip.temporal
        currents = isinstance(drive, np.ndarray) or (carry and self.currents_to_come)
        if currents not in self._translated:
            self._translated[currents] = Translated(chip, currents)
        code = self._translated[currents]
        if not carry:
            self._begin(code, batch, drive.shape[-1], trial)
        # Without currents nothing flows but biases; with them their slopes are written anew.
        self._state["i_in"][...] = code.initial["i_in"]
        jitter, noise = temporal.input_jitter / chip.dt, Noise(sequence(*trial, "input_jitter"))
        self._under_way.drive(drive, steps, batch, jitter, noise, begun)
        parts = [
            [(p.delay, transmitted(p.of(w), chip.model, temporal.crosstalk)) for p in wire.paths]
            for wire, w in zip(chip.wires, weights, strict=True)
        ]
        gain = chip.gains(supply)
        values = {"begun": begun, **self._values(code, trial, parts, gain, recorders)}
        width = sum(chip.layers[n - 1].size for n in self._driven) if currents else 0
        block = min(steps, max(1, MOST_SLOPES // (batch * width))) if width else steps
        kernel, names = compiled(code.shape)
        for past in range(0, steps, block):
            length = min(block, steps - past)
            flow = self._flow(parts, gain, range(past, past + length), (batch, width))
            now = {**values, **flow, "past": past, "steps": length}
            self._share(batch, kernel, [now[name] for name in names[2:]])

    def _values(
        self,
        code: Translated,
        trial: tuple[int, ...],
        weights: Weights,
        gain: Sequence[NDArray[Any]],
        recorders: Sequence[Recorder],
    ) -> dict[str, Any]:
        """Arguments of the kernel that are the same all through a run."""
        return {
            "dt": self._chip.dt,
            "sizes": self._sizes,
            "kinds": code.kinds,
            "q": code.scalars,
            **self._noise(trial),
            **self._spikes(),
            **self._wiring(code, weights),
            "gain": np.concatenate(gain),
            "scaled": np.array([bool(np.any(g != 1)) for g in gain]),
            **self._sent,
            **recording.arrays(recorders, self._sizes),
            **{f"X_{name}": self._state[name] for name in code.states},
            **{f"c_{name}": constant for name, constant in code.constants.items()},
        }

    def _share(self, batch: int, kernel: Callable[..., None], arguments: list[Any]) -> None:
        """Let each thread compute some of the samples."""
        shares = min(self._workers, batch)
        edges = [batch * k // shares for k in range(shares + 1)]
        if shares == 1:
            kernel(0, batch, *arguments)
            return
        kernel(0, 0, *arguments)  # compiles, where that is to be done, once
        with ThreadPoolExecutor(shares) as threads:
            list(threads.map(lambda a, b: kernel(a, b, *arguments), edges, edges[1:]))

    def _begin(self, code: Translated, batch: int, inputs: int, trial: tuple[int, ...]) -> None:
        """Bring all state to where a run from reset begins."""
        chip, model = self._chip, self._chip.model
        self._under_way = UnderWay(chip.wires)
        self._state = {n: np.tile(v, (batch, 1)) for n, v in code.initial.items()}
        if chip.temporal.trial_threshold_sd:
            scale = np.float32(chip.temporal.trial_threshold_sd * model.swing)
            own = np.split(self._state[model.silent], self._sizes[1:-1], axis=1)
            for n, (layer, thresholds) in enumerate(zip(chip.layers, own, strict=True), start=1):
                draw = Noise(sequence(*trial, "trial_threshold_sd", n))
                shift = draw.normals(0, *thresholds.shape) * scale
                thresholds[...] = chip.values(model.silent, layer) + shift
        sources = sorted({w.source for w in chip.wires})
        depth = 1 + max(w.longest for w in chip.wires)
        room = [inputs if s == 0 else chip.layers[s - 1].size for s in sources]
        slots = np.full(len(chip.layers) + 1, -1)
        slots[sources] = np.arange(len(sources))
        self._sent = {
            "sources": slots,
            "places": np.cumsum([0, *room]),
            "sent_number": np.zeros((batch, depth, len(sources)), np.int64),
            "sent_where": np.empty((batch, depth, sum(room)), np.int32),
            "sent_counts": np.empty((batch, depth, sum(room)), np.float32),
        }

    def _noise(self, trial: tuple[int, ...]) -> dict[str, Any]:
        chip = self._chip
        chances = [getattr(chip.temporal, name) for name in KINDS]
        keys = [
            [
                Noise(sequence(*trial, name, n)).key[0] if chance else np.uint64(0)
                for name, chance in zip(KINDS, chances, strict=True)
            ]
            for n in range(len(chip.layers) + 1)
        ]
        return {
            "table": quantiles(),
            "chance": np.array(chances, float),
            "keys": np.array(keys, np.uint64),
            "spread": np.concatenate([chip.noise_sd(layer) for layer in chip.layers]),
        }

    def _spikes(self) -> dict[str, Any]:
        spikes = self._under_way.spikes
        if spikes is None:
            none = np.zeros(0, np.int32)
            return {
                "spikes_bounds": none,
                "spikes_channels": none,
                "spikes_counts": np.zeros(0, np.float32),
            }
        return {
            "spikes_bounds": spikes.indptr.astype(np.int32, copy=False),
            "spikes_channels": spikes.indices.astype(np.int32, copy=False),
            "spikes_counts": spikes.data.astype(np.float32, copy=False),
        }

    def _wiring(self, code: Translated, weights: Weights) -> dict[str, Any]:
        """All synapses in one array for each receiving variable, and where those of a path are."""
        rows: list[list[int]] = []
        columns: list[NDArray[np.int32]] = []
        bounds: list[NDArray[np.int32]] = []
        place = at = 0
        values: list[list[NDArray[Any]]] = [[] for _ in code.shape.receivers]
        for wire, paths in zip(self._chip.wires, weights, strict=True):
            slot = self._sent["sources"][wire.source]
            for delay, parts in paths:
                dense = isinstance(parts[0], np.ndarray)
                rows.append([slot, wire.target - 1, delay, dense, place, at])
                for own, part in zip(values, parts, strict=True):
                    own.append((part if isinstance(part, np.ndarray) else part.data).reshape(-1))
                if not isinstance(parts[0], np.ndarray):
                    bounds.append(parts[0].indptr)
                    columns.append(np.zeros(place - sum(own.size for own in columns), np.int32))
                    columns.append(parts[0].indices)
                    at += bounds[-1].size
                place += values[0][-1].size
        none = np.zeros(0, np.int32)
        return {
            "paths": np.array(rows, np.int64),
            "columns": np.concatenate([none, *columns]).astype(np.int32),
            "bounds": np.concatenate([none, *bounds]).astype(np.int32),
            **{
                f"w_{name}": own[0] if len(own) == 1 else np.concatenate(own)
                for name, own in zip(code.shape.receivers, values, strict=True)
            },
        }

    def _flow(
        self, weights: Weights, gain: Sequence[NDArray[Any]], steps: range, shape: tuple[int, int]
    ) -> dict[str, Any]:
        """Slopes of membranes by input currents in some steps, as long as they are new."""
        flows = np.full(len(self._chip.layers), -1)
        found: list[NDArray[Any]] = []
        for step in steps if shape[1] else ():
            if not self._under_way.current(step):
                break
            now, at = np.empty(shape, gain[0].dtype), 0
            for number, slope in slopes(self._chip, self._under_way, weights, gain):
                size = self._chip.layers[number - 1].size
                flows[number - 1] = at
                now[:, at : at + size] = slope
                at += size
            found.append(now)
        none = np.zeros((0, 1, 1), gain[0].dtype)
        return {"flow": np.stack(found) if found else none, "flows": flows}
