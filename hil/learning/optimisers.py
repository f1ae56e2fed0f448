"""Optimisers as pairs of pure functions, and learning-rate schedules."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hil.one_pass import OnePass, flatten, parts

Matrix = NDArray[np.float32]
State = dict[str, NDArray[Any]]
Schedule = Literal["constant", "cosine", "step"]

BETA1, BETA2, EPSILON = 0.9, 0.999, np.float32(1e-8)
KEPT1, NEW1 = np.float32(BETA1), np.float32(1 - BETA1)
KEPT2, NEW2 = np.float32(BETA2), np.float32(1 - BETA2)


@dataclass(frozen=True)
class Optimiser:
    """Change of weights by gradients.

    Attributes:
        init: The state for weights of given shapes.
        update: New weights and state from gradients (None: leave frozen), state, weights, and the
            progress through training, 0 to 1; and the largest |weight| of each projection, which
            the new ones are clipped to. Arrays are changed in place: the weights and the state
            passed in are spent.
    """

    init: Callable[[Sequence[Matrix]], State]
    update: Callable[
        [Sequence[Matrix | None], State, Sequence[Matrix], float, Sequence[float]],
        tuple[list[Matrix], State],
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


def _descend_by_moments(
    gradient: Matrix,
    mean: Matrix,
    square: Matrix,
    weights: Matrix,
    limit: np.float32,
    size: np.float32,
    correction: np.float32,
    kept: np.float32,
) -> None:
    for i in parts(weights.size):
        slope = gradient[i]
        mean[i] = mean[i] * KEPT1 + slope * NEW1
        square[i] = square[i] * KEPT2 + slope * slope * NEW2
        move = mean[i] / (np.sqrt(square[i]) * correction + EPSILON)
        changed = move * -size + weights[i] * kept
        weights[i] = np.minimum(np.maximum(changed, -limit), limit)


def _descend_with_momentum(
    gradient: Matrix,
    velocity: Matrix,
    weights: Matrix,
    limit: np.float32,
    momentum: np.float32,
    rate: np.float32,
    kept: np.float32,
) -> None:
    for i in parts(weights.size):
        velocity[i] = velocity[i] * momentum + gradient[i]
        changed = weights[i] * kept - velocity[i] * rate
        weights[i] = np.minimum(np.maximum(changed, -limit), limit)


descend_by_moments = OnePass(_descend_by_moments)
descend_with_momentum = OnePass(_descend_with_momentum)


def adamw(
    learning_rate: float = 3e-3,
    weight_decay: float = 0.1,
    schedule: Schedule = "cosine",
    warmup: float = 0.0,
) -> Optimiser:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101)."""

    def find_numbers(progress: float, step: int) -> tuple[float, ...]:
        rate = learning_rate * factor(schedule, progress, warmup)
        size, correction = rate / (1 - BETA1**step), 1 / math.sqrt(1 - BETA2**step)
        return size, correction, 1 - rate * weight_decay

    return _make(("mean", "square"), descend_by_moments, find_numbers)


def sgd(
    learning_rate: float,
    weight_decay: float,
    momentum: float,
    schedule: Schedule,
    warmup: float = 0.0,
) -> Optimiser:
    """Stochastic gradient descent with (heavy-ball) momentum and decoupled weight decay."""

    def find_numbers(progress: float, step: int) -> tuple[float, ...]:
        rate = learning_rate * factor(schedule, progress, warmup)
        return momentum, rate, 1 - rate * weight_decay

    return _make(("velocity",), descend_with_momentum, find_numbers)


def _make(
    kept: Sequence[str],
    loop: Callable[..., None],
    find_numbers: Callable[[float, int], tuple[float, ...]],
) -> Optimiser:
    """Make an optimiser of a loop over the weights of a projection.

    Args:
        kept: Names of the arrays that are kept of each projection.
        loop: Changes flat arrays in place, the gradient, those that are kept, and the weights,
            given the largest |weight| and the numbers of the step.
        find_numbers: Numbers of a step, of the progress through training and its number, from 1.
    """

    def init(weights: Sequence[Matrix]) -> State:
        state: State = {"step": np.zeros((), np.int64)}
        for p, w in enumerate(weights):
            state |= {f"{name}_{p}": np.zeros_like(w) for name in kept}
        return state

    def update(
        gradients: Sequence[Matrix | None],
        state: State,
        weights: Sequence[Matrix],
        progress: float,
        limits: Sequence[float],
    ) -> tuple[list[Matrix], State]:
        step = int(state["step"]) + 1
        state, changed = {**state, "step": np.asarray(step)}, [*weights]
        scalars = [*map(np.float32, find_numbers(progress, step))]
        for p, gradient in enumerate(gradients):
            if gradient is not None:
                names = [f"{name}_{p}" for name in kept]
                before = [gradient, *map(state.__getitem__, names), weights[p]]
                arrays = [*map(np.ascontiguousarray, before)]
                loop(*map(flatten, arrays), np.float32(limits[p]), *scalars)
                state |= zip(names, arrays[1:-1], strict=True)
                changed[p] = arrays[-1]
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
