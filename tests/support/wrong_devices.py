"""Devices that are wrong in one thing each, with the check that has to catch it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from drivers import CapacityError, DeviceError, ProbeOffer, Setting
from support.good_device import INFO, REST, Good

# -- limits and facts -------------------------------------------------------------------------


class StatesANeuronTooMany(Good):
    caught_by = "largest-network-is-taken"

    def _configure(self, network):
        if max(network.layers[1:]) >= INFO.max_neurons:
            raise CapacityError(f"room for {INFO.max_neurons - 1} neurons")
        super()._configure(network)


class StatesAnInputTooMany(Good):
    caught_by = "largest-network-is-taken"

    def _write(self, projection, weights):
        return super()._write(projection, weights[: INFO.max_inputs - 1])


class TakesALayerMore(Good):
    caught_by = "larger-network-is-refused"

    def configure(self, network):
        self.facts = {"max_layers": INFO.max_layers + 1}
        super().configure(network)
        self.facts = {}


class StatesAStepTooMany(Good):
    caught_by = "largest-batch-and-longest-run-are-taken"

    def _run(self, stimulus, probes, trial):
        if stimulus.steps >= INFO.max_steps:
            raise CapacityError(f"room for {INFO.max_steps - 1} steps")
        return super()._run(stimulus, probes, trial)


class TakesASampleMore(Good):
    caught_by = "larger-batch-and-longer-run-are-refused"

    def check_run(self, kind, batch, steps, probes=()):
        super().check_run(kind, min(batch, INFO.max_batch), steps, probes)


class RefusesItsLargestFullScale(Good):
    caught_by = "full-scales-are-as-stated"

    def _configure(self, network):
        if max(network.full_scale) >= 4.0:
            raise CapacityError("full scales are below 4")
        super()._configure(network)


class RefusesItsLeastThreshold(Good):
    caught_by = "settings-are-as-stated"

    def _configure(self, network):
        if network.settings["threshold"] <= 0.5:
            raise CapacityError("thresholds are above 0.5")
        super()._configure(network)


class TakesNoTrims(Good):
    caught_by = "trims-are-as-stated"

    def _configure(self, network):
        if network.trims:
            raise DeviceError("no trims")
        super()._configure(network)


class StatesADefaultOutOfRange(Good):
    caught_by = "facts-are-possible"
    facts: ClassVar = {"settings": (Setting("threshold", "1", 0.5, 2.0, 3.0, "Height.", True),)}


class ChangesItsFacts(Good):
    caught_by = "facts-stay"

    def _run(self, stimulus, probes, trial):
        self.facts = {"max_batch": 10}
        return super()._run(stimulus, probes, trial)


class ToldTimeOfTheLastCall(Good):
    caught_by = "line-time-never-falls"
    spent = 0.0

    @property
    def transfer_seconds(self):
        return self.spent

    def _write(self, projection, weights):
        self.spent = float(np.abs(weights).sum())
        return super()._write(projection, weights)


# -- weights ----------------------------------------------------------------------------------


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
    caught_by = "stored-is-within-full-scale"
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
    caught_by = "doubling-a-weight-never-lowers-the-drive"

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
    caught_by = "configure-clears-weights"

    def _configure(self, network):
        old = self._cells
        super()._configure(network)
        if [c.shape for c in old] == [c.shape for c in self._cells]:
            self._cells = old


class KeepsTheArrayItWasGiven(Good):
    caught_by = "arguments-are-left-alone"
    facts: ClassVar = {"weights": (replace(INFO.weights[0], levels=None),)}

    def _write(self, projection, weights):
        scale = np.float32(self._full_scale[projection])
        self._cells[projection] = np.clip(weights, -scale, scale, out=weights)
        return self._cells[projection]


# -- stimuli ----------------------------------------------------------------------------------


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
    caught_by = "inputs-are-kept-apart"

    def drive(self, stimulus):
        return super().drive(stimulus)[:, :, ::-1]


class RunsBackwards(Good):
    caught_by = "steps-run-forward"

    def drive(self, stimulus):
        return super().drive(stimulus)[::-1]


class IgnoresSpikes(Good):
    caught_by = "stated-kinds-are-taken"

    def drive(self, stimulus):
        return super().drive(stimulus) * (0 if stimulus.kind == "spikes" else 1)


class TakesWhatItDoesNotState(Good):
    caught_by = "other-kinds-are-refused"
    facts: ClassVar = {"stimuli": ("current", "spikes")}

    def check_run(self, kind, batch, steps, probes=()):
        super().check_run("current", batch, steps, probes)


# -- runs -------------------------------------------------------------------------------------


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
    caught_by = "batch-equals-single-runs"

    def drive(self, stimulus):
        found = super().drive(stimulus).copy()
        found[:, 1:] += 0.1 * found[:, :-1]
        return found


class NormalisesOverTheBatch(Good):
    caught_by = "smaller-batch-is-part-of-the-larger"

    def drive(self, stimulus):
        found = super().drive(stimulus)
        return found * (1 + stimulus.batch / 20)


class GivesItsOwnBuffer(Good):
    caught_by = "readouts-stay-as-they-are"
    buffer = np.zeros((INFO.max_batch, INFO.max_neurons), np.int32)

    def counts(self, raster):
        found = super().counts(raster)
        view = self.buffer[: found.shape[0], : found.shape[1]]
        view[...] = found
        return view


class CountsInFloats(Good):
    caught_by = "counts-are-whole-and-not-below-zero"

    def counts(self, raster):
        return super().counts(raster).astype(np.float32)


# -- probes -----------------------------------------------------------------------------------


class DrawsNoiseForProbes(Good):
    caught_by = "probes-change-nothing"
    noise = 0.1

    def _run(self, stimulus, probes, trial):
        self.shift = len(probes)
        return super()._run(stimulus, probes, trial)

    def generator(self, trial):
        rng = super().generator(trial)
        rng.normal(size=self.shift)
        return rng


class LosesChargeToProbes(Good):
    caught_by = "probes-change-nothing"
    lost = 0.0

    def start(self, batch):
        return [membrane - self.lost for membrane in super().start(batch)]

    def shown(self, probe, raster, before, after):
        self.lost = 0.5
        return super().shown(probe, raster, before, after)

    def _configure(self, network):
        self.lost = 0.0
        super()._configure(network)


class MeansOverTheSecondHalf(Good):
    caught_by = "reductions-agree"

    def reduced(self, probe, samples):
        if probe.reduce == "mean":
            samples = samples[len(samples) // 2 :]
        return super().reduced(probe, samples)


class GivesTheLastButOne(Good):
    caught_by = "reductions-agree"

    def reduced(self, probe, samples):
        if probe.reduce == "last":
            samples = samples[:-1] if len(samples) > 1 else samples
        return super().reduced(probe, samples)


class SamplesAtTheBeginOfIntervals(Good):
    caught_by = "samples-are-taken-at-every"

    def shown(self, probe, raster, before, after):
        if probe.quantity == "membrane":
            count = len(before[0]) // probe.every
            before = [np.repeat(b[:: probe.every][:count], probe.every, axis=0) for b in before]
        return super().shown(probe, raster, before, after)


class SortsTheNeuronsAskedFor(Good):
    caught_by = "probes-name-their-neurons"

    def reduced(self, probe, samples):
        if probe.neurons is not None:
            samples = samples[:, :, sorted(probe.neurons)]
            probe = replace(probe, neurons=None)
        return super().reduced(probe, samples)


class ShowsTheLayerAbove(Good):
    caught_by = "probed-neurons-are-those-driven"

    def shown(self, probe, raster, before, after):
        deep = len(raster) > 1
        return super().shown(probe, raster[::-1] if deep else raster, before, after)


class MirrorsMembranes(Good):
    caught_by = "probed-neurons-are-those-driven"

    def shown(self, probe, raster, before, after):
        return super().shown(probe, raster, [b[:, :, ::-1] for b in before], after)


class CountsAStepLess(Good):
    caught_by = "counts-agree-with-the-raster"

    def counts(self, raster):
        return super().counts(raster[:-1])


class ShowsMembranesAfterTheReset(Good):
    caught_by = "membranes-are-sampled-as-declared"

    def shown(self, probe, raster, before, after):
        return super().shown(probe, raster, after, after)


class SaysOtherThanItOffers(Good):
    caught_by = "membranes-are-sampled-as-declared"
    facts: ClassVar = {
        "probes": (ProbeOffer("spikes"), ProbeOffer("membrane", sampled="after_reset"))
    }


class ShowsVolts(Good):
    caught_by = "membranes-are-in-the-stated-unit"

    def shown(self, probe, raster, before, after):
        found = super().shown(probe, raster, before, after)
        return found / 1000 if probe.quantity == "membrane" else found


class ShowsMembranesAboveRest(Good):
    caught_by = "membranes-are-in-the-stated-unit"

    def shown(self, probe, raster, before, after):
        found = super().shown(probe, raster, before, after)
        return found - np.float32(REST) if probe.quantity == "membrane" else found


class ShowsMembranesTooSmall(Good):
    caught_by = "membranes-are-in-the-stated-unit"

    def shown(self, probe, raster, before, after):
        small = [b / 5 for b in before]
        return super().shown(probe, raster, small, after)


class ShowsMembranesTooLarge(Good):
    """And nothing step by step that would tell when they fire."""

    caught_by = "membranes-are-in-the-stated-unit"
    facts: ClassVar = {"probes": (ProbeOffer("membrane", reductions=("mean",)),)}

    def shown(self, probe, raster, before, after):
        large = [REST + 1000 * (b - np.float32(REST)) for b in before]
        return super().shown(probe, raster, large, after)


class ShowsMembranesTooSmallAndNoSpikes(Good):
    caught_by = "membranes-are-in-the-stated-unit"
    facts: ClassVar = {"probes": (ProbeOffer("membrane"),)}

    def shown(self, probe, raster, before, after):
        small = [REST + (b - np.float32(REST)) / 5 for b in before]
        return super().shown(probe, raster, small, after)


class ShowsRastersAsFloats(Good):
    caught_by = "offered-probes-are-answered"

    def shown(self, probe, raster, before, after):
        return super().shown(probe, raster, before, after).astype(np.float32)


class DoesNotShowMeans(Good):
    caught_by = "offered-probes-are-answered"

    def reduced(self, probe, samples):
        if probe.reduce == "mean":
            raise DeviceError("no means of anything")
        return super().reduced(probe, samples)


class ShowsWhatItDoesNotOffer(Good):
    caught_by = "other-probes-are-refused"
    facts: ClassVar = {"probes": (ProbeOffer("spikes", "output"), ProbeOffer("membrane"))}

    def check_run(self, kind, batch, steps, probes=()):
        super().check_run(kind, batch, steps)


class ShowsMoreNeuronsThanItOffers(Good):
    caught_by = "other-probes-are-refused"
    facts: ClassVar = {"probes": (ProbeOffer("spikes"), ProbeOffer("membrane", neurons=3))}

    def check_run(self, kind, batch, steps, probes=()):
        offered = [p for p in probes if p.neurons is None or len(p.neurons) != 4]
        super().check_run(kind, batch, steps, offered)


# -- order of use -----------------------------------------------------------------------------


class DiesOfAnError(Good):
    caught_by = "errors-leave-the-device-usable"
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
    caught_by = "errors-leave-the-device-usable"

    def write_weights(self, projection, weights):
        return super().write_weights(projection, np.nan_to_num(np.asarray(weights)))


class ClearsBeforeItRefuses(Good):
    caught_by = "refused-network-leaves-the-old-one"

    def _configure(self, network):
        self._cells = [np.zeros_like(cells) for cells in self._cells]
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

    def close(self):
        if self._closed:
            raise DeviceError("not open")
        super().close()


class RunsWhenClosed(Good):
    caught_by = "closing-twice-is-fine"

    def close(self):
        return


class SaysThatItKeepsWeights(Good):
    caught_by = "reopening-keeps-or-loses-weights"
    facts: ClassVar = {"keeps_weights": True}


WRONG = tuple(
    value
    for value in list(globals().values())
    if isinstance(value, type) and issubclass(value, Good) and value is not Good
)
