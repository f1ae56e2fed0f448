"""A learning rule: a pair of pure functions over what the host saw of a batch, with state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import BaseModel

from hil.discovery import NoSettings, check_settings
from hil.learning.optimisers import Optimiser, adamw
from hil.learning.wiring import DENSE, Wiring

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Matrix = NDArray[np.float32]
State = Mapping[str, NDArray[np.generic]]
Gradients = list[Matrix | None]
"""A gradient, to be descended, for each projection, as its weights; None leaves it frozen."""


@dataclass(frozen=True, eq=False)
class Route:
    """A projection, as a rule sees it.

    Attributes:
        source: Layer that it comes from, 0 being the input.
        target: Layer that it leads to, from 1.
        lag: Steps from an event to the sample of the target's membrane that first shows it.
        delay: Steps beyond these: one number, or one for each synapse, in the shape of its weights.
        wiring: Its synapses.
    """

    source: int
    target: int
    lag: int = 0
    delay: int | NDArray[np.int64] = 0
    wiring: Wiring = DENSE


@dataclass(frozen=True, eq=False)
class PerturbedEvaluation:
    """One more run of the same batch, with weights that the rule proposed.

    Attributes:
        weights: `(n_pre, n_post)` of each projection, as asked for.
        losses: Loss of each sample with them, `(B,)`.
        logits: Logits of each sample with them, `(B, C)`.
    """

    weights: Sequence[Matrix]
    losses: Matrix
    logits: Matrix

    @property
    def loss(self) -> float:
        """Mean loss of the batch."""
        return float(self.losses.mean())


@dataclass(frozen=True)
class HostModel:
    """The host's nominal knowledge of the neuron and the readout. aDFA uses none of it.

    Attributes:
        decay: Fraction of the membrane left after a step without input, exp(-dt/tau).
        steps: T.
        reset: Whether a spike subtracts the threshold (`soft`) or clears the membrane (`hard`).
        input_is_current: Whether the input is a current, else spikes.
        kappa: Logit of an output that fires at every step; 0 when spikes are not read out.
        beta: Logit of an output membrane whose mean is at threshold; 0 when not read out.
        reads_times: Whether kappa is that of an output that fires first in the first step.
        most_in_run: Most spikes in a run; None for no limit.
    """

    decay: float
    steps: int
    reset: Literal["soft", "hard"]
    input_is_current: bool
    kappa: float
    beta: float
    reads_times: bool = False
    most_in_run: int | None = None


@dataclass(frozen=True, eq=False)
class Observation:
    """One batch of B samples over T steps, as the host saw it.

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
        input_events: The same where it is spikes, `(T * B, n_0)` counts in CSR, step by step.
        output_spikes: Output raster `(T, B, C)` where the device shows it, with traces.
        perturbed: What came of the weights that the rule proposed, in its order.
        routes: Where each projection leads, in the order of the weights: those from layer to layer
            first, then those from a hidden layer to itself. Empty where there are only the former.
        spikes: Raster of each hidden layer, measured or estimated, `(T, B, n_l)`, with traces.
        earlier: Input and raster of each hidden layer in the steps before the batch, `(H, B, n_l)`,
            where the device runs on and the rule asks for traces; else empty.
        running_error: The error that the readout up to each step would have, `(T, B, C)`, where
            the rule asks for it.
        model: What the host takes for nominal of the neuron and the readout.
        pulls: Term of homeostasis that is added to the delta of each hidden layer, `(n_l,)`; empty
            where there is none.
        progress: Share of the training that is done, 0 to 1.
        losses: Loss of each sample, `(B,)`.
        logits: Logits of each sample, `(B, C)`.
        labels: Class of each sample, `(B,)`; or real targets, `(B, C)`.
    """

    inputs: Matrix
    activity: tuple[Matrix, ...]
    membrane: tuple[Matrix, ...]
    rate: Matrix
    error: Matrix
    traces: tuple[Matrix, ...] = ()
    input_trace: Matrix | None = None
    input_events: csr_matrix | None = None
    output_spikes: Matrix | None = None
    perturbed: tuple[PerturbedEvaluation, ...] = ()
    routes: tuple[Route, ...] = ()
    spikes: tuple[Matrix, ...] = ()
    earlier: tuple[Matrix, ...] = ()
    running_error: Matrix | None = None
    model: HostModel | None = None
    pulls: tuple[Matrix, ...] = ()
    progress: float = 0.0
    losses: Matrix | None = None
    logits: Matrix | None = None
    labels: NDArray[Any] | None = None

    @property
    def connections(self) -> tuple[Route, ...]:
        """Route of each projection, in the order of the weights."""
        if self.routes:
            return self.routes
        return tuple(Route(layer, layer + 1) for layer in range(len(self.membrane)))

    def require_model(self, rule: str) -> HostModel:
        """The nominal neuron, for a rule that cannot do without; refuse (`ValueError`) without."""
        if self.model is None:
            raise ValueError(f"rule {rule!r}: model = None: give the observation a HostModel")
        return self.model

    def targets(self, rule: str) -> Matrix:
        """One-hot labels, `(B, C)`; refuse (`ValueError`) without labels."""
        if self.labels is None:
            raise ValueError(
                f"rule {rule!r}: labels = None: give the observation those of its samples"
            )
        one_hot: Matrix = np.eye(self.error.shape[1], dtype=np.float32)[self.labels]
        return one_hot

    def perturbations(
        self, rule: str, expected: int
    ) -> tuple[Matrix, Matrix, tuple[PerturbedEvaluation, ...]]:
        """Losses and logits of the batch, and what came of proposals; `ValueError` without."""
        if len(self.perturbed) != expected or self.losses is None or self.logits is None:
            raise ValueError(
                f"rule {rule!r}: {len(self.perturbed)} losses: give those of the batch itself and "
                f"of the {expected} weights that it proposed"
            )
        return self.losses, self.logits, self.perturbed

    def loop(self, layer: int) -> Route | None:
        """The projection of a layer to itself, if it has one."""
        loops = [route for route in self.routes if route.source == route.target == layer]
        return loops[0] if loops else None


@dataclass(frozen=True)
class Rule:
    """A learning rule: a pair of pure functions, `init` and `update`, over a state of its own.

    Attributes:
        name: Its name.
        init: Draws the state that it begins with, arrays by name, given a generator and the layer
            sizes `(n_0, ..., n_L)`.
        update: Gradients and the next state, from the state, what was seen, and the shadow weights.
            Arrays of the state keep their names, shapes and types; none is changed in place.
            Gradients are given away: what pulls at the weights is added to them in place.
        propose: Further weights to run each batch with before the update, drawn by a generator
            around the shadow weights, given the routes of an observation too; each costs one more
            run of the device. None for none.
        gate: What the error of a hidden neuron is multiplied by, from the state and membranes
            of any shape in thresholds; None where there is no such function.
        needs_traces: Whether it reads membranes step by step.
        needs_labels: Whether it reads the class of each sample, beside the error.
        needs_running_error: Whether it reads the error of the readout up to each step, with traces.
        model: Address of a device that traces are read of in place of the one that learns, which
            then need not show any; empty for none.
        learns_feedback: Whether feedback matrices of its state, `feedback_l`, follow the weights,
            and go with them to other trainings.
        family: What it was built of, by `RuleFamily`.
        settings: The settings it was built of.
    """

    name: str
    init: Callable[[Generator, Sequence[int]], State]
    update: Callable[[State, Observation, Sequence[Matrix]], tuple[Gradients, State]]
    propose: Callable[[Generator, Sequence[Matrix], Sequence[Route]], list[list[Matrix]]] | None = (
        None
    )
    gate: Callable[[State, Matrix], Matrix] | None = None
    needs_traces: bool = False
    needs_labels: bool = False
    needs_running_error: bool = False
    model: str = ""
    learns_feedback: bool = False
    family: RuleFamily | None = field(default=None, repr=False, compare=False)
    settings: BaseModel | None = None


@dataclass(frozen=True)
class RuleFamily:
    """Family of rules that a name stands for: one for each choice of its settings.

    Called with settings it gives a rule, e.g. `adfa(g="tanh", gain=2)`.

    Attributes:
        build: Makes the rule of its settings and of the optimiser that descends the weights, for
            what it learns beside them.
        settings: A pydantic model of the settings, each with a default.
        description: What the rule is, in a sentence, where its module has several.
    """

    build: Callable[[Any, Optimiser], Rule]
    settings: type[BaseModel] = NoSettings
    description: str = ""

    def __post_init__(self) -> None:
        """Refuse settings that are no model."""
        check_settings(self.settings)

    def __call__(self, optimiser: Optimiser | None = None, **settings: Any) -> Rule:
        """Build the rule of these settings.

        Args:
            optimiser: Descends what the rule learns beside the weights; AdamW when None.
            settings: Settings by name; the rest are their defaults.

        Raises:
            ValueError: When there is no such setting, or something else than a rule comes of them.
        """
        return self.rule("this one", settings, optimiser or adamw())

    def rule(self, name: str, settings: Mapping[str, Any], optimiser: Optimiser) -> Rule:
        """Build the rule of these settings; a refusal says its name."""
        chosen = self.settings(**settings)
        built = self.build(chosen, optimiser)
        if not isinstance(built, Rule):
            given = type(built).__name__
            raise ValueError(f"rule {name!r} builds a {given}: build a hil.learning.Rule")
        return replace(built, family=self, settings=chosen)


def check_first_state(state: object, what: str) -> State:
    """Refuse (`ValueError`) a state to begin with that is no arrays by name."""
    if not isinstance(state, Mapping):
        raise ValueError(f"{what} begins with a {type(state).__name__}: give arrays by name")
    for name, array in state.items():
        if not isinstance(array, np.ndarray):
            kind = type(array).__name__
            raise ValueError(f"{what} begins with {str(name)[:60]} as a {kind}: give a numpy array")
    return state


def check_update(
    update: object, state: State, weights: Sequence[Matrix], what: str
) -> tuple[Gradients, State]:
    """Refuse an update that is not gradients of the weights and a state like the one before.

    Args:
        update: What a rule gives.
        state: The state that it was given.
        weights: Weights of each projection.
        what: Which rule it is, for the refusal.

    Returns:
        The gradients, float32, and the state.

    Raises:
        ValueError: Saying what it gives, and what it has to.
    """
    if not isinstance(update, tuple) or len(update) != 2:
        raise ValueError(f"{what} gives {_kind(update)} for an update: give (gradients, state)")
    gradients, after = update
    if after is not state:
        _check_state(after, state, what)
    return _check_gradients(gradients, weights, what), after


def _kind(given: object) -> str:
    return f"{len(given)}" if isinstance(given, list | tuple) else type(given).__name__


def _check_state(after: object, before: State, what: str) -> None:
    if not isinstance(after, Mapping):
        raise ValueError(f"{what} gives a {type(after).__name__} for its state: give arrays")
    if after.keys() != before.keys():
        names = ", ".join(sorted(map(str, after.keys() ^ before.keys())))
        raise ValueError(f"{what} gives a state with other names ({names[:60]}): keep them")
    for name, array in before.items():
        given = after[name]
        if getattr(given, "shape", None) != array.shape or given.dtype != array.dtype:
            raise ValueError(
                f"{what} gives {name[:60]} of its state as another kind of array: keep "
                f"{array.dtype} of shape {array.shape}"
            )


def _check_gradients(gradients: object, weights: Sequence[Matrix], what: str) -> Gradients:
    if not isinstance(gradients, list | tuple) or len(gradients) != len(weights):
        raise ValueError(
            f"{what} gives {_kind(gradients)} for gradients: give a list of {len(weights)}, one "
            "for each projection, or None in its place"
        )
    checked: Gradients = []
    for projection, (given, matrix) in enumerate(zip(gradients, weights, strict=True)):
        gradient = None if given is None else np.require(given, np.float32, ("C", "W"))
        if gradient is not None:
            its = f"{what} gives a gradient of projection {projection}"
            if gradient.shape != matrix.shape:
                raise ValueError(f"{its} of shape {gradient.shape}: give {matrix.shape}")
            # A finite square says in one pass that all is finite; one that overflows says nothing.
            if not np.isfinite(np.vdot(gradient, gradient)) and not np.isfinite(gradient).all():
                raise ValueError(f"{its} that is not finite")
        checked.append(gradient)
    return checked


def fan_in(weights: Matrix, route: Route) -> float:
    """Number of synapses that lead to a neuron, on average."""
    return weights.size / route.wiring.count_targets(weights)


def stateless(rng: Generator, layers: Sequence[int]) -> State:
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
    return [
        r.wiring.correlate(activity[r.source], deltas[r.target - 1] / batch)
        for r in observation.connections
    ]
