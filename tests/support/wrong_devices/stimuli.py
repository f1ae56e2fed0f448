"""Wrong devices: what they take a stimulus for."""

from __future__ import annotations

from typing import ClassVar

from support.good_device import Good


class TakesStepsForSamples(Good):
    caught_by = "samples-are-kept-apart"

    def drive(self, stimulus):
        found = super().drive(stimulus)
        swap = stimulus.kind == "current_trace" and stimulus.steps == stimulus.batch
        return found.swapaxes(0, 1) if swap else found


class TakesRowsSampleBySample(Good):
    caught_by = "samples-are-kept-apart"

    def drive(self, stimulus):
        found = super().drive(stimulus)
        if stimulus.kind != "spikes":
            return found
        return found.reshape(stimulus.batch, stimulus.steps, -1).swapaxes(0, 1)


class ReversesSamples(Good):
    caught_by = "samples-are-kept-apart"

    def drive(self, stimulus):
        return super().drive(stimulus)[:, ::-1]


class ReversesInputs(Good):
    caught_by = "a-random-network-does-as-predicted"

    def drive(self, stimulus):
        return super().drive(stimulus)[:, :, ::-1]


class RunsBackwards(Good):
    caught_by = "what-excites-first-counts-first"

    def drive(self, stimulus):
        return super().drive(stimulus)[::-1]


class IgnoresSpikes(Good):
    caught_by = "stated-kinds-are-taken"

    def drive(self, stimulus):
        return super().drive(stimulus) * (0 if stimulus.kind == "spikes" else 1)


class TakesWhatItDoesNotState(Good):
    caught_by = "what-is-not-stated-is-refused"
    facts: ClassVar = {"stimuli": ("current", "spikes")}

    def check_run(self, kind, batch, steps, probes=()):
        super().check_run("current", batch, steps, probes)
