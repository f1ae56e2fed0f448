"""Samples from a table as text: `csv:FILE`.

The first line names the columns. Columns are separated by commas, semicolons, tabs or bars; where
by no commas, numbers may have a decimal comma. Python's own `csv` reads it row by row, so that a
refusal names the line.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import numpy as np

from drivers.files.bounded import describe_error, open_file
from drivers.refusals import shorten
from hil.tasks.formats import Address, Arrays, Format
from hil.tasks.formats.roles import COLUMN_OPTIONS, MISSING, Columns

SEPARATORS = ",;\t|"
LARGEST = 4 * 2**30  # bytes
MOST_WRONG = 100  # rows with something else than numbers, after which enough is known
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb": "utf-8-sig"}
_EXCEL = re.compile(r"sep=(.)\s*", re.IGNORECASE)  # a first line that Excel writes and reads


def read(given: Address) -> Arrays:
    """Read a table.

    Returns:
        Features, labels, and the names of the features.

    Raises:
        ValueError: When it is no such table, or holds what is no number, or has gaps.
    """
    with _open_text(given) as handle:
        names, separator, before = _read_header(handle, given)
        columns = Columns.choose(names, given)
        numbers, labels = array("d"), list[str]()
        wrong: list[tuple[str, Sequence[str]]] = []  # where, and the cells
        decimal: dict[str, str] = {}  # where a decimal comma and a decimal point were seen
        reader = csv.reader(handle, delimiter=separator, strict=True)
        for row in reader:
            if not row:
                continue
            where = f"line {before + reader.line_num}"
            label, cells = _split_row(row, columns, where)
            text = "".join(cells) if separator != "," else ""
            marks = [mark for mark in ",." if mark in text]
            for mark in marks:
                decimal.setdefault(mark, where)
            try:
                values = array("d", map(float, _with_points(cells) if "," in marks else cells))
            except ValueError:
                values = array("d", [math.nan])
            if math.isfinite(sum(values)) or all(map(math.isfinite, values)):
                numbers.extend(values)
                labels.append(label)
            else:
                wrong.append((where, cells))
                if len(wrong) == MOST_WRONG:
                    break
    if wrong:
        raise _explain(columns, wrong, separator != ",")
    if len(decimal) == 2:
        raise ValueError(
            f"{given.file}: has a decimal comma in {decimal[',']} and a decimal point in "
            f"{decimal['.']}: write all numbers one way"
        )
    if not labels:
        raise ValueError(f"{given.file}: holds no samples below its first line")
    x = np.frombuffer(numbers).reshape(len(labels), -1)
    return columns.arrays(x, _read_labels(labels))


@contextmanager
def _open_text(given: Address) -> Iterator[TextIO]:
    """Open the text of a file; whatever is wrong with it is one line."""
    with open_file(given.path) as raw:
        if os.fstat(raw.fileno()).st_size > LARGEST:
            raise ValueError(f"{given.file}: is larger than {LARGEST >> 30} GiB: give a part of it")
        start = raw.read(1024)
        encoding = _MARKS.get(start[:2], "utf-8")
        if b"\0" in start and encoding != "utf-16":
            raise ValueError(
                f"{given.file}: is no text: save it as CSV UTF-8, or name its format, such as "
                "npz:FILE or parquet:FILE"
            )
        raw.seek(0)
        try:
            with io.TextIOWrapper(raw, encoding, newline="") as handle:
                yield handle
        except UnicodeError:
            raise ValueError(
                f"{given.file}: is no text in UTF-8: save it as CSV UTF-8, or convert it: "
                f"iconv -f WINDOWS-1252 -t UTF-8 {given.file} > utf8.csv"
            ) from None
        except csv.Error as error:
            raise ValueError(
                f"{given.file}: is no table as text: {describe_error(error)}"
            ) from None


def _read_header(handle: TextIO, given: Address) -> tuple[list[str], str, int]:
    """Read the names of the columns, what separates them, and the number of lines up to there."""
    separators, number = SEPARATORS, 0
    while line := handle.readline():
        number += 1
        excel = _EXCEL.fullmatch(line)
        if excel:
            separators = excel[1]
        elif line.strip():
            break
    names, separator = max(((_split(line, s), s) for s in separators), key=lambda c: len(c[0]))
    if len(names) < 2:
        raise ValueError(
            f"{given.file}: the first line names fewer than two columns: "
            f"{shorten(repr(line.strip()))}: separate them by commas, semicolons or tabs"
        )
    if all(_to_float(name, decimal_comma=True) is not None for name in names):
        raise ValueError(
            f"{given.file}: the first line holds numbers: put a line before it that names the "
            f"columns, such as x1,x2,label"
        )
    return names, separator, number


def _split(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator, strict=True), [])
    except (csv.Error, ValueError, TypeError):  # of separators that cannot be
        return []


def _split_row(row: Sequence[str], columns: Columns, where: str) -> tuple[str, Sequence[str]]:
    """Split a row into its label and the cells of the features."""
    if len(row) != len(columns.names):
        raise ValueError(
            f"{columns.given.file}: {where}: has {len(row)} cells for {len(columns.names)} "
            "columns: give as many, and put texts that hold a separator in quotes"
        )
    label = row[columns.label].strip()
    if label.lower() in ("", "nan"):
        raise columns.refuse_missing(columns.label, where)
    return label, [row[n] for n in columns.features]


def _with_points(cells: Sequence[str]) -> Iterator[str]:
    return (cell.replace(",", ".") for cell in cells)


def _to_float(text: str, *, decimal_comma: bool) -> float | None:
    try:
        return float(text.replace(",", ".") if decimal_comma else text)
    except ValueError:
        return None


def _explain(
    columns: Columns, rows: Sequence[tuple[str, Sequence[str]]], decimal_comma: bool
) -> ValueError:
    """Say what of rows is no number, or else is missing."""
    texts: dict[int, str] = {}
    missing: list[tuple[int, str]] = []
    for where, cells in rows:
        for position, cell in zip(columns.features, map(str.strip, cells), strict=True):
            number = _to_float(cell, decimal_comma=decimal_comma)
            if number is None and cell.lower() not in MISSING:
                texts.setdefault(position, f"{shorten(cell)!r} in {where}")
            elif number is None or not math.isfinite(number):
                missing.append((position, where))
    return columns.refuse_texts(texts) if texts else columns.refuse_missing(*missing[0])


def _read_labels(texts: Sequence[str]) -> Sequence[Any]:
    """Read labels as whole numbers or floats where all of them are."""
    kinds: tuple[type, ...] = (int, float)
    for kind in kinds:
        try:
            return [kind(text) for text in texts]
        except ValueError:
            continue
    return texts


FORMAT = Format(
    description="a table as text: a line of names, and a column of labels",
    endings=(".csv", ".tsv"),
    options=COLUMN_OPTIONS,
    read=read,
)
