"""An expression as a tree: written anew as text, and how much there is to compute in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Literal, NamedTuple

# What makes numbers so large that what surrounds it must not compute with their digits.
GROWING = frozenset(("exp", "expm1", "exprel", "sinh", "cosh"))
MAY_HOLD_GROWING = frozenset(("log", "log10", "log1p", "sqrt", "abs", "tanh", "clip"))
DEGREE, EXPANDED = 64, 2000

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_BINDING = {"or": 1, "and": 2, "not": 3, **dict.fromkeys(COMPARISONS, 4), "+": 5, "-": 5}
_BINDING |= {"*": 6, "/": 6, "sign": 7, "**": 8, "atom": 9}

Kind = Literal["number", "condition"]


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression.

    Attributes:
        what: `name`, `number`, `call`, `sign`, `not`, or a binary operator.
        text: The name, number, function or sign.
        parts: What it is made of.
        kind: Whether it is a number or a condition.
    """

    what: str
    text: str
    parts: tuple[Node, ...] = ()
    kind: Kind = "number"

    @property
    def names(self) -> frozenset[str]:
        """Every name in it but those of functions."""
        own = {self.text} if self.what == "name" else set()
        return frozenset(own.union(*(part.names for part in self.parts)))


class Cost(NamedTuple):
    """How much there is to compute.

    Attributes:
        size: Names, numbers and operators, with what stands for each subexpression.
        expanded: The same, if all brackets were multiplied out (an upper bound).
        degree: Factors in a product, powers multiplied out.
        growing: Whether an exponential is in it.
    """

    size: int
    expanded: int
    degree: int
    growing: bool


def write(node: Node) -> str:
    """The expression as text, with the brackets that it needs."""
    if node.what in ("name", "number"):
        return node.text
    if node.what == "call":
        return f"{node.text}({', '.join(write(part) for part in node.parts)})"
    binding = _binding(node)
    if node.what in ("sign", "not"):
        mark = "not " if node.what == "not" else node.text
        return mark + _bracketed(node.parts[0], binding)
    left, right = node.parts
    # Operators of equal binding go from left to right; a power and a comparison take none beside.
    lower = binding + (node.what == "**" or node.what in COMPARISONS)
    return f"{_bracketed(left, lower)} {node.what} {_bracketed(right, binding + 1)}"


def cost(node: Node, known: Mapping[str, Cost]) -> Cost:
    """How much there is to compute.

    Args:
        node: The expression.
        known: The cost of each name that stands for an expression.

    Raises:
        ValueError: When it is too much.
    """
    parts = [cost(part, known) for part in node.parts]
    found = _cost(node, parts, known)
    if found.expanded > EXPANDED:
        raise ValueError(f"multiplied out it has more than {EXPANDED} terms: write it smaller")
    if found.degree > DEGREE:
        raise ValueError(f"it is a product of more than {DEGREE} factors: write it smaller")
    return found


def _cost(node: Node, parts: list[Cost], known: Mapping[str, Cost]) -> Cost:
    if not parts:
        return known.get(node.text, Cost(1, 1, 1, False))
    size, growing = 1 + sum(p.size for p in parts), any(p.growing for p in parts)
    expanded, degree = sum(p.expanded for p in parts), max(p.degree for p in parts)
    if node.what == "call":
        if growing and node.text not in MAY_HOLD_GROWING:
            raise ValueError(f"{node.text}(...) holds an exponential: take that out of it")
        return Cost(size, expanded, 1, growing or node.text in GROWING)
    if node.what in ("*", "/"):
        product = parts[0].expanded * parts[1].expanded
        return Cost(size, product, parts[0].degree + parts[1].degree, growing)
    if node.what == "**":
        power = abs(float(write(node.parts[1]))) if not node.parts[1].names else 1.0
        whole = max(1, ceil(power))
        return Cost(
            size,
            min(parts[0].expanded ** whole, 10**9),
            int(parts[0].degree * (power + 1)),
            growing,
        )
    return Cost(size, expanded, degree, growing)


def _binding(node: Node) -> int:
    return _BINDING.get(node.what, _BINDING["atom"])


def _bracketed(node: Node, least: int) -> str:
    return write(node) if _binding(node) >= least else f"({write(node)})"
