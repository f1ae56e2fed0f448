"""Messages of a run, given and answered: stimulus, probe and readout."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers.contract.arrays import is_csr, read_only
from drivers.contract.info import Quantity, Reduction, StimulusKind
from drivers.errors import DeviceError, FileFormatError, StimulusError, UnsupportedProbe, shorten
from drivers.files.archives import read_arrays
from drivers.files.bounded import describe_error, describe_first, parse_json
from drivers.files.writing import replace_file

if TYPE_CHECKING:
    from pydantic import TypeAdapter
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
                array = array * self.mask[..., np.newaxis]
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

    def between(self, first: int, last: int) -> Stimulus:
        """The stimulus of some of its steps, of samples that all last as long.

        Args:
            first: Number of the first, 0 to T - 1.
            last: Number of the one after the last.
        """
        data = self.data
        if self.kind != "current":
            rows = 1 if self.kind == "current_trace" else self.batch
            data = data[first * rows : last * rows]
        return Stimulus(self.kind, data, last - first, self.batch)

    def read_only(self) -> Stimulus:
        """The same stimulus, of views that cannot be written to."""
        data = self.data
        if isinstance(data, np.ndarray):
            data = read_only(data)
        else:
            data = copy.copy(data)
            data.data, data.indices, data.indptr = map(
                read_only, (data.data, data.indices, data.indptr)
            )
        return replace(
            self, data=data, lengths=None if self.lengths is None else read_only(self.lengths)
        )

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Steps that belong to each sample, `(T, B)`."""
        ends = np.full(self.batch, self.steps) if self.lengths is None else self.lengths
        mask: NDArray[np.bool_] = np.arange(self.steps)[:, np.newaxis] < ends
        return mask

    @classmethod
    def of(
        cls, kind: StimulusKind, values: ArrayLike, *, lengths: ArrayLike | None = None
    ) -> Stimulus:
        """A stimulus of any kind, from the input of every step.

        Args:
            kind: Which kind.
            values: `(T, B, n_in)`, currents in events per step, or spike counts; of a constant
                current all steps are the same.
            lengths: As in `current`.

        Raises:
            StimulusError: As those of the kind do.
        """
        dense = np.asarray(values, np.float32)
        if kind == "current":
            return cls.current(dense[0], steps=len(dense), lengths=lengths)
        if kind == "current_trace":
            return cls.current_trace(dense, lengths=lengths)
        return cls.spikes(dense.reshape(-1, dense.shape[-1]), steps=len(dense), lengths=lengths)

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
        stimulus = cls("spikes", matrix, steps, batch, ends)
        if ends is not None:
            kept = matrix.multiply(stimulus.mask.reshape(-1, 1))
            stimulus = cls("spikes", csr_matrix(kept, dtype=np.float32), steps, batch, ends)
        return stimulus


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
    """Answer of a run of B samples.

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


VERSION = 1
Weights = tuple[NDArray[np.float32], ...]


def write_npz(path: str | Path, kind: str, arrays: Mapping[str, object], version: int) -> Path:
    """Write arrays to a file that is either complete or not there.

    Args:
        path: The file, replaced when it exists.
        kind: What it holds; `read_npz` checks it.
        arrays: The arrays by name.
        version: Version of the kind.

    Raises:
        OSError: When the folder cannot be written; the old file then stands untouched.
    """
    path = Path(path)
    header = {"__kind__": kind, "__version__": version, "__names__": list(arrays)}
    with replace_file(path) as handle:
        np.savez(handle, **header, **arrays)  # type: ignore[arg-type]
    return path


def read_npz(
    path: str | Path, kinds: Sequence[str], version: int, *, records: bool = False
) -> dict[str, NDArray[np.generic]]:
    """Read a file that `write_npz` wrote.

    Args:
        path: The file.
        kinds: What it may hold.
        version: Newest version understood.
        records: Whether its arrays may be of records.

    Returns:
        The arrays by name, with `__kind__` and `__version__`.

    Raises:
        FileFormatError: When it is missing, damaged, of another kind or of a newer version.
    """
    arrays = read_arrays(path, records=records)
    try:
        kind, stated = _text(arrays, "__kind__"), _whole(arrays, "__version__")
        names = arrays.pop("__names__")
    except (KeyError, ValueError):
        raise FileFormatError(f"{path}: not a file of spikeloop, or a damaged one") from None
    # A damaged table of contents may hide arrays.
    if {"__kind__", "__version__", *names.ravel().tolist()} != arrays.keys():
        raise FileFormatError(f"{path}: __names__: not those of the arrays that it holds")
    if kind not in kinds:
        raise FileFormatError(
            f"{path}: holds {shorten(' '.join(kind.split()))}, expected {' or '.join(kinds)}"
        )
    if stated > version:
        raise FileFormatError(
            f"{path}: {kind} of version {stated}, this spikeloop reads up to {version}: upgrade it"
        )
    return arrays


def save(path: str | Path, item: Stimulus | Readout | Sequence[NDArray[np.float32]]) -> Path:
    """Save a stimulus, a readout, or the weights of all projections.

    Args:
        path: The file to write; replaced when it exists, never half-written.
        item: What to save; weights are a sequence of `(n_pre, n_post)` matrices.

    Returns:
        The path written.
    """
    if isinstance(item, Stimulus):
        return write_npz(path, "stimulus", stimulus_arrays(item), VERSION)
    if isinstance(item, Readout):
        return write_npz(path, "readout", readout_arrays(item), VERSION)
    return write_npz(
        path, "weights", {f"w{p}": np.asarray(w, np.float32) for p, w in enumerate(item)}, VERSION
    )


def load(path: str | Path) -> Stimulus | Readout | Weights:
    """Load what `save` wrote.

    Raises:
        FileFormatError: When the file is missing, damaged, foreign or of a newer version.
    """
    arrays = read_npz(path, ("stimulus", "readout", "weights"), VERSION)
    kind = _text(arrays, "__kind__")
    try:
        if kind == "stimulus":
            return build_stimulus(arrays)
        if kind == "readout":
            return build_readout(arrays)
        return tuple(_numbers(arrays, f"w{p}").astype(np.float32) for p in range(len(arrays) - 2))
    except KeyError as error:
        raise FileFormatError(f"{path}: damaged {kind}: {error} is missing") from None
    except (DeviceError, ValueError) as error:
        raise FileFormatError(f"{path}: damaged {kind}: {describe_error(error)}") from None


def stimulus_arrays(item: Stimulus) -> dict[str, object]:
    """A stimulus as plain values and arrays by name."""
    lengths = {} if item.lengths is None else {"lengths": item.lengths}
    if item.kind == "spikes":
        m = item.data
        return {
            "kind": item.kind,
            "steps": item.steps,
            **lengths,
            "data": m.data,
            "indices": m.indices,  # type: ignore[union-attr]
            "indptr": m.indptr,  # type: ignore[union-attr]
            "shape": m.shape,
        }
    return {"kind": item.kind, "steps": item.steps, **lengths, "data": item.data}


def build_stimulus(arrays: Mapping[str, NDArray[np.generic]]) -> Stimulus:
    """The stimulus that `stimulus_arrays` took apart.

    Raises `KeyError` when an array is missing, `ValueError` when it is not what a stimulus has.
    """
    kind, steps, data = _text(arrays, "kind"), _whole(arrays, "steps"), _numbers(arrays, "data")
    lengths = _numbers(arrays, "lengths", "iu") if "lengths" in arrays else None
    if kind == "current":
        return Stimulus.current(data, steps=steps, lengths=lengths)
    if kind == "current_trace":
        return Stimulus.current_trace(data, lengths=lengths)
    if kind != "spikes":
        raise ValueError(f"kind is {shorten(repr(kind))}")
    from scipy.sparse import csr_matrix

    shape = tuple(_numbers(arrays, "shape", "iu").ravel().tolist())
    indices, ends = _numbers(arrays, "indices", "iu"), _numbers(arrays, "indptr", "iu")
    if not is_csr(data, indices, ends, shape):
        raise ValueError(f"data, indices and indptr are none of a matrix of shape {shape}")
    matrix = csr_matrix((data, indices, ends), shape=shape)
    return Stimulus.spikes(matrix, steps=steps, lengths=lengths)


def readout_arrays(item: Readout) -> dict[str, object]:
    """A readout as plain values and arrays by name."""
    probes = list(item.samples)
    return {
        "counts": item.counts,
        "steps": item.steps,
        "membrane_sampled": item.membrane_sampled,
        "probes": json.dumps([asdict(probe) for probe in probes]),
        **{f"sample{i}": item.samples[probe] for i, probe in enumerate(probes)},
    }


def build_readout(arrays: Mapping[str, Any]) -> Readout:
    """The readout that `readout_arrays` took apart.

    Raises `KeyError` when an array is missing, `ValueError` when it is not what a readout has.
    """
    samples: dict[Probe, NDArray[np.generic]] = {}
    fields = parse_json(_text(arrays, "probes"), "probes")
    for i, probe in enumerate(read_fields(tuple[Probe, ...], fields)):
        samples[probe] = _numbers(arrays, f"sample{i}")
    sampled = _text(arrays, "membrane_sampled")
    if sampled not in ("before_reset", "after_reset"):
        raise ValueError(f"membrane_sampled is {shorten(repr(sampled))}")
    counts = _numbers(arrays, "counts", "iu")
    if counts.ndim != 2:
        raise ValueError(f"counts has shape {counts.shape}: (batch, outputs) is meant")
    return Readout(
        counts.astype(np.int32),
        _whole(arrays, "steps"),
        samples,
        sampled,  # type: ignore[arg-type]
    )


def read_fields(kind: Any, fields: object) -> Any:
    """Read what `dataclasses.asdict` took apart, as JSON has it.

    Args:
        kind: A dataclass, or a tuple of some.
        fields: Its fields.

    Raises:
        ValueError: When they are none of its kind; the message names the first that is wrong.
    """
    from pydantic import ValidationError

    try:
        return adapter_of(kind).validate_json(json.dumps(fields), strict=True)
    except ValidationError as error:
        raise ValueError(describe_first(error)) from None


@cache
def adapter_of(kind: Any) -> TypeAdapter[Any]:
    """Make what reads and checks values of a kind."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _numbers(arrays: Mapping[str, Any], name: str, kinds: str = "biuf") -> NDArray[Any]:
    """An array of numbers."""
    array = arrays[name]
    if not isinstance(array, np.ndarray) or array.dtype.kind not in kinds:
        raise ValueError(f"{name} is no array of numbers of its kind")
    return array


def _text(arrays: Mapping[str, Any], name: str) -> str:
    """A text."""
    array = np.asarray(arrays[name])
    if array.ndim or array.dtype.kind != "U":
        raise ValueError(f"{name} is no text")
    return str(array)


def _whole(arrays: Mapping[str, Any], name: str) -> int:
    """A whole number."""
    array = np.asarray(arrays[name])
    if array.ndim or array.dtype.kind not in "iu":
        raise ValueError(f"{name} is no whole number")
    return int(array)
