"""Randomness of a chip, by seed and name: generators, and noise by address."""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

LEVELS = 1 << 16
AHEAD = 32  # steps whose seeds are found together
# Constants of splitmix64: the step from number to number, and the shifts and factors of its mix.
WEYL = np.uint64(0x9E3779B97F4A7C15)
MIX = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)


def sequence(seed: int, *names: str | int) -> np.random.SeedSequence:
    """Make the seed sequence of a name path below one seed, independent of all other paths."""
    keys = []
    for name in names:  # in every run, many times: a loop calls nothing
        keys.append(crc32(name.encode()) if isinstance(name, str) else name)
    return np.random.SeedSequence(entropy=seed, spawn_key=keys)


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Make the generator of a name path below one seed, e.g. `generator(7, "threshold", 1)`."""
    return np.random.default_rng(sequence(seed, *names))


@lru_cache(maxsize=1)
def quantiles() -> NDArray[np.float32]:
    """The midpoint quantiles of the normal distribution, `(65 536,)`."""
    quantile = NormalDist().inv_cdf
    table = np.array([quantile((level + 0.5) / LEVELS) for level in range(LEVELS)], np.float32)
    table.flags.writeable = False
    return table


class Normals:
    """Fast standard normals for what a write draws for every cell, one after another.

    Each value is one of the 65 536 midpoint quantiles of the normal distribution, picked by 16
    random bits (inverse transform): the standard deviation is 0.99999, the tails end at 4.32, and
    the distribution function is off by at most 2^-17. It costs about a quarter of numpy's ziggurat.
    """

    def __init__(self, seed: np.random.SeedSequence) -> None:
        """Start at the beginning of the stream that the seed sequence names."""
        self._bits = np.random.SFC64(seed)
        self._table = quantiles()

    def draw(self, size: int) -> NDArray[np.float32]:
        """The next values, shape `(size,)`, dimensionless."""
        words: NDArray[np.uint64] = self._bits.random_raw((size + 3) // 4)
        return self._table.take(words.view(np.uint16)[:size])


class Noise:
    """Random numbers of a run by their address: a step, a sample and a place in its layer.

    What is at an address depends on nothing else that is drawn, so that it is the same however a
    batch is cut and whoever computes which part of it first. A word of 64 bits is the splitmix64
    hash (Steele, Lea & Flood 2014, OOPSLA) of the place, seeded by that of the sample, seeded by
    that of the step. Normals are those of `Normals`, four to a word.

    Attributes:
        key: What the stream is seeded with.
    """

    def __init__(self, seed: int, *names: str | int) -> None:
        """The noise of a name path below one seed."""
        self.key = sequence(seed, *names).generate_state(1, np.uint64).astype(np.uint64)
        self._first, self._rows = 0, np.empty((0, 0), np.uint64)

    def words(
        self,
        steps: NDArray[np.integer],
        samples: NDArray[np.integer],
        places: NDArray[np.integer],
    ) -> NDArray[np.uint64]:
        """A word for each address, in the shape that the three have together."""
        rows = splitmix64(splitmix64(self.key, steps), samples)
        return splitmix64(rows, places)

    def seed_samples(self, step: int, batch: int) -> NDArray[np.uint64]:
        """Give what the words of each sample in a step are seeded with, `(B,)`: for steps ahead."""
        steps, samples = self._rows.shape
        if not self._first <= step < self._first + steps or batch > samples:
            self._first, rows = step, splitmix64(self.key, np.arange(step, step + AHEAD))
            self._rows = splitmix64(rows[:, np.newaxis], np.arange(max(batch, samples)))
        return self._rows[step - self._first, :batch]

    def normals(self, step: int, batch: int, size: int) -> NDArray[np.float32]:
        """A standard normal for each of `size` places of `batch` samples, `(B, n)`."""
        rows = self.seed_samples(step, batch)[:, np.newaxis]
        words = _mix(_count_up((size + 3) // 4) + rows)
        return quantiles().take(words.view(np.uint16)[:, :size])

    def uniforms(
        self, step: int, samples: NDArray[np.integer], places: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """A number from 0 to below 1 for each address, in 2^53 steps."""
        rows = self.seed_samples(step, int(samples.max(initial=0)) + 1)
        words = splitmix64(rows[samples], places) >> np.uint64(11)
        return words.astype(np.float64) * 2.0**-53


def splitmix64(seeds: NDArray[np.uint64], numbers: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Words number 0, 1, ... of splitmix64 from given seeds."""
    return _mix((numbers.astype(np.uint64) + np.uint64(1)) * WEYL + seeds)


@lru_cache(maxsize=32)
def _count_up(size: int) -> NDArray[np.uint64]:
    """The states of splitmix64 for the first words from a seed of 0, `(size,)`."""
    states: NDArray[np.uint64] = np.arange(1, size + 1).astype(np.uint64) * WEYL
    return states


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Make words of states, in place."""
    shifted = np.empty_like(x)
    for shift, factor in MIX:
        x ^= np.right_shift(x, shift, out=shifted)
        x *= factor
    x ^= np.right_shift(x, np.uint64(31), out=shifted)
    return x
