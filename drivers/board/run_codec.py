"""The host's side of a RUN: what is shown to a board, and what its answer says."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers.contract.errors import StimulusError
from drivers.contract.info import StimulusKind
from drivers.contract.messages import Probe, Stimulus

EVENT = 256  # a current of one event per step
CURRENT = 4095  # largest current
COUNT = 255  # most events of one input in one step
THRESHOLD = 4096  # a membrane sample at one threshold unit
QUANTITIES = ("spikes", "membrane")
REDUCTIONS = ("none", "mean", "last")
PROBES = 8  # most of one request
EVERY = 255  # longest interval between two membrane samples, in steps


class ProbeRequest(NamedTuple):
    """A probe as a board knows it: of all neurons of a layer."""

    layer: int
    quantity: int
    reduce: int
    every: int

    @classmethod
    def by(cls, probe: Probe) -> ProbeRequest:
        """What to ask for to answer a probe of the contract."""
        quantity = QUANTITIES.index(probe.quantity)
        return cls(probe.layer, quantity, REDUCTIONS.index(probe.reduce), probe.every)

    def dtype(self) -> str:
        """Of the values that it is answered with; bits come as bytes of eight."""
        if self.quantity:
            return "<i4" if self.reduce == 1 else "<i2"
        return "<u2" if self.reduce == 1 else "u1"

    def width(self, neurons: int) -> int:
        """How many such values make one sample of the layer."""
        bits = self.quantity == 0 and self.reduce != 1
        return -(-neurons // 8) if bits else neurons

    def times(self, steps: int) -> int:
        """How many samples of the layer it is answered with."""
        return steps // self.every if self.reduce == 0 else 1

    def size(self, neurons: int, steps: int) -> int:
        """Bytes of the answer for one sample of the stimulus."""
        return self.times(steps) * self.width(neurons) * np.dtype(self.dtype()).itemsize


def input_size(kind: StimulusKind, inputs: int, steps: int) -> int:
    """Fewest bytes of one sample of a stimulus."""
    if kind == "spikes":
        return steps * -(-inputs // 8)
    return 2 * inputs * (1 if kind == "current" else steps)


def encode_inputs(stimulus: Stimulus) -> tuple[int, NDArray[np.uint8]]:
    """A stimulus in whole numbers.

    Returns:
        Kind of input, and the bytes of each sample `(B, n)`.

    Raises:
        StimulusError: When it is stronger than a board takes.
    """
    if stimulus.kind == "spikes":
        return _events(stimulus)
    currents = np.rint(np.asarray(stimulus.data, np.float64) * EVENT)
    strongest = np.abs(currents).max()
    if strongest > CURRENT:
        raise StimulusError(
            f"current of {strongest / EVENT:g} events per step: a board takes "
            f"{-CURRENT / EVENT:.2f} to {CURRENT / EVENT:.2f}, lower encoding.gain"
        )
    whole = currents.astype("<i2")
    trace = stimulus.kind == "current_trace"
    return int(trace), _by_sample(whole if trace else whole[None])


def _events(stimulus: Stimulus) -> tuple[int, NDArray[np.uint8]]:
    counts = stimulus.dense()
    most = counts.max()
    if most > COUNT:
        raise StimulusError(
            f"{most:g} events of one input in one step: a board takes at most {COUNT}"
        )
    small = counts.astype(np.uint8)
    if most > 1:
        return 3, _by_sample(small)
    return 2, _by_sample(np.packbits(small, axis=2, bitorder="little"))


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
    header = struct.pack("<BBHH", kind, len(asked), steps, len(rows))
    return header + b"".join(bytes(each) for each in asked) + rows.tobytes()


def answer_size(asked: Sequence[ProbeRequest], sizes: Sequence[int], steps: int) -> int:
    """Bytes of the answer for one sample.

    Args:
        asked: Probes.
        sizes: Neurons of each layer, the input first.
        steps: T.
    """
    return 2 * sizes[-1] + sum(each.size(sizes[each.layer], steps) for each in asked)


def decode(
    payload: bytes, asked: Sequence[ProbeRequest], sizes: Sequence[int], steps: int
) -> tuple[NDArray[np.int32], list[NDArray[np.generic]]]:
    """What an answer says.

    Args:
        payload: Of the answer.
        asked: Probes.
        sizes: Neurons of each layer, the input first.
        steps: T.

    Returns:
        Output counts `(B, n_L)`, and for each probe what the contract wants of all neurons.
    """
    rows = np.frombuffer(payload, np.uint8).reshape(-1, answer_size(asked, sizes, steps))
    at = 2 * sizes[-1]
    counts = np.ascontiguousarray(rows[:, :at]).view("<u2").astype(np.int32)
    samples = []
    for each in asked:
        neurons = sizes[each.layer]
        size = each.size(neurons, steps)
        raw = np.ascontiguousarray(rows[:, at : at + size]).view(each.dtype())
        shaped = raw.reshape(len(rows), each.times(steps), each.width(neurons)).swapaxes(0, 1)
        values = _values(each, shaped, neurons, steps)
        samples.append(values if each.reduce == 0 else values[0])
        at += size
    return counts, samples


def _values(
    asked: ProbeRequest, raw: NDArray[np.generic], neurons: int, steps: int
) -> NDArray[np.generic]:
    """Spikes as 0 or 1, rates in spikes per step, membranes in thresholds: `(K, B, n)`."""
    if asked.quantity:
        taken = steps // asked.every if asked.reduce == 1 else 1
        return (raw.astype(np.float64) / (taken * THRESHOLD)).astype(np.float32)
    if asked.reduce == 1:
        return (raw.astype(np.float64) / steps).astype(np.float32)
    return np.unpackbits(raw.astype(np.uint8), axis=2, count=neurons, bitorder="little")
