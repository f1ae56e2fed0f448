"""Random generators by seed and name: of a chip, of a write, of a run."""

from __future__ import annotations

from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

LEVELS = 1 << 16


def sequence(seed: int, *names: str | int) -> np.random.SeedSequence:
    """The seed sequence of a name path below one seed, independent of all other paths."""
    keys = [crc32(name.encode()) if isinstance(name, str) else name for name in names]
    return np.random.SeedSequence(entropy=seed, spawn_key=keys)


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """The generator of a name path below one seed, e.g. `generator(7, "threshold", 1)`."""
    return np.random.default_rng(sequence(seed, *names))


@lru_cache(maxsize=1)
def _quantiles() -> NDArray[np.float32]:
    from scipy.special import ndtri

    table: NDArray[np.float32] = ndtri((np.arange(LEVELS) + 0.5) / LEVELS).astype(np.float32)
    table.flags.writeable = False
    return table


class Normals:
    """Fast standard normals for noise that is drawn for every neuron at every step.

    Each value is one of the 65 536 midpoint quantiles of the normal distribution, picked by 16
    random bits (inverse transform): the standard deviation is 0.99999, the tails end at 4.32, and
    the distribution function is off by at most 2^-17. It costs about a quarter of numpy's ziggurat.
    """

    def __init__(self, seed: np.random.SeedSequence) -> None:
        """Start at the beginning of the stream that the seed sequence names."""
        self._bits = np.random.SFC64(seed)
        self._table = _quantiles()

    def draw(self, size: int) -> NDArray[np.float32]:
        """The next values, shape `(size,)`, dimensionless."""
        words: NDArray[np.uint64] = self._bits.random_raw((size + 3) // 4)
        return self._table.take(words.view(np.uint16)[:size])
