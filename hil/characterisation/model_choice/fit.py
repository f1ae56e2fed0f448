"""A neuron model under trial: its gains and settings are sought in a few runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from drivers import Device, Setting
from hil.characterisation import prediction
from hil.characterisation.prediction import Rates, Shown
from hil.characterisation.twin import Choice

# Full scale of a model while its gains are sought, in that of what is shown.
ROOM = 8.0
# First factors of a gain that are tried, and how often the spacing is halved about the best.
FACTORS = (0.35, 0.6, 1.7, 2.9)
SPACING, HALVINGS = 1.7, 4
# From which factor on a setting is sought, and how often it is refined.
STRIDE, ROUNDS = 1.6, 3
# A setting that is kept has to lower the error by so much.
BETTER = 0.98


@dataclass
class Candidate:
    """A model under trial.

    Attributes:
        choice: The model as far as it is fitted.
        device: It as a device.
        error: How far it is from the device, in spikes per step.
        mapped: The settings under which the network is mapped on it; None where it is not.
    """

    choice: Choice
    device: Device
    error: float = np.inf
    mapped: Mapping[str, float] | None = None


@dataclass
class Fit:
    """What models are held against.

    Attributes:
        shown: What was shown.
        measured: What the device answered.
        noise: How far it is from its own second answer.
        nominal: Factors that make the measured input gains of each layer those of a nominal neuron.
    """

    shown: Shown
    measured: Rates
    noise: float
    nominal: tuple[float, ...]

    def error(self, candidate: Candidate, choice: Choice) -> float:
        """How far a model is from the device under a choice."""
        if candidate.mapped != choice.settings:
            prediction.configure(candidate.device, self.shown, choice.settings, ROOM)
            candidate.mapped = choice.settings
        gains = np.asarray(choice.gains) / self.nominal  # the device has nominal ones
        rates, _ = prediction.answer(candidate.device, self.shown, gains.tolist())
        return prediction.error(rates, self.measured).total

    def coarsely(self, candidate: Candidate) -> None:
        """Begin as measured or as nominal, and seek the gain of all projections in wide steps."""
        nominal = replace(candidate.choice, gains=self.nominal, settings={})
        candidate.error = self.error(candidate, candidate.choice)
        error = self.error(candidate, nominal)
        if error < candidate.error:
            candidate.choice, candidate.error = nominal, error
        self._gain(candidate, range(len(candidate.choice.gains)), FACTORS, 0)

    def gains(self, candidate: Candidate) -> None:
        """Seek the gain of all projections together, and then of each."""
        everywhere = range(len(candidate.choice.gains))
        self._gain(candidate, everywhere, (), HALVINGS)
        if len(everywhere) > 1:
            for projection in everywhere:
                self._gain(candidate, [projection], (1 / 1.2, 1.2), 2)

    def _gain(
        self,
        candidate: Candidate,
        projections: Sequence[int],
        factors: Sequence[float],
        halvings: int,
    ) -> None:
        base = np.asarray(candidate.choice.gains)
        spacing = max(factors, default=SPACING)
        best = 1.0

        def attempt(factor: float) -> None:
            nonlocal best
            gains = base.copy()
            gains[list(projections)] *= factor
            tried = replace(candidate.choice, gains=tuple(float(g) for g in gains))
            error = self.error(candidate, tried)
            if error < candidate.error:
                candidate.choice, candidate.error, best = tried, error, factor

        for factor in factors:
            attempt(factor)
        for _ in range(halvings):
            spacing = spacing**0.5
            centre = best
            attempt(centre * spacing)
            attempt(centre / spacing)

    def settings(self, candidate: Candidate) -> None:
        """Seek the settings that a model offers, one after the other."""
        offered = [s for s in candidate.device.info.neuron.settings if s.role != "threshold"]
        stride = STRIDE
        for _ in range(ROUNDS):
            for setting in offered:
                self._setting(candidate, setting, stride)
            stride = stride**0.5
        self._gain(candidate, range(len(candidate.choice.gains)), (1 / 1.1, 1.1), 2)

    def _setting(self, candidate: Candidate, setting: Setting, stride: float) -> None:
        start = candidate.choice.settings.get(setting.name, setting.default)
        for value in _around(setting, start, stride):
            chosen = {**candidate.choice.settings, setting.name: value}
            tried = replace(candidate.choice, settings=chosen)
            error = self.error(candidate, tried)
            if error < BETTER * candidate.error:
                candidate.choice, candidate.error = tried, error
                return


def _around(setting: Setting, start: float, stride: float) -> list[float]:
    """Values of a setting to try next."""
    if start == 0:  # nothing to multiply: a few steps of what it is made of
        values = [setting.maximum / 50, setting.maximum / 10]
    else:
        values = [start * stride, start / stride]
    allowed = [float(np.clip(v, setting.minimum, setting.maximum)) for v in values]
    return [v for v in allowed if v != start]
