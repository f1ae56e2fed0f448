"""Figures: the numbers that make a chip imperfect, each with its unit, range and meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from device_models.naming import nearest

Tiers = TypeVar("Tiers")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a chip.

    Attributes:
        name: Its name, unique over all tiers.
        value: What it is on this chip; 0 (unless stated otherwise) is the ideal.
        unit: Its unit.
        minimum: Least value allowed.
        maximum: Greatest value allowed.
        whole: Whether it is a whole number.
        meaning: What it does, in one sentence.
    """

    name: str
    value: float
    unit: str
    minimum: float
    maximum: float
    whole: bool
    meaning: str


def figure(default: float, unit: str, minimum: float, maximum: float, meaning: str) -> Any:
    """Declare a figure as a dataclass field; an integer default makes it a whole number."""
    return field(
        default=default,
        metadata={
            "unit": unit,
            "minimum": minimum,
            "maximum": maximum,
            "whole": isinstance(default, int),
            "meaning": meaning,
        },
    )


def figures(tiers: object) -> dict[str, Figure]:
    """Every figure of a dataclass of tiers, flat, by name."""
    found = {}
    for tier in fields(tiers):  # type: ignore[arg-type]
        held = getattr(tiers, tier.name)
        for item in fields(held):
            found[item.name] = Figure(item.name, getattr(held, item.name), **item.metadata)
    return found


def override(tiers: Tiers, values: Mapping[str, float | str]) -> Tiers:
    """The same chip with some figures replaced.

    Args:
        tiers: A dataclass of tiers.
        values: New values by figure name; text is parsed.

    Raises:
        ValueError: For an unknown name (the nearest valid one is named), text that is no number,
            or a value out of range (the range is named).
    """
    known = figures(tiers)
    checked = {name: _check(name, value, known) for name, value in values.items()}
    changes = {}
    for tier in fields(tiers):  # type: ignore[arg-type]
        held = getattr(tiers, tier.name)
        own = {f.name: checked[f.name] for f in fields(held) if f.name in checked}
        if own:
            changes[tier.name] = replace(held, **own)
    return replace(tiers, **changes)  # type: ignore[type-var]


def _check(name: str, value: float | str, known: Mapping[str, Figure]) -> float:
    if name not in known:
        raise ValueError(f"chip figure {name!r} is unknown: {nearest(name, known)}")
    spec = known[name]
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not spec.minimum <= number <= spec.maximum or (spec.whole and number != int(number)):
        kind = "a whole number" if spec.whole else "a number"
        raise ValueError(
            f"chip figure {name} = {value}: give {kind} from {spec.minimum:g} to "
            f"{spec.maximum:g} {spec.unit}".rstrip()
        )
    return int(number) if spec.whole else number
