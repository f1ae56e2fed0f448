"""A session file: one record after the other, each of which can be checked by itself.

    file    "spikeloop session 2\n", then records
    record  length of the body u32 | CRC-32 of the body u32 | CRC-32 of these 8 bytes u32 | body
    body    length of the head u32 | head | arrays, one after the other

Integers are little-endian. The head is JSON: the plain values by name, and for each array its
name, dtype, shape, length in bytes, and whether it is deflated. A record is appended as a whole,
so what a crash leaves is whole records and at most one cut one. The head of a record has a check
of its own: a damaged length must not pass for the end of the file.
A record is one exchange with a device, as plain values and arrays by name.
"""

from __future__ import annotations

import builtins
import json
import math
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from drivers.contract.arrays import select_prefix
from drivers.contract.faults import Fault
from drivers.contract.info import DeviceInfo
from drivers.contract.messages import Probe, Stimulus, read_fields, stimulus_arrays
from drivers.contract.network import Network
from drivers.contract.statements import contradictions
from drivers.errors import FileFormatError, shorten
from drivers.files.archives import CHUNK, PLAIN, check_text
from drivers.files.bounded import RATIO, UNPACKED, describe_error, open_file, parse_json

ExchangeKind = Literal["open", "configure", "write", "run", "faults", "reset", "restore", "close"]
ASKED, GIVEN = "asked.", "given."
TIMES = ("at", "seconds", "transfer_seconds")


@dataclass(frozen=True)
class Exchange:
    """One request to a device, and its answer.

    Attributes:
        kind: What was done. `open` comes first and `close` last.
        asked: The request.
        given: The answer; `error` and `message` where it was an error.
        at: When it was asked, in seconds since the session began.
        seconds: How long the answer took.
        transfer_seconds: How much of it was spent on the line.
    """

    kind: ExchangeKind
    asked: Fields = field(default_factory=dict)
    given: Fields = field(default_factory=dict)
    at: float = 0.0
    seconds: float = 0.0
    transfer_seconds: float = 0.0

    def to_record(self) -> Fields:
        """Make the fields of a record."""
        times = {name: getattr(self, name) for name in TIMES}
        asked = {ASKED + name: value for name, value in self.asked.items()}
        answers = {GIVEN + name: value for name, value in self.given.items()}
        return {"kind": self.kind, **times, **asked, **answers}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Exchange:
        """Read the exchange of a record.

        Raises:
            ValueError: When a field is missing, or is none of an exchange.
        """
        kind: Any = record.get("kind")
        if kind not in get_args(ExchangeKind):
            raise ValueError(f"kind is {_shorten(kind)}")
        for name in TIMES:
            if type(record.get(name)) not in (int, float):
                raise ValueError(f"{name} is missing, or no time")
        asked, given = select_prefix(record, ASKED), select_prefix(record, GIVEN)
        if "error" in given and not isinstance(given.get("message"), str):
            raise ValueError("given.message is missing, or no text")
        return cls(kind, asked, given, *(record[name] for name in TIMES))


def network_fields(network: Network) -> Fields:
    """Take a complete network apart."""
    populations, projections = network.populations, network.projections
    trims = {
        f"trims.{name}.{number}": np.asarray(values)
        for number, population in enumerate(populations, start=1)
        for name, values in population.trims.items()
    }
    return {
        "layers": [int(size) for size in network.layers],
        "projections": [[int(p.source), int(p.target)] for p in projections],
        "full_scale": [float(scale) for scale in network.full_scale],
        "settings": [
            {name: float(value) for name, value in population.settings.items()}
            for population in populations
        ],
        **{f"delay.{number}": np.asarray(p.delay) for number, p in enumerate(projections)},
        **{
            f"synapses.{number}": np.stack([p.synapses.pre, p.synapses.post])
            for number, p in enumerate(projections)
            if p.synapses is not None
        },
        **trims,
    }


def write_fields(projection: int, weights: NDArray[np.float32]) -> Fields:
    """Take apart weights and where they go."""
    return {"projection": int(projection), "weights": weights}


def run_fields(
    stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
) -> Fields:
    """Take apart a stimulus, probes, a trial, and whether the run carries on."""
    parts = {f"stimulus.{name}": value for name, value in stimulus_arrays(stimulus).items()}
    return {
        "trial": None if trial is None else int(trial),
        "carry": carry,
        "probes": [_to_plain(asdict(probe)) for probe in probes],
        **{n: v if isinstance(v, np.ndarray) else _to_plain(v) for n, v in parts.items()},
    }


def fault_fields(faults: Sequence[Fault]) -> Fields:
    """Take apart faults, complete."""
    numbers = {f"where.{number}": np.asarray(f.where) for number, f in enumerate(faults)}
    return {"faults": [_to_plain({**asdict(f), "where": []}) for f in faults], **numbers}


def info_fields(info: DeviceInfo) -> Fields:
    """Take apart what a device is, as JSON has it."""
    fields: Fields = _to_plain(asdict(info))
    return fields


def read_info(fields: Any) -> DeviceInfo:
    """Read the facts that `info_fields` gave.

    Raises:
        ValueError: When they are not complete or cannot be.
    """
    info: DeviceInfo = read_fields(DeviceInfo, fields)
    wrong = contradictions(info)
    if wrong:
        raise ValueError(wrong[0])
    return info


def first_difference(recorded: Fields, asked: Fields) -> str | None:
    """Name the first field that is not the same, with both values, or None."""
    for name in [*recorded, *(n for n in asked if n not in recorded)]:
        if name not in recorded or name not in asked:
            return f"{name} was {'' if name in recorded else 'not '}recorded"
        was, now = recorded[name], asked[name]
        if isinstance(was, np.ndarray) and isinstance(now, np.ndarray):
            if where := _array_difference(was, now):
                return f"{name}{where}"
        elif isinstance(was, np.ndarray) or isinstance(now, np.ndarray) or was != now:
            return f"{name}: recorded {_shorten(was)}, asked {_shorten(now)}"
    return None


def _array_difference(was: NDArray[Any], now: NDArray[Any]) -> str | None:
    if (was.shape, was.dtype) != (now.shape, now.dtype):
        return f": recorded {was.dtype} {was.shape}, asked {now.dtype} {now.shape}"
    if was.tobytes() == now.tobytes():
        return None
    # Bytes, so that nothing that is not the same passes: neither -0 for 0 nor one NaN for another.
    size = was.dtype.itemsize
    a, b = (np.frombuffer(x.tobytes(), np.uint8).reshape(-1, size) for x in (was, now))
    first = int(np.flatnonzero((a != b).any(axis=1))[0])
    place = ", ".join(str(i) for i in np.unravel_index(first, was.shape))
    return f"[{place}]: recorded {was.reshape(-1)[first]!s}, asked {now.reshape(-1)[first]!s}"


def _shorten(value: Any) -> str:
    text = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _to_plain(value: Any) -> Any:
    """Return a value as it comes back from JSON, so that both sides compare alike."""
    return json.loads(json.dumps(value, default=lambda number: number.item()))


VERSION = 2
MAGIC = b"spikeloop session "
FRAME, WORD = struct.Struct("<III"), struct.Struct("<I")
# Deflating pays when the first part of an array shrinks to less than this share.
SAMPLE, PAYS = 1 << 16, 0.8

Fields = dict[str, Any]


class SessionWriter:
    """Appends records to a new session file."""

    def __init__(self, path: str | Path) -> None:
        """Make the file.

        Raises:
            ValueError: When it exists, or its folder does not.
            OSError: When it cannot be made.
        """
        check_free(path)
        # Unbuffered: what was appended is the operating system's, even if this process is killed.
        self._file = builtins.open(path, "xb", buffering=0)  # noqa: SIM115
        self._put(MAGIC + b"%d\n" % VERSION)

    def append(self, fields: Mapping[str, Any]) -> None:
        """Append one record.

        Args:
            fields: Arrays, and plain values that JSON has, by name.

        Raises:
            OSError: When there is no room for it; the file then ends with the record before.
        """
        body = _encode_body(fields)
        head = struct.pack("<II", len(body), zlib.crc32(body))
        self._put(head + WORD.pack(zlib.crc32(head)) + body)

    def close(self) -> None:
        """Close the file, on disk. Closing twice is fine."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()

    def _put(self, data: bytes) -> None:
        end = self._file.tell()
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except BaseException:  # a signal too: what follows must not stand behind half a record
            self._file.truncate(end)
            self._file.seek(end)
            raise


class SessionReader:
    """Reader of the whole records of a session file.

    Attributes:
        path: The file.
        cut: Whether it ends within a record, as a crash leaves it.
    """

    def __init__(self, path: str | Path) -> None:
        """Open a file and check every record.

        Raises:
            FileFormatError: When it is missing, foreign, damaged or of a newer version.
        """
        self.path, self.cut = Path(path), False
        self._file = open_file(path)
        self._size = os.fstat(self._file.fileno()).st_size
        try:
            self._places = self._scan()
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        """Number of whole records."""
        return len(self._places)

    def __getitem__(self, index: int) -> Fields:
        """Read the fields of one record, by name.

        Raises:
            FileFormatError: When its body is not one of a session.
        """
        start, length = self._places[index]
        self._file.seek(start)
        try:
            return _decode_body(self._file.read(length), max(UNPACKED, RATIO * self._size))
        except (ValueError, TypeError, struct.error) as error:
            raise FileFormatError(
                f"{self.path}: record {index} is damaged: {describe_error(error)}"
            ) from None

    def close(self) -> None:
        """Close the file. Closing twice is fine."""
        self._file.close()

    def _scan(self) -> list[tuple[int, int]]:
        """Find where each body is and how long."""
        first = self._file.readline(len(MAGIC) + 12)
        if not first.endswith(b"\n") and (MAGIC + b"%d\n" % VERSION).startswith(first):
            self.cut = True
            return []
        version = first.removeprefix(MAGIC).strip()
        if not (first.startswith(MAGIC) and first.endswith(b"\n") and version.isdigit()):
            raise FileFormatError(f"{self.path}: not a recorded session, or a damaged one")
        if int(version) != VERSION:
            remedy = "upgrade it" if int(version) > VERSION else "record the session anew"
            raise FileFormatError(
                f"{self.path}: session of version {int(version)}, this spikeloop reads version "
                f"{VERSION}: {remedy}"
            )
        places: list[tuple[int, int]] = []
        while place := self._file.tell():
            head = self._file.read(FRAME.size)
            if len(head) < FRAME.size:
                self.cut = bool(head)
                return places
            length, check, own = FRAME.unpack(head)
            sound = zlib.crc32(head[: -WORD.size]) == own
            if sound and place + FRAME.size + length > self._size:
                self.cut = True
                return places
            if not sound or self._checksum(length) != check:
                raise FileFormatError(
                    f"{self.path}: damaged in record {len(places)}, which begins at byte {place}: "
                    f"its first {place} bytes hold what came before"
                )
            places.append((place + FRAME.size, length))
        return places

    def _checksum(self, length: int) -> int:
        """Compute that of the next so many bytes."""
        checksum = 0
        while length > 0 and (part := self._file.read(min(length, CHUNK))):
            checksum, length = zlib.crc32(part, checksum), length - len(part)
        return checksum


def check_free(path: str | Path) -> None:
    """Refuse a path that no new session can be recorded to.

    Raises:
        ValueError: When it exists, its folder does not, or it cannot be written there.
    """
    path = Path(path)
    if path.exists():
        raise ValueError(f"{path} exists already: record the session to another file")
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}: make it first")
    try:
        path.open("xb").close()
        path.unlink()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}: record the session to another file") from None


def _encode_body(fields: Mapping[str, Any]) -> bytes:
    plain, arrays, parts = {}, [], []
    for name, value in fields.items():
        if not isinstance(value, np.ndarray):
            plain[name] = value
            continue
        raw = np.ascontiguousarray(value).tobytes()
        packed = _deflates(raw)
        parts.append(zlib.compress(raw, 1) if packed else raw)
        arrays.append([name, value.dtype.str, value.shape, len(parts[-1]), packed])
    head = json.dumps({"values": plain, "arrays": arrays}).encode()
    return b"".join((WORD.pack(len(head)), head, *parts))


def _deflates(raw: bytes) -> bool:
    sample = raw[:SAMPLE]
    return len(zlib.compress(sample, 1)) < PAYS * len(sample)


def _decode_body(body: bytes, most: int) -> Fields:
    """Read the fields in the body of a record, whose arrays unpack to `most` bytes at most."""
    (length,) = WORD.unpack_from(body)
    place = WORD.size + length
    head = parse_json(body[WORD.size : place], "head")
    if not isinstance(head, dict) or set(head) != {"values", "arrays"}:
        raise ValueError("its head is none")
    values, arrays = head["values"], head["arrays"]
    if not isinstance(values, dict) or not isinstance(arrays, list):
        raise ValueError("its head is none")
    fields: Fields = dict(values)
    for entry in arrays:
        name, dtype, shape, size, packed = _check_entry(entry)
        if name in fields:
            raise ValueError(f"{shorten(name)} is there twice")
        try:
            fields[name] = _decode_array(body[place : place + size], dtype, shape, packed, most)
        except (ValueError, TypeError, zlib.error) as error:
            raise ValueError(f"{shorten(name)}: {describe_error(error)}") from None
        place += size
        most -= fields[name].nbytes
    if place != len(body):
        raise ValueError("it is longer than its arrays")
    return fields


def _check_entry(entry: object) -> tuple[str, str, list[int], int, bool]:
    """Read name, dtype, shape, bytes and whether deflated, of an array."""
    if not isinstance(entry, list) or [type(part) for part in entry] != [str, str, list, int, bool]:
        raise ValueError("an entry of an array is none")
    _, _, shape, size, _ = entry
    if any(type(n) is not int or n < 0 for n in [*shape, size]):
        raise ValueError(f"an array of shape {shorten(str(shape))} and {size} bytes")
    return tuple(entry)


def _decode_array(
    data: bytes, kind: str, shape: list[int], packed: bool, most: int
) -> NDArray[np.generic]:
    dtype = np.dtype(kind)
    if dtype.kind not in PLAIN:
        raise ValueError(f"an array of {shorten(str(dtype))}")
    size = math.prod(shape) * dtype.itemsize
    if packed and size <= most:
        # No more than stated: a small file must not unpack to a large one.
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(data, size + 1)
        if not unpacking.eof:
            raise ValueError("is not as long as stated")
    if len(data) != size:
        raise ValueError(f"{len(data)} bytes of an array of {shorten(str(size))}")
    array = np.frombuffer(data, dtype).reshape(shape).copy()
    check_text(array)
    return array
