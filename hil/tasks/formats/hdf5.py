"""Samples from a file of HDF5: `hdf5:FILE`.

Its data sets are known by the names that they usually have, as arrays of an archive
(`hil.tasks.formats.roles`). A file with a group `spikes` is one as the Spiking Heidelberg Digits
come in (B. Cramer et al., IEEE Trans. Neural Netw. Learn. Syst. 33, 2744 (2022)): times and units
of the spikes of each sample, of variable length, and `labels`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from drivers.files import hdf5
from hil.tasks.formats import roles
from hil.tasks.formats.format import Address, Arrays, Format, Size

MOST = 2 << 30  # bytes of a file
MISSING = 'HDF5 is read by pyfive, which is missing: pip install "spikeloop[hdf5]"'
SPIKES, TIMES, UNITS, LABELS = "spikes", "times", "units", "labels"


def read(given: Address) -> Arrays:
    """Read a file.

    Args:
        given: Its address.

    Returns:
        The arrays by role and part.

    Raises:
        ValueError: When it is no such file, or lacks an array, or has two for one role.
    """
    with _opened(given) as file:
        if _is_group(file):
            names = {"x_train": "x", "y_train": "y", "lengths_train": "lengths"}
            return roles.by_role(given, names, _spikes(file))
        names = _names(given, file)
        found = {name: _array(file, name) for name in names.values()}
    return roles.by_role(given, names, found)


def _is_group(file: hdf5.Hdf5) -> bool:
    """Whether the spikes are a group, and no data set."""
    return SPIKES in file.root and not hasattr(file.root[SPIKES], "dtype")


def _spikes(file: hdf5.Hdf5) -> Arrays:
    """Spikes as records of events, one sample after the other."""
    group, arrays = file.root[SPIKES], {}
    for name in (TIMES, UNITS):
        file.place = f"{SPIKES}/{name}"
        arrays[name] = file.sequences(group[name])
    (times, lengths), (units, others) = arrays[TIMES], arrays[UNITS]
    if not np.array_equal(lengths, others):
        raise hdf5.Hdf5Refusal(f"{file.place}: has not one unit for each of {TIMES}")
    events = np.empty(len(times), [("t", times.dtype), ("x", units.dtype)])
    events["t"], events["x"] = times, units
    return {"x": events, "lengths": lengths, "y": _array(file, LABELS)}


def size(given: Address) -> Size:
    """How much is in a file.

    Raises:
        ValueError: As for `read`.
    """
    with _opened(given) as file:
        if _is_group(file):
            return Size(int(file.root[LABELS].shape[0]), 0, "events")
        names = _names(given, file)

        def header(name: str) -> roles.Header:
            return tuple(int(n) for n in file.root[name].shape), file.root[name].dtype

        return roles.size_of(given, names, header, partial(_array, file))


@contextmanager
def _opened(given: Address) -> Iterator[hdf5.Hdf5]:
    try:
        with hdf5.open_hdf5(given.path, MOST, "file of HDF5") as file:
            yield file
    except ImportError:
        raise ValueError(f"{given.file}: {MISSING}") from None


def _names(given: Address, file: hdf5.Hdf5) -> dict[str, str]:
    """The name of the data set of each role and part that the file has."""
    return roles.assigned(given, [n for n in file.root if hasattr(file.root[n], "dtype")])


def _array(file: hdf5.Hdf5, name: str) -> Any:
    """A data set of numbers, of records of numbers, or of texts."""
    file.place, dataset = name, file.root[name]
    dtype = dataset.dtype
    if dtype.kind == "S" or (dtype.metadata or {}).get("vlen") in (str, bytes):
        texts = file.texts(dataset).ravel().tolist()
        return np.asarray([t.decode() if isinstance(t, bytes) else str(t) for t in texts])
    fields = dtype.fields or {"": (dtype,)}
    if any(field[0].kind not in "biuf" or field[0].shape for field in fields.values()):
        raise hdf5.Hdf5Refusal(
            f"{name}: is no array of numbers: give signals of different lengths one after the "
            "other, and lengths"
        )
    return file.array(dataset)


FORMAT = Format(
    description="HDF5: x and y by any usual name, or times and units of spikes, as of SHD",
    endings=(".h5", ".hdf5"),
    options=roles.OPTIONS,
    read=read,
    size=size,
)
