"""Wrong devices: what a run depends on."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from drivers import DeviceError, check_limit
from support.good_device import LEAK, Good


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


class DiesOfAnError(Good):
    caught_by = "what-is-not-stated-is-refused"
    dead = False

    def run(self, stimulus, probes=(), *, trial=None):
        if self.dead:
            raise DeviceError("no answer")
        try:
            return super().run(stimulus, probes, trial=trial)
        except DeviceError:
            self.dead = True
            raise

    def _configure(self, network):
        self.dead = False
        super()._configure(network)


class TakesNaN(Good):
    caught_by = "what-is-not-stated-is-refused"

    def write_weights(self, projection, weights):
        return super().write_weights(projection, np.nan_to_num(np.asarray(weights)))


class ClearsBeforeItRefuses(Good):
    caught_by = "refused-network-leaves-the-old-one"
    facts: ClassVar = {"synapses": None}

    def _configure(self, network):
        self._cells = [np.zeros_like(cells) for cells in self._cells]
        check_limit("synapses", sum(a * b for a, b in network.shapes), 2400)
        super()._configure(network)


class RunsAfterReset(Good):
    caught_by = "reset-forgets-the-network"

    def reset(self):
        return


class ForgetsAProjection(Good):
    caught_by = "state-restores-what-it-was"

    def restore(self, state):
        super().restore({**state, "0": np.zeros_like(state["0"])})


class CannotBeClosedTwice(Good):
    caught_by = "closing-twice-is-fine"

    open = True

    def close(self):
        if not self.open:
            raise DeviceError("not open")
        self.open = False
        super().close()


class RunsWhenClosed(Good):
    caught_by = "closing-twice-is-fine"

    def close(self):
        return


class SaysThatItKeepsWeights(Good):
    caught_by = "reopening-keeps-or-loses-weights"
    facts: ClassVar = {"keeps_weights": True}


class Fails(Good):
    """A device whose synapses can be dead; it is no wrong one."""

    facts: ClassVar[Any] = {"faults": ("dead_synapse",)}
    dead: Any = ()

    def _set_faults(self, faults):
        self.dead = faults

    def weights(self):
        found = super().weights()
        for fault in self.dead:
            found[fault.place].reshape(-1)[fault.where] = 0
        return found


class TakesFaultsForNothing(Good):
    caught_by = "faults-act-where-they-are-and-lift"
    facts: ClassVar[Any] = {"faults": ("dead_neuron",)}


class KeepsFaults(Fails):
    caught_by = "faults-act-where-they-are-and-lift"

    def _set_faults(self, faults):
        self.dead = faults or self.dead


class FailsElsewhere(Fails):
    caught_by = "faults-act-where-they-are-and-lift"

    def weights(self):
        found = super().weights()
        return [0 * w for w in found] if self.dead else found
