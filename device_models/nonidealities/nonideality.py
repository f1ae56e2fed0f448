"""A non-ideality of a chip: a number with its unit, range and meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from math import log2
from typing import Any, Literal, TypeVar

from device_models.naming import nearest, shown

Tiers = TypeVar("Tiers")
Severity = Literal["linear", "bits", "fixed"]
MOST_BITS = 16


@dataclass(frozen=True, slots=True)
class NonIdeality:
    """One number of a chip.

    Attributes:
        name: Its name, unique over all tiers.
        value: What it is on this chip; 0 (unless stated otherwise) is the ideal.
        unit: Its unit.
        minimum: Least value allowed.
        maximum: Greatest value allowed.
        whole: Whether it is a whole number.
        meaning: What it does, in one sentence.
        severity: How a severity acts on it: `linear` multiplies the value, `bits` the step that the
            bits resolve, `fixed` is a condition of the chip, which stays as it is.
    """

    name: str
    value: float
    unit: str
    minimum: float
    maximum: float
    whole: bool
    meaning: str
    severity: Severity


def nonideality(
    default: float,
    unit: str,
    minimum: float,
    maximum: float,
    meaning: str,
    severity: Severity = "linear",
) -> Any:
    """Declare a non-ideality as a dataclass field; an integer default makes it a whole number."""
    return field(
        default=default,
        metadata={
            "unit": unit,
            "minimum": minimum,
            "maximum": maximum,
            "whole": isinstance(default, int),
            "meaning": meaning,
            "severity": severity,
        },
    )


def by_name(tiers: object) -> dict[str, NonIdeality]:
    """Every non-ideality of a dataclass of tiers, flat, by name."""
    known = {}
    for tier in fields(tiers):  # type: ignore[arg-type]
        held = getattr(tiers, tier.name)
        for item in (f for f in fields(held) if f.metadata):
            known[item.name] = NonIdeality(item.name, getattr(held, item.name), **item.metadata)
    return known


def override(tiers: Tiers, values: Mapping[str, float | str]) -> Tiers:
    """The same chip with some non-idealities replaced.

    Args:
        tiers: A dataclass of tiers.
        values: New values by name; text is parsed.

    Raises:
        ValueError: For an unknown name (the nearest valid one is named), text that is no number,
            or a value out of range (the range is named).
    """
    known = by_name(tiers)
    checked = {name: check(name, value, known) for name, value in values.items()}
    changes = {}
    for tier in fields(tiers):  # type: ignore[arg-type]
        held = getattr(tiers, tier.name)
        own = {f.name: checked[f.name] for f in fields(held) if f.name in checked}
        if own:
            changes[tier.name] = replace(held, **own)
    return replace(tiers, **changes)  # type: ignore[type-var]


def scaled(
    known: Mapping[str, NonIdeality],
    name: str,
    severity: float,
    each: Mapping[str, float] | None = None,
) -> float:
    """The value of one non-ideality under a severity.

    Args:
        known: The non-idealities of a chip.
        name: Which of them.
        severity: Factor of all non-idealities, at least 0.
        each: Further factors by non-ideality.

    Raises:
        ValueError: For a factor of an unknown non-ideality or of one without severity, or below 0.
    """
    for other, factor in {**(each or {}), "": severity}.items():
        if other and other not in known:
            raise ValueError(
                f"severity of {shown(other)}: no such chip non-ideality: {nearest(other, known)}"
            )
        if other and known[other].severity == "fixed":
            raise ValueError(f"severity of {other}: it is a condition of the chip, set it itself")
        if not 0 <= factor <= 1e6:
            raise ValueError(
                f"severity {other} = {factor}: give a number from 0 to 1e6".replace("  ", " ")
            )
    spec = known[name]
    factor = severity * (each or {}).get(name, 1.0)
    if spec.severity == "fixed" or factor == 1:
        return spec.value
    if spec.severity == "linear":
        value = min(max(spec.value * factor, spec.minimum), spec.maximum)
        return round(value) if spec.whole else value
    if factor == 0 or spec.value == 0:
        return 0
    bits = round(spec.value - log2(factor))
    return max(bits, 1) if bits <= MOST_BITS else 0


def check(name: str, value: float | str, known: Mapping[str, NonIdeality]) -> float:
    """A non-ideality's value as a number.

    Raises:
        ValueError: For an unknown name (the nearest valid one is named), text that is no number,
            or a value out of range (the range is named).
    """
    if name not in known:
        raise ValueError(f"chip non-ideality {shown(name)} is unknown: {nearest(name, known)}")
    spec = known[name]
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not spec.minimum <= number <= spec.maximum or (spec.whole and number != int(number)):
        kind = "a whole number" if spec.whole else "a number"
        raise ValueError(
            f"chip non-ideality {name} = {value}: give {kind} from {spec.minimum:g} to "
            f"{spec.maximum:g} {spec.unit}".rstrip()
        )
    return int(number) if spec.whole else number
