"""What a run is given and what it answers: stimulus, probe and readout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers.contract.info import Quantity, Reduction, StimulusKind
from drivers.errors import StimulusError, UnsupportedProbe

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
        lengths: `(B,)` int64, how many steps each sample lasts, 1 to T; None when all last T. After
            its end a sample has no input. Its counts and means cover its own steps alone, `last`
            is its own last sample, samples after its end are 0, and a run that carries on goes on
            from its end.

    A current of 1 injects per step as much as one spike does. `dense` gives all kinds in one shape.
    """

    kind: StimulusKind
    data: NDArray[np.float32] | csr_matrix
    steps: int
    batch: int
    lengths: NDArray[np.int64] | None = None

    @property
    def channels(self) -> int:
        """Number of input channels, n_in."""
        return int(self.data.shape[-1])

    def dense(self) -> NDArray[np.float32]:
        """Input of every step and sample, whatever the kind.

        Returns:
            `(T, B, n_in)` float32, read only: currents in events per step, or spike counts; 0
            after the end of a sample. A constant current is the same `(B, n_in)` values seen T
            times, and takes no memory unless samples differ in length.
        """
        shape = (self.steps, self.batch, self.channels)
        if isinstance(self.data, np.ndarray):
            array = np.broadcast_to(self.data, shape)
            if self.lengths is not None:
                array = array * self.lasting[..., np.newaxis]
        else:
            array = np.asarray(self.data.toarray(), np.float32).reshape(shape)
        array.flags.writeable = False
        return array

    def part(self, rows: NDArray[np.int64]) -> Stimulus:
        """The stimulus of some of its samples.

        Args:
            rows: Their numbers, 0 to B - 1.
        """
        lengths = None if self.lengths is None else self.lengths[rows]
        if self.kind == "current":
            data = self.data[rows]
        elif self.kind == "current_trace":
            data = self.data[:, rows]
        else:
            data = self.data[(np.arange(self.steps)[:, np.newaxis] * self.batch + rows).ravel()]
        return Stimulus(self.kind, data, self.steps, len(rows), lengths)

    @property
    def lasting(self) -> NDArray[np.bool_]:
        """Which steps are those of each sample, `(T, B)`."""
        ends = np.full(self.batch, self.steps) if self.lengths is None else self.lengths
        found: NDArray[np.bool_] = np.arange(self.steps)[:, np.newaxis] < ends
        return found

    @classmethod
    def current(cls, data: ArrayLike, *, steps: int, lengths: ArrayLike | None = None) -> Stimulus:
        """Constant currents.

        Args:
            data: `(B, n_in)`, in events per step.
            steps: Number of steps T.
            lengths: `(B,)`, how many of them each sample lasts; None for all.

        Raises:
            StimulusError: For a wrong shape, values that are not finite, or lengths that are none.
        """
        array = _finite(data, 2, "current stimulus", "(batch, inputs)")
        batch = array.shape[0]
        return cls("current", array, _positive_steps(steps), batch, _within(lengths, batch, steps))

    @classmethod
    def current_trace(cls, data: ArrayLike, *, lengths: ArrayLike | None = None) -> Stimulus:
        """Currents that change from step to step.

        Args:
            data: `(T, B, n_in)`, in events per step.
            lengths: As in `current`.

        Raises:
            StimulusError: For a wrong shape, values that are not finite, or lengths that are none.
        """
        array = _finite(data, 3, "current trace", "(steps, batch, inputs)")
        steps, batch = array.shape[:2]
        return cls("current_trace", array, steps, batch, _within(lengths, batch, steps))

    @classmethod
    def spikes(
        cls, counts: csr_matrix | ArrayLike, *, steps: int, lengths: ArrayLike | None = None
    ) -> Stimulus:
        """Input spikes.

        Args:
            counts: `(T*B, n_in)` sparse or dense counts, row `t * B + b` being step t of sample
                b; whole numbers, at least 0.
            steps: Number of steps T.
            lengths: As in `current`. Spikes after the end of a sample are left out.

        Raises:
            StimulusError: For a row count that T does not divide, counts that are no counts, or
                lengths that are none.
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
        batch = matrix.shape[0] // steps
        ends = _within(lengths, batch, steps)
        found = cls("spikes", matrix, steps, batch, ends)
        if ends is not None:
            kept = matrix.multiply(found.lasting.reshape(-1, 1))
            found = cls("spikes", csr_matrix(kept, dtype=np.float32), steps, batch, ends)
        return found


def _positive_steps(steps: int) -> int:
    if steps < 1:
        raise StimulusError(f"a stimulus lasts {steps} steps: give at least 1")
    return int(steps)


def _within(lengths: ArrayLike | None, batch: int, steps: int) -> NDArray[np.int64] | None:
    if lengths is None:
        return None
    array = np.asarray(lengths)
    whole = np.issubdtype(array.dtype, np.integer)
    if array.shape != (batch,) or not whole or array.min() < 1 or array.max() > steps:
        raise StimulusError(
            f"lengths of samples are {array.dtype} {array.shape}: give {batch} whole numbers of "
            f"steps, 1 to {steps}"
        )
    return array.astype(np.int64)


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
