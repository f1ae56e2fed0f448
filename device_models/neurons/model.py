"""What a neuron model is: Brian2 equations and the parameters they use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Mismatch:
    """How a figure of the fixed pattern acts on a parameter.

    Attributes:
        figure: Name of the figure in `FixedPattern`.
        acts: `multiply` or `divide` by a log-normal factor, or `add` an offset in units of the
            nominal threshold.
    """

    figure: str
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
    """

    value: float
    unit: str
    minimum: float
    maximum: float
    meaning: str
    setting: str | None = None
    mismatch: Mismatch | None = None


@dataclass(frozen=True)
class NeuronModel:
    """A neuron, written as Brian2 would have it.

    The equations use `i_in`, the input current as a slope of the membrane in volt/second, which
    the engine provides. An event through a weight w adds `w` volts, times the neuron's input
    gain, to the variable `receives`.

    Attributes:
        name: Its name.
        equations: Brian2 differential equations, without the parameters.
        parameters: The constants of the equations, by name.
        threshold: Brian2 condition of a spike.
        resets: Brian2 statements after a spike, for each kind of reset offered.
        method: Brian2's integration method.
        membrane: The variable that a probe reads, in volts.
        receives: The variable that synaptic events add to, in volts.
        time_constant: The parameter that is the membrane's time constant.
        silent: The parameter that, set to infinity, keeps a dead neuron from firing.
        source: Where the equations come from.
    """

    name: str
    equations: str
    parameters: Mapping[str, Parameter]
    threshold: str
    resets: Mapping[str, str]
    method: str
    membrane: str
    receives: str
    time_constant: str
    silent: str
    source: str
