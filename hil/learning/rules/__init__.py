"""The learning rules by name: a module here that defines `RULE`, a `RuleFamily`, is one."""

from hil.discovery import Catalogue
from hil.learning.rule import RuleFamily

__all__ = ["CATALOGUE", "get", "names"]

CATALOGUE: Catalogue[RuleFamily] = Catalogue("rule", RuleFamily, "hil.rules", __name__, "RULE")
names, get = CATALOGUE.names, CATALOGUE.get
