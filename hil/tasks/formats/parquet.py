"""Samples from a table in columns: `parquet:FILE`, read by pyarrow.

What pandas stores of an index, in columns that it calls `__index_level_N__`, is left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from drivers.files.bounded import RATIO, UNPACKED, describe_error, open_file
from hil.tasks.formats import Address, Arrays, Format, tables
from hil.tasks.formats.tables import Columns

if TYPE_CHECKING:
    import pandas

_INDEX = re.compile(r"__index_level_\d+__")


def read(given: Address) -> Arrays:
    """Read a table.

    Returns:
        Features, labels, and the names of the features.

    Raises:
        ValueError: When it is no such table, or holds what is no number, or has gaps.
    """
    with open_file(given.path) as handle:
        with _refuse_damaged():
            kinds = _read_kinds(handle)
        columns = Columns.choose(tables.name_columns([*kinds], given), given)
        texts = {name: kinds[name] for name in columns.features if not _is_number(kinds[name])}
        if texts:
            raise columns.refuse_texts({n: f"of type {kind}"[:60] for n, kind in texts.items()})
        with _refuse_damaged():
            table = _read_columns(handle, columns)
    if not len(table):
        raise ValueError("holds no rows")
    table.index = (table.index + 1).rename("row")
    return columns.arrays(table)


@contextmanager
def _refuse_damaged() -> Iterator[None]:
    """Make one line of whatever pyarrow says of a file."""
    try:
        yield
    except ImportError:
        raise ValueError(
            'parquet is read by pyarrow, which is missing: pip install "spikeloop[parquet]"'
        ) from None
    except Exception as error:  # on damaged bytes, it raises errors of many kinds
        raise ValueError(
            "cannot be read, it is no parquet file, or cut short or damaged: "
            f"{describe_error(error)}"
        ) from None


def _read_kinds(handle: IO[bytes]) -> dict[str, Any]:
    """Read the type of each column by its name, once nothing speaks against reading the file."""
    from pyarrow import parquet

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


def _read_columns(handle: IO[bytes], columns: Columns) -> pandas.DataFrame:
    """Read features as float64, NaN where there is none, and labels, each text of them once."""
    import pyarrow
    from pyarrow import parquet

    label = [columns.label] if columns.label else []
    file = parquet.ParquetFile(handle, read_dictionary=label)
    table = file.read([*columns.features, *label], use_threads=False)
    kinds = pyarrow.schema([(name, pyarrow.float64()) for name in columns.features])
    features = table.select(columns.features).cast(kinds, safe=False)
    frame = features.replace_schema_metadata().to_pandas()  # without the index that pandas kept
    return frame.assign(**{name: table.column(name).to_pandas() for name in label})


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    return any(test(kind) for test in tests)


FORMAT = Format(
    description="a table that pandas or a database wrote: columns with names, one of labels",
    endings=(".parquet", ".pq"),
    options=tables.OPTIONS,
    read=read,
)
