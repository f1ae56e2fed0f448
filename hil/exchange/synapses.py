"""What leads from one population of a graph to another: weights, a bias, and delays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.exchange.nir_file import Node, Refused

Array = NDArray[Any]
DIRECT = 4096  # channels that may lead to neurons without weights in between
ALIKE = 1e-5  # what two numbers of float32 that mean the same differ by at most, as a share
NONE = np.zeros(1)


@dataclass(frozen=True, eq=False)
class Synapses:
    """What leads from one population to another, or to itself: `x @ weights + bias`, delayed.

    Attributes:
        weights: `(n_pre, n_post)`, as the file has them where it has one matrix.
        bias: Input that is always there, `(n_post,)`; None without.
        delays: Of each synapse, in seconds, `(n_pre, n_post)`; `(1,)` without.
        bias_delays: After how long the bias begins, in seconds, `(n_post,)`; `(1,)` without delays.
        slowest: Name of the node that delays longest, and by how much; empty without delays.
    """

    weights: Array
    bias: Array | None = None
    delays: Array = field(default_factory=lambda: NONE)
    bias_delays: Array = field(default_factory=lambda: NONE)
    slowest: tuple[str, float] = ("", 0.0)

    @property
    def longest(self) -> float:
        """The longest delay, in seconds; 0 without any."""
        return float(max(self.delays.max(), self.bias_delays.max()))

    @property
    def undelayed(self) -> Synapses:
        """The same without delays."""
        return Synapses(self.weights, self.bias)


def between(source: str, size: int, ways: Sequence[Sequence[tuple[str, Node]]]) -> Synapses:
    """What all the ways from one population to another come to.

    Args:
        source: Name of the population that they come from.
        size: How many channels it has.
        ways: Nodes that each of them leads through, by name, in order.

    Raises:
        Refused: Naming the node that does not fit, or what no synapse can have.
    """
    found = _along(source, size, ways[0])
    for way in ways[1:]:
        other, last = _along(source, size, way), [source, *(name for name, _ in way)][-1]
        if other.weights.shape != found.weights.shape:
            raise Refused(
                f"{last}: leads {other.weights.shape[1]} channels where another way from {source} "
                f"leads {found.weights.shape[1]}"
            )
        found = _joined(last, found, other)
    return found


def biased_once(name: str, synapses: Synapses, other: Synapses) -> tuple[Synapses, Synapses]:
    """The same synapses that lead to the same neurons, with the bias of both in the first.

    Args:
        name: Name of the neurons.
        synapses: What gets the bias.
        other: What has none then.

    Raises:
        Refused: Where a neuron would have two biases of different delays.
    """
    bias, late = _sum(name, (synapses.bias, synapses.bias_delays), (other.bias, other.bias_delays))
    slowest = max(synapses.slowest, other.slowest, key=_seconds)
    given = replace(synapses, bias=bias, bias_delays=late, slowest=slowest)
    return given, replace(other, bias=None, bias_delays=NONE)


def each(place: str, value: Array, size: int) -> Array:
    """A number for each neuron or channel, of as many numbers or of one for all."""
    return np.broadcast_to(_fitting(place, value, size), (size,)).copy()


def _fitting(place: str, value: Array, size: int) -> Array:
    """As many numbers as there are neurons or channels, or one."""
    found = value.reshape(-1).astype(np.float64)
    if found.size not in (1, size):
        raise Refused(
            f"{place}: of shape {value.shape}: give one number, or one for each of {size}"
        )
    return found


def _along(source: str, size: int, way: Sequence[tuple[str, Node]]) -> Synapses:
    passed = _Way(source, size)
    for name, node in way:
        passed.add(name, node)
    return passed.synapses()


class _Way:
    """What nodes in a row come to so far.

    A delay before the first matrix is one of a channel of the source, one after the last of a
    neuron of the target.
    """

    def __init__(self, name: str, size: int) -> None:
        self._name, self._size = name, size
        self._matrix: Array | None = None
        self._mixed = False
        self._bias: Array | None = None
        self._before = self._after = self._bias_late = NONE
        self._slowest = ("", 0.0)

    def synapses(self) -> Synapses:
        weights = self._weights()
        if not self._slowest[1]:
            return Synapses(weights, self._bias)
        late = np.broadcast_to(self._before[:, None] + self._after, weights.shape)
        bias_late = np.broadcast_to(self._bias_late, weights.shape[1:])
        return Synapses(weights, self._bias, late, bias_late, self._slowest)

    def _weights(self) -> Array:
        if self._matrix is None:
            if self._size > DIRECT:
                raise Refused(
                    f"{self._name}: {self._size} channels lead to neurons without weights in "
                    f"between: at most {DIRECT} may"
                )
            return np.eye(self._size, dtype=np.float32)
        return self._matrix

    def add(self, name: str, node: Node) -> None:
        self._name = name
        if node.kind == "Scale":
            scale = _fitting(f"{name}.scale", node.fields["scale"], self._size)
            self._matrix = self._weights() * scale
            self._bias = None if self._bias is None else self._bias * scale
        elif node.kind == "Delay":
            self._delay(name, node.fields["delay"])
        elif node.kind != "Flatten":
            self._mix(name, node)

    def _delay(self, name: str, seconds: Array) -> None:
        late = _fitting(f"{name}.delay", seconds, self._size)
        if late.min() < 0:
            raise Refused(f"{name}.delay: {late.min():g} s: a delay is 0 s or longer")
        if self._mixed:
            self._after = self._after + late
        else:
            self._before = self._before + late
        if self._bias is not None:
            self._bias_late = self._bias_late + late
        self._slowest = max(self._slowest, (name, float(late.max())), key=_seconds)

    def _mix(self, name: str, node: Node) -> None:
        weight = node.fields["weight"]
        if weight.ndim != 2 or weight.shape[1] != self._size or not weight.size:
            raise Refused(f"{name}.weight: of shape {weight.shape}: it gets {self._size} channels")
        for late in (self._after, self._bias_late):
            if not np.allclose(late, late[0], rtol=ALIKE, atol=0):
                raise Refused(
                    f"{name} ({node.kind}): mixes channels that {self._slowest[0]} (Delay) delays "
                    "differently: give delays before the first matrix or after the last"
                )
        weight = weight.T
        if self._bias is not None:
            self._bias = self._bias @ weight
        self._matrix = weight if self._matrix is None else self._matrix.astype(float) @ weight
        self._before, self._after = self._before + self._after[0], NONE
        self._mixed, self._size = True, weight.shape[1]
        own = None
        if "bias" in node.fields:
            own = each(f"{name}.bias", node.fields["bias"], self._size)
        mixed = self._bias, self._bias_late[:1]
        self._bias, self._bias_late = _sum(name, mixed, (own, NONE))
        if self._bias is None or not self._bias.any():
            self._bias, self._bias_late = None, NONE


def _seconds(slowest: tuple[str, float]) -> float:
    return slowest[1]


def _joined(name: str, one: Synapses, other: Synapses) -> Synapses:
    """Synapses of two ways as one; those of both that differ have a delay of their own."""
    weights, late = _sum(name, (one.weights, one.delays), (other.weights, other.delays))
    bias, bias_late = _sum(name, (one.bias, one.bias_delays), (other.bias, other.bias_delays))
    assert weights is not None
    slowest = max(one.slowest, other.slowest, key=_seconds)
    return Synapses(weights, bias, late, bias_late, slowest)


def _sum(
    name: str, one: tuple[Array | None, Array], other: tuple[Array | None, Array]
) -> tuple[Array | None, Array]:
    """The sum of two arrays of weights, or None, and the delays of what is in it, which may be one.

    Where both are zero, the delay is that of the first.
    """
    (first, late), (second, its) = one, other
    if second is None or not second.any():
        return first, late
    if first is None or not first.any():
        return second, its
    apart = ~np.isclose(late, its, rtol=ALIKE, atol=0)
    if (apart & (first != 0) & (second != 0)).any():
        raise Refused(
            f"{name}: leads to a neuron from where another way leads that is delayed differently: "
            "a synapse has one delay"
        )
    if not apart.any():
        return first + second, late
    return first + second, np.where((first == 0) & (second != 0), its, late)
