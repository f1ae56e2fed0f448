"""Error that returns through time, by what recurs, against derivatives found otherwise."""

from dataclasses import replace
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from hil.learning import adfa, eligibility, homeostasis, optimisers
from hil.learning.feedback import align_feedback, paths_to_output
from hil.learning.rule import Route, State
from support.rule_inputs import build

from .test_in_time import DECAY, LAYERS, MODEL, STEPS, case, simulate

SETTINGS: dict[str, Any] = {"clock": "trace", "recurrent_feedback": 1.0, "gain": 3.0}


@pytest.mark.parametrize("most", [0, 3])
def test_by_transposed_weights_it_is_the_gradient_through_the_loop(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of `<e B, s>`, the spikes of a layer as if they were read out by its feedback.

    An event reaches the simulated membrane after one leak, which R has as well; a trace is the
    membrane's memory times 1 - d.
    """
    _, seen, weights, _ = case("current", "soft", True, most)
    monkeypatch.setattr(eligibility, "RETURN", 1e9)
    rule = build("adfa", **SETTINGS)
    state = rule.init(np.random.default_rng(2), LAYERS)
    loops = {1: weights[3], 2: weights[4]}
    state = {**state, **{f"recurrent_feedback_{n}": DECAY * w.T for n, w in loops.items()}}
    found, _ = rule.update(state, seen, weights)
    assert seen.input_trace is not None
    for layer, into, loop in ((1, 0, 3), (2, 1, 4)):
        wanted = seen.error @ state[f"feedback_{layer}"]

        def read_out(weights: Any, layer: int = layer, wanted: Any = wanted) -> Any:
            x: Any = seen.input_trace
            _, s = simulate(weights, x, seen.routes, MODEL, detach=True, k=3.0)
            return anp.sum(wanted * sum(s[layer - 1])) / (STEPS * len(wanted))

        expected = grad(read_out)(weights)
        injected = (1 - DECAY) / -np.log(DECAY) if layer == 1 else DECAY
        for p, factor in ((into, injected), (loop, DECAY)):
            mine: Any = found[p]
            theirs = expected[p] * (1 - DECAY) / factor
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6 * abs(theirs).max())


def test_without_the_setting_or_a_loop_nothing_returns() -> None:
    _, seen, weights, _ = case("current", "soft", True, 0)
    plain, returning = (
        build("adfa", clock="trace", gain=3.0),
        build("adfa", **SETTINGS),
    )
    state = returning.init(np.random.default_rng(2), LAYERS)
    direct = {name: state[name] for name in ("feedback_1", "feedback_2")}
    by_time_means = build("adfa", recurrent_feedback=1.0)
    for rule in (plain, by_time_means):
        assert set(rule.init(np.random.default_rng(2), LAYERS)) == {"feedback_1", "feedback_2"}
    with_loops, _ = plain.update(direct, seen, weights)
    differ = [
        not np.allclose(mine, theirs)  # type: ignore[arg-type]
        for mine, theirs in zip(returning.update(state, seen, weights)[0], with_loops, strict=True)
    ]
    assert differ == [True, True, False, True, True]  # the readout has its error from nobody
    chain = replace(seen, routes=seen.routes[:3])
    for mine, theirs in zip(
        returning.update(state, chain, weights)[0],
        plain.update(direct, chain, weights)[0],
        strict=True,
    ):
        np.testing.assert_array_equal(mine, theirs)  # type: ignore[arg-type]


def test_what_returns_is_held_to_what_came_directly() -> None:
    """With a loop that doubles at each step, deltas stay within three times the direct ones."""
    rng = np.random.default_rng(0)
    direct = rng.standard_normal((1, 5, 4)).astype(np.float32)
    slope = np.ones((200, 5, 4), np.float32)
    way = 2 * np.linalg.qr(rng.standard_normal((4, 4)))[0].astype(np.float32)
    found = eligibility.return_error(direct, slope, way, Route(1, 1, 1), 0.9)
    sizes = np.linalg.norm(found, axis=2) / np.linalg.norm(direct, axis=2)
    assert np.isfinite(found).all() and sizes.max() <= 1 + eligibility.RETURN + 1e-5
    np.testing.assert_array_equal(found[-1], direct[0])
    np.testing.assert_allclose(found[-2], direct[0] + direct[0] @ way, rtol=1e-5)
    nothing = eligibility.return_error(0 * direct, slope, way, Route(1, 1, 1), 0.9)
    assert not nothing.any()


def test_learned_it_begins_at_zero_and_sees_what_the_loop_sees() -> None:
    _, seen, weights, _ = case("current", "soft", True, 0)
    rule = adfa(optimisers.sgd(1.0, 0.0, 0.0, "constant"), feedback="learned", **SETTINGS)
    state = rule.init(np.random.default_rng(2), LAYERS)
    assert not state["recurrent_feedback_1"].any() and not state["recurrent_feedback_2"].any()
    fixed = build("adfa", **SETTINGS).init(np.random.default_rng(2), LAYERS)
    assert np.std(fixed["recurrent_feedback_1"]) == pytest.approx(8**-0.5, rel=0.3)
    pulls = tuple(np.float32(0.1) * layer.mean(axis=0) for layer in seen.activity)
    seen = replace(seen, pulls=pulls)
    gradients, after = rule.update(state, seen, weights)
    homeostasis.add(gradients, seen)
    for layer, loop in ((1, 3), (2, 4)):
        change = -np.asarray(after[f"recurrent_feedback_{layer}"])
        np.testing.assert_allclose(change, np.transpose(gradients[loop]), rtol=1e-5, atol=1e-7)  # type: ignore[arg-type]


def test_weights_come_with_the_feedback_that_they_have_learned_with() -> None:
    """Learned matrices are taken as they are; drawn ones keep their size."""
    rng = np.random.default_rng(1)
    loop, readout = (rng.standard_normal(s).astype(np.float32) for s in ((8, 8), (8, 3)))
    into = rng.standard_normal((5, 8)).astype(np.float32)
    along: State = paths_to_output([into, readout], [loop])
    learned = build("adfa", feedback="learned", **SETTINGS)
    state = learned.init(rng, (5, 8, 3))
    taken = align_feedback(learned, state, along)
    np.testing.assert_array_equal(taken["recurrent_feedback_1"], loop.T)
    np.testing.assert_array_equal(taken["feedback_1"], readout.T)
    fixed = build("adfa", **SETTINGS)
    drawn = fixed.init(rng, (5, 8, 3))
    kept = align_feedback(fixed, drawn, along)
    assert np.linalg.norm(kept["feedback_1"]) == pytest.approx(np.linalg.norm(drawn["feedback_1"]))
