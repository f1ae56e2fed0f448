"""Synapses and biases of a model of NIR: what nodes in a row, and rows side by side, add up to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hil.exchange.convolution import MOST, Windows, pool, unroll
from hil.exchange.nir_file import NirRefusal

Array = NDArray[Any]
DIRECT = 4096  # channels that may lead to neurons without weights in between
ALIKE = 1e-5  # what two numbers of float32 that mean the same differ by at most, as a share
UNDELAYED = np.zeros(1)


@dataclass(frozen=True, eq=False)
class Synapses:
    """Synapses from one population to another, or to itself: `x @ weights + bias`, delayed.

    Attributes:
        weights: `(n_pre, n_post)`, as the file has them where it has one matrix; sparse where they
            come of a kernel or a pool without delays.
        cells: Of each synapse the number of the cell of a kernel that it holds, from 0, and -1
            where there is no synapse; of sparse weights, as their data. None where each has a
            weight of its own.
        bias_cells: Likewise of each bias.
        bias: Input that is always there, `(n_post,)`; None without.
        delays: Of each synapse, in seconds, `(n_pre, n_post)`; `(1,)` without.
        bias_delays: After how long the bias begins, in seconds, `(n_post,)`; `(1,)` without delays.
        slowest: The longest delay of a node, in seconds, and its name; empty without delays.
    """

    weights: Array | csr_array
    bias: Array | None = None
    cells: NDArray[np.int32] | None = None
    bias_cells: NDArray[np.int32] | None = None
    delays: Array = field(default_factory=lambda: UNDELAYED)
    bias_delays: Array = field(default_factory=lambda: UNDELAYED)
    slowest: tuple[float, str] = (0.0, "")

    @property
    def longest(self) -> float:
        """The longest delay, in seconds; 0 without any."""
        return float(max(self.delays.max(), self.bias_delays.max()))

    def without_delays(self) -> Synapses:
        """Give the same without delays."""
        return replace(self, delays=UNDELAYED, bias_delays=UNDELAYED, slowest=(0.0, ""))


def add_ways(source: str, ways: Sequence[Way], *, is_loop: bool = False) -> Synapses:
    """Add up all the ways from one population to another.

    Args:
        source: Name of the population that they come from.
        ways: The ways, to their ends.
        is_loop: Whether that is the same population.

    Raises:
        NirRefusal: Naming the node that does not fit, or what no synapse can have.
    """
    is_dense = is_loop or len(ways) > 1
    total = ways[0].synapses(is_dense=is_dense)
    for way in ways[1:]:
        other, last = way.synapses(is_dense=is_dense), way.name
        if other.weights.shape != total.weights.shape:
            raise NirRefusal(
                f"{last}: leads {other.weights.shape[1]} channels where another way from {source} "
                f"leads {total.weights.shape[1]}"
            )
        weights, delays = _add(last, total.weights, total.delays, other.weights, other.delays)
        assert weights is not None
        total = replace(_add_bias(last, total, other), weights=weights, delays=delays, cells=None)
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


def scale_targets(weights: Array | csr_array, factors: Array) -> Array | csr_array:
    """Multiply what leads to each neuron or channel by a factor, of `(n_post,)` or of one."""
    if not isinstance(weights, csr_array):
        return weights * factors
    own = np.broadcast_to(factors, weights.shape[1:])[weights.indices]
    return csr_array((weights.data * own, weights.indices, weights.indptr), weights.shape)


def _to_numbers(place: str, value: Array, size: int) -> Array:
    flat = value.reshape(-1).astype(np.float64)
    if flat.size not in (1, size):
        raise NirRefusal(
            f"{place}: of shape {value.shape}: give one number, or one for each of {size}"
        )
    return flat


class Way:
    """Nodes in a row, added up so far.

    A delay before the first matrix is one of a channel of the source, one after the last of a
    neuron of the target.

    Attributes:
        name: Name of the last node, or of the population that the way comes from.
        size: How many channels lead on from there.
    """

    def __init__(self, name: str, shape: Sequence[int]) -> None:
        """Begin at a population of neurons or channels of some shape."""
        self.name, self.shape = name, tuple(shape)
        self._matrix: Array | csr_array | None = None
        self._cells: Array | csr_array | None = None
        self._bias_cells: NDArray[np.int32] | None = None
        self._is_mixed = False
        self._bias: Array | None = None
        self._before = self._after = self._bias_delay = UNDELAYED
        self._slowest = (0.0, "")

    @property
    def size(self) -> int:
        """Number of channels that lead on from here."""
        return math.prod(self.shape)

    def fit(self, size: int) -> None:
        """Leave out what comes before the channels in the shape of an input: batches and steps."""
        while self._matrix is None and len(self.shape) > 1 and self.size > size:
            self.shape = self.shape[1:]

    def scale(self, factors: Array) -> None:
        """Multiply each channel by a factor of its own, or all by one."""
        factors = _to_numbers(f"{self.name}.scale", factors, self.size)
        self._matrix = scale_targets(self._weights(), factors)
        self._bias = None if self._bias is None else self._bias * factors

    def delay(self, seconds: Array) -> None:
        """Delay each channel by a time of its own, or all by one."""
        delay = _to_numbers(f"{self.name}.delay", seconds, self.size)
        if delay.min() < 0:
            raise NirRefusal(f"{self.name}.delay: {delay.min():g} s: a delay is 0 s or longer")
        if self._is_mixed:
            self._after = self._after + delay
        else:
            self._before = self._before + delay
        if self._bias is not None:
            self._bias_delay = self._bias_delay + delay
        self._slowest = max(self._slowest, (float(delay.max()), self.name))

    def mix(self, weight: Array, bias: Array | None = None) -> None:
        """Multiply the channels by a matrix, `(n_post, n_pre)`, and add a bias."""
        self.fit(weight.shape[-1])
        if weight.ndim != 2 or weight.shape[1] != self.size or not weight.size:
            raise NirRefusal(
                f"{self.name}.weight: of shape {weight.shape}: it gets {self.size} channels"
            )
        own = None if bias is None else broadcast(f"{self.name}.bias", bias, len(weight))
        cells = None
        if isinstance(self._matrix, csr_array):
            cells = np.arange(1, weight.size + 1).reshape(weight.shape).T
        self._lead_through(weight.T, cells, (len(weight),), own)

    def convolve(self, fields: Mapping[str, Array], dimensions: int) -> None:
        """Slide a kernel over an image, or over a signal in one dimension, and add a bias."""
        kernel, place = fields["weight"], f"{self.name}.weight"
        if kernel.ndim != dimensions + 2 or not kernel.size:
            raise NirRefusal(f"{place}: of shape {kernel.shape}: give {dimensions + 2} dimensions")
        groups = int(fields["groups"].reshape(-1)[0])
        channels = kernel.shape[1] * groups
        own = [int(n) for n in fields.get("input_shape", np.zeros(0)).reshape(-1)]
        self.fit(channels * math.prod(own) if own else math.prod(self.shape[-1 - dimensions :]))
        shape = self._as_image(dimensions, (channels, *own) if own else None)
        windows = Windows.read(self.name, kernel.shape[2:], dict(fields))
        flat = kernel.reshape(*kernel.shape[:2], *windows.size)
        weights, cells, out = unroll(self.name, windows, shape, flat, groups)
        bias = broadcast(f"{self.name}.bias", fields["bias"], out[0]).repeat(out[1] * out[2])
        self._lead_through(weights, cells, out[:1] + out[3 - dimensions :], bias)
        self._bias_cells = np.arange(out[0], dtype=np.int32).repeat(out[1] * out[2])

    def pool(self, fields: Mapping[str, Array], *, average: bool) -> None:
        """Add up windows of an image, or take their means."""
        size = [int(n) for n in fields["kernel_size"].reshape(-1)]
        windows = Windows.read(self.name, size * (2 // len(size)), dict(fields))
        self.fit(math.prod(self.shape[-3:]))
        weights, out = pool(self.name, windows, self._as_image(2, None), average=average)
        mixed, self._is_mixed = self._is_mixed, False
        self._lead_through(weights, None, out, None)
        self._is_mixed = mixed

    def flatten(self) -> None:
        """Forget the shape, of which the last index is the fastest."""
        self.shape = (self.size,)

    def _as_image(self, dimensions: int, known: Sequence[int] | None) -> tuple[int, int, int]:
        """Read the shape as channels, rows and columns, or as the node says that it is."""
        shape = self.shape if known is None else tuple(known)
        if known is None:
            shape = shape[-1 - dimensions :]
        if len(shape) != dimensions + 1 or math.prod(shape) != self.size:
            raise NirRefusal(
                f"{self.name}: gets channels of shape {self.shape}: it needs {dimensions + 1} "
                "dimensions, which input_shape or the shape of the input can say"
            )
        return (shape[0], 1, shape[1]) if dimensions == 1 else shape  # type: ignore[return-value]

    def _lead_through(
        self,
        weights: Array | csr_array,
        cells: Array | csr_array | None,
        shape: tuple[int, ...],
        bias: Array | None,
    ) -> None:
        """Multiply by weights `(n_pre, n_post)`, of which some may be cells of a kernel."""
        for delay in (self._after, self._bias_delay):
            if not np.allclose(delay, delay[0], rtol=ALIKE, atol=0):
                raise NirRefusal(
                    f"{self.name}: mixes channels that {self._slowest[1]} (Delay) delays "
                    "differently: give delays before the first matrix or after the last"
                )
        mixed = None if self._bias is None else self._bias @ weights
        before = self._matrix
        self._cells = _find_cells(before, self._cells, weights, cells)
        self._matrix = weights if before is None else before.astype(float) @ weights
        self._bias_cells = None
        self._before, self._after = self._before + self._after[0], UNDELAYED
        self._is_mixed, self.shape = True, shape
        self._bias, self._bias_delay = _add(self.name, mixed, self._bias_delay[:1], bias, UNDELAYED)
        if self._bias is None or not self._bias.any():
            self._bias, self._bias_delay = None, UNDELAYED

    def synapses(self, *, is_dense: bool = False) -> Synapses:
        """Give all of the way at its end."""
        weights, cells = self._weights(), self._cells
        if isinstance(weights, csr_array) and not is_dense and not self._slowest[0]:
            # Products leave out zeros, which a cell of a kernel may well be.
            there = _ones(weights) if cells is None else _ones(weights) + _ones(cells)
            pre, post = there.tocoo().coords
            full = csr_array((weights[pre, post], there.indices, there.indptr), there.shape)
            if cells is not None:
                cells = cells[pre, post].astype(np.int32) - np.int32(1)
            return Synapses(full, self._bias, cells, self._bias_cells)
        if isinstance(weights, csr_array):
            if math.prod(weights.shape) > MOST:
                raise NirRefusal(
                    f"{self.name}: {weights.shape[0]} channels to {weights.shape[1]} neurons: at "
                    f"most {MOST} pairs of them are read"
                )
            weights = weights.toarray()
        if isinstance(cells, csr_array):
            cells = cells.toarray()
        if cells is not None:
            cells = cells.astype(np.int32) - np.int32(1)
        if not self._slowest[0]:
            return Synapses(weights, self._bias, cells, self._bias_cells)
        delays = np.broadcast_to(self._before[:, None] + self._after, weights.shape)
        bias_delays = np.broadcast_to(self._bias_delay, weights.shape[1:])
        return Synapses(
            weights, self._bias, cells, self._bias_cells, delays, bias_delays, self._slowest
        )

    def _weights(self) -> Array | csr_array:
        if self._matrix is not None:
            return self._matrix
        if self.size > DIRECT:
            raise NirRefusal(
                f"{self.name}: {self.size} channels lead to neurons without weights in between: "
                f"at most {DIRECT} may"
            )
        return np.eye(self.size, dtype=np.float32)


def _find_cells(
    before: Array | csr_array | None,
    its_cells: Array | csr_array | None,
    weights: Array | csr_array,
    cells: Array | csr_array | None,
) -> Array | csr_array | None:
    """Find which synapses hold which cell of one kernel; None where a synapse adds up several."""
    if before is None:
        return cells
    if not isinstance(before, csr_array) or (its_cells is None) == (cells is None):
        return None
    if its_cells is None:
        assert cells is not None
        if isinstance(cells, csr_array):
            most = (_ones(before) @ _ones(cells)).max()
        else:
            most = np.diff(before.indptr).max(initial=0)
        return _ones(before) @ cells if most <= 1 else None
    if not (isinstance(weights, csr_array) and isinstance(its_cells, csr_array)):
        return None
    most = (_ones(its_cells) @ _ones(weights)).max()
    return its_cells @ _ones(weights) if most <= 1 else None


def _ones(matrix: csr_array) -> csr_array:
    """Give a 1 wherever a sparse matrix holds anything."""
    return csr_array((np.ones(matrix.nnz, int), matrix.indices, matrix.indptr), matrix.shape)


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
