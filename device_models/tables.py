"""TOML files that describe neurons and chips, and their entries as pydantic checks them."""

from __future__ import annotations

import tomllib
from dataclasses import is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from device_models.naming import quote, suggest

LONGEST_TEXT, GREATEST = 1000, 1e30
UNKNOWN = "unexpected_keyword_argument"  # as pydantic calls a key that a dataclass has not
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


def _check_printable(text: str) -> str:
    if len(text) > LONGEST_TEXT or not text.isprintable():
        raise ValueError(f"give up to {LONGEST_TEXT} characters, all of them printable")
    return text


Text = Annotated[str, AfterValidator(_check_printable)]
"""A text that is shown to people."""
Number = Annotated[float, Field(strict=True, ge=-GREATEST, le=GREATEST, allow_inf_nan=False)]
"""A number of ordinary size."""


def read_as(kind: Any, value: Any, key: str) -> Any:
    """Read a value of a table.

    Args:
        kind: What it is to be, as annotations say it; a dataclass is a table.
        value: The value.
        key: Its name in the file.

    Raises:
        ValueError: When it is something else; the line names the first key that is wrong.
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        # What is unknown is likely to be what else is missing, misspelled.
        wrong, *rest = sorted(error.errors(), key=lambda each: each["type"] != UNKNOWN)
    place, owner = _find_keys(wrong, value), kind
    name = ".".join([key, *(part[:40] for part in place)])
    if wrong["type"] == "missing":
        raise ValueError(f"{name} is missing: give it")
    if wrong["type"] == UNKNOWN:
        for part in place[:-1]:
            inner = get_args(get_type_hints(owner).get(part))
            owner = next((each for each in inner if is_dataclass(each)), owner)
        raise ValueError(f"{name} is unknown: {suggest(place[-1], get_type_hints(owner))}")
    ways = [wrong, *(each for each in rest if _find_keys(each, value) == place)]
    reason = " or ".join(each["msg"].removeprefix("Value error, ") for each in ways)
    if wrong["type"] in ("dict_type", "mapping_type", "dataclass_type"):
        reason = f"is a table, write [{name}]"
    raise ValueError(f"{name} = {quote(wrong['input'])}: {reason}")


def _find_keys(error: ErrorDetails, value: Any) -> list[str]:
    """Find the keys that an error is about, without the variants of a type that pydantic names."""
    keys = []
    for part in error["loc"]:
        if isinstance(value, dict) and (part in value or error["type"] == "missing"):
            keys.append(str(part))
            value = value.get(part)
    return keys


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
