import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.sparse import csr_matrix

from drivers import Stimulus
from hil import encodings

FEATURES = st.floats(0, 1, width=32)
BATCHES = st.tuples(st.integers(1, 4), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=FEATURES)
)
STEPS = st.integers(1, 12)
BIAS = st.sampled_from([0.0, 0.3, 1.0])
ENCODINGS = ["current", "latency", "poisson", "regular"]  # a channel for each feature
OTHERS = ["events", "level_crossing", "receptive_fields"]


def encode(
    name: str, x: NDArray[np.float32], steps: int, seed: int = 0, **values: float
) -> Stimulus:
    module = encodings.get(name)
    stimulus = module.encode(x, steps, module.settings(**values), np.random.default_rng(seed))
    assert isinstance(stimulus, Stimulus)
    return stimulus


def raster(stimulus: Stimulus) -> NDArray[np.float32]:
    """Counts as `(T, B, n_in)`."""
    assert isinstance(stimulus.data, csr_matrix)
    dense: NDArray[np.float32] = stimulus.data.toarray()
    return dense.reshape(stimulus.steps, stimulus.batch, -1)


def test_names_and_unknown_name() -> None:
    assert encodings.names() == sorted([*ENCODINGS, *OTHERS])
    with pytest.raises(ValueError, match="did you mean 'latency'") as error:
        encodings.get("latencies")
    assert all(name in str(error.value) for name in ENCODINGS)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ENCODINGS)
@given(x=BATCHES, steps=STEPS, bias=BIAS)
def test_width_and_shape_are_as_announced(
    name: str, x: NDArray[np.float32], steps: int, bias: float
) -> None:
    module = encodings.get(name)
    stimulus = encode(name, x, steps, bias=bias)
    assert stimulus.channels == module.width(x.shape[1], module.settings(bias=bias))
    assert stimulus.channels == x.shape[1] + (bias > 0)
    assert (stimulus.steps, stimulus.batch) == (steps, len(x))


@pytest.mark.parametrize("name", ENCODINGS)
@given(x=BATCHES, steps=STEPS, bias=st.sampled_from([0.3, 1.0]))
def test_bias_is_one_more_feature_in_every_sample(
    name: str, x: NDArray[np.float32], steps: int, bias: float
) -> None:
    widened = np.column_stack([x, np.full(len(x), bias, dtype=np.float32)])
    built_in, by_hand = encode(name, x, steps, bias=bias), encode(name, widened, steps)
    difference = built_in.data - by_hand.data
    assert abs(difference).max() == 0


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize(
    "values",
    [
        {"gain": 0},
        {"gain": float("nan")},
        {"max_rate": 0},
        {"max_rate": 1.01},
        {"threshold": 1},
        {"threshold": -0.1},
        {"bias": -0.1},
        {"bias": 1.1},
        {"colour": 1},
    ],
)
def test_settings_out_of_range_or_unknown_are_refused(name: str, values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        encodings.get(name).settings(**values)


@pytest.mark.parametrize("name", ENCODINGS)
def test_settings_are_frozen_and_described(name: str) -> None:
    values = encodings.get(name).settings()
    with pytest.raises(ValidationError):
        values.bias = 1.0
    assert all(field.description for field in type(values).model_fields.values())


# -- current ----------------------------------------------------------------------------------


@given(x=BATCHES, gain=st.floats(0.01, 100))
def test_current_is_proportional(x: NDArray[np.float32], gain: float) -> None:
    stimulus = encode("current", x, 5, gain=gain)
    assert stimulus.kind == "current"
    np.testing.assert_allclose(stimulus.data, gain * x.astype(np.float64), rtol=1e-6, atol=1e-30)


# -- poisson ----------------------------------------------------------------------------------


@given(x=BATCHES, steps=STEPS, seed=st.integers(0, 2**32 - 1))
def test_poisson_gives_at_most_one_spike_a_step_by_the_generator_alone(
    x: NDArray[np.float32], steps: int, seed: int
) -> None:
    counts = raster(encode("poisson", x, steps, seed))
    assert set(np.unique(counts)) <= {0.0, 1.0}
    assert counts[:, x == 0].sum() == 0
    np.testing.assert_array_equal(counts, raster(encode("poisson", x, steps, seed)))


def test_poisson_fires_always_at_probability_one_and_x_one() -> None:
    x = np.array([[1, 0], [0, 1]], dtype=np.float32)
    counts = raster(encode("poisson", x, 30, max_rate=1))
    np.testing.assert_array_equal(counts, np.broadcast_to(x, (30, 2, 2)))


@pytest.mark.parametrize("max_rate", [0.3, 0.9])
def test_poisson_rate_is_proportional_and_steps_are_independent(max_rate: float) -> None:
    x = np.random.default_rng(1).random((20, 30), dtype=np.float32)
    steps = 4000
    counts = raster(encode("poisson", x, steps, max_rate=max_rate)).astype(np.float64)
    p = max_rate * x.astype(np.float64)
    deviation = (counts.mean(axis=0) - p) / np.sqrt(p * (1 - p) / steps)
    assert np.abs(deviation).max() < 5  # 600 channels: 3e-4 to exceed by chance
    assert abs(deviation.std() - 1) < 0.15  # neither more nor less random than Bernoulli
    centred = (counts - p) / np.sqrt(p * (1 - p))
    products = steps * x.size
    for neighbour in (  # in time, between samples, between channels
        centred[1:] * centred[:-1],
        centred[:, 1:] * centred[:, :-1],
        centred[:, :, 1:] * centred[:, :, :-1],
    ):
        assert abs(neighbour.mean()) < 6 / np.sqrt(0.9 * products)


def test_poisson_seeds_differ() -> None:
    x = np.full((2, 20), 0.5, dtype=np.float32)
    one, two = (raster(encode("poisson", x, 20, seed)) for seed in (1, 2))
    assert not np.array_equal(one, two)


# -- latency ----------------------------------------------------------------------------------


@given(x=BATCHES, steps=STEPS, threshold=st.floats(0, 0.9))
def test_latency_gives_one_spike_to_each_feature_that_reaches_the_threshold(
    x: NDArray[np.float32], steps: int, threshold: float
) -> None:
    counts = raster(encode("latency", x, steps, threshold=threshold))
    np.testing.assert_array_equal(counts.sum(axis=0), x >= np.float32(threshold))
    assert counts.max() <= 1


@settings(max_examples=60)
@given(steps=STEPS, threshold=st.floats(0, 0.875, width=32))
def test_latency_falls_with_the_feature_from_the_last_step_to_the_first(
    steps: int, threshold: float
) -> None:
    x = np.linspace(np.float32(threshold), 1, 50, dtype=np.float32)[None]
    counts = raster(encode("latency", x, steps, threshold=threshold))
    times = counts.argmax(axis=0)[0]
    assert (np.diff(times) <= 0).all()
    assert times[0] == steps - 1
    assert times[-1] == 0
    ideal = np.linspace(steps - 1, 0, 50)
    assert np.abs(times - ideal).max() <= 0.5 + 1e-3


# -- regular ----------------------------------------------------------------------------------


@given(x=BATCHES, steps=STEPS, rate=st.floats(0.05, 1), seed=st.integers(0, 2**32 - 1))
def test_regular_counts_are_within_one_of_the_rate(
    x: NDArray[np.float32], steps: int, rate: float, seed: int
) -> None:
    counts = raster(encode("regular", x, steps, seed, max_rate=rate))
    assert set(np.unique(counts)) <= {0.0, 1.0}
    # In every window, not in the whole alone: that is what evenly spaced means.
    running = np.concatenate([np.zeros((1, *x.shape)), counts.cumsum(axis=0)])
    for length in range(1, steps + 1):
        window = running[length:] - running[:-length]
        assert np.abs(window - x.astype(np.float64) * rate * length).max() < 1 + 1e-6
    np.testing.assert_array_equal(counts, raster(encode("regular", x, steps, seed, max_rate=rate)))


def test_regular_fires_in_every_step_at_rate_one_and_every_fourth_at_a_quarter() -> None:
    counts = raster(encode("regular", np.array([[1.0, 0.25, 0.0]], np.float32), 12))
    assert counts[:, 0].sum(axis=0).tolist() == [12, 3, 0]
    assert set(np.diff(np.flatnonzero(counts[:, 0, 1])).tolist()) == {4}


def test_regular_phases_are_uniform_and_of_each_channel_and_sample() -> None:
    x = np.full((400, 10), 0.1, np.float32)
    counts = raster(encode("regular", x, 10))
    first = counts.argmax(axis=0)
    assert (counts.sum(axis=0) == 1).all()
    found = np.bincount(first.ravel(), minlength=10)
    assert (np.abs(found - 400) < 5 * np.sqrt(400)).all()
    for axis in (0, 1):  # neighbours share their phase as often as chance has it
        same = (np.diff(first, axis=axis) == 0).mean()
        assert abs(same - 0.1) < 0.03
