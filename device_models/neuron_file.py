"""Neuron models of a user: read from a table, or from a Python file, and checked with Brian2."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from device_models import language
from device_models.naming import nearest, shown
from device_models.neuron_check import checked
from device_models.neuron_model import Mismatch, NeuronModel, Parameter

# What a file may leave out although the dataclass asks for it.
DEFAULTS = {"name": "own", "source": "the user's own", "method": "exponential_euler"}
# Texts that are read by people alone; the others go to the language of neurons.
WORDS = (
    *("name", "source", "description", "membrane"),
    *("time_constant", "silent", "refractory", "synapse"),
)
CODE = ("equations", "threshold", "method", "unit", "update", "precision")
NUMBERS = ("rest", "level", "weight_unit")
LONGEST_TEXT, GREATEST = 1000, 1e30


def within(model: NeuronModel, name: str, value: float | str) -> float:
    """A nominal parameter of a model as a number.

    Raises:
        ValueError: For an unknown parameter, or a value out of its range.
    """
    if name not in model.parameters:
        raise ValueError(
            f"parameter {shown(name)} of {model.name} is unknown: {nearest(name, model.parameters)}"
        )
    parameter = model.parameters[name]
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not parameter.minimum <= number <= parameter.maximum:
        raise ValueError(
            f"parameter {name} = {value}: give a number from {parameter.minimum:g} to "
            f"{parameter.maximum:g} {parameter.unit}"
        )
    return number


def from_python(path: Path) -> NeuronModel:
    """Run a Python file and take its `MODEL`.

    Raises:
        ValueError: When it fails, has no `MODEL`, or Brian2 does not accept the model.
    """
    try:
        model = runpy.run_path(str(path)).get("MODEL")
    except OSError:
        raise
    except Exception as error:
        raise ValueError(f"{path}: {type(error).__name__}: {error}") from None
    if not isinstance(model, NeuronModel):
        raise ValueError(f"{path}: defines no MODEL = NeuronModel(...)")
    return checked(model)


def model_from_table(table: Mapping[str, Any]) -> NeuronModel:
    """A neuron model from a `[neuron]` table, whose keys are the fields of `NeuronModel`.

    Its equations, conditions and statements are those of `device_models.language`, and written
    anew from their parsed form.

    Raises:
        ValueError: For an unknown or missing key, a value of another kind, a parameter out of
            its range, what the language does not know, or what Brian2 does not accept.
    """
    given = _fields(NeuronModel, table, "neuron", DEFAULTS)
    parameters = _table(given["parameters"], "neuron.parameters")
    given["parameters"] = {name: _parameter(name, value) for name, value in parameters.items()}
    for key in ("resets", "initial"):
        if key in given:
            pairs = _table(given[key], f"neuron.{key}")
            given[key] = {str(k): _code(v, f"neuron.{key}.{str(k)[:40]}") for k, v in pairs.items()}
    given["receives"] = _receives(given["receives"])
    for keys, read in ((WORDS, text), (CODE, _code), (NUMBERS, number)):
        for key in keys:
            if key in given:
                given[key] = read(given[key], f"neuron.{key}")
    if given.get("precision", "single") not in ("single", "double"):
        raise ValueError(f"neuron.precision = {shown(given['precision'])}: give single or double")
    return checked(language.rewritten(NeuronModel(**given)))


def text(value: Any, key: str) -> str:
    """A text that is shown to people.

    Raises:
        ValueError: When it is none, is long, or has characters that act on a terminal.
    """
    if not isinstance(value, str):
        raise ValueError(f"{key} = {shown(value)}: give a text")
    if len(value) > LONGEST_TEXT or not value.isprintable():
        raise ValueError(
            f"{key} = {shown(value)}: give up to {LONGEST_TEXT} characters, all of them printable"
        )
    return value


def number(value: Any, key: str) -> float:
    """A number of ordinary size.

    Raises:
        ValueError: When it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} = {shown(value)}: give a number")
    if not -GREATEST <= value <= GREATEST:
        raise ValueError(
            f"{key} = {shown(value)}: give a number from -{GREATEST:g} to {GREATEST:g}"
        )
    return float(value)


def _code(value: Any, key: str) -> str:
    """A text for the language, which says what of it is allowed."""
    if not isinstance(value, str):
        raise ValueError(f"{key} = {shown(value)}: give a text")
    return value


def _receives(value: Any) -> str | tuple[str, str]:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) == 2 and all(isinstance(v, str) for v in value):
        return (value[0], value[1])
    raise ValueError(f"neuron.receives = {shown(value)}: name a variable, or a list of two")


def _parameter(name: str, value: Any) -> Parameter:
    key = f"neuron.parameters.{name[:40]}"
    given = _fields(Parameter, _table(value, key), key, {"meaning": ""})
    for part in ("value", "minimum", "maximum"):
        given[part] = number(given[part], f"{key}.{part}")
    for part in ("meaning", "source", "setting", "unit"):
        if part in given:
            given[part] = text(given[part], f"{key}.{part}")
    if "mismatch" in given:
        mismatch = _table(given["mismatch"], f"{key}.mismatch")
        given["mismatch"] = _mismatch(mismatch, f"{key}.mismatch")
    parameter = Parameter(**given)
    if not parameter.minimum <= parameter.value <= parameter.maximum:
        raise ValueError(
            f"{key}.value = {parameter.value:g}: outside its own range {parameter.minimum:g} to "
            f"{parameter.maximum:g}"
        )
    return parameter


def _mismatch(table: Mapping[str, Any], key: str) -> Mismatch:
    from device_models.nonidealities.fixed_pattern import FixedPattern

    given = _fields(Mismatch, table, key, {})
    named, acts = text(given["nonideality"], f"{key}.nonideality"), given["acts"]
    known = [f.name for f in fields(FixedPattern) if f.name.endswith(("_cv", "_sd"))]
    if named not in known:
        raise ValueError(f"{key}.nonideality = {shown(named)}: {nearest(named, known)}")
    if acts not in ("multiply", "divide", "add"):
        raise ValueError(f"{key}.acts = {shown(acts)}: give multiply, divide or add")
    return Mismatch(named, acts)


def _fields(
    kind: type[Any], table: Mapping[str, Any], key: str, defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """The entries of a table that are fields of a dataclass, none missing and none unknown."""
    known = {f.name: f for f in fields(kind)}
    for name in table:
        if name not in known:
            raise ValueError(f"{key}.{name[:40]} is unknown: {nearest(name, known)}")
    given = {**defaults, **table}
    for name, item in known.items():
        optional = item.default is not MISSING or item.default_factory is not MISSING
        if name not in given and not optional:
            raise ValueError(f"{key}.{name} is missing: give it")
    return given


def _table(value: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{key} = {shown(value)}: is a table, write [{key}]")
    return value
