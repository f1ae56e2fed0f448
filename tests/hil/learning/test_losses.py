from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.special import log_softmax

from hil.learning import losses
from hil.learning.losses import Loss
from support.rule_inputs import build, draw_weights, observe, update

LOSSES: tuple[Loss, ...] = ("cross_entropy", "mse")
SHAPES = st.tuples(st.integers(1, 6), st.integers(2, 7))


@st.composite
def batches(draw: st.DrawFn, width: float = 8) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits `(B, C)` and labels `(B,)`."""
    shape = draw(SHAPES)
    logits = draw(arrays(np.float64, shape, elements=st.floats(-width, width)))
    labels = draw(arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)))
    return logits, labels


@pytest.mark.parametrize("loss", LOSSES)
@given(batch=batches())
def test_error_is_the_finite_difference_of_the_loss(
    loss: Loss, batch: tuple[NDArray[np.float64], NDArray[np.int64]]
) -> None:
    logits, labels = batch
    _, error = losses.evaluate(logits, labels, loss)  # type: ignore[arg-type]
    step = 1e-5
    for index in np.ndindex(*logits.shape):
        nudge = np.zeros_like(logits)
        nudge[index] = step
        above, _ = losses.evaluate(logits + nudge, labels, loss)  # type: ignore[arg-type]
        below, _ = losses.evaluate(logits - nudge, labels, loss)  # type: ignore[arg-type]
        slope = (above - below).sum() / (2 * step)
        assert error[index] == pytest.approx(slope, abs=1e-7, rel=1e-6)


@given(batch=batches())
def test_real_targets_are_what_the_outputs_aim_at(
    batch: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> None:
    logits, labels = batch
    targets = np.roll(logits, 1, axis=1) / 3
    value, error = losses.evaluate(logits, targets, "mse")  # type: ignore[arg-type]
    np.testing.assert_allclose(value, np.square(logits - targets).sum(axis=1) / 2, atol=1e-12)
    np.testing.assert_allclose(error, logits - targets, atol=1e-12)
    hot = np.eye(logits.shape[1])[labels]
    for real, classes in zip(
        losses.evaluate(logits, hot, "mse"),  # type: ignore[arg-type]
        losses.evaluate(logits, labels, "mse"),  # type: ignore[arg-type]
        strict=True,
    ):
        np.testing.assert_array_equal(real, classes)


@given(batch=batches(width=80))
def test_cross_entropy_is_scipys(batch: tuple[NDArray[np.float64], NDArray[np.int64]]) -> None:
    logits, labels = batch
    value, error = losses.evaluate(logits.astype(np.float32), labels, "cross_entropy")
    expected = -log_softmax(logits.astype(np.float32).astype(np.float64), axis=1)
    np.testing.assert_allclose(value, expected[np.arange(len(labels)), labels], atol=1e-4)
    np.testing.assert_allclose(error.sum(axis=1), 0, atol=1e-6)
    assert error.dtype == np.float32


@given(batch=batches(), shift=st.floats(-100, 100))
def test_cross_entropy_does_not_see_a_common_shift(
    batch: tuple[NDArray[np.float64], NDArray[np.int64]], shift: float
) -> None:
    logits, labels = batch
    value, error = losses.evaluate(logits, labels, "cross_entropy")  # type: ignore[arg-type]
    moved, same = losses.evaluate(
        logits + shift,  # type: ignore[arg-type]
        labels,
        "cross_entropy",
    )
    np.testing.assert_allclose(moved, value, atol=1e-9)
    np.testing.assert_allclose(same, error, atol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_perfect_answer_has_no_error_and_a_confident_wrong_one_stays_finite(loss: Loss) -> None:
    labels = np.array([1, 0])
    target = np.eye(3, dtype=np.float32)[labels]
    perfect = target * np.float32(1 if loss == "mse" else 1e4)
    value, error = losses.evaluate(perfect, labels, loss)
    np.testing.assert_array_equal(value, 0)
    np.testing.assert_array_equal(error, 0)
    wrong, error = losses.evaluate(np.roll(perfect, 1, axis=1) * 10, labels, loss)
    assert np.isfinite(wrong).all()
    assert (wrong > 0).all()
    assert np.isfinite(error).all()


@pytest.mark.parametrize("loss", LOSSES)
@given(batch=batches())
def test_the_logits_are_not_touched(
    loss: Loss, batch: tuple[NDArray[np.float64], NDArray[np.int64]]
) -> None:
    logits, labels = batch[0].astype(np.float32), batch[1]
    kept = logits.copy()
    losses.evaluate(logits, labels, loss)
    np.testing.assert_array_equal(logits, kept)


def test_logits_read_what_the_source_names() -> None:
    rate = np.array([[0.5, 0.1]], np.float32)
    membrane = np.array([[0.2, -0.4]], np.float32)
    unread = np.full_like(rate, np.nan)
    counts = losses.logits(rate, unread, source="counts", kappa=10, beta=2)
    potential = losses.logits(unread, membrane, source="membrane", kappa=10, beta=2)
    both = losses.logits(rate, membrane, source="both", kappa=10, beta=2)
    np.testing.assert_allclose(counts, [[5, 1]], rtol=1e-6)
    np.testing.assert_allclose(potential, [[0.4, -0.8]], rtol=1e-6)
    np.testing.assert_allclose(both, counts + potential, rtol=1e-6)


@given(
    counts=SHAPES.flatmap(lambda shape: arrays(np.int64, shape, elements=st.integers(0, 3))),
    seed=st.integers(0, 2**32 - 1),
)
def test_ties_go_to_the_highest_membrane_and_only_ties(
    counts: NDArray[np.int64], seed: int
) -> None:
    membrane = np.random.default_rng(seed).standard_normal(counts.shape).astype(np.float32)
    found = losses.predict(counts.astype(np.float32), membrane)
    for sample, chosen in enumerate(found):
        best = max(zip(counts[sample], membrane[sample], strict=True))
        assert (counts[sample, chosen], membrane[sample, chosen]) == best


@given(counts=SHAPES.flatmap(lambda shape: arrays(np.int64, shape, elements=st.integers(0, 3))))
def test_without_membranes_the_first_of_a_tie_is_chosen(counts: NDArray[np.int64]) -> None:
    logits = counts.astype(np.float32)
    found = losses.predict(logits, np.zeros_like(logits))
    np.testing.assert_array_equal(found, counts.argmax(axis=1))


@pytest.mark.parametrize("loss", LOSSES)
@given(batch=batches())
def test_weights_of_one_change_no_bit(
    loss: Loss, batch: tuple[NDArray[np.float64], NDArray[np.int64]]
) -> None:
    logits, labels = batch[0].astype(np.float32), batch[1]
    plain, weighed = (
        losses.evaluate(logits, labels, loss, weights)
        for weights in (None, np.ones(len(labels), np.float32))
    )
    np.testing.assert_array_equal(plain[0], weighed[0])
    np.testing.assert_array_equal(plain[1], weighed[1])


@pytest.mark.parametrize("loss", LOSSES)
@given(batch=batches(), data=st.data())
def test_a_weight_of_two_is_a_sample_shown_twice_in_loss_and_gradient(
    loss: Loss, batch: tuple[NDArray[np.float64], NDArray[np.int64]], data: st.DataObject
) -> None:
    logits, labels = batch[0].astype(np.float32), batch[1]
    size, layers = len(labels), (3, 4, logits.shape[1])
    at = data.draw(st.integers(0, size - 1))
    weights = np.ones(size, np.float32)
    weights[at] = 2
    rows = np.append(np.arange(size), at)
    once, error = losses.evaluate(logits, labels, loss, weights)
    twice, error_of_both = losses.evaluate(logits[rows], labels[rows], loss)
    assert once.sum() == pytest.approx(twice.sum(), rel=1e-5, abs=1e-4)
    # The means of both batches are over another number of samples.
    seen, rule, shadow = observe(layers, size), build("adfa"), draw_weights(layers)
    whole = update(rule, replace(seen, error=error), shadow)
    repeated = {
        name: tuple(part[rows] for part in getattr(seen, name)) for name in ("activity", "membrane")
    }
    again = replace(seen, inputs=seen.inputs[rows], rate=seen.rate[rows], **repeated)
    both = update(rule, replace(again, error=error_of_both, traces=None), shadow)
    for one, other in zip(whole, both, strict=True):
        np.testing.assert_allclose(size * one, (size + 1) * other, rtol=1e-4, atol=1e-4)
