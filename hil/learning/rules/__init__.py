"""The learning rules by name: a module here with `Settings` and `build` is one.

`build(settings, timing)` makes a `hil.learning.rule.Rule`.
"""

from hil.discovery import Catalogue

__all__ = ["module", "names"]

_RULES = Catalogue("rule", __name__, "build")
names, module = _RULES.names, _RULES.module
