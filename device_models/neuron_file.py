"""Neuron models of a user, of a table or a Python file: checked with Brian2."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from device_models import neuron_language
from device_models.engine.brian2_network import brian2, quiet, silence
from device_models.naming import quote, suggest
from device_models.neurons import NeuronModel, read_model


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
    """Read a neuron model from a `[neuron]` table.

    Its equations, conditions and statements are those of `device_models.neuron_language`, and
    written anew from their parsed form.

    Raises:
        ValueError: As `neurons.read_model`; or for what the language does not know, or Brian2 does
            not accept.
    """
    return check_model(neuron_language.rewrite_model(read_model(table)))


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
    for key, word in model.mantissas.items():
        decoded = model.parameters.get(word.parameter)
        if decoded is None or not (word.unit or decoded.minimum > 0):
            raise ValueError(f"neuron.mantissas.{key}.parameter: name a parameter above 0")
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
