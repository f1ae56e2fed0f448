"""Tables of TOML files that describe neurons and chips: a reader, with a refusal, of each kind."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from device_models.naming import quote, suggest

Reader = Callable[[Any, str], Any]
LONGEST_TEXT, GREATEST = 1000, 1e30
# Bytes of a file, and characters and dots of a line: the time that parsing takes grows with the
# square of what a line names.
SIZE, LINE, DOTS = 128 * 1024, 4000, 300


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ValueError: When it is none, or is larger than any chip.
        OSError: When it cannot be read.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ValueError("is no ordinary file")
    with path.open("rb") as handle:
        data = handle.read(SIZE + 1)
    if len(data) > SIZE:
        raise ValueError(f"is larger than {SIZE // 1024} KiB: that is no chip")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("is no text in UTF-8") from None
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LINE or line.count(".") > DOTS:
            raise ValueError(
                f"line {number} is longer than {LINE} characters or has more than {DOTS} dots: "
                "break it"
            )
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("is no valid TOML: nested too deeply") from None
    except ValueError as error:  # also a whole number of thousands of digits, a date that is none
        raise ValueError(f"is no valid TOML: {error}") from None


def read_code(value: Any, key: str) -> str:
    """Read a text of any characters and length.

    Raises:
        ValueError: When it is none.
    """
    if not isinstance(value, str):
        raise ValueError(f"{key} = {quote(value)}: give a text")
    return value


def read_text(value: Any, key: str) -> str:
    """Read a text that is shown to people.

    Raises:
        ValueError: When it is none, is long, or has characters that act on a terminal.
    """
    text = read_code(value, key)
    if len(text) > LONGEST_TEXT or not text.isprintable():
        raise ValueError(
            f"{key} = {quote(value)}: give up to {LONGEST_TEXT} characters, all of them printable"
        )
    return text


def read_number(value: Any, key: str) -> float:
    """Read a number of ordinary size.

    Raises:
        ValueError: When it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} = {quote(value)}: give a number")
    if not -GREATEST <= value <= GREATEST:
        raise ValueError(
            f"{key} = {quote(value)}: give a number from -{GREATEST:g} to {GREATEST:g}"
        )
    return float(value)


def read_table(value: Any, key: str) -> Mapping[str, Any]:
    """Read a table.

    Raises:
        ValueError: When it is none.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"{key} = {quote(value)}: is a table, write [{key}]")
    return value


def read_entries(read: Reader) -> Reader:
    """Make a reader of a table whose entries are of one kind, by names of the file's own."""
    return lambda value, key: {
        name: read(entry, f"{key}.{name[:40]}") for name, entry in read_table(value, key).items()
    }


def read_choice(*choices: str) -> Reader:
    """Make a reader of one of some words."""

    def read(value: Any, key: str) -> str:
        if value not in choices:
            head, last = ", ".join(choices[:-1]), choices[-1]
            raise ValueError(f"{key} = {quote(value)}: give {head} or {last}")
        return str(value)

    return read


def read_fields(
    kind: type[Any],
    value: Any,
    key: str,
    readers: Mapping[str, Reader],
    defaults: Mapping[str, Any],
) -> dict[str, Any]:
    """Read the entries of a table that are fields of a dataclass, none missing and none unknown.

    Args:
        kind: The dataclass.
        value: The table.
        key: Its name in the file.
        readers: How to read a field; a text for people where nothing is said.
        defaults: What may be left out.

    Raises:
        ValueError: For an unknown or missing key, or a value of another kind.
    """
    table = read_table(value, key)
    own = {f.name: f for f in fields(kind)}
    for name in table:
        if name not in own:
            raise ValueError(f"{key}.{name[:40]} is unknown: {suggest(name, own)}")
    entries = {**defaults, **table}
    for name, item in own.items():
        optional = item.default is not MISSING or item.default_factory is not MISSING
        if name not in entries and not optional:
            raise ValueError(f"{key}.{name} is missing: give it")
    reader: Mapping[str, Reader] = {**dict.fromkeys(entries, read_text), **readers}
    return {name: reader[name](entry, f"{key}.{name}") for name, entry in entries.items()}


# -- files that come with a package -----------------------------------------------------------


def list_files(package: str) -> tuple[str, ...]:
    """Name every TOML file that lies in a package, sorted."""
    return tuple(sorted(path.stem for path in Path(package).parent.glob("*.toml")))


def find_file(package: str, name: str, what: str) -> Path:
    """Find a TOML file that lies in a package.

    Args:
        package: `__file__` of the package.
        name: Name of the file, without its ending.
        what: What it describes, for a refusal.

    Raises:
        ValueError: For an unknown name; the nearest valid one is named.
    """
    names = list_files(package)
    if name not in names:
        raise ValueError(f"{what} {quote(name)} is unknown: {suggest(name, names)}")
    return Path(package).with_name(f"{name}.toml")
