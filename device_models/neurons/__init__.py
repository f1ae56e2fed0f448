"""Neuron models as data: Brian2 equations and their parameters, each in a TOML file beside this."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from typing import Any, Literal

from device_models.naming import quote, suggest
from device_models.nonidealities import FixedPattern
from device_models.tables import (
    Reader,
    find_file,
    list_files,
    read_choice,
    read_code,
    read_entries,
    read_fields,
    read_number,
    read_table,
    read_text,
    read_toml,
)

# What a file may leave out although the dataclass asks for it.
DEFAULTS = {"name": "own", "source": "the user's own", "method": "exponential_euler"}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Effect of a non-ideality of the fixed pattern on a parameter.

    Attributes:
        nonideality: Name of the non-ideality in `FixedPattern`.
        acts: `multiply` or `divide` by a log-normal factor, or `add` an offset in units of the
            nominal threshold.
    """

    nonideality: str
    acts: Literal["multiply", "divide", "add"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A constant of every neuron.

    Attributes:
        value: Nominal value, in `unit`.
        unit: Name of a Brian2 unit: `volt`, `second`, ...
        minimum: Least nominal value allowed.
        maximum: Greatest nominal value allowed.
        meaning: What it is, in one sentence.
        setting: Name under which a host may choose the nominal value; None for what is built in.
        mismatch: How it varies over neurons; None when it does not.
        source: Where the value comes from, if not from the source of the model.
    """

    value: float
    unit: str
    minimum: float
    maximum: float
    meaning: str
    setting: str | None = None
    mismatch: Mismatch | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Mantissa:
    """A whole number that users of a digital chip write for a parameter.

    Attributes:
        parameter: The parameter.
        most: Greatest number; the least is 0.
        unit: The parameter for a number of 1; 0 where the number, plus `offset`, is by how many
            4096ths a step decays, and the parameter the time constant of that.
        offset: What is added to the number of a decay.
    """

    parameter: str
    most: int
    unit: float = 0.0
    offset: int = 0

    def decode(self, number: int, dt: float, parameter: Parameter) -> float:
        """Find the value of the parameter, for a step of `dt` seconds; a time within its range."""
        if self.unit:
            return self.unit * number
        share = number + self.offset
        if share == 0:
            return parameter.maximum
        decayed = -dt / math.log1p(-share / 4096) if share < 4096 else 0.0
        return max(decayed, parameter.minimum)


@dataclass(frozen=True)
class NeuronModel:
    """A neuron, written as Brian2 would have it.

    The equations use `i_in`, the input current as a slope of the membrane in `unit`/second, which
    the engine provides. An event through a weight w adds w times the swing (`level - rest`),
    times the neuron's input gain, to the variable it `receives`. Equations are written without
    `(unless refractory)`: the engine clamps the membrane while a neuron is refractory.

    Attributes:
        name: Its name.
        equations: Brian2 differential equations, without the parameters.
        parameters: The constants of the equations, by name.
        threshold: Brian2 condition of a spike.
        resets: Brian2 statements after a spike, for each kind of reset offered (`soft`, `hard`);
            the first one is the default.
        method: Brian2's integration method.
        membrane: The variable that a probe reads, in `unit`.
        receives: The variable that synaptic events add to, in `unit`; two of them where
            excitatory (positive) and inhibitory (negative) weights act on different ones, both
            of which receive |w|.
        time_constant: The parameter that is the membrane's time constant.
        silent: The parameter that, set to infinity, keeps a dead neuron from firing.
        source: Where the equations come from.
        description: What it is, in one line.
        unit: Name of the Brian2 unit of the membrane.
        rest: Nominal membrane without input, in SI units.
        level: Nominal membrane at which a neuron fires, in SI units.
        initial: Brian2 expressions of variables that do not start a trial at 0.
        refractory: The parameter that is the refractory time; None when there is none.
        synapse: The parameter that is the time constant of a synaptic current which decays
            exponentially and brings the weight of an event in total; None for any other synapse.
        update: Brian2 statements of one time step, for a neuron in discrete time; its equations
            then only declare the variables, and its state holds whole numbers.
        weight_unit: What a synapse of one unit adds to `receives`, where weights are whole
            multiples of it times a power of two that all of a projection share; 0 elsewhere.
        mantissas: By the name that users of the chip know, what they write for a parameter.
        precision: Of its state: `double` where `single` would move spikes.
    """

    name: str
    equations: str
    parameters: Mapping[str, Parameter]
    threshold: str
    resets: Mapping[str, str]
    method: str
    membrane: str
    receives: str | tuple[str, str]
    time_constant: str
    silent: str
    source: str
    description: str = ""
    unit: str = "volt"
    rest: float = 0.0
    level: float = 1.0
    initial: Mapping[str, str] = field(default_factory=dict)
    refractory: str | None = None
    synapse: str | None = None
    update: str | None = None
    weight_unit: float = 0.0
    mantissas: Mapping[str, Mantissa] = field(default_factory=dict)
    precision: Literal["single", "double"] = "single"

    @property
    def swing(self) -> float:
        """From rest to the nominal threshold, in SI units."""
        return self.level - self.rest

    @cached_property
    def receivers(self) -> tuple[str, ...]:
        """The variables that synaptic events add to: one, or an excitatory and an inhibitory."""
        return (self.receives,) if isinstance(self.receives, str) else tuple(self.receives)


__all__ = ["Mismatch", "NeuronModel", "Parameter", "get", "names"]


def names() -> tuple[str, ...]:
    """Name every neuron model of this package, e.g. `lif`, `adaptive-lif`."""
    return list_files(__file__)


@cache
def get(name: str) -> NeuronModel:
    """Find the neuron model of that name.

    Raises:
        ValueError: For an unknown name; the nearest valid one is named.
    """
    return read_model(_read_named(name))


def _read_named(name: str) -> Mapping[str, Any]:
    table = read_toml(find_file(__file__, name, "neuron model"))["neuron"]
    return read_table(table, "neuron")


def read_model(table: Mapping[str, Any]) -> NeuronModel:
    """Read a neuron model from a `[neuron]` table, whose keys are the fields of `NeuronModel`.

    With `base`, the name of a model of this package, it has all that the table does not state of
    that model, and its parameters besides those of the table.

    Raises:
        ValueError: For an unknown or missing key, a value of another kind, or a parameter out of
            its range.
    """
    if "base" in table:
        base = _read_named(read_text(table["base"], "neuron.base"))
        changed = {key: value for key, value in table.items() if key != "base"}
        own = read_table(table.get("parameters", {}), "neuron.parameters")
        merged = {**base, **changed, "parameters": {**base.get("parameters", {}), **own}}
        return read_model(merged)
    readers: dict[str, Reader] = {
        **dict.fromkeys(("rest", "level", "weight_unit"), read_number),
        **dict.fromkeys(("equations", "threshold", "method", "unit", "update"), read_code),
        **dict.fromkeys(("resets", "initial"), read_entries(read_code)),
        "parameters": read_entries(_read_parameter),
        "mantissas": read_entries(_read_mantissa),
        "receives": _read_receives,
        "precision": read_choice("single", "double"),
    }
    return NeuronModel(**read_fields(NeuronModel, table, "neuron", readers, DEFAULTS))


def _read_receives(value: Any, key: str) -> str | tuple[str, str]:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) == 2 and all(isinstance(v, str) for v in value):
        return (value[0], value[1])
    raise ValueError(f"{key} = {quote(value)}: name a variable, or a list of two")


def _read_parameter(value: Any, key: str) -> Parameter:
    readers: dict[str, Reader] = {
        **dict.fromkeys(("value", "minimum", "maximum"), read_number),
        "mismatch": _read_mismatch,
    }
    parameter = Parameter(**read_fields(Parameter, value, key, readers, {"meaning": ""}))
    if not parameter.minimum <= parameter.value <= parameter.maximum:
        raise ValueError(
            f"{key}.value = {parameter.value:g}: outside its own range {parameter.minimum:g} "
            f"to {parameter.maximum:g}"
        )
    return parameter


def _read_mismatch(value: Any, key: str) -> Mismatch:
    readers: dict[str, Reader] = {"acts": read_choice("multiply", "divide", "add")}
    mismatch = Mismatch(**read_fields(Mismatch, value, key, readers, {}))
    factors = [f.name for f in fields(FixedPattern) if f.name.endswith(("_cv", "_sd"))]
    if mismatch.nonideality not in factors:
        raise ValueError(
            f"{key}.nonideality = {quote(mismatch.nonideality)}: "
            f"{suggest(mismatch.nonideality, factors)}"
        )
    return mismatch


def _read_mantissa(value: Any, key: str) -> Mantissa:
    readers: dict[str, Reader] = {"unit": read_number, "most": _read_whole, "offset": _read_whole}
    return Mantissa(**read_fields(Mantissa, value, key, readers, {}))


def _read_whole(value: Any, key: str) -> int:
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise ValueError(f"{key} = {quote(value)}: give a whole number")
    return value
