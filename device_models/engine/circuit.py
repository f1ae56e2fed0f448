"""A chip with a network mapped on it: its layers of neurons, and the synapses between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from device_models.generators import Noise
from device_models.mismatch import LayerMismatch
from device_models.neurons import NeuronModel
from device_models.nonidealities import Temporal
from device_models.places import Places
from device_models.readout import Recorder
from device_models.temporal_noise import add_crosstalk, step_noise_sd

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Synapses: TypeAlias = "NDArray[np.float32] | csr_matrix"
"""Weights that synapses transmit, `(n_pre, n_post)`: all of a projection, or of one delay."""
DelayedSynapses: TypeAlias = "Sequence[tuple[int, tuple[Synapses, ...]]]"
"""One projection by delay in steps: what each receiving variable gets of an event."""


@dataclass(frozen=True, eq=False)
class Phase:
    """Steps of a run in which the same faults act.

    Attributes:
        steps: How many there are.
        circuit: The chip as it then is.
        lines: For each neuron of all layers, the share of steps in which its line carries an event
            whatever it does; nan where it carries what the neuron sends.
        weights: By projection, what its synapses then transmit, where some are faulty, flat.
    """

    steps: int
    circuit: Circuit
    lines: NDArray[np.float64]
    weights: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)

    def replace_weights(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give what synapses transmit, as in `ChipRun`: a copy where some are faulty."""
        if self.weights:
            weights = weights.copy()
            parts = self.circuit.split_weights(weights)
            for p, now in self.weights.items():
                parts[p].reshape(-1)[:] = now
        return weights


@dataclass(frozen=True, eq=False)
class ChipRun:
    """Run that copies of a chip are to do.

    Attributes:
        drive: Currents `(B, n_in)` or `(T, B, n_in)`, or event counts `(T*B, n_in)` in CSR.
        steps: T.
        batch: Number of copies B.
        weights: What synapses transmit, in swings: those of one projection after another.
        recorders: What is to be observed, the output's spike counts among it.
        trial: Seed and names of the random streams of this run.
        phases: The run in parts, between which faults come or go.
        supply: Factor of all input gains now.
    """

    drive: NDArray[np.float32] | csr_matrix
    steps: int
    batch: int
    weights: NDArray[np.float32]
    recorders: Sequence[Recorder]
    trial: tuple[int, ...]
    phases: Sequence[Phase]
    supply: float = 1.0


@dataclass(frozen=True, eq=False)
class NominalProjection:
    """Synapses from neurons of one layer to those of another, or of the same.

    Attributes:
        source: Number of the layer that they come from; 0 is the input.
        target: Number of the layer that they lead to, counted from 1.
        delay: Steps by which an event acts later than without: one number, or one for each
            synapse, in the shape of `Places`.
        pre: As `Places` has it; None for a synapse from each neuron to each.
        post: See `pre`.
    """

    source: int
    target: int
    delay: int | NDArray[np.int64] = 0
    pre: NDArray[np.int32] | None = None
    post: NDArray[np.int32] | None = None


def chain_layers(depth: int) -> list[NominalProjection]:
    """Project each of `depth` layers to the next, without delay."""
    return [NominalProjection(layer, layer + 1) for layer in range(depth)]


@dataclass(frozen=True, eq=False)
class DelayGroup:
    """Synapses of a projection that have the same delay.

    Attributes:
        delay: Their delay, in steps.
        ends: Number of neurons before and after, `(n_pre, n_post)`.
        synapses: Their flat positions in the weights, ascending; None for all that there are.
        columns: Where each of them leads to; empty where there is one of each pair.
        bounds: Where those of each neuron begin, `(n_pre + 1,)`; empty likewise.
    """

    delay: int
    ends: tuple[int, int]
    synapses: NDArray[np.int64] | None
    columns: NDArray[np.int32]
    bounds: NDArray[np.int32]

    def select(self, weights: NDArray[np.float32]) -> Synapses:
        """Select their weights `(n_pre, n_post)`, with nothing in place of other synapses."""
        if not self.bounds.size:
            return weights
        from scipy.sparse import csr_matrix

        own = weights if self.synapses is None else weights.reshape(-1)[self.synapses]
        return csr_matrix((own, self.columns, self.bounds), self.ends)


@dataclass(frozen=True, eq=False)
class MappedProjection:
    """A projection on a chip.

    Attributes:
        source: Number of the layer that it comes from; 0 is the input.
        target: Number of the layer that it leads to.
        places: Where its synapses are.
        groups: These by delay, the shortest first.
    """

    source: int
    target: int
    places: Places
    groups: tuple[DelayGroup, ...]


def map_projection(
    projection: NominalProjection,
    places: Places,
    late: NDArray[np.float32] | None,
    dt: float,
) -> MappedProjection:
    """Lay out a projection with the delays that its synapses have on this chip.

    Args:
        projection: The projection.
        places: Where its synapses are.
        late: Seconds that each synapse adds to its delay, where it has one.
        dt: Step, in seconds.
    """
    nominal = np.asarray(projection.delay)
    delays = nominal
    if late is not None and nominal.any():
        delays = np.where(nominal > 0, np.maximum(nominal + np.rint(late / dt), 0), 0).astype(int)
    groups = tuple(_group_by_delay(delays, places))
    return MappedProjection(projection.source, projection.target, places, groups)


def _group_by_delay(delays: NDArray[np.int64], places: Places) -> list[DelayGroup]:
    distinct, which = np.unique(delays, return_inverse=True)
    ends, none = places.ends, np.empty(0, np.int32)
    if distinct.size == 1:
        columns, bounds = none, none
        if places.pre is not None and places.post is not None:
            columns, bounds = places.post, _find_bounds(places.pre, ends[0])
        return [DelayGroup(int(distinct[0]), ends, None, columns, bounds)]
    which = which.reshape(-1)
    ordered, last = np.argsort(which, kind="stable"), np.cumsum(np.bincount(which))
    groups = []
    for delay, own in zip(distinct, np.split(ordered, last[:-1]), strict=True):
        pre, post = places.find_pairs(own)
        groups.append(DelayGroup(int(delay), ends, own, post, _find_bounds(pre, ends[0])))
    return groups


def _find_bounds(pre: NDArray[np.integer], neurons: int) -> NDArray[np.int32]:
    """Find where the synapses of each neuron begin, `(neurons + 1,)`."""
    return np.searchsorted(pre, np.arange(neurons + 1, dtype=pre.dtype)).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Circuit:
    """The electronics of a chip with a network mapped on it.

    Attributes:
        model: The neuron model.
        reset: Which of its resets.
        dt: Step, in seconds.
        constants: Parameters that are the same for all neurons, by name.
        layers: The layers of neurons.
        projections: The projections.
        temporal: Noise in time.
    """

    model: NeuronModel
    reset: str
    dt: float
    constants: Mapping[str, float]
    layers: tuple[LayerMismatch, ...]
    projections: tuple[MappedProjection, ...]
    temporal: Temporal

    def values(self, name: str, layer: LayerMismatch) -> NDArray[np.float32]:
        """A parameter of each neuron of a layer, `(n,)`."""
        if name in layer.varied:
            return layer.varied[name]
        return np.full(layer.size, self.constants[name], np.float32)

    def bias_slope(self, layer: LayerMismatch) -> NDArray[np.float32]:
        """Slope that each neuron's bias current adds to its membrane, `(n,)` in unit/second."""
        level = layer.bias * np.float32(self.model.swing)
        return level / self.values(self.model.time_constant, layer)

    def gains(self, supply: float) -> list[NDArray[Any]]:
        """Input gain of each neuron of each layer, in the membrane's unit for a swing, `(n,)`.

        Args:
            supply: Factor of all of them now.
        """
        kind = np.float64 if self.model.precision == "double" else np.float32
        return [layer.gain * kind(supply * self.model.swing) for layer in self.layers]

    def noise_sd(self, layer: LayerMismatch) -> NDArray[np.float32]:
        """Standard deviation of the noise that a step adds to each membrane, `(n,)`."""
        tau = self.values(self.model.time_constant, layer)
        noise = step_noise_sd(self.temporal.membrane_noise * self.model.swing, tau, self.dt)
        return noise * (layer.gain > 0)

    def shift_thresholds(self, run: ChipRun, thresholds: Sequence[NDArray[np.float32]]) -> None:
        """Write the thresholds that neurons have in a trial.

        Args:
            run: The run.
            thresholds: Of each layer, `(B, n)`, overwritten.
        """
        scale = np.float32(self.temporal.trial_threshold_sd * self.model.swing)
        for n, (layer, own) in enumerate(zip(self.layers, thresholds, strict=True), start=1):
            draw = Noise(*run.trial, "trial_threshold_sd", n).normals(0, *own.shape)
            own[...] = self.values(self.model.silent, layer) + draw * scale

    def move_thresholds(self, before: Circuit, thresholds: Sequence[NDArray[np.float32]]) -> None:
        """Move the thresholds of a trial to where they are now that faults came or went.

        Args:
            before: The chip that they are of.
            thresholds: Of each layer, `(B, n)`, changed.
        """
        name = self.model.silent
        for old, new, own in zip(before.layers, self.layers, thresholds, strict=True):
            then, now = self.values(name, old), self.values(name, new)
            moved = then != now
            own[:, moved] += now[moved] - then[moved]

    def is_refractory(self, layer: LayerMismatch) -> bool:
        """Tell whether any neuron of a layer has a refractory time."""
        name = self.model.refractory
        return name is not None and bool(np.any(self.values(name, layer) > 0))

    @cached_property
    def longest_delays(self) -> dict[int, int]:
        """The longest delay of what leaves a layer, in steps, by its number; 0 is the input."""
        delays = [(p.source, p.groups[-1].delay) for p in self.projections]
        return {source: max(d for s, d in delays if s == source) for source, _ in sorted(delays)}

    def input_targets(self) -> list[int]:
        """Numbers of the layers that the input projects to, ascending."""
        return sorted({p.target for p in self.projections if p.source == 0})

    @cached_property
    def is_plain(self) -> bool:
        """Tell if an event brings each receiving neuron what its synapse transmits, no more."""
        model = self.model
        simple = len(model.receivers) == 1 and model.precision == "single" and not model.update
        together = all(len(projection.groups) == 1 for projection in self.projections)
        return simple and together and not self.temporal.crosstalk

    def split_weights(self, weights: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Split weights as in `ChipRun` into those of each projection, as `Places` has them."""
        parts, end = [], 0
        for projection in self.projections:
            begin, end = end, end + projection.places.size
            parts.append(weights[begin:end].reshape(projection.places.shape))
        return parts

    def weigh_synapses(self, weights: NDArray[np.float32]) -> list[DelayedSynapses]:
        """Weigh what receiving neurons get of one event, in swings, of each projection by delay.

        Args:
            weights: What synapses transmit, as in `ChipRun`.
        """
        return [
            [(group.delay, self._split(group.select(own))) for group in projection.groups]
            for projection, own in zip(self.projections, self.split_weights(weights), strict=True)
        ]

    def _split(self, synapses: Synapses) -> tuple[Synapses, ...]:
        """Split weights by the variable that receives them, crosstalk included."""
        model = self.model
        if self.temporal.crosstalk:
            synapses = add_crosstalk(synapses, self.temporal.crosstalk)
        values: NDArray[Any] = synapses if isinstance(synapses, np.ndarray) else synapses.data
        if model.precision == "double":
            values = values.astype(np.float64)
        if model.update:  # digital synapses hold whole numbers
            values = np.rint(values * model.swing) / model.swing
        signed = len(model.receivers) == 2
        parts = (np.maximum(values, 0), np.maximum(-values, 0)) if signed else (values,)
        if isinstance(synapses, np.ndarray):
            return parts
        from scipy.sparse import csr_matrix

        places, shape = (synapses.indices, synapses.indptr), synapses.shape
        return tuple(csr_matrix((part, *places), shape) for part in parts)
