"""What a learning rule is: a pair of pure functions over what the host saw of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import BaseModel

from hil.discovery import NoSettings, check_settings

Matrix = NDArray[np.float32]
State = Mapping[str, NDArray[np.generic]]
Gradients = list[Matrix | None]
"""One `(n_pre, n_post)` gradient, to be descended, for each projection; None leaves it frozen."""


@dataclass(frozen=True, eq=False)
class Route:
    """A projection, as a rule sees it.

    Attributes:
        source: Layer that it comes from, 0 being the input.
        target: Layer that it leads to, from 1.
        lag: Steps from an event to the sample of the target's membrane that first shows it.
        delay: Steps beyond these: one number, or one for each synapse, `(n_pre, n_post)`.
    """

    source: int
    target: int
    lag: int = 0
    delay: int | NDArray[np.int64] = 0


@dataclass(frozen=True, eq=False)
class PerturbedEvaluation:
    """One more run of the same batch, with weights that the rule proposed.

    Attributes:
        weights: `(n_pre, n_post)` of each projection, as asked for.
        loss: Mean loss of the batch with them.
    """

    weights: Sequence[Matrix]
    loss: float


@dataclass(frozen=True, eq=False)
class Observation:
    """What the host saw of one batch of B samples over T steps.

    Layer l of n_l neurons: 0 is the input, 1 to L-1 are hidden, L is the output of C classes.
    Membranes are in units where rest is 0 and the nominal threshold 1.

    Attributes:
        inputs: Mean input drive of a step, `(B, n_0)`.
        activity: Spikes per step of each hidden layer, measured or estimated, `(B, n_l)`.
        membrane: Time mean of the membrane of each layer 1 to L before its reset, `(B, n_l)`.
        rate: Output spikes per step, `(B, C)`.
        error: Derivative of each sample's loss by its logits, `(B, C)`.
        traces: Membrane of each layer 1 to L at each step, before its reset, `(T, B, n_l)`; empty
            unless the rule asks for traces.
        input_trace: Input of each step, `(T, B, n_0)`; None when it is constant (or no traces).
        output_spikes: Output raster `(T, B, C)` where the device shows it, with traces.
        perturbed: What came of the weights that the rule proposed, in its order.
        routes: Where each projection leads, in the order of the weights: those from layer to layer
            first, then those from a hidden layer to itself. Empty where there are only the former.
        spikes: Raster of each hidden layer, measured or estimated, `(T, B, n_l)`, with traces.
        running_error: The error that the readout up to each step would have, `(T, B, C)`, where
            the rule asks for it.
    """

    inputs: Matrix
    activity: tuple[Matrix, ...]
    membrane: tuple[Matrix, ...]
    rate: Matrix
    error: Matrix
    traces: tuple[Matrix, ...] = ()
    input_trace: Matrix | None = None
    output_spikes: Matrix | None = None
    perturbed: tuple[PerturbedEvaluation, ...] = ()
    routes: tuple[Route, ...] = ()
    spikes: tuple[Matrix, ...] = ()
    running_error: Matrix | None = None

    @property
    def connections(self) -> tuple[Route, ...]:
        """Where each projection leads, in the order of the weights."""
        chain = tuple(Route(layer, layer + 1) for layer in range(len(self.membrane)))
        return self.routes or chain

    def loop(self, layer: int) -> Route | None:
        """The projection of a layer to itself, if it has one."""
        return next((r for r in self.routes if r.source == r.target == layer), None)


@dataclass(frozen=True)
class Timing:
    """The host's nominal knowledge of the neuron and the readout. aDFA uses none of it.

    Attributes:
        decay: Fraction of the membrane left after a step without input, exp(-dt/tau).
        steps: T.
        reset: Whether a spike subtracts the threshold (`soft`) or clears the membrane (`hard`).
        input_is_current: Whether the input is a current, else spikes.
        kappa: Logit of an output that fires at every step; 0 when spikes are not read out.
        beta: Logit of an output membrane whose mean is at threshold; 0 when not read out.
    """

    decay: float
    steps: int
    reset: Literal["soft", "hard"]
    input_is_current: bool
    kappa: float
    beta: float


@dataclass(frozen=True)
class Rule:
    """A learning rule.

    Attributes:
        name: Its name.
        init: Draws what the rule keeps, given a generator and the layer sizes `(n_0, ..., n_L)`.
        update: Gradients from what is kept, what was seen, and the shadow weights.
        propose: Further weights to run each batch with before the update, drawn by a generator
            around the shadow weights; each costs one more run of the device. None for none.
        gate: What the error of a hidden neuron is multiplied by, from what is kept and membranes
            of any shape in thresholds; None where there is no such function.
        needs_traces: Whether it reads membranes step by step.
        needs_running_error: Whether it reads the error of the readout up to each step, with traces.
        adjust: Gradients of what it keeps and learns beside the weights, by name, from what is
            kept, what was seen, and the gradients by which the weights are changed; descended as
            these are. None for what stays as it was drawn.
    """

    name: str
    init: Callable[[Generator, Sequence[int]], dict[str, NDArray[np.generic]]]
    update: Callable[[State, Observation, Sequence[Matrix]], Gradients]
    propose: Callable[[Generator, Sequence[Matrix]], list[list[Matrix]]] | None = None
    gate: Callable[[State, Matrix], Matrix] | None = None
    needs_traces: bool = False
    needs_running_error: bool = False
    adjust: Callable[[State, Observation, Gradients], Mapping[str, Matrix | None]] | None = None

    def learned(self, state: State) -> dict[str, Matrix]:
        """What of its state may be learned, by name; nothing where it adjusts nothing."""
        return {} if self.adjust is None else {name: state[name] for name in sorted(state)}  # type: ignore[misc]

    def adjusted(
        self, state: State, observation: Observation, gradients: Gradients
    ) -> Mapping[str, Matrix | None]:
        """What `adjust` gives; nothing where it adjusts nothing."""
        return {} if self.adjust is None else self.adjust(state, observation, gradients)


@dataclass(frozen=True)
class RuleFamily:
    """What the name of a rule stands for: a rule for each choice of its settings.

    Attributes:
        build: Makes the rule of its settings and of the nominal timing.
        settings: A pydantic model of the settings, each with a default.
    """

    build: Callable[[Any, Timing], Rule]
    settings: type[BaseModel] = NoSettings

    def __post_init__(self) -> None:
        """Refuse settings that are no model."""
        check_settings(self.settings)

    def rule(self, name: str, settings: Mapping[str, Any], timing: Timing) -> Rule:
        """The rule of these settings; its name is told where it is refused.

        Raises:
            ValueError: When something else comes of them.
        """
        built = self.build(self.settings(**settings), timing)
        if not isinstance(built, Rule):
            given = type(built).__name__
            raise ValueError(f"rule {name!r} builds a {given}: build a hil.learning.Rule")
        return built


def checked(gradients: Gradients, weights: Sequence[Matrix], what: str) -> Gradients:
    """What a rule gives, if it is one finite gradient for each projection, or None.

    Args:
        gradients: What it gives.
        weights: Weights of each projection.
        what: Which rule it is, for a refusal.

    Returns:
        The same, float32.

    Raises:
        ValueError: Saying what it gives, and what it has to.
    """
    if not isinstance(gradients, list | tuple) or len(gradients) != len(weights):
        many = len(gradients) if isinstance(gradients, list | tuple) else type(gradients).__name__
        raise ValueError(
            f"{what} gives {many} for gradients: give a list of {len(weights)}, one for each "
            "projection, or None in its place"
        )
    found: Gradients = []
    for projection, (given, matrix) in enumerate(zip(gradients, weights, strict=True)):
        gradient = None if given is None else np.asarray(given, np.float32)
        if gradient is not None:
            its = f"{what} gives a gradient of projection {projection}"
            if gradient.shape != matrix.shape:
                raise ValueError(f"{its} of shape {gradient.shape}: give {matrix.shape}")
            if not np.isfinite(gradient).all():
                raise ValueError(f"{its} that is not finite")
        found.append(gradient)
    return found


def stateless(rng: Generator, layers: Sequence[int]) -> dict[str, NDArray[np.generic]]:
    """The `init` of a rule that keeps nothing."""
    return {}


def gradients_from(deltas: Sequence[Matrix], observation: Observation) -> Gradients:
    """Gradients `a^T delta / B` of all projections.

    Args:
        deltas: `(B, n_l)` of each layer 1 to L.
        observation: Gives the presynaptic activity `a` of each layer 0 to L-1.
    """
    batch = np.float32(len(observation.inputs))
    activity = (observation.inputs, *observation.activity)
    scaled = [delta / batch for delta in deltas]
    return [activity[r.source].T @ scaled[r.target - 1] for r in observation.connections]
