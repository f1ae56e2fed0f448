"""Rules of other groups against derivations of their own."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

import drivers
from drivers import UnsupportedProbe
from hil.config import build as configure
from hil.learning import drtp, forward_forward, mgd, opzo, progressive
from hil.learning.rule import Matrix, PerturbedEvaluation, Route, Rule
from hil.learning.rules import bp
from hil.loop.controller import Controller
from hil.tasks.samples import SampleSpec
from support.rule_inputs import LAYERS, draw_weights, observe

RNG = np.random.default_rng


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_drtp_sends_the_target_through_its_feedback() -> None:
    seen, rule = observe(), drtp(surrogate="sigmoid", steepness=2.0, shift=0.4)
    state = rule.init(RNG(3), LAYERS)
    found, _ = rule.update(state, seen, draw_weights())
    assert seen.labels is not None
    for p, before in enumerate((seen.inputs, seen.activity[0])):
        feedback = np.asarray(state[f"feedback_{p + 1}"], float)
        s = 1 / (1 + np.exp(-2 * (seen.membrane[p].astype(float) - 0.4)))
        delta = np.array([-feedback[label] for label in seen.labels]) * 2 * s * (1 - s)
        close(found[p], before.astype(float).T @ delta / len(delta))


@pytest.mark.parametrize("layers", [LAYERS, (5, 2, 7, 3)])  # one with a class that has no neuron
def test_forward_forward_descends_the_loss_of_each_layer(layers: tuple[int, ...]) -> None:
    """Autograd of the local losses in the model `a = f(a_before W)`."""
    seen, weights, sharpness = observe(layers), draw_weights(layers), 20.0
    labels = np.asarray(seen.labels)
    x, activity, membrane, expected = seen.inputs.astype(float), [], [], []

    def rates(w: Any, x: Any) -> Any:
        return anp.log(1 + anp.exp(4.0 * (x @ w - 0.5))) / 4.0  # `soft_step`

    for w in (w.astype(float) for w in weights[:-1]):

        def loss(w: Any, x: Any = x) -> Any:
            a = rates(w, x)
            means = [
                anp.mean(anp.square(a[:, c :: layers[-1]]), axis=1)
                if c < a.shape[1]
                else 0 * a[:, 0]
                for c in range(layers[-1])
            ]
            logits = sharpness * anp.stack(means, axis=1)
            surprise = (
                anp.log(anp.sum(anp.exp(logits), axis=1)) - logits[anp.arange(len(a)), labels]
            )
            return anp.mean(surprise)

        expected.append(grad(loss)(w))
        membrane.append((x @ w).astype(np.float32))
        x = rates(w, x)
        activity.append(x.astype(np.float32))
    seen = replace(seen, activity=tuple(activity), membrane=(*membrane, seen.membrane[-1]))
    rule = forward_forward(surrogate="soft_step", steepness=4.0, shift=0.5, sharpness=sharpness)
    for found, wanted in zip(rule.update({}, seen, weights)[0], expected, strict=False):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("progress", "frozen"), [(0.0, 1), (0.49, 1), (0.5, 2), (0.999, 2)])
def test_progressive_tuning_freezes_layer_after_layer(progress: float, frozen: int) -> None:
    seen, weights = replace(observe(), progress=progress), draw_weights()
    found, _ = progressive().update({}, seen, weights)
    whole, _ = bp.RULE().update({}, seen, weights)
    for p, (gradient, back_propagated) in enumerate(zip(found, whole, strict=True)):
        assert (gradient is None) == (p < frozen)
        if gradient is not None:
            np.testing.assert_array_equal(gradient, back_propagated)


def try_all(rule: Rule, slopes: Matrix, moves: list[list[Matrix]]) -> tuple[list[Any], Any]:
    """Its gradients from all perturbations, where the logits are linear in the hidden drives."""
    seen, weights = observe((5, 4, 3), seed=1), draw_weights((5, 4, 3))
    seen = replace(seen, losses=np.zeros(6, np.float32), logits=np.zeros((6, 3), np.float32))
    tried = []
    for move in moves:
        shifted = [w + m for w, m in zip(weights, move, strict=True)]
        drives = seen.inputs.astype(float) @ (shifted[0].astype(float) - weights[0])
        logits = (drives @ slopes).astype(np.float32)
        tried.append(PerturbedEvaluation(shifted, logits @ np.float32([1, 2, 3]), logits))
    seen = replace(seen, perturbed=tuple(tried))
    state = rule.init(RNG(0), (5, 4, 3))
    found, state = rule.update(state, seen, weights)
    delta = np.tile(slopes @ [1.0, 2.0, 3.0], (6, 1))
    return [found[0], seen.inputs.astype(float).T @ delta / 6, found[1], seen], state


def signs(n: int) -> list[Matrix]:
    return [0.25 * np.array(row, np.float32) for row in product((-1, 1), repeat=n)]


def test_node_perturbation_is_right_over_all_signs() -> None:
    slopes = RNG(2).normal(size=(4, 3)).astype(np.float32)
    moves = [[s[np.newaxis], 0.25 * np.ones((1, 3), np.float32)] for s in signs(4)]
    (found, expected, *_), _ = try_all(mgd(of="nodes", perturbations=16), slopes, moves)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_weight_perturbation_is_right_over_all_signs() -> None:
    slopes = RNG(2).normal(size=(4, 3)).astype(np.float32)
    # Orthogonal signs for 20 weights, rows of a Hadamard matrix: the products vanish in the mean.
    hadamard = np.array([[1.0]])
    for _ in range(5):
        hadamard = np.block([[hadamard, hadamard], [hadamard, -hadamard]])
    moves = [
        [0.25 * row[:20].reshape(5, 4).astype(np.float32), np.ones((4, 3), np.float32)]
        for row in hadamard
    ]
    (found, expected, *_), _ = try_all(mgd(of="weights", perturbations=32), slopes, moves)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_feedback_follows_what_noise_tells_with_momentum() -> None:
    slopes = RNG(2).normal(size=(4, 3)).astype(np.float32)
    still = np.zeros((4, 3), np.float32)
    total = np.zeros((3, 4))
    for noise in signs(4):
        rule = opzo(momentum=0.75, surrogate="sigmoid", steepness=2.0, shift=0.4)
        (found, _, _, seen), state = try_all(rule, slopes, [[noise[np.newaxis], still]])
        total += np.asarray(state["feedback_1"]) / 16
        s = 1 / (1 + np.exp(-2 * (seen.membrane[0].astype(float) - 0.4)))
        delta = (seen.error @ state["feedback_1"]) * 2 * s * (1 - s)
        np.testing.assert_allclose(found, seen.inputs.T @ delta / 6, rtol=1e-4, atol=1e-5)
    close(total, 0.25 * slopes.T)


@pytest.mark.parametrize("recurrent", [False, True])
def test_noise_reaches_hidden_neurons_alone(recurrent: bool) -> None:
    weights = draw_weights((5, 7, 3)) + ([np.zeros((7, 7), np.float32)] if recurrent else [])
    propose = opzo(perturbation=0.5).propose
    assert propose is not None
    routes = [Route(0, 1), Route(1, 2), *([Route(1, 1)] if recurrent else [])]
    (proposed,) = propose(RNG(0), weights, routes)
    np.testing.assert_array_equal(proposed[1], weights[1])
    shift = proposed[0] - weights[0]
    np.testing.assert_allclose(np.abs(shift), 0.5 / np.sqrt(5), rtol=1e-5)
    np.testing.assert_allclose(shift, np.tile(shift[:1], (5, 1)), atol=1e-6)


@pytest.mark.parametrize("rule", [mgd(), opzo()])
def test_what_was_not_proposed_is_refused(rule: Rule) -> None:
    with pytest.raises(ValueError, match=f"{rule.name}.*0 losses"):
        rule.update(rule.init(RNG(0), LAYERS), observe(), draw_weights())


# -- on a device ------------------------------------------------------------------------------


def train(name: str, observe: str, **settings: Any) -> list[Matrix]:
    config = configure(
        {
            "rule": {"name": name, **settings},
            "network": {"hidden": [12], "initial_scale": 3.0},
            "homeostasis": {"weight": 0.0},
            "observe": observe,
        }
    )
    rng = RNG(0)
    with drivers.open("emulator:ideal") as opened:
        controller = Controller.open(config, opened, SampleSpec(6, 3))
        controller.write()
        for index in range(4):
            controller.step(
                rng.random((8, 6), dtype=np.float32), rng.integers(3, size=8), index, index / 4
            )
        assert controller.supervised.costs.usage.runs == 4
        return controller.weights


def test_through_a_model_that_is_the_device_it_is_bptt() -> None:
    for a, b in zip(train("pat", "output"), train("bptt", "spikes"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_through_another_model_it_learns_something_else() -> None:
    ours = train("pat", "output")
    other = train("pat", "output", model="emulator:mixed-signal")
    assert any(np.abs(a - b).max() > 1e-3 for a, b in zip(ours, other, strict=True))


@pytest.mark.parametrize("observe", ["output", "mean", "last"])
def test_less_than_traces_is_not_enough_for_bptt(observe: str) -> None:
    with pytest.raises(UnsupportedProbe, match="pat"):
        train("bptt", observe)


@pytest.mark.parametrize(
    ("observe", "hidden"), [("output", []), ("mean", ["mean"]), ("last", ["last"])]
)
def test_no_more_is_read_than_may_be(observe: str, hidden: list[str]) -> None:
    config = configure({"observe": observe, "network": {"hidden": [4]}})
    with drivers.open("emulator:ideal") as device:
        observer = Controller.open(config, device, SampleSpec(6, 3)).observer
    assert [p.reduce for p in observer.probes if p.layer == 1] == hidden
    assert {p.reduce for p in observer.probes} <= {*hidden, "none"}
    assert all(p.quantity == "membrane" for p in observer.probes)
    assert observe != "output" or not observer.probes + observer.output_probes


def test_labels_are_shown_to_rules_that_ask_for_them() -> None:
    with pytest.raises(ValueError, match="labels"):
        drtp().update(drtp().init(RNG(0), LAYERS), replace(observe(), labels=None), draw_weights())
