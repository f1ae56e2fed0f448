"""Test vectors of the protocol, answered by the simulated board.

`vectors.json` holds what is asked, for the tests of any firmware and any host: exchanges part by
part, each with its meaning, and the payloads of runs on random networks.
`python -m drivers.firmware.vectors` writes frames and answers anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from drivers.board.frames import (
    ANSWER,
    CRC,
    HEADER,
    VERSION,
    Frame,
    FrameDamaged,
    RequestType,
    Status,
    unstuff,
)
from drivers.board.hello import make_hello
from drivers.board.simulated_board import SimulatedBoard
from drivers.files.bounded import read_json

FILE = Path(__file__).with_name("vectors.json")
Parts = list[list[str]]  # meaning, and bytes in hex


def load_vectors() -> dict[str, Any]:
    """Load all vectors, as they are in the file."""
    vectors: dict[str, Any] = read_json(FILE)
    return vectors


def answer_vectors(vectors: dict[str, Any]) -> dict[str, Any]:
    """Answer all vectors anew.

    Args:
        vectors: As in the file. Of an exchange, `request_parts` say what is asked; where there are
            none, as of a damaged frame, `request` does.

    Returns:
        The same, with the frames and answers of this version of the protocol.
    """
    exchanges = vectors["exchanges"]
    hello = make_hello("vectors")
    board, other = (
        SimulatedBoard(exchanges["chip"], exchanges["boot_id"], hello) for _ in range(2)
    )
    return {
        "protocol": VERSION,
        "exchanges": exchanges | {"in_order": [_answer(board, e) for e in exchanges["in_order"]]},
        "leases": [_answer(other, exchange) for exchange in vectors["leases"]],
        "runs": [run | {"answer": _answer_run(run)} for run in vectors["runs"]],
    }


def _answer(board: SimulatedBoard, exchange: dict[str, Any]) -> dict[str, Any]:
    request, parts = bytes.fromhex(exchange["request"]), exchange["request_parts"]
    if parts:
        sequence, kind, lease = (int(part, 16) for _, part in parts[1:HEADER])
        payload = bytes.fromhex("".join(part for _, part in parts[HEADER:-1]))
        request = Frame(kind, sequence, payload, lease).encode()
    answer = board.feed(request)
    return {
        "title": exchange["title"],
        "request": request.hex(),
        "request_parts": _cut(request, parts),
        "answer": answer.hex(),
        "answer_parts": _cut(answer, exchange["answer_parts"]),
    }


def _cut(line: bytes, parts: Parts) -> Parts:
    """Cut a frame into parts of the same meanings and sizes; none where it is damaged."""
    try:
        frame = Frame.decode(line[:-1])
    except FrameDamaged:
        return []
    kind = frame.type if frame.type == RequestType.LINKERR else frame.type & ~ANSWER
    answered = frame.type & ANSWER
    sizes = [
        ("version", 1),
        ("sequence", 1),
        (f"type {RequestType(kind).name}{', answered' if kind != frame.type else ''}", 1),
        (f"status {Status(frame.status).name}" if answered else f"lease {frame.status}", 1),
        *((meaning, len(part) // 2) for meaning, part in parts[HEADER:-1]),
        ("crc", CRC),
    ]
    whole, at, cut = unstuff(line[:-1]), 0, []
    for meaning, size in sizes:
        cut.append([meaning, whole[at : at + size].hex()])
        at += size
    return cut


def _answer_run(run: dict[str, Any]) -> str:
    """Run on a board of its own: payloads of requests, in order."""
    board = SimulatedBoard(run["chip"])
    requests = [
        (RequestType.CONFIGURE, run["configure"]),
        *((RequestType.WRITE, payload) for payload in run["writes"]),
        *((RequestType.DELAYS, payload) for payload in run["delays"]),
        (RequestType.RUN, run["run"]),
    ]
    for sequence, (kind, payload) in enumerate(requests):
        line = board.feed(Frame(kind, sequence, bytes.fromhex(payload)).encode())
    return Frame.decode(line[:-1]).payload.hex()


if __name__ == "__main__":
    text = json.dumps(answer_vectors(load_vectors()), indent=1)
    FILE.write_text(text + "\n", encoding="utf-8")
