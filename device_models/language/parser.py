"""From text to an expression: names, numbers, operators and a list of functions, nothing else.

The grammar, loosest first:

    condition   a or b, a and b, not a, x < y  (also <=, >, >=, ==, !=)
    sum         x + y, x - y
    product     x * y, x / y
    sign        -x, +x
    power       x ** n, n a number up to 16 or a name
    atom        a name, a number, a function of what it takes, ( ... )
"""

from __future__ import annotations

import re

from device_models.language.expression import COMPARISONS, Kind, Node
from device_models.naming import nearest, shown

# Functions by name, with the number of their arguments; `int` also takes a condition.
FUNCTIONS = {
    **dict.fromkeys(("exp", "expm1", "exprel", "log", "log10", "log1p", "sqrt"), 1),
    **dict.fromkeys(("sin", "cos", "tan", "arcsin", "arccos", "arctan"), 1),
    **dict.fromkeys(("sinh", "cosh", "tanh", "abs", "sign", "floor", "ceil", "int"), 1),
    "clip": 3,
    "timestep": 2,
}
LONGEST, DEEPEST, LARGEST = 1000, 40, 200  # characters, brackets, names and operators
POWER = 16
DIGITS, GREATEST, LEAST = 24, 1e30, 1e-30  # of a number

_TOKEN = re.compile(
    r" *(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<sign>\*\*|<=|>=|==|!=|[-+*/()<>,]))"
)


def parse(text: str, kind: Kind = "number") -> Node:
    """Parse an expression.

    Args:
        text: The expression, on one line.
        kind: What it has to be.

    Raises:
        ValueError: For anything that the grammar does not know, or that is too large.
    """
    if len(text) > LONGEST:
        raise ValueError(f"{shown(text)} has {len(text)} characters: give at most {LONGEST}")
    found = _Parser(text).whole()
    if found.kind != kind:
        wanted = "a condition, such as v > 1*volt" if kind == "condition" else "a number"
        raise ValueError(f"{shown(text)} is a {found.kind}: give {wanted}")
    return found


class _Parser:
    """One pass over an expression, a method for each line of the grammar."""

    def __init__(self, text: str) -> None:
        self._text, self._tokens = text, _tokens(text)
        self._at, self._depth = 0, 0

    def whole(self) -> Node:
        found = self._either()
        if self._at < len(self._tokens):
            raise self._unexpected()
        return found

    def _unexpected(self) -> ValueError:
        kind, what = self._look()
        where = f"{what!r} is not expected there" if kind else "it ends too early"
        return ValueError(f"{shown(self._text)}: {where}")

    def _look(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def _took(self, *marks: str) -> str:
        """The next token, taken when it is one of these; empty otherwise."""
        kind, what = self._look()
        if kind in ("number", "") or what not in marks:
            return ""
        self._at += 1
        return what

    def _must(self, mark: str) -> None:
        if not self._took(mark):
            raise self._unexpected()

    def _joined(self, what: str, left: Node, right: Node, wanted: Kind, kind: Kind) -> Node:
        for part in (left, right):
            if part.kind != wanted:
                raise ValueError(f"{shown(self._text)}: {what!r} stands between {wanted}s")
        return Node(what, what, (left, right), kind)

    def _either(self) -> Node:
        found = self._both()
        while what := self._took("or"):
            found = self._joined(what, found, self._both(), "condition", "condition")
        return found

    def _both(self) -> Node:
        found = self._negated()
        while what := self._took("and"):
            found = self._joined(what, found, self._negated(), "condition", "condition")
        return found

    def _negated(self) -> Node:
        if not self._took("not"):
            return self._compared()
        self._deeper()
        part = self._negated()
        self._depth -= 1
        if part.kind != "condition":
            raise ValueError(f"{shown(self._text)}: 'not' stands before a condition")
        return Node("not", "not", (part,), "condition")

    def _compared(self) -> Node:
        found = self._sum()
        if what := self._took(*COMPARISONS):
            found = self._joined(what, found, self._sum(), "number", "condition")
        return found

    def _sum(self) -> Node:
        found = self._product()
        while what := self._took("+", "-"):
            found = self._joined(what, found, self._product(), "number", "number")
        return found

    def _product(self) -> Node:
        found = self._signed()
        while what := self._took("*", "/"):
            found = self._joined(what, found, self._signed(), "number", "number")
        return found

    def _signed(self) -> Node:
        if not (mark := self._took("-", "+")):
            return self._power()
        self._deeper()
        part = self._signed()
        self._depth -= 1
        if part.kind != "number":
            raise ValueError(f"{shown(self._text)}: {mark!r} stands before a number")
        return Node("sign", mark, (part,))

    def _power(self) -> Node:
        found = self._atom()
        if not self._took("**"):
            return found
        exponent = self._exponent()
        if self._look()[1] == "**":
            raise ValueError(f"{shown(self._text)}: a power has one exponent, no power above it")
        return self._joined("**", found, exponent, "number", "number")

    def _exponent(self) -> Node:
        bracket = self._took("(")
        mark = self._took("-", "+")
        kind, what = self._look()
        self._at += 1
        if kind not in ("number", "name") or (kind == "number" and float(what) > POWER):
            raise ValueError(
                f"{shown(self._text)}: give an exponent that is a name, or a number up to {POWER}"
            )
        if kind == "name" and (mark or bracket or self._look()[1] == "("):
            raise ValueError(f"{shown(self._text)}: give a name alone as an exponent")
        if bracket:
            self._must(")")
        found = Node(kind, _number(what) if kind == "number" else what)
        return Node("sign", mark, (found,)) if mark else found

    def _atom(self) -> Node:
        kind, what = self._look()
        if kind == "number":
            self._at += 1
            return Node("number", _number(what))
        if kind == "name":
            self._at += 1
            return self._call(what) if self._took("(") else Node("name", what, (), _kind(what))
        if not self._took("("):
            raise self._unexpected()
        self._deeper()
        found = self._either()
        self._depth -= 1
        self._must(")")
        return found

    def _call(self, name: str) -> Node:
        if name not in FUNCTIONS:
            raise ValueError(f"function {shown(name)} is unknown: {nearest(name, FUNCTIONS)}")
        self._deeper()
        parts = [self._either()]
        while self._took(","):
            parts.append(self._either())
        self._depth -= 1
        self._must(")")
        if len(parts) != FUNCTIONS[name]:
            raise ValueError(f"{name} takes {FUNCTIONS[name]} arguments, not {len(parts)}")
        if name != "int" and any(part.kind != "number" for part in parts):
            raise ValueError(f"{name} takes numbers, no condition")
        return Node("call", name, tuple(parts))

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ValueError(f"{shown(self._text)}: brackets and signs go deeper than {DEEPEST}")


def _kind(name: str) -> Kind:
    return "condition" if name == "not_refractory" else "number"


def _number(text: str) -> str:
    value = float(text)
    octal = len(text) > 1 and text.isdigit() and text[0] == "0"
    if octal or len(text) > DIGITS or (value and not LEAST <= value <= GREATEST):
        raise ValueError(
            f"number {shown(text)}: give 0, or {LEAST:g} to {GREATEST:g}, in {DIGITS} characters"
        )
    return text


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    end = len(text.rstrip(" "))
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            sign = text[at:].lstrip(" ")[0]
            raise ValueError(f"{shown(text)}: the character {sign!a} is none of the language")
        kind = match.lastgroup or ""
        word = "sign" if match[kind] in ("and", "or", "not") else kind
        found.append((word, match[kind]))
        at = match.end()
        if kind == "number" and re.match(r"[A-Za-z_0-9.]", text[at : at + 1]):
            raise ValueError(f"{shown(text)}: {match[kind]!r} runs into what follows it")
    if len(found) > LARGEST:
        raise ValueError(f"{shown(text)} has {len(found)} parts: give at most {LARGEST}")
    return found
