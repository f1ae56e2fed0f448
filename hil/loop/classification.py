"""Classifying many samples with the weights that a device holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hil import streams
from hil.tasks import Data
from hil.tasks.samples import Samples

if TYPE_CHECKING:
    from hil.loop.controller import Controller


def classify(
    controller: Controller,
    x: Samples,
    stream: streams.Stream,
    index: int,
    watch: Callable[[int, int], None],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Predicted classes `(N,)` and logits `(N, C)` of many samples."""
    size = controller.config.training.batch
    starts = range(0, len(x), size)
    found = []
    for number, start in enumerate(starts):
        rows = Data.batch(x[start : start + size])
        found.append(controller.predict(rows, stream, index, number))
        watch(number + 1, len(starts))
    classes, logits = zip(*found, strict=True)
    return np.concatenate(classes), np.concatenate(logits)
