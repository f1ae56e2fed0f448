"""What the samples of a task are, as a network is laid out for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hil.tasks.samples.signals import Signals

Kind = Literal["features", "signals", "events"]
"""What samples are: features, signals in time, or events in time, 0 or 1."""


@dataclass(frozen=True)
class SampleSpec:
    """Size and kind of the samples of a task.

    Attributes:
        features: Features of a sample, or channels of a signal.
        classes: Number of classes.
        steps: Steps of the longest signal; None where samples are features.
        events: Whether signals are events.
    """

    features: int
    classes: int
    steps: int | None = None
    events: bool = False

    @property
    def kind(self) -> Kind:
        """What an encoding has to take."""
        if self.steps is None:
            return "features"
        return "events" if self.events else "signals"

    def dark(self, samples: int) -> NDArray[np.float32] | Signals:
        """So many samples in which there is nothing, as `Data.batch` gives them."""
        if self.steps is None:
            return np.zeros((samples, self.features), np.float32)
        shape = (samples, self.steps, self.features)
        return Signals.whole(np.zeros(shape, np.float32), events=self.events)
