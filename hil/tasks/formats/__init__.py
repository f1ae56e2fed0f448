"""Formats of files with samples of the user's own: a module here that defines `FORMAT` is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from urllib.parse import unquote

from hil.discovery import Catalogue
from hil.tasks.task import Arrays

__all__ = ["CATALOGUE", "Address", "Arrays", "Format", "get", "names", "quote_option"]


@dataclass(frozen=True)
class Address:
    """Address of samples: `FORMAT:FILE?option=value&option=value`.

    Attributes:
        format: Name of the format.
        file: The file, as it was written.
        options: Options as they were written: `%26` stands for `&`, as in addresses of devices.
        is_labelled: Whether the file has to tell labels; else those that it has are left out.
    """

    format: str
    file: str
    options: Mapping[str, str] = field(default_factory=dict)
    is_labelled: bool = True

    @classmethod
    def parse(cls, name: str) -> Address:
        """Take an address apart.

        Raises:
            ValueError: For no file, or an option without value, or given twice.
        """
        scheme, _, rest = name.partition(":")
        file, mark, query = rest.partition("?")
        if not file:
            raise ValueError(f"task {name!r} names no file: write {scheme}:FILE")
        options: dict[str, str] = {}
        for text in query.split("&") if mark else ():
            key, _, value = text.partition("=")
            if not key or not value or key in options:
                wrong = "is given twice" if key in options else "is no key=value"
                raise ValueError(
                    f"option {text!r} of {name!r} {wrong}: write {scheme}:FILE?key=value&key=value"
                )
            options[key] = value
        return cls(scheme, file, options)

    def __str__(self) -> str:
        """Write it as it stands in a name of a task."""
        options = "&".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.format}:{self.file}{'?' if options else ''}{options}"

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.file)

    def text(self, option: str) -> str | None:
        """Give an option, or None."""
        return unquote(self.options[option]) if option in self.options else None

    def texts(self, option: str) -> list[str]:
        """Give an option that is a list with commas."""
        return [unquote(text) for text in self.options.get(option, "").split(",") if text]

    def at(self, file: str | Path) -> Address:
        """Give the same with another file."""
        return replace(self, file=str(file))

    def with_options(self, **options: str) -> Address:
        """Give the same with other options, which no character of theirs breaks."""
        return replace(self, options={**self.options, **options})

    def suggest(self, **options: str) -> str:
        """Write the same with other options, as a shell takes it."""
        return quote(str(self.with_options(**options)))


def quote_option(text: str) -> str:
    """Write a text as it stands in an option."""
    return "".join(f"%{ord(c):02X}" if c in "%&,#" else c for c in text)


@dataclass(frozen=True)
class Format:
    """A format of files with samples.

    Attributes:
        description: Content of such a file, in a line.
        endings: How names of such files end.
        options: Options that an address may have, besides `test` and `problem`.
        read: Gives the arrays `x_train`, `y_train`, and what else the file has of `x_test`,
            `y_test`, `x_validation`, `y_validation`, `class_names`, `feature_names`, `label_name`,
            `layout`, and of signals `lengths_train` and the like; of an address that is not
            labelled, labels may be missing. A `ValueError` that it raises is said of
            the file.
    """

    description: str
    endings: tuple[str, ...]
    options: tuple[str, ...]
    read: Callable[[Address], Arrays]


CATALOGUE: Catalogue[Format] = Catalogue("format", Format, "hil.formats", __name__, "FORMAT")
names, get = CATALOGUE.names, CATALOGUE.get
