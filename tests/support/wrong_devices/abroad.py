"""Wrong devices: what neurons of other makes do otherwise than stated."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from support.devices_abroad import Bursting, Flowing, Resting, Shifting


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


class ShowsBurstsBeforeTheReset(Bursting):
    caught_by = "membranes-show-the-step-of-a-spike"

    def step(self, layer, charge):
        before = 0.5 * self._v[layer] + charge
        return super().step(layer, charge)[0], before
