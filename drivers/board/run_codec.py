"""The host's side of a RUN: what is shown to a board, and what its answer says."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers.board.hello import Hello, Input
from drivers.contract.errors import StimulusError
from drivers.contract.info import StimulusKind
from drivers.contract.messages import Probe, Stimulus

HEADER, PROBE = struct.Struct("<BBHHHHH"), struct.Struct("<HBBHH")
CURRENT, TRACE, BITS, COUNTS = range(4)  # kinds of input
QUANTITIES = ("spikes", "membrane")
REDUCTIONS = ("none", "mean", "last")


class ProbeRequest(NamedTuple):
    """A probe as a board knows it.

    Attributes:
        layer: Counted from 1.
        quantity: 0 spikes, 1 membrane.
        reduce: 0 none, 1 mean, 2 last.
        every: Interval between membrane samples, in steps.
        neurons: Which of the layer; none for all.
        bits: Whether a neuron spikes at most once in a step.
    """

    layer: int
    quantity: int
    reduce: int
    every: int
    neurons: tuple[int, ...]
    bits: bool

    @classmethod
    def by(cls, probe: Probe, board: Hello) -> ProbeRequest:
        """What to ask a board for to answer a probe of the contract."""
        quantity = QUANTITIES.index(probe.quantity)
        every = probe.every if quantity else 1
        reduce, neurons = REDUCTIONS.index(probe.reduce), probe.neurons or ()
        return cls(probe.layer, quantity, reduce, every, neurons, board.neuron.spikes <= 1)

    def encode(self) -> bytes:
        """As it stands in a RUN."""
        head = PROBE.pack(self.layer, self.quantity, self.reduce, self.every, len(self.neurons))
        return head + struct.pack(f"<{len(self.neurons)}I", *self.neurons)

    def dtype(self) -> str:
        """Of the values that it is answered with; bits come as bytes of eight."""
        if self.quantity:
            return "<i4" if self.reduce == 1 else "<i2"
        return "<u2" if self.reduce == 1 else "u1"

    def shown(self, sizes: Sequence[int]) -> int:
        """How many neurons it shows, of layers of these sizes, the input first."""
        return len(self.neurons) or sizes[self.layer]

    def width(self, neurons: int) -> int:
        """How many such values make one sample of so many neurons."""
        bits = self.quantity == 0 and self.reduce != 1 and self.bits
        return -(-neurons // 8) if bits else neurons

    def times(self, steps: int) -> int:
        """How many samples of the layer it is answered with."""
        return steps // self.every if self.reduce == 0 else 1

    def size(self, neurons: int, steps: int) -> int:
        """Bytes of the answer for one sample of the stimulus."""
        return self.times(steps) * self.width(neurons) * np.dtype(self.dtype()).itemsize


def input_size(board: Hello, kind: StimulusKind, inputs: int, steps: int) -> int:
    """Fewest bytes of one sample of a stimulus."""
    if kind == "spikes":
        return steps * (-(-inputs // 8) if BITS in _inputs(board) else inputs)
    return 2 * inputs * (1 if kind == "current" else steps)


def encode_inputs(board: Hello, stimulus: Stimulus) -> tuple[int, NDArray[np.uint8]]:
    """A stimulus in whole numbers.

    Returns:
        Kind of input, and the bytes of each sample `(B, n)`.

    Raises:
        StimulusError: When it is stronger than the board takes.
    """
    kinds = _inputs(board)
    if stimulus.kind == "spikes":
        return _events(kinds, stimulus)
    kind = CURRENT if stimulus.kind == "current" else TRACE
    unit, largest = kinds[kind].unit, kinds[kind].largest
    currents = np.rint(np.asarray(stimulus.data, np.float64) * unit)
    strongest = np.abs(currents).max()
    if strongest > largest:
        raise StimulusError(
            f"current of {strongest / unit:g} events per step: a board takes "
            f"{-largest / unit:.2f} to {largest / unit:.2f}, lower encoding.gain"
        )
    whole = currents.astype("<i2")
    return kind, _by_sample(whole if kind == TRACE else whole[None])


def _inputs(board: Hello) -> dict[int, Input]:
    return {each.kind: each for each in board.inputs}


def _events(kinds: dict[int, Input], stimulus: Stimulus) -> tuple[int, NDArray[np.uint8]]:
    counts = stimulus.dense()
    most, allowed = counts.max(), max(kinds[kind].largest for kind in kinds if kind >= BITS)
    if most > allowed:
        raise StimulusError(
            f"{most:g} events of one input in one step: a board takes at most {allowed}"
        )
    small = counts.astype(np.uint8)
    if BITS in kinds and most <= 1:
        return BITS, _by_sample(np.packbits(small, axis=2, bitorder="little"))
    return COUNTS, _by_sample(small)


def _by_sample(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """`(T, B, n)` of any kind as `(B, bytes)`."""
    ordered = np.ascontiguousarray(values.swapaxes(0, 1))
    return ordered.reshape(values.shape[1], -1).view(np.uint8)


def encode(kind: int, asked: Sequence[ProbeRequest], steps: int, rows: NDArray[np.uint8]) -> bytes:
    """The payload of a request for some samples.

    Args:
        kind: Of input.
        asked: Probes.
        steps: T.
        rows: `(B, n)`, the bytes of each sample.
    """
    header = HEADER.pack(kind, len(asked), 0, steps, len(rows), 0, 0)
    return header + b"".join(each.encode() for each in asked) + rows.tobytes()


def answer_size(asked: Sequence[ProbeRequest], sizes: Sequence[int], steps: int) -> int:
    """Bytes of the answer for one sample.

    Args:
        asked: Probes.
        sizes: Neurons of each layer, the input first.
        steps: T.
    """
    return 2 * sizes[-1] + sum(each.size(each.shown(sizes), steps) for each in asked)


def decode(
    board: Hello, payload: bytes, asked: Sequence[ProbeRequest], sizes: Sequence[int], steps: int
) -> tuple[NDArray[np.int32], list[NDArray[np.generic]]]:
    """What an answer says.

    Args:
        board: What it said of itself.
        payload: Of the answer.
        asked: Probes.
        sizes: Neurons of each layer, the input first.
        steps: T.

    Returns:
        Output counts `(B, n_L)`, and for each probe what the contract wants.
    """
    rows = np.frombuffer(payload, np.uint8).reshape(-1, answer_size(asked, sizes, steps))
    at = 2 * sizes[-1]
    counts = np.ascontiguousarray(rows[:, :at]).view("<u2").astype(np.int32)
    samples = []
    for each in asked:
        neurons = each.shown(sizes)
        size = each.size(neurons, steps)
        raw = np.ascontiguousarray(rows[:, at : at + size]).view(each.dtype())
        shaped = raw.reshape(len(rows), each.times(steps), each.width(neurons)).swapaxes(0, 1)
        values = _values(board, each, shaped, neurons, steps)
        samples.append(values if each.reduce == 0 else values[0])
        at += size
    return counts, samples


def _values(
    board: Hello, asked: ProbeRequest, raw: NDArray[np.generic], neurons: int, steps: int
) -> NDArray[np.generic]:
    """Spikes by step, rates in spikes per step, membranes in thresholds: `(K, B, n)`."""
    if asked.quantity:
        taken = steps // asked.every if asked.reduce == 1 else 1
        above = raw.astype(np.float64) - taken * board.neuron.rest
        return (above / (taken * board.neuron.unit)).astype(np.float32)
    if asked.reduce == 1:
        return (raw.astype(np.float64) / steps).astype(np.float32)
    if not asked.bits:
        return raw.astype(np.uint8)
    return np.unpackbits(raw.astype(np.uint8), axis=2, count=neurons, bitorder="little")
