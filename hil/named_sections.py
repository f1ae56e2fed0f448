"""Sections of a configuration whose keys depend on what they name: a rule, an encoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import AfterValidator, ValidationInfo

from hil.discovery import Catalogue, placed
from hil.encodings import Encoding
from hil.learning.rule import RuleFamily
from hil.validation import forbidding, validated

WHAT = "configuration"
# What a validator is told of a configuration that is complete, and whose code may be elsewhere.
RECORDED = {"recorded": True}


def named(
    section: str,
    known: Catalogue[RuleFamily] | Catalogue[Encoding],
    places: Callable[[str], Sequence[str]],
) -> AfterValidator:
    """Complete `{name = ..., key = ...}` with the settings of what has that name.

    Args:
        section: The section.
        known: What may be named there.
        places: Gives the whole names of all settings that a key may mean, for a refusal.
    """

    def complete(value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        settings = dict(value)
        name = settings.pop("name", None)
        if not isinstance(name, str):
            raise ValueError(f"{WHAT} {section}.name = {name!r}: give the name of one")
        if info.context and name not in known.names():
            return value
        name = placed(name)
        chosen = validated(
            forbidding(known.get(name).settings),
            settings,
            what=WHAT,
            where=section,
            others=("name",),
            places=places,
            context=info.context,
        )
        given = chosen.model_dump(mode="json").items()
        return {"name": name, **{key: value for key, value in given if value is not None}}

    return AfterValidator(complete)
