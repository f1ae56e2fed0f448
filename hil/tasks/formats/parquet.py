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
from hil.tasks.formats import Address, Arrays, Format
from hil.tasks.formats.roles import COLUMN_OPTIONS, Columns

_INDEX = re.compile(r"__index_level_\d+__")


def read(given: Address) -> Arrays:
    """Read a table.

    Returns:
        Features, labels, and the names of the features.

    Raises:
        ValueError: When it is no such table, or holds what is no number, or has gaps.
    """
    with open_file(given.path) as handle:
        kinds = _read_kinds(handle, given)
        names = [*kinds]
        columns = Columns.choose(names, given)
        texts = {n: kinds[names[n]] for n in columns.features if not _is_number(kinds[names[n]])}
        if texts:
            raise columns.refuse_texts({n: f"of type {kind}"[:60] for n, kind in texts.items()})
        wanted, label = [names[n] for n in columns.features], names[columns.label]
        with _refuse_damaged(given):
            file = _import_parquet(given).ParquetFile(handle, read_dictionary=[label])
            table = file.read([*wanted, label], use_threads=False)
            x = np.empty((table.num_rows, len(wanted)))
            stored = {name: table.column(n) for n, name in enumerate(table.column_names)}
            for place, name in enumerate(wanted):
                column = stored[name].cast("float64", safe=False)
                x[:, place] = column.to_numpy(zero_copy_only=False)  # NaN where there is none
            y = _list_values(stored[label])
    if not len(x):
        raise ValueError(f"{given.file}: holds no rows")
    without = [row for row, label in enumerate(y, 1) if label is None or label != label]
    if without:
        raise columns.refuse_missing(columns.label, f"row {without[0]}")
    for row, place in np.argwhere(~np.isfinite(x))[:1]:
        raise columns.refuse_missing(columns.features[place], f"row {row + 1}")
    return columns.arrays(x, y)


def _import_parquet(given: Address) -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise ValueError(
            f"{given.file}: parquet is read by pyarrow, which is missing: "
            'pip install "spikeloop[parquet]"'
        ) from None
    return parquet


@contextmanager
def _refuse_damaged(given: Address) -> Iterator[None]:
    """Make one line of whatever pyarrow says of a file."""
    try:
        yield
    except Exception as error:  # on damaged bytes, it raises errors of many kinds
        raise ValueError(
            f"{given.file}: cannot be read, it is no parquet file, or cut short or damaged: "
            f"{describe_error(error)}"
        ) from None


def _read_kinds(handle: IO[bytes], given: Address) -> dict[str, Any]:
    """Read the type of each column by its name, once nothing speaks against reading the file."""
    parquet = _import_parquet(given)
    with _refuse_damaged(given):
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


def _list_values(column: Any) -> list[Any]:
    """List the values of a column; those of a dictionary are made once, whatever their number."""
    values = []
    for chunk in column.chunks:
        if hasattr(chunk, "dictionary"):
            entries = chunk.dictionary.to_pylist()
            values += [None if i is None else entries[i] for i in chunk.indices.to_pylist()]
        else:
            values += chunk.to_pylist()
    return values


FORMAT = Format(
    description="a table that pandas or a database wrote: columns with names, one of labels",
    endings=(".parquet", ".pq"),
    options=COLUMN_OPTIONS,
    read=read,
)
