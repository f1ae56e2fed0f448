"""Feedback alignment: the output error reaches each hidden layer through a matrix of its own.

    delta_l = (e B_l) * h(z_l)

with h the gate of the rule. On the clock `mean`, e is the error of a sample and z the time mean of
a membrane. On the clock `trace` z is the membrane at each step, and the presynaptic activity a
trace (`hil.learning.in_time`): e-prop with the neuron's own eligibility in place of the full one,
and any h in place of its derivative (Bellec et al. 2020, Nat. Commun. 11, 3625; OTTT: Xiao et al.
2022, NeurIPS, arXiv 2210.04195).

A learned B follows `dB_l = e^T a_l`, as if layer l were read out by it: that of Kolen and Pollack
(1994, Proc. ICNN, 1375), as Akrout et al. 2019 (arXiv 1904.05391) take it up, straight from the
output. The two ends of a synapse see the same product, and no weight is carried over.

With `recurrent_feedback` a hidden layer that projects to itself has a matrix R for its error to
come back by, from later steps to the neurons whose spikes had a part in them (`with_returned`), so
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

from hil.learning.in_time import gradients_in_time, with_returned
from hil.learning.rule import (
    Gradients,
    Matrix,
    Observation,
    Rule,
    State,
    Timing,
    gradients_from,
)

Gate = Callable[[State, Matrix], Matrix]
RETURNING = "recurrent_feedback_"
Drawing = Callable[[Generator, Sequence[int]], dict[str, NDArray[np.generic]]]


class FeedbackSettings(BaseModel):
    """What rules of this kind share."""

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


def feedback(
    rng: Generator, layers: Sequence[int], scale: float = 1.0, sparsity: float = 0.0
) -> dict[str, NDArray[np.generic]]:
    """Random matrices `feedback_l`, `(C, n_l)` for each hidden layer l, from N(0, 1/C)."""
    classes = layers[-1]
    found: dict[str, NDArray[np.generic]] = {}
    for layer, size in enumerate(layers[1:-1], start=1):
        matrix = rng.standard_normal((classes, size), dtype=np.float32)
        matrix *= np.float32(scale / np.sqrt(classes))
        if sparsity:
            matrix[rng.random(matrix.shape) < sparsity] = 0
        found[f"feedback_{layer}"] = matrix
    return found


def returning(rng: Generator | None, layers: Sequence[int]) -> dict[str, NDArray[np.generic]]:
    """Matrices `recurrent_feedback_l`, `(n_l, n_l)` for each hidden layer l, from N(0, 1/n_l).

    Args:
        rng: Draws them; None for zeros.
        layers: Sizes of the layers.
    """
    found: dict[str, NDArray[np.generic]] = {}
    for layer, size in enumerate(layers[1:-1], start=1):
        matrix = np.zeros((size, size), np.float32)
        if rng is not None:
            matrix = rng.standard_normal((size, size), dtype=np.float32) / np.float32(np.sqrt(size))
        found[f"{RETURNING}{layer}"] = matrix
    return found


def ways(weights: Sequence[Matrix], loops: Sequence[Matrix] = ()) -> dict[str, Matrix]:
    """The way from each hidden layer to the output, which back-propagation sends the error along.

    Args:
        weights: `(n_pre, n_post)` of each projection from a layer to the next.
        loops: `(n_l, n_l)` of each hidden layer to itself; none where nothing recurs.

    Returns:
        For each `feedback_l` of `feedback` the product of the weights after layer l, transposed,
        and for each `recurrent_feedback_l` of `returning` those of its loop.
    """
    found = {f"{RETURNING}{layer}": loop.T for layer, loop in enumerate(loops, start=1)}
    way = np.eye(weights[-1].shape[1], dtype=np.float32)
    for layer in range(len(weights) - 1, 0, -1):
        way = way @ weights[layer].T
        found[f"feedback_{layer}"] = way
    return found


def matrices(state: State) -> dict[str, Matrix]:
    """The feedback matrices among what a rule keeps, by name."""
    kept = state.items()
    return {n: np.asarray(m) for n, m in kept if n.startswith(("feedback_", RETURNING))}


def turned(rule: Rule, state: State, along: State) -> State:
    """The state of a rule, its feedback matrices turned along ways to the output.

    Weights that another rule has learned do not know the feedback that is drawn here, and would be
    unlearned until they do. Matrices stay as large and as sparse as they were drawn; those that are
    learned are taken as they are.

    Args:
        rule: The rule.
        state: What it keeps; without feedback matrices it stays as it is.
        along: The ways, as `ways` gives them, or `matrices` of a rule that has learned.

    Raises:
        ValueError: When they are no such matrices.
    """
    found = dict(state)
    for name, way in along.items():
        if way.dtype != np.float32 or not np.isfinite(way).all():
            raise ValueError(f"ways/{name[:60]}: not float32, or not finite")
        drawn = np.asarray(state.get(name, ()), np.float32)
        if drawn.shape == way.shape and rule.adjust is not None:
            found[name] = way
        elif drawn.shape == way.shape:
            kept = np.where(drawn == 0, 0, way).astype(np.float32)
            size = float(np.linalg.norm(kept))
            found[name] = kept * np.float32(np.linalg.norm(drawn) / size) if size else drawn
    return found


def projected(state: State, layer: int, error: Matrix) -> Matrix:
    """The output error `(..., C)` as a hidden layer receives it, `(..., n_l)`."""
    return error @ np.asarray(state[f"feedback_{layer}"], np.float32)


def _following(
    state: State, observation: Observation, gradients: Gradients
) -> dict[str, Matrix | None]:
    """Gradients of feedback that is learned: of the readout, and of what recurs, transposed."""
    error: Matrix = observation.error / np.float32(len(observation.error))
    found: dict[str, Matrix | None] = {
        f"feedback_{layer}": error.T @ activity
        for layer, activity in enumerate(observation.activity, start=1)
    }
    for route, gradient in zip(observation.connections, gradients, strict=True):
        name = f"{RETURNING}{route.target}"
        if route.source == route.target and name in state and gradient is not None:
            found[name] = gradient.T
    return found


def aligned(
    name: str, settings: FeedbackSettings, timing: Timing, init: Drawing, gate: Gate
) -> Rule:
    """The rule of a gate.

    Args:
        name: Its name.
        settings: The clock, and whether feedback is learned.
        timing: Gives the decay of traces that is called `auto`.
        init: Draws the feedback matrices, and what else it keeps.
        gate: h, from what is kept and membranes of any shape, in thresholds.
    """
    returned = settings.recurrent_feedback
    in_time, learned = settings.clock == "trace", settings.feedback == "learned"
    decay = timing.decay if settings.trace_decay == "auto" else settings.trace_decay

    def draw(rng: Generator, layers: Sequence[int]) -> dict[str, NDArray[np.generic]]:
        found = init(rng, layers)
        if in_time and returned:
            found |= returning(None if learned else rng, layers)
        return found

    def update(state: State, observation: Observation, weights: Sequence[Matrix]) -> Gradients:
        error, seen = observation.error, observation.membrane
        if in_time:
            seen = observation.traces
            error = error[np.newaxis]
            if observation.running_error is not None:
                error = observation.running_error
        deltas = []
        for layer, z in enumerate(seen[:-1], start=1):
            direct, slope = projected(state, layer, error), gate(state, z)
            route, way = observation.loop(layer), state.get(f"{RETURNING}{layer}")
            if route is None or way is None:
                deltas.append(direct * slope)
            else:
                way = np.float32(returned) * np.asarray(way, np.float32)
                deltas.append(with_returned(direct, slope, way, route, decay))
        if in_time:
            return gradients_in_time([*deltas, error], observation, decay)
        return gradients_from([*deltas, error], observation)

    return Rule(
        name,
        init=draw,
        update=update,
        gate=gate,
        needs_traces=in_time,
        needs_running_error=in_time and settings.error == "running",
        adjust=_following if learned else None,
    )
