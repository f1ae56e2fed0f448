"""The gates by name: a module here that defines `GATE`, a `Gate`, is one; `GATES`, several."""

from hil.discovery import Catalogue
from hil.learning.gate import Gate, with_checks

__all__ = ["CATALOGUE", "get", "names"]

CATALOGUE: Catalogue[Gate] = Catalogue("gate (rule.g)", Gate, "hil.gates", __name__, "GATE")
names = CATALOGUE.names


def get(name: str) -> Gate:
    """The gate of that name; one of a user's own is held to what a gate has to be.

    Raises:
        ValueError: When there is none, or it is something else.
    """
    gate = CATALOGUE.get(name)
    return gate if name in names() else with_checks(gate, f"gate {name!r}")
