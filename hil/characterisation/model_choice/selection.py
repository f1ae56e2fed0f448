"""Which neuron model a twin is made of: the one that predicts best what it was not made from.

Every model is given the measured pattern and shown what the device is shown. Its input gains are
sought in a few runs, and of those that come nearest also the settings that it offers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import drivers
from drivers import Device, SettingError
from hil.characterisation import prediction, twin
from hil.characterisation.model_choice import validation
from hil.characterisation.model_choice.fit import Candidate, Fit
from hil.characterisation.prediction import Extent, Matrix, Shown
from hil.characterisation.survey_data import Survey
from hil.characterisation.twin import Choice, Storing

# What models are fitted to; the held-out set is another. The device writes it several times, so
# that no model is fitted to what one write left to chance.
FITTING = Extent(seed=2, sets=1, batch=32, writes=4)
# A model that is so many times as far from the device as the nearest one is given up.
HOPELESS = 3.0
# How many models have their settings sought.
REFINED = 2
# Resolutions that are tried where none of those measured stores what the device stored, and how
# near weights are that count as the same, in thresholds.
BITS, SAME = range(3, 11), 1e-5
# An error that is so near to the device's own noise needs no further search.
CLOSE = 1.2

Watch = Callable[[str], None]


@dataclass(frozen=True)
class Selection:
    """What a twin is to be made of.

    Attributes:
        choice: Its neuron model.
        storage: How it stores weights.
        errors: How far each model was from the device in the set that it was fitted to, in spikes
            per step, the nearest first.
        validated: How far the fitted model and plainer ones were in another set, the plainest
            first.
    """

    choice: Choice
    storage: Storing
    errors: Mapping[str, float]
    validated: Mapping[str, float]


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
    kept = [(w, s) for w, (_, s) in zip(stored, shown.sets, strict=True)]
    fit = Fit(replace(shown, sets=kept, writes=1), measured, noise, twin.to_nominal(survey))
    with TemporaryDirectory() as name, ExitStack() as opened:
        folder = Path(name)
        found = _fitted(survey, fit, watch, folder, opened)
        best = found[0].choice
        storage = _storage(survey, best, asked, stored, folder)
        watch("validation of the model")
        rivals = validation.rivals(survey, best)
        validated = validation.errors(device, survey, rivals, storage, noise > 0, folder)
    chosen = validation.plainest(validated)
    return Selection(
        choice=rivals[chosen],
        storage=storage,
        errors={c.choice.neuron: c.error for c in found},
        validated={name: float(error.mean()) for name, error in validated.items()},
    )


def _fitted(
    survey: Survey, fit: Fit, watch: Watch, folder: Path, opened: ExitStack
) -> list[Candidate]:
    """Every model that was tried, fitted, the nearest first."""
    found = []
    for number, choice in enumerate(_choices(survey)):
        watch(f"model: {choice.neuron}")
        even = replace(choice, gains=fit.nominal)
        path = twin.write(survey, folder / f"{number}.toml", even, "exact")
        device = opened.enter_context(drivers.open(f"emulator:{path}"))
        candidate = Candidate(choice, device)
        fit.coarsely(candidate)
        found.append(candidate)
        if candidate.error <= fit.noise:  # no model can be told to be nearer
            break
    nearest = min(c.error for c in found)
    for candidate in found:
        if CLOSE * fit.noise < candidate.error <= HOPELESS * nearest:
            fit.gains(candidate)
    found.sort(key=lambda c: c.error)
    for candidate in found[:REFINED]:
        watch(f"settings of {candidate.choice.neuron}")
        if candidate.error > CLOSE * fit.noise:
            fit.settings(candidate)
    return sorted(found, key=lambda c: c.error)


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
