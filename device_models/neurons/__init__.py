"""Neuron models as data, Brian2 equations and their parameters; and by name.

Every `NeuronModel` that a module of this package defines has one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from device_models.naming import collect_members, find_member


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


LEAK = Mismatch("leak_cv", "divide")
THRESHOLD = Mismatch("threshold_cv", "multiply")
RESET = Mismatch("reset_sd", "add")
SYNAPSE = Mismatch("synapse_tau_cv", "multiply")
REFRACTORY = Mismatch("refractory_cv", "multiply")


def time_constant(
    value: float,
    meaning: str,
    *,
    setting: str,
    mismatch: Mismatch | None = None,
    source: str = "",
    maximum: float = 1.0,
) -> Parameter:
    """Declare a time constant, in seconds, of at least 1 ms."""
    return Parameter(value, "second", 1e-3, maximum, meaning, setting, mismatch, source)


def refractory_time(value: float = 0.0, source: str = "") -> Parameter:
    """Declare the time after a spike, in seconds, in which the membrane is clamped."""
    return Parameter(
        value=value,
        unit="second",
        minimum=0.0,
        maximum=0.1,
        meaning="Time after a spike in which the membrane is clamped.",
        setting="refractory",
        mismatch=REFRACTORY,
        source=source,
    )


@dataclass(frozen=True, slots=True)
class Mantissa:
    """A whole number that users of a digital chip write for a parameter.

    Attributes:
        parameter: The parameter.
        most: Greatest number; the least is 0.
        decode: Gives the parameter, of the number and the length of a step in seconds.
    """

    parameter: str
    most: int
    decode: Callable[[int, float], float]


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

    @property
    def receivers(self) -> tuple[str, ...]:
        """The variables that synaptic events add to: one, or an excitatory and an inhibitory."""
        return (self.receives,) if isinstance(self.receives, str) else tuple(self.receives)


__all__ = ["Mismatch", "NeuronModel", "Parameter", "get", "names"]


def names() -> tuple[str, ...]:
    """Name every neuron model of this package, e.g. `lif`, `adaptive-lif`."""
    return tuple(collect_members(__name__, NeuronModel))


def get(name: str) -> NeuronModel:
    """Find the neuron model of that name.

    Raises:
        ValueError: For an unknown name; the nearest valid one is named.
    """
    return find_member(__name__, NeuronModel, name, "neuron model")
