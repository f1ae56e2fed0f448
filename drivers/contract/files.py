"""Stimuli, readouts and weights as versioned `.npz` files. Loading one never runs code."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from drivers.contract.errors import FileFormatError
from drivers.contract.messages import Probe, Readout, Stimulus

VERSION = 1
Weights = tuple[NDArray[np.float32], ...]


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file that is either complete or not there; the one before stands until then.

    Args:
        path: The file.

    Yields:
        A handle to write the new content to.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> Path:
    """Write a text file, as UTF-8, that is either complete or not there.

    Args:
        path: The file, replaced when it exists.
        text: Its content.

    Returns:
        The path written.

    Raises:
        OSError: When the folder cannot be written; the old file then stands untouched.
    """
    with replacing(path) as handle:
        handle.write(text.encode())
    return path


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
    with replacing(path) as handle:
        np.savez(handle, **header, **arrays)  # type: ignore[arg-type]
    return path


def read_npz(
    path: str | Path, kinds: Sequence[str], version: int
) -> dict[str, NDArray[np.generic]]:
    """Read a file that `write_npz` wrote.

    Args:
        path: The file.
        kinds: What it may hold.
        version: Newest version understood.

    Returns:
        The arrays by name, with `__kind__` and `__version__`.

    Raises:
        FileFormatError: When it is missing, damaged, of another kind or of a newer version.
    """
    try:
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as archive:
            # numpy stops reading where an array ends, which may be short of its checksum.
            if archive.zip.testzip() is not None:
                raise ValueError
            arrays = {name: archive[name] for name in archive.files}
        kind, found = str(arrays["__kind__"]), int(arrays["__version__"])
        # A damaged table of contents may hide arrays.
        if {"__kind__", "__version__", *arrays.pop("__names__").tolist()} != arrays.keys():
            raise KeyError
    except FileNotFoundError:
        raise FileFormatError(f"{path}: no such file") from None
    except Exception as error:  # on damaged bytes, zipfile and numpy raise nearly anything
        raise FileFormatError(f"{path}: not a file of spikeloop, or a damaged one") from error
    if kind not in kinds:
        raise FileFormatError(f"{path}: holds {kind}, expected {' or '.join(kinds)}")
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
    kind = str(arrays["__kind__"])
    try:
        if kind == "stimulus":
            return stimulus_from(arrays)
        if kind == "readout":
            return readout_from(arrays)
        return tuple(arrays[f"w{p}"].astype(np.float32) for p in range(len(arrays) - 2))
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise FileFormatError(f"{path}: damaged {kind}: {error}") from error


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
    """The stimulus that `stimulus_arrays` took apart."""
    kind, steps, data = str(arrays["kind"]), int(arrays["steps"]), arrays["data"]
    lengths = arrays.get("lengths")
    if kind == "current":
        return Stimulus.current(data, steps=steps, lengths=lengths)
    if kind == "current_trace":
        return Stimulus.current_trace(data, lengths=lengths)
    from scipy.sparse import csr_matrix

    shape = tuple(int(n) for n in arrays["shape"])
    matrix = csr_matrix((data, arrays["indices"], arrays["indptr"]), shape=shape)
    matrix.check_format(full_check=True)
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


def readout_from(arrays: Mapping[str, NDArray[np.generic]]) -> Readout:
    """The readout that `readout_arrays` took apart."""
    samples = {}
    for i, fields in enumerate(json.loads(str(arrays["probes"]))):
        if fields["neurons"] is not None:
            fields["neurons"] = tuple(fields["neurons"])
        samples[Probe(**fields)] = arrays[f"sample{i}"]
    sampled = str(arrays["membrane_sampled"])
    if sampled not in ("before_reset", "after_reset"):
        raise ValueError(f"membrane_sampled is {sampled!r}")
    return Readout(
        arrays["counts"].astype(np.int32),
        int(arrays["steps"]),
        samples,
        sampled,  # type: ignore[arg-type]
    )
