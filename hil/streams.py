"""All randomness of a run: named streams below one seed, addressed and not consumed.

A stream is found by its name and an index (an epoch, a step), so that a resumed run meets exactly
the randomness that the uninterrupted one would have met, with nothing to restore.
"""

from __future__ import annotations

from typing import Literal
from zlib import crc32

import numpy as np

Stream = Literal[
    "split",
    "init",
    "delays",
    "synapses",
    "rule",
    "order",
    "augment",
    "encode",
    "trial",
    "perturb",
    "validate",
    "test",
    "predict",
    "show",
    "response",
    "part",
    "washout",
]


def generator(seed: int, stream: Stream, *index: int) -> np.random.Generator:
    """The generator of one stream at one index."""
    return np.random.default_rng(_sequence(seed, stream, index))


def trial(seed: int, stream: Stream, *index: int) -> int:
    """A number that names to a device what happens in one run, below 2^63."""
    return int(_sequence(seed, stream, index).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _sequence(seed: int, stream: str, index: tuple[int, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence(entropy=seed, spawn_key=(crc32(stream.encode()), *index))
