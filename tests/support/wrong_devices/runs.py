"""Wrong devices: what a run depends on."""

from __future__ import annotations

from typing import Any

import numpy as np

from support.good_device import Good


class IgnoresTheTrial(Good):
    caught_by = "same-trial-same-run"
    noise = 0.1

    def generator(self, trial):
        return super().generator(None)


class GoesOnWhereItStopped(Good):
    caught_by = "every-run-starts-from-reset"
    left: Any = None

    def start(self, batch):
        fresh = super().start(batch)
        if self.left is None or [m.shape for m in self.left] != [m.shape for m in fresh]:
            return fresh
        return [m.copy() for m in self.left]

    def ended(self, membranes):
        self.left = [m.copy() for m in membranes]


class LeaksFromSampleToSample(Good):
    caught_by = "a-batch-equals-its-parts"

    def drive(self, stimulus):
        found = super().drive(stimulus).copy()
        found[:, 1:] += 0.1 * found[:, :-1]
        return found


class NormalisesOverTheBatch(Good):
    caught_by = "a-batch-equals-its-parts"

    def drive(self, stimulus):
        found = super().drive(stimulus)
        return found * (1 + stimulus.batch / 20)


class CountsInFloats(Good):
    caught_by = "zero-weights-are-silent"

    def counts(self, raster):
        return super().counts(raster).astype(np.float32)
