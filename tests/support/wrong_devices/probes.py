"""Wrong devices: what they show."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from drivers import DeviceError, ProbeOffer
from support.good_device import REST, Good


class DrawsNoiseForProbes(Good):
    caught_by = "probes-change-nothing"
    noise = 0.1

    def _run(self, stimulus, probes, trial, carry):
        self.shift = len(probes)
        return super()._run(stimulus, probes, trial, carry)

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
    caught_by = "probes-agree-with-each-other"

    def reduced(self, probe, samples):
        if probe.reduce == "mean":
            samples = samples[len(samples) // 2 :]
        return super().reduced(probe, samples)


class GivesTheLastButOne(Good):
    caught_by = "probes-agree-with-each-other"

    def reduced(self, probe, samples):
        if probe.reduce == "last":
            samples = samples[:-1] if len(samples) > 1 else samples
        return super().reduced(probe, samples)


class SamplesAtTheBeginOfIntervals(Good):
    caught_by = "probes-agree-with-each-other"

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


class SortsTheNeuronsOfANoisyChip(SortsTheNeuronsAskedFor):
    """Whose membranes differ more from run to run than from neuron to neuron."""

    caught_by = "probes-name-their-neurons"
    noise = 0.5

    def _configure(self, network):
        super()._configure(network)
        rng = np.random.default_rng(2)
        self._thresholds = [t * rng.normal(1, 0.15, t.shape) for t in self._thresholds]


class ShowsTheLayerAbove(Good):
    caught_by = "probes-show-what-is-driven"

    def shown(self, probe, raster, before, after):
        deep = len(raster) > 1
        return super().shown(probe, raster[::-1] if deep else raster, before, after)


class MirrorsMembranes(Good):
    caught_by = "probes-show-what-is-driven"

    def shown(self, probe, raster, before, after):
        return super().shown(probe, raster, [b[:, :, ::-1] for b in before], after)


class CountsAStepLess(Good):
    caught_by = "counts-agree-with-the-raster"

    def counts(self, raster):
        return super().counts(raster[:-1])


class ShowsMembranesAfterTheReset(Good):
    caught_by = "membranes-show-the-step-of-a-spike"

    def shown(self, probe, raster, before, after):
        return super().shown(probe, raster, after, after)


class ShowsTheLastOfANoisyChipAfterTheReset(Good):
    """And its spikes in counts alone."""

    caught_by = "membranes-show-the-step-of-a-spike"
    facts: ClassVar = {"probes": (ProbeOffer("membrane", reductions=("last",)),)}
    noise = 0.1

    def shown(self, probe, raster, before, after):
        return super().shown(probe, raster, after, after)


class ShowsTheLastOfANoisyChipBeforeTheReset(Good):
    caught_by = "membranes-show-the-step-of-a-spike"
    facts: ClassVar = {
        "probes": (ProbeOffer("membrane", reductions=("last",), sampled="after_reset"),)
    }
    noise = 0.1

    def _run(self, *asked):
        return replace(super()._run(*asked), membrane_sampled="after_reset")


class SaysOtherThanItOffers(Good):
    caught_by = "membranes-show-the-step-of-a-spike"
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
    caught_by = "membranes-move-by-what-events-bring"

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
    caught_by = "membranes-move-by-what-events-bring"
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
    caught_by = "what-is-not-stated-is-refused"
    facts: ClassVar = {"probes": (ProbeOffer("spikes", "output"), ProbeOffer("membrane"))}

    def check_run(self, kind, batch, steps, probes=()):
        super().check_run(kind, batch, steps)


class ShowsMoreNeuronsThanItOffers(Good):
    caught_by = "what-is-not-stated-is-refused"
    facts: ClassVar = {"probes": (ProbeOffer("spikes"), ProbeOffer("membrane", neurons=3))}

    def check_run(self, kind, batch, steps, probes=()):
        offered = [p for p in probes if p.neurons is None or len(p.neurons) != 4]
        super().check_run(kind, batch, steps, offered)
