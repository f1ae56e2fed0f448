"""The formats of files with samples of the user's own: a module here that defines `FORMAT`."""

from __future__ import annotations

from hil.discovery import Catalogue
from hil.tasks.formats.format import Format

__all__ = ["Format", "get", "names"]

_FORMATS = Catalogue("format", __name__, "FORMAT")
names = _FORMATS.names


def get(name: str) -> Format:
    """The format of that name.

    Raises:
        ValueError: When there is none.
    """
    found: Format = _FORMATS.module(name).FORMAT
    return found
