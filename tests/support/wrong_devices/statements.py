"""Wrong devices: what they state of timing, threshold, refractory steps and roles of settings."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import numpy as np

from drivers import CapacityError, DeviceError
from support.devices_abroad import Stranger
from support.good_device import INFO, Good
from support.tunable_device import DT, Tunable


class AddsInputsAStepLate(Tunable):
    caught_by = "input-events-act-in-the-stated-step"
    arrivals = ("next_step", "end_of_step", "end_of_step")


class AddsInputsAfterTheTest(Tunable):
    caught_by = "input-events-act-in-the-stated-step"
    arrivals = ("end_of_step", "end_of_step", "end_of_step")


class StatesInputsALittleLate(Tunable):
    """At the end of the step, where they come in the next one."""

    caught_by = "input-events-act-in-the-stated-step"
    arrivals = ("next_step", "end_of_step", "end_of_step")
    facts: ClassVar = {"input": "end_of_step"}


class StatesInputsInTheNextStep(Stranger):
    caught_by = "input-events-act-in-the-stated-step"
    facts: ClassVar = {"input": "next_step"}


class HandsSpikesOnAtOnce(Tunable):
    caught_by = "layer-events-act-in-the-stated-step"
    arrivals = ("same_step", "same_step", "same_step")


class HandsSpikesOnLateInTheThirdLayer(Tunable):
    caught_by = "layer-events-act-in-the-stated-step"
    facts: ClassVar = {"layer": "same_step"}
    arrivals = ("same_step", "same_step", "next_step")


class StatesLayersInTheNextStep(Stranger):
    caught_by = "layer-events-act-in-the-stated-step"
    facts: ClassVar = {"layer": "next_step"}


class ClearsWhatArrives(Tunable):
    caught_by = "a-hard-reset-clears-as-stated"
    facts: ClassVar = {"refractory": None}
    clears, refractory = True, 0


class KeepsWhatArrives(Tunable):
    caught_by = "a-hard-reset-clears-as-stated"
    facts: ClassVar = {"hard_reset_clears_events": True, "refractory": None}
    refractory = 0


class CountsEventsOnce(Tunable):
    caught_by = "several-events-of-a-step-add-up"
    adds = False


class StatesThatEventsCountOnce(Tunable):
    caught_by = "several-events-of-a-step-add-up"
    facts: ClassVar = {"events_add": False}


class TooStrongByASixth(Tunable):
    caught_by = "a-threshold-makes-neurons-fire"
    gains = (7 / 6, 1.0, 1.0)


class TooWeakByAnEighth(Tunable):
    caught_by = "a-threshold-makes-neurons-fire"
    gains = (7 / 8, 1.0, 1.0)


class HiddenLayersTooStrongByAFifth(Tunable):
    caught_by = "a-threshold-makes-neurons-fire"
    gains = (1.0, 1.2, 1.0)


class TheThirdLayerTooWeak(Tunable):
    caught_by = "a-threshold-makes-neurons-fire"
    gains = (1.0, 1.0, 0.75)


class DividesBy128(Stranger):
    """Twice the unit of a weight that it states."""

    caught_by = "a-threshold-makes-neurons-fire"

    def thresholds(self):
        return [threshold // 2 for threshold in super().thresholds()]


class HalvesItsWeights(Good):
    caught_by = "a-threshold-makes-neurons-fire"

    def weights(self):
        return [matrix / 2 for matrix in super().weights()]


class RestsForAStepLess(Tunable):
    caught_by = "refractory-steps-are-as-stated"
    refractory = 1


class RestsForAStepMore(Tunable):
    caught_by = "refractory-steps-are-as-stated"
    refractory = 3


class RestsForAStepMoreWhereNeuronsDiffer(Tunable):
    caught_by = "refractory-steps-are-as-stated"
    refractory = 3

    def _write(self, projection, weights):
        stored = super()._write(projection, weights)
        self._cells[projection] *= 1 + 0.15 * np.sin(np.arange(stored.shape[1]))
        return stored


class RestsForThreeStepsUnstated(Tunable):
    caught_by = "refractory-steps-are-as-stated"
    facts: ClassVar = {"refractory": 0}
    refractory = 3


class NeverRests(Tunable):
    caught_by = "refractory-steps-are-as-stated"
    refractory = 0


class IgnoresItsThreshold(Tunable):
    caught_by = "roles-of-settings-are-kept"

    def threshold(self, millivolts):
        return 1.0 + 0.01 * (millivolts + 50)


class SetsTheThresholdOfTheFirstLayerAlone(Tunable):
    caught_by = "roles-of-settings-are-kept"

    def _configure(self, network):
        super()._configure(network)
        self.gains = 1.0, self._threshold, self._threshold


class TakesThresholdsAboveRest(Tunable):
    """States them from zero, and takes them so."""

    caught_by = "roles-of-settings-are-kept"

    def threshold(self, millivolts):
        return millivolts / -50.0


class IgnoresItsTimeConstant(Tunable):
    caught_by = "roles-of-settings-are-kept"

    def decay(self, seconds):
        return 0.9


class TakesTimeConstantsForRates(Tunable):
    caught_by = "roles-of-settings-are-kept"

    def decay(self, seconds):
        return float(np.exp(-DT / (9.5e-3**2 / seconds)))


class HalvesItsTimeConstant(Tunable):
    caught_by = "roles-of-settings-are-kept"

    def decay(self, seconds):
        return float(np.exp(-2 * DT / seconds))


class TwiceAsStrongUnderConstantCurrents(Good):
    caught_by = "a-random-network-does-as-predicted"
    facts: ClassVar = {"stimuli": ("current",)}

    def weights(self):
        return [2 * matrix for matrix in super().weights()]


class StatesANeuronTooMany(Good):
    caught_by = "stated-limits-are-taken"

    def _configure(self, network):
        if max(network.layers[1:]) >= INFO.capacity.neurons:
            raise CapacityError(f"room for {INFO.capacity.neurons - 1} neurons")
        super()._configure(network)


class StatesAnInputTooMany(Good):
    caught_by = "stated-limits-are-taken"

    def _write(self, projection, weights):
        return super()._write(projection, weights[: INFO.capacity.inputs - 1])


class StatesASynapseTooManyOfANeuron(Good):
    caught_by = "stated-limits-are-taken"
    facts: ClassVar = {"fan_in": 40}

    def _configure(self, network):
        if max(network.layers[:-1]) > 39:
            raise CapacityError("room for 39 synapses of a neuron")
        super()._configure(network)


class StatesTooManySynapses(Good):
    caught_by = "stated-limits-are-taken"
    facts: ClassVar = {"synapses": 960}

    def _configure(self, network):
        if sum(a * b for a, b in pairwise(network.layers)) >= 960:
            raise CapacityError("room for 959 synapses")
        super()._configure(network)


class StatesAStepTooMany(Good):
    caught_by = "the-longest-run-is-counted"

    def _run(self, stimulus, probes, trial, carry):
        if stimulus.steps >= INFO.capacity.steps:
            raise CapacityError(f"room for {INFO.capacity.steps - 1} steps")
        return super()._run(stimulus, probes, trial, carry)


class TakesASampleMore(Good):
    caught_by = "what-is-not-stated-is-refused"

    def check_run(self, kind, batch, steps, probes=()):
        super().check_run(kind, min(batch, INFO.capacity.batch), steps, probes)


class RefusesItsLargestFullScale(Good):
    caught_by = "stated-limits-are-taken"

    def _configure(self, network):
        if max(network.full_scale) >= 4.0:
            raise CapacityError("full scales are below 4")
        super()._configure(network)


class RefusesItsLeastThreshold(Good):
    caught_by = "stated-limits-are-taken"

    def _configure(self, network):
        if network.settings["threshold"] <= -60:
            raise CapacityError("thresholds are above -60")
        super()._configure(network)


class TakesNoTrims(Good):
    caught_by = "stated-limits-are-taken"

    def _configure(self, network):
        if network.trims:
            raise DeviceError("no trims")
        super()._configure(network)


class ToldTimeOfTheLastCall(Good):
    caught_by = "line-time-never-falls"
    spent = 0.0

    @property
    def transfer_seconds(self):
        return self.spent

    def _write(self, projection, weights):
        self.spent = float(np.abs(weights).sum())
        return super()._write(projection, weights)
