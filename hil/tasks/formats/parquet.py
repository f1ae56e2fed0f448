"""Samples from a table in columns: `parquet:FILE`, read by pyarrow.

What pandas stores of an index, in columns that it calls `__index_level_N__`, is left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

from drivers.files.bounded import RATIO, UNPACKED, describe_error, open_file
from hil.tasks.formats.format import Address, Arrays, Format, Size
from hil.tasks.formats.table import OPTIONS, Columns

_INDEX = re.compile(r"__index_level_\d+__")


def read(given: Address) -> Arrays:
    """Read a table.

    Args:
        given: Its address.

    Returns:
        Features, labels, and the names of the features.

    Raises:
        ValueError: When it is no such table, or holds what is no number, or has gaps.
    """
    with open_file(given.path) as handle:
        kinds = _kinds(handle, given)
        names = [*kinds]
        columns = Columns.of(names, given)
        texts = {n: kinds[names[n]] for n in columns.features if not _is_number(kinds[names[n]])}
        if texts:
            raise columns.refuse_text({n: f"of type {kind}"[:60] for n, kind in texts.items()})
        with _damaged(given):
            label = names[columns.label]
            file = _parquet(given).ParquetFile(handle, read_dictionary=[label])
            x = np.empty((file.metadata.num_rows, len(columns.features)))
            for place, n in enumerate(columns.features):
                column = _column(file, names[n]).cast("float64", safe=False)
                x[:, place] = column.to_numpy(zero_copy_only=False)  # NaN where there is none
            y = _values(_column(file, label))
    if not len(x):
        raise ValueError(f"{given.file}: holds no rows")
    without = [row for row, label in enumerate(y) if label is None or label != label]
    if without:
        raise columns.refuse_missing(columns.label, f"row {without[0] + 1}")
    for row, place in np.argwhere(~np.isfinite(x))[:1]:
        raise columns.refuse_missing(columns.features[place], f"row {row + 1}")
    return columns.arrays(x, y)


def size(given: Address) -> Size:
    """How much is in a table; nothing else is read.

    Raises:
        ValueError: When it is no such table.
    """
    with open_file(given.path) as handle:
        columns = Columns.of([*_kinds(handle, given)], given)
        with _damaged(given):
            rows = _parquet(given).ParquetFile(handle).metadata.num_rows
        return Size(rows, len(columns.features))


def _parquet(given: Address) -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise ValueError(
            f"{given.file}: parquet is read by pyarrow, which is missing: "
            'pip install "spikeloop[parquet]"'
        ) from None
    return parquet


@contextmanager
def _damaged(given: Address) -> Iterator[None]:
    """Whatever pyarrow says of a file is one line."""
    try:
        yield
    except Exception as error:  # on damaged bytes, it raises errors of many kinds
        raise ValueError(
            f"{given.file}: cannot be read, it is no parquet file, or cut short or damaged: "
            f"{describe_error(error)}"
        ) from None


def _kinds(handle: IO[bytes], given: Address) -> dict[str, Any]:
    """The type of each column by its name, once nothing speaks against reading the file."""
    parquet = _parquet(given)
    with _damaged(given):
        file = parquet.ParquetFile(handle)
        about, size = file.metadata, os.fstat(handle.fileno()).st_size
        stored = sum(about.row_group(n).total_byte_size for n in range(about.num_row_groups))
        cells = about.num_rows * about.num_columns
        if not 0 <= max(8 * cells, stored) <= max(UNPACKED, RATIO * size):
            raise ValueError(f"it unpacks to more than {RATIO} times its size")
        names = file.schema_arrow.names
        kinds = dict(zip(names, file.schema_arrow.types, strict=True))
        if len(kinds) < len(names):
            raise ValueError("a column is there twice")
    return {name: kind for name, kind in kinds.items() if not _INDEX.fullmatch(name)}


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    return any(test(kind) for test in tests)


def _column(file: Any, name: str) -> Any:
    return file.read([name], use_threads=False).column(0)


def _values(column: Any) -> list[Any]:
    """The values of a column; those of a dictionary are made once, whatever their number."""
    found = []
    for chunk in column.chunks:
        if hasattr(chunk, "dictionary"):
            known = chunk.dictionary.to_pylist()
            found += [None if i is None else known[i] for i in chunk.indices.to_pylist()]
        else:
            found += chunk.to_pylist()
    return found


FORMAT = Format(
    description="a table that pandas or a database wrote: columns with names, one of labels",
    endings=(".parquet", ".pq"),
    options=OPTIONS,
    read=read,
    size=size,
)
