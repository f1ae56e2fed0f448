import io
import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hil.learning import optimisers
from hil.learning.optimisers import Matrix, Optimiser, Schedule

STEPS = 50
SHAPES = ((4, 3), (3, 2))
OPEN = [math.inf] * len(SHAPES)  # weights of any size
SCHEDULES: tuple[Schedule, ...] = ("constant", "cosine", "step")
Name = Literal["adamw", "sgd"]
OPTIMISERS: dict[Name, Optimiser] = {
    "adamw": optimisers.build("adamw", 0.01, 0.1, 0.9, "cosine"),
    "sgd": optimisers.build("sgd", 0.01, 0.1, 0.9, "cosine"),
}
Step = Callable[[NDArray[np.float64], NDArray[np.float64], int, float], NDArray[np.float64]]


def draw(seed: int, scale: float = 1.0) -> list[Matrix]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0, scale, shape).astype(np.float32) for shape in SHAPES]


def train(
    optimiser: Optimiser,
    weights: list[Matrix],
    state: optimisers.State,
    steps: range,
    scale: float = 1.0,
) -> tuple[list[Matrix], optimisers.State]:
    weights = [w.copy() for w in weights]  # an update changes them in place
    for step in steps:
        gradients = draw(1000 + step, scale)
        weights, state = optimiser.update(gradients, state, weights, step / STEPS, OPEN)
    return weights, state


def textbook_adamw(rate: float, decay: float) -> Step:
    """Algorithm 2 of Loshchilov & Hutter 2019, line by line, in float64."""
    moments = {"m": np.zeros(1), "v": np.zeros(1)}

    def step(
        theta: NDArray[np.float64], g: NDArray[np.float64], t: int, eta: float
    ) -> NDArray[np.float64]:
        moments["m"] = 0.9 * moments["m"] + (1 - 0.9) * g
        moments["v"] = 0.999 * moments["v"] + (1 - 0.999) * g**2
        m_hat = moments["m"] / (1 - 0.9**t)
        v_hat = moments["v"] / (1 - 0.999**t)
        return theta - eta * rate * (m_hat / (np.sqrt(v_hat) + 1e-8) + decay * theta)

    return step


def textbook_sgd(rate: float, decay: float, momentum: float) -> Step:
    kept = {"v": np.zeros(1)}

    def step(
        theta: NDArray[np.float64], g: NDArray[np.float64], t: int, eta: float
    ) -> NDArray[np.float64]:
        kept["v"] = momentum * kept["v"] + g
        return theta - eta * rate * (kept["v"] + decay * theta)

    return step


def multiplier(schedule: Schedule, progress: float) -> float:
    if schedule == "cosine":
        return (1 + math.cos(math.pi * progress)) / 2
    if schedule == "step":
        return 10.0 ** -((progress >= 0.5) + (progress >= 0.75))
    return 1.0


@pytest.mark.parametrize("schedule", SCHEDULES)
@given(
    seed=st.integers(0, 2**16),
    rate=st.sampled_from([1e-4, 3e-3, 0.1]),
    decay=st.sampled_from([0.0, 0.1, 1.0]),
    scale=st.sampled_from([1e-4, 1.0, 1e3]),
)
def test_adamw_is_the_textbooks(
    schedule: Schedule, seed: int, rate: float, decay: float, scale: float
) -> None:
    weights = draw(seed)
    optimiser = optimisers.adamw(rate, decay, schedule)
    found, _ = train(optimiser, weights, optimiser.init(weights), range(STEPS), scale)
    for p, start in enumerate(weights):
        step, theta = textbook_adamw(rate, decay), start.astype(np.float64)
        for t in range(STEPS):
            gradient = draw(1000 + t, scale)[p].astype(np.float64)
            theta = step(theta, gradient, t + 1, multiplier(schedule, t / STEPS))
        np.testing.assert_allclose(found[p], theta, rtol=2e-5, atol=2e-5)
        assert found[p].dtype == np.float32


@pytest.mark.parametrize("schedule", SCHEDULES)
@given(
    seed=st.integers(0, 2**16),
    decay=st.sampled_from([0.0, 0.1]),
    momentum=st.sampled_from([0.0, 0.5, 0.9]),
)
def test_sgd_is_the_textbooks(schedule: Schedule, seed: int, decay: float, momentum: float) -> None:
    weights = draw(seed)
    optimiser = optimisers.sgd(0.01, decay, momentum, schedule)
    found, _ = train(optimiser, weights, optimiser.init(weights), range(STEPS))
    for p, start in enumerate(weights):
        step, theta = textbook_sgd(0.01, decay, momentum), start.astype(np.float64)
        for t in range(STEPS):
            gradient = draw(1000 + t)[p].astype(np.float64)
            theta = step(theta, gradient, t + 1, multiplier(schedule, t / STEPS))
        np.testing.assert_allclose(found[p], theta, rtol=2e-5, atol=2e-5)
        assert found[p].dtype == np.float32


def test_adamw_does_not_see_the_scale_of_gradients() -> None:
    weights = draw(0)
    optimiser = optimisers.adamw(0.01, 0.1, "constant")
    small, _ = train(optimiser, weights, optimiser.init(weights), range(STEPS), 1.0)
    large, _ = train(optimiser, weights, optimiser.init(weights), range(STEPS), 1024.0)
    for a, b in zip(small, large, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_without_a_gradient_weights_only_decay(name: Name) -> None:
    weights = draw(0)
    optimiser = OPTIMISERS[name]
    zero: list[Matrix | None] = [np.zeros_like(w) for w in weights]
    found, _ = optimiser.update(zero, optimiser.init(weights), weights, 0.0, OPEN)
    for new, old in zip(found, draw(0), strict=True):
        np.testing.assert_allclose(new, old * (1 - 0.01 * 0.1), rtol=1e-6)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_frozen_weights_and_their_state_stay(name: Name) -> None:
    weights, gradients = draw(0), draw(1)
    optimiser = OPTIMISERS[name]
    start = optimiser.init(weights)
    kept = {key: value.copy() for key, value in start.items()}
    found, state = optimiser.update([None, gradients[1]], start, weights, 0.0, OPEN)
    before = draw(0)
    np.testing.assert_array_equal(found[0], before[0])
    assert not np.array_equal(found[1], before[1])
    for key, value in kept.items():
        if key.endswith("_0"):
            np.testing.assert_array_equal(state[key], value)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_update_does_not_change_gradients_nor_mind_the_layout_of_arrays(name: Name) -> None:
    weights, gradients = draw(0), draw(1)
    expected, _ = OPTIMISERS[name].update(
        gradients, OPTIMISERS[name].init(weights), weights, 0.0, OPEN
    )
    turned = [np.asfortranarray(w) for w in draw(0)]
    found, _ = OPTIMISERS[name].update(gradients, OPTIMISERS[name].init(turned), turned, 0.0, OPEN)
    for passed, fresh in zip([*gradients, *found], [*draw(1), *expected], strict=True):
        np.testing.assert_array_equal(passed, fresh)


@pytest.mark.parametrize("name", OPTIMISERS)
@given(pause=st.integers(0, STEPS))
def test_a_checkpointed_training_ends_on_the_same_bits(name: Name, pause: int) -> None:
    optimiser, weights = OPTIMISERS[name], draw(0)
    straight, _ = train(optimiser, weights, optimiser.init(weights), range(STEPS))

    half, state = train(optimiser, weights, optimiser.init(weights), range(pause))
    file = io.BytesIO()
    np.savez(file, **state)  # type: ignore[arg-type]
    file.seek(0)
    with np.load(file, allow_pickle=False) as kept:
        restored = {key: kept[key] for key in kept.files}
    resumed, _ = train(optimiser, half, restored, range(pause, STEPS))
    for a, b in zip(straight, resumed, strict=True):
        np.testing.assert_array_equal(a.view(np.uint32), b.view(np.uint32))


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_quadratic_is_descended(name: Name) -> None:
    target, weights = draw(1), draw(0)
    optimiser = optimisers.build(name, 0.05, 0.0, 0.5, "cosine")
    state = optimiser.init(weights)
    for step in range(200):
        gradients = [w - goal for w, goal in zip(weights, target, strict=True)]
        weights, state = optimiser.update(gradients, state, weights, step / 200, OPEN)
    for w, goal in zip(weights, target, strict=True):
        np.testing.assert_allclose(w, goal, atol=0.02)


@pytest.mark.parametrize("schedule", SCHEDULES)
@given(a=st.floats(0, 1), b=st.floats(0, 1))
def test_schedules_start_at_one_and_never_rise(schedule: Schedule, a: float, b: float) -> None:
    assert optimisers.factor(schedule, 0) == 1
    early, late = sorted((a, b))
    assert optimisers.factor(schedule, early) >= optimisers.factor(schedule, late) >= 0
    assert optimisers.factor(schedule, a) == pytest.approx(multiplier(schedule, a))


@given(warmup=st.floats(0.01, 0.9), share=st.floats(0, 1))
def test_warm_up_rises_linearly_and_the_cosine_spans_the_rest(warmup: float, share: float) -> None:
    def at(progress: float) -> float:
        return optimisers.factor("cosine", progress, warmup)

    assert at(0) == 0
    assert at(share * warmup) == pytest.approx(share)
    assert at(1) == pytest.approx(0, abs=1e-12)
    rest = warmup + share * (1 - warmup)
    assert at(rest) == pytest.approx((1 + math.cos(math.pi * share)) / 2, abs=1e-9)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_warm_up_reaches_the_optimisers(name: Name) -> None:
    weights = draw(0)
    warm = optimisers.build(name, 0.01, 0.1, 0.9, "cosine", warmup=0.5)
    found, _ = warm.update(draw(1), warm.init(weights), weights, 0.0, OPEN)
    for new, old in zip(found, draw(0), strict=True):
        np.testing.assert_array_equal(new, old)
