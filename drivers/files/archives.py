"""Archives of arrays that anybody may have written, read within bounds."""

from __future__ import annotations

import math
import os
import warnings
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import FileFormatError, shorten
from drivers.files.bounded import MIB, RATIO, UNPACKED, describe_error, open_file

MEMBERS = 100_000  # arrays of an archive
CHUNK = 16 * MIB
PLAIN = "biufcUS"  # kinds of arrays: numbers, truth values and text

Arrays = dict[str, NDArray[np.generic]]


def read_arrays(
    path: str | Path,
    only: Collection[str] | None = None,
    *,
    deflated: bool = False,
    records: bool = False,
) -> Arrays:
    """The arrays of an npz archive, by name.

    Each is of numbers, truth values or text, is exactly as long as its header says, and has the
    checksum that the archive states.

    Args:
        path: The file.
        only: Names of those to read, all when None; other members are not looked at.
        deflated: Whether they may be compressed.
        records: Whether they may be of records, each field of numbers, truth values or text.

    Raises:
        FileFormatError: When it is missing, no such archive, damaged, or unpacks to too much.
    """
    with _archive(path) as (archive, size):
        members = _members(archive, only, deflated, size)
        return {name: _array(archive, member, records) for name, member in members.items()}


def read_array_names(path: str | Path) -> list[str]:
    """The names of the arrays of an npz archive, as its table of contents has them.

    Raises:
        FileFormatError: When it is missing or no such archive.
    """
    with _archive(path) as (archive, _):
        files = [member.filename for member in archive.infolist()[: MEMBERS + 1]]
        return sorted({name.removesuffix(".npy") for name in files if name.endswith(".npy")})


def read_array_header(path: str | Path, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of one array of an npz archive; nothing else is read.

    Raises:
        FileFormatError: When there is no such array to be read.
    """
    with _archive(path) as (archive, size):
        members = _members(archive, (name,), True, size)
        with archive.open(members[name]) as source:
            shape, _, dtype = _header(source)
    return shape, dtype


@contextmanager
def _archive(path: str | Path) -> Iterator[tuple[zipfile.ZipFile, int]]:
    """An archive and its size; whatever is wrong with it is one line."""
    with open_file(path) as handle, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with zipfile.ZipFile(handle) as archive:
                yield archive, os.fstat(handle.fileno()).st_size
        except MemoryError:
            raise
        except Exception as error:  # on damaged bytes, zipfile and numpy raise nearly anything
            raise FileFormatError(
                f"{path}: cannot be read, it is no npz archive, or cut short or damaged: "
                f"{describe_error(error)}"
            ) from None


def _header(source: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether by columns, and dtype of an array."""
    form: Any = np.lib.format
    readers = {(1, 0): form.read_array_header_1_0, (2, 0): form.read_array_header_2_0}
    version = form.read_magic(source)
    if version not in readers:
        raise ValueError(f"an array of version {version}")
    shape, by_columns, dtype = readers[version](source)
    if any(type(side) is not int or side < 0 for side in shape):
        raise ValueError(f"an array of shape {shape}")
    return shape, by_columns, dtype


def _members(
    archive: zipfile.ZipFile, only: Collection[str] | None, deflated: bool, size: int
) -> dict[str, zipfile.ZipInfo]:
    """Choose what is to be read, once nothing in the table of contents speaks against it."""
    chosen: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if only is not None and name not in only:
            continue
        told_name = shorten(repr(member.filename))
        if name == member.filename or name in chosen:
            raise ValueError(f"member {told_name} is no array, or there twice")
        if member.flag_bits & 1:
            raise ValueError(f"member {told_name} is encrypted")
        allowed = (zipfile.ZIP_STORED, *([zipfile.ZIP_DEFLATED] if deflated else []))
        if member.compress_type not in allowed:
            raise ValueError(f"member {told_name} is compressed in a way that is not read")
        chosen[name] = member
    if len(chosen) > MEMBERS:
        raise ValueError(f"{len(chosen)} arrays")
    if sum(member.file_size for member in chosen.values()) > max(UNPACKED, RATIO * size):
        raise ValueError(f"it unpacks to more than {RATIO} times its size: write it uncompressed")
    return chosen


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, records: bool) -> NDArray[np.generic]:
    """One member as an array."""
    name = shorten(member.filename)
    with archive.open(member) as source:
        shape, by_columns, dtype = _header(source)
        if not _plain(dtype) and not (records and _of_plain_fields(dtype)):
            raise ValueError(f"{name}: an array of {shorten(str(dtype))}")
        length = math.prod(shape) * dtype.itemsize
        if length != member.file_size - source.tell():
            raise ValueError(f"{name}: is not as long as its header says")
        raw = np.empty(length, np.uint8)
        place = 0
        while part := source.read(CHUNK):  # at its end, the checksum is looked at
            raw[place : place + len(part)] = np.frombuffer(part, np.uint8)
            place += len(part)
    if place != length:
        raise ValueError(f"{name}: is cut short")
    array = raw.view(dtype) if length else np.empty(0, dtype)
    array = array.reshape(shape[::-1]).T if by_columns else array.reshape(shape)
    check_text(array)
    return array


def _plain(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in PLAIN


def _of_plain_fields(dtype: np.dtype[Any]) -> bool:
    return dtype.fields is not None and all(_plain(field[0]) for field in dtype.fields.values())


def check_text(array: NDArray[np.generic]) -> None:
    """Refuse an array of text that holds what is no character.

    Raises:
        ValueError: When it does.
    """
    if array.dtype.kind == "U":
        "".join(array.ravel().tolist()).encode()
