"""What a format of files with samples is, and the address of such a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from numpy.typing import NDArray

from hil.tasks.samples.spec import Kind

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Address:
    """Where samples are: `FORMAT:FILE?option=value&option=value`.

    Attributes:
        format: Name of the format.
        file: The file, as it was written.
        options: Options as they were written: `%26` stands for `&`, as in addresses of devices.
    """

    format: str
    file: str
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str) -> Address:
        """Take an address apart.

        Raises:
            ValueError: For no file, or an option without value, or given twice.
        """
        scheme, _, rest = name.partition(":")
        file, asked, query = rest.partition("?")
        if not file:
            raise ValueError(f"task {name!r} names no file: write {scheme}:FILE")
        options: dict[str, str] = {}
        for text in query.split("&") if asked else ():
            key, _, value = text.partition("=")
            if not key or not value or key in options:
                wrong = "is given twice" if key in options else "is no key=value"
                raise ValueError(
                    f"option {text!r} of {name!r} {wrong}: write {scheme}:FILE?key=value&key=value"
                )
            options[key] = value
        return cls(scheme, file, options)

    def __str__(self) -> str:
        """As it is written."""
        options = "&".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.format}:{self.file}{'?' if options else ''}{options}"

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.file)

    def text(self, option: str) -> str | None:
        """An option, or None."""
        return unquote(self.options[option]) if option in self.options else None

    def texts(self, option: str) -> list[str]:
        """An option that is a list with commas."""
        return [unquote(text) for text in self.options.get(option, "").split(",") if text]

    def at(self, file: str | Path) -> Address:
        """The same with another file."""
        return replace(self, file=str(file))

    def having(self, **options: str) -> Address:
        """The same with other options, which no character of theirs breaks."""
        return replace(self, options={**self.options, **options})


def quoted(text: str) -> str:
    """A text as it stands in an option."""
    return "".join(f"%{ord(c):02X}" if c in "%&,#" else c for c in text)


@dataclass(frozen=True)
class Size:
    """How much is in a file with samples.

    Attributes:
        samples: Training samples.
        features: Features of each, or channels of a signal; 0 where that is not told.
        kind: What they are.
        tested: Whether there is a test part besides.
        steps: Steps of a signal, of different lengths on average; 0 where that is not told.
    """

    samples: int
    features: int
    kind: Kind = "features"
    tested: bool = False
    steps: int = 0


@dataclass(frozen=True)
class Format:
    """A format of files with samples.

    Attributes:
        description: What such a file holds, in a line.
        endings: How names of such files end.
        options: Options that an address may have, besides `test`.
        read: Gives the arrays `x_train`, `y_train`, and what else the file has of `x_test`,
            `y_test`, `x_validation`, `y_validation`, `class_names`, `feature_names`, `layout`,
            and of signals `lengths_train` and the like. Raises a `ValueError` that names the file.
        size: Gives how much is in it; nothing else is read. Raises a `ValueError`, too.
    """

    description: str
    endings: tuple[str, ...]
    options: tuple[str, ...]
    read: Callable[[Address], Arrays]
    size: Callable[[Address], Size]
