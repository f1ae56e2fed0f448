"""An emulated chip: one seed is one piece of silicon."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from device_models.adc import Converter
from device_models.engine import Circuit, Engine, Layer, Recorder
from device_models.fixed_pattern import dead, factors, offsets
from device_models.generators import Normals, sequence
from device_models.neurons import NeuronModel, Parameter
from device_models.profiles import Imperfections
from device_models.programming import Crossbar
from device_models.recording import Membranes, Raster, SpikeCounts

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Prepared engines to keep: training, evaluation and their last, smaller batches.
PREPARED = 4


@dataclass(frozen=True)
class Observation:
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
    """A chip of one neuron model with the imperfections that its seed drew.

    Args:
        model: The neuron model.
        imperfections: How far from ideal it is.
        seed: Which chip.
        reset: Which of the model's resets.
        dt: Step, in seconds.
    """

    def __init__(
        self,
        model: NeuronModel,
        imperfections: Imperfections,
        seed: int = 0,
        reset: str = "soft",
        dt: float = 1e-3,
    ) -> None:
        """Take a chip off the shelf; nothing is mapped on it yet."""
        self.model, self.imperfections = model, imperfections
        self.seed, self.reset, self.dt = seed, reset, dt
        self.circuit: Circuit | None = None
        self.crossbars: list[Crossbar] = []
        self._converters: list[Converter] = []
        self._engines: OrderedDict[tuple[int, bool], Engine] = OrderedDict()
        self.untold_trials = 0

    def configure(
        self,
        layers: Sequence[int],
        full_scale: Sequence[float],
        nominal: Mapping[str, float] | None = None,
    ) -> None:
        """Map a network; every weight is zero afterwards.

        Args:
            layers: Sizes, the input first.
            full_scale: Largest |weight| of each projection, in nominal thresholds.
            nominal: Nominal parameters by name, where they differ from the model's own.
        """
        values = {name: p.value for name, p in self.model.parameters.items()} | dict(nominal or {})
        parameters = self.model.parameters
        self.circuit = Circuit(
            model=self.model,
            reset=self.reset,
            dt=self.dt,
            constants={n: values[n] for n, p in parameters.items() if p.mismatch is None},
            layers=tuple(
                self._layer(index, size, values, spared=index == len(layers) - 2)
                for index, size in enumerate(layers[1:])
            ),
            temporal=self.imperfections.temporal,
        )
        self.crossbars = [
            Crossbar(
                (layers[p], layers[p + 1]),
                full_scale[p],
                self.imperfections.programming,
                self.imperfections.fixed_pattern.weight_cv,
                self.seed,
                p,
            )
            for p in range(len(layers) - 1)
        ]
        self._converters = [
            Converter(self.imperfections.adc, self.seed, index, size)
            for index, size in enumerate(layers[1:])
        ]
        self._engines.clear()

    def write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Program one projection `(n_pre, n_post)`; returns what was stored."""
        return self.crossbars[projection].write(weights)

    def run(
        self,
        drive: NDArray[np.float32] | csr_matrix,
        steps: int,
        batch: int,
        observations: Sequence[Observation] = (),
        trial: int | None = None,
    ) -> tuple[NDArray[np.int32], list[NDArray[np.generic]]]:
        """Run a batch, each sample from reset.

        Args:
            drive: Currents `(B, n_in)` or `(T, B, n_in)`, or event counts `(T*B, n_in)` in CSR.
            steps: T.
            batch: B.
            observations: What to observe.
            trial: Names what happens today; None takes the next unused one.

        Returns:
            Output spike counts `(B, n_out)`, and for each observation a raster `(T, B, n)` uint8
            or membrane samples `(T // every, B, n)` float32 in volts.
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
            for o in observations
            if o.quantity == "spikes"
        }
        membranes = {
            o: Membranes(
                o.layer,
                steps // o.every,
                batch,
                o.every,
                self._converters[o.layer],
                Normals(sequence(*names, "adc_noise", o.layer)),
            )
            for o in observations
            if o.quantity == "membrane"
        }
        recorders: list[Recorder] = [counts, *rasters.values(), *membranes.values()]
        self._engine(batch, isinstance(drive, np.ndarray)).run(
            drive, steps, [c.effective for c in self.crossbars], recorders, names
        )
        return counts.counts, [
            rasters[o].raster if o in rasters else membranes[o].traces for o in observations
        ]

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

    def _layer(self, index: int, size: int, nominal: Mapping[str, float], spared: bool) -> Layer:
        """Draw one layer; the output is spared dead neurons, being mapped on tested ones."""
        pattern = self.imperfections.fixed_pattern
        varied = {
            name: self._varied(parameter, index, size, nominal[name])
            for name, parameter in self.model.parameters.items()
            if parameter.mismatch is not None
        }
        gain = factors(self.seed, "gain_cv", index, size, pattern.gain_cv)
        silent = dead(self.seed, index, size, 0.0 if spared else pattern.dead_fraction)
        varied[self.model.silent][silent] = np.inf
        gain[silent] = 0.0
        return Layer(size, varied, gain)

    def _varied(
        self, parameter: Parameter, layer: int, size: int, nominal: float
    ) -> NDArray[np.float32]:
        assert parameter.mismatch is not None
        name, acts = parameter.mismatch.figure, parameter.mismatch.acts
        spread: float = getattr(self.imperfections.fixed_pattern, name)
        if acts == "add":
            return np.float32(nominal) + offsets(self.seed, name, layer, size, spread)
        drawn = factors(self.seed, name, layer, size, spread)
        return np.float32(nominal) * drawn if acts == "multiply" else np.float32(nominal) / drawn
