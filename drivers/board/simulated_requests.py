"""CONFIGURE and RUN of the protocol, read and served by the simulated board."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from drivers.board.frames import Status
from drivers.board.hello import BITS, COUNTS, CURRENT, MAX_CURRENT, TRACE, Hello
from drivers.board.run_codec import (
    HEADER,
    KEEP,
    LENGTHS,
    MEAN,
    PROBE,
    RESUME,
    ProbeRequest,
    answer_size,
    order_by_sample,
)
from drivers.board.simulated_network import (
    BoardNetwork,
    BoardProjection,
    BoardState,
    Fired,
    Whole,
    make_population,
    run_steps,
)

NETWORK, POPULATION, PROJECTION = "<HHIHH", "<IIII", "<HHHHI"
SETTINGS = 2
LEAKS = range(1, 65535 + 1)
THRESHOLDS = range(6554, 655360 + 1)
MULTIPLIERS = range(1, (1 << 22) + 1)
OWN_DELAYS = 1  # flag of a projection
ADDRESSES = 4  # a kind of input that it does not take
Slots = dict[int, BoardState]  # where samples ended that were kept


class RequestRefused(Exception):
    """A request that is answered with a status and no payload, inside the simulated board."""

    def __init__(self, status: Status) -> None:
        """Refuse with `status`."""
        super().__init__(status.name)
        self.status = status


def require(condition: bool, status: Status) -> None:
    """Refuse with `status` unless the condition holds."""
    if not condition:
        raise RequestRefused(status)


def read_network(payload: bytes, board: Hello) -> BoardNetwork:
    """Read the network that a payload describes; weights and delays by synapse are zero.

    Args:
        payload: Of a CONFIGURE.
        board: What the board has room for, and its chip.

    Raises:
        RequestRefused: When the payload is not what the protocol demands, or too large for it.
    """
    room, header = board.capacity, struct.calcsize(NETWORK)
    require(len(payload) >= header, Status.SIZE)
    depth, count, inputs, settings, zero = struct.unpack_from(NETWORK, payload)
    require(depth >= 1 and count >= 1 and inputs >= 1, Status.VALUE)
    require(settings == SETTINGS and zero == 0, Status.VALUE)
    require(depth <= room.layers, Status.ROOM)
    graph = header + depth * struct.calcsize(POPULATION)
    require(len(payload) == graph + count * struct.calcsize(PROJECTION), Status.SIZE)
    require(inputs <= room.inputs, Status.ROOM)
    sizes, neurons = [inputs], []
    for size, zero, leak, threshold in struct.iter_unpack(POPULATION, payload[header:graph]):
        require(size >= 1 and zero == 0, Status.VALUE)
        require(leak in LEAKS and threshold in THRESHOLDS, Status.VALUE)
        require(size <= room.neurons, Status.ROOM)
        sizes.append(size)
        neurons.append((threshold, leak))
    rows = list(struct.iter_unpack(PROJECTION, payload[graph:]))
    for number, (source, target, delay, flags, multiplier) in enumerate(rows):
        require(source <= depth and 1 <= target <= depth and delay <= room.delay, Status.VALUE)
        require(flags <= OWN_DELAYS and multiplier in MULTIPLIERS, Status.VALUE)
        require((source, target) not in [row[:2] for row in rows[:number]], Status.VALUE)
    # A synapse with a delay of its own takes the room of two.
    cells = sum(sizes[row[0]] * sizes[row[1]] * (1 + row[3]) for row in rows)
    require(cells <= room.synapses, Status.ROOM)
    projections = tuple(_make_projection(row, sizes) for row in rows)
    longest = {True: 0, False: 0}  # steps that events are on their way; whether from the input
    for each in projections:
        delay = each.delay if each.delays is None else room.delay
        longest[each.source == 0] = max(longest[each.source == 0], delay)
    return BoardNetwork(
        inputs,
        tuple(
            make_population(board.chip, number, sizes[number], *each)
            for number, each in enumerate(neurons, start=1)
        ),
        projections,
        input_past=longest[True],
        past=longest[False],
    )


def _make_projection(row: Sequence[int], sizes: Sequence[int]) -> BoardProjection:
    source, target, delay, flags, multiplier = row
    shape = sizes[source], sizes[target]
    delays = np.zeros(shape, np.uint16) if flags & OWN_DELAYS else None
    return BoardProjection(source, target, multiplier, delay, np.zeros(shape, np.int8), delays)


def serve_run(
    payload: bytes, network: BoardNetwork, board: Hello, slots: Slots
) -> tuple[bytes, int]:
    """Run what a payload asks for.

    Args:
        payload: Of the request.
        network: What is configured.
        board: What the board has room for.
        slots: What was kept; a run that keeps something changes it.

    Returns:
        The payload of the answer, and how many samples were run.

    Raises:
        RequestRefused: When the payload is not what the protocol demands.
    """
    room, sizes = board.capacity, [network.inputs, *network.sizes]
    require(len(payload) >= HEADER.size, Status.SIZE)
    kind, count, flags, steps, batch, first, zero = HEADER.unpack_from(payload)
    require(kind <= ADDRESSES and count <= room.probes and flags < 8 and zero == 0, Status.VALUE)
    require(1 <= steps <= room.steps and batch >= 1, Status.VALUE)
    require(first == 0 or flags & (RESUME | KEEP), Status.VALUE)
    require(kind != ADDRESSES, Status.UNSUPPORTED)
    probes, start = _read_probes(payload, count, steps, sizes)
    require(batch * answer_size(probes, sizes, steps) <= board.payload, Status.SIZE)
    slots_used = first + batch if flags & (RESUME | KEEP) else 0
    require(slots_used <= room.kept // network.slot_size, Status.ROOM)
    lengths, start = _read_lengths(payload, start, flags, steps, batch)
    inputs = list(_read_inputs(payload[start:], kind, lengths, network.inputs))
    is_events = kind in (BITS, COUNTS)
    require(is_events or max(np.abs(each).max() for each in inputs) <= MAX_CURRENT, Status.VALUE)
    # Samples of one length are run together; only where lengths differ, one by one.
    together = [range(batch)] if len(set(lengths)) == 1 else [range(b, b + 1) for b in range(batch)]
    parts, counts = [], ProbeRequest(len(sizes) - 1, 0, MEAN, 1, ())
    for part in together:
        rest = BoardState.at_rest(network)
        begin = [slots.get(first + b, rest) if flags & RESUME else rest for b in part]
        state = BoardState.stack(begin)
        given = np.stack([inputs[b] for b in part], axis=1)
        rows = [given[0]] * lengths[part[0]] if kind == CURRENT else list(given)
        ran = list(run_steps(network, rows, state, events=is_events))
        shown = [_encode_probe(ran, probe, steps) for probe in (counts, *probes)]
        parts.append(np.concatenate(shown, axis=1))
        if flags & KEEP:
            slots.update({first + b: state.sample(n) for n, b in enumerate(part)})
    return b"".join(part.tobytes() for part in parts), batch


def _read_probes(
    payload: bytes, count: int, steps: int, sizes: Sequence[int]
) -> tuple[list[ProbeRequest], int]:
    """Read all probes, and where they end."""
    probes, at = [], HEADER.size
    for _ in range(count):
        require(len(payload) >= at + PROBE.size, Status.SIZE)
        layer, quantity, reduce, every, named = PROBE.unpack_from(payload, at)
        at += PROBE.size
        require(1 <= layer < len(sizes) and quantity <= 1 and reduce <= 2, Status.VALUE)
        require(1 <= every <= (steps if quantity else 1), Status.VALUE)
        require(len(payload) >= at + 4 * named, Status.SIZE)
        neurons = struct.unpack_from(f"<{named}I", payload, at)
        require(all(each < sizes[layer] for each in neurons), Status.VALUE)
        probes.append(ProbeRequest(layer, quantity, reduce, every, neurons))
        at += 4 * named
    return probes, at


def _read_lengths(
    payload: bytes, start: int, flags: int, steps: int, batch: int
) -> tuple[Sequence[int], int]:
    """Read steps of each sample, and where what follows begins."""
    if not flags & LENGTHS:
        return [steps] * batch, start
    require(len(payload) >= start + 2 * batch, Status.SIZE)
    lengths = struct.unpack_from(f"<{batch}H", payload, start)
    require(all(1 <= each <= steps for each in lengths), Status.VALUE)
    return lengths, start + 2 * batch


def _read_inputs(data: bytes, kind: int, lengths: Sequence[int], n_in: int) -> Iterator[Whole]:
    """Read the input of each sample, `(T, n_in)`, or `(1, n_in)` where it is constant."""
    width = -(-n_in // 8) if kind == BITS else n_in
    dtype = np.dtype("<i2" if kind in (CURRENT, TRACE) else "u1")
    rows = [1 if kind == CURRENT else length for length in lengths]
    require(len(data) == width * dtype.itemsize * sum(rows), Status.SIZE)
    at = 0
    for count in rows:
        given = np.frombuffer(data, dtype, count * width, at).reshape(count, width)
        at += given.nbytes
        if kind == BITS:
            given = np.unpackbits(given, axis=1, bitorder="little")
            require(not given[:, n_in:].any(), Status.VALUE)
        yield given[:, :n_in].astype(np.int64)


def _encode_probe(
    ran: Sequence[tuple[list[Fired], list[Whole]]], probe: ProbeRequest, steps: int
) -> NDArray[np.uint8]:
    """Encode what a probe shows of samples of one length, `(B, bytes)`.

    Args:
        ran: Spikes and membranes of each step that was run.
        probe: What is asked for.
        steps: T, as many as or more than were run; zeros stand for what was not.
    """
    neurons = list(probe.neurons) or slice(None)
    values = np.array([step[probe.quantity][probe.layer - 1][:, neurons] for step in ran])
    samples = values[probe.every - 1 :: probe.every]
    if probe.quantity:
        samples = np.clip(samples >> 4, -32768, 32767)
    times, count = steps // probe.every, len(samples)
    shown = np.zeros((max(times, 1), *values.shape[1:]), values.dtype)
    shown[:count] = samples
    if probe.reduce == MEAN:  # as a sum
        shown = shown.sum(axis=0, keepdims=True)
    elif probe.reduce:
        shown = shown[max(count - 1, 0)][np.newaxis]
    if probe.quantity == 0 and probe.reduce != MEAN:
        shown = np.packbits(shown, axis=2, bitorder="little")
    return order_by_sample(shown.astype(probe.dtype))
