"""Damaged files: what is done to good ones, in every way that one can think of."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from copy import deepcopy
from hashlib import sha256
from random import Random
from typing import Any

import h5py
import numpy as np
import tomli_w
from numpy.typing import NDArray

Damage = Callable[[bytes, Random], bytes]

DEEP, LONG = "@deep@", "@long@"  # put in by text: no library writes them
ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2, 0.5, -0.5, 1e9, 1e300, -1e300, 10**18, 2**63 - 1, 2**63,
    -(2**70), float("nan"), float("inf"), -float("inf"), "", "x", "nan", "1", "../../x",
    "/dev/zero", "a" * 5000, "\x00", "\r\nline", "$x$ {{ 7 * 7 }} <b>", "\ud800", "\U0001f600",
    [], [[]], [0], [1, 2, 3], ["a"], [None], {}, {"a": 1}, {"": {}}, {"name": "x"}, [0.1] * 50,
    ["a" * 5000], ["\r\nline"], "two words " * 900, "(" * 300, DEEP, LONG,
]  # fmt: skip
NAMES = (
    *("x", "", "a.b", "__class__", "é", "name", "\x00", "a\r\n(&\x1b[2J", "\u202e", "a" * 5000),
    *("two words " * 900, "(" * 300, "'", "{x}"),
)


# -- bytes ------------------------------------------------------------------------------------


def bytes_damaged(good: bytes, rng: Random) -> bytes:
    """Cut, flipped, filled up, thrown together: what happens on disks and lines."""
    content = bytearray(good)
    at = rng.randrange(len(content) + 1)
    to = min(len(content), at + rng.choice((1, 2, 4, 16, 300)))
    kind = rng.randrange(9)
    if kind == 0:
        del content[at:]
    elif kind == 1:
        for _ in range(rng.choice((1, 1, 3, 40))):
            if content:
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        content[at:at] = rng.randbytes(rng.choice((1, 2, 7, 500)))
    elif kind == 3:
        content[at:to] = bytes(to - at)
    elif kind == 4:
        content[at:at] = content[at:to]
    elif kind == 5:
        del content[at:to]
    elif kind == 6:
        content[at:to] = b"\xff" * (to - at)
    elif kind == 7:
        content += rng.choice((b"\n", b"\x00" * 9, bytes(content), b"PK\x05\x06" + bytes(18)))
    else:
        whole = (
            b"",
            b"{}",
            b"[]",
            b"null",
            b"0",
            b"\n",
            b"PK\x03\x04",
            b"\xff\xfe",
            b"[" * 100_000,
        )
        return rng.choice(whole)
    return bytes(content)


# -- values, as JSON and TOML have them -------------------------------------------------------


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every entry of tables and lists within each other: what holds it, and its key there."""
    found = []
    if not isinstance(value, dict | list):
        return found
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        found.append((value, key))
        found += places(item)
    return found


def value_damaged(value: Any, rng: Random) -> Any:
    """Something of it missing, there twice, of another type, or beyond any limit."""
    changed = deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        entries = places(changed)
        if not entries or rng.random() < 0.02:
            return rng.choice(ODD)
        holder, key = rng.choice(entries)
        kind = rng.randrange(8)
        if kind <= 3:
            holder[key] = deepcopy(rng.choice(ODD))
        elif kind == 4:
            del holder[key]
        elif kind == 5:
            other, name = rng.choice(entries)
            holder[key] = deepcopy(other[name])
        elif kind == 6 and isinstance(holder, dict):
            holder[rng.choice((*NAMES, str(key) * 2))] = holder[key]
        elif isinstance(holder, list):
            holder.insert(key, holder[key])
        else:
            holder[str(key).upper()] = holder.pop(key)
    return changed


def written(text: str) -> bytes:
    """With what no library writes put in."""
    deep, many = "[" * 100_000 + "]" * 100_000, "9" * 400
    for word, instead in ((DEEP, deep), (LONG, many)):
        text = text.replace(f'"{word}"', instead)
    return text.encode(errors="surrogatepass")


def json_damaged(good: bytes, rng: Random) -> bytes:
    """JSON of other values; or its text spoilt."""
    if rng.random() < 0.25:
        return bytes_damaged(good, rng)
    if rng.random() < 0.05:  # a key twice
        return good.replace(b"{", rng.choice((b'{"step": 1, ', b'{"": 0, "": 1, ')), 1)
    if rng.random() < 0.1:
        text = good.decode()
        at = rng.randrange(len(text))
        inserted = ("[" * 2000, ",", '"', "NaN", "-", "1e999", "}", "\\u0000", "0x1")
        return (text[:at] + rng.choice(inserted) + text[at:]).encode()
    try:
        value = json.loads(good)
    except (ValueError, RecursionError):  # damaged before
        return bytes_damaged(good, rng)
    return written(json.dumps(value_damaged(value, rng)))


def toml_damaged(good: bytes, rng: Random) -> bytes:
    """TOML of other values; or its text spoilt."""
    import tomllib

    if rng.random() < 0.25:
        return bytes_damaged(good, rng)
    changed = value_damaged(tomllib.loads(good.decode()), rng)
    try:
        return written(tomli_w.dumps(changed))
    except (TypeError, ValueError, AttributeError):  # TOML has no null
        return bytes_damaged(good, rng)


def lines_damaged(good: bytes, rng: Random) -> bytes:
    """Lines of JSON: missing, twice, in another order, of other values."""
    lines = good.splitlines()
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(7)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(other, lines[at])
    elif kind == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == 3:
        return bytes_damaged(good, rng)
    else:
        lines[at] = json_damaged(lines[at], rng)
    return b"\n".join(lines) + b"\n"


def journal_damaged(good: bytes, rng: Random) -> bytes:
    """Lines of a journal damaged as any; or of other values, with right checksums."""
    if rng.random() < 0.4:
        return lines_damaged(good, rng)
    values = [json.loads(line) for line in good.splitlines()]
    which = rng.randrange(len(values))
    changed = value_damaged(values[which], rng)
    values[which] = changed
    lines, check = [], ""
    for value in values:
        if isinstance(value, dict):
            value.pop("check", None)
        body = written(json.dumps(value, separators=(",", ":"))).decode(errors="replace")
        check = sha256((check + body).encode()).hexdigest()[:16]
        lines.append(f'{body[:-1]},"check":"{check}"}}')
    return ("\n".join(lines) + "\n").encode()


# -- files of their own formats ---------------------------------------------------------------


def idx_damaged(good: bytes, rng: Random) -> bytes:
    """An IDX file whose header promises something else; or a gzip stream that is not one."""
    content = bytearray(good)
    kind = rng.randrange(6)
    if kind == 0:
        content[3] = rng.choice((0, 1, 2, 3, 4, 255))
    elif kind == 1:
        at = 4 + 4 * rng.randrange(3)
        content[at : at + 4] = struct.pack(">I", rng.choice((0, 1, 5, 2**16, 2**31, 2**32 - 1)))
    elif kind == 2:
        return gzip.compress(bytes_damaged(good, rng), 1)
    elif kind == 3:
        return bytes_damaged(gzip.compress(good, 1), rng)
    else:
        return bytes_damaged(good, rng)
    return bytes(content)


def session_record(values: Any, arrays: list[Any], data: bytes) -> bytes:
    """A record with sound checks, whatever is in it."""
    head = written(json.dumps({"values": values, "arrays": arrays}))
    body = struct.pack("<I", len(head)) + head + data
    frame = struct.pack("<II", len(body), zlib.crc32(body))
    return frame + struct.pack("<I", zlib.crc32(frame)) + body


def session_damaged(good: bytes, rng: Random) -> bytes:
    """Records missing, twice, or of other values and arrays, each with a right checksum."""
    if rng.random() < 0.2:
        return bytes_damaged(good, rng)
    first = good.index(b"\n") + 1
    records, at = [], first
    while at < len(good):
        (length,) = struct.unpack_from("<I", good, at)
        records.append(good[at : at + 12 + length])
        at += 12 + length
    which = rng.randrange(len(records))
    kind = rng.randrange(8)
    if kind == 0:
        del records[which]
    elif kind == 1:
        records.insert(which, rng.choice(records))
    else:
        body = records[which][12:]
        (length,) = struct.unpack_from("<I", body)
        head, data = json.loads(body[4 : 4 + length]), body[4 + length :]
        values, arrays = head["values"], head["arrays"]
        if kind <= 5 or not arrays:
            values = value_damaged(values, rng)
        else:
            arrays = value_damaged(arrays, rng)
            if rng.random() < 0.5:
                arrays = deepcopy(head["arrays"])
                other = ("<f8", "<i4", "|O", ">f4", "<U1", "V4", "nonsense", "<f2", "<c8", "|b1")
                rng.choice(arrays)[1] = rng.choice(other)
        records[which] = session_record(values, arrays, data)
    return good[:first] + b"".join(records)


# -- HDF5 -------------------------------------------------------------------------------------


def hdf5_damaged(good: bytes, rng: Random) -> bytes:
    """Damaged bytes, names, or numbers of eight bytes that lead elsewhere: lengths, addresses."""
    if rng.random() < 0.4:
        return bytes_damaged(good, rng)
    if rng.random() < 0.2:
        return hdf5_renamed(good, rng)
    content = bytearray(good)
    for _ in range(rng.choice((1, 1, 2, 8))):
        used = [at for at in range(0, len(content) - 8, 8) if any(content[at : at + 8])]
        odd = (0, 1, 8, 2**16, 2**32, 2**63, 2**64 - 1, rng.randrange(len(good)), rng.choice(used))
        content[(at := rng.choice(used)) : at + 8] = struct.pack("<Q", rng.choice(odd))
    return bytes(content)


def hdf5_renamed(good: bytes, rng: Random) -> bytes:
    """One of its groups or arrays under another name, or one of its texts another one."""
    content, name = io.BytesIO(good), rng.choice(NAMES)
    with h5py.File(content, "r+") as file:
        places: list[str] = []
        file.visit(places.append)
        place = rng.choice(places)
        parent, own = file[place].parent, file[place]
        if (
            isinstance(own, h5py.Dataset)
            and h5py.check_string_dtype(own.dtype)
            and rng.random() < 0.7
        ):
            texts = np.full(own.shape, name.replace("\x00", "\x01"), object)
            del file[place]
            parent[place.rpartition("/")[2]] = texts
        elif (new := name.replace("\x00", "").strip("./")) and new not in parent:
            parent.move(place.rpartition("/")[2], new)
    return content.getvalue()


CELLS = (
    "", " ", "nan", "inf", "-inf", "1e999", "x", "1,5", "1.5", "1.5.5", "0x1f", "1_0", '"', '""',
    '"a', "a\nb", "\x00", "\ufeff", "é", "9" * 400, "a" * 200_000, "=1+1", "None", "True", "label",
    "\x1b[2J", "\u202e", "two words " * 900,
)  # fmt: skip
HEADERS = (
    "", "1,2,3,4,5", "a,b", "label,label,c,d,e", ",b,c,d,label", "a,b,c,d,e", "a;b;c;d;label",
    "sep=;", "sep=\n", '"a,b,c,d,label', "label", "target,y,c,d,label", "a,b,c,d,label,f",
)  # fmt: skip


def csv_damaged(good: bytes, rng: Random) -> bytes:
    """A table with other cells, other rows, another first line, other separators or bytes."""
    kind = rng.randrange(7)
    if kind == 0:
        return bytes_damaged(good, rng)
    first, *lines = good.decode().splitlines()
    at = rng.randrange(len(lines))
    if kind <= 3:
        cells = lines[at].split(",")
        place = rng.randrange(len(cells))
        cells[place : place + rng.choice((0, 1, 1, 1, 2))] = [rng.choice(CELLS)]
        lines[at] = ",".join(cells)
    elif kind == 4:
        first = rng.choice((*HEADERS, *(f"{name},b,c,d,label" for name in NAMES)))
    elif kind == 5:
        lines[at] = rng.choice(("", ",,,,", "x", lines[at].replace(",", ";"), lines[at] + ","))
    else:
        lines = rng.choice(([], lines[:1], [*lines, *lines], [first, *lines]))
    text = "\n".join([first, *lines])
    encoding = rng.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"))
    return text.encode(encoding, errors="replace")


def parquet_damaged(good: bytes, rng: Random) -> bytes:
    """A table of other columns, written as it should be, or bytes that are spoilt."""
    if rng.randrange(3):
        return bytes_damaged(good, rng)
    import pyarrow as pa
    from pyarrow import parquet

    table = parquet.read_table(io.BytesIO(good))
    rows, odd = table.num_rows, rng.randrange(9)
    values: list[Any] = [
        [None] * rows,
        ["x"] * rows,
        [[1, 2]] * rows,
        [{"a": 1}] * rows,
        [float("nan")] * rows,
        [float("inf")] * rows,
        [b"\xff"] * rows,
        [0.5] * rows,
        ["a" * 9000] * rows,
    ]
    name = rng.choice(table.column_names)
    changed = table.set_column(table.column_names.index(name), name, pa.array(values[odd]))
    kind = rng.randrange(5)
    if kind == 0:
        changed = changed.drop_columns([name])
    elif kind == 1:
        others = [rng.choice(NAMES) for _ in changed.column_names]
        changed = changed.rename_columns(rng.choice((["a"] * changed.num_columns, others)))
    elif kind == 2:
        changed = changed.slice(0, 0)
    file = io.BytesIO()
    parquet.write_table(changed, file)
    return file.getvalue()


Arrays = dict[str, NDArray[Any]]


def array_damaged(array: NDArray[Any], rng: Random) -> NDArray[Any]:
    """Of another dtype, another shape, or with values beyond any limit."""
    kind = rng.randrange(9)
    if kind == 0:
        other = rng.choice(("<f8", ">f4", "<i8", "u1", "?", "<c8", "<U3", "S4", "<f2", "M8[s]"))
        try:
            with np.errstate(all="ignore"):
                return array.astype(other)
        except (TypeError, ValueError, RuntimeError):
            return np.zeros(array.shape, other)
    if kind == 1:
        return array[None]
    if kind == 2:
        return np.asarray(array).reshape(-1)
    if kind == 3:
        return array[:0] if array.ndim else np.zeros(0)
    if kind == 4:
        return np.concatenate([array, array]) if array.ndim else np.asarray([array, array])
    if kind == 5 and array.ndim:
        return np.asfortranarray(np.swapaxes(array, 0, -1))
    if kind == 6:
        return np.asarray(rng.choice((0, -1, 2**62, "x", "{}", '{"a": ' * 50, np.nan, True)))
    changed = np.array(array)
    if changed.dtype.kind == "f" and changed.size:
        place = rng.randrange(changed.size)
        changed.reshape(-1)[place] = rng.choice((np.nan, np.inf, -np.inf, 3e38, -3e38, 0.0))
    elif changed.dtype.kind in "iu" and changed.size:
        limits = np.iinfo(changed.dtype)
        worst = (limits.min, limits.max, 0, 1)
        changed.reshape(-1)[rng.randrange(changed.size)] = rng.choice(worst)
    elif changed.dtype.kind == "U" and not changed.ndim:
        text = str(changed)
        return np.asarray(json_damaged(text.encode() or b"{}", rng).decode(errors="replace"))
    return changed


def arrays_damaged(arrays: Arrays, rng: Random) -> Arrays:
    """Some arrays missing, there under another name, or damaged themselves."""
    changed = dict(arrays)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if not changed:
            break
        name = rng.choice(list(changed))
        kind = rng.randrange(8)
        if kind == 0:
            del changed[name]
        elif kind == 1:
            others = (*NAMES, f"{name}0", "__kind__", "weights/9", "train_state")
            changed[rng.choice(others)] = changed[name]
        elif kind == 2:
            changed[name] = changed[rng.choice(list(changed))]
        else:
            changed[name] = array_damaged(changed[name], rng)
    return changed


def unpacked(good: bytes) -> Arrays:
    with np.load(io.BytesIO(good)) as archive:
        return {name: archive[name] for name in archive.files}


def member(array: NDArray[Any]) -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array(content, array, allow_pickle=True)
    return content.getvalue()


def header(shape: str, dtype: str = "'<f4'", version: int = 1) -> bytes:
    """The header of an array that says whatever one likes, with a few bytes behind it."""
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text.encode() + bytes(64)


ODD_MEMBERS: list[Callable[[], bytes]] = [
    lambda: b"",
    lambda: b"no array",
    lambda: b"\x93NUMPY",
    lambda: header(f"({2**70},)"),
    lambda: header(f"({2**40}, {2**40})"),
    lambda: header("(-1,)"),
    lambda: header("(4, -4)"),
    lambda: header("(" * 60 + "1" + ",)" * 60),
    lambda: header("(__import__('os').system('touch hacked'),)"),
    lambda: header("(4,)", "'|O'"),
    lambda: header("(4,)", f"('<f4', ({2**30},))"),
    lambda: header("(1,)", f"'<U{2**30}'"),
    lambda: header("(4,)", "[('a', '<f4'), ('a', '<f4')]"),
    lambda: header("(4,)", "'nonsense'"),
    lambda: header("(16,)", version=2),
    lambda: header("(16,)", version=3),
    lambda: header("(16,)", version=9),
    lambda: header("(1L,)"),
    lambda: member(np.array([{}, open], dtype=object)),
    lambda: b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{" * 20_000,
    lambda: header("(1,)", "'<U1'") [:-64] + b"\xff\xff\xff\x7f",
]  # fmt: skip


def npz_damaged(good: bytes, rng: Random) -> bytes:
    """An archive of other arrays, of members that are none, or spoilt as an archive."""
    kind = rng.randrange(10)
    if kind <= 1:
        return bytes_damaged(good, rng)
    arrays = unpacked(good)
    if kind <= 6:
        content = io.BytesIO()
        np.savez(content, **arrays_damaged(arrays, rng))  # type: ignore[arg-type]
        return content.getvalue()
    members = {f"{name}.npy": member(array) for name, array in arrays.items()}
    name = rng.choice(list(members))
    if kind <= 8:
        members[name] = rng.choice(ODD_MEMBERS)()
    packed = zipped(members, rng)
    return packed if kind != 9 else _table_damaged(packed, rng)


def zipped(members: dict[str, bytes], rng: Random) -> bytes:
    """An archive, at times of members that are there twice, no arrays, or compressed somehow."""
    content = io.BytesIO()
    kinds = (zipfile.ZIP_STORED,) * 3 + (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    with zipfile.ZipFile(content, "w", rng.choice(kinds)) as archive:
        for name, data in members.items():
            archive.writestr(name.removesuffix(".npy") if rng.random() < 0.03 else name, data)
        if rng.random() < 0.1:
            archive.writestr("../outside.npy", b"x")
        if rng.random() < 0.1:
            archive.writestr("bomb.npy", bytes(3_000_000), zipfile.ZIP_DEFLATED)
    return content.getvalue()


def _table_damaged(packed: bytes, rng: Random) -> bytes:
    """A table of contents that says something else: encrypted, huge, of an unknown method."""
    content = bytearray(packed)
    entries = [at for at in range(len(content)) if content[at : at + 4] == b"PK\x01\x02"]
    at = rng.choice(entries)
    field, form, values = rng.choice(
        (
            (8, "<H", (1, 0x21, 0x40, 0xFFFF)),
            (10, "<H", (1, 8, 9, 12, 14, 93, 99)),
            (16, "<I", (0, 1)),
            (20, "<I", (0, 1, 2**31, 2**32 - 1)),
            (24, "<I", (0, 1, 2**31, 2**32 - 2)),
            (42, "<I", (0, 1, 2**32 - 2)),
        )
    )
    struct.pack_into(form, content, at + field, rng.choice(values))
    return bytes(content)
