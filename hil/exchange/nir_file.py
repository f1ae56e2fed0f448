"""Files of NIR, read within bounds.

NIR keeps a graph in HDF5, which is read within the bounds of `drivers.files.hdf5`; what is
added here is a bound of how deep groups nest. Only what a graph of NIR consists of is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import shorten
from drivers.files import hdf5
from drivers.files.bounded import MIB

LARGEST = 256 * MIB  # bytes of a file
NODES = 1000  # nodes of a graph, edges of it likewise; nested ones included
DEPTH = 8  # graphs within each other
NAME = 200  # characters of the name of a node
MISSING = "reading and writing models of NIR needs two more packages: pip install 'spikeloop[nir]'"
GREATEST = 1e30  # of all numbers

Array = NDArray[Any]


@dataclass(frozen=True)
class NirNode:
    """A node of a graph.

    Attributes:
        kind: Its type, as NIR calls it, e.g. `LIF`.
        fields: Its parameters, by the names that NIR gives them; empty for a kind that is not read.
        graph: What it consists of, where it is a graph itself.
    """

    kind: str
    fields: Mapping[str, Array] = field(default_factory=dict)
    graph: NirGraph | None = None


@dataclass(frozen=True)
class NirGraph:
    """A graph of NIR.

    Attributes:
        nodes: Its nodes by name.
        edges: From which node to which.
        notes: The texts and numbers of its metadata that this package writes, by name.
    """

    nodes: Mapping[str, NirNode]
    edges: tuple[tuple[str, str], ...]
    notes: Mapping[str, Any] = field(default_factory=dict)


NOTES = ("dt", "steps", "encoding", "task", "decay")


def read_graph(path: str | Path, fields: Mapping[str, str]) -> NirGraph:
    """Read the graph in a file.

    Args:
        path: The file.
        fields: What each kind of node consists of; what stands after `+` may be missing. Of other
            kinds, nothing more is read.

    Raises:
        FileFormatError: When it is missing, damaged, beyond the bounds, or no graph of NIR.
        ValueError: When the package that reads it is not installed.
    """
    try:
        with hdf5.open_hdf5(path, LARGEST, "file of NIR") as file:
            return _GraphReader(file, fields).graph(file.root["node"], "", 0)
    except ImportError:
        raise ValueError(MISSING) from None


class NirRefusal(hdf5.Hdf5Refusal):
    """Something that a file of NIR may not hold, with the node and field that does."""


class _GraphReader:
    """Reader of one file, which counts its nodes."""

    def __init__(self, file: hdf5.Hdf5, fields: Mapping[str, str]) -> None:
        self._file, self._nodes, self._fields = file, NODES, fields

    @property
    def place(self) -> str:
        return self._file.place

    def graph(self, group: Any, name: str, depth: int) -> NirGraph:
        self._at(name, "type")
        if depth > DEPTH:
            raise NirRefusal(f"{name}: graphs nest deeper than {DEPTH} levels")
        kind = self._text(group["type"])
        if kind != "NIRGraph":
            raise NirRefusal(f"{self.place}: is {shorten(repr(kind))}: give a graph (NIRGraph)")
        self._at(name, "nodes")
        inside = group["nodes"]
        names = list(inside)
        self._nodes -= len(names)
        if self._nodes < 0:
            raise NirRefusal(f"{self.place}: more than {NODES} nodes")
        for child in names:
            if child in ("", ".", "..") or len(child) > NAME:
                raise NirRefusal(
                    f"{self.place}: a node is named {shorten(repr(child))}: give a name of 1 to "
                    f"{NAME} characters, not of dots alone"
                )
        nodes = {}
        for child in names:
            full = f"{name}.{child}" if name else child
            self._file.place = full
            nodes[child] = self._node(inside[child], full, depth)
        self._at(name, "edges")
        return NirGraph(nodes, self._edges(group["edges"]), {} if depth else self._notes(group))

    def _node(self, group: Any, name: str, depth: int) -> NirNode:
        self._at(name, "type")
        kind = self._text(group["type"])
        if kind == "NIRGraph":
            return NirNode(kind, graph=self.graph(group, name, depth + 1))
        if kind not in self._fields:
            return NirNode(kind)
        needed, _, optional = self._fields[kind].partition("+")
        keys = set(group) - {"type", "metadata"}
        for missing in sorted(set(needed.split()) - keys):
            raise NirRefusal(f"{name}.{missing}: is missing of a node of type {kind}")
        for unknown in sorted(keys - {*needed.split(), *optional.split()}):
            raise NirRefusal(
                f"{name}.{shorten(unknown)}: is nothing that a node of type {kind} is known to have"
            )
        fields = {}
        for key in sorted(keys):
            self._at(name, key)
            fields[key] = self._field(group[key])
        return NirNode(kind, fields)

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
        self._file.place = f"{name}.{key}" if name else key

    def _edges(self, dataset: Any) -> tuple[tuple[str, str], ...]:
        shape = tuple(dataset.shape)
        if shape[0] == 0:
            return ()
        if len(shape) != 2 or shape[1] != 2 or shape[0] > NODES:
            raise NirRefusal(f"{self.place}: of shape {shape}: give at most {NODES} pairs of nodes")
        return tuple((_decode(a), _decode(b)) for a, b in self._file.texts(dataset))

    def _text(self, dataset: Any) -> str:
        if math.prod(dataset.shape) != 1:
            raise NirRefusal(f"{self.place}: is no text")
        return _decode(np.asarray(self._file.texts(dataset)).reshape(-1)[0])

    def _field(self, dataset: Any) -> Array:
        """Read numbers, or the one text that says how a convolution is padded."""
        if dataset.dtype.kind in "OS" and self.place.endswith("padding"):
            return np.array(self._text(dataset))
        return self._numbers(dataset)

    def _numbers(self, dataset: Any) -> Array:
        if dataset.dtype.kind not in "biuf" or dataset.dtype.itemsize > 8:
            raise NirRefusal(f"{self.place}: an array of {shorten(str(dataset.dtype))}: no numbers")
        numbers = self._file.array(dataset)
        if not (abs(numbers.astype(np.float64)) <= GREATEST).all():
            raise NirRefusal(f"{self.place}: holds what is no finite number of ordinary size")
        return numbers


def _decode(text: Any) -> str:
    decoded = text.decode() if isinstance(text, bytes) else str(text)
    if len(decoded) > hdf5.TEXT:
        raise NirRefusal("a text is longer than any is")
    return decoded
