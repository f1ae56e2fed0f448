"""The host's side of a RUN: what is shown to a board, and what its answer says."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers.board.hello import Hello, Input
from drivers.contract.info import StimulusKind
from drivers.contract.messages import Probe, Stimulus
from drivers.errors import StimulusError

HEADER, PROBE = struct.Struct("<BBHHHHH"), struct.Struct("<HBBHH")
CURRENT, TRACE, BITS, COUNTS = range(4)  # kinds of input
RESUME, KEEP, LENGTHS = 1, 2, 4  # flags
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


class Shown(NamedTuple):
    """What samples are shown, as a board takes it.

    Attributes:
        kind: Of input.
        steps: T.
        rows: `(B, n)`, the bytes of each sample over T steps.
        lengths: `(B,)`, how many of them each sample lasts; None for all.
    """

    kind: int
    steps: int
    rows: NDArray[np.uint8]
    lengths: NDArray[np.int64] | None

    @property
    def size(self) -> int:
        """Most bytes of one sample in a request."""
        return int(self.rows.shape[1]) + (0 if self.lengths is None else 2)

    def part(self, start: int, count: int) -> Shown:
        """Some of the samples."""
        end = start + count
        lengths = None if self.lengths is None else self.lengths[start:end]
        return self._replace(rows=self.rows[start:end], lengths=lengths)

    def encode(self) -> bytes:
        """As it stands in a RUN."""
        if self.lengths is None:
            return self.rows.tobytes()
        step = self.rows.shape[1] // self.steps
        own = (
            row if self.kind == CURRENT else row[: length * step]
            for row, length in zip(self.rows, self.lengths, strict=True)
        )
        return self.lengths.astype("<u2").tobytes() + b"".join(row.tobytes() for row in own)


def input_size(board: Hello, kind: StimulusKind, inputs: int, steps: int) -> int:
    """Fewest bytes of one sample of a stimulus."""
    if kind == "spikes":
        return steps * (-(-inputs // 8) if BITS in _inputs(board) else inputs)
    return 2 * inputs * (1 if kind == "current" else steps)


def encode_inputs(board: Hello, stimulus: Stimulus) -> Shown:
    """A stimulus in whole numbers.

    Raises:
        StimulusError: When it is stronger than the board takes.
    """
    kinds = _inputs(board)
    if stimulus.kind == "spikes":
        return Shown(*_events(kinds, stimulus), stimulus.lengths)
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
    rows = _by_sample(whole if kind == TRACE else whole[None])
    return Shown(kind, stimulus.steps, rows, stimulus.lengths)


def _inputs(board: Hello) -> dict[int, Input]:
    return {each.kind: each for each in board.inputs}


def _events(kinds: dict[int, Input], stimulus: Stimulus) -> tuple[int, int, NDArray[np.uint8]]:
    counts = stimulus.dense()
    most, allowed = counts.max(), max(kinds[kind].largest for kind in kinds if kind >= BITS)
    if most > allowed:
        raise StimulusError(
            f"{most:g} events of one input in one step: a board takes at most {allowed}"
        )
    small = counts.astype(np.uint8)
    if BITS in kinds and most <= 1:
        bits = np.packbits(small, axis=2, bitorder="little")
        return BITS, stimulus.steps, _by_sample(bits)
    return COUNTS, stimulus.steps, _by_sample(small)


def _by_sample(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """`(T, B, n)` of any kind as `(B, bytes)`."""
    ordered = np.ascontiguousarray(values.swapaxes(0, 1))
    return ordered.reshape(values.shape[1], -1).view(np.uint8)


def encode(asked: Sequence[ProbeRequest], shown: Shown, flags: int = 0, first: int = 0) -> bytes:
    """The payload of a request for some samples.

    Args:
        asked: Probes.
        shown: The samples.
        flags: RESUME and KEEP, their sum.
        first: Slot of the first sample, with one of these.
    """
    flags += 0 if shown.lengths is None else LENGTHS
    header = HEADER.pack(shown.kind, len(asked), flags, shown.steps, len(shown.rows), first, 0)
    return header + b"".join(each.encode() for each in asked) + shown.encode()


def header_size(asked: Sequence[ProbeRequest]) -> int:
    """Bytes of a request before its samples."""
    return HEADER.size + sum(len(each.encode()) for each in asked)


def answer_size(asked: Sequence[ProbeRequest], sizes: Sequence[int], steps: int) -> int:
    """Bytes of the answer for one sample.

    Args:
        asked: Probes.
        sizes: Neurons of each layer, the input first.
        steps: T.
    """
    return 2 * sizes[-1] + sum(each.size(each.shown(sizes), steps) for each in asked)


def decode(
    board: Hello,
    payload: bytes,
    asked: Sequence[ProbeRequest],
    sizes: Sequence[int],
    steps: int,
    lengths: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int32], list[NDArray[np.generic]]]:
    """What an answer says.

    Args:
        board: What it said of itself.
        payload: Of the answer.
        asked: Probes.
        sizes: Neurons of each layer, the input first.
        steps: T.
        lengths: How many of them each sample lasts; None for all.

    Returns:
        Output counts `(B, n_L)`, and for each probe what the contract wants.
    """
    rows = np.frombuffer(payload, np.uint8).reshape(-1, answer_size(asked, sizes, steps))
    at = 2 * sizes[-1]
    counts = np.ascontiguousarray(rows[:, :at]).view("<u2").astype(np.int32)
    samples, last = [], np.full(len(rows), steps) if lengths is None else lengths
    for each in asked:
        neurons = each.shown(sizes)
        size = each.size(neurons, steps)
        raw = np.ascontiguousarray(rows[:, at : at + size]).view(each.dtype())
        shaped = raw.reshape(len(rows), each.times(steps), each.width(neurons)).swapaxes(0, 1)
        values = _values(board, each, shaped, neurons, last)
        samples.append(values if each.reduce == 0 else values[0])
        at += size
    return counts, samples


def _values(
    board: Hello,
    asked: ProbeRequest,
    raw: NDArray[np.generic],
    neurons: int,
    lengths: NDArray[np.int64],
) -> NDArray[np.generic]:
    """Spikes by step, rates in spikes per step, membranes in thresholds: `(K, B, n)`."""
    if asked.quantity:
        taken = lengths[:, np.newaxis] // asked.every
        times = taken if asked.reduce == 1 else np.ones_like(taken)
        above = raw.astype(np.float64) - times * board.neuron.rest
        values = (above / (times * board.neuron.unit)).astype(np.float32)
        if asked.reduce == 0:  # what comes after the end of a sample is no membrane
            values[np.arange(len(values))[:, np.newaxis] >= taken[:, 0]] = 0
        return values
    if asked.reduce == 1:
        return (raw.astype(np.float64) / lengths[:, np.newaxis]).astype(np.float32)
    if not asked.bits:
        return raw.astype(np.uint8)
    return np.unpackbits(raw.astype(np.uint8), axis=2, count=neurons, bitorder="little")
