"""Wrong devices: runs that carry on, and samples that end."""

from __future__ import annotations

import numpy as np

from support.good_device import LEAK, Good


class CarriesNothingOn(Good):
    caught_by = "a-run-carries-on"

    def _run(self, stimulus, probes, trial, carry):
        return super()._run(stimulus, probes, trial, False)


class CarriesTheFirstLayerAlone(Good):
    caught_by = "a-run-carries-on"

    def _run(self, stimulus, probes, trial, carry):
        self._membranes[1:] = self.start(stimulus.batch)[1:]
        return super()._run(stimulus, probes, trial, carry)


class LeaksOnceMoreBetweenRuns(Good):
    caught_by = "a-run-carries-on"

    def _run(self, stimulus, probes, trial, carry):
        self._membranes = [LEAK * membrane for membrane in self._membranes]
        return super()._run(stimulus, probes, trial, carry)


class RunsToTheLongestLength(Good):
    caught_by = "samples-end-at-their-lengths"

    def drive(self, stimulus):
        return np.asarray(super().drive(stimulus)) + (stimulus.lengths is not None)

    def lasting(self, stimulus):
        return np.ones((stimulus.steps, stimulus.batch), bool)


class ShowsMembranesBeyondTheEnd(Good):
    caught_by = "samples-end-at-their-lengths"

    def reduced(self, probe, samples):
        self._lengths = None
        return super().reduced(probe, samples)
