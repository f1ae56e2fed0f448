"""Neuron models of a user: read from a table, or from a Python file, and checked with Brian2."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

from device_models import neuron_language
from device_models.engine.brian2_network import brian2, quiet, silence
from device_models.naming import quote, suggest
from device_models.neurons import Mismatch, NeuronModel, Parameter
from device_models.nonidealities import FixedPattern

# What a file may leave out although the dataclass asks for it.
DEFAULTS = {"name": "own", "source": "the user's own", "method": "exponential_euler"}
LONGEST_TEXT, GREATEST = 1000, 1e30


def check_parameter(model: NeuronModel, name: str, value: float | str) -> float:
    """Check a nominal parameter of a model; returns it as a number.

    Raises:
        ValueError: For an unknown parameter, or a value out of its range.
    """
    if name not in model.parameters:
        raise ValueError(
            f"parameter {quote(name)} of {model.name} is unknown: {suggest(name, model.parameters)}"
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


def model_from_python(path: Path) -> NeuronModel:
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
    return check_model(model)


def model_from_table(table: Mapping[str, Any]) -> NeuronModel:
    """Read a neuron model from a `[neuron]` table, whose keys are the fields of `NeuronModel`.

    Its equations, conditions and statements are those of `device_models.neuron_language`, and
    written anew from their parsed form.

    Raises:
        ValueError: For an unknown or missing key, a value of another kind, a parameter out of
            its range, what the language does not know, or what Brian2 does not accept.
    """
    readers: dict[str, Reader] = {
        **dict.fromkeys(("rest", "level", "weight_unit"), read_number),
        **dict.fromkeys(("equations", "threshold", "method", "unit", "update"), _read_code),
        **dict.fromkeys(("resets", "initial"), _read_codes),
        "parameters": _read_parameters,
        "receives": _read_receives,
        "precision": _read_choice("single", "double"),
    }
    values = _read_fields(NeuronModel, table, "neuron", readers, DEFAULTS)
    return check_model(neuron_language.rewrite_model(NeuronModel(**values)))


Reader = Callable[[Any, str], Any]


def read_text(value: Any, key: str) -> str:
    """Read a text that is shown to people.

    Raises:
        ValueError: When it is none, is long, or has characters that act on a terminal.
    """
    text = _read_code(value, key)
    if len(text) > LONGEST_TEXT or not text.isprintable():
        raise ValueError(
            f"{key} = {quote(value)}: give up to {LONGEST_TEXT} characters, all of them printable"
        )
    return text


def read_number(value: Any, key: str) -> float:
    """Read a number of ordinary size.

    Raises:
        ValueError: When it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} = {quote(value)}: give a number")
    if not -GREATEST <= value <= GREATEST:
        raise ValueError(
            f"{key} = {quote(value)}: give a number from -{GREATEST:g} to {GREATEST:g}"
        )
    return float(value)


def read_table(value: Any, key: str) -> Mapping[str, Any]:
    """Read a table.

    Raises:
        ValueError: When it is none.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"{key} = {quote(value)}: is a table, write [{key}]")
    return value


def _read_code(value: Any, key: str) -> str:
    """Read a text for the language, which says what of it is allowed."""
    if not isinstance(value, str):
        raise ValueError(f"{key} = {quote(value)}: give a text")
    return value


def _read_codes(value: Any, key: str) -> dict[str, str]:
    return {n: _read_code(v, f"{key}.{n[:40]}") for n, v in read_table(value, key).items()}


def _read_receives(value: Any, key: str) -> str | tuple[str, str]:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) == 2 and all(isinstance(v, str) for v in value):
        return (value[0], value[1])
    raise ValueError(f"{key} = {quote(value)}: name a variable, or a list of two")


def _read_choice(*choices: str) -> Reader:
    def read(value: Any, key: str) -> str:
        if value not in choices:
            head, last = ", ".join(choices[:-1]), choices[-1]
            raise ValueError(f"{key} = {quote(value)}: give {head} or {last}")
        return str(value)

    return read


def _read_parameters(value: Any, key: str) -> dict[str, Parameter]:
    readers: dict[str, Reader] = {
        **dict.fromkeys(("value", "minimum", "maximum"), read_number),
        "mismatch": _read_mismatch,
    }
    parameters = {}
    for name, entry in read_table(value, key).items():
        own = f"{key}.{name[:40]}"
        values = _read_fields(Parameter, entry, own, readers, {"meaning": ""})
        parameter = parameters[name] = Parameter(**values)
        if not parameter.minimum <= parameter.value <= parameter.maximum:
            raise ValueError(
                f"{own}.value = {parameter.value:g}: outside its own range {parameter.minimum:g} "
                f"to {parameter.maximum:g}"
            )
    return parameters


def _read_mismatch(value: Any, key: str) -> Mismatch:
    readers: dict[str, Reader] = {"acts": _read_choice("multiply", "divide", "add")}
    values = _read_fields(Mismatch, value, key, readers, {})
    name, factors = values["nonideality"], [f.name for f in fields(FixedPattern)]
    factors = [each for each in factors if each.endswith(("_cv", "_sd"))]
    if name not in factors:
        raise ValueError(f"{key}.nonideality = {quote(name)}: {suggest(name, factors)}")
    return Mismatch(**values)


def _read_fields(
    kind: type[Any],
    value: Any,
    key: str,
    readers: Mapping[str, Reader],
    defaults: Mapping[str, Any],
) -> dict[str, Any]:
    """Read the entries of a table that are fields of a dataclass, none missing and none unknown.

    Args:
        kind: The dataclass.
        value: The table.
        key: Its name in the file.
        readers: How to read a field; a text for people where nothing is said.
        defaults: What may be left out.
    """
    table = read_table(value, key)
    own = {f.name: f for f in fields(kind)}
    for name in table:
        if name not in own:
            raise ValueError(f"{key}.{name[:40]} is unknown: {suggest(name, own)}")
    entries = {**defaults, **table}
    for name, item in own.items():
        optional = item.default is not MISSING or item.default_factory is not MISSING
        if name not in entries and not optional:
            raise ValueError(f"{key}.{name} is missing: give it")
    reader: Mapping[str, Reader] = {**dict.fromkeys(entries, read_text), **readers}
    return {name: reader[name](entry, f"{key}.{name}") for name, entry in entries.items()}


# -- whether the parts fit together, and Brian2 accepts each statement ------------------------


def check_model(model: NeuronModel) -> NeuronModel:
    """Check that the parts of a model fit together and that Brian2 accepts each statement.

    Raises:
        ValueError: One line that names the key.
    """
    if not model.resets or set(model.resets) - {"soft", "hard"}:
        raise ValueError(f"neuron.resets = {quote([*model.resets])}: give soft, hard or both")
    if model.swing <= 0:
        raise ValueError(
            f"neuron.level = {model.level:g}: give a membrane above rest ({model.rest:g})"
        )
    own = [key for key in ("refractory", "synapse") if getattr(model, key) is not None]
    times = ("time_constant", *own)
    for key in (*times, "silent"):
        name = getattr(model, key)
        if name not in model.parameters:
            raise ValueError(
                f"neuron.{key} = {quote(name)}: name a parameter; {suggest(name, model.parameters)}"
            )
        parameter = model.parameters[name]
        if key in times and parameter.unit != "second":
            raise ValueError(f"neuron.parameters.{name}.unit = {parameter.unit!r}: give second")
    if model.parameters[model.time_constant].minimum <= 0:
        raise ValueError(f"neuron.parameters.{model.time_constant}.minimum: give a time above 0")
    if model.parameters[model.silent].mismatch is None:
        raise ValueError(
            f"neuron.parameters.{model.silent}: give it a mismatch, since it differs where a "
            "neuron is dead"
        )
    b2 = brian2()
    with silence():
        _check_names(b2, model)
        _check_statements(b2, model)
    return model


def _check_names(b2: Any, model: NeuronModel) -> None:
    """Refuse units and variables that Brian2 does not know or means something else by."""
    units = {f"parameters.{name}.unit": p.unit for name, p in model.parameters.items()}
    for key, unit in {**units, "unit": model.unit}.items():
        if unit != "1" and not isinstance(getattr(b2, unit, None), b2.Unit):
            raise ValueError(
                f"neuron.{key} = {unit!r}: give a Brian2 unit such as volt, second, amp, or 1"
            )
    try:
        variables = set(b2.Equations(model.equations).names)
    except Exception as error:
        raise ValueError(f"neuron.equations: {_explain(error)}") from None
    attributes = {*dir(b2.NeuronGroup), *vars(quiet(b2.NeuronGroup)(1, ""))}
    for name in sorted({*model.parameters, *variables} & attributes):
        raise ValueError(f"neuron: name {name!r} means something to Brian2: choose another")
    for key, names in (("membrane", (model.membrane,)), ("receives", model.receivers)):
        for name in names:
            if name not in variables:
                raise ValueError(f"neuron.{key} = {name!r}: {suggest(name, variables)}")


def _check_statements(b2: Any, model: NeuronModel) -> None:
    """Let Brian2 parse, check units and run each statement; a refusal names its key."""
    spikes = {"threshold": model.threshold}
    group: Any = None
    for kind, reset in model.resets.items():
        # A method whose code takes long to make is tried once: no reset depends on it.
        again = group is not None and model.method in neuron_language.METHODS
        options = {**spikes, "reset": reset}
        try:
            group = _run_group(b2, replace(model, method="euler") if again else model, options)
        except Exception:
            # Key by key, so that the refusal names the first one that is not accepted.
            parts = {"equations": {}, "threshold": spikes, f"resets.{kind}": options}
            for key, part in parts.items():
                try:
                    _run_group(b2, model, part)
                except Exception as error:
                    raise ValueError(f"neuron.{key}: {_explain(error)}") from None
    for name, expression in model.initial.items():
        try:
            group.state(name).set_item(slice(None), expression, namespace={})
        except Exception as error:
            raise ValueError(f"neuron.initial.{name}: {_explain(error)}") from None


def _run_group(b2: Any, model: NeuronModel, options: Mapping[str, str]) -> Any:
    """Build one neuron of Brian2 and let it do a step."""
    from brian2.codegen.runtime.numpy_rt import NumpyCodeObject

    parameters = [f"{name} : {p.unit} (constant)" for name, p in model.parameters.items()]
    group = quiet(b2.NeuronGroup)(
        1,
        "\n".join([model.equations, *parameters, f"i_in : {model.unit}/second"]),
        method=model.method,
        refractory=model.refractory if model.refractory and "threshold" in options else False,
        codeobj_class=NumpyCodeObject,
        **options,
    )
    for name, parameter in model.parameters.items():
        setattr(group, f"{name}_", parameter.value)
    if model.update and "threshold" in options:
        group.run_regularly(model.update, codeobj_class=NumpyCodeObject)
    b2.Network(group).run(1 * group.clock.dt, namespace={})
    return group


def _explain(error: BaseException) -> str:
    """Explain by the innermost of Brian2's chained errors, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__
