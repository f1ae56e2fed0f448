"""Which neuron model a twin is made of: the one that predicts best what it was not made from.

Every model is given the measured pattern and shown what the device is shown. Its input gains are
sought in a few runs, and of those that come nearest also the settings that it offers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import drivers
from drivers import Device, Setting, SettingError
from hil.characterisation import prediction, twin
from hil.characterisation.prediction import Extent, Matrix, Rates, Shown
from hil.characterisation.survey_data import Survey
from hil.characterisation.twin import Choice, Storing

# What models are fitted to; the held-out set is another.
FITTING = Extent(seed=2, sets=1, batch=32, writes=1)
# Full scale of a model while its gains are sought, in that of what is shown.
ROOM = 8.0
# First factors of a gain that are tried, and how often the spacing is halved about the best.
FACTORS = (0.35, 0.6, 1.7, 2.9)
SPACING, HALVINGS = 1.7, 4
# A model that is so many times as far from the device as the nearest one is given up.
HOPELESS = 3.0
# How many models have their settings sought, from which factor on, and how often it is refined.
REFINED, STRIDE, ROUNDS = 2, 1.6, 3
# A setting that is kept has to lower the error by so much.
BETTER = 0.98
# Resolutions that are tried where none of those measured stores what the device stored, and how
# near weights are that count as the same, in thresholds.
BITS, SAME = range(3, 11), 1e-5
# An error that is so near to the device's own noise needs no further search.
CLOSE = 1.2

Watch = Callable[[str], None]


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


@dataclass(frozen=True)
class Selection:
    """What a twin is to be made of.

    Attributes:
        choice: Its neuron model.
        storage: How it stores weights.
        errors: How far each model was from the device in the set that it was fitted to, in spikes
            per step, the nearest first.
    """

    choice: Choice
    storage: Storing
    errors: Mapping[str, float]


def choose(device: Device, survey: Survey, watch: Watch) -> Selection:
    """Choose what a twin is made of.

    Args:
        device: The device, open; it is shown one set.
        survey: What was measured of it.
        watch: Called with the name of each model before it is tried.
    """
    asked = prediction.drawn(device, survey.layers, FITTING)
    shown = asked
    prediction.configure(device, shown)
    measured, stored = prediction.answer(device, shown)
    again, _ = prediction.answer(device, shown, trial=1)
    noise = prediction.error(again, measured).total
    # What the device stored is given to the models, which store it exactly.
    shown = replace(shown, sets=[(w, s) for w, (_, s) in zip(stored, shown.sets, strict=True)])
    fit = _Fit(shown, measured, noise, twin.to_nominal(survey))
    with TemporaryDirectory() as folder:
        found = []
        for number, choice in enumerate(_choices(survey)):
            watch(f"model: {choice.neuron}")
            even = replace(choice, gains=fit.nominal)
            path = twin.write(survey, Path(folder) / f"{number}.toml", even, "exact")
            candidate = Candidate(choice, drivers.open(f"emulator:{path}"))
            fit.coarsely(candidate)
            found.append(candidate)
        nearest = min(c.error for c in found)
        for candidate in found:
            if candidate.error <= HOPELESS * nearest:
                fit.gains(candidate)
        found.sort(key=lambda c: c.error)
        for candidate in found[:REFINED]:
            watch(f"settings of {candidate.choice.neuron}")
            if candidate.error > CLOSE * noise:
                fit.settings(candidate)
        found.sort(key=lambda c: c.error)
        for candidate in found:
            candidate.device.close()
        best = found[0].choice
        storage = _storage(survey, best, asked, stored, Path(folder))
    return Selection(best, storage, {c.choice.neuron: c.error for c in found})


def _storage(
    survey: Survey, choice: Choice, asked: Shown, stored: list[list[Matrix]], folder: Path
) -> Storing:
    """By which rule a model stores what the device stored of the same weights."""
    measured = survey.storage
    first: list[Storing] = [measured.bits or 0]
    if measured.grid:
        first.append("grid")
    away: dict[Storing, float] = {}
    for form in (*first, *(bits for bits in BITS if bits not in first)):
        if away and min(away.values()) < SAME:
            break
        path = twin.write(survey, folder / f"{form}.toml", choice, form)
        with drivers.open(f"emulator:{path}") as model:
            prediction.configure(model, asked)
            away[form] = sum(
                float(np.abs(model.write_weights(p, matrix) - kept).mean())
                for (weights, _), found in zip(asked.sets, stored, strict=True)
                for p, (matrix, kept) in enumerate(zip(weights, found, strict=True))
            )
    return min(away, key=lambda form: away[form])


def _choices(survey: Survey) -> Iterator[Choice]:
    """Every model that offers the reset of the device."""
    found = [n.time_constant.value for n in survey.neurons if n is not None and n.time_constant]
    known = np.concatenate(found) if found else np.empty(0)
    usual = float(np.nanmedian(known)) if np.isfinite(known).any() else None
    for name, measured in twin.MODELS.items():
        try:
            address = f"emulator:ideal?neuron={name}&reset={survey.reset}&dt={survey.dt}"
            with drivers.open(address) as model:
                leak = model.info.neuron.setting("time_constant")
        except SettingError:
            continue
        settings, nominal = {}, survey.nominal_time_constant
        centre = nominal if "tau_membrane" in measured else usual
        if centre is not None and leak is not None:
            settings[leak.name] = float(np.clip(centre, leak.minimum, leak.maximum))
        gains = (1.0,) * (len(survey.layers) - 1)
        yield Choice(neuron=name, reset=survey.reset, gains=gains, settings=settings)


@dataclass
class _Fit:
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
