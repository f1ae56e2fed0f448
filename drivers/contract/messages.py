"""What a run is given and what it answers: stimulus, probe and readout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers.contract.errors import StimulusError, UnsupportedProbe
from drivers.contract.info import Quantity, Reduction, StimulusKind

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class Stimulus:
    """A batch of B inputs over T steps. Make one with the class methods.

    Attributes:
        kind: `current`, `current_trace` or `spikes`.
        data: `(B, n_in)` float32, `(T, B, n_in)` float32, or a `(T*B, n_in)` float32 CSR matrix
            of spike counts whose row `t * B + b` is step t of sample b.
        steps: T.
        batch: B.

    A current of 1 injects per step as much as one spike does. `dense` gives all kinds in one shape.
    """

    kind: StimulusKind
    data: NDArray[np.float32] | csr_matrix
    steps: int
    batch: int

    @property
    def channels(self) -> int:
        """Number of input channels, n_in."""
        return int(self.data.shape[-1])

    def dense(self) -> NDArray[np.float32]:
        """Input of every step and sample, whatever the kind.

        Returns:
            `(T, B, n_in)` float32, read only: currents in events per step, or spike counts. A
            constant current is the same `(B, n_in)` values seen T times, and takes no memory.
        """
        shape = (self.steps, self.batch, self.channels)
        if isinstance(self.data, np.ndarray):
            array = np.broadcast_to(self.data, shape)
        else:
            array = np.asarray(self.data.toarray(), np.float32).reshape(shape)
        array.flags.writeable = False
        return array

    @classmethod
    def current(cls, data: ArrayLike, *, steps: int) -> Stimulus:
        """Constant currents.

        Args:
            data: `(B, n_in)`, in events per step.
            steps: Number of steps T.

        Raises:
            StimulusError: For a wrong shape or values that are not finite.
        """
        array = _finite(data, 2, "current stimulus", "(batch, inputs)")
        return cls("current", array, _positive_steps(steps), array.shape[0])

    @classmethod
    def current_trace(cls, data: ArrayLike) -> Stimulus:
        """Currents that change from step to step.

        Args:
            data: `(T, B, n_in)`, in events per step.

        Raises:
            StimulusError: For a wrong shape or values that are not finite.
        """
        array = _finite(data, 3, "current trace", "(steps, batch, inputs)")
        return cls("current_trace", array, _positive_steps(array.shape[0]), array.shape[1])

    @classmethod
    def spikes(cls, counts: csr_matrix | ArrayLike, *, steps: int) -> Stimulus:
        """Input spikes.

        Args:
            counts: `(T*B, n_in)` sparse or dense counts, row `t * B + b` being step t of sample
                b; whole numbers, at least 0.
            steps: Number of steps T.

        Raises:
            StimulusError: For a row count that T does not divide, or counts that are no counts.
        """
        from scipy.sparse import csr_matrix

        matrix = csr_matrix(counts, dtype=np.float32)
        matrix.sum_duplicates()
        _positive_steps(steps)
        if matrix.shape[0] == 0 or matrix.shape[0] % steps:
            raise StimulusError(
                f"spike stimulus has {matrix.shape[0]} rows, which {steps} steps do not divide: "
                "give one row per step and sample, step by step"
            )
        values = matrix.data
        if not (np.all(values >= 0) and np.all(values == np.floor(values))):
            raise StimulusError("spike stimulus must hold whole counts of at least 0")
        return cls("spikes", matrix, steps, matrix.shape[0] // steps)


def _positive_steps(steps: int) -> int:
    if steps < 1:
        raise StimulusError(f"a stimulus lasts {steps} steps: give at least 1")
    return int(steps)


def _finite(data: ArrayLike, dimensions: int, what: str, shape: str) -> NDArray[np.float32]:
    array = np.ascontiguousarray(data, dtype=np.float32)
    if array.ndim != dimensions or 0 in array.shape:
        raise StimulusError(f"{what} has shape {array.shape}: give {shape}, none of them 0")
    if not np.isfinite(array).all():
        raise StimulusError(f"{what} holds values that are not finite: clean the data first")
    return array


@dataclass(frozen=True)
class Probe:
    """A request to observe one layer during a run.

    Samples are taken at the end of every `every`-th step, so that there are `T // every` of them.

    Attributes:
        layer: Layer of neurons, 1 to L (the output).
        quantity: `spikes` or `membrane`.
        neurons: Indices of the neurons to observe; None for all.
        every: Interval between samples, in steps; spikes are always counted over all steps.
        reduce: `none` gives `(T // every, B, k)`, `mean` and `last` give `(B, k)`.
    """

    layer: int
    quantity: Quantity = "membrane"
    neurons: tuple[int, ...] | None = None
    every: int = 1
    reduce: Reduction = "none"

    def __post_init__(self) -> None:
        """Refuse what no device could serve."""
        if self.quantity not in ("spikes", "membrane"):
            raise UnsupportedProbe(f"probe of {self.quantity!r}: ask for spikes or membrane")
        if self.reduce not in ("none", "mean", "last"):
            raise UnsupportedProbe(f"probe reduced by {self.reduce!r}: use none, mean or last")
        if self.every < 1:
            raise UnsupportedProbe(f"probe every {self.every} steps: give at least 1")
        if self.quantity == "spikes" and self.every != 1:
            raise UnsupportedProbe(f"spikes every {self.every} steps would lose some: use every=1")


@dataclass(frozen=True)
class Readout:
    """What a run of B samples gave.

    Attributes:
        counts: `(B, n_L)` int32, output spikes of each sample over the run.
        steps: T.
        samples: What each probe asked for: float32 for membranes (in the device's unit) and for
            means, uint8 for spike rasters.
        membrane_sampled: Whether membranes were read before or after the reset of their step.
    """

    counts: NDArray[np.int32]
    steps: int
    samples: Mapping[Probe, NDArray[np.generic]] = field(default_factory=dict)
    membrane_sampled: Literal["before_reset", "after_reset"] = "before_reset"
