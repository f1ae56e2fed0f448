"""Homeostasis: a term of every hidden delta, which brings rates to their target."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.learning import homeostasis
from hil.learning.rule import Matrix, Observation, gradients_from
from support.rule_inputs import LAYERS, SEEDS, build, draw_weights, observe, update


def pulled_by(seen: Observation, weight: float = 0.03, target: float = 0.1) -> Observation:
    weights = [weight] * len(seen.activity)
    return replace(seen, pulls=homeostasis.compute_pulls(seen.activity, weights, target))


@given(seed=SEEDS, weight=st.floats(0, 1), target=st.floats(0, 1))
def test_homeostasis_is_a_term_in_every_hidden_delta(
    seed: int, weight: float, target: float
) -> None:
    seen = observe(seed=seed)
    rng = np.random.default_rng(seed)
    deltas = [rng.normal(0, 0.3, (6, n)).astype(np.float32) for n in LAYERS[1:]]
    found = gradients_from(deltas, seen)
    homeostasis.add(found, pulled_by(seen, weight, target))
    pulled = [
        (delta + weight * (rate.mean(axis=0) - target)).astype(np.float32)
        for delta, rate in zip(deltas, seen.activity, strict=False)
    ]
    for a, b in zip(found, gradients_from([*pulled, deltas[-1]], seen), strict=True):
        assert a is not None
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)  # type: ignore[arg-type]


def test_homeostasis_pulls_a_busy_neuron_down_and_a_silent_one_up() -> None:
    rate = np.tile(np.array([0.9, 0.1, 0.0], np.float32), (4, 1))
    seen = replace(
        observe((2, 3, 2), batch=4), inputs=np.ones((4, 2), np.float32), activity=(rate,)
    )
    found = [np.zeros((2, 3), np.float32), np.zeros((3, 2), np.float32)]
    homeostasis.add(found, pulled_by(seen))  # type: ignore[arg-type]
    descended = -found[0]
    assert (descended[:, 0] < 0).all()
    np.testing.assert_allclose(descended[:, 1], 0, atol=1e-8)
    assert (descended[:, 2] > 0).all()
    np.testing.assert_array_equal(found[1], 0)


@pytest.mark.parametrize("start", [-1.0, 1.5], ids=["quiet", "busy"])
def test_descending_homeostasis_alone_brings_every_rate_to_its_target(start: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((20, 6), dtype=np.float32)
    weights = (start / 6 + 0.1 * rng.standard_normal((6, 5))).astype(np.float32)

    def rates() -> Matrix:
        rate: Matrix = 1 / (1 + np.exp(4 - 8 * (x @ weights)))
        return rate

    target, seen = 0.1, observe((6, 5, 2), batch=20)
    off = np.abs(rates().mean(axis=0) - target)
    assert (off > 0.05).all()
    for _ in range(3000):
        found = [np.zeros((6, 5), np.float32), np.zeros((5, 2), np.float32)]
        now = replace(seen, inputs=x, activity=(rates(),))
        homeostasis.add(found, pulled_by(now, target=target))  # type: ignore[arg-type]
        weights -= found[0]
    assert (np.abs(rates().mean(axis=0) - target) < 0.01).all()


def test_homeostasis_leaves_frozen_projections_frozen() -> None:
    seen = observe()
    found = update(build("output_only"), seen, draw_weights())
    output = found[-1].copy()
    homeostasis.add(found, pulled_by(seen))
    assert found[:-1] == [None, None]
    np.testing.assert_array_equal(found[-1], output)
