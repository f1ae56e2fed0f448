"""Neuron models as data: Brian2 equations and their parameters, each in a TOML file beside this."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from device_models.naming import quote, suggest
from device_models.nonidealities import FixedPattern
from device_models.tables import Number, Text, find_file, list_files, read_as, read_toml

CLOSED = ConfigDict(extra="forbid")  # tables without other keys


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Effect of a non-ideality of the fixed pattern on a parameter.

    Attributes:
        nonideality: Name of the non-ideality in `FixedPattern`.
        acts: `multiply` or `divide` by a log-normal factor, or `add` an offset in units of the
            nominal threshold.
    """

    nonideality: Text
    acts: Literal["multiply", "divide", "add"]
    __pydantic_config__ = CLOSED

    def __post_init__(self) -> None:
        """Refuse what spreads no neurons."""
        spreads = [f.name for f in fields(FixedPattern) if f.name.endswith(("_cv", "_sd"))]
        if self.nonideality not in spreads:
            name = self.nonideality
            raise ValueError(f"nonideality {quote(name)}: {suggest(name, spreads)}")


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

    value: Number
    unit: Text
    minimum: Number
    maximum: Number
    meaning: Text = ""
    setting: Text | None = None
    mismatch: Mismatch | None = None
    source: Text = ""
    __pydantic_config__ = CLOSED

    def __post_init__(self) -> None:
        """Refuse a value outside of its own range."""
        low, high = self.minimum, self.maximum
        if not low <= self.value <= high:
            raise ValueError(f"value {self.value:g} is outside its own range {low:g} to {high:g}")


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

    parameter: Text
    most: Annotated[int, Field(strict=True, ge=1, lt=1 << 31)]
    unit: Number = 0.0
    offset: Annotated[int, Field(strict=True, ge=0, le=4096)] = 0
    __pydantic_config__ = CLOSED

    def decode(self, number: int, dt: float, parameter: Parameter) -> float:
        """Find the value of the parameter, for a step of `dt` seconds; a time within its range."""
        if self.unit:
            return self.unit * number
        share = number + self.offset
        if share == 0:
            return parameter.maximum
        decayed = -dt / math.log1p(-share / 4096) if share < 4096 else 0.0
        return max(decayed, parameter.minimum)


@dataclass(frozen=True, kw_only=True)
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
        is_leaky: Whether a membrane leaks by its time constant up to the threshold, and its
            refractory time alone keeps it from firing again.
        synapse: The parameter that is the time constant of a synaptic current which decays
            exponentially and brings the weight of an event in total; None for any other synapse.
        update: Brian2 statements of one time step, for a neuron in discrete time; its equations
            then only declare the variables, and its state holds whole numbers.
        weight_unit: What a synapse of one unit adds to `receives`, where weights are whole
            multiples of it times a power of two that all of a projection share; 0 elsewhere.
        mantissas: By the name that users of the chip know, what they write for a parameter.
        precision: Of its state: `double` where `single` would move spikes.
    """

    name: Text = "own"
    equations: str
    parameters: Mapping[str, Parameter]
    threshold: str
    resets: Mapping[str, str]
    method: str = "exponential_euler"
    membrane: Text
    receives: Text | tuple[Text, Text]
    time_constant: Text
    silent: Text
    source: Text = "the user's own"
    description: Text = ""
    unit: str = "volt"
    rest: Number = 0.0
    level: Number = 1.0
    initial: Mapping[str, str] = field(default_factory=dict)
    refractory: Text | None = None
    is_leaky: bool = True
    synapse: Text | None = None
    update: str | None = None
    weight_unit: Number = 0.0
    mantissas: Mapping[str, Mantissa] = field(default_factory=dict)
    precision: Literal["single", "double"] = "single"
    __pydantic_config__ = CLOSED

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


def _read_named(name: str) -> dict[str, Any]:
    return dict(read_toml(find_file(__file__, name, "neuron model"))["neuron"])


def read_model(table: Mapping[str, Any]) -> NeuronModel:
    """Read a neuron model from a `[neuron]` table, whose keys are the fields of `NeuronModel`.

    With `base`, the name of a model of this package, it has all that the table does not state of
    that model, and its parameters besides those of the table.

    Raises:
        ValueError: For an unknown or missing key, a value of another kind, or a parameter out of
            its range.
    """
    if "base" in table:
        base = _read_named(read_as(Text, table["base"], "neuron.base"))
        changed = {key: value for key, value in table.items() if key != "base"}
        own = read_as(dict[str, Any], table.get("parameters", {}), "neuron.parameters")
        return read_model(base | changed | {"parameters": base.get("parameters", {}) | own})
    model: NeuronModel = read_as(NeuronModel, table, "neuron")
    return model
