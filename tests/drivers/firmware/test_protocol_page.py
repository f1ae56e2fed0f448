"""A reader of docs/protocol.md, who knows nothing else, takes the vectors apart by its tables."""

import re
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import pytest

from drivers.firmware import vectors
from support import plain_board
from support.paths import ROOT

PAGE = (ROOT / "docs" / "protocol.md").read_text()
EXCHANGES: list[dict[str, Any]] = vectors.load_vectors()["exchanges"]["in_order"]
LEASES: list[dict[str, Any]] = vectors.load_vectors()["leases"]
RUNS: list[dict[str, Any]] = vectors.load_vectors()["runs"]
SIZES = {"u8": 1, "u16": 2, "u32": 4, "i32": 4}


@dataclass
class Field:
    """One row of a table of the page."""

    offset: int
    size: int
    meaning: str


def table(after: str) -> list[Field]:
    """The first table of offsets that follows a text; rows of no fixed size are left out."""
    assert PAGE.count(after) == 1, after
    rows = PAGE.partition(after)[2].partition("| offset | type |")[2].partition("\n\n")[0]
    found = []
    for offset, kind, meaning in re.findall(r"^\| (\d+) \| ([^|]+) \| (.*) \|$", rows, re.M):
        size = SIZES.get(kind) or int((re.match(r"(\d+) bytes$", kind) or "00")[1])
        if size:
            found.append(Field(int(offset), size, meaning))
    at = 0
    for field in found:  # a table has no gaps
        assert field.offset == at, (after, field)
        at += field.size
    return found


TYPES = {name: int(code, 16) for name, code in re.findall(r"^### (\w+) 0x(\w\w)$", PAGE, re.M)}
STATUSES = {
    int(value, 16): name for value, name in re.findall(r"^\| 0x(\w\w) \| (\w+) \|", PAGE, re.M)
}
RECORDS = {
    int(kind): (name, table(f"**{name}, {kind}**"))
    for name, kind in re.findall(r"^\*\*(\w+), (\d+)\*\*", PAGE, re.M)
    if name not in ("NAME", "ABILITIES")
}


def opened(line: bytes) -> bytes:
    """Header and payload of a frame, by the page's words on COBS and crc."""
    assert line[-1] == 0 and 0 not in line[:-1]
    rest, found = line[:-1], bytearray()
    while rest:
        found += rest[1 : rest[0]]
        if rest[0] < 255 and len(rest) > rest[0]:
            found.append(0)
        rest = rest[rest[0] :]
    assert zlib.crc32(found[:-4]) == int.from_bytes(found[-4:], "little")
    return bytes(found[:-4])


class Reader:
    """Goes through a payload, and keeps where each field ended."""

    def __init__(self, payload: bytes) -> None:
        self.payload, self.at, self.ends = payload, 0, [0]

    def take(self, size: int) -> int:
        value = int.from_bytes(self.payload[self.at : self.at + size], "little")
        self.at += size
        self.ends.append(self.at)
        return value

    def fields(self, rows: list[Field]) -> list[int]:
        values = [self.take(field.size) for field in rows]
        for field, value in zip(rows, values, strict=True):
            assert field.meaning != "reserved" or value == 0, field
        return values

    def left(self) -> int:
        return len(self.payload) - self.at


def hello(reader: Reader) -> dict[str, list[list[int]]]:
    reader.fields(table("### HELLO 0x01"))
    told: dict[str, list[list[int]]] = {}
    while reader.left():
        kind, size = reader.take(1), reader.take(1)
        name, rows = RECORDS.get(kind, ("text or flags", [Field(0, size, "")]))
        assert sum(row.size for row in rows) == size, name
        told.setdefault(name, []).append(reader.fields(rows))
    return told


def configure(reader: Reader) -> tuple[list[int], list[tuple[int, int]], list[list[int]]]:
    populations, projections, inputs, settings, _ = reader.fields(table("### CONFIGURE 0x04"))
    sizes, neurons = [inputs], []
    for _ in range(populations):
        size, reserved, leak, threshold = (reader.take(4) for _ in range(2 + settings))
        assert reserved == 0
        sizes.append(size)
        neurons.append((leak, threshold))
    rows = [reader.fields(table("A projection:")) for _ in range(projections)]
    return sizes, neurons, rows


def cells(reader: Reader, head: list[int], size: int) -> dict[int, list[int]]:
    """First cell and values of each run of a WRITE, DELAYS or TRIM."""
    for each in head:
        reader.take(each)
    runs = {}
    while reader.left():
        first, count = reader.take(4), reader.take(2)
        runs[first] = [reader.take(size) for _ in range(count)]
    return runs


def matrix(payload: str, size: int, columns: int) -> list[list[int]]:
    """The one run of a WRITE or DELAYS, row by row."""
    flat = cells(Reader(bytes.fromhex(payload)), [2], size)[0]
    return [flat[at : at + columns] for at in range(0, len(flat), columns)]


def run(reader: Reader) -> tuple[list[int], list[tuple[int, ...]]]:
    head = reader.fields(table("### RUN 0x08"))
    probes = []
    for _ in range(head[1]):
        *probe, named = reader.fields(table("A probe:"))
        probes.append((*probe, *(reader.take(4) for _ in range(named))))
    if head[2] & 4:
        for _ in range(head[4]):
            reader.take(2)
    return head, probes


def taken_apart(kind: str, reader: Reader) -> None:
    if kind == "HELLO" and reader.left():
        reader.fields(table("a name for messages:"))
        reader.take(reader.left())
    elif kind == "CONFIGURE":
        configure(reader)
    elif kind in ("WRITE", "DELAYS"):
        cells(reader, [2], 1 if kind == "WRITE" else 2)
    elif kind == "TRIM":
        cells(reader, [2, 2], 4)
    elif kind == "READ":
        reader.fields(table("### READ 0x06"))
    elif kind == "CRC":
        reader.fields(table("### READ 0x06")[:3])
    elif kind == "ECHO":
        reader.take(reader.left())
    elif kind == "RUN":
        run(reader)
        while reader.left():
            reader.take(2)


@pytest.mark.parametrize("each", EXCHANGES + LEASES, ids=lambda each: each["title"][:30])
def test_every_part_of_the_exchanges_is_a_field_of_the_page(each: dict[str, Any]) -> None:
    for side in ("request", "answer"):
        parts = [(what, bytes.fromhex(digits)) for what, digits in each[side + "_parts"]]
        if not parts:
            continue  # a damaged frame
        whole = opened(bytes.fromhex(each[side]))
        assert b"".join(part for _, part in parts[:-1]) == whole
        version, _, kind, status = whole[:4]
        name = next(n for n, code in TYPES.items() if code in (kind, kind & 0x7F))
        assert f"Version {version}." in PAGE
        assert parts[2][0].split(",")[0] == f"type {name}"
        means = f"status {STATUSES[status]}" if kind & 0x80 else f"lease {status}"
        assert parts[3][0] == (means if kind != 0xFF else f"status {STATUSES[status]}")
        reader = Reader(whole[4:])
        if side == "answer" and name == "HELLO":
            hello(reader)
        elif side == "request":
            taken_apart(name, reader)
        else:
            continue  # answers to others are values of one size
        assert reader.left() == 0
        ends, at = [], 0
        for what, part in parts[4:-1]:
            if what not in ("weights", "delays", "payload", "currents"):
                assert (at in reader.ends and at + len(part) in reader.ends) or not part, what
            at += len(part)
            ends.append(at)
            assert what != "0" or not any(part)
        assert not ends or ends[-1] == reader.at


def test_the_page_has_every_type_status_and_record() -> None:
    from drivers.board import hello as records
    from drivers.board.frames import RequestType, Status

    assert {name: int(code) for name, code in RequestType.__members__.items()} == TYPES
    assert {int(code): name for name, code in Status.__members__.items()} == STATUSES
    for kind, (attribute, form, _) in records.RECORDS.items():
        if kind == 9:
            continue  # one number, told in words
        name, rows = RECORDS[kind]
        assert name.lower().rstrip("s") == attribute.rstrip("s")
        assert sum(row.size for row in rows) == struct.calcsize(form)


def test_hello_tells_what_the_page_says_of_our_firmware() -> None:
    told = hello(Reader(opened(bytes.fromhex(EXCHANGES[0]["answer"]))[4:]))
    assert told["NEURON"] == [[1, 1, 1, 0, 0, 4096]]
    assert told["TIMING"] == [[1_000_000, 2, 2, 0, 2]]
    assert [row[0] for row in told["INPUT"]] == [0, 1, 2, 3]
    longest, graphs = (told["CAPACITY"][0][n] for n in (8, 10))
    assert f"delays of at most\n{longest} steps" in PAGE and graphs == 1 | 2 | 4


@pytest.mark.parametrize("number", range(len(RUNS)))
def test_runs_are_what_the_page_computes(number: int) -> None:
    """From bytes to bytes: read by the tables, computed neuron by neuron."""
    each = RUNS[number]
    sizes, neurons, rows = configure(Reader(bytes.fromhex(each["configure"])))
    layers = [
        plain_board.pattern(each["chip"], n + 1, sizes[n + 1], threshold, leak)
        for n, (leak, threshold) in enumerate(neurons)
    ]
    delays = {int.from_bytes(bytes.fromhex(d)[:2], "little"): d for d in each["delays"]}
    projections = []
    for p, (source, target, delay, flags, multiplier) in enumerate(rows):
        weights = matrix(each["writes"][p], 1, sizes[target])
        signed = [[w - 256 if w > 127 else w for w in row] for row in weights]
        own = matrix(delays[p], 2, sizes[target]) if flags else None
        projections.append(plain_board.Synapses(source, target, multiplier, signed, delay, own))
    reader = Reader(bytes.fromhex(each["run"]))
    (kind, _, flags, steps, batch, first, _), probes = run(reader)
    assert flags == first == 0
    given = plain_board.as_steps(reader.payload[reader.at :], kind, steps, batch, sizes[0])
    answer = b"".join(
        plain_board.as_answer(
            plain_board.run(layers, projections, sample, kind <= 1), probes, steps
        )
        for sample in given
    )
    assert answer.hex() == each["answer"]
