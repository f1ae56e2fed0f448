"""Encodings that make spikes of values.

`poisson`: at most one spike per channel and step, each step independent of the others: the
Bernoulli approximation of a Poisson process.

`regular`: a channel of rate r fires in the steps in which `phase + r t` passes a whole number, t
counted from 1: in every step at r = 1, in every other one at 1/2. Each channel of each sample
begins at a phase of its own, so that a layer is not driven in bursts. Of a signal, r t is the sum
of its rates up to then. The number of spikes is off by less than one from r T, where that of random
spikes is off by the root of it.

`latency`: one spike per channel, the earlier the larger the feature.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from drivers import Stimulus
from hil.encodings.encoding import (
    BiasSettings,
    Encoding,
    SignalSettings,
    append_bias,
    repeat_steps,
    width_with_bias,
)


class PoissonSettings(SignalSettings):
    """Settings of `poisson`."""

    max_rate: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="probability of a spike in a step for a feature of 1",
    )


def encode_poisson(
    x: NDArray[np.float32], steps: int, settings: PoissonSettings, rng: Generator
) -> Stimulus:
    """Encode a batch as random spikes.

    Args:
        x: `(B, n)` features in [0, 1], or signals `(B, T', n)`.
        steps: Length of the stimulus T.
        settings: The encoding's settings.
        rng: Draws the spikes.

    Returns:
        Spikes, `(T * B, width)`.
    """
    from scipy.sparse import csr_matrix

    probability = append_bias(x, settings.bias) * np.float32(settings.max_rate)
    if x.ndim == 3:
        each = repeat_steps(probability, steps)
        return Stimulus.of("spikes", rng.random(each.shape, np.float32) < each)
    samples, channels = probability.nonzero()  # a dark pixel needs no draw
    active = probability[samples, channels]
    fired = [
        np.flatnonzero(rng.random(len(active), dtype=np.float32) < active) for _ in range(steps)
    ]
    per_row = [np.bincount(samples[spikes], minlength=len(x)) for spikes in fired]
    indices = channels[np.concatenate(fired)]
    counts = csr_matrix(
        (
            np.ones(len(indices), dtype=np.float32),
            indices,  # in order within each row, since `samples` ascends
            np.concatenate([[0], np.cumsum(np.concatenate(per_row))]),
        ),
        shape=(steps * len(x), probability.shape[1]),
    )
    return Stimulus.spikes(counts, steps=steps)


class RegularSettings(SignalSettings):
    """Settings of `regular`."""

    max_rate: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="spikes per step of a feature of 1",
    )


def encode_regular(
    x: NDArray[np.float32], steps: int, settings: RegularSettings, rng: Generator
) -> Stimulus:
    """Encode a batch as evenly spaced spikes.

    Args:
        x: `(B, n)` features in [0, 1], or signals `(B, T', n)`.
        steps: Length of the stimulus T.
        settings: The encoding's settings.
        rng: Draws the phases, uniform in [0, 1).

    Returns:
        Spikes, `(T * B, width)`.
    """
    rate = append_bias(x, settings.bias).astype(np.float64) * settings.max_rate
    if x.ndim == 3:
        phases = rng.random((1, len(x), rate.shape[2]))
        passed = np.floor(phases + np.cumsum(repeat_steps(rate, steps), axis=0))
        return Stimulus.of("spikes", np.diff(passed, axis=0, prepend=0))
    samples, channels = rate.nonzero()  # a dark pixel needs no phase
    rate, phase = rate[samples, channels], rng.random(len(samples))
    passed = np.floor(phase + rate * np.arange(steps + 1)[:, None])
    step, active = np.diff(passed, axis=0).nonzero()
    shape = steps, len(x), width_with_bias(x.shape[1], settings)
    return _spike_at((step, samples[active], channels[active]), shape)


class LatencySettings(BiasSettings):
    """Settings of `latency`."""

    threshold: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="least feature that gives a spike, which comes in the last step",
    )


def encode_latency(
    x: NDArray[np.float32], steps: int, settings: LatencySettings, rng: Generator
) -> Stimulus:
    """Encode a batch as times of spikes.

    Args:
        x: `(B, n)` features in [0, 1].
        steps: Length of the stimulus T.
        settings: The encoding's settings.
        rng: Not used: the encoding is deterministic.

    Returns:
        Spikes, `(T * B, width)`: a feature of 1 in step 0, one at the threshold in step T - 1,
        linear and rounded between them, and none below.
    """
    values = append_bias(x, settings.bias)
    samples, channels = np.nonzero(values >= settings.threshold)
    delay = (1 - values[samples, channels]) / (1 - settings.threshold)
    step = np.rint(delay * (steps - 1)).astype(np.int64)
    return _spike_at((step, samples, channels), (steps, *values.shape))


def _spike_at(
    places: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    shape: tuple[int, int, int],
) -> Stimulus:
    """Make a stimulus of single spikes, each at a step, a sample and a channel."""
    from scipy.sparse import csr_matrix

    (step, sample, channel), (steps, batch, width) = places, shape
    ones = np.ones(len(step), np.float32)
    counts = csr_matrix((ones, (step * batch + sample, channel)), (steps * batch, width))
    return Stimulus.spikes(counts, steps=steps)


ENCODINGS = {
    "poisson": Encoding(
        encode_poisson,
        PoissonSettings,
        width_with_bias,
        takes=("features", "signals"),
        description="Random spikes at a rate in proportion to the features, or to a signal, "
        "step by step.",
    ),
    "regular": Encoding(
        encode_regular,
        RegularSettings,
        width_with_bias,
        takes=("features", "signals"),
        description="Evenly spaced spikes at a rate in proportion to the features, or to a "
        "signal, step by step.",
    ),
    "latency": Encoding(
        encode_latency,
        LatencySettings,
        width_with_bias,
        description="One spike per channel, the earlier the larger the feature (time to first "
        "spike).",
    ),
}
