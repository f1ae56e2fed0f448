"""From a graph of NIR to layers in a chain: synapses, biases and neurons of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from hil.exchange.nir_file import NirGraph, NirNode, NirRefusal
from hil.exchange.node_kinds import (
    INSTEAD,
    KINDS,
    NEURONS,
    POPULATIONS,
    READ,
    Neurons,
    read_neurons,
    read_shape,
)
from hil.exchange.synapses import Synapses, Way, add_ways, move_bias

Ways = dict[tuple[str, str], list[list[str]]]


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer of neurons, and what leads to it.

    Attributes:
        name: Name of the neurons in the file.
        neurons: The neurons.
        synapses: What leads to them from the layer before, with the bias of all.
        recurrent: What leads from the layer to itself; None without.
        source: Name of what it follows in the file.
        shape: Shape of that, and `own` of the layer.
        own: See `shape`.
        way: Names of the nodes from there to the layer; None where several ways lead there.
        way_back: Likewise from the layer to itself.
    """

    name: str
    neurons: Neurons
    synapses: Synapses
    recurrent: Synapses | None = None
    source: str = ""
    shape: tuple[int, ...] = ()
    own: tuple[int, ...] = ()
    way: tuple[str, ...] | None = None
    way_back: tuple[str, ...] | None = None

    def without_delays(self) -> Layer:
        """Give the same without delays."""
        recurrent = self.recurrent and self.recurrent.without_delays()
        return replace(self, synapses=self.synapses.without_delays(), recurrent=recurrent)


def read_layers(graph: NirGraph) -> list[Layer]:
    """Read the layers of a graph that is a chain, but for hidden layers that lead to themselves.

    Raises:
        NirRefusal: Naming the node that no device is given here, or that does not fit the others.
    """
    nodes, edges = _flatten(graph)
    for name, node in nodes.items():
        if node.kind not in KINDS:
            instead = INSTEAD.get(node.kind, f"is not read: give {READ}")
            raise NirRefusal(f"{name} ({node.kind[:40]}): {instead}")
    ways = _find_ways(nodes, edges)
    chain = _find_chain(nodes, ways)

    def connect(source: str, target: str, shape: tuple[int, ...]) -> tuple[Synapses, Way]:
        followed = [follow(source, shape, nodes, way) for way in ways[source, target]]
        return add_ways(source, followed, is_loop=source == target), followed[0]

    shape = read_shape(chain[0], nodes[chain[0]])
    layers: list[Layer] = []
    for source, name in pairwise(chain[:-1]):
        (synapses, way), recurrent = connect(source, name, shape), None
        size, before, shape = synapses.weights.shape[1], shape, way.shape
        neurons = read_neurons(name, nodes[name], size)
        if (name, name) in ways:
            recurrent, _ = connect(name, name, shape)
            if recurrent.weights.shape[1] != size:
                raise NirRefusal(
                    f"{[name, *ways[name, name][0]][-1]}: leads {recurrent.weights.shape[1]} "
                    f"channels back to {size} neurons"
                )
            synapses, recurrent = move_bias(name, synapses, recurrent)
        ends = [ways[source, name], ways.get((name, name), [])]
        one = [tuple(own[0]) if len(own) == 1 else None for own in ends]
        layers.append(Layer(name, neurons, synapses, recurrent, source, before, shape, *one))
    _check_end(nodes, ways, chain, layers)
    return layers


def find_nodes(graph: NirGraph) -> dict[str, NirNode]:
    """Find all nodes, those of nested graphs by their names with that of the graph before them."""
    return _flatten(graph)[0]


def follow(
    source: str, shape: Sequence[int], nodes: Mapping[str, NirNode], names: Sequence[str]
) -> Way:
    """Follow a way from a population of some shape to its end."""
    way = Way(source, shape)
    for name in names:
        lead_on = KINDS[nodes[name].kind].lead_on
        assert lead_on is not None
        way.name = name
        lead_on(way, nodes[name].fields)
    return way


def _check_end(
    nodes: Mapping[str, NirNode], ways: Ways, chain: Sequence[str], layers: Sequence[Layer]
) -> None:
    """Refuse an output that does not follow neurons as they are."""
    last, output = chain[-2:]
    if len(ways[last, output]) > 1:
        raise _refuse_branch(nodes, last, "leads to")
    linear = [name for name in ways[last, output][0] if nodes[name].kind != "Flatten"]
    if linear or not layers:
        raise NirRefusal(
            f"{_show(nodes, [last, *linear][-1])}: leads to the output: the last layer has to be "
            f"of neurons ({', '.join(NEURONS)})"
        )
    if layers[-1].recurrent is not None:
        raise NirRefusal(f"{last}: leads to itself, as the last layer: hidden ones may")
    size = layers[-1].synapses.weights.shape[1]
    shape = read_shape(output, nodes[output])  # which may begin with batches and steps
    if size not in np.cumprod(shape[::-1]):
        raise NirRefusal(f"{output}.shape: is not that of the {size} neurons before it")


def _flatten(graph: NirGraph) -> tuple[dict[str, NirNode], list[tuple[str, str]]]:
    """List nodes and edges with those of nested graphs in place of these.

    The input and the output of a nested graph become points that its edges pass through.
    """
    nodes: dict[str, NirNode] = {}
    edges: list[tuple[str, str]] = []
    doors: dict[str, dict[str, str]] = {}
    for name, node in graph.nodes.items():
        if node.graph is None:
            nodes[name] = node
            continue
        inner, inside = _flatten(node.graph)
        doors[name] = {}
        for kind in ("Input", "Output"):
            door = _find_only(inner, kind, f"{name} (NIRGraph)")
            doors[name][kind] = f"{name}.{door}"
            inner[door] = NirNode("Flatten")
        nodes |= {f"{name}.{key}": node for key, node in inner.items()}
        edges += [(f"{name}.{a}", f"{name}.{b}") for a, b in inside]
    for ends in graph.edges:
        for name in ends:
            if name not in graph.nodes:
                raise NirRefusal(f"edges: {name[:40]!r} is no node of this graph")
        a, b = ends
        edges.append((doors.get(a, {}).get("Output", a), doors.get(b, {}).get("Input", b)))
    return nodes, edges


def _find_only(nodes: Mapping[str, NirNode], kind: str, place: str) -> str:
    names = [name for name, node in nodes.items() if node.kind == kind]
    if len(names) != 1:
        raise NirRefusal(f"{place}: has {len(names)} nodes of type {kind}: give one")
    return names[0]


def _find_ways(nodes: Mapping[str, NirNode], edges: Sequence[tuple[str, str]]) -> Ways:
    """Find the nodes on the ways from each population to the next, or to itself, by these two."""
    after: dict[str, list[str]] = {name: [] for name in nodes}
    before: dict[str, list[str]] = {name: [] for name in nodes}
    for a, b in edges:
        if b in after[a]:
            raise NirRefusal(f"edges: {a} leads to {b} twice")
        after[a].append(b)
        before[b].append(a)
    ways: Ways = {}
    seen = {name for name, node in nodes.items() if node.kind in POPULATIONS}
    for source in sorted(seen):
        for at in after[source]:
            way = []
            while nodes[at].kind not in POPULATIONS:
                if not after[at]:
                    raise NirRefusal(f"{_show(nodes, at)}: does not lead to the output")
                for neighbours, what in ((after, "leads to"), (before, "follows")):
                    if len(neighbours[at]) > 1:
                        raise _refuse_branch(nodes, at, what)
                way.append(at)
                seen.add(at)
                at = after[at][0]
            ways.setdefault((source, at), []).append(way)
    _check_all(nodes, nodes.keys() - seen)
    return ways


def _find_chain(nodes: Mapping[str, NirNode], ways: Ways) -> list[str]:
    """Find the populations from the input to the output, each leading to the next."""
    first, last = (_find_only(nodes, kind, "nodes") for kind in ("Input", "Output"))
    for a, b in ways:
        if a == last or b == first:
            raise NirRefusal(
                f"edges: {a} leads to {b}: nothing leads to the input or from the output"
            )
    chain = [first]
    while chain[-1] != last:
        onward = [b for a, b in ways if a == chain[-1] and b != a]
        if not onward:
            raise NirRefusal(f"{_show(nodes, chain[-1])}: does not lead to the output")
        if len(onward) > 1:
            raise _refuse_branch(nodes, chain[-1], "leads to")
        if len([a for a, b in ways if b == onward[0] and b != a]) > 1:
            raise _refuse_branch(nodes, onward[0], "follows")
        chain += onward
    _check_all(nodes, {name for pair in ways for name in pair} - {*chain})
    return chain


def _check_all(nodes: Mapping[str, NirNode], left_over: set[str]) -> None:
    for name in sorted(left_over):
        raise NirRefusal(f"{_show(nodes, name)}: does not stand between input and output")


def _show(nodes: Mapping[str, NirNode], name: str) -> str:
    return f"{name} ({nodes[name].kind})"


def _refuse_branch(nodes: Mapping[str, NirNode], name: str, what: str) -> NirRefusal:
    return NirRefusal(
        f"{_show(nodes, name)}: {what} several nodes: but for neurons that lead to themselves, and "
        "for ways from one layer to the next, connections back and branches are not read: give a "
        "chain"
    )
