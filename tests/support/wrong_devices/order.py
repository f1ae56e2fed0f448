"""Wrong devices: the order in which they can be used."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from drivers import DeviceError, check_limit
from support.good_device import Good


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
