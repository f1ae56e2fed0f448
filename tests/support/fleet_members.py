"""Members of fleets for tests: chips that differ, and ways to fail."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drivers import LinkError, Probe, Readout, Stimulus
from support.good_device import Good

MEETING = threading.Barrier(3, timeout=20)


class Member(Good):
    """`member:?chip=N&fails=M`: synapses of a strength of its own, unplugged at its M-th run."""

    def __init__(self, chip: int, fails: int, meets: bool = False) -> None:
        super().__init__()
        self.chip, self.fails, self.meets, self.runs = chip, fails, meets, 0

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Member:
        chip, fails = int(options.get("chip", "0")), int(options.get("fails", "0"))
        return cls(chip, fails, "meets" in options)

    def weights(self) -> list[Any]:
        gains = np.random.default_rng(self.chip).uniform(0.5, 1.5, len(self._cells))
        return [gain * cells for gain, cells in zip(gains, super().weights(), strict=True)]

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        self.runs += 1
        if self.meets:
            MEETING.wait()
        if self.runs == self.fails:
            raise LinkError("the cable was pulled")
        return super()._run(stimulus, probes, trial, carry)
