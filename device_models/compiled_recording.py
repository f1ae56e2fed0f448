"""What is recorded in a run of the compiled engine: recorders as the arrays that it fills."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_models.recording import MembraneRecorder, Raster, Recorder, SpikeCounts


def arrays(recorders: Sequence[Recorder], sizes: NDArray[np.int64]) -> dict[str, Any]:
    """Arrays that a kernel writes, of which the recorders then hold parts.

    Args:
        recorders: What is to be observed, the output's spike counts among it.
        sizes: Where the neurons of each layer begin among all, and how many there are.
    """
    rasters = [each for each in recorders if isinstance(each, Raster)]
    membranes = [each for each in recorders if isinstance(each, MembraneRecorder)]
    (counts,) = (each.counts for each in recorders if isinstance(each, SpikeCounts))
    raster_at = np.full(sizes.size - 1, -1)
    raster, starts = _joined(rasters, np.uint8)
    for each, start in zip(rasters, starts, strict=True):
        raster_at[each.layer] = start
    shown, starts = _joined(membranes, np.float32)
    shown_at = [
        [each.layer, each.every, each.after_reset, start, len(each.samples)]
        for each, start in zip(membranes, starts, strict=True)
    ]
    channels, converter = np.zeros((2, sizes[-1]), np.float32), np.zeros(4, np.float32)
    for seen in membranes:
        own = seen.channels
        place = slice(sizes[seen.layer], sizes[seen.layer + 1])
        channels[:, place] = own.scale, own.shift
        converter[:] = own.noise, own.codes, own.step, own.low
    return {
        "counts": counts,
        "raster": raster,
        "raster_at": raster_at,
        "shown": shown,
        "shown_at": np.array(shown_at, np.int64).reshape(-1, 5),
        "channels": channels,
        "converter": converter,
        "channel_keys": np.array([each.noise.key[0] for each in membranes], np.uint64),
    }


def _joined(
    recorders: Sequence[Raster | MembraneRecorder], dtype: Any
) -> tuple[NDArray[Any], list[int]]:
    """One array for the samples of all, and where those of each begin in it."""
    ends = np.cumsum([0, *(each.samples.size for each in recorders)])
    whole = np.zeros(ends[-1], dtype)
    for each, start, end in zip(recorders, ends, ends[1:], strict=False):
        each.samples = whole[start:end].reshape(each.samples.shape)
    return whole, [int(start) for start in ends[:-1]]
