"""An emulated chip: one seed is one piece of silicon."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from device_models.crossbar import Crossbar
from device_models.engine import Engine, Recorder
from device_models.generators import Normals, sequence
from device_models.neuron_group import Circuit
from device_models.neurons import NeuronModel
from device_models.nonidealities.adc import ADCChannels
from device_models.nonidealities.temporal import supply
from device_models.nonidealities.tiers import NonIdealities
from device_models.recording import MembraneRecorder, Raster, SpikeCounts
from device_models.sampled_mismatch import Pattern, SampledMismatch

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Prepared engines to keep: training, evaluation and their last, smaller batches.
PREPARED = 4


@dataclass(frozen=True)
class RecordingRequest:
    """A request to observe one layer of neurons (0 is the first).

    Attributes:
        layer: Which layer.
        quantity: `spikes` (a raster) or `membrane`.
        every: Interval between membrane samples, in steps.
    """

    layer: int
    quantity: Literal["spikes", "membrane"]
    every: int = 1


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

    Attributes:
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
    ) -> None:
        """Take a chip off the shelf; nothing is mapped on it yet."""
        self.model, self.nonidealities = model, nonidealities
        self.seed, self.reset, self.dt = seed, reset or next(iter(model.resets)), dt
        self.parameters = {n: p.value for n, p in model.parameters.items()} | dict(parameters or {})
        self.pattern: Pattern = pattern or SampledMismatch(
            seed, nonidealities.fixed_pattern, nonidealities.adc
        )
        self.clock = 0.0
        self.circuit: Circuit | None = None
        self.crossbars: list[Crossbar] = []
        self._converters: list[ADCChannels] = []
        self._engines: OrderedDict[tuple[int, bool], Engine] = OrderedDict()
        self.untold_trials = 0

    def configure(
        self,
        layers: Sequence[int],
        full_scale: Sequence[float],
        nominal: Mapping[str, float] | None = None,
        trims: Mapping[str, Sequence[NDArray[np.float32]]] | None = None,
    ) -> None:
        """Map a network; every weight is zero afterwards.

        Args:
            layers: Sizes, the input first.
            full_scale: Largest |weight| of each projection, in swings (nominal thresholds).
            nominal: Nominal parameters by name, where they differ from the chip's own.
            trims: Parameters chosen for each neuron by name, `(n,)` for each layer of neurons.

        Raises:
            ValueError: When the chip's pattern was measured on a network of another shape.
        """
        values = self.parameters | dict(nominal or {})
        sizes, last = layers[1:], len(layers) - 2
        self.circuit = Circuit(
            model=self.model,
            reset=self.reset,
            dt=self.dt,
            constants={
                n: values[n] for n, p in self.model.parameters.items() if p.mismatch is None
            },
            layers=tuple(
                self.pattern.layer(
                    self.model,
                    i,
                    size,
                    values | {name: chosen[i] for name, chosen in (trims or {}).items()},
                    i == last,
                )
                for i, size in enumerate(sizes)
            ),
            temporal=self.nonidealities.temporal,
        )
        self._full_scale = tuple(full_scale)
        shapes = list(zip(layers, sizes, strict=False))
        self.crossbars = [
            Crossbar(
                shape,
                self._storable(full_scale[p]),
                self.nonidealities.programming,
                self.pattern.cells(p, shape),
                self.seed,
                p,
            )
            for p, shape in enumerate(shapes)
        ]
        self._converters = [
            ADCChannels(
                self.nonidealities.adc,
                *self.pattern.channels(i, size),
                self.model.rest,
                self.model.swing,
            )
            for i, size in enumerate(sizes)
        ]
        self._engines.clear()

    def write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Program one projection `(n_pre, n_post)`; returns what was stored."""
        if self.model.weight_unit:  # levels of such a chip may reach beyond what was asked for
            limit = np.float32(self._full_scale[projection])
            weights = np.clip(weights, -limit, limit)
        return self.crossbars[projection].write(weights)

    def run(
        self,
        drive: NDArray[np.float32] | csr_matrix,
        steps: int,
        batch: int,
        requests: Sequence[RecordingRequest] = (),
        trial: int | None = None,
    ) -> tuple[NDArray[np.int32], list[NDArray[np.generic]]]:
        """Run a batch, each sample from reset.

        Args:
            drive: Currents `(B, n_in)` or `(T, B, n_in)`, or event counts `(T*B, n_in)` in CSR.
            steps: T.
            batch: B.
            requests: What to observe.
            trial: Names what happens today; None takes the next unused one.

        Returns:
            Output spike counts `(B, n_out)`, and for each observation a raster `(T, B, n)` uint8
            or membrane samples `(T // every, B, n)` float32 in the model's unit.
        """
        if trial is None:
            names: tuple[int, ...] = (self.seed, 0, self.untold_trials)
            self.untold_trials += 1
        else:
            names = (self.seed, 1, trial)
        sizes = [layer.size for layer in self._mapped.layers]
        counts = SpikeCounts(len(sizes) - 1, batch, sizes[-1])
        rasters = {
            o: Raster(o.layer, steps, batch, sizes[o.layer])
            for o in requests
            if o.quantity == "spikes"
        }
        membranes = {
            o: MembraneRecorder(
                o.layer,
                steps // o.every,
                batch,
                o.every,
                self._converters[o.layer],
                Normals(sequence(*names, "adc_noise", o.layer)),
            )
            for o in requests
            if o.quantity == "membrane"
        }
        recorders: list[Recorder] = [counts, *rasters.values(), *membranes.values()]
        temporal = self.nonidealities.temporal
        self._engine(batch, isinstance(drive, np.ndarray)).run(
            drive,
            steps,
            [c.effective for c in self.crossbars],
            recorders,
            names,
            supply(self.seed, temporal.wander, temporal.wander_seconds, self.clock),
        )
        self.wait(self.nonidealities.programming.run_seconds)
        return counts.counts, [
            rasters[o].raster if o in rasters else membranes[o].traces for o in requests
        ]

    def wait(self, seconds: float) -> None:
        """Let time pass: stored weights drift, temperature and supply wander."""
        self.clock += seconds
        for crossbar in self.crossbars:
            crossbar.advance(seconds)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """All that the chip remembers, as named arrays."""
        found: dict[str, NDArray[np.generic]] = {
            "untold_trials": np.asarray(self.untold_trials),
            "clock": np.asarray(self.clock),
        }
        for p, crossbar in enumerate(self.crossbars):
            found |= {f"projection_{p}/{k}": v for k, v in crossbar.state().items()}
        return found

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Return a configured chip to what `state` gave."""
        self.untold_trials, self.clock = int(state["untold_trials"]), float(state["clock"])
        for p, crossbar in enumerate(self.crossbars):
            head = f"projection_{p}/"
            crossbar.restore(
                {k.removeprefix(head): v for k, v in state.items() if k.startswith(head)}
            )

    def _storable(self, full_scale: float) -> float:
        """The full scale at which levels are whole units of the model times a power of two."""
        levels = self.nonidealities.programming.levels
        unit = self.model.weight_unit / self.model.swing
        if not unit or levels is None:
            return full_scale
        largest = unit * (levels // 2)
        return float(largest * 2.0 ** max(0, math.ceil(math.log2(full_scale / largest))))

    @property
    def ages(self) -> bool:
        """Whether time alone changes what the chip does."""
        stored, temporal = self.nonidealities.programming, self.nonidealities.temporal
        return bool(stored.drift or stored.retention or temporal.wander)

    @property
    def _mapped(self) -> Circuit:
        if self.circuit is None:
            raise ValueError("the chip has no network yet: call configure first")
        return self.circuit

    def _engine(self, batch: int, current_input: bool) -> Engine:
        key = (batch, current_input)
        if key not in self._engines:
            self._engines[key] = Engine(self._mapped, batch, current_input)
            if len(self._engines) > PREPARED:
                self._engines.popitem(last=False)
        self._engines.move_to_end(key)
        return self._engines[key]
