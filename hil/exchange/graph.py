"""From a graph of NIR to layers in a chain: synapses, biases and neurons of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.exchange.nir_file import FIELDS, NirGraph, NirNode, NirRefusal

Array = NDArray[Any]
DIRECT = 4096  # channels that may lead to neurons without weights in between
ALIKE = 1e-5  # what two numbers of float32 that mean the same differ by at most, as a share
UNDELAYED = np.zeros(1)


@dataclass(frozen=True, eq=False)
class Synapses:
    """Synapses from one population to another, or to itself: `x @ weights + bias`, delayed.

    Attributes:
        weights: `(n_pre, n_post)`, as the file has them where it has one matrix.
        bias: Input that is always there, `(n_post,)`; None without.
        delays: Of each synapse, in seconds, `(n_pre, n_post)`; `(1,)` without.
        bias_delays: After how long the bias begins, in seconds, `(n_post,)`; `(1,)` without delays.
        slowest: The longest delay of a node, in seconds, and its name; empty without delays.
    """

    weights: Array
    bias: Array | None = None
    delays: Array = field(default_factory=lambda: UNDELAYED)
    bias_delays: Array = field(default_factory=lambda: UNDELAYED)
    slowest: tuple[float, str] = (0.0, "")

    @property
    def longest(self) -> float:
        """The longest delay, in seconds; 0 without any."""
        return float(max(self.delays.max(), self.bias_delays.max()))

    def without_delays(self) -> Synapses:
        """Give the same without delays."""
        return Synapses(self.weights, self.bias)


def read_synapses(
    source: str, size: int, ways: Sequence[Sequence[tuple[str, NirNode]]]
) -> Synapses:
    """Add up all the ways from one population to another.

    Args:
        source: Name of the population that they come from.
        size: How many channels it has.
        ways: Nodes that each of them leads through, by name, in order.

    Raises:
        NirRefusal: Naming the node that does not fit, or what no synapse can have.
    """
    total = _follow(source, size, ways[0])
    for way in ways[1:]:
        other, last = _follow(source, size, way), [source, *(name for name, _ in way)][-1]
        if other.weights.shape != total.weights.shape:
            raise NirRefusal(
                f"{last}: leads {other.weights.shape[1]} channels where another way from {source} "
                f"leads {total.weights.shape[1]}"
            )
        weights, delays = _add(last, total.weights, total.delays, other.weights, other.delays)
        assert weights is not None
        total = replace(_add_bias(last, total, other), weights=weights, delays=delays)
    return total


def move_bias(name: str, synapses: Synapses, other: Synapses) -> tuple[Synapses, Synapses]:
    """Move the bias of others that lead to the same neurons, `name`, to the first ones.

    Raises:
        NirRefusal: Where a neuron would have two biases of different delays.
    """
    without = replace(other, bias=None, bias_delays=UNDELAYED)
    return _add_bias(name, synapses, other), without


def broadcast(place: str, value: Array, size: int) -> Array:
    """Give a number for each neuron or channel, of as many numbers or of one for all."""
    return np.broadcast_to(_to_numbers(place, value, size), (size,)).copy()


def _to_numbers(place: str, value: Array, size: int) -> Array:
    flat = value.reshape(-1).astype(np.float64)
    if flat.size not in (1, size):
        raise NirRefusal(
            f"{place}: of shape {value.shape}: give one number, or one for each of {size}"
        )
    return flat


def _follow(source: str, size: int, way: Sequence[tuple[str, NirNode]]) -> Synapses:
    path = _Path(source, size)
    for name, node in way:
        path.add(name, node)
    weights = path.weights()
    if not path.slowest[0]:
        return Synapses(weights, path.bias)
    delays = np.broadcast_to(path.before[:, None] + path.after, weights.shape)
    bias_delays = np.broadcast_to(path.bias_delay, weights.shape[1:])
    return Synapses(weights, path.bias, delays, bias_delays, path.slowest)


class _Path:
    """Nodes in a row, added up so far.

    A delay before the first matrix is one of a channel of the source, one after the last of a
    neuron of the target.
    """

    def __init__(self, name: str, size: int) -> None:
        self._name, self._size = name, size
        self._matrix: Array | None = None
        self._is_mixed = False
        self.bias: Array | None = None
        self.before = self.after = self.bias_delay = UNDELAYED
        self.slowest = (0.0, "")

    def weights(self) -> Array:
        if self._matrix is not None:
            return self._matrix
        if self._size > DIRECT:
            raise NirRefusal(
                f"{self._name}: {self._size} channels lead to neurons without weights in between: "
                f"at most {DIRECT} may"
            )
        return np.eye(self._size, dtype=np.float32)

    def add(self, name: str, node: NirNode) -> None:
        self._name = name
        if node.kind == "Scale":
            scale = _to_numbers(f"{name}.scale", node.fields["scale"], self._size)
            self._matrix = self.weights() * scale
            self.bias = None if self.bias is None else self.bias * scale
        elif node.kind == "Delay":
            self._delay(name, node.fields["delay"])
        elif node.kind != "Flatten":
            self._mix(name, node)

    def _delay(self, name: str, seconds: Array) -> None:
        delay = _to_numbers(f"{name}.delay", seconds, self._size)
        if delay.min() < 0:
            raise NirRefusal(f"{name}.delay: {delay.min():g} s: a delay is 0 s or longer")
        if self._is_mixed:
            self.after = self.after + delay
        else:
            self.before = self.before + delay
        if self.bias is not None:
            self.bias_delay = self.bias_delay + delay
        self.slowest = max(self.slowest, (float(delay.max()), name))

    def _mix(self, name: str, node: NirNode) -> None:
        weight = node.fields["weight"]
        if weight.ndim != 2 or weight.shape[1] != self._size or not weight.size:
            raise NirRefusal(
                f"{name}.weight: of shape {weight.shape}: it gets {self._size} channels"
            )
        for delay in (self.after, self.bias_delay):
            if not np.allclose(delay, delay[0], rtol=ALIKE, atol=0):
                raise NirRefusal(
                    f"{name} ({node.kind}): mixes channels that {self.slowest[1]} (Delay) delays "
                    "differently: give delays before the first matrix or after the last"
                )
        weight = weight.T
        mixed = None if self.bias is None else self.bias @ weight
        self._matrix = weight if self._matrix is None else self._matrix.astype(float) @ weight
        self.before, self.after = self.before + self.after[0], UNDELAYED
        self._is_mixed, self._size = True, weight.shape[1]
        own = node.fields.get("bias")
        own = None if own is None else broadcast(f"{name}.bias", own, self._size)
        self.bias, self.bias_delay = _add(name, mixed, self.bias_delay[:1], own, UNDELAYED)
        if self.bias is None or not self.bias.any():
            self.bias, self.bias_delay = None, UNDELAYED


def _add_bias(name: str, one: Synapses, other: Synapses) -> Synapses:
    """Give the first synapses with the bias of both."""
    bias, delays = _add(name, one.bias, one.bias_delays, other.bias, other.bias_delays)
    slowest = max(one.slowest, other.slowest)
    return replace(one, bias=bias, bias_delays=delays, slowest=slowest)


def _add(
    name: str, one: Array | None, its_delay: Array, other: Array | None, other_delay: Array
) -> tuple[Array | None, Array]:
    """Add two arrays of weights, or None, and find the delays of the sum, which may be one.

    Where both are zero, the delay is that of the first.
    """
    if other is None or not other.any():
        return one, its_delay
    if one is None or not one.any():
        return other, other_delay
    differs = ~np.isclose(its_delay, other_delay, rtol=ALIKE, atol=0)
    if (differs & (one != 0) & (other != 0)).any():
        raise NirRefusal(
            f"{name}: leads to a neuron from where another way leads that is delayed differently: "
            "a synapse has one delay"
        )
    if not differs.any():
        return one + other, its_delay
    return one + other, np.where((one == 0) & (other != 0), other_delay, its_delay)


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
        if node.kind not in FIELDS:
            raise NirRefusal(f"{name} ({node.kind[:40]}): is not read: give {READ}")
    ways = _find_ways(nodes, edges)
    chain = _find_chain(nodes, ways)

    def connect(source: str, target: str, size: int) -> Synapses:
        named = [[(name, nodes[name]) for name in way] for way in ways[source, target]]
        return read_synapses(source, size, named)

    size = _count_channels(chain[0], nodes[chain[0]])
    layers: list[Layer] = []
    for source, name in pairwise(chain[:-1]):
        synapses, recurrent = connect(source, name, size), None
        size = synapses.weights.shape[1]
        neurons = _read_neurons(name, nodes[name], size)
        if (name, name) in ways:
            recurrent = connect(name, name, size)
            if recurrent.weights.shape[1] != size:
                raise NirRefusal(
                    f"{[name, *ways[name, name][0]][-1]}: leads {recurrent.weights.shape[1]} "
                    f"channels back to {size} neurons"
                )
            synapses, recurrent = move_bias(name, synapses, recurrent)
        layers.append(Layer(name, neurons, synapses, recurrent))
    _check_end(nodes, ways, chain, layers)
    return layers


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
    if _count_channels(output, nodes[output]) != size:
        raise NirRefusal(f"{output}.shape: is not that of the {size} neurons before it")


def _read_neurons(name: str, node: NirNode, size: int) -> Neurons:
    """Read the neurons of a node.

    Raises:
        NirRefusal: For parameters that make no such neuron, or one that no device is given here.
    """
    fields = {key: broadcast(f"{name}.{key}", value, size) for key, value in node.fields.items()}
    zero = np.zeros(size)
    threshold, reset = fields["v_threshold"], fields.get("v_reset", zero)
    rest = fields["v_leak"] if node.kind != "IF" else reset
    swing = threshold - rest
    if not (swing >= SMALLEST).all():
        raise NirRefusal(f"{name}.v_threshold: has to be above rest in every neuron")
    if not np.allclose(reset, rest, rtol=0, atol=ALIKE * float(swing.min())):
        raise NirRefusal(
            f"{name}.v_reset: is not v_leak: neurons here are reset to rest: make both equal"
        )
    for key in (key for key in ("tau", "tau_mem", "tau_syn") if key in fields):
        if not ((fields[key] >= SHORTEST) & (fields[key] <= LONGEST)).all():
            raise NirRefusal(f"{name}.{key}: give {SHORTEST:g} to {LONGEST:g} s in every neuron")
    if node.kind == "IF":
        return Neurons("IF", np.full(size, math.inf), fields["r"] / swing)
    if node.kind == "LIF":
        return Neurons("LIF", fields["tau"], fields["r"] / fields["tau"] / swing)
    slope = fields["r"] * fields.get("w_in", zero + 1) / fields["tau_mem"] / swing
    return Neurons("CubaLIF", fields["tau_mem"], slope, fields["tau_syn"])


def _count_channels(name: str, node: NirNode) -> int:
    """Count the channels of an input or output."""
    shape = [float(n) for n in node.fields["shape"].reshape(-1)]
    size = math.prod(shape)
    if min(shape, default=0) < 1 or size > 2**31 or any(n != int(n) for n in shape):
        raise NirRefusal(f"{name}.shape: is no shape of at least one channel")
    return int(size)


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
