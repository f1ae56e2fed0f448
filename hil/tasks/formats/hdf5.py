"""Samples from a file of HDF5: `hdf5:FILE`.

Its data sets are known by the names that they usually have, as arrays of an archive
(`hil.tasks.formats.roles`). A file with a group `spikes` is one as the Spiking Heidelberg Digits
come in (B. Cramer et al., IEEE Trans. Neural Netw. Learn. Syst. 33, 2744 (2022)): times and units
of the spikes of each sample, of variable length, and `labels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from drivers.files import hdf5
from hil.tasks.formats import Address, Arrays, Format, roles

LARGEST = 2 << 30  # bytes of a file
SPIKES, TIMES, UNITS, LABELS = "spikes", "times", "units", "labels"


def read(given: Address) -> Arrays:
    """Read a file.

    Raises:
        ValueError: When it is no such file, or lacks an array, or has two for one role.
    """
    try:
        with hdf5.open_hdf5(given.path, LARGEST, "file of HDF5") as file:
            arrays = [name for name in file.root if hasattr(file.root[name], "dtype")]
            if SPIKES in file.root and SPIKES not in arrays:  # a group
                names = {"x_train": "x", "y_train": "y", "lengths_train": "lengths"}
                stored = _read_spikes(file)
            else:
                names = roles.assign_roles(given, arrays)
                stored = {name: _read_array(file, name) for name in names.values()}
    except ImportError:
        raise ValueError(
            'HDF5 is read by pyfive, which is missing: pip install "spikeloop[hdf5]"'
        ) from None
    return roles.arrange(given, names, stored)


def _read_spikes(file: hdf5.Hdf5) -> Arrays:
    """Read spikes as records of events, one sample after the other."""
    group, arrays = file.root[SPIKES], {}
    for name in (TIMES, UNITS):
        file.place = f"{SPIKES}/{name}"
        arrays[name] = file.sequences(group[name])
    (times, lengths), (units, others) = arrays[TIMES], arrays[UNITS]
    if not np.array_equal(lengths, others):
        raise hdf5.Hdf5Refusal(f"{file.place}: has not one unit for each of {TIMES}")
    events = np.empty(len(times), [("t", times.dtype), ("x", units.dtype)])
    events["t"], events["x"] = times, units
    return {"x": events, "lengths": lengths, "y": _read_array(file, LABELS)}


def _read_array(file: hdf5.Hdf5, name: str) -> Any:
    """Read a data set of numbers, of records of numbers, or of texts."""
    file.place, dataset = name, file.root[name]
    dtype = dataset.dtype
    if dtype.kind == "S" or (dtype.metadata or {}).get("vlen") in (str, bytes):
        texts = file.texts(dataset).ravel().tolist()
        return np.asarray([t.decode() if isinstance(t, bytes) else str(t) for t in texts])
    fields = dtype.fields or {"": (dtype,)}
    if any(kind.kind not in "biuf" or kind.shape for kind, *_ in fields.values()):
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
)
