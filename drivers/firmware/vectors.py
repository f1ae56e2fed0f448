"""Test vectors of the protocol, made by the simulated board: `python -m drivers.firmware.vectors`.

It writes `vectors.json`, for the tests of any firmware and any host.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np

from drivers.board.link import frames
from drivers.board.link.frames import Frame, Status, Type
from drivers.board.simulated.board import SimulatedBoard
from drivers.board.simulated.limits import Limits
from drivers.firmware.exchange_parts import Sizes
from drivers.firmware.exchanges import EXCHANGES

FILE = Path(__file__).with_name("vectors.json")
CHIP, BOOT = 7, 0xB0070001
CHAINS, GRAPHS = 16, 12  # runs on networks of layers in a chain, and on any others


def vectors() -> dict[str, Any]:
    """All of them, as they are in the file."""
    return {
        "protocol": frames.VERSION,
        "exchanges": {"chip": CHIP, "boot_id": BOOT, "in_order": list(_exchanges())},
        "runs": list(_runs(np.random.default_rng(20))),
    }


def _exchanges() -> Iterator[dict[str, Any]]:
    board = SimulatedBoard(CHIP, BOOT, Limits(name="vectors"))
    for title, kind, sequence, fields, sizes in EXCHANGES:
        request = frames.encode(Frame(kind, sequence, b"".join(part for _, part in fields)))
        cut = [(what, len(part)) for what, part in fields]
        yield _exchange(title, board.feed(request), request, cut, sizes)
        if title == "RUN":
            again = "The same bytes again: the same answer, and nothing is run"
            yield _exchange(again, board.feed(request), request, cut, sizes)
            damaged = request[:-3] + bytes((request[-3] ^ 4,)) + request[-2:]
            yield _exchange("The same with one bit wrong: LINKERR", board.feed(damaged), damaged)


def _exchange(
    title: str, answer: bytes, request: bytes, asked: Sizes = (), answered: Sizes = ()
) -> dict[str, Any]:
    return {
        "title": title,
        "request": request.hex(),
        "request_parts": _parts(request, asked),
        "answer": answer.hex(),
        "answer_parts": _parts(answer, answered),
    }


def _parts(line: bytes, sizes: Sizes) -> list[tuple[str, str]]:
    """What each part of a frame means, and its bytes."""
    try:
        frame = frames.decode(line[:-1])
    except frames.Damaged:
        return []
    kind = Type(frame.type) if frame.type == Type.LINKERR else Type(frame.type & ~frames.ANSWER)
    answer = "" if frame.type == kind else ", answered"
    found = [
        ("version", pack("<B", frame.version)),
        ("sequence", pack("<B", frame.sequence)),
        (f"type {kind.name}{answer}", pack("<B", frame.type)),
        (f"status {Status(frame.status).name}", pack("<B", frame.status)),
    ]
    start = 0
    for what, size in sizes:
        found.append((what, frame.payload[start : start + size]))
        start += size
    found.append(("crc", pack("<I", frames.checksum(frame))))
    return [(what, part.hex()) for what, part in found]


def _runs(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Runs on networks of every shape: payloads of the requests, and of the answer to the last."""
    for number in range(CHAINS + GRAPHS):
        chip = (0, CHIP, 0xFFFFFFFF)[number % 3]
        board = SimulatedBoard(chip, BOOT)
        depth = 1 + number % 3
        sizes = rng.integers(1, 12, depth + 1)
        kind, steps, batch = number % 4, int(rng.integers(1, 10)), int(rng.integers(1, 4))
        wired = list(_projections(rng, depth, graph=number >= CHAINS))
        configure = pack("<HHIHH", depth, len(wired), sizes[0], 2, 0)
        for size in sizes[1:]:
            leak, threshold = rng.integers(1, 20000), rng.integers(6554, 655361)
            configure += pack("<4I", size, 0, leak, threshold)
        writes, delays = [], []
        for p, (source, target, delay, alone, multiplier) in enumerate(wired):
            cells = sizes[source] * sizes[target]
            configure += pack("<4HI", source, target, delay, alone, multiplier)
            head = pack("<HIH", p, 0, cells)
            writes.append(head + rng.integers(-127, 128, cells).astype("i1").tobytes())
            if alone:
                delays.append(head + rng.integers(0, 4, cells).astype("<u2").tobytes())
        probes = b"".join(
            pack("<HBBHH", rng.integers(1, depth + 1), quantity, reduce, every, 0)
            for quantity in (0, 1)
            for reduce in (0, 1, 2)
            for every in (rng.integers(1, steps + 1) if quantity else 1,)
        )
        run = (
            pack("<BBHHHHH", kind, 6, 0, steps, batch, 0, 0)
            + probes
            + _input(rng, kind, steps, batch, sizes[0])
        )
        for sequence, (asked, payload) in enumerate(
            [
                (Type.CONFIGURE, configure),
                *((Type.WRITE, each) for each in writes),
                *((Type.DELAYS, each) for each in delays),
                (Type.RUN, run),
            ]
        ):
            line = board.feed(frames.encode(Frame(asked, sequence, payload)))
        yield {
            "chip": chip,
            "configure": configure.hex(),
            "writes": [each.hex() for each in writes],
            "delays": [each.hex() for each in delays],
            "run": run.hex(),
            "answer": frames.decode(line[:-1]).payload.hex(),
        }


def _projections(
    rng: np.random.Generator, depth: int, graph: bool
) -> Iterator[tuple[int, int, int, int, int]]:
    """Source, target, delay, flags and multiplier of each projection."""
    chain = [(n, n + 1) for n in range(depth)]
    pairs = [(source, target) for source in range(depth + 1) for target in range(1, depth + 1)]
    others = [pair for pair in pairs if pair not in chain and rng.random() < 0.5] if graph else []
    ends = chain + others
    for n in rng.permutation(len(ends)) if graph else range(depth):
        delay = int(rng.integers(0, 6)) if graph else 0
        alone = int(graph and rng.random() < 0.3)
        yield (*ends[n], delay, alone, 1 << int(rng.integers(6, 22)))


def _input(rng: np.random.Generator, kind: int, steps: int, batch: int, channels: int) -> bytes:
    if kind == 2:
        bits = rng.integers(0, 2, (batch * steps, channels))
        return np.packbits(bits, axis=1, bitorder="little").tobytes()
    if kind == 3:
        return rng.integers(0, 4, batch * steps * channels).astype("u1").tobytes()
    rows = batch if kind == 0 else batch * steps
    return rng.integers(-4095, 4096, rows * channels).astype("<i2").tobytes()


if __name__ == "__main__":
    made = vectors()
    FILE.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
