"""The encodings by name: a module here that defines `ENCODING`, an `Encoding`, or `ENCODINGS`."""

from hil.discovery import Catalogue
from hil.encodings.encoding import Encoding

__all__ = ["CATALOGUE", "Encoding", "get", "names"]

CATALOGUE: Catalogue[Encoding] = Catalogue(
    "encoding", Encoding, "hil.encodings", __name__, "ENCODING"
)
names, get = CATALOGUE.names, CATALOGUE.get
