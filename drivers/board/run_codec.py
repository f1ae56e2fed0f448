"""RUN on the line: input, probes and answers as bytes, and how to read an answer."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers.board.hello import (
    BITS,
    COUNTS,
    CURRENT,
    QUANTITIES,
    REDUCTIONS,
    TRACE,
    Hello,
    InputRecord,
)
from drivers.contract.info import StimulusKind
from drivers.contract.messages import Probe, Stimulus
from drivers.errors import StimulusError

HEADER, PROBE = struct.Struct("<BBHHHHH"), struct.Struct("<HBBHH")
RESUME, KEEP, LENGTHS = 1, 2, 4  # flags
MEAN = REDUCTIONS.index("mean")


class ProbeRequest(NamedTuple):
    """A probe as a board knows it.

    Attributes:
        layer: Counted from 1.
        quantity: 0 spikes, 1 membrane.
        reduce: 0 none, 1 mean, 2 last.
        every: Interval between membrane samples, in steps.
        neurons: Which of the layer; none for all.
        is_binary: Whether a neuron spikes at most once in a step.
    """

    layer: int
    quantity: int
    reduce: int
    every: int
    neurons: tuple[int, ...]
    is_binary: bool = True

    @classmethod
    def from_probe(cls, probe: Probe, board: Hello) -> ProbeRequest:
        """Translate a probe of the contract to what a board is asked for."""
        quantity = QUANTITIES.index(probe.quantity)
        every = probe.every if quantity else 1
        reduce, neurons = REDUCTIONS.index(probe.reduce), probe.neurons or ()
        return cls(probe.layer, quantity, reduce, every, neurons, board.neuron.spikes <= 1)

    def encode(self) -> bytes:
        """Write it as it stands in a RUN."""
        head = PROBE.pack(self.layer, self.quantity, self.reduce, self.every, len(self.neurons))
        return head + struct.pack(f"<{len(self.neurons)}I", *self.neurons)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the values that it is answered with; bits come as bytes of eight."""
        if self.quantity:
            return np.dtype("<i4" if self.reduce == MEAN else "<i2")
        return np.dtype("<u2" if self.reduce == MEAN else "u1")

    def shape(self, sizes: Sequence[int], steps: int) -> tuple[int, int]:
        """Compute samples, and values of a sample, of the answer for one sample of the stimulus.

        Args:
            sizes: Neurons of each layer, the input first.
            steps: T.
        """
        values = len(self.neurons) or sizes[self.layer]
        if self.quantity == 0 and self.reduce != MEAN and self.is_binary:
            values = -(-values // 8)
        return steps // self.every if self.reduce == 0 else 1, values

    def size(self, sizes: Sequence[int], steps: int) -> int:
        """Compute the bytes of the answer for one sample of the stimulus."""
        times, values = self.shape(sizes, steps)
        return times * values * self.dtype.itemsize


class EncodedInput(NamedTuple):
    """Input of some samples, as a board takes it.

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

    def part(self, start: int, count: int) -> EncodedInput:
        """Select some of the samples."""
        end = start + count
        lengths = None if self.lengths is None else self.lengths[start:end]
        return self._replace(rows=self.rows[start:end], lengths=lengths)

    def encode(self) -> bytes:
        """Write it as it stands in a RUN."""
        if self.lengths is None:
            return self.rows.tobytes()
        step = self.rows.shape[1] // self.steps
        own = (
            row if self.kind == CURRENT else row[: length * step]
            for row, length in zip(self.rows, self.lengths, strict=True)
        )
        return self.lengths.astype("<u2").tobytes() + b"".join(row.tobytes() for row in own)


def input_size(board: Hello, kind: StimulusKind, inputs: int, steps: int) -> int:
    """Compute the fewest bytes of one sample of a stimulus."""
    if kind == "spikes":
        return steps * (-(-inputs // 8) if BITS in _inputs_by_kind(board) else inputs)
    return 2 * inputs * (1 if kind == "current" else steps)


def encode_input(board: Hello, stimulus: Stimulus) -> EncodedInput:
    """Encode a stimulus in whole numbers.

    Raises:
        StimulusError: When it is stronger than the board takes.
    """
    kinds = _inputs_by_kind(board)
    if stimulus.kind == "spikes":
        kind, values = _encode_events(kinds, stimulus)
    else:
        kind = CURRENT if stimulus.kind == "current" else TRACE
        values = _encode_currents(kinds[kind], stimulus)
    return EncodedInput(kind, stimulus.steps, order_by_sample(values), stimulus.lengths)


def _inputs_by_kind(board: Hello) -> dict[int, InputRecord]:
    return {each.kind: each for each in board.inputs}


def _encode_currents(record: InputRecord, stimulus: Stimulus) -> NDArray[np.generic]:
    unit, largest = record.unit, record.largest
    currents = np.rint(np.asarray(stimulus.data, np.float64) * unit)
    strongest = np.abs(currents).max()
    if strongest > largest:
        raise StimulusError(
            f"current of {strongest / unit:g} events per step: a board takes "
            f"{-largest / unit:.2f} to {largest / unit:.2f}, lower encoding.gain"
        )
    return currents.astype("<i2").reshape(-1, *currents.shape[-2:])


def _encode_events(
    kinds: dict[int, InputRecord], stimulus: Stimulus
) -> tuple[int, NDArray[np.generic]]:
    counts = stimulus.dense()
    most, largest = counts.max(), max(kinds[kind].largest for kind in kinds if kind >= BITS)
    if most > largest:
        raise StimulusError(
            f"{most:g} events of one input in one step: a board takes at most {largest}"
        )
    small = counts.astype(np.uint8)
    if BITS in kinds and most <= 1:
        return BITS, np.packbits(small, axis=2, bitorder="little")
    return COUNTS, small


def order_by_sample(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Turn `(T, B, n)` of any type into the bytes of each sample, `(B, bytes)`."""
    ordered = np.ascontiguousarray(values.swapaxes(0, 1))
    return ordered.reshape(values.shape[1], -1).view(np.uint8)


def encode_run(
    probes: Sequence[ProbeRequest], shown: EncodedInput, flags: int = 0, first: int = 0
) -> bytes:
    """Encode the payload of a request for some samples.

    Args:
        probes: What to ask for.
        shown: The samples.
        flags: RESUME and KEEP, their sum.
        first: Slot of the first sample, with one of these.
    """
    flags += 0 if shown.lengths is None else LENGTHS
    header = HEADER.pack(shown.kind, len(probes), flags, shown.steps, len(shown.rows), first, 0)
    return header + b"".join(each.encode() for each in probes) + shown.encode()


def header_size(probes: Sequence[ProbeRequest]) -> int:
    """Compute the bytes of a request before its samples."""
    return HEADER.size + sum(len(each.encode()) for each in probes)


def answer_size(probes: Sequence[ProbeRequest], sizes: Sequence[int], steps: int) -> int:
    """Compute the bytes of the answer for one sample.

    Args:
        probes: What is asked for.
        sizes: Neurons of each layer, the input first.
        steps: T.
    """
    return 2 * sizes[-1] + sum(each.size(sizes, steps) for each in probes)


def decode_answer(
    board: Hello,
    payload: bytes,
    probes: Sequence[ProbeRequest],
    sizes: Sequence[int],
    steps: int,
    lengths: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int32], list[NDArray[np.generic]]]:
    """Read an answer.

    Args:
        board: What it said of itself.
        payload: Of the answer.
        probes: What was asked for.
        sizes: Neurons of each layer, the input first.
        steps: T.
        lengths: How many of them each sample lasts; None for all.

    Returns:
        Output counts `(B, n_L)`, and for each probe what the contract wants.
    """
    rows = np.frombuffer(payload, np.uint8).reshape(-1, answer_size(probes, sizes, steps))
    at = 2 * sizes[-1]
    counts = np.ascontiguousarray(rows[:, :at]).view("<u2").astype(np.int32)
    samples, last = [], np.full(len(rows), steps) if lengths is None else lengths
    for each in probes:
        size = each.size(sizes, steps)
        raw = np.ascontiguousarray(rows[:, at : at + size]).view(each.dtype)
        shaped = raw.reshape(len(rows), *each.shape(sizes, steps)).swapaxes(0, 1)
        neurons = len(each.neurons) or sizes[each.layer]
        values = _decode_samples(board, each, shaped, neurons, last)
        samples.append(values if each.reduce == 0 else values[0])
        at += size
    return counts, samples


def _decode_samples(
    board: Hello,
    probe: ProbeRequest,
    raw: NDArray[np.generic],
    neurons: int,
    lengths: NDArray[np.int64],
) -> NDArray[np.generic]:
    """Read spikes by step, rates in spikes per step, membranes in thresholds: `(K, B, n)`."""
    if probe.quantity:
        samples_taken = lengths[:, np.newaxis] // probe.every
        times = samples_taken if probe.reduce == MEAN else np.ones_like(samples_taken)
        above = raw.astype(np.float64) - times * board.neuron.rest
        values = (above / (times * board.neuron.unit)).astype(np.float32)
        if probe.reduce == 0:  # what comes after the end of a sample is no membrane
            values[np.arange(len(values))[:, np.newaxis] >= samples_taken[:, 0]] = 0
        return values
    if probe.reduce == MEAN:
        return (raw.astype(np.float64) / lengths[:, np.newaxis]).astype(np.float32)
    if not probe.is_binary:
        return raw.astype(np.uint8)
    return np.unpackbits(raw.astype(np.uint8), axis=2, count=neurons, bitorder="little")
