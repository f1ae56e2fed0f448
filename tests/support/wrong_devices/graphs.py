"""Wrong devices: projections back, past layers and with delays."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from drivers import CapacityError, Network
from support.good_device import Good
from support.wired_device import Wired


class LaysSynapsesOneNeuronFurther(Wired):
    caught_by = "a-sparse-projection-acts-as-a-dense-one"
    facts: ClassVar = {"sparse": True}

    def weights(self, number):
        found, own = super().weights(number), self._wired[number].synapses
        if own is None:
            return found
        each = self._wired[number]
        ends = self._sizes[each.source], self._sizes[each.target]
        return np.roll(own.scatter(found, ends), 1, axis=1)


class ComesBackAStepLate(Wired):
    caught_by = "spikes-come-back-in-the-next-step"

    def back(self, each):
        return super().back(each) + (each.target <= each.source)


class ComesBackAtOnce(Wired):
    """Spikes of a layer act on the same layer before its test."""

    caught_by = "spikes-come-back-in-the-next-step"

    def tested(self, layer, membrane):
        for number, each in enumerate(self._wired):
            if each.source == each.target == layer + 1:
                membrane = membrane + (membrane >= 1) @ self.weights(number)
        return membrane

    def send(self, number, active):
        if self._wired[number].source != self._wired[number].target:
            super().send(number, active)


class TurnsRecurrentWeightsRound(Wired):
    caught_by = "spikes-come-back-in-the-next-step"

    def weights(self, number):
        found = super().weights(number)
        return found.T if 0 < self._wired[number].target <= self._wired[number].source else found


class IgnoresWhatComesBack(Wired):
    caught_by = "spikes-come-back-in-the-next-step"

    def send(self, number, active):
        if self._wired[number].source < self._wired[number].target:
            super().send(number, active)


class RefusesAllThatComesBack(Wired):
    caught_by = "spikes-come-back-in-the-next-step"

    def _configure(self, network):
        if any(each.target <= each.source for each in network.projections):
            raise CapacityError("no projections back")
        super()._configure(network)


class LeadsBackToItsOwnLayer(Wired):
    """What should reach an earlier layer."""

    caught_by = "spikes-come-back-in-the-next-step"

    def target(self, each):
        return max(each.source, each.target)


class EndsInTheNextLayer(Wired):
    """What should lead past one."""

    caught_by = "projections-past-layers-act-at-their-place"

    def target(self, each):
        return min(each.source + 1, each.target)


class KnowsOneProjectionToALayer(Wired):
    """The last one; the others to it are forgotten."""

    caught_by = "projections-past-layers-act-at-their-place"

    def send(self, number, active):
        targets = [each.target for each in self._wired]
        if self._wired[number].target not in targets[number + 1 :]:
            super().send(number, active)


class IgnoresDelays(Wired):
    caught_by = "a-delay-makes-events-late"

    def delays(self, number):
        return np.zeros_like(super().delays(number))


class CountsDelaysFromOne(Wired):
    caught_by = "a-delay-makes-events-late"

    def delays(self, number):
        return np.maximum(super().delays(number) - 1, 0)


class IsAStepLaterStill(Wired):
    """Where there is a delay."""

    caught_by = "a-delay-makes-events-late"

    def delays(self, number):
        found = super().delays(number)
        return found + (found > 0)


class DelaysAllByTheFirst(Wired):
    caught_by = "a-delay-makes-events-late"

    def delays(self, number):
        found = np.zeros_like(super().delays(number))
        return found + np.max(self._wired[0].delay)


class IgnoresDelaysOfWhatComesBack(Wired):
    caught_by = "a-delay-makes-events-late"

    def delays(self, number):
        found = super().delays(number)
        each = self._wired[number]
        return np.zeros_like(found) if each.target <= each.source else found


class TurnsDelaysRound(Wired):
    caught_by = "each-synapse-has-its-own-delay"

    def delays(self, number):
        found = super().delays(number)
        square = found.shape[0] == found.shape[1] and np.ndim(self._wired[number].delay)
        return found.T if square else found


class TakesTheLongestDelayOfAll(Wired):
    caught_by = "each-synapse-has-its-own-delay"

    def delays(self, number):
        found = super().delays(number)
        return np.full_like(found, found.max())


class LosesWhatIsUnderWay(Wired):
    caught_by = "events-under-way-are-carried-on"

    def resume(self, batch):
        self._due = [[np.zeros_like(each) for each in due] for due in self._due]


class KeepsWhatIsUnderWay(Wired):
    """When a run begins from reset."""

    caught_by = "a-run-from-reset-has-nothing-under-way"

    def start(self, batch):
        due = getattr(self, "_due", None)
        super().start(batch)
        if due is not None and due[0][0].shape == self._due[0][0].shape:
            self._due[: len(due)] = due

    def _configure(self, network):
        super()._configure(network)
        self._due = None


class TakesAnyGraph(Good):
    """And leaves out what it does not know."""

    caught_by = "graphs-that-are-not-stated-are-refused"

    def configure(self, network):
        try:
            super().configure(network)
        except CapacityError:
            super().configure(Network.feed_forward(network.layers))
