"""From a graph of NIR to layers in a chain: weights, biases and neurons of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.exchange.nir_file import FIELDS, Graph, Node, Refused
from hil.exchange.synapses import ALIKE, Synapses, between, biased_once, each

Array = NDArray[Any]
Ways = dict[tuple[str, str], list[list[str]]]
NEURONS = ("LIF", "CubaLIF", "IF")
POPULATIONS = ("Input", "Output", *NEURONS)
READ = "a chain of Affine, Linear, Scale, Delay and Flatten, and of the neurons LIF, CubaLIF and IF"
SHORTEST, LONGEST = 1e-9, 1e9  # seconds of a time constant
SMALLEST = 1e-30  # from rest to threshold


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
        neurons: The neurons.
        synapses: What leads to them from the layer before, with the bias of all.
        recurrent: What leads from the layer to itself; None without.
    """

    name: str
    neurons: Neurons
    synapses: Synapses
    recurrent: Synapses | None = None

    @property
    def undelayed(self) -> Layer:
        """The same without delays."""
        back = self.recurrent and self.recurrent.undelayed
        return replace(self, synapses=self.synapses.undelayed, recurrent=back)


def layers_of(graph: Graph) -> list[Layer]:
    """The layers of a graph that is a chain, but for hidden layers that lead to themselves.

    Raises:
        Refused: Naming the node that no device is given here, or that does not fit the others.
    """
    nodes, edges = _flat(graph)
    for name, node in nodes.items():
        if node.kind not in FIELDS:
            raise Refused(f"{name} ({node.kind[:40]}): is not read: give {READ}")
    ways = _ways(nodes, edges)
    order = _chain(nodes, ways)
    size = _size(order[0], nodes[order[0]])
    layers: list[Layer] = []
    for source, name in pairwise(order[:-1]):
        synapses = _between(nodes, ways, source, name, size)
        size = synapses.weights.shape[1]
        own = neurons(name, nodes[name], size)
        back = _between(nodes, ways, name, name, size) if (name, name) in ways else None
        if back is not None:
            if back.weights.shape[1] != size:
                last = [name, *ways[name, name][0]][-1]
                raise Refused(
                    f"{last}: leads {back.weights.shape[1]} channels back to {size} neurons"
                )
            synapses, back = biased_once(name, synapses, back)
        layers.append(Layer(name, own, synapses, back))
    _check_end(nodes, ways, order, layers)
    return layers


def _check_end(
    nodes: Mapping[str, Node], ways: Ways, order: Sequence[str], layers: Sequence[Layer]
) -> None:
    """Refuse an output that does not follow neurons as they are."""
    last, output = order[-2:]
    if len(ways[last, output]) > 1:
        raise _branch(nodes, last, "leads to")
    linear = [name for name in ways[last, output][0] if nodes[name].kind != "Flatten"]
    if linear or not layers:
        raise Refused(
            f"{_told(nodes, [last, *linear][-1])}: leads to the output: the last layer has to be "
            f"of neurons ({', '.join(NEURONS)})"
        )
    if layers[-1].recurrent is not None:
        raise Refused(f"{last}: leads to itself, as the last layer: hidden ones may")
    size = layers[-1].synapses.weights.shape[1]
    if _size(output, nodes[output]) != size:
        raise Refused(f"{output}.shape: is not that of the {size} neurons before it")


def _between(
    nodes: Mapping[str, Node], ways: Ways, source: str, target: str, size: int
) -> Synapses:
    return between(source, size, [[(n, nodes[n]) for n in way] for way in ways[source, target]])


def neurons(name: str, node: Node, size: int) -> Neurons:
    """The neurons of a node.

    Args:
        name: Its name.
        node: The node.
        size: How many there are.

    Raises:
        Refused: For parameters that make no such neuron, or one that no device is given here.
    """
    found = {key: each(f"{name}.{key}", value, size) for key, value in node.fields.items()}
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


def _ways(nodes: Mapping[str, Node], edges: Sequence[tuple[str, str]]) -> Ways:
    """Nodes on the ways from each population to the next, or back to itself, by these two."""
    after: dict[str, list[str]] = {name: [] for name in nodes}
    before: dict[str, list[str]] = {name: [] for name in nodes}
    for a, b in edges:
        if b in after[a]:
            raise Refused(f"edges: {a} leads to {b} twice")
        after[a].append(b)
        before[b].append(a)
    ways: Ways = {}
    seen = {name for name, node in nodes.items() if node.kind in POPULATIONS}
    for source in sorted(seen):
        for at in after[source]:
            way = []
            while nodes[at].kind not in POPULATIONS:
                if not after[at]:
                    raise Refused(f"{_told(nodes, at)}: does not lead to the output")
                for several, what in ((after, "leads to"), (before, "follows")):
                    if len(several[at]) > 1:
                        raise _branch(nodes, at, what)
                way.append(at)
                seen.add(at)
                at = after[at][0]
            ways.setdefault((source, at), []).append(way)
    for name in sorted(nodes.keys() - seen):
        raise Refused(f"{_told(nodes, name)}: does not stand between input and output")
    return ways


def _chain(nodes: Mapping[str, Node], ways: Ways) -> list[str]:
    """The populations from the input to the output, each leading to the next."""
    ends = {}
    for kind in ("Input", "Output"):
        own = [name for name, node in nodes.items() if node.kind == kind]
        if len(own) != 1:
            raise Refused(f"nodes: {len(own)} of type {kind}: give one")
        ends[kind] = own[0]
    for a, b in ways:
        if a == ends["Output"] or b == ends["Input"]:
            raise Refused(f"edges: {a} leads to {b}: nothing leads to the input or from the output")
    order = [ends["Input"]]
    while order[-1] != ends["Output"]:
        onward = [b for a, b in ways if a == order[-1] and b != a]
        if not onward:
            raise Refused(f"{_told(nodes, order[-1])}: does not lead to the output")
        if len(onward) > 1:
            raise _branch(nodes, order[-1], "leads to")
        if len([a for a, b in ways if b == onward[0] and b != a]) > 1:
            raise _branch(nodes, onward[0], "follows")
        order += onward
    for name in sorted({name for pair in ways for name in pair} - set(order)):
        raise Refused(f"{_told(nodes, name)}: does not stand between input and output")
    return order


def _told(nodes: Mapping[str, Node], name: str) -> str:
    return f"{name} ({nodes[name].kind})"


def _branch(nodes: Mapping[str, Node], name: str, what: str) -> Refused:
    return Refused(
        f"{_told(nodes, name)}: {what} several nodes: but for neurons that lead to themselves, and "
        "for ways from one layer to the next, connections back and branches are not read: give a "
        "chain"
    )
