"""Wrong devices: what they store and what it does."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from support.good_device import INFO, Good


class SpikesWithoutWeights(Good):
    caught_by = "zero-weights-are-silent"

    def start(self, batch):
        return [membrane + 1.2 for membrane in super().start(batch)]


class NeverFires(Good):
    caught_by = "full-weights-fire"

    def weights(self):
        return [matrix / 1000 for matrix in super().weights()]


class LosesSigns(Good):
    caught_by = "negative-weights-do-not-excite"

    def weights(self):
        return [np.abs(matrix) for matrix in super().weights()]


class SaysStoredWhatWasAsked(Good):
    caught_by = "stored-is-on-the-levels"

    def _write(self, projection, weights):
        super()._write(projection, weights)
        return weights.copy()


class SaysStoredBeyondItsRange(Good):
    caught_by = "larger-weights-are-not-stored-smaller"
    facts: ClassVar = {"weights": (replace(INFO.weights[0], levels=None),)}

    def _write(self, projection, weights):
        super()._write(projection, weights)
        return weights.copy()


class HasFewerLevels(Good):
    caught_by = "stored-is-on-the-levels"

    def _write(self, projection, weights):
        form, scale = replace(INFO.weights[0], levels=31), self._full_scale[projection]
        self._cells[projection] = form.quantise(weights, scale)
        return self._cells[projection].copy()


class ClipsAtHalf(Good):
    caught_by = "weights-act-in-proportion"

    def weights(self):
        scales = self._full_scale
        return [
            np.clip(matrix, -s / 2, s / 2)
            for matrix, s in zip(super().weights(), scales, strict=True)
        ]


class RoundsDownEachTime(Good):
    caught_by = "writing-stored-gives-stored"
    facts: ClassVar = {"weights": (replace(INFO.weights[0], levels=None),)}

    def _write(self, projection, weights):
        return super()._write(projection, weights * np.float32(0.99))


class WrapsAround(Good):
    caught_by = "larger-weights-are-not-stored-smaller"
    facts: ClassVar = {"weights": (replace(INFO.weights[0], levels=None),)}

    def _write(self, projection, weights):
        scale = np.float32(self._full_scale[projection])
        self._cells[projection] = (weights + scale) % (2 * scale) - scale
        return self._cells[projection].copy()


class OverflowsWithinItsRange(Good):
    caught_by = "a-larger-weight-never-lowers-the-drive"

    def weights(self):
        return [
            np.where(matrix > 0.75 * s, matrix - 1.5 * s, matrix)
            for matrix, s in zip(super().weights(), self._full_scale, strict=True)
        ]


class TransposesWeights(Good):
    caught_by = "each-weight-acts-where-it-was-written"

    def weights(self):
        return [m.T if m.shape[0] == m.shape[1] else m for m in super().weights()]


class ReversesOutputs(Good):
    caught_by = "each-weight-acts-where-it-was-written"

    def counts(self, raster):
        return super().counts(raster)[:, ::-1]


class MixesProjectionsUp(Good):
    caught_by = "each-projection-acts-at-its-place"

    def weights(self):
        found = super().weights()
        return found[::-1] if len({m.shape for m in found}) == 1 else found


class RunsWithTheWeightsBefore(Good):
    caught_by = "the-last-write-counts"

    def _configure(self, network):
        super()._configure(network)
        self._old = [cells.copy() for cells in self._cells]

    def _write(self, projection, weights):
        self._old[projection] = self._cells[projection].copy()
        return super()._write(projection, weights)

    def weights(self):
        return [cells.astype(np.float64) for cells in self._old]


class WritesOnlyWhatGrew(Good):
    caught_by = "the-last-write-counts"

    def _write(self, projection, weights):
        old = self._cells[projection]
        super()._write(projection, np.maximum(weights, old))
        return self.info.weight_format(projection).quantise(weights, self._full_scale[projection])


class KeepsWeightsThroughConfigure(Good):
    caught_by = "zero-weights-are-silent"

    def _configure(self, network):
        old = self._cells
        super()._configure(network)
        if [c.shape for c in old] == [c.shape for c in self._cells]:
            self._cells = old


class LeaksMoreThanItStates(Good):
    caught_by = "zero-weights-are-silent"
    facts: ClassVar = {"weights": (replace(INFO.weights[0], residual=0.01),)}

    def weights(self):
        return [w + 0.2 * s for w, s in zip(super().weights(), self._full_scale, strict=True)]


class SaysThatItStoresOneSign(Good):
    caught_by = "a-random-network-does-as-predicted"
    facts: ClassVar = {"weights": (replace(INFO.weights[0], levels=64, signs="positive"),)}

    def _write(self, projection, weights):
        stored = super()._write(projection, weights)
        self._cells[projection] = INFO.weights[0].quantise(weights, self._full_scale[projection])
        return stored
