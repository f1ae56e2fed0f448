"""Evenly spaced spikes at a rate in proportion to the features, or to a signal, step by step.

A channel of rate r fires in the steps in which `phase + r t` passes a whole number, t counted
from 1: in every step at r = 1, in every other one at 1/2. Each channel of each sample begins at a
phase of its own, so that a layer is not driven in bursts. Of a signal, r t is the sum of its rates
up to then. The number of spikes is off by less than
one from r T, where that of random spikes is off by the root of it.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from drivers import Stimulus
from hil.encodings.bias import Held, by_step, spikes_of, width, with_bias
from hil.encodings.encoding import Encoding


class Settings(Held):
    """Settings of the encoding."""

    max_rate: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="spikes per step of a feature of 1",
    )


def encode(x: NDArray[np.float32], steps: int, settings: Settings, rng: Generator) -> Stimulus:
    """Encode a batch.

    Args:
        x: `(B, n)` features in [0, 1], or signals `(B, T', n)`.
        steps: Length of the stimulus T.
        settings: The encoding's settings.
        rng: Draws the phases, uniform in [0, 1).

    Returns:
        Spikes, `(T * B, width)`.
    """
    from scipy.sparse import csr_matrix

    rate = with_bias(x, settings.bias).astype(np.float64) * settings.max_rate
    if x.ndim == 3:
        phases = rng.random((1, len(x), rate.shape[2]))
        passed = np.floor(phases + np.cumsum(by_step(rate, steps), axis=0))
        return spikes_of(np.diff(passed, axis=0, prepend=0).astype(np.float32))
    samples, channels = rate.nonzero()  # a dark pixel needs no phase
    rate, phase = rate[samples, channels], rng.random(len(samples))
    passed = np.floor(phase + rate * np.arange(steps + 1)[:, None])
    step, active = np.diff(passed, axis=0).nonzero()
    counts = csr_matrix(
        (
            np.ones(len(step), dtype=np.float32),
            (step * len(x) + samples[active], channels[active]),
        ),
        shape=(steps * len(x), x.shape[1] + (settings.bias > 0)),
    )
    return Stimulus.spikes(counts, steps=steps)


ENCODING = Encoding(encode, Settings, width, takes=("features", "signals"))
