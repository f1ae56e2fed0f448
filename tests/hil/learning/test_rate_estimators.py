from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from hil.learning import rate_estimators

Matrix = NDArray[np.float32]
Reset = Literal["soft", "hard"]

SAMPLES = arrays(
    np.float32,
    array_shapes(min_dims=3, max_dims=3, max_side=6),
    elements=st.floats(-4, 4, width=32),
)

identity = rate_estimators.Estimator("identity", False, 0.2, lambda samples, mean: mean)
not_an_estimator = 3


def lif(drive: Matrix, decay: float, reset: Reset) -> tuple[Matrix, NDArray[np.int64]]:
    """Membranes before the reset, and spike counts, of ideal neurons driven by `(T, B, n)`."""
    v = np.zeros(drive.shape[1:], np.float32)
    membranes, counts = np.empty_like(drive), np.zeros(v.shape, np.int64)
    for t, current in enumerate(drive):
        membranes[t] = np.float32(decay) * v + current
        for index in np.ndindex(*v.shape):
            v[index] = membranes[t][index]
            if v[index] >= 1:
                counts[index] += 1
                v[index] = 0 if reset == "hard" else v[index] - 1
    return membranes, counts


@pytest.mark.parametrize("reset", ["soft", "hard"])
@given(
    seed=st.integers(0, 2**32 - 1),
    steps=st.integers(1, 30),
    decay=st.floats(0.1, 1),
    strength=st.floats(0.1, 2),
)
def test_crossings_of_every_step_are_the_spikes_of_an_ideal_neuron(
    reset: Reset, seed: int, steps: int, decay: float, strength: float
) -> None:
    drive = np.random.default_rng(seed).normal(0.1, strength, (steps, 2, 3)).astype(np.float32)
    membranes, counts = lif(drive, decay, reset)
    found = rate_estimators.crossings(membranes, membranes.mean(axis=0))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, counts.astype(np.float32) / np.float32(steps))


def test_crossings_of_every_fourth_step_are_near() -> None:
    drive = np.random.default_rng(0).normal(0.3, 0.3, (400, 4, 50)).astype(np.float32)
    membranes, counts = lif(drive, 0.9, "soft")
    sparse = membranes[3::4]
    found = rate_estimators.crossings(sparse, sparse.mean(axis=0))
    assert np.abs(found - counts / 400).max() < 0.15
    assert found.mean() == pytest.approx(counts.mean() / 400, abs=0.01)


@pytest.mark.parametrize("length", [1, 255, 256, 257, 600])
def test_crossings_count_runs_of_any_length(length: int) -> None:
    samples = np.zeros((length, 1, 3), np.float32)
    samples[:, 0, 0] = 1
    samples[length // 2 :, 0, 1] = 1
    found = rate_estimators.crossings(samples, samples.mean(axis=0))
    expected = np.array([[1, (length - length // 2) / length, 0]], np.float32)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@given(samples=SAMPLES, seed=st.integers(0, 2**32 - 1))
def test_crossings_are_shares_in_any_order(samples: Matrix, seed: int) -> None:
    found = rate_estimators.crossings(samples, samples.mean(axis=0))
    assert found.shape == samples.shape[1:]
    assert ((found >= 0) & (found <= 1)).all()
    shuffled = np.random.default_rng(seed).permutation(samples)
    np.testing.assert_array_equal(rate_estimators.crossings(shuffled, samples.mean(axis=0)), found)
    strided = np.ascontiguousarray(samples.transpose(2, 1, 0)).transpose(2, 1, 0)
    np.testing.assert_array_equal(rate_estimators.crossings(strided, samples.mean(axis=0)), found)


@given(samples=SAMPLES)
def test_rectified_reads_only_the_mean(samples: Matrix) -> None:
    mean = samples.mean(axis=0)
    found = rate_estimators.rectified(np.full_like(samples, np.nan), mean)
    np.testing.assert_array_equal(found, np.where(mean > 0, mean, 0))
    assert found.dtype == np.float32


@given(every=st.integers(1, 50), before_reset=st.booleans())
def test_choice(every: int, before_reset: bool) -> None:
    chosen = rate_estimators.choose(every=every, before_reset=before_reset)
    assert (chosen == "crossings") == (before_reset and every <= 4)
    estimator = rate_estimators.get(chosen)
    assert estimator.needs_samples == (chosen == "crossings")


def test_set_points_of_homeostasis() -> None:
    targets = {
        name: rate_estimators.get(name).target for name in ("crossings", "spikes", "rectified")
    }
    assert targets == {"crossings": 0.1, "spikes": 0.1, "rectified": 0.3}


def test_measured_spikes_pass_unchanged() -> None:
    rate = np.array([[0.1, 0.4]], np.float32)
    np.testing.assert_array_equal(
        rate_estimators.get("spikes").estimate(rate[np.newaxis], rate), rate
    )


def test_a_user_may_bring_an_estimator() -> None:
    found = rate_estimators.get(f"{__name__}:identity")
    assert (found.name, found.target) == ("identity", 0.2)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("crossing", "did you mean 'crossings'"),
        ("no_such_package.at_all:NAME", "cannot be loaded"),
        (f"{__name__}:absent", "cannot be loaded"),
        (":identity", "cannot be loaded"),
        (".relative:identity", "cannot be loaded"),
        (f"{__name__}:not_an_estimator", "is no hil.learning.rate_estimators.Estimator"),
    ],
)
def test_a_bad_name_is_refused_in_one_line(name: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as error:
        rate_estimators.get(name)
    assert name in str(error.value)
    assert "\n" not in str(error.value)
