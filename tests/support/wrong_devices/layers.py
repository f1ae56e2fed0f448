"""Wrong devices: settings, trims, rates and membranes of one layer or another."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from support.good_device import INFO, Good


class IgnoresSettings(Good):
    caught_by = "settings-act"

    def _configure(self, network):
        super()._configure(network)
        if not network.trims:
            self._thresholds = [np.ones_like(values) for values in self._thresholds]


class TrimsTheFirstLayerAlone(Good):
    caught_by = "trims-act-in-their-layer"

    def _configure(self, network):
        super()._configure(network)
        self._thresholds[1:] = [np.ones_like(values) for values in self._thresholds[1:]]


class FirstTrimsForAll(Good):
    caught_by = "trims-act-in-their-layer"

    def _configure(self, network):
        super()._configure(network)
        first = self._thresholds[0]
        self._thresholds = [np.full(v.shape, first[0]) for v in self._thresholds]


class GivesRatesAsCounts(Good):
    caught_by = "offered-probes-are-answered"

    def reduced(self, probe, samples):
        found = super().reduced(probe, samples)
        counted = probe.quantity == "spikes" and probe.reduce == "mean"
        return found * np.float32(len(samples)) if counted else found


class GivesHiddenRatesAsCounts(Good):
    caught_by = "offered-probes-are-answered"

    def reduced(self, probe, samples):
        found = super().reduced(probe, samples)
        hidden = probe.layer < len(self._cells)
        counted = hidden and probe.quantity == "spikes" and probe.reduce == "mean"
        return found * np.float32(len(samples)) if counted else found


class SamplesAStepLate(Good):
    caught_by = "membranes-show-the-step-of-a-spike"

    def shown(self, probe, raster, before, after):
        late = [np.concatenate([np.zeros_like(b[:1]), b[:-1]]) for b in before]
        return super().shown(probe, raster, late, after)


class TakesSeveralSpikesForOne(Good):
    """And its neurons fire several times in a step."""

    caught_by = "several-spikes-of-a-step-are-counted"
    facts: ClassVar = {"spikes_per_step": 8}


class ShowsHiddenMembranesOfAnotherScale(Good):
    caught_by = "a-layer-shows-the-same-hidden-or-output"

    def shown(self, probe, raster, before, after):
        found = super().shown(probe, raster, before, after)
        hidden = probe.layer < len(self._cells) and probe.quantity == "membrane"
        return found * np.float32(64) if hidden else found


class NaNOnMembranes(Good):
    caught_by = "offered-probes-are-answered"

    def shown(self, probe, raster, before, after):
        found = super().shown(probe, raster, before, after)
        if probe.quantity == "membrane":
            found[0] = np.nan
        return found


class StatesASampleTooMany(Good):
    caught_by = "stated-limits-are-taken"

    def _run(self, stimulus, probes, trial, carry):
        if stimulus.batch >= INFO.capacity.batch:
            raise IndexError("index out of bounds")
        return super()._run(stimulus, probes, trial, carry)


class TakesNegativeCurrentsForNone(Good):
    caught_by = "a-random-network-does-as-predicted"

    def drive(self, stimulus):
        return np.maximum(super().drive(stimulus), 0)


class RoundsCurrentsDown(Good):
    caught_by = "a-random-network-does-as-predicted"

    def drive(self, stimulus):
        return np.floor(super().drive(stimulus))


class CountsSixteenOutputs(Good):
    caught_by = "a-random-network-does-as-predicted"

    def counts(self, raster):
        found = super().counts(raster)
        found[:, 16:] = 0
        return found


class TakesLayersForEquallyWide(Good):
    """And reads weights one place off where they are not."""

    caught_by = "a-random-network-does-as-predicted"

    def weights(self):
        return [
            m if m.shape[0] == m.shape[1] else np.roll(m.ravel(), 1).reshape(m.shape)
            for m in super().weights()
        ]
