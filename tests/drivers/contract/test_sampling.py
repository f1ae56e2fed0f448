"""What a probe makes of the trace of every step, sample by sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drivers import Probe, sampling

STEPS, NEURONS = 11, 4


@given(
    every=st.integers(1, 5),
    neurons=st.sampled_from([None, (2,), (3, 0)]),
    reduce=st.sampled_from(["none", "mean", "last"]),
    lengths=st.none() | st.lists(st.integers(5, STEPS), min_size=3, max_size=3),
)
def test_a_sample_falls_at_the_end_of_every_interval_that_is_over(
    every: int, neurons: Any, reduce: Any, lengths: list[int] | None
) -> None:
    trace = np.random.default_rng(0).standard_normal((STEPS, 3, NEURONS), np.float32)
    probe = Probe(1, every=every, reduce=reduce, neurons=neurons)
    found = sampling.answer(probe, trace, None if lengths is None else np.array(lengths))
    chosen = range(NEURONS) if neurons is None else neurons
    for sample, length in enumerate(lengths or [STEPS] * 3):
        for place, neuron in enumerate(chosen):
            seen = [trace[t, sample, neuron] for t in range(length) if (t + 1) % every == 0]
            if reduce == "none":
                own = found[:, sample, place]
                assert len(own) == STEPS // every
                np.testing.assert_array_equal(own[: len(seen)], seen)
                assert not own[len(seen) :].any()
            else:
                expected = seen[-1] if reduce == "last" else np.mean(seen)
                np.testing.assert_allclose(found[sample, place], expected, rtol=1e-4, atol=1e-6)
