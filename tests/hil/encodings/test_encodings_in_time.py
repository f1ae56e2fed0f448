"""Encodings of signals: each against what defines it, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from drivers import Stimulus
from hil import encodings

SIGNALS = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 3)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(0, 1, width=32))
)
HOLD = st.integers(1, 4)
IN_TIME = [n for n in encodings.names() if "signals" in encodings.get(n).takes]
Signals = NDArray[np.float32]


def encode(name: str, x: Signals, hold: int, seed: int = 0, **values: Any) -> Stimulus:
    module = encodings.get(name)
    asked = module.settings(hold=hold, **values)
    return module.encode(x, hold * x.shape[1], asked, np.random.default_rng(seed))


def held(x: Signals, hold: int) -> Signals:
    """`(T, B, n)`, by the definition."""
    steps = hold * x.shape[1]
    return np.stack([x[:, step // hold] for step in range(steps)])


def test_each_says_what_it_takes() -> None:
    taken = {name: set(encodings.get(name).takes) for name in encodings.names()}
    assert taken == {
        "current": {"features", "signals", "events"},
        "events": {"events"},
        "latency": {"features"},
        "level_crossing": {"signals"},
        "poisson": {"features", "signals"},
        "receptive_fields": {"features", "signals"},
        "regular": {"features", "signals"},
    }


@pytest.mark.parametrize("name", [*IN_TIME, "events"])
@given(x=SIGNALS, hold=HOLD, bias=st.sampled_from([0.0, 0.3, 1.0]))
def test_width_and_steps_are_as_announced(name: str, x: Signals, hold: int, bias: float) -> None:
    module = encodings.get(name)
    stimulus = encode(name, np.rint(x), hold, bias=bias)
    assert stimulus.channels == module.width(x.shape[2], module.settings(bias=bias))
    assert stimulus.channels == module.width(x.shape[2], module.settings()) + (bias > 0)
    assert (stimulus.steps, stimulus.batch) == (hold * x.shape[1], len(x))
    if bias:
        always = stimulus.dense()[:, :, -1]
        assert (always == always[:, :1]).all() or name in ("poisson", "regular")
        assert np.isclose(always.sum(axis=0), bias * stimulus.steps, atol=1).all() or (
            name == "poisson"
        )


@pytest.mark.parametrize("name", ["current", "receptive_fields", "regular"])
@given(x=arrays(np.float32, (2, 3), elements=st.floats(0, 1, width=32)), steps=st.integers(1, 9))
def test_a_signal_that_stands_still_is_encoded_as_its_features(
    name: str, x: Signals, steps: int
) -> None:
    module = encodings.get(name)
    still = np.repeat(x[:, None], steps, axis=1)
    one = module.encode(x, steps, module.settings(), np.random.default_rng(0)).dense()
    two = encode(name, still, 1).dense()
    if name == "regular":  # phases are drawn otherwise
        assert np.abs(one.sum(axis=0) - two.sum(axis=0)).max() < 1 + 1e-5
    else:
        np.testing.assert_allclose(one, two, rtol=1e-6)


@given(x=SIGNALS, hold=HOLD)
def test_a_current_follows_the_signal(x: Signals, hold: int) -> None:
    found = encode("current", x, hold, gain=2.5)
    assert found.kind == "current_trace"
    np.testing.assert_allclose(found.data, 2.5 * held(x, hold), rtol=1e-6)


@given(x=SIGNALS, hold=HOLD, fields=st.integers(2, 9))
def test_a_receptive_field_is_a_bump_around_its_value(x: Signals, hold: int, fields: int) -> None:
    found = encode("receptive_fields", x, hold, fields=fields, gain=3.0).data
    each = found.reshape(*found.shape[:2], x.shape[2], fields)
    centres, spread = np.arange(fields) / (fields - 1), 1 / (fields - 1)
    expected = 3 * np.exp(-0.5 * ((held(x, hold)[..., None] - centres) / spread) ** 2)
    np.testing.assert_allclose(each, expected, rtol=1e-3, atol=1e-5)


@given(x=SIGNALS, hold=HOLD, fields=st.integers(2, 9), bias=st.sampled_from([0.0, 0.5]))
def test_fields_of_the_time_are_those_of_a_channel_that_rises_from_0_to_1(
    x: Signals, hold: int, fields: int, bias: float
) -> None:
    ramp = np.linspace(0, 1, x.shape[1], dtype=np.float32)
    risen = np.concatenate([x, np.broadcast_to(ramp[:, None], (*x.shape[:2], 1))], axis=2)
    asked = {"fields": fields, "bias": bias}
    timed = encode("receptive_fields", x, hold, time_fields=fields, **asked)
    np.testing.assert_array_equal(timed.data, encode("receptive_fields", risen, hold, **asked).data)
    module = encodings.get("receptive_fields")
    settings = module.settings(time_fields=fields, **asked)
    assert timed.channels == module.width(x.shape[2], settings)
    still = module.encode(x[:, 0], hold, settings, np.random.default_rng(0))
    np.testing.assert_array_equal(still.dense()[0], timed.dense()[0])


@given(x=SIGNALS, hold=HOLD, threshold=st.sampled_from([0.07, 0.1, 0.25, 1.0]))
def test_crossings_are_those_of_a_reference_that_follows_the_signal(
    x: Signals, hold: int, threshold: float
) -> None:
    n = x.shape[2]
    found = encode("level_crossing", x, hold, threshold=threshold).dense()
    for sample in range(len(x)):
        for channel in range(n):
            crossed = 0
            for step in range(len(found)):
                value = float(x[sample, step // hold, channel])
                up = value / threshold - crossed >= 1
                down = value / threshold - crossed <= -1
                assert found[step, sample, channel] == up
                assert found[step, sample, n + channel] == down
                crossed += up - down


def test_crossings_tell_the_signal_to_within_the_threshold_where_it_is_slow() -> None:
    x = (0.5 + 0.5 * np.sin(np.linspace(0, 6, 200)))[None, :, None].astype(np.float32)
    spikes = encode("level_crossing", x, 1, threshold=0.05).dense()[:, 0]
    told = 0.05 * np.cumsum(spikes[:, 0] - spikes[:, 1])
    assert np.abs(told - x[0, :, 0])[20:].max() < 0.05 + 1e-6


@given(x=SIGNALS, hold=HOLD)
def test_an_event_is_one_spike_in_the_first_of_its_steps(x: Signals, hold: int) -> None:
    events = np.rint(x)
    found = encode("events", events, hold).dense()
    np.testing.assert_array_equal(found[::hold], events.swapaxes(0, 1))
    assert found.sum() == events.sum()


def test_random_spikes_follow_the_rate_step_by_step() -> None:
    x = np.random.default_rng(0).random((1, 4, 3), dtype=np.float32)
    many = np.repeat(x, 4000, axis=0)
    counts = encode("poisson", many, 2, max_rate=0.5).dense()
    np.testing.assert_allclose(counts.mean(axis=1), 0.5 * held(x, 2)[:, 0], atol=0.04)
    assert counts.max() == 1
    for one, two in ((counts[0], counts[1]), (counts[:, :-1], counts[:, 1:])):  # each by itself
        expected = one.mean(axis=-2) * two.mean(axis=-2)
        np.testing.assert_allclose((one * two).mean(axis=-2), expected, atol=0.04)


@given(x=SIGNALS, hold=HOLD, rate=st.floats(0.05, 1), seed=st.integers(0, 99))
def test_even_spikes_follow_the_sum_of_the_rates(
    x: Signals, hold: int, rate: float, seed: int
) -> None:
    counts = encode("regular", x, hold, seed, max_rate=rate).dense()
    assert set(np.unique(counts)) <= {0.0, 1.0}
    expected = np.cumsum(rate * held(x, hold).astype(np.float64), axis=0)
    assert np.abs(np.cumsum(counts, axis=0) - expected).max() < 1 + 1e-6
