"""The language of a neuron that a file describes. It computes, and can do nothing else.

Brian2 makes Python code of equations, thresholds and statements. What a file says is therefore
parsed here first, and only what was written anew from the parsed form goes on: names, numbers,
operators, and the functions and units of a list. There are no comments, no text, no attributes, no
calls beyond the list, no names that Brian2, numpy or Python give a meaning of their own, and no
characters beyond ASCII. Lengths, depths, powers and what there is to multiply out are bounded, so
that neither Brian2 nor sympy computes for long.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from device_models.language.expression import Cost, Kind, cost, write
from device_models.language.parser import parse
from device_models.language.statements import Equation, costs, equations, known_names, statements
from device_models.language.words import GIVEN, free, unit
from device_models.naming import nearest, shown
from device_models.neuron_model import NeuronModel

__all__ = ["METHODS", "rewritten"]

METHODS = ("euler", "exponential_euler", "rk2", "rk4")
PARAMETERS = 64


@dataclass(frozen=True, slots=True)
class _Scope:
    """What an expression of a neuron may name.

    Attributes:
        state: Variables that have a value of their own.
        names: These, subexpressions and parameters.
        known: What each subexpression costs.
    """

    state: set[str]
    names: set[str]
    known: dict[str, Cost]

    def expression(self, text: str, kind: Kind = "number", given: frozenset[str] = GIVEN) -> str:
        """An expression, checked and written anew."""
        parsed = known_names(parse(text, kind), self.names | given)
        cost(parsed, self.known)
        return write(parsed)

    def beginning(self, name: str, text: str) -> str:
        """Where a variable begins."""
        if name not in self.state:
            raise ValueError(f"is no variable of the equations: {nearest(name, self.state)}")
        return self.expression(text, given=frozenset())

    def changes(self, text: str) -> str:
        """Statements, checked and written anew."""
        return statements(text, self.names, self.state, self.known)


def rewritten(model: NeuronModel) -> NeuronModel:
    """The same neuron with every text of Brian2's parsed and written anew.

    Raises:
        ValueError: One line that names the key, for whatever the language does not know.
    """
    _check_parameters(model)
    if model.method not in METHODS:
        raise ValueError(f"neuron.method = {shown(model.method)}: {nearest(model.method, METHODS)}")
    with _named("equations"):
        found = equations(model.equations)
        scope = _scope(model, found)
    _check_ports(model, found)
    with _named("threshold"):
        threshold = scope.expression(model.threshold, "condition")
    resets, initial, update = {}, {}, model.update
    for kind, text in model.resets.items():
        with _named(f"resets.{kind[:40]}"):
            resets[kind] = scope.changes(text)
    if update is not None:
        with _named("update"):
            update = scope.changes(update)
    for name, text in model.initial.items():
        with _named(f"initial.{name[:40]}"):
            initial[name] = scope.beginning(name, text)
    return replace(
        model,
        equations="\n".join(map(str, found)),
        threshold=threshold,
        resets=resets,
        update=update,
        initial=initial,
    )


def _check_parameters(model: NeuronModel) -> None:
    if len(model.parameters) > PARAMETERS:
        raise ValueError(
            f"neuron.parameters: {len(model.parameters)} of them: at most {PARAMETERS}"
        )
    for name, parameter in model.parameters.items():
        with _named("parameters"):
            free(name)
        with _named(f"parameters.{name}.unit"):
            _single(parameter.unit)
    with _named("unit"):
        _single(model.unit)


def _scope(model: NeuronModel, found: list[Equation]) -> _Scope:
    declared, parameters = {each.name for each in found}, set(model.parameters)
    if both := declared & parameters:
        raise ValueError(f"{min(both)!r} is a parameter, too: rename one of them")
    for each in found:
        if each.value is not None:
            known_names(each.value, declared | parameters | GIVEN)
    state = {each.name for each in found if each.kind != "subexpression"}
    return _Scope(state, declared | parameters, costs(found))


def _check_ports(model: NeuronModel, found: list[Equation]) -> None:
    """Refuse a membrane, or what receives events, that is no variable in the membrane's unit."""
    state = {each.name: each.unit for each in found if each.kind != "subexpression"}
    receives = [model.receives] if isinstance(model.receives, str) else [*model.receives]
    for key, names in (("membrane", [model.membrane]), ("receives", receives)):
        for name in names:
            if name not in state:
                raise ValueError(f"neuron.{key} = {shown(name)}: {nearest(name, state)}")
            if state[name] != model.unit:
                raise ValueError(
                    f"neuron.{key} = {name!r} is in {state[name]}: give a variable in {model.unit}"
                )


@contextmanager
def _named(key: str) -> Iterator[None]:
    """A refusal names the key."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"neuron.{key}: {error}") from None


def _single(text: str) -> str:
    """A unit without products, or 1."""
    if any(sign in text for sign in "*/ "):
        raise ValueError(f"unit {shown(text)}: give one unit such as volt or second, or 1")
    return unit(text)
