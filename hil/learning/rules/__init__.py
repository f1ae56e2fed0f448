"""The learning rules by name: a module here that defines `RULE`, a `RuleFamily`, or `RULES`."""

from __future__ import annotations

from typing import Any

from hil.discovery import Catalogue
from hil.learning.rule import Rule, RuleFamily

__all__ = ["CATALOGUE", "get", "names", "section"]

CATALOGUE: Catalogue[RuleFamily] = Catalogue("rule", RuleFamily, "hil.rules", __name__, "RULE")
names, get = CATALOGUE.names, CATALOGUE.get


def section(rule: Rule | RuleFamily) -> dict[str, Any]:
    """The section of a configuration that stands for a rule.

    Args:
        rule: The rule, or a family of rules.

    Returns:
        Its `name`, the family itself where it does not come with the package, and the settings that
        it was given; the others are those that suit the task.

    Raises:
        ValueError: When the rule was not made by a family, and so cannot be made again.
    """
    family = rule.family if isinstance(rule, Rule) else rule
    if family is None:
        raise ValueError("rule is of no family: give a hil.learning.RuleFamily that builds it")
    settings = rule.settings if isinstance(rule, Rule) else None
    changed = settings.model_dump(exclude_unset=True) if settings else {}
    return {"name": CATALOGUE.name_of(family) or family, **changed}
