"""How layers are joined: projections, and the delays of their synapses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from device_models.neuron_model import NeuronModel
from device_models.nonidealities.temporal import leaked

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Synapses: TypeAlias = "NDArray[np.float32] | csr_matrix"
"""What synapses transmit, `(n_pre, n_post)`: all of a projection, or those of a path."""


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses from each neuron of one layer to each of another, or of the same.

    Attributes:
        source: Number of the layer that they come from; 0 is the input.
        target: Number of the layer that they lead to, counted from 1.
        delay: Steps by which an event acts later than without: one number, or one for each
            synapse, `(n_pre, n_post)`.
    """

    source: int
    target: int
    delay: int | NDArray[np.int64] = 0


def chain(depth: int) -> list[Projection]:
    """The projections of `depth` layers, each joined to the next, without delay."""
    return [Projection(layer, layer + 1) for layer in range(depth)]


@dataclass(frozen=True, eq=False)
class Path:
    """Those synapses of a projection that have the same delay.

    Attributes:
        delay: Their delay, in steps.
        synapses: Their flat positions in the weights, ascending; None for all of them.
        columns: Where each of them leads to; empty for all of them.
        bounds: Where those of each neuron begin, `(n_pre + 1,)`; empty for all of them.
    """

    delay: int
    synapses: NDArray[np.int64] | None
    columns: NDArray[np.int32]
    bounds: NDArray[np.int32]

    def of(self, weights: NDArray[np.float32]) -> Synapses:
        """The weights `(n_pre, n_post)` with zero for the synapses of other paths."""
        if self.synapses is None:
            return weights
        from scipy.sparse import csr_matrix

        own = weights.reshape(-1)[self.synapses]
        return csr_matrix((own, self.columns, self.bounds), weights.shape)


@dataclass(frozen=True, eq=False)
class Wire:
    """A projection on a chip.

    Attributes:
        source: Number of the layer that it comes from; 0 is the input.
        target: Number of the layer that it leads to.
        paths: Its synapses by delay, the shortest first.
    """

    source: int
    target: int
    paths: tuple[Path, ...]

    @property
    def longest(self) -> int:
        """Its longest delay, in steps."""
        return self.paths[-1].delay


def wire(
    projection: Projection, shape: tuple[int, int], late: NDArray[np.float32] | None, dt: float
) -> Wire:
    """Lay out a projection with the delays that its synapses have on this chip.

    Args:
        projection: The projection.
        shape: `(n_pre, n_post)`.
        late: Seconds that each synapse adds to its delay, `(n_pre, n_post)`, where it has one.
        dt: Step, in seconds.
    """
    nominal = np.asarray(projection.delay)
    delays = nominal
    if late is not None and nominal.any():
        delays = np.where(nominal > 0, np.maximum(nominal + np.rint(late / dt), 0), 0).astype(int)
    return Wire(projection.source, projection.target, tuple(_paths(delays, shape)))


def _paths(delays: NDArray[np.int64], shape: tuple[int, int]) -> Sequence[Path]:
    distinct, group = np.unique(delays, return_inverse=True)
    none = np.empty(0, np.int32)
    if distinct.size == 1:
        return [Path(int(distinct[0]), None, none, none)]
    group = group.reshape(-1)
    ordered, ends = np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))
    found = []
    for delay, own in zip(distinct, np.split(ordered, ends[:-1]), strict=True):
        bounds = np.searchsorted(own, np.arange(shape[0] + 1) * shape[1])
        columns = (own % shape[1]).astype(np.int32)
        found.append(Path(int(delay), own, columns, bounds.astype(np.int32)))
    return found


def transmitted(synapses: Synapses, model: NeuronModel, crosstalk: float) -> tuple[Synapses, ...]:
    """What each variable of the receiving neurons gets of one event, in swings.

    Args:
        synapses: The weights.
        model: The model of those neurons.
        crosstalk: Share of it that their neighbours get, too.
    """
    if crosstalk:
        synapses = leaked(synapses, crosstalk)
    values: NDArray[Any] = synapses if isinstance(synapses, np.ndarray) else synapses.data
    if model.precision == "double":
        values = values.astype(np.float64)
    if model.update:  # digital synapses hold whole numbers
        values = np.rint(values * model.swing) / model.swing
    signed = not isinstance(model.receives, str)
    parts = (np.maximum(values, 0), np.maximum(-values, 0)) if signed else (values,)
    if isinstance(synapses, np.ndarray):
        return parts
    from scipy.sparse import csr_matrix

    places, shape = (synapses.indices, synapses.indptr), synapses.shape
    return tuple(csr_matrix((part, *places), shape) for part in parts)
