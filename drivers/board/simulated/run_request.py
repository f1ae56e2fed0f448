"""A RUN request of the protocol, served by the simulated board."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers.board.limits import Limits
from drivers.board.link.frames import Status
from drivers.board.simulated import arithmetic
from drivers.board.simulated.arithmetic import BoardLayer, Whole
from drivers.board.simulated.refusal import need

CURRENT = 4095  # largest, in 2^-8 events per step


class RequestedProbe(NamedTuple):
    """What one probe of a run asks for."""

    layer: int
    quantity: int
    reduce: int
    every: int


def serve(payload: bytes, layers: Sequence[BoardLayer], limits: Limits) -> tuple[bytes, int]:
    """Run what a payload asks for.

    Returns:
        The payload of the answer, and how many samples were run.

    Raises:
        Refused: When the payload is not what the protocol demands.
    """
    need(len(payload) >= 6, Status.SIZE)
    kind, count, steps, batch = struct.unpack_from("<BBHH", payload)
    need(kind <= 3 and count <= 8 and 1 <= steps <= limits.steps, Status.VALUE)
    need(batch >= 1, Status.VALUE)
    start = 6 + 4 * count
    need(len(payload) >= start, Status.SIZE)
    probes = [RequestedProbe(*payload[at : at + 4]) for at in range(6, start, 4)]
    for probe in probes:
        need(1 <= probe.layer <= len(layers), Status.VALUE)
        need(probe.quantity <= 1 and probe.reduce <= 2, Status.VALUE)
        need(1 <= probe.every <= (steps if probe.quantity else 1), Status.VALUE)
    widths = [len(each.gain) for each in layers]
    answered = 2 * widths[-1] + sum(_size(p, steps, widths[p.layer - 1]) for p in probes)
    need(batch * answered <= limits.payload, Status.SIZE)
    inputs = _inputs(payload[start:], kind, steps, batch, len(layers[0].weights))
    need(kind > 1 or max(np.abs(each).max() for each in inputs) <= CURRENT, Status.VALUE)
    spikes, membranes = [], []
    for fired, sampled in arithmetic.steps(layers, inputs, events=kind > 1):
        spikes.append(fired)
        membranes.append(sampled)
    parts = [_spikes(np.array([each[-1] for each in spikes]), 1)]
    for probe in probes:
        n = probe.layer - 1
        if probe.quantity:
            chosen = [each[n] for each in membranes[probe.every - 1 :: probe.every]]
            parts.append(_membrane(np.array(chosen), probe.reduce))
        else:
            parts.append(_spikes(np.array([each[n] for each in spikes]), probe.reduce))
    return np.concatenate(parts, axis=1).tobytes(), batch


def _inputs(data: bytes, kind: int, steps: int, batch: int, n_in: int) -> list[Whole]:
    """The input of each step, `(B, n_in)`."""
    shape = {
        0: (1, n_in, "<i2"),
        1: (steps, n_in, "<i2"),
        2: (steps, -(-n_in // 8), "u1"),
        3: (steps, n_in, "u1"),
    }
    rows, width, dtype = shape[kind]
    need(len(data) == batch * rows * width * np.dtype(dtype).itemsize, Status.SIZE)
    given = np.frombuffer(data, dtype).reshape(batch, rows, width)
    if kind == 2:
        given = np.unpackbits(given, axis=2, bitorder="little")
        need(not given[:, :, n_in:].any(), Status.VALUE)
    whole = given[:, :, :n_in].astype(np.int64).swapaxes(0, 1)
    return list(whole) * (steps if kind == 0 else 1)


def _size(probe: RequestedProbe, steps: int, n: int) -> int:
    """Bytes of one sample that a probe is answered with."""
    if probe.quantity:
        return ((steps // probe.every) * n * 2, n * 4, n * 2)[probe.reduce]
    bits = -(-n // 8)
    return (steps * bits, n * 2, bits)[probe.reduce]


def _spikes(fired: NDArray[np.bool_], reduce: int) -> NDArray[np.uint8]:
    """Spikes `(T, B, n)` as `(B, bytes)`."""
    if reduce == 1:
        return _by_sample(fired.sum(axis=0, keepdims=True).astype("<u2"))
    return _by_sample(np.packbits(fired[-1:] if reduce == 2 else fired, axis=2, bitorder="little"))


def _membrane(sampled: Whole, reduce: int) -> NDArray[np.uint8]:
    """Samples `(K, B, n)` as `(B, bytes)`."""
    read = np.clip(sampled >> 4, -32768, 32767)
    if reduce == 1:
        return _by_sample(read.sum(axis=0, keepdims=True).astype("<i4"))
    return _by_sample((read[-1:] if reduce == 2 else read).astype("<i2"))


def _by_sample(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """`(K, B, n)` of any kind as `(B, bytes)`."""
    rows = np.ascontiguousarray(values.swapaxes(0, 1)).reshape(values.shape[1], -1)
    return rows.view(np.uint8)
