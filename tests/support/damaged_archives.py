"""Damaged archives of arrays."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from support.damage import NAMES, bytes_damaged, json_damaged

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
