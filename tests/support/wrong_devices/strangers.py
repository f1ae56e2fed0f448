"""Wrong devices: integer neurons of spikes alone that show means after a hard reset."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from drivers import ProbeOffer
from support.devices_abroad import Bursting, Flowing, Resting, Shifting, Stranger

BEFORE = (ProbeOffer("membrane", "any", ("mean",)),)


class ForgetsToSayAfterReset(Stranger):
    caught_by = "membranes-show-the-step-of-a-spike"
    facts: ClassVar = {"probes": BEFORE}


class SaysAfterResetInTheOfferAlone(Stranger):
    caught_by = "membranes-show-the-step-of-a-spike"

    def _run(self, stimulus, probes, trial, carry):
        return replace(
            super()._run(stimulus, probes, trial, carry), membrane_sampled="before_reset"
        )


class Times64InHiddenLayers(Stranger):
    caught_by = "a-layer-shows-the-same-hidden-or-output"

    def shown(self, probe, traces):
        found = super().shown(probe, traces)
        return found * np.float32(64) if probe.layer < len(traces) else found


class NegatesHiddenMembranes(Stranger):
    caught_by = "a-layer-shows-the-same-hidden-or-output"

    def shown(self, probe, traces):
        found = super().shown(probe, traces)
        return -found if probe.layer < len(traces) else found


class ReadsRowsBySample(Stranger):
    caught_by = "samples-are-kept-apart"

    def rows(self, stimulus):
        found = super().rows(stimulus)
        steps, batch, channels = found.shape
        return found.reshape(batch, steps, channels).swapaxes(0, 1)


class RunsItsStepsBackwards(Stranger):
    caught_by = "what-excites-first-counts-first"

    def rows(self, stimulus):
        return super().rows(stimulus)[::-1]


class ThresholdsFourTimesTooHigh(Stranger):
    caught_by = "neurons-fire-at-the-stated-threshold"

    def thresholds(self):
        return [4 * threshold for threshold in super().thresholds()]


class ThresholdsFourTimesTooLow(Stranger):
    caught_by = "neurons-fire-at-the-stated-threshold"

    def thresholds(self):
        return [threshold // 4 for threshold in super().thresholds()]


class FirstScaleForAll(Stranger):
    caught_by = "each-projection-has-its-own-full-scale"

    def _write(self, projection, weights):
        scales, self._full_scale = self._full_scale, (self._full_scale[0],) * len(self._full_scale)
        try:
            return np.clip(
                super()._write(projection, weights), -scales[projection], scales[projection]
            )
        finally:
            self._full_scale = scales


class FirstThresholdForAll(Stranger):
    caught_by = "each-projection-has-its-own-full-scale"

    def thresholds(self):
        return super().thresholds()[:1] * len(self._codes)


class FullScaleIgnored(Stranger):
    caught_by = "each-projection-has-its-own-full-scale"

    def thresholds(self):
        return [127 * 8] * len(self._codes)


class SwapsHiddenLayersAtDepthThree(Stranger):
    caught_by = "probes-show-what-is-driven"

    def shown(self, probe, traces):
        swapped = [traces[1], traces[0], *traces[2:]] if len(traces) > 2 else traces
        return super().shown(probe, swapped)


class TakesSeveralInputSpikesForOne(Stranger):
    caught_by = "several-events-of-a-step-add-up"

    def rows(self, stimulus):
        return np.minimum(super().rows(stimulus), 1)


class SaysSoftWhereItIsHard(Stranger):
    caught_by = "reset-is-as-stated"
    facts: ClassVar = {"reset": "soft"}


class SaysHardWhereItIsSoft(Stranger):
    caught_by = "reset-is-as-stated"
    hard = False


class MisstatesItsDecay(Stranger):
    caught_by = "decay-is-as-stated"
    facts: ClassVar = {"decay": 0.8}


class LeaksTwice(Stranger):
    caught_by = "decay-is-as-stated"

    def leak(self, membrane):
        return super().leak(super().leak(membrane))


class KeepsTheLengthOfItsFirstRun(Stranger):
    caught_by = "runs-are-as-long-as-asked"

    def _configure(self, network):
        super()._configure(network)
        self.first = None

    def rows(self, stimulus):
        found = super().rows(stimulus)
        self.first = self.first or len(found)
        found = found.copy()
        found[self.first :] = 0
        return found


class AnswersWithTheRunBefore(Stranger):
    caught_by = "membranes-start-from-reset"

    def _configure(self, network):
        super()._configure(network)
        self.kept = {}

    def shown(self, probe, traces):
        now = super().shown(probe, traces)
        before = self.kept.get(probe, now)
        self.kept[probe] = now
        return before if before.shape == now.shape else now


class GivesTheLastSampleForTheMean(Stranger):
    caught_by = "means-are-over-all-steps"

    def shown(self, probe, traces):
        return super().shown(replace(probe, reduce="last"), traces)


class CountsInLongIntegers(Stranger):
    caught_by = "zero-weights-are-silent"

    def _run(self, stimulus, probes, trial, carry):
        found = super()._run(stimulus, probes, trial, carry)
        return replace(found, counts=found.counts.astype(np.int64))


class ShowsDoubles(Stranger):
    caught_by = "offered-probes-are-answered"

    def shown(self, probe, traces):
        return super().shown(probe, traces).astype(np.float64)


class RoundsTowardZero(Stranger):
    caught_by = "rounding-has-no-bias"

    def _write(self, projection, weights):
        step = np.float32(self._full_scale[projection] / 127)
        return super()._write(projection, np.trunc(weights / step * np.float32(1.0001)) * step)


class RoundsDown(Stranger):
    caught_by = "rounding-has-no-bias"

    def _write(self, projection, weights):
        step = np.float32(self._full_scale[projection] / 127)
        return super()._write(projection, np.floor(weights / step + np.float32(1e-3)) * step)


class WritesTouchTheNeighbour(Stranger):
    caught_by = "probes-show-what-is-driven"

    def _write(self, projection, weights):
        stored = super()._write(projection, weights)
        codes = self._codes[projection]
        codes[:, 1:] |= codes[:, :-1] // 2
        return stored


class ClearsTheOtherProjection(Stranger):
    caught_by = "each-projection-acts-at-its-place"

    def _write(self, projection, weights):
        for other, codes in enumerate(self._codes):
            if other != projection:
                codes[...] = 0
        return super()._write(projection, weights)


class PermutesTheBatch(Stranger):
    caught_by = "samples-are-kept-apart"

    def _run(self, stimulus, probes, trial, carry):
        found = super()._run(stimulus, probes, trial, carry)
        return replace(found, counts=np.roll(found.counts, 1, axis=0))


class PermutesTheBatchOfProbes(Stranger):
    caught_by = "probes-show-what-is-driven"

    def shown(self, probe, traces):
        return super().shown(probe, traces)[::-1].copy()


class SumsForTheMean(Stranger):
    caught_by = "membranes-are-in-the-stated-unit"

    def shown(self, probe, traces):
        return super().shown(probe, traces) * np.float32(len(traces[0]))


class CountsTheFirstSpikeAlone(Stranger):
    caught_by = "neurons-fire-at-the-stated-threshold"

    def _run(self, stimulus, probes, trial, carry):
        found = super()._run(stimulus, probes, trial, carry)
        return replace(found, counts=np.minimum(found.counts, 1).astype(np.int32))


class WrapsBeyondItsRange(Stranger):
    """And says that it stores the full scale."""

    caught_by = "a-larger-weight-never-lowers-the-drive"

    def _write(self, projection, weights):
        stored = super()._write(projection, weights)
        codes = np.rint(weights / np.float32(self._full_scale[projection]) * 127).astype(np.int64)
        self._codes[projection] = (codes + 128) % 256 - 128
        return stored


class LosesSignsOfTheSecondProjection(Stranger):
    caught_by = "inhibition-takes-from-excitation"

    def _write(self, projection, weights):
        stored = super()._write(projection, weights)
        if projection:
            self._codes[projection] = np.abs(self._codes[projection])
        return stored


class StoresNothingBelowZero(Stranger):
    caught_by = "inhibition-takes-from-excitation"

    def _write(self, projection, weights):
        stored = super()._write(projection, weights)
        self._codes[projection] = np.maximum(self._codes[projection], 0)
        return stored


class LosesItsLastInput(Stranger):
    caught_by = "each-input-acts"

    def rows(self, stimulus):
        found = super().rows(stimulus).copy()
        found[..., 127:] = 0
        return found


class LosesTheFirstStep(Stranger):
    caught_by = "membranes-move-by-what-events-bring"

    def rows(self, stimulus):
        found = super().rows(stimulus).copy()
        found[0] = 0
        return found


class CountsUpToFifteen(Stranger):
    caught_by = "the-longest-run-is-counted"

    def _run(self, stimulus, probes, trial, carry):
        found = super()._run(stimulus, probes, trial, carry)
        return replace(found, counts=np.minimum(found.counts, 15).astype(np.int32))


class ShowsMembranesTwiceAsLarge(Stranger):
    caught_by = "membranes-move-by-what-events-bring"

    def shown(self, probe, traces):
        return 2 * super().shown(probe, traces)


class LeaksASecondTime(Stranger):
    """By as much in each step, whatever the membrane."""

    caught_by = "decay-is-as-stated"

    def leak(self, membrane):
        left = super().leak(membrane)
        return left - np.sign(left) * np.minimum(np.abs(left), 30)


# What shows hidden membranes alone, or nothing.
HIDDEN = (ProbeOffer("membrane", "hidden", ("mean",), sampled="after_reset"),)


class HiddenMembranes(Stranger):
    facts: ClassVar = {"probes": HIDDEN}


class HiddenMembranesTimes64(HiddenMembranes):
    caught_by = "membranes-are-in-the-stated-unit"

    def shown(self, probe, traces):
        return super().shown(probe, traces) * np.float32(64)


class HiddenMembranesNegated(HiddenMembranes):
    caught_by = "membranes-move-by-what-events-bring"

    def shown(self, probe, traces):
        return -super().shown(probe, traces)


class HiddenMembranesBeforeTheReset(HiddenMembranes):
    caught_by = "membranes-show-the-step-of-a-spike"

    def sample(self, before, after):
        return before


class HiddenMembranesOfTheNextSample(HiddenMembranes):
    caught_by = "probes-show-what-is-driven"

    def shown(self, probe, traces):
        return np.roll(super().shown(probe, traces), 1, axis=0)


class HiddenMembranesLeakFaster(HiddenMembranes):
    caught_by = "decay-is-as-stated"
    facts: ClassVar = {"probes": HIDDEN, "decay": 0.97}

    def leak(self, membrane):
        return membrane // 2


class Mute(Stranger):
    facts: ClassVar = {"probes": ()}


class LeaksFasterAndShowsNothing(Mute):
    caught_by = "decay-is-as-stated"
    facts: ClassVar = {"probes": (), "decay": 0.97}

    def leak(self, membrane):
        return membrane // 2


class RestsAndShowsNothing(Mute):
    """For a step after a spike, where it states that it does not."""

    caught_by = "refractory-steps-are-as-stated"
    facts: ClassVar = {"probes": (), "refractory": 0}
    rests = True


class DropsEverySecondStep(Stranger):
    caught_by = "an-event-acts-in-every-step"

    def rows(self, stimulus):
        found = super().rows(stimulus).copy()
        found[1::2] = 0
        return found


class InhibitsByHalf(Stranger):
    caught_by = "a-random-network-does-as-predicted"

    def _write(self, projection, weights):
        stored = super()._write(projection, weights)
        codes = self._codes[projection]
        codes[codes < 0] //= 2
        return stored


class LeavesTheFirstStepsOutOfMeans(Stranger):
    caught_by = "means-are-over-all-steps"

    def shown(self, probe, traces):
        return super().shown(probe, [each[4:] if len(each) > 4 else each for each in traces])


class ShowsMagnitudesOfHiddenMembranes(HiddenMembranes):
    caught_by = "membranes-move-by-what-events-bring"

    def shown(self, probe, traces):
        return super().shown(probe, [np.abs(each) for each in traces])


class DropsEventsBeyondSixteen(Stranger):
    """In a step."""

    caught_by = "every-event-of-a-step-acts"

    def rows(self, stimulus):
        found = super().rows(stimulus)
        return found * (np.cumsum(found, axis=-1) <= 16)


class DoesNotShift(Shifting):
    caught_by = "decay-is-as-stated"

    def step(self, layer, charge):
        v = self._v[layer] + np.rint(64 * charge)
        self._v[layer] = np.where(v >= 64, 0, v)
        return v >= 64, self._v[layer]


class ForgetsTheRestOfACharge(Resting):
    caught_by = "reset-is-as-stated"

    def step(self, layer, charge):
        fired, shown = super().step(layer, charge)
        self._v[layer][fired] = 0
        return fired, shown


class FlowsUnsaid(Flowing):
    caught_by = "a-threshold-makes-neurons-fire"
    facts: ClassVar = {"settings": ()}
    flow_time = 3e-3


class FlowsAtOnePace(Flowing):
    caught_by = "roles-of-settings-are-kept"
    flow_time = 3e-3


class ShowsBurstsBeforeTheReset(Bursting):
    caught_by = "membranes-show-the-step-of-a-spike"

    def step(self, layer, charge):
        before = 0.5 * self._v[layer] + charge
        return super().step(layer, charge)[0], before
