"""Samples from a table as text: `csv:FILE`, read by pandas.

The first line names the columns. Columns are separated by commas, semicolons, tabs or bars; where
by no commas, numbers may have a decimal comma.
"""

from __future__ import annotations

import csv
import io
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from drivers.errors import shorten
from drivers.files.bounded import describe_error, open_file
from hil.tasks.formats import Address, Arrays, Format, tables
from hil.tasks.formats.tables import Columns

if TYPE_CHECKING:
    import pandas

SEPARATORS = ",;\t|"
LARGEST = 4 * 2**30  # bytes
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
        names, separator, lines = _read_header(handle, 1 + given.is_labelled)
        names = tables.name_columns(names, given)
        columns = Columns.choose(names, given)
        table = _read_rows(handle, names, columns, separator, lines, ".")
        if not len(table):
            raise ValueError("holds no samples below its first line")
        texts = _find_texts(table, columns, ".")
        if texts and separator != ",":
            table = _read_rows(handle, names, columns, separator, lines, ",")
            points, texts = texts, _find_texts(table, columns, ",")
            if texts and not {*texts} & {*points}:
                (one, *_), (other, *_) = points.values(), texts.values()
                raise ValueError(
                    f"has a decimal comma, {one}, and a decimal point, {other}: write all numbers "
                    "one way"
                )
    if texts:
        raise columns.refuse_texts(texts)
    return columns.arrays(table)


@contextmanager
def _open_text(given: Address) -> Iterator[TextIO]:
    """Open the text of a file; whatever is wrong with it is one line."""
    with open_file(given.path) as raw:
        if os.fstat(raw.fileno()).st_size > LARGEST:
            raise ValueError(f"is larger than {LARGEST >> 30} GiB: give a part of it")
        start = raw.read(1024)
        encoding = _MARKS.get(start[:2], "utf-8")
        if b"\0" in start and encoding != "utf-16":
            raise ValueError(
                "is no text: save it as CSV UTF-8, or name its format, such as npz:FILE or "
                "parquet:FILE"
            )
        raw.seek(0)
        try:
            with io.TextIOWrapper(raw, encoding, newline="") as handle:
                yield handle
        except UnicodeError:
            raise ValueError(
                "is no text in UTF-8: save it as CSV UTF-8, or convert it: "
                f"iconv -f WINDOWS-1252 -t UTF-8 {given.file} > utf8.csv"
            ) from None


def _read_header(handle: TextIO, least: int) -> tuple[list[str], str, int]:
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
    if len(names) < least:
        raise ValueError(
            f"the first line names fewer than two columns: {shorten(repr(line.strip()))}: separate "
            "them by commas, semicolons or tabs"
        )
    if all(map(_is_number, names)):
        raise ValueError(
            "the first line holds numbers: put a line before it that names the columns, such as "
            "x1,x2,label"
        )
    if len(_split(handle.readline(), separator)) > len(names):
        raise ValueError(f"line {number + 1}: has more cells than the {len(names)} columns")
    return names, separator, number


def _is_number(text: str) -> bool:
    try:
        return bool(float(text.replace(",", ".")) or True)
    except ValueError:
        return False


def _split(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator, strict=True), [])
    except (csv.Error, ValueError, TypeError):  # of separators that cannot be
        return []


def _read_rows(
    handle: TextIO, names: list[str], columns: Columns, separator: str, lines: int, decimal: str
) -> pandas.DataFrame:
    """Read the rows below the first lines, each by the number of its line."""
    import pandas

    handle.seek(0)
    stripped = {columns.label: str.strip} if columns.label else None  # its texts mean nothing else
    wrong = pandas.errors.ParserError, pandas.errors.ParserWarning
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", wrong[1])  # of rows with a cell too many, all of them
            table = pandas.read_csv(
                handle,
                sep=separator,
                decimal=decimal,
                skiprows=lines,
                header=None,
                names=names,
                index_col=False,
                converters=stripped,
                na_values=[*tables.MISSING, *map(str.upper, tables.MISSING), "NaN", "None"],
                keep_default_na=False,
                skipinitialspace=True,
                skip_blank_lines=False,
                float_precision="round_trip",
                low_memory=False,
            )
    except wrong as error:
        raise ValueError(f"is no table as text: {describe_error(error)}") from None
    table.index = pandas.RangeIndex(lines + 1, lines + 1 + len(table), name="line")
    if not columns.label:
        return table.dropna(how="all")
    labels = table[columns.label]
    labels = labels.mask(labels.str.lower().isin(["", "nan"]))
    for mark in "." if separator == "," else ".,":
        with suppress(ValueError):  # texts
            labels = pandas.to_numeric(labels.str.replace(mark, ".", regex=False))
            break
    table[columns.label] = labels
    blank = labels.isna().to_numpy(copy=True)
    if blank.any():
        blank[blank] = table[blank].isna().all(axis=1)
        return table[~blank]
    return table


def _find_texts(table: pandas.DataFrame, columns: Columns, decimal: str) -> dict[str, str]:
    """Find the features that hold something else than numbers, and the first of each."""
    texts = {}
    marks = str.maketrans(f"{decimal}.", f".{decimal}")
    for name, kind in table.dtypes[columns.features].items():
        if kind.kind in "biuf":
            continue
        numbers = []
        for row, cell in table[name].items():
            try:
                numbers.append(float(str(cell).translate(marks)))
            except ValueError:
                texts[str(name)] = f"{shorten(str(cell))!r} in line {row}"
                break
        else:  # larger than any of 64 bits
            table[name] = numbers
    return texts


FORMAT = Format(
    description="a table as text: a line of names, and a column of labels",
    endings=(".csv", ".tsv"),
    options=tables.OPTIONS,
    read=read,
)
