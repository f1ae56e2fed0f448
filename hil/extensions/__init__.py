"""Code of a user's own: how it is named, whether it may run, and what it says when it fails.

A rule, a gate, an encoding, a task, an estimator or a section of a page may lie anywhere. It is
named `FILE.py:NAME` or `module:NAME`, what the file or module calls it. Whoever names it on the
command line or in a program runs it; what a file names runs only for those who trust the file.
"""

from hil.extensions.failing import blaming
from hil.extensions.loading import MOST, file_of, imported, load
from hil.extensions.names import is_code, named, named_by, placed, shown, texts
from hil.extensions.trust import NOBODY, Objects, Trust, UntrustedCode, in_force

__all__ = [
    "MOST",
    "NOBODY",
    "Objects",
    "Trust",
    "UntrustedCode",
    "blaming",
    "file_of",
    "imported",
    "in_force",
    "is_code",
    "load",
    "named",
    "named_by",
    "placed",
    "shown",
    "texts",
]
