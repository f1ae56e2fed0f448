"""Wrong devices: limits and facts."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import numpy as np

from drivers import CapacityError, DeviceError
from support.good_device import INFO, Good


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
