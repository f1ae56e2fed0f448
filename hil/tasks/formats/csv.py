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
from typing import TextIO

import numpy as np

from drivers.files.bounded import describe_error, open_file
from drivers.refusals import shorten
from hil.tasks.formats.format import Address, Arrays, Format, Size
from hil.tasks.formats.table import OPTIONS, Columns, is_missing, read_labels

SEPARATORS = ",;\t|"
MOST = 4 * 2**30  # bytes
WRONG = 100  # rows with something else than numbers, after which enough is known
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb": "utf-8-sig"}
_EXCEL = re.compile(r"sep=(.)\s*", re.IGNORECASE)  # a first line that Excel writes and reads


def read(given: Address) -> Arrays:
    """Read a table.

    Args:
        given: Its address.

    Returns:
        Features, labels, and the names of the features.

    Raises:
        ValueError: When it is no such table, or holds what is no number, or has gaps.
    """
    with _text(given) as handle:
        names, separator, before = _header(handle, given)
        rows = _Rows(Columns.of(names, given), separator != ",")
        reader = csv.reader(handle, delimiter=separator, strict=True)
        for row in reader:
            if row:
                rows.add(row, f"line {before + reader.line_num}")
        return rows.arrays()


def size(given: Address) -> Size:
    """How much is in a table, by the first line and the number of the others.

    Raises:
        ValueError: When it is no such table.
    """
    with _text(given) as handle:
        columns = Columns.of(_header(handle, given)[0], given)
        return Size(sum(bool(line.strip()) for line in handle), len(columns.features))


@contextmanager
def _text(given: Address) -> Iterator[TextIO]:
    """The text of a file; whatever is wrong with it is one line."""
    with open_file(given.path) as raw:
        if os.fstat(raw.fileno()).st_size > MOST:
            raise ValueError(f"{given.file}: is larger than {MOST >> 30} GiB: give a part of it")
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


def _header(handle: TextIO, given: Address) -> tuple[list[str], str, int]:
    """The names of the columns, what separates them, and the number of lines up to there."""
    separators, number = SEPARATORS, 0
    while line := handle.readline():
        number += 1
        excel = _EXCEL.fullmatch(line)
        if excel:
            separators = excel[1]
        elif line.strip():
            break
    names, separator = max(((_cells(line, s), s) for s in separators), key=lambda c: len(c[0]))
    if len(names) < 2:
        raise ValueError(
            f"{given.file}: the first line names fewer than two columns: "
            f"{shorten(repr(line.strip()))}: separate them by commas, semicolons or tabs"
        )
    if all(_is_number(name.replace(",", ".")) for name in names):
        raise ValueError(
            f"{given.file}: the first line holds numbers: put a line before it that names the "
            f"columns, such as x1,x2,label"
        )
    return names, separator, number


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator, strict=True), [])
    except (csv.Error, ValueError, TypeError):  # of separators that cannot be
        return []


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class _Rows:
    """The rows of a table, one after the other."""

    def __init__(self, columns: Columns, commas: bool) -> None:
        """Begin with none.

        Args:
            columns: Which columns are used.
            commas: Whether numbers may have a decimal comma.
        """
        self._columns, self._may_have_commas = columns, commas
        self._numbers, self._labels = array("d"), list[str]()
        self._comma = self._dot = ""  # where a decimal comma and a decimal point were seen
        self._texts: dict[int, str] = {}  # what is no number, by column
        self._missing: tuple[int, str] | None = None
        self._wrong = 0

    def add(self, row: Sequence[str], where: str) -> None:
        """Add a row, or note what is wrong with it."""
        columns = self._columns
        if len(row) != len(columns.names):
            raise ValueError(
                f"{columns.given.file}: {where}: has {len(row)} cells for {len(columns.names)} "
                "columns: give as many, and put texts that hold a separator in quotes"
            )
        label = row[columns.label].strip()
        if label.lower() in ("", "nan"):
            raise columns.refuse_missing(columns.label, where)
        cells = [row[n] for n in columns.features]
        try:
            numbers = self._read(cells, where)
        except ValueError:
            self._note(cells, where)
            return
        if not math.isfinite(sum(numbers)) and not all(map(math.isfinite, numbers)):
            self._note(cells, where)
            return
        self._numbers.extend(numbers)
        self._labels.append(label)

    def arrays(self) -> Arrays:
        """The arrays of all rows.

        Raises:
            ValueError: For whatever was wrong with any.
        """
        self._refuse()
        if not self._labels:
            raise ValueError(f"{self._columns.given.file}: holds no samples below its first line")
        x = np.frombuffer(self._numbers).reshape(len(self._labels), -1)
        return self._columns.arrays(x, read_labels(self._labels))

    def _read(self, cells: Sequence[str], where: str) -> array[float]:
        """The numbers of a row; raises a `ValueError` where something is none."""
        text = " ".join(cells) if self._may_have_commas else ""
        if "," in text:
            numbers = array("d", map(float, (cell.replace(",", ".") for cell in cells)))
            self._comma = self._comma or where
        else:
            numbers = array("d", map(float, cells))
        if "." in text:
            self._dot = self._dot or where
        return numbers

    def _note(self, cells: Sequence[str], where: str) -> None:
        """Note what of a row is missing or no number."""
        for position, cell in zip(self._columns.features, cells, strict=True):
            text = cell.strip()
            if is_missing(text):
                self._missing = self._missing or (position, where)
            elif not _is_number(text.replace(",", ".") if self._may_have_commas else text):
                self._texts.setdefault(position, f"{shorten(text)!r} in {where}")
            elif not math.isfinite(float(text.replace(",", "."))):
                self._missing = self._missing or (position, where)
        self._wrong += 1
        if self._wrong == WRONG:
            self._refuse()

    def _refuse(self) -> None:
        """Refuse what was noted."""
        if self._texts:
            raise self._columns.refuse_text(self._texts)
        if self._missing is not None:
            raise self._columns.refuse_missing(*self._missing)
        if self._comma and self._dot:
            raise ValueError(
                f"{self._columns.given.file}: has a decimal comma in {self._comma} and a decimal "
                f"point in {self._dot}: write all numbers one way"
            )


FORMAT = Format(
    description="a table as text: a line of names, and a column of labels",
    endings=(".csv", ".tsv"),
    options=OPTIONS,
    read=read,
    size=size,
)
