"""Random spikes at a rate in proportion to the features, or to a signal, step by step.

At most one spike per channel and step, each step independent of the others: the Bernoulli
approximation of a Poisson process.
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
        default=0.3,
        gt=0,
        le=1,
        description="probability of a spike in a step for a feature of 1",
    )


def encode(x: NDArray[np.float32], steps: int, settings: Settings, rng: Generator) -> Stimulus:
    """Encode a batch.

    Args:
        x: `(B, n)` features in [0, 1], or signals `(B, T', n)`.
        steps: Length of the stimulus T.
        settings: The encoding's settings.
        rng: Draws the spikes.

    Returns:
        Spikes, `(T * B, width)`.
    """
    from scipy.sparse import csr_matrix

    probability = with_bias(x, settings.bias) * np.float32(settings.max_rate)
    if x.ndim == 3:
        each = by_step(probability, steps)
        return spikes_of((rng.random(each.shape, np.float32) < each).astype(np.float32))
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


ENCODING = Encoding(encode, Settings, width, takes=("features", "signals"))
