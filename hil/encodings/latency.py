"""One spike per channel, the earlier the larger the feature (time to first spike)."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from drivers import Stimulus
from hil.encodings.bias import Biased, width, with_bias
from hil.encodings.encoding import Encoding


class Settings(Biased):
    """Settings of the encoding."""

    threshold: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="least feature that gives a spike, which comes in the last step",
    )


def encode(x: NDArray[np.float32], steps: int, settings: Settings, rng: Generator) -> Stimulus:
    """Encode a batch.

    Args:
        x: `(B, n)` features in [0, 1].
        steps: Length of the stimulus T.
        settings: The encoding's settings.
        rng: Not used: the encoding is deterministic.

    Returns:
        Spikes, `(T * B, width)`: a feature of 1 in step 0, one at the threshold in step T - 1,
        linear and rounded between them, and none below.
    """
    from scipy.sparse import csr_matrix

    values = with_bias(x, settings.bias)
    samples, channels = np.nonzero(values >= settings.threshold)
    delay = (1 - values[samples, channels]) / (1 - settings.threshold)
    step = np.rint(delay * (steps - 1)).astype(np.int64)
    counts = csr_matrix(
        (np.ones(len(step), dtype=np.float32), (step * len(x) + samples, channels)),
        shape=(steps * len(x), values.shape[1]),
    )
    return Stimulus.spikes(counts, steps=steps)


ENCODING = Encoding(encode, Settings, width)
