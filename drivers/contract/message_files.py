"""Stimuli, readouts and weights as versioned `.npz` files. Loading one never runs code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivers.contract.arrays import is_csr
from drivers.contract.messages import Probe, Readout, Stimulus
from drivers.errors import DeviceError, FileFormatError
from drivers.files.archives import read_arrays
from drivers.files.bounded import describe_error, parse_json
from drivers.files.writing import replace_file
from drivers.refusals import shorten

if TYPE_CHECKING:
    from pydantic import TypeAdapter

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
        kind, found = _text(arrays, "__kind__"), _whole(arrays, "__version__")
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
    if found > version:
        raise FileFormatError(
            f"{path}: {kind} of version {found}, this spikeloop reads up to {version}: upgrade it"
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
            return stimulus_from(arrays)
        if kind == "readout":
            return readout_from(arrays)
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


def stimulus_from(arrays: Mapping[str, NDArray[np.generic]]) -> Stimulus:
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


def readout_from(arrays: Mapping[str, Any]) -> Readout:
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
        return _adapter(kind).validate_json(json.dumps(fields), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _numbers(arrays: Mapping[str, Any], name: str, kinds: str = "biuf") -> NDArray[Any]:
    """An array of numbers."""
    found = arrays[name]
    if not isinstance(found, np.ndarray) or found.dtype.kind not in kinds:
        raise ValueError(f"{name} is no array of numbers of its kind")
    return found


def _text(arrays: Mapping[str, Any], name: str) -> str:
    """A text."""
    found = np.asarray(arrays[name])
    if found.ndim or found.dtype.kind != "U":
        raise ValueError(f"{name} is no text")
    return str(found)


def _whole(arrays: Mapping[str, Any], name: str) -> int:
    """A whole number."""
    found = np.asarray(arrays[name])
    if found.ndim or found.dtype.kind not in "iu":
        raise ValueError(f"{name} is no whole number")
    return int(found)
