"""A RUN request of the protocol, served by the simulated board."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers.board.link.frames import Status
from drivers.board.simulated import stepping
from drivers.board.simulated.arithmetic import BoardNetwork, Fired, Whole
from drivers.board.simulated.limits import PROBES, Limits
from drivers.board.simulated.refusal import need
from drivers.board.simulated.stepping import State

HEADER, PROBE = struct.Struct("<BBHHHHH"), struct.Struct("<HBBHH")
CURRENT = 4095  # largest, in 2^-8 events per step
KINDS, ADDRESSES = 5, 4  # of input
RESUME, KEEP, LENGTHS = 1, 2, 4  # flags
Slots = dict[int, State]  # where samples ended that were kept


class RequestedProbe(NamedTuple):
    """What one probe of a run asks for: of neurons `named`, or of all."""

    layer: int
    quantity: int
    reduce: int
    every: int
    named: tuple[int, ...]


def serve(payload: bytes, network: BoardNetwork, limits: Limits, slots: Slots) -> tuple[bytes, int]:
    """Run what a payload asks for.

    Args:
        payload: Of the request.
        network: What is configured.
        limits: What the board has room for.
        slots: What was kept; a run that keeps something changes it.

    Returns:
        The payload of the answer, and how many samples were run.

    Raises:
        Refused: When the payload is not what the protocol demands.
    """
    need(len(payload) >= HEADER.size, Status.SIZE)
    kind, count, flags, steps, batch, first, zero = HEADER.unpack_from(payload)
    need(kind < KINDS and count <= PROBES and flags < 8 and zero == 0, Status.VALUE)
    need(1 <= steps <= limits.steps and batch >= 1, Status.VALUE)
    need(first == 0 or flags & (RESUME | KEEP), Status.VALUE)
    need(kind != ADDRESSES, Status.UNSUPPORTED)
    widths = network.sizes
    probes, start = _probes(payload, count, steps, widths)
    answered = 2 * widths[-1] + sum(_size(p, steps, widths[p.layer - 1]) for p in probes)
    need(batch * answered <= limits.payload, Status.SIZE)
    need(not flags & (RESUME | KEEP) or first + batch <= limits.kept // network.kept, Status.ROOM)
    lengths, start = _lengths(payload, start, flags, steps, batch)
    inputs = list(_inputs(payload[start:], kind, lengths, network.inputs))
    need(kind > 1 or max(np.abs(each).max() for each in inputs) <= CURRENT, Status.VALUE)
    # Samples of one length are run together; only where lengths differ, one by one.
    together = [range(batch)] if len(set(lengths)) == 1 else [range(b, b + 1) for b in range(batch)]
    parts = []
    for part in together:
        rest = State.rest(network, 1)
        begin = [slots.get(first + b, rest) if flags & RESUME else rest for b in part]
        state = State.together(begin)
        given = np.stack([inputs[b] for b in part], axis=1)
        constant = [given[0]] * lengths[part[0]] if kind == 0 else list(given)
        ran = list(stepping.steps(network, constant, state, events=kind > 1))
        parts.append(_answers(ran, probes, steps))
        if flags & KEEP:
            slots.update({first + b: state.sample(n) for n, b in enumerate(part)})
    return b"".join(part.tobytes() for part in parts), batch


def _probes(
    payload: bytes, count: int, steps: int, widths: Sequence[int]
) -> tuple[list[RequestedProbe], int]:
    """All probes, and where they end."""
    probes, at = [], HEADER.size
    for _ in range(count):
        need(len(payload) >= at + PROBE.size, Status.SIZE)
        layer, quantity, reduce, every, named = PROBE.unpack_from(payload, at)
        at += PROBE.size
        need(1 <= layer <= len(widths) and quantity <= 1 and reduce <= 2, Status.VALUE)
        need(1 <= every <= (steps if quantity else 1), Status.VALUE)
        need(len(payload) >= at + 4 * named, Status.SIZE)
        neurons = struct.unpack_from(f"<{named}I", payload, at)
        need(all(each < widths[layer - 1] for each in neurons), Status.VALUE)
        probes.append(RequestedProbe(layer, quantity, reduce, every, neurons))
        at += 4 * named
    return probes, at


def _lengths(
    payload: bytes, start: int, flags: int, steps: int, batch: int
) -> tuple[Sequence[int], int]:
    """Steps of each sample, and where what follows begins."""
    if not flags & LENGTHS:
        return [steps] * batch, start
    need(len(payload) >= start + 2 * batch, Status.SIZE)
    lengths = struct.unpack_from(f"<{batch}H", payload, start)
    need(all(1 <= each <= steps for each in lengths), Status.VALUE)
    return lengths, start + 2 * batch


def _inputs(data: bytes, kind: int, lengths: Sequence[int], n_in: int) -> Iterator[Whole]:
    """The input of each sample, `(T, n_in)`, or `(1, n_in)` where it is constant."""
    width, dtype = ((n_in, "<i2"), (n_in, "<i2"), (-(-n_in // 8), "u1"), (n_in, "u1"))[kind]
    step = width * np.dtype(dtype).itemsize
    rows = [1 if kind == 0 else length for length in lengths]
    need(len(data) == step * sum(rows), Status.SIZE)
    at = 0
    for each in rows:
        given = np.frombuffer(data, dtype, each * width, at).reshape(each, width)
        if kind == 2:
            given = np.unpackbits(given, axis=1, bitorder="little")
            need(not given[:, n_in:].any(), Status.VALUE)
        yield given[:, :n_in].astype(np.int64)
        at += each * step


def _size(probe: RequestedProbe, steps: int, n: int) -> int:
    """Bytes of one sample that a probe is answered with."""
    n = len(probe.named) or n
    if probe.quantity:
        return ((steps // probe.every) * n * 2, n * 4, n * 2)[probe.reduce]
    bits = -(-n // 8)
    return (steps * bits, n * 2, bits)[probe.reduce]


def _answers(
    ran: Sequence[tuple[list[Fired], list[Whole]]], probes: Sequence[RequestedProbe], steps: int
) -> NDArray[np.uint8]:
    """What is answered to samples of one length, `(B, bytes)`."""
    parts = [_spikes(np.array([fired[-1] for fired, _ in ran]), 1, len(ran))]
    for probe in probes:
        n, chosen = probe.layer - 1, list(probe.named) or slice(None)
        if probe.quantity:
            samples = [each[n][:, chosen] for _, each in ran[probe.every - 1 :: probe.every]]
            none = np.zeros((0, *ran[0][1][n][:, chosen].shape), np.int64)
            read = np.array(samples) if samples else none
            parts.append(_membrane(read, probe.reduce, steps // probe.every))
        else:
            fired = np.array([each[n][:, chosen] for each, _ in ran])
            parts.append(_spikes(fired, probe.reduce, steps))
    return np.concatenate(parts, axis=1)


def _spikes(fired: Fired, reduce: int, times: int) -> NDArray[np.uint8]:
    """Spikes `(T, B, n)` as `(B, bytes)`; of `times` steps, those that were not run without any."""
    if reduce == 1:
        return _by_sample(fired.sum(axis=0, keepdims=True).astype("<u2"))
    shown = fired[-1:] if reduce == 2 else _filled(fired, times)
    return _by_sample(np.packbits(shown, axis=2, bitorder="little"))


def _membrane(sampled: Whole, reduce: int, times: int) -> NDArray[np.uint8]:
    """Samples `(K, B, n)` as `(B, bytes)`; zeros for those of `times` that were not taken."""
    read = np.clip(sampled >> 4, -32768, 32767)
    if reduce == 1:
        return _by_sample(read.sum(axis=0, keepdims=True).astype("<i4"))
    return _by_sample(
        (_filled(read, 1)[-1:] if reduce == 2 else _filled(read, times)).astype("<i2")
    )


def _filled(samples: NDArray[Any], times: int) -> NDArray[Any]:
    """With zeros to at least `times` of them."""
    missing = max(0, times - len(samples))
    return np.concatenate([samples, np.zeros((missing, *samples.shape[1:]), samples.dtype)])


def _by_sample(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """`(K, B, n)` of any kind as `(B, bytes)`."""
    rows = np.ascontiguousarray(values.swapaxes(0, 1)).reshape(values.shape[1], -1)
    return rows.view(np.uint8)
