"""Every stream of a run has randomness of its own, at every index."""

from __future__ import annotations

from itertools import product
from typing import get_args

from hil import streams

INDICES = [(), (0,), (1,), (0, 0), (0, 1), (1, 0), (1, 1)]
PLACES = list(product((0, 1, 2**40), get_args(streams.Stream), INDICES))


def test_no_two_streams_draw_the_same() -> None:
    drawn = {streams.generator(seed, stream, *i).bytes(16) for seed, stream, i in PLACES}
    assert len(drawn) == len(PLACES)
    trials = {streams.trial(seed, stream, *i) for seed, stream, i in PLACES}
    assert len(trials) == len(PLACES)
    assert all(0 <= trial < 2**63 for trial in trials)


def test_a_stream_repeats() -> None:
    for seed, stream, index in PLACES:
        one, other = (streams.generator(seed, stream, *index).bytes(16) for _ in range(2))
        assert one == other
        assert streams.trial(seed, stream, *index) == streams.trial(seed, stream, *index)
