"""Files that anybody may have written, read within bounds.

Whatever a file holds, reading it ends: with what it says, or with one line that names the file and
what in it is wrong. Bounded are its size, how deep it nests, and its numbers. Nothing in a file is
ever run.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from drivers.errors import FileFormatError, shorten

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

MIB = 1 << 20
DEPTH = 32  # tables and lists within each other
PARTS = 300  # of a dotted key
LARGEST = 2**63 - 1  # of whole numbers, either sign
# What a compressed file may unpack to: this much, or so many times its own size.
UNPACKED, RATIO = 256 * MIB, 100


def open_file(path: str | Path) -> IO[bytes]:
    """Open a regular file, for reading alone; never waits, as for a pipe.

    Raises:
        FileFormatError: When there is none, or it cannot be read.
    """
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise FileFormatError(f"{path}: no such file") from None
    except OSError as error:
        raise FileFormatError(f"{path}: {error.strerror}") from None
    except ValueError:  # a NUL in the path
        raise FileFormatError(f"{shorten(str(path))}: no such file") from None
    mode = os.fstat(number).st_mode
    if not stat.S_ISREG(mode):
        os.close(number)
        kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise FileFormatError(f"{path}: is {kind}: give a file")
    return os.fdopen(number, "rb")


def read_bytes(path: str | Path, most: int = MIB) -> bytes:
    """The content of a file of at most so many bytes.

    Raises:
        FileFormatError: When it is missing, larger, or cannot be read.
    """
    with open_file(path) as handle:
        try:
            content = handle.read(most + 1)
        except OSError as error:
            raise FileFormatError(f"{path}: {error.strerror}") from None
    if len(content) > most:
        raise FileFormatError(f"{path}: is larger than {most} bytes: no such file is")
    return content


def read_json(path: str | Path, most: int = MIB) -> Any:
    """The value in a JSON file.

    Raises:
        FileFormatError: When it is missing, too large, no JSON, or beyond the bounds.
    """
    return parse_json(read_bytes(path, most), str(path))


def parse_json(text: bytes | str, name: str) -> Any:
    """The value that a JSON text stands for: finite numbers alone, and each key once.

    Args:
        text: The text.
        name: What a refusal calls it.

    Raises:
        FileFormatError: When it is no JSON, or beyond the bounds.
    """

    def read_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            raise ValueError("a key is given twice")
        return table

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no number")

    try:
        value = json.loads(text, object_pairs_hook=read_once, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{name}: is no valid JSON: {describe_error(error)}") from None
    _check_values(value, name)
    return value


def read_toml(path: str | Path, most: int = MIB // 4) -> dict[str, Any]:
    """The table in a TOML file.

    Raises:
        FileFormatError: When it is missing, too large, no TOML, or beyond the bounds.
    """
    return parse_toml(read_bytes(path, most), str(path))


def parse_toml(text: bytes, name: str) -> dict[str, Any]:
    """The table that a TOML text stands for, within the bounds.

    Raises:
        FileFormatError: When it is no TOML, or beyond the bounds.
    """
    import tomllib

    # The time that a key takes grows with the square of its parts.
    if any(part.count(b".") > PARTS for part in re.split(rb"[=,{\n]", text)):
        raise FileFormatError(f"{name}: is no valid TOML: a key of more than {PARTS} parts")
    try:
        table = tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{name}: is no valid TOML: {describe_error(error)}") from None
    _check_values(table, name)
    return table


def describe_error(error: Exception) -> str:
    """Say what an error says, in one line that is not long."""
    if isinstance(error, RecursionError):
        return "it nests too deep"
    return shorten(str(error) or type(error).__name__)


def describe_first(error: ValidationError) -> str:
    """Say the first thing that pydantic finds wrong: where, and what is allowed."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")  # raised by a validator of ours
    return ": ".join(shorten(part) for part in (where, message) if part)


def check_schema(model: type[BaseModel], values: Any, name: str) -> dict[str, Any]:
    """The values of a file, when they are what a model states; themselves, not the model.

    Args:
        model: The model.
        values: As `read_json` or `read_toml` gives them.
        name: What a refusal calls the file.

    Raises:
        FileFormatError: One line that names the file and the first field that is wrong.
    """
    from pydantic import ValidationError

    try:
        model.model_validate(values)
    except ValidationError as error:
        raise FileFormatError(f"{name}: {describe_first(error)}") from None
    table: dict[str, Any] = values
    return table


def _check_values(value: Any, name: str) -> None:
    """Refuse what no file of ours holds, wherever it stands."""
    waiting: list[tuple[Any, str, int]] = [(value, "", 0)]
    while waiting:
        each, where, depth = waiting.pop()
        wrong = _find_fault(each, depth)
        if wrong:
            raise FileFormatError(f"{name}: {f'{shorten(where)}: ' if where else ''}{wrong}")
        items: Any = ()
        if isinstance(each, Mapping):
            items = each.items()
            waiting += [(key, where, depth) for key in each]
        elif isinstance(each, list):
            items = enumerate(each)
        waiting += [
            (item, f"{where}.{key}" if where else str(key), depth + 1) for key, item in items
        ]


def _find_fault(value: Any, depth: int) -> str:
    if depth > DEPTH:
        return f"nests deeper than {DEPTH} levels"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is no number to be used here: give a finite one"
    if isinstance(value, int) and abs(value) > LARGEST:
        return "a whole number beyond 64 bits: give a smaller one"
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return "holds half a character"
    return ""
