"""Feedback alignment: the output error reaches each hidden layer through a matrix of its own.

    delta_l = (e B_l) * h(z_l)

with h the gate of the rule. On the clock `mean`, e is the error of a sample and z the time mean of
a membrane. On the clock `trace` z is the membrane at each step, and the presynaptic activity a
trace (`hil.learning.eligibility`): e-prop with the neuron's own eligibility in place of the full
one, and any h in place of its derivative (Bellec et al. 2020, Nat. Commun. 11, 3625; OTTT: Xiao et
al. 2022, NeurIPS, arXiv 2210.04195).

A learned B follows `dB_l = e^T a_l`, as if layer l were read out by it: that of Kolen and Pollack
(1994, Proc. ICNN, 1375), as Akrout et al. 2019 (arXiv 1904.05391) take it up, straight from the
output. The two ends of a synapse see the same product, and no weight is carried over.

With `recurrent_feedback` a hidden layer that projects to itself has a matrix R for its error to
come back by, from later steps to the neurons whose spikes had a part in them (`return_error`), so
many times as R says. A learned R begins at 0 and sees what that projection sees; a fixed one is
drawn from N(0, 1/n_l).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from hil.learning import homeostasis
from hil.learning.eligibility import eligibility_gradients, return_error
from hil.learning.optimisers import Optimiser
from hil.learning.rule import (
    Gradients,
    Matrix,
    Observation,
    Rule,
    State,
    gradients_from,
)

GateFunction = Callable[[State, Matrix], Matrix]
Drawing = Callable[[Generator, Sequence[int]], State]
RECURRENT, MOMENTS = "recurrent_feedback_", "optimiser/"  # what names in a state begin with


class FeedbackSettings(BaseModel):
    """Settings that rules of this kind share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clock: Literal["mean", "trace"] = Field(
        "mean", description="Whether it learns from time means, or step by step from traces."
    )
    trace_decay: Annotated[float, Field(ge=0, lt=1)] | Literal["auto"] = Field(
        "auto", description="Share of a trace left after a step; `auto` is that of the membrane."
    )
    error: Literal["end", "running"] = Field(
        "end", description="On the clock `trace`: the error at the end, or of each step so far."
    )
    feedback: Literal["fixed", "learned"] = Field(
        "fixed", description="Whether feedback matrices stay as drawn, or follow the weights."
    )
    recurrent_feedback: float = Field(
        0.0, ge=0, le=10, description="On the clock `trace`: how much error returns by what recurs."
    )

    def decay(self, rule: str, observation: Observation) -> float:
        """Decay of traces, for a rule of that name."""
        if self.trace_decay == "auto":
            return observation.require_model(rule).decay
        return self.trace_decay


def draw_feedback(
    rng: Generator, layers: Sequence[int], scale: float = 1.0, sparsity: float = 0.0
) -> dict[str, NDArray[np.generic]]:
    """Draw matrices `feedback_l`, `(C, n_l)` for each hidden layer l, from N(0, 1/C)."""
    classes = layers[-1]
    matrices: dict[str, NDArray[np.generic]] = {}
    for layer, size in enumerate(layers[1:-1], start=1):
        matrix = rng.standard_normal((classes, size), dtype=np.float32)
        matrix *= np.float32(scale / np.sqrt(classes))
        if sparsity:
            matrix[rng.random(matrix.shape) < sparsity] = 0
        matrices[f"feedback_{layer}"] = matrix
    return matrices


def draw_recurrent_feedback(rng: Generator | None, layers: Sequence[int]) -> dict[str, Matrix]:
    """Draw matrices `recurrent_feedback_l`, `(n_l, n_l)` for each hidden layer l, from N(0, 1/n_l).

    Args:
        rng: Draws them; None for zeros.
        layers: Sizes of the layers.
    """
    matrices: dict[str, Matrix] = {}
    for layer, size in enumerate(layers[1:-1], start=1):
        matrix = np.zeros((size, size), np.float32)
        if rng is not None:
            matrix = rng.standard_normal((size, size), dtype=np.float32) / np.float32(np.sqrt(size))
        matrices[f"{RECURRENT}{layer}"] = matrix
    return matrices


def paths_to_output(weights: Sequence[Matrix], loops: Sequence[Matrix] = ()) -> dict[str, Matrix]:
    """The way from each hidden layer to the output, which back-propagation sends the error along.

    Args:
        weights: `(n_pre, n_post)` of each projection from a layer to the next.
        loops: `(n_l, n_l)` of each hidden layer to itself; none where nothing recurs.

    Returns:
        For each `feedback_l` of `draw_feedback` the product of the weights after layer l,
        transposed, and for each matrix of `draw_recurrent_feedback` the transposed loop.
    """
    paths = {f"{RECURRENT}{layer}": loop.T for layer, loop in enumerate(loops, start=1)}
    path = np.eye(weights[-1].shape[1], dtype=np.float32)
    for layer in range(len(weights) - 1, 0, -1):
        path = path @ weights[layer].T
        paths[f"feedback_{layer}"] = path
    return paths


def feedback_matrices(state: State) -> dict[str, Matrix]:
    """The feedback matrices in the state of a rule, by name."""
    return {
        name: np.asarray(matrix)
        for name, matrix in state.items()
        if name.startswith(("feedback_", RECURRENT))
    }


def align_feedback(rule: Rule, state: State, paths: State) -> State:
    """Turn the feedback matrices of a rule's state along paths to the output.

    Weights that another rule has learned do not know the feedback that is drawn here, and would be
    unlearned until they do. Matrices stay as large and as sparse as they were drawn; those that are
    learned are taken as they are.

    Args:
        rule: The rule.
        state: Its state; without feedback matrices it stays as it is.
        paths: As `paths_to_output` gives them, or the `feedback_matrices` of a rule that has
            learned.

    Raises:
        ValueError: When they are no such matrices.
    """
    aligned = dict(state)
    for name, path in paths.items():
        if path.dtype != np.float32 or not np.isfinite(path).all():
            raise ValueError(f"ways/{name[:60]}: not float32, or not finite")
        drawn = np.asarray(state.get(name, ()), np.float32)
        if drawn.shape == path.shape and rule.learns_feedback:
            aligned[name] = path
        elif drawn.shape == path.shape:
            turned = np.where(drawn == 0, 0, path).astype(np.float32)
            size = float(np.linalg.norm(turned))
            aligned[name] = turned * np.float32(np.linalg.norm(drawn) / size) if size else drawn
    return aligned


def project_error(state: State, layer: int, error: Matrix) -> Matrix:
    """The output error `(..., C)` as a hidden layer receives it, `(..., n_l)`."""
    return error @ np.asarray(state[f"feedback_{layer}"], np.float32)


def kolen_pollack_gradients(
    state: State, observation: Observation, gradients: Gradients
) -> dict[str, Matrix]:
    """Gradients of learned feedback: of the readout, and of what recurs, transposed.

    Args:
        state: Has the feedback matrices.
        observation: What was seen.
        gradients: Those of the weights, without homeostasis.
    """
    error: Matrix = observation.error / np.float32(len(observation.error))
    changes = {
        f"feedback_{layer}": error.T @ activity
        for layer, activity in enumerate(observation.activity, start=1)
    }
    for route, gradient in zip(observation.connections, gradients, strict=True):
        name = f"{RECURRENT}{route.target}"
        if route.source == route.target and name in state and gradient is not None:
            whole = gradient.copy()
            homeostasis.add_pull(whole, observation, route)
            changes[name] = route.wiring.as_matrix(whole).T
    return changes


def learn_feedback(
    state: State, observation: Observation, gradients: Gradients, optimiser: Optimiser
) -> State:
    """The state with its feedback matrices descended, and the moments of their optimiser.

    Args:
        state: Has both.
        observation: What was seen.
        gradients: Those of the weights, without homeostasis.
        optimiser: Descends the matrices, as it does the weights.
    """
    matrices = feedback_matrices(state)
    moments = {
        name.removeprefix(MOMENTS): array.copy()  # which the optimiser changes in place
        for name, array in state.items()
        if name.startswith(MOMENTS)
    }
    by_name = kolen_pollack_gradients(state, observation, gradients)
    changed, moments = optimiser.update(
        [by_name.get(name) for name in matrices],
        moments,
        [np.array(matrix) for matrix in matrices.values()],
        observation.progress,
        [np.inf] * len(matrices),
    )
    after = {f"{MOMENTS}{name}": array for name, array in moments.items()}
    return {**state, **dict(zip(matrices, changed, strict=True)), **after}


def feedback_alignment(
    name: str, settings: FeedbackSettings, optimiser: Optimiser, init: Drawing, gate: GateFunction
) -> Rule:
    """The rule of a gate.

    Args:
        name: Its name.
        settings: The clock, and whether feedback is learned.
        optimiser: Descends feedback that is learned.
        init: Draws the feedback matrices, and what else it keeps.
        gate: h, from the state and membranes of any shape, in thresholds.
    """
    returned = settings.recurrent_feedback
    in_time, learned = settings.clock == "trace", settings.feedback == "learned"

    def draw(rng: Generator, layers: Sequence[int]) -> State:
        state = dict(init(rng, layers))
        if in_time and returned:
            state |= draw_recurrent_feedback(None if learned else rng, layers)
        if learned:
            moments = optimiser.init(list(feedback_matrices(state).values()))
            state |= {f"{MOMENTS}{name}": array for name, array in moments.items()}
        return state

    def update(
        state: State, observation: Observation, weights: Sequence[Matrix]
    ) -> tuple[Gradients, State]:
        error, membranes, decay = observation.error, observation.membrane, 0.0
        if in_time:
            membranes, error = observation.traces, error[np.newaxis]
            if observation.running_error is not None:
                error = observation.running_error
            decay = settings.decay(name, observation)
        deltas = []
        for layer, z in enumerate(membranes[:-1], start=1):
            direct, slope = project_error(state, layer, error), gate(state, z)
            back = state.get(f"{RECURRENT}{layer}")
            if back is None or (route := observation.loop(layer)) is None:
                deltas.append(direct * slope)
            else:
                back = np.float32(returned) * np.asarray(back, np.float32)
                deltas.append(return_error(direct, slope, back, route, decay))
        deltas.append(error)
        if in_time:
            gradients = eligibility_gradients(deltas, observation, decay)
        else:
            gradients = gradients_from(deltas, observation)
        if learned:
            state = learn_feedback(state, observation, gradients, optimiser)
        return gradients, state

    return Rule(
        name,
        init=draw,
        update=update,
        gate=gate,
        needs_traces=in_time,
        needs_running_error=in_time and settings.error == "running",
        learns_feedback=learned,
    )
