"""Files of NIR, read within bounds.

NIR keeps a graph in HDF5. The library of that format, in C, can hang on a damaged file; what is
read here is read by `pyfive`, in Python, which can be bounded: in what it reads of the file, in
what a compressed array unpacks to, in how deep groups nest. Only what a graph of NIR consists of is
looked at.
"""

from __future__ import annotations

import io
import math
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.contract.errors import FileFormatError
from drivers.contract.files.reading import MIB, RATIO, UNPACKED, read_bytes, shortened, told

MOST = 256 * MIB  # bytes of a file
READS = 200_000  # times that something is read of it
NODES = 1000  # nodes of a graph, edges of it likewise; nested ones included
DEPTH = 8  # graphs within each other
TEXT = 64 * 1024  # bytes of a text
MISSING = "reading and writing models of NIR needs two more packages: pip install 'spikeloop[nir]'"
DEFLATE, SHUFFLE = 1, 2  # filters of HDF5 that are undone here
NOWHERE = 2**64 - 1  # where values lie that HDF5 has no room for in a file
GREATEST = 1e30  # of all numbers

Array = NDArray[Any]
# What each kind of node consists of; what stands after `+` may be missing.
FIELDS: Mapping[str, str] = {
    "Input": "shape",
    "Output": "shape",
    "Affine": "weight bias",
    "Linear": "weight",
    "Scale": "scale",
    "Flatten": "start_dim end_dim + input_type",
    "LIF": "tau r v_leak v_threshold + v_reset",
    "CubaLIF": "tau_mem tau_syn r v_leak v_threshold + v_reset w_in",
    "IF": "r v_threshold + v_reset",
    "NIRGraph": "",
}


@dataclass(frozen=True)
class Node:
    """A node of a graph.

    Attributes:
        kind: Its type, as NIR calls it, e.g. `LIF`.
        fields: Its parameters, by the names that NIR gives them; empty for a kind that is not read.
        graph: What it consists of, where it is a graph itself.
    """

    kind: str
    fields: Mapping[str, Array] = field(default_factory=dict)
    graph: Graph | None = None


@dataclass(frozen=True)
class Graph:
    """A graph of NIR.

    Attributes:
        nodes: Its nodes by name.
        edges: From which node to which.
        notes: The texts and numbers of its metadata that this package writes, by name.
    """

    nodes: Mapping[str, Node]
    edges: tuple[tuple[str, str], ...]
    notes: Mapping[str, Any] = field(default_factory=dict)


NOTES = ("dt", "steps", "encoding", "task")


def read(path: str | Path) -> Graph:
    """The graph in a file.

    Args:
        path: The file.

    Raises:
        FileFormatError: When it is missing, damaged, beyond the bounds, or no graph of NIR.
        ValueError: When the package that reads it is not installed.
    """
    try:
        import pyfive
    except ImportError:
        raise ValueError(MISSING) from None
    content = read_bytes(path, MOST)
    reading = _Reading(len(content))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return reading.graph(pyfive.File(_Bounded(content))["node"], "", 0)
        except MemoryError:
            raise
        except Refused as error:
            raise FileFormatError(f"{path}: {error}") from None
        except Exception as error:  # on damaged bytes, pyfive raises nearly anything
            where = f"{shortened(reading.place)}: " if reading.place else ""
            raise FileFormatError(
                f"{path}: {where}cannot be read, it is no file of NIR, or cut short or damaged: "
                f"{told(error)}"
            ) from None


class Refused(ValueError):
    """What a file of NIR may not hold, with the node and field that does."""


class _Bounded(io.BytesIO):
    """A file in memory that refuses to be read without end."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._reads, self._bytes = READS, 4 * len(content) + MIB

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self._reads, self._bytes = self._reads - 1, self._bytes - len(found)
        if min(self._reads, self._bytes) < 0:
            raise ValueError("it refers to the same place again and again")
        return found


class _Reading:
    """One file being read: what is left of the bounds, and which field is at hand."""

    def __init__(self, size: int) -> None:
        self._nodes, self._bytes = NODES, max(UNPACKED, RATIO * size)
        self.place = ""

    def graph(self, group: Any, name: str, depth: int) -> Graph:
        self._at(name, "type")
        if depth > DEPTH:
            raise Refused(f"{name}: graphs nest deeper than {DEPTH} levels")
        kind = self._text(group["type"])
        if kind != "NIRGraph":
            raise Refused(f"{self.place}: is {shortened(repr(kind))}: give a graph (NIRGraph)")
        self._at(name, "nodes")
        inside = group["nodes"]
        names = list(inside)
        self._nodes -= len(names)
        if self._nodes < 0:
            raise Refused(f"{self.place}: more than {NODES} nodes")
        nodes = {}
        for child in names:
            full = f"{name}.{child}" if name else child
            if child in ("", ".", ".."):
                raise Refused(f"{self.place}: a node is named {child!r}")
            self.place = full
            nodes[child] = self._node(inside[child], full, depth)
        self._at(name, "edges")
        return Graph(nodes, self._edges(group["edges"]), {} if depth else self._notes(group))

    def _node(self, group: Any, name: str, depth: int) -> Node:
        self._at(name, "type")
        kind = self._text(group["type"])
        if kind == "NIRGraph":
            return Node(kind, graph=self.graph(group, name, depth + 1))
        if kind not in FIELDS:
            return Node(kind)
        needed, _, optional = FIELDS[kind].partition("+")
        found = set(group) - {"type", "metadata"}
        for missing in sorted(set(needed.split()) - found):
            raise Refused(f"{name}.{missing}: is missing of a node of type {kind}")
        for unknown in sorted(found - {*needed.split(), *optional.split()}):
            raise Refused(
                f"{name}.{shortened(unknown)}: is nothing that a node of type {kind} is known to "
                "have"
            )
        fields = {}
        for key in sorted(found):
            self._at(name, key)
            fields[key] = self._numbers(group[key])
        return Node(kind, fields)

    def _notes(self, group: Any) -> dict[str, Any]:
        notes: dict[str, Any] = {}
        if "metadata" in group:
            inside = group["metadata"]
            for name in sorted(set(inside) & set(NOTES)):
                self._at("metadata", name)
                value = inside[name]
                texts = value.dtype.kind in "OS"
                notes[name] = self._text(value) if texts else self._numbers(value)
        return notes

    def _at(self, name: str, key: str) -> None:
        self.place = f"{name}.{key}" if name else key

    def _edges(self, dataset: Any) -> tuple[tuple[str, str], ...]:
        shape = tuple(dataset.shape)
        if shape[0] == 0:
            return ()
        if len(shape) != 2 or shape[1] != 2 or shape[0] > NODES:
            raise Refused(f"{self.place}: of shape {shape}: give at most {NODES} pairs of nodes")
        return tuple((_decoded(a), _decoded(b)) for a, b in self._texts(dataset))

    def _text(self, dataset: Any) -> str:
        if math.prod(dataset.shape) != 1:
            raise Refused(f"{self.place}: is no text")
        return _decoded(np.asarray(self._texts(dataset)).reshape(-1)[0])

    def _texts(self, dataset: Any) -> Array:
        """Texts as bytes, of any length each (kind O) or of one length (kind S)."""
        if dataset.dtype.kind not in "OS" or dataset.dtype.itemsize > TEXT:
            raise Refused(f"{self.place}: is no text")
        if dataset.dtype.kind == "S":
            return self._array(dataset)
        if dataset.id.layout_class not in (0, 1):
            raise Refused(f"{self.place}: a text in chunks is not read")
        return np.asarray(dataset[()])

    def _numbers(self, dataset: Any) -> Array:
        if dataset.dtype.kind not in "biuf" or dataset.dtype.itemsize > 8:
            raise Refused(f"{self.place}: an array of {shortened(str(dataset.dtype))}: no numbers")
        found = self._array(dataset)
        if not (abs(found.astype(np.float64)) <= GREATEST).all():
            raise Refused(f"{self.place}: holds what is no finite number of ordinary size")
        return found

    def _array(self, dataset: Any) -> Array:
        shape = tuple(int(n) for n in dataset.shape)
        length = math.prod(shape) * dataset.dtype.itemsize
        self._bytes -= length
        if self._bytes < 0 or len(shape) > 8:
            raise Refused(f"{self.place}: {shape} is more than is read of a file of this size")
        layout = dataset.id.layout_class
        if layout == 2:
            return self._unpacked(dataset, shape)
        if layout not in (0, 1) or (layout == 1 and dataset.id.data_offset == NOWHERE):
            raise Refused(f"{self.place}: its values are not in this file")
        found = np.asarray(dataset[()])
        if found.shape != shape:
            raise Refused(f"{self.place}: is not of the shape {shape} that it states")
        return found

    def _unpacked(self, dataset: Any, shape: tuple[int, ...]) -> Array:
        """An array in chunks, each of them packed on its own."""
        stored, dtype = dataset.id, dataset.dtype
        filters = [entry["filter_id"] for entry in stored.filter_pipeline or ()]
        if filters not in ([], [DEFLATE], [SHUFFLE, DEFLATE]):
            raise Refused(f"{self.place}: is packed in a way that is not read: give gzip or none")
        chunk = tuple(int(n) for n in dataset.chunks)
        size = math.prod(chunk) * dtype.itemsize
        # Chunks at the edge reach over it.
        held = math.prod(-(-n // max(c, 1)) for n, c in zip(shape, chunk, strict=True))
        self._bytes -= held * size
        if self._bytes < 0 or stored.get_num_chunks() != held:
            raise Refused(f"{self.place}: its chunks are not those of an array of shape {shape}")
        found = np.zeros(shape, dtype)
        for number in range(held):
            info = stored.get_chunk_info(number)
            mask, raw = stored.read_direct_chunk(info.chunk_offset)
            if mask:
                raise Refused(f"{self.place}: its chunks are packed in several ways")
            values = _inflated(raw, size) if DEFLATE in filters else raw
            if len(values) != size:
                raise Refused(f"{self.place}: a chunk is not as long as the file says")
            flat = np.frombuffer(values, np.uint8)
            if SHUFFLE in filters:
                flat = np.ascontiguousarray(flat.reshape(dtype.itemsize, -1).T).reshape(-1)
            place = tuple(
                slice(o, min(o + c, n))
                for o, c, n in zip(info.chunk_offset, chunk, shape, strict=True)
            )
            part = flat.view(dtype).reshape(chunk)
            found[place] = part[tuple(slice(0, s.stop - s.start) for s in place)]
        return found


def _inflated(raw: bytes, size: int) -> bytes:
    """At most so many bytes and one more, by which what is too long is told."""
    return zlib.decompressobj().decompress(raw, size + 1)


def _decoded(text: Any) -> str:
    found = text.decode() if isinstance(text, bytes) else str(text)
    if len(found) > TEXT:
        raise Refused("a text is longer than any is")
    return found
