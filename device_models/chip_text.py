"""The text of a chip file as a table, bounded before it is parsed."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

# Bytes of a file, and characters and dots of a line: the time that parsing takes grows with the
# square of what a line names.
SIZE, LINE, DOTS = 128 * 1024, 4000, 300


def table(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ValueError: When it is none, or is larger than any chip.
        OSError: When it cannot be read.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ValueError("is no ordinary file")
    with path.open("rb") as handle:
        held = handle.read(SIZE + 1)
    if len(held) > SIZE:
        raise ValueError(f"is larger than {SIZE // 1024} KiB: that is no chip")
    try:
        text = held.decode("utf-8")
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
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is no valid TOML: {error}") from None
    except RecursionError:
        raise ValueError("is no valid TOML: nested too deeply") from None
    except ValueError as error:  # a whole number of thousands of digits, a date that is none
        raise ValueError(f"is no valid TOML: {error}") from None
