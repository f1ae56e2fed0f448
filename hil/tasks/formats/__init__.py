"""The formats of files with samples of the user's own: a module here that defines `FORMAT`."""

from __future__ import annotations

from hil.discovery import Catalogue
from hil.tasks.formats.format import Format

__all__ = ["CATALOGUE", "Format", "get", "names"]

CATALOGUE: Catalogue[Format] = Catalogue("format", Format, "hil.formats", __name__, "FORMAT")
names, get = CATALOGUE.names, CATALOGUE.get
