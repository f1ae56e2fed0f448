"""Files of HDF5 that anybody may have written, read within bounds.

The library of that format, in C, can hang on a damaged file; what is read here is read by
`pyfive`, in Python, which can be bounded: in what it reads of the file, and in what a compressed
array unpacks to.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import FileFormatError, shorten
from drivers.files.bounded import MIB, RATIO, UNPACKED, describe_error, read_bytes

READS = 200_000  # times that something is read of a file, and once more for each KiB
TEXT = 64 * 1024  # bytes of a text
OBJECT_SIZE = 64  # bytes that a text takes at least, as an object of Python
DEFLATE, SHUFFLE = 1, 2  # filters that are undone here
NOWHERE = 2**64 - 1  # where values lie that there is no room for in a file
ENTRY = struct.Struct("<IQI")  # an array of variable length: items, address and index in its heap
HEAP = struct.Struct("<4sB3xQ")  # a heap: signature, version, size
OBJECT = struct.Struct("<HH4xQ")  # a thing in it: index, references, size

Array = NDArray[Any]


class Hdf5Refusal(ValueError):
    """Refusal of something that a file may not hold, with the place in it."""


class Hdf5:
    """A file of HDF5.

    Attributes:
        root: Its root group, as `pyfive` gives it.
        place: What is being read, for a refusal.
    """

    place = ""

    def __init__(self, content: bytes) -> None:
        """Take up a file.

        Args:
            content: The whole of it.

        Raises:
            ImportError: When the package that reads it is not installed.
        """
        import pyfive

        self._content = content
        self._bytes = max(UNPACKED, RATIO * len(content))
        self._heaps: dict[int, dict[int, bytes]] = {}
        self.root: Any = pyfive.File(_Bounded(content))

    def array(self, dataset: Any) -> Array:
        """An array of numbers, of records of numbers, or of texts of one length.

        Raises:
            Hdf5Refusal: When it is not in the file, or more than is read of one of its size.
        """
        shape = tuple(int(n) for n in dataset.shape)
        self._spend(math.prod(shape) * dataset.dtype.itemsize, shape)
        layout = dataset.id.layout_class
        if layout == 2:
            return self._unpack(dataset, shape, dataset.dtype)
        if layout not in (0, 1) or (layout == 1 and dataset.id.data_offset == NOWHERE):
            raise self._refusal("its values are not in this file")
        values = np.asarray(dataset[()])
        if values.shape != shape:
            raise self._refusal(f"is not of the shape {shape} that it states")
        return values

    def texts(self, dataset: Any) -> Array:
        """Texts as bytes, of any length each (kind O) or of one length (kind S).

        Raises:
            Hdf5Refusal: When it holds none.
        """
        if dataset.dtype.kind not in "OS" or dataset.dtype.itemsize > TEXT:
            raise self._refusal("is no text")
        shape = tuple(int(n) for n in dataset.shape)
        self._spend(math.prod(shape) * OBJECT_SIZE, shape)
        if dataset.dtype.kind == "S":
            return self.array(dataset)
        if dataset.id.layout_class not in (0, 1):
            raise self._refusal("a text in chunks is not read")
        if math.prod(shape) > 1:
            longest = len(self._content)
            if dataset.id.layout_class == 1:
                longest = max(length for length, _, _ in ENTRY.iter_unpack(self._entries(dataset)))
            self._spend(4 * longest * math.prod(shape), shape)  # as an array of one length
        return np.asarray(dataset[()])

    def sequences(self, dataset: Any) -> tuple[Array, NDArray[np.int64]]:
        """Arrays of variable length, one after the other, and the length of each.

        Raises:
            Hdf5Refusal: When it holds none, or they are not in the file.
        """
        item = (dataset.dtype.metadata or {}).get("vlen")
        if not isinstance(item, np.dtype) or item.kind not in "biuf" or len(dataset.shape) != 1:
            raise self._refusal("is no list of arrays of numbers")
        entries = ENTRY.iter_unpack(self._entries(dataset))
        parts = [self._sequence(n, at, index, item) for n, at, index in entries]
        lengths = np.array([len(part) for part in parts], np.int64)
        return np.concatenate(parts) if parts else np.empty(0, item), lengths

    def _entries(self, dataset: Any) -> bytes:
        """Read the entries of an array of things of variable length."""
        shape = tuple(int(n) for n in dataset.shape)
        size = math.prod(shape) * ENTRY.size
        self._spend(size, shape)
        if dataset.id.layout_class == 2:
            entries = self._unpack(dataset, shape, np.dtype(("V", ENTRY.size))).tobytes()
        else:
            start = int(dataset.id.data_offset)
            entries = self._content[start : start + size]
        if len(entries) != size:
            raise self._refusal("its values are not in this file")
        return entries

    def _sequence(self, items: int, address: int, index: int, item: np.dtype[Any]) -> Array:
        if not items:
            return np.empty(0, item)
        if address not in self._heaps:
            self._heaps[address] = self._heap(address)
        values = self._heaps[address].get(index, b"")
        self._spend(len(values), (items,))
        if len(values) != items * item.itemsize:
            raise self._refusal("an array of it is not as long as the file says")
        return np.frombuffer(values, item)

    def _heap(self, address: int) -> dict[int, bytes]:
        """Read what is in a heap, by its index there."""
        content, objects = self._content, {}
        if address > len(content) - HEAP.size:
            raise self._refusal("its values are not in this file")
        signature, _, size = HEAP.unpack_from(content, address)
        end, at = min(address + size, len(content)), address + HEAP.size
        if signature != b"GCOL":
            raise self._refusal("its values are not in this file")
        while at + OBJECT.size <= end:
            index, _, length = OBJECT.unpack_from(content, at)
            if index == 0 or at + OBJECT.size + length > end:  # what is left is free
                break
            objects[index] = content[at + OBJECT.size : at + OBJECT.size + length]
            at += OBJECT.size + -(-length // 8) * 8
        return objects

    def _refusal(self, reason: str) -> Hdf5Refusal:
        return Hdf5Refusal(f"{self.place}: {reason}")

    def _spend(self, size: int, shape: tuple[int, ...]) -> None:
        self._bytes -= size
        if self._bytes < 0 or len(shape) > 8:
            raise self._refusal(f"{shape} is more than is read of a file of this size")

    def _unpack(self, dataset: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """An array in chunks, each of them packed on its own."""
        stored = dataset.id
        filters = [entry["filter_id"] for entry in stored.filter_pipeline or ()]
        if filters not in ([], [DEFLATE], [SHUFFLE, DEFLATE]):
            raise self._refusal("is packed in a way that is not read: give gzip or none")
        chunk = tuple(int(n) for n in dataset.chunks)
        size = math.prod(chunk) * dtype.itemsize
        # Chunks at the edge reach over it.
        chunks = math.prod(-(-n // max(c, 1)) for n, c in zip(shape, chunk, strict=True))
        self._bytes -= chunks * size
        if self._bytes < 0 or stored.get_num_chunks() != chunks:
            raise self._refusal(f"its chunks are not those of an array of shape {shape}")
        unpacked = np.zeros(shape, dtype)
        for number in range(chunks):
            info = stored.get_chunk_info(number)
            mask, raw = stored.read_direct_chunk(info.chunk_offset)
            if mask:
                raise self._refusal("its chunks are packed in several ways")
            values = _inflate(raw, size) if DEFLATE in filters else raw
            if len(values) != size:
                raise self._refusal("a chunk is not as long as the file says")
            flat = np.frombuffer(values, np.uint8)
            if SHUFFLE in filters:
                flat = np.ascontiguousarray(flat.reshape(dtype.itemsize, -1).T).reshape(-1)
            place = tuple(
                slice(o, min(o + c, n))
                for o, c, n in zip(info.chunk_offset, chunk, shape, strict=True)
            )
            part = flat.view(dtype).reshape(chunk)
            unpacked[place] = part[tuple(slice(0, s.stop - s.start) for s in place)]
        return unpacked


@contextmanager
def open_hdf5(path: str | Path, most: int, what: str) -> Iterator[Hdf5]:
    """A file of HDF5; whatever is wrong with it is one line.

    Args:
        path: The file.
        most: Largest size in bytes.
        what: What it is said not to be, such as `file of NIR`.

    Raises:
        FileFormatError: When it is missing, damaged, or beyond the bounds.
        ImportError: When the package that reads it is not installed.
    """
    content = read_bytes(path, most)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        file = None
        try:
            file = Hdf5(content)
            yield file
        except (MemoryError, ImportError):
            raise
        except Hdf5Refusal as error:
            raise FileFormatError(f"{path}: {error}") from None
        except Exception as error:  # on damaged bytes, pyfive raises nearly anything
            where = f"{shorten(file.place)}: " if file is not None and file.place else ""
            raise FileFormatError(
                f"{path}: {where}cannot be read, it is no {what}, or cut short or damaged: "
                f"{describe_error(error)}"
            ) from None


class _Bounded(io.BytesIO):
    """A file in memory that refuses to be read without end."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._reads, self._bytes = READS + len(content) // 1024, 4 * len(content) + MIB

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self._reads, self._bytes = self._reads - 1, self._bytes - len(content)
        if min(self._reads, self._bytes) < 0:
            raise ValueError("it refers to the same place again and again")
        return content


def _inflate(raw: bytes, size: int) -> bytes:
    """Unpack at most so many bytes and one more, by which what is too long is told."""
    return zlib.decompressobj().decompress(raw, size + 1)
