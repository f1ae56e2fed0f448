"""Optimisers as pairs of pure functions, and learning-rate schedules."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
State = dict[str, NDArray[Any]]
Schedule = Literal["constant", "cosine", "step"]

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Optimiser:
    """Change of weights by gradients.

    Attributes:
        init: The state for weights of given shapes.
        update: New weights and state from gradients (None: leave frozen), state, weights, and the
            progress through training, 0 to 1. The state's buffers are reused: the state passed in
            is spent; the weights passed in are not changed.
    """

    init: Callable[[Sequence[Matrix]], State]
    update: Callable[
        [Sequence[Matrix | None], State, Sequence[Matrix], float], tuple[list[Matrix], State]
    ]


def factor(schedule: Schedule, progress: float, warmup: float = 0.0) -> float:
    """Give what the learning rate is multiplied with.

    Args:
        schedule: `constant`; `cosine`, from 1 to 0 (Loshchilov & Hutter 2017, arXiv 1608.03983);
            or `step`, a tenth after half of the training and a hundredth after three quarters.
        progress: Share of the training that is done, 0 to 1.
        warmup: Share of the training in which the factor of `cosine` first rises linearly from 0
            to 1; the cosine then spans the rest.
    """
    if schedule == "cosine":
        if progress < warmup:
            return progress / warmup
        return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
    if schedule == "step":
        return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01
    return 1.0


def adamw(
    learning_rate: float = 3e-3,
    weight_decay: float = 0.1,
    schedule: Schedule = "cosine",
    warmup: float = 0.0,
) -> Optimiser:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101)."""

    def init(weights: Sequence[Matrix]) -> State:
        state: State = {"step": np.zeros((), np.int64)}
        for p, w in enumerate(weights):
            state[f"mean_{p}"], state[f"square_{p}"] = np.zeros_like(w), np.zeros_like(w)
        return state

    def update(
        gradients: Sequence[Matrix | None],
        state: State,
        weights: Sequence[Matrix],
        progress: float,
    ) -> tuple[list[Matrix], State]:
        step = int(state["step"]) + 1
        rate = learning_rate * factor(schedule, progress, warmup)
        size = np.float32(rate / (1 - BETA1**step))
        correction = np.float32(1 / math.sqrt(1 - BETA2**step))
        changed = []
        for p, (gradient, w) in enumerate(zip(gradients, weights, strict=True)):
            if gradient is None:
                changed.append(w)
                continue
            mean, square = state[f"mean_{p}"], state[f"square_{p}"]
            work = gradient * np.float32(1 - BETA1)
            mean *= np.float32(BETA1)
            mean += work
            np.multiply(gradient, gradient, out=work)
            work *= np.float32(1 - BETA2)
            square *= np.float32(BETA2)
            square += work
            np.sqrt(square, out=work)
            work *= correction
            work += np.float32(EPSILON)
            np.divide(mean, work, out=work)
            work *= -size
            work += w * np.float32(1 - rate * weight_decay)
            changed.append(work)
        return changed, {**state, "step": np.asarray(step)}

    return Optimiser(init, update)


def sgd(
    learning_rate: float,
    weight_decay: float,
    momentum: float,
    schedule: Schedule,
    warmup: float = 0.0,
) -> Optimiser:
    """Stochastic gradient descent with (heavy-ball) momentum and decoupled weight decay."""

    def init(weights: Sequence[Matrix]) -> State:
        return {f"velocity_{p}": np.zeros_like(w) for p, w in enumerate(weights)}

    def update(
        gradients: Sequence[Matrix | None],
        state: State,
        weights: Sequence[Matrix],
        progress: float,
    ) -> tuple[list[Matrix], State]:
        rate = learning_rate * factor(schedule, progress, warmup)
        changed = []
        for p, (gradient, w) in enumerate(zip(gradients, weights, strict=True)):
            if gradient is None:
                changed.append(w)
                continue
            velocity: Matrix = state[f"velocity_{p}"]
            velocity *= np.float32(momentum)
            velocity += gradient
            changed.append(w * np.float32(1 - rate * weight_decay) - np.float32(rate) * velocity)
        return changed, state

    return Optimiser(init, update)


def build(
    name: Literal["adamw", "sgd"],
    learning_rate: float,
    weight_decay: float,
    momentum: float,
    schedule: Schedule,
    warmup: float = 0.0,
) -> Optimiser:
    """The optimiser that a configuration names; `momentum` is for `sgd` alone."""
    if name == "sgd":
        return sgd(learning_rate, weight_decay, momentum, schedule, warmup)
    return adamw(learning_rate, weight_decay, schedule, warmup)
