"""The language of a neuron that a file describes. It computes, and can do nothing else.

Brian2 makes Python code of equations, thresholds and statements. What a file says is therefore
parsed here first, with Python's own parser, which runs nothing, and only what was written anew from
the parsed form goes on: names, numbers, operators, and the functions and units of a list. There are
no comments, no text, no attributes, no calls beyond the list, no names that Brian2, numpy or Python
give a meaning of their own, and no characters beyond ASCII. Lengths, depths, powers and what there
is to multiply out are bounded, so that neither Brian2 nor sympy computes for long.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Literal, NamedTuple

from device_models.naming import quote, suggest
from device_models.neurons import NeuronModel

METHODS = ("euler", "exponential_euler", "rk2", "rk4")
PARAMETERS = 64
# Characters of an expression, nested brackets and signs, names and operators, and a power.
LONGEST, DEEPEST, LARGEST, POWER = 1000, 40, 200, 16
GREATEST, LEAST = 1e30, 1e-30  # of a number
DEGREE, EXPANDED = 64, 2000  # factors of a product, and terms of it when it is multiplied out
LINES, CHARACTERS = 32, 8000  # of equations or statements
# Differential equations, and names and operators in all of them with what stands in for each
# subexpression: Brian2's time to make code of them grows with the square of both.
CHANGING, SIZE = 12, 300
LONGEST_NAME = 40

# -- words ------------------------------------------------------------------------------------

# Functions by name, with the number of their arguments; `int` also takes a condition.
FUNCTIONS = {
    **dict.fromkeys(("exp", "expm1", "exprel", "log", "log10", "log1p", "sqrt"), 1),
    **dict.fromkeys(("sin", "cos", "tan", "arcsin", "arccos", "arctan"), 1),
    **dict.fromkeys(("sinh", "cosh", "tanh", "abs", "sign", "floor", "ceil", "int"), 1),
    "clip": 3,
    "timestep": 2,
}
# What makes numbers so large that what surrounds it must not compute with their digits.
GROWING = frozenset(("exp", "expm1", "exprel", "sinh", "cosh"))
MAY_HOLD_GROWING = frozenset(("log", "log10", "log1p", "sqrt", "abs", "tanh", "clip"))
_BASES = (
    *("volt", "amp", "second", "hertz", "siemens", "ohm", "farad", "coulomb", "joule"),
    *("watt", "metre", "meter", "mole", "pascal"),
)
# In which a variable may be declared.
BASE_UNITS = frozenset((*_BASES, "kelvin"))
# With which a number may be multiplied, besides.
UNITS = BASE_UNITS | {prefix + base for prefix in "fpnumkMG" for base in _BASES}
UNITS |= {"mV", "mA", "uA", "nA", "pA", "pF", "nF", "uF", "nS", "uS", "ms", "us"}
UNITS |= {"Hz", "kHz", "MHz", "cm", "mm", "um"}
CONSTANTS = frozenset(("pi", "e", "inf"))
# What Brian2 and the engine know of a neuron: time, step, last spike, and the input.
GIVEN = frozenset(("t", "dt", "lastspike", "not_refractory", "i_in"))
# What Brian2 means something else by, its other functions, and what its numpy code is written with.
TAKEN = frozenset(("i", "j", "N", "xi", "t_in_timesteps", "refractory", "unless", "boolean"))
TAKEN |= {"integer", "mod", "rand", "randn", "poisson", "binomial"}
TAKEN |= {"logical_not", "LazyArange", "numpy_True", "numpy_False"}

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*")
_FACTOR = rf"(?:{'|'.join(sorted(BASE_UNITS, key=len, reverse=True))})(?: *\*\* *-?[1-9])?"
_UNIT = re.compile(rf"(?:1|{_FACTOR})(?: *[*/] *{_FACTOR})*")
_NO_SIGN = re.compile(r"[^A-Za-z0-9_ .,+\-*/()<>=!]")
# A number that runs into a name, as in `0x10`, `1_000` or `1j`.
_NO_NUMBER = re.compile(r"(?<![\w.])(?>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[A-Za-z_]", re.A)
_EQUATION = re.compile(r"(?:d(?P<changing>\w+) */ *dt|(?P<name>\w+))(?: *=(?P<value>[^=].*))?")
_STATEMENT = re.compile(r"(?P<name>[A-Za-z]\w*) *(?P<how>[-+*/]?=)(?P<value>[^=].*)")


def check_name(name: str) -> str:
    """Check that a name may be given to a variable or a parameter.

    Raises:
        ValueError: When it is none, or means something already.
    """
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise ValueError(
            f"name {quote(name)}: give up to {LONGEST_NAME} letters, digits and single "
            "underscores, a letter first"
        )
    words = UNITS | CONSTANTS | GIVEN | TAKEN | FUNCTIONS.keys()
    pythons = hasattr(builtins, name) or keyword.iskeyword(name)
    if name in words or name.startswith("xi_") or pythons:
        raise ValueError(f"name {name!r} means something already: choose another")
    return name


def rewrite_unit(text: str, *, single: bool = False) -> str:
    """Write a unit anew in which a variable may be declared.

    Args:
        text: `1`, or units of the list with `*`, `/` and `**` of a digit, e.g. `volt/second`.
        single: Whether it has to be one unit, or 1.

    Raises:
        ValueError: For anything else.
    """
    if single and any(sign in text for sign in "*/ "):
        raise ValueError(f"unit {quote(text)}: give one unit such as volt or second, or 1")
    if len(text) > 100 or not _UNIT.fullmatch(text):
        raise ValueError(
            f"unit {quote(text)}: give 1, or units such as volt, second, amp and hertz with *, / "
            "and ** between them"
        )
    return text.replace(" ", "")


# -- expressions ------------------------------------------------------------------------------

Kind = Literal["number", "condition"]
# Operators, with what they take and what they give.
_OPERATORS: dict[type[ast.AST], tuple[Kind, Kind]] = {
    **dict.fromkeys((ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow), ("number", "number")),
    **dict.fromkeys((ast.UAdd, ast.USub), ("number", "number")),
    **dict.fromkeys((ast.And, ast.Or, ast.Not), ("condition", "condition")),
    **dict.fromkeys((ast.Lt, ast.LtE, ast.Gt, ast.GtE), ("number", "condition")),
    **dict.fromkeys((ast.Eq, ast.NotEq), ("number", "condition")),
}


def parse_expression(text: str, kind: Kind = "number") -> ast.expr:
    """Parse an expression.

    Args:
        text: The expression, on one line: names, numbers up to 1e30, `+ - * /`, `**` with a number
            up to 16 or a name, comparisons, `and or not`, brackets, and functions of the list.
        kind: What it has to be.

    Raises:
        ValueError: For anything else, or what is too large.
    """
    if len(text) > LONGEST:
        raise ValueError(f"{quote(text)} has {len(text)} characters: give at most {LONGEST}")
    if sign := _NO_SIGN.search(text):
        raise ValueError(f"{quote(text)}: the character {sign[0]!a} is none of the language")
    if number := _NO_NUMBER.search(text):
        raise ValueError(f"{quote(text)}: {number[0]!r} is no number")
    try:
        root = ast.parse(text.strip(" "), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = getattr(error, "msg", None) or "it is nested too deeply"
        raise ValueError(f"{quote(text)} is no expression: {reason}") from None
    operations = (ast.Name, ast.Constant, *_OPERATORS)
    if (size := sum(isinstance(node, operations) for node in ast.walk(root))) > LARGEST:
        raise ValueError(f"{quote(text)} has {size} parts: give at most {LARGEST}")
    actual = _check(root, text, 0)
    if actual != kind:
        wanted = "a condition, such as v > 1*volt" if kind == "condition" else "a number"
        raise ValueError(f"{quote(text)} is a {actual}: give {wanted}")
    return root


def _operands(node: ast.expr) -> list[ast.expr]:
    match node:
        case ast.BinOp():
            return [node.left, node.right]
        case ast.UnaryOp():
            return [node.operand]
        case ast.BoolOp():
            return node.values
        case ast.Compare():
            return [node.left, *node.comparators]
        case ast.Call():
            return node.args
    return []


def _check(node: ast.expr, text: str, depth: int) -> Kind:
    """Refuse all that is not of the language; says what the expression is."""
    if depth > DEEPEST:
        raise ValueError(f"{quote(text)}: brackets and signs go deeper than {DEEPEST}")
    # A chain such as a + b + c is nested on its left.
    chained = node.left if isinstance(node, ast.BinOp) else None
    kinds = [_check(part, text, depth + (part is not chained)) for part in _operands(node)]
    match node:
        case ast.Name():
            return "condition" if node.id == "not_refractory" else "number"
        case ast.Constant() if type(node.value) in (int, float):
            _check_number(node.value)
            return "number"
        case ast.Call(func=ast.Name(), keywords=[]):
            _check_call(ast.unparse(node.func), kinds)
            return "number"
        case ast.BinOp() | ast.UnaryOp() | ast.BoolOp():
            operator: Any = node.op
        case ast.Compare(ops=[operator]):
            pass
        case _:
            operator = None
    if type(operator) not in _OPERATORS:
        what = type(node if operator is None else operator).__name__
        raise ValueError(f"{quote(text)}: {what!r} is none of the language")
    wanted, kind = _OPERATORS[type(operator)]
    if set(kinds) != {wanted}:
        raise ValueError(f"{quote(text)}: {type(operator).__name__!r} takes {wanted}s")
    if isinstance(node, ast.BinOp) and isinstance(operator, ast.Pow):
        _check_exponent(node.right)
    return kind


def _check_number(value: Any) -> None:
    if value and not LEAST <= value <= GREATEST:
        raise ValueError(f"number {quote(value)}: give 0, or {LEAST:g} to {GREATEST:g}")


def _check_call(name: str, kinds: list[Kind]) -> None:
    if name not in FUNCTIONS:
        raise ValueError(f"function {quote(name)} is unknown: {suggest(name, FUNCTIONS)}")
    if len(kinds) != FUNCTIONS[name]:
        raise ValueError(f"{name} takes {FUNCTIONS[name]} arguments, not {len(kinds)}")
    if name != "int" and "condition" in kinds:
        raise ValueError(f"{name} takes numbers, no condition")


def _check_exponent(exponent: ast.expr) -> None:
    number = exponent.operand if isinstance(exponent, ast.UnaryOp) else exponent
    bounded = isinstance(number, ast.Constant) and number.value <= POWER  # type: ignore[operator]
    if not bounded and not isinstance(exponent, ast.Name):
        raise ValueError(
            f"exponent {quote(ast.unparse(exponent))}: give a name, or a number up to {POWER}"
        )


def _names(node: ast.expr) -> set[str]:
    """Every name in an expression but those of functions."""
    own = {node.id} if isinstance(node, ast.Name) else set()
    return own.union(*map(_names, _operands(node)))


class Cost(NamedTuple):
    """Amount that there is to compute.

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


def _bound_cost(node: ast.expr, named: Mapping[str, Cost]) -> Cost:
    """Add up how much there is to compute.

    Args:
        node: The expression.
        named: The cost of each name that stands for an expression.

    Raises:
        ValueError: When it is too much.
    """
    parts = [_bound_cost(part, named) for part in _operands(node)]
    if not parts:
        return named.get(node.id, Cost(1, 1, 1, False)) if isinstance(node, ast.Name) else _ONE
    size, growing = 1 + sum(p.size for p in parts), any(p.growing for p in parts)
    expanded, degree = sum(p.expanded for p in parts), max(p.degree for p in parts)
    match node:
        case ast.Call(func=ast.Name(id=name)):
            if growing and name not in MAY_HOLD_GROWING:
                raise ValueError(f"{name}(...) holds an exponential: take that out of it")
            degree, growing = 1, growing or name in GROWING
        case ast.BinOp(op=ast.Mult() | ast.Div()):
            expanded = parts[0].expanded * parts[1].expanded
            degree = parts[0].degree + parts[1].degree
        case ast.BinOp(op=ast.Pow()):
            power = 1.0 if _names(node.right) else abs(float(ast.unparse(node.right)))
            expanded = min(parts[0].expanded ** max(1, ceil(power)), 10**9)
            degree = int(parts[0].degree * (power + 1))
    if expanded > EXPANDED:
        raise ValueError(f"multiplied out it has more than {EXPANDED} terms: write it smaller")
    if degree > DEGREE:
        raise ValueError(f"it is a product of more than {DEGREE} factors: write it smaller")
    return Cost(size, expanded, degree, growing)


_ONE = Cost(1, 1, 1, False)


# -- equations and statements -----------------------------------------------------------------


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
    value: ast.expr | None

    def __str__(self) -> str:
        """The line as Brian2 takes it."""
        if self.value is None:
            return f"{self.name} : {self.unit}"
        left = f"d{self.name}/dt" if self.kind == "changing" else self.name
        return f"{left} = {ast.unparse(self.value)} : {self.unit}"


def parse_equations(text: str) -> list[Equation]:
    """Parse the equations of a neuron.

    Raises:
        ValueError: For a line that is none, or a name that is taken or given twice.
    """
    equations: dict[str, Equation] = {}
    for line in _lines(text):
        left, colon, right = line.partition(":")
        match = _EQUATION.fullmatch(left.strip(" "))
        if match is None or not colon:
            raise ValueError(
                f"{quote(line)}: write dx/dt = ... : unit, x = ... : unit, or x : unit"
            )
        changing, value = match["changing"], match["value"]
        if changing and value is None:
            raise ValueError(f"{quote(line)}: say what it is, as in dx/dt = ... : unit")
        name = check_name(changing or match["name"])
        if name in equations:
            raise ValueError(f"{name!r} is given twice: give each variable once")
        kind: Literal["changing", "subexpression", "held"]
        kind = "changing" if changing else "held" if value is None else "subexpression"
        parsed = None if value is None else parse_expression(value)
        equations[name] = Equation(name, kind, rewrite_unit(right.strip(" ")), parsed)
    return list(equations.values())


def _lines(text: str) -> list[str]:
    """Split into lines that are not empty.

    Raises:
        ValueError: When there are too many.
    """
    if len(text) > CHARACTERS:
        raise ValueError(f"has {len(text)} characters: give at most {CHARACTERS}")
    lines = [line.strip(" \t") for line in text.split("\n") if line.strip(" \t")]
    if len(lines) > LINES:
        raise ValueError(f"has {len(lines)} lines: give at most {LINES}")
    return lines


def _check_names(node: ast.expr, names: set[str]) -> None:
    """Refuse an expression that uses other names than these, units and constants."""
    for name in sorted(_names(node) - UNITS - CONSTANTS):
        if name not in names:
            raise ValueError(f"name {quote(name)} is unknown: {suggest(name, names)}")


def bound_costs(equations: list[Equation]) -> dict[str, Cost]:
    """Add up what each subexpression costs where its name stands, after all of them are checked.

    Raises:
        ValueError: When one is made of itself, or too large with what it is made of.
    """
    rest = {e.name: e.value for e in equations if e.kind == "subexpression" and e.value}
    costs: dict[str, Cost] = {}
    while rest:
        ready = [name for name, value in rest.items() if not _names(value) & rest.keys()]
        if not ready:
            raise ValueError(f"{min(rest)!r} is made of itself: take it out of its own expression")
        for name in ready:
            costs[name] = _bound_cost(rest.pop(name), costs)
    changing = [e.value for e in equations if e.kind == "changing" and e.value]
    size = sum(_bound_cost(value, costs).size for value in changing)
    if len(changing) > CHANGING or size > SIZE:
        raise ValueError(
            f"{len(changing)} differential equations with {size} names and operators: give at "
            f"most {CHANGING} with {SIZE}"
        )
    return costs


@dataclass(frozen=True, slots=True)
class Scope:
    """Names that an expression of a neuron may use.

    Attributes:
        state: Variables that have a value of their own.
        names: These, subexpressions and parameters.
        costs: What each subexpression costs.
    """

    state: set[str]
    names: set[str]
    costs: Mapping[str, Cost]

    def rewrite(
        self, text: str, kind: Kind = "number", given: frozenset[str] | set[str] = GIVEN
    ) -> str:
        """Check an expression and write it anew.

        Args:
            text: The expression.
            kind: What it has to be.
            given: What it may name besides.
        """
        parsed = parse_expression(text, kind)
        _check_names(parsed, self.names | given)
        _bound_cost(parsed, self.costs)
        return ast.unparse(parsed)

    def rewrite_initial(self, name: str, text: str) -> str:
        """Check where a variable begins and write it anew."""
        if name not in self.state:
            raise ValueError(f"is no variable of the equations: {suggest(name, self.state)}")
        return self.rewrite(text, given=frozenset())

    def rewrite_statements(self, text: str) -> str:
        """Check statements and write them anew.

        They may change state. Any other name is one of their own, from the line on that gives it
        a value.

        Args:
            text: `x = ...`, `x += ...` and so on, one a line.

        Raises:
            ValueError: For a line that is none, or a name that is unknown or must not change.
        """
        written, own = [], set[str]()
        for line in _lines(text):
            match = _STATEMENT.fullmatch(line)
            if match is None:
                raise ValueError(
                    f"{quote(line)}: write x = ..., x += ..., x -= ..., x *= ... or x /="
                )
            name, value = match["name"], self.rewrite(match["value"], given=GIVEN | own)
            if name in self.names and name not in self.state:
                raise ValueError(f"{name!r} does not change: {suggest(name, self.state)}")
            if name not in self.state | own:
                if match["how"] != "=":
                    raise ValueError(f"{quote(name)} has no value yet: {suggest(name, self.state)}")
                own.add(check_name(name))
            written.append(f"{name} {match['how']} {value}")
        return "\n".join(written)


# -- a neuron as a whole ----------------------------------------------------------------------


def rewrite_model(model: NeuronModel) -> NeuronModel:
    """Parse every text of a neuron that is Brian2's and write it anew.

    Raises:
        ValueError: One line that names the key, for whatever the language does not know.
    """
    if len(model.parameters) > PARAMETERS:
        raise ValueError(
            f"neuron.parameters: {len(model.parameters)} of them: at most {PARAMETERS}"
        )
    for name, parameter in model.parameters.items():
        with _name_key("parameters"):
            check_name(name)
        with _name_key(f"parameters.{name}.unit"):
            rewrite_unit(parameter.unit, single=True)
    with _name_key("unit"):
        rewrite_unit(model.unit, single=True)
    if model.method not in METHODS:
        raise ValueError(f"neuron.method = {quote(model.method)}: {suggest(model.method, METHODS)}")
    with _name_key("equations"):
        equations = parse_equations(model.equations)
        scope = _scope(model, equations)
    _check_ports(model, equations)
    with _name_key("threshold"):
        threshold = scope.rewrite(model.threshold, "condition")
    resets, initial, update = {}, {}, model.update
    for kind, text in model.resets.items():
        with _name_key(f"resets.{kind[:40]}"):
            resets[kind] = scope.rewrite_statements(text)
    if update is not None:
        with _name_key("update"):
            update = scope.rewrite_statements(update)
    for name, text in model.initial.items():
        with _name_key(f"initial.{name[:40]}"):
            initial[name] = scope.rewrite_initial(name, text)
    return replace(
        model,
        equations="\n".join(map(str, equations)),
        threshold=threshold,
        resets=resets,
        update=update,
        initial=initial,
    )


def _scope(model: NeuronModel, equations: list[Equation]) -> Scope:
    declared, parameters = {e.name for e in equations}, set(model.parameters)
    if both := declared & parameters:
        raise ValueError(f"{min(both)!r} is a parameter, too: rename one of them")
    for each in equations:
        if each.value is not None:
            _check_names(each.value, declared | parameters | GIVEN)
    state = {e.name for e in equations if e.kind != "subexpression"}
    return Scope(state, declared | parameters, bound_costs(equations))


def _check_ports(model: NeuronModel, equations: list[Equation]) -> None:
    """Refuse a membrane, or what receives events, that is no variable in the membrane's unit."""
    state = {e.name: e.unit for e in equations if e.kind != "subexpression"}
    for key, names in (("membrane", (model.membrane,)), ("receives", model.receivers)):
        for name in names:
            if name not in state:
                raise ValueError(f"neuron.{key} = {quote(name)}: {suggest(name, state)}")
            if state[name] != model.unit:
                raise ValueError(
                    f"neuron.{key} = {name!r} is in {state[name]}: give a variable in {model.unit}"
                )


@contextmanager
def _name_key(key: str) -> Iterator[None]:
    """Let a refusal name the key."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"neuron.{key}: {error}") from None
