"""Neuron models of a user: read from a table, or from a Python file, and checked with Brian2."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from device_models.naming import nearest
from device_models.neuron_model import Mismatch, NeuronModel, Parameter

# What a file may leave out although the dataclass asks for it.
DEFAULTS = {"name": "own", "source": "the user's own", "method": "exponential_euler"}


def within(model: NeuronModel, name: str, value: float | str) -> float:
    """A nominal parameter of a model as a number.

    Raises:
        ValueError: For an unknown parameter, or a value out of its range.
    """
    if name not in model.parameters:
        raise ValueError(
            f"parameter {name!r} of {model.name} is unknown: {nearest(name, model.parameters)}"
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

    Raises:
        ValueError: For an unknown or missing key, a value of another kind, a parameter out of
            its range, or what Brian2 does not accept.
    """
    given = _fields(NeuronModel, table, "neuron", DEFAULTS)
    parameters = _table(given.get("parameters", {}), "neuron.parameters")
    given["parameters"] = {name: _parameter(name, value) for name, value in parameters.items()}
    for key in ("resets", "initial"):
        if key in given:
            pairs = _table(given[key], f"neuron.{key}")
            given[key] = {str(k): _text(v, f"neuron.{key}.{k}") for k, v in pairs.items()}
    if isinstance(given["receives"], list):
        given["receives"] = tuple(given["receives"])
    for key in ("rest", "level", "weight_unit"):
        if key in given:
            given[key] = _number(given[key], f"neuron.{key}")
    structured = {"parameters", "resets", "initial", "receives"}
    for key in set(given) - structured - {"rest", "level", "weight_unit"}:
        given[key] = _text(given[key], f"neuron.{key}")
    return checked(NeuronModel(**given))


def checked(model: NeuronModel) -> NeuronModel:
    """The model, when its parts fit together and Brian2 accepts each statement.

    Raises:
        ValueError: One line that names the key.
    """
    if not model.resets or set(model.resets) - {"soft", "hard"}:
        raise ValueError(f"neuron.resets = {sorted(model.resets)}: give soft, hard or both")
    if model.swing <= 0:
        raise ValueError(
            f"neuron.level = {model.level:g}: give a membrane above rest ({model.rest:g})"
        )
    for key in ("time_constant", "silent", *(["refractory"] if model.refractory else [])):
        name = getattr(model, key)
        if name not in model.parameters:
            raise ValueError(
                f"neuron.{key} = {name!r}: name a parameter; {nearest(name, model.parameters)}"
            )
    if model.parameters[model.silent].mismatch is None:
        raise ValueError(
            f"neuron.parameters.{model.silent}: give it a mismatch, since it differs where a "
            "neuron is dead"
        )
    _accepted(model)
    return model


def _accepted(model: NeuronModel) -> None:
    """Let Brian2 parse, check units and run each statement, one key at a time."""
    from device_models.stepping import brian2

    b2 = brian2()
    for name, parameter in model.parameters.items():
        if parameter.unit != "1" and not isinstance(getattr(b2, parameter.unit, None), b2.Unit):
            raise ValueError(
                f"neuron.parameters.{name}.unit = {parameter.unit!r}: give a Brian2 unit such as "
                "volt, second, amp, or 1"
            )
    if model.unit != "1" and not isinstance(getattr(b2, model.unit, None), b2.Unit):
        raise ValueError(f"neuron.unit = {model.unit!r}: give a Brian2 unit such as volt, or 1")
    lines = [
        model.equations,
        *(f"{name} : {p.unit} (constant)" for name, p in model.parameters.items()),
        f"i_in : {model.unit}/second",
    ]
    try:
        variables = set(b2.Equations(model.equations).names)
    except Exception as error:
        raise ValueError(f"neuron.equations: {_brian2_says(error)}") from None
    names = [model.receives] if isinstance(model.receives, str) else [*model.receives]
    for key, wanted in (("membrane", [model.membrane]), ("receives", names)):
        for name in wanted:
            if name not in variables:
                raise ValueError(f"neuron.{key} = {name!r}: {nearest(name, variables)}")
    attempts: list[tuple[str, dict[str, Any]]] = [("equations", {})]
    attempts.append(("threshold", {"threshold": model.threshold}))
    for kind, statements in model.resets.items():
        attempts.append((f"resets.{kind}", {"threshold": model.threshold, "reset": statements}))
    for key, options in attempts:
        try:
            group = _group(b2, model, lines, options)
        except Exception as error:
            raise ValueError(f"neuron.{key}: {_brian2_says(error)}") from None
    for name, expression in model.initial.items():
        try:
            setattr(group, name, expression)
        except Exception as error:
            raise ValueError(f"neuron.initial.{name}: {_brian2_says(error)}") from None


def _group(b2: Any, model: NeuronModel, lines: list[str], options: dict[str, Any]) -> Any:
    from brian2.codegen.runtime.numpy_rt import NumpyCodeObject

    group = b2.NeuronGroup(
        1,
        "\n".join(lines),
        method=model.method,
        refractory=model.refractory if model.refractory and "threshold" in options else False,
        codeobj_class=NumpyCodeObject,
        **options,
    )
    for name, parameter in model.parameters.items():
        setattr(group, f"{name}_", parameter.value)
    if model.update and "threshold" in options:
        group.run_regularly(model.update, codeobj_class=NumpyCodeObject)
    b2.Network(group).run(0 * b2.second, namespace={})
    return group


def _brian2_says(error: BaseException) -> str:
    """The innermost of Brian2's chained errors, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__


def _parameter(name: str, value: Any) -> Parameter:
    key = f"neuron.parameters.{name}"
    given = _fields(Parameter, _table(value, key), key, {"meaning": ""})
    for part in ("value", "minimum", "maximum"):
        given[part] = _number(given[part], f"{key}.{part}")
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
    known = [f.name for f in fields(FixedPattern) if f.name.endswith(("_cv", "_sd"))]
    if given["nonideality"] not in known:
        raise ValueError(
            f"{key}.nonideality = {given['nonideality']!r}: {nearest(given['nonideality'], known)}"
        )
    if given["acts"] not in ("multiply", "divide", "add"):
        raise ValueError(f"{key}.acts = {given['acts']!r}: give multiply, divide or add")
    return Mismatch(**given)


def _fields(
    kind: type[Any], table: Mapping[str, Any], key: str, defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """The entries of a table that are fields of a dataclass, none missing and none unknown."""
    known = {f.name: f for f in fields(kind)}
    for name in table:
        if name not in known:
            raise ValueError(f"{key}.{name} is unknown: {nearest(name, known)}")
    given = {**defaults, **table}
    for name, item in known.items():
        needed = item.default is MISSING and item.default_factory is MISSING
        if needed and name not in given:
            raise ValueError(f"{key}.{name} is missing: give it")
    return given


def _table(value: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{key} = {value!r}: is a table, write [{key}]")
    return value


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{key} = {value!r}: give a text")
    return value


def _number(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} = {value!r}: give a number")
    return float(value)
