"""SPSA: its estimate against the loss itself, its cost in runs, and its resume."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import drivers
from hil.config import build
from hil.learning import spsa
from hil.learning.rule import Matrix, Observation, PerturbedEvaluation, Route, Rule
from hil.loop.controller import Controller
from hil.loop.epochs import Interrupted
from hil.loop.training import train
from hil.runs.folder import Run
from hil.tasks.samples import SampleSpec

SEEDS = st.integers(0, 2**32 - 1)
SHAPES = st.lists(st.integers(1, 5), min_size=2, max_size=4).map(lambda n: list(pairwise(n)))


def rule(**settings: Any) -> Rule:
    return spsa(**settings)


NOTHING = np.zeros((1, 1), np.float32)


def observe(tried: list[PerturbedEvaluation]) -> Observation:
    return Observation(
        NOTHING,
        (),
        (NOTHING,),
        NOTHING,
        NOTHING,
        perturbed=tuple(tried),
        losses=NOTHING[0],
        logits=NOTHING,
    )


def chain(weights: list[Matrix]) -> list[Route]:
    return [Route(n, n + 1) for n in range(len(weights))]


def draw(rng: np.random.Generator, shapes: list[tuple[int, int]]) -> list[Matrix]:
    return [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]


def estimate(built: Rule, weights: list[Matrix], slopes: list[Matrix], seed: int) -> list[Matrix]:
    """Its gradient of the linear loss that falls off with these slopes."""
    assert built.propose is not None

    def loss(w: list[Matrix]) -> float:
        return sum(float(np.sum(s * a, dtype=np.float64)) for s, a in zip(slopes, w, strict=True))

    proposed = built.propose(np.random.default_rng(seed), weights, chain(weights))
    seen = observe([PerturbedEvaluation(w, np.array([loss(w)]), NOTHING) for w in proposed])
    found, _ = built.update({}, seen, weights)
    return [g for g in found if g is not None]


@given(shapes=SHAPES, seed=SEEDS, size=st.floats(0.01, 10), pairs=st.integers(1, 3))
def test_proposals_lie_on_both_sides_at_the_stated_distance(
    shapes: list[tuple[int, int]], seed: int, size: float, pairs: int
) -> None:
    weights = draw(np.random.default_rng(seed), shapes)
    kept = [w.copy() for w in weights]
    propose = rule(perturbation=size, pairs=pairs).propose
    assert propose is not None
    proposed = propose(np.random.default_rng(seed), weights, chain(weights))
    assert len(proposed) == 2 * pairs
    for above, below in zip(proposed[::2], proposed[1::2], strict=True):
        for w, a, b in zip(weights, above, below, strict=True):
            assert a.dtype == b.dtype == np.float32
            np.testing.assert_allclose((a + b) / 2, w, atol=1e-5)
            np.testing.assert_allclose(abs(a - b) / 2, size / np.sqrt(len(w)), rtol=1e-3)
    for w, before in zip(weights, kept, strict=True):
        np.testing.assert_array_equal(w, before)


def test_the_estimate_is_right_on_average() -> None:
    """For a linear loss the expected estimate is the gradient, and one weight's is exact."""
    rng = np.random.default_rng(3)
    shapes = [(4, 3), (3, 2)]
    weights, slopes = draw(rng, shapes), draw(rng, shapes)
    draws = [estimate(rule(pairs=20), weights, slopes, seed) for seed in range(400)]
    for p, slope in enumerate(slopes):
        values = np.array([d[p] for d in draws])
        error = values.std(axis=0) / np.sqrt(len(draws))
        assert (abs(values.mean(axis=0) - slope) < 4.5 * error + 1e-3).all()
    (single,) = estimate(rule(), [weights[0][:1, :1]], [slopes[0][:1, :1]], 0)
    np.testing.assert_allclose(single, slopes[0][:1, :1], rtol=1e-3)


@given(seed=SEEDS, size=st.floats(0.01, 1))
def test_one_pair_agrees_with_the_loss_along_its_direction(seed: int, size: float) -> None:
    """Every entry is the measured slope along the direction, with the sign of its own move."""
    rng = np.random.default_rng(seed)
    weights, slopes = draw(rng, [(3, 4)]), draw(rng, [(3, 4)])
    built = rule(perturbation=size)
    (found,) = estimate(built, weights, slopes, seed)
    assert built.propose is not None
    (above,), _ = built.propose(np.random.default_rng(seed), weights, chain(weights))
    signs = np.sign(above - weights[0])
    np.testing.assert_allclose(found * signs, np.sum(slopes[0] * signs), rtol=2e-2, atol=2e-2)


def test_more_pairs_make_a_better_estimate() -> None:
    rng = np.random.default_rng(1)
    weights, slopes = draw(rng, [(6, 5)]), draw(rng, [(6, 5)])

    def error(pairs: int) -> float:
        found = [estimate(rule(pairs=pairs), weights, slopes, s)[0] for s in range(40)]
        return float(np.mean([np.square(f - slopes[0]).sum() for f in found]))

    assert error(16) < error(4) / 2 < error(1) / 4


def test_losses_that_do_not_belong_to_proposals_are_refused() -> None:
    weights = draw(np.random.default_rng(0), [(2, 2)])
    with pytest.raises(ValueError, match=r"spsa.*1 losses.*2 weights"):
        rule().update({}, observe([PerturbedEvaluation(weights, NOTHING[0], NOTHING)]), weights)


# -- on a device ------------------------------------------------------------------------------


@dataclass
class Spy:
    """Notes what a device is asked for."""

    device: drivers.Device
    runs: int = 0
    held: list[NDArray[np.float32]] = field(default_factory=list)

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        run, write = self.device.run, self.device.write_weights

        def counted(*args: Any, **named: Any) -> drivers.Readout:
            self.runs += 1
            return run(*args, **named)

        def kept(projection: int, weights: Any) -> NDArray[np.float32]:
            stored = write(projection, weights)
            self.held = [*self.held[:projection], stored, *self.held[projection + 1 :]]
            return stored

        patch.setattr(self.device, "run", counted)
        patch.setattr(self.device, "write_weights", kept)


@pytest.mark.parametrize("pairs", [1, 3])
def test_a_step_costs_its_runs_and_leaves_the_updated_weights(
    pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = build({"rule": {"name": "spsa", "pairs": pairs}, "network": {"hidden": [6]}})
    rng = np.random.default_rng(0)
    with drivers.open("emulator:ideal") as device:
        spy = Spy(device)
        controller = Controller.open(config, device, SampleSpec(4, 3))
        spy.watch(monkeypatch)
        controller.write()
        for index in range(2):
            controller.step(
                rng.random((5, 4), dtype=np.float32), rng.integers(3, size=5), index, index / 2
            )
    assert spy.runs == controller.supervised.costs.usage.runs == 2 * (1 + 2 * pairs)
    assert controller.supervised.costs.usage.samples == 5 * spy.runs
    for held, shadow in zip(spy.held, controller.weights, strict=True):
        np.testing.assert_array_equal(held, shadow)


def test_other_rules_try_nothing() -> None:
    with drivers.open("emulator:ideal") as device:
        controller = Controller.open(build({"network": {"hidden": [6]}}), device, SampleSpec(4, 3))
        controller.write()
        controller.step(np.ones((5, 4), np.float32), np.zeros(5, np.int64), 0, 0.0)
    assert controller.supervised.costs.usage.runs == 1


def small(**sections: Any) -> Any:
    base = {"network": {"hidden": []}, "training": {"epochs": 6, "batch": 100}}
    return build({"device": "emulator:ideal", "rule": {"name": "spsa", "pairs": 2}}, base, sections)


def test_it_learns_without_a_model(tmp_path: Path) -> None:
    config = small(
        rule={"perturbation": 1.0, "pairs": 8},
        optimiser={"learning_rate": 0.03, "weight_decay": 0.0},
        network={"steps": 10},
        training={"epochs": 5},
    )
    result = train(Run.create(tmp_path / "run", config))
    assert result["test_accuracy"] > 0.3  # 0.1 is chance


def test_stopped_and_resumed_it_ends_with_the_same_weights(tmp_path: Path) -> None:
    config = small(device="emulator:mixed-signal", training={"epochs": 2})
    whole, parts = (Run.create(tmp_path / name, config) for name in ("whole", "parts"))
    train(whole)

    def stop(position: Any) -> None:
        if position.phase == "train" and position.done == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        train(parts, stop)
    train(parts)
    for name, weights in whole.weights().items():
        np.testing.assert_array_equal(parts.weights()[name], weights)
