"""The gates by name: a module here that defines `GATE`, a `hil.learning.gate.Gate`, is one."""

from __future__ import annotations

from hil.discovery import Catalogue
from hil.learning.gate import Gate

__all__ = ["get", "names"]

_GATES = Catalogue("gate (rule.g)", __name__, "GATE")
names = _GATES.names


def get(name: str) -> Gate:
    """The gate of that name.

    Raises:
        ValueError: When there is none; the nearest is named.
    """
    gate: Gate = _GATES.module(name).GATE
    return gate
