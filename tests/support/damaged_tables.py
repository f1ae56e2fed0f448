"""Damaged tables: as text, and as parquet."""

from __future__ import annotations

import io
from random import Random
from typing import Any

from support.damage import NAMES, bytes_damaged

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
