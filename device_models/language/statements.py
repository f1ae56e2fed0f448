"""Equations and statements of a neuron, read line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from device_models.language.expression import Cost, Node, cost, write
from device_models.language.parser import parse
from device_models.language.words import CONSTANTS, GIVEN, UNITS, free, unit
from device_models.naming import nearest, shown

LINES, CHARACTERS = 32, 8000
# Differential equations, and names and operators in all of them with what stands in for each
# subexpression: Brian2's time to make code of them grows with the square of both.
CHANGING, SIZE = 12, 300

_EQUATION = re.compile(r"(?:d(?P<changing>\w+) */ *dt|(?P<name>\w+))(?: *=(?P<value>[^=].*))?")
_STATEMENT = re.compile(r"(?P<name>[A-Za-z]\w*) *(?P<how>[-+*/]?=)(?P<value>[^=].*)")


@dataclass(frozen=True, slots=True)
class Equation:
    """A line of the equations.

    Attributes:
        name: The variable that it declares.
        kind: `changing` for a differential equation, `subexpression`, or `held` for a variable
            that only statements change.
        unit: Its unit.
        value: What it is or how it changes; None where it is held.
    """

    name: str
    kind: Literal["changing", "subexpression", "held"]
    unit: str
    value: Node | None

    def __str__(self) -> str:
        """The line as Brian2 takes it."""
        if self.value is None:
            return f"{self.name} : {self.unit}"
        left = f"d{self.name}/dt" if self.kind == "changing" else self.name
        return f"{left} = {write(self.value)} : {self.unit}"


def lines(text: str) -> Iterator[str]:
    """Its lines but for empty ones.

    Raises:
        ValueError: When there are too many.
    """
    if len(text) > CHARACTERS:
        raise ValueError(f"has {len(text)} characters: give at most {CHARACTERS}")
    found = [line.strip(" \t") for line in text.split("\n") if line.strip(" \t")]
    if len(found) > LINES:
        raise ValueError(f"has {len(found)} lines: give at most {LINES}")
    yield from found


def equations(text: str) -> list[Equation]:
    """The equations of a neuron.

    Raises:
        ValueError: For a line that is none, or a name that is taken or given twice.
    """
    found: dict[str, Equation] = {}
    for line in lines(text):
        left, colon, right = line.partition(":")
        match = _EQUATION.fullmatch(left.strip(" "))
        if match is None or not colon:
            raise ValueError(
                f"{shown(line)}: write dx/dt = ... : unit, x = ... : unit, or x : unit"
            )
        changing, value = match["changing"], match["value"]
        if changing and value is None:
            raise ValueError(f"{shown(line)}: say what it is, as in dx/dt = ... : unit")
        name = free(changing or match["name"])
        if name in found:
            raise ValueError(f"{name!r} is given twice: give each variable once")
        kind: Literal["changing", "subexpression", "held"]
        kind = "changing" if changing else "held" if value is None else "subexpression"
        parsed = None if value is None else parse(value.strip(" "))
        found[name] = Equation(name, kind, unit(right.strip(" ")), parsed)
    return list(found.values())


def known_names(node: Node, names: set[str]) -> Node:
    """An expression, if it uses no other names than these, units and constants.

    Raises:
        ValueError: Naming the first one that is unknown.
    """
    for name in sorted(node.names - UNITS - CONSTANTS):
        if name not in names:
            raise ValueError(f"name {shown(name)} is unknown: {nearest(name, names)}")
    return node


def costs(found: list[Equation]) -> dict[str, Cost]:
    """What each subexpression costs where its name stands, after all of them are checked.

    Raises:
        ValueError: When one is made of itself, or too large with what it is made of.
    """
    rest = {each.name: each.value for each in found if each.kind == "subexpression" and each.value}
    known: dict[str, Cost] = {}
    while rest:
        ready = [name for name, value in rest.items() if not value.names & rest.keys()]
        if not ready:
            raise ValueError(f"{min(rest)!r} is made of itself: take it out of its own expression")
        for name in ready:
            known[name] = cost(rest.pop(name), known)
    changing = [each.value for each in found if each.kind == "changing" and each.value]
    size = sum(cost(value, known).size for value in changing)
    if len(changing) > CHANGING or size > SIZE:
        raise ValueError(
            f"{len(changing)} differential equations with {size} names and operators: give at "
            f"most {CHANGING} with {SIZE}"
        )
    return known


def statements(text: str, names: set[str], changed: set[str], known: Mapping[str, Cost]) -> str:
    """Statements, checked and written anew.

    Args:
        text: `x = ...`, `x += ...` and so on, one a line.
        names: What they may read.
        changed: What of it they may change. Any other name is one of their own, from the line
            on that gives it a value.
        known: What subexpressions cost.

    Raises:
        ValueError: For a line that is none, or a name that is unknown or must not change.
    """
    readable, written = names | GIVEN, []
    own: set[str] = set()
    for line in lines(text):
        match = _STATEMENT.fullmatch(line)
        if match is None:
            raise ValueError(f"{shown(line)}: write x = ..., x += ..., x -= ..., x *= ... or x /=")
        name, value = match["name"], known_names(parse(match["value"].strip(" ")), readable | own)
        cost(value, known)
        if name in names and name not in changed:
            raise ValueError(f"{name!r} does not change: {nearest(name, changed)}")
        if name not in changed | own:
            if match["how"] != "=":
                raise ValueError(f"{shown(name)} has no value yet: {nearest(name, changed)}")
            own.add(free(name))
        written.append(f"{name} {match['how']} {write(value)}")
    return "\n".join(written)
