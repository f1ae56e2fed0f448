"""Whether the parts of a neuron model fit together, and Brian2 accepts each of its statements."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from device_models.language import METHODS
from device_models.naming import nearest, shown
from device_models.neuron_model import NeuronModel
from device_models.stepping import brian2, quiet, silent


def checked(model: NeuronModel) -> NeuronModel:
    """The model, when its parts fit together and Brian2 accepts each statement.

    Raises:
        ValueError: One line that names the key.
    """
    if not model.resets or set(model.resets) - {"soft", "hard"}:
        raise ValueError(f"neuron.resets = {shown([*model.resets])}: give soft, hard or both")
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
                f"neuron.{key} = {shown(name)}: name a parameter; {nearest(name, model.parameters)}"
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
    _accepted(model)
    return model


def _accepted(model: NeuronModel) -> None:
    """Let Brian2 parse, check units and run each statement, one key at a time."""
    b2 = brian2()
    with silent():
        _parsed(b2, model)


def _parsed(b2: Any, model: NeuronModel) -> None:
    attributes = {*dir(b2.NeuronGroup), *vars(quiet(b2.NeuronGroup)(1, ""))}
    for name in sorted({*model.parameters, *b2.Equations(model.equations).names} & attributes):
        raise ValueError(f"neuron: name {name!r} means something to Brian2: choose another")
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
    spikes = {"threshold": model.threshold}
    whole = [(kind, {**spikes, "reset": reset}) for kind, reset in model.resets.items()]
    group: Any = None
    for kind, options in whole:
        # A method whose code takes long to make is tried once: no reset depends on it.
        again = group is not None and model.method in METHODS
        try:
            group = _group(b2, replace(model, method="euler") if again else model, lines, options)
        except Exception:
            # Key by key, so that the refusal names the first one that is not accepted.
            for key, part in (
                ("equations", {}),
                ("threshold", spikes),
                (f"resets.{kind}", options),
            ):
                try:
                    _group(b2, model, lines, part)
                except Exception as error:
                    raise ValueError(f"neuron.{key}: {_brian2_says(error)}") from None
    for name, expression in model.initial.items():
        try:
            group.state(name).set_item(slice(None), expression, namespace={})
        except Exception as error:
            raise ValueError(f"neuron.initial.{name}: {_brian2_says(error)}") from None


def _group(b2: Any, model: NeuronModel, lines: list[str], options: dict[str, Any]) -> Any:
    from brian2.codegen.runtime.numpy_rt import NumpyCodeObject

    group = quiet(b2.NeuronGroup)(
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
    b2.Network(group).run(1 * group.clock.dt, namespace={})
    return group


def _brian2_says(error: BaseException) -> str:
    """The innermost of Brian2's chained errors, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__
