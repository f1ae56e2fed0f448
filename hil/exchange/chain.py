"""From a graph of NIR to layers in a chain: weights, biases and neurons of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.exchange.nir_file import FIELDS, Graph, Node, Refused

Array = NDArray[Any]
NEURONS = ("LIF", "CubaLIF", "IF")
READ = "a chain of Affine, Linear, Scale and Flatten, and of the neurons LIF, CubaLIF and IF"
SHORTEST, LONGEST = 1e-9, 1e9  # seconds of a time constant
DIRECT = 4096  # channels that may lead to neurons without weights in between
SMALLEST = 1e-30  # from rest to threshold
ALIKE = 1e-5  # what two numbers of float32 that mean the same differ by at most, as a share


@dataclass(frozen=True, eq=False)
class Neurons:
    """The neurons of a layer, by NIR's equations, in units where rest is 0 and the threshold 1.

    Attributes:
        kind: `LIF`, `CubaLIF` or `IF`.
        tau: Time constant of the membrane, `(n,)` seconds; infinite for `IF`.
        slope: What an input of 1 adds to a membrane in a second, if nothing leaks, `(n,)`.
        tau_synapse: Time constant of the synaptic current, `(n,)`; None where there is none.
    """

    kind: str
    tau: Array
    slope: Array
    tau_synapse: Array | None = None


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer of neurons, and what leads to it.

    Attributes:
        name: Name of the neurons in the file.
        weights: `(n_pre, n_post)`, as the file has them where it has one matrix.
        bias: Input that is always there, `(n_post,)`; None without.
        neurons: The neurons.
        recurrent: Weights from the layer to itself, `(n_post, n_post)`; None without.
    """

    name: str
    weights: Array
    bias: Array | None
    neurons: Neurons
    recurrent: Array | None = None


def layers_of(graph: Graph) -> list[Layer]:
    """The layers of a graph that is a chain, but for hidden layers that lead to themselves.

    Raises:
        Refused: Naming the node that no device is given here, or that does not fit the others.
    """
    nodes, edges = _flat(graph)
    for name, node in nodes.items():
        if node.kind not in FIELDS:
            raise Refused(f"{name} ({node.kind[:40]}): is not read: give {READ}")
    loops, edges = _loops(nodes, edges)
    inside = {name for loop in loops.values() for name in loop}
    order = _chain({name: nodes[name] for name in nodes if name not in inside}, edges)
    layers: list[Layer] = []
    begun = _Affine(order[0], _size(order[0], nodes[order[0]]))
    for name in order[1:-1]:
        node = nodes[name]
        if node.kind in NEURONS:
            own = neurons(name, node, begun.size)
            layers.append(Layer(name, begun.matrix(), begun.bias, own))
            if name in loops:
                layers[-1] = _recurrent(layers[-1], [(key, nodes[key]) for key in loops[name]])
            begun = _Affine(name, begun.size)
        else:
            begun.add(name, node)
    if not layers or begun.touched:
        last = order[-2]
        raise Refused(
            f"{last} ({nodes[last].kind}): leads to the output: the last layer has to be of "
            f"neurons ({', '.join(NEURONS)})"
        )
    if layers[-1].recurrent is not None:
        raise Refused(f"{layers[-1].name}: leads to itself, as the last layer: hidden ones may")
    if _size(order[-1], nodes[order[-1]]) != begun.size:
        raise Refused(f"{order[-1]}.shape: is not that of the {begun.size} neurons before it")
    return layers


def neurons(name: str, node: Node, size: int) -> Neurons:
    """The neurons of a node.

    Args:
        name: Its name.
        node: The node.
        size: How many there are.

    Raises:
        Refused: For parameters that make no such neuron, or one that no device is given here.
    """
    found = {key: _each(f"{name}.{key}", value, size) for key, value in node.fields.items()}
    zero = np.zeros(size)
    threshold, reset = found["v_threshold"], found.get("v_reset", zero)
    rest = found["v_leak"] if node.kind != "IF" else reset
    swing = threshold - rest
    if not (swing >= SMALLEST).all():
        raise Refused(f"{name}.v_threshold: has to be above rest in every neuron")
    if not np.allclose(reset, rest, rtol=0, atol=ALIKE * float(swing.min())):
        raise Refused(
            f"{name}.v_reset: is not v_leak: neurons here are reset to rest: make both equal"
        )
    times = [key for key in ("tau", "tau_mem", "tau_syn") if key in found]
    for key in times:
        if not ((found[key] >= SHORTEST) & (found[key] <= LONGEST)).all():
            raise Refused(f"{name}.{key}: give {SHORTEST:g} to {LONGEST:g} s in every neuron")
    if node.kind == "IF":
        return Neurons("IF", np.full(size, math.inf), found["r"] / swing)
    if node.kind == "LIF":
        return Neurons("LIF", found["tau"], found["r"] / found["tau"] / swing)
    slope = found["r"] * found.get("w_in", zero + 1) / found["tau_mem"] / swing
    return Neurons("CubaLIF", found["tau_mem"], slope, found["tau_syn"])


class _Affine:
    """What the linear nodes since the last neurons come to: `x @ matrix + bias`."""

    def __init__(self, name: str, size: int) -> None:
        self._name, self.size = name, size
        self._matrix: Array | None = None
        self.bias: Array | None = None
        self.touched = False

    def matrix(self) -> Array:
        if self._matrix is None:
            if self.size > DIRECT:
                raise Refused(
                    f"{self._name}: {self.size} channels lead to neurons without weights in "
                    f"between: at most {DIRECT} may"
                )
            return np.eye(self.size, dtype=np.float32)
        return self._matrix

    def add(self, name: str, node: Node) -> None:
        self._name = name
        if node.kind == "Flatten":
            return
        self.touched = True
        if node.kind == "Scale":
            scale = _each(f"{name}.scale", node.fields["scale"], self.size)
            self._matrix = self.matrix() * scale
            self.bias = None if self.bias is None else self.bias * scale
            return
        weight = node.fields["weight"]
        if weight.ndim != 2 or weight.shape[1] != self.size or not weight.size:
            raise Refused(f"{name}.weight: of shape {weight.shape}: it gets {self.size} channels")
        weight = weight.T
        if self.bias is not None:
            self.bias = self.bias @ weight
        self._matrix = weight if self._matrix is None else self._matrix.astype(float) @ weight
        self.size = weight.shape[1]
        if "bias" in node.fields:
            own = _each(f"{name}.bias", node.fields["bias"], self.size)
            self.bias = own if self.bias is None else self.bias + own
        if self.bias is not None and not self.bias.any():
            self.bias = None


def _recurrent(layer: Layer, loop: list[tuple[str, Node]]) -> Layer:
    """A layer with what leads from it to itself."""
    size = layer.weights.shape[1]
    back = _Affine(layer.name, size)
    for name, node in loop:
        back.add(name, node)
    if back.size != size:
        raise Refused(f"{loop[-1][0]}: leads {back.size} channels back to {size} neurons")
    bias = layer.bias
    if back.bias is not None:
        bias = back.bias if bias is None else bias + back.bias
    return replace(layer, bias=bias, recurrent=back.matrix())


def _each(place: str, value: Array, size: int) -> Array:
    """A number for each neuron or channel, of as many numbers or of one for all."""
    found = value.reshape(-1).astype(np.float64)
    if found.size not in (1, size):
        raise Refused(
            f"{place}: of shape {value.shape}: give one number, or one for each of {size}"
        )
    return np.broadcast_to(found, (size,)).copy()


def _size(name: str, node: Node) -> int:
    """How many channels an input or output has."""
    shape = [float(n) for n in node.fields["shape"].reshape(-1)]
    size = math.prod(shape)
    if min(shape, default=0) < 1 or size > 2**31 or any(n != int(n) for n in shape):
        raise Refused(f"{name}.shape: is no shape of at least one channel")
    return int(size)


def _flat(graph: Graph) -> tuple[dict[str, Node], list[tuple[str, str]]]:
    """Nodes and edges with those of nested graphs in place of these.

    The input and the output of a nested graph become points that its edges pass through.
    """
    nodes: dict[str, Node] = {}
    edges: list[tuple[str, str]] = []
    doors: dict[str, dict[str, str]] = {}
    for name, node in graph.nodes.items():
        if node.graph is None:
            nodes[name] = node
            continue
        inner, inside = _flat(node.graph)
        doors[name] = {}
        for kind in ("Input", "Output"):
            own = [key for key, each in inner.items() if each.kind == kind]
            if len(own) != 1:
                raise Refused(f"{name} (NIRGraph): has {len(own)} nodes of type {kind}: give one")
            doors[name][kind] = f"{name}.{own[0]}"
            inner[own[0]] = Node("Flatten")
        nodes |= {f"{name}.{key}": each for key, each in inner.items()}
        edges += [(f"{name}.{a}", f"{name}.{b}") for a, b in inside]
    for a, b in graph.edges:
        known = graph.nodes.keys()
        if a not in known or b not in known:
            missing = a if a not in known else b
            raise Refused(f"edges: {missing[:40]!r} is no node of this graph")
        edges.append(
            (doors[a]["Output"] if a in doors else a, doors[b]["Input"] if b in doors else b)
        )
    return nodes, edges


def _loops(
    nodes: Mapping[str, Node], edges: list[tuple[str, str]]
) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """Linear nodes that lead from neurons to themselves, by the neurons; and all other edges."""
    after: dict[str, list[str]] = {name: [] for name in nodes}
    for a, b in edges:
        after[a].append(b)
    loops: dict[str, list[str]] = {}
    others = list(edges)
    for name in (name for name, node in nodes.items() if node.kind in NEURONS):
        for at in after[name]:
            path = [name]
            while nodes[at].kind not in NEURONS and at not in path and len(after[at]) == 1:
                path.append(at)
                at = after[at][0]
            if at != name:
                continue
            if name in loops:
                raise Refused(f"{name} ({nodes[name].kind}): leads to itself twice: give one way")
            loops[name] = path[1:]
            for edge in pairwise([*path, name]):
                others.remove(edge)
    return loops, others


def _chain(nodes: Mapping[str, Node], edges: list[tuple[str, str]]) -> list[str]:
    """The nodes from the input to the output, each leading to the next."""
    ends = {}
    for kind in ("Input", "Output"):
        own = [name for name, node in nodes.items() if node.kind == kind]
        if len(own) != 1:
            raise Refused(f"nodes: {len(own)} of type {kind}: give one")
        ends[kind] = own[0]
    after: dict[str, str] = {}
    before: dict[str, str] = {}
    for a, b in edges:
        if a in after or b in before:
            twice = a if a in after else b
            what = "leads to several nodes" if a in after else "follows several nodes"
            raise Refused(
                f"{twice} ({nodes[twice].kind}): {what}: but for neurons that lead to themselves, "
                "connections back, branches and delays are not read: give a chain"
            )
        after[a], before[b] = b, a
    order = [ends["Input"]]
    while order[-1] in after and len(order) <= len(nodes):
        order.append(after[order[-1]])
    if order[-1] != ends["Output"]:
        raise Refused(f"{order[-1]} ({nodes[order[-1]].kind}): does not lead to the output")
    for name in nodes.keys() - set(order):
        raise Refused(f"{name} ({nodes[name].kind}): does not stand between input and output")
    return order
