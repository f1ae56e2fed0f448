"""A fitted model against plainer ones, on weights and inputs that it was not fitted to.

Of models that cannot be told apart the plainest is taken, so that no twin is made of noise: where
nothing predicts better than an ideal neuron, the twin is one, with what is certain of the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

import drivers
from drivers import Device
from hil.characterisation import prediction, twin
from hil.characterisation.estimators import Array
from hil.characterisation.prediction import Extent, Rates
from hil.characterisation.survey_data import Survey
from hil.characterisation.twin import Choice, Storing
from hil.statistics import student_half_width

# Neither what models are fitted to nor the held-out set. A device whose answers do not vary is
# written once.
VALIDATION = Extent(seed=3, sets=4, batch=24, writes=4)


def rivals(survey: Survey, fitted: Choice) -> dict[str, Choice]:
    """A fitted model and plainer ones, the plainest first.

    Args:
        survey: What was measured of the device.
        fitted: The model that came nearest.
    """
    ideal = Choice("lif", survey.reset, (1.0,) * (len(survey.layers) - 1), pattern=False)
    return {
        "ideal neuron": ideal,
        "measured pattern": replace(
            ideal, settings=fitted.settings if fitted.neuron == "lif" else {}, pattern=True
        ),
        "fitted model": fitted,
    }


def errors(
    device: Device,
    survey: Survey,
    choices: Mapping[str, Choice],
    storage: Storing,
    noisy: bool,
    folder: Path,
) -> dict[str, Array]:
    """How far twins are from the device in each set, in spikes per step.

    Args:
        device: The device, open; it is configured anew.
        survey: What was measured of it.
        choices: What the twins are made of, by name.
        storage: How they store weights.
        noisy: Whether the device answers otherwise when it is asked again.
        folder: Where twins are written.

    Returns:
        For each name, `(SETS,)`.
    """
    extent = VALIDATION if noisy else replace(VALIDATION, writes=1)
    shown = prediction.drawn(device, survey.layers, extent)
    prediction.configure(device, shown)
    measured, _ = prediction.answer(device, shown)
    found = {}
    for number, (name, choice) in enumerate(choices.items()):
        path = twin.write(survey, folder / f"rival_{number}.toml", choice, storage)
        with drivers.open(f"emulator:{path}") as model:
            predicted = prediction.foreseen(model, shown)
        pairs = zip(_by_set(predicted), _by_set(measured), strict=True)
        found[name] = np.array([prediction.error(p, m).total for p, m in pairs])
    return found


def plainest(found: Mapping[str, Array]) -> str:
    """The name of the plainest model that no other is nearer than, beyond what sets vary by.

    Args:
        found: Error of each model in each set, the plainest first; the same sets for all.
    """
    best, *richer = found
    for name in richer:
        gain = found[best] - found[name]
        if gain.mean() > student_half_width(gain.size) * gain.std(ddof=1):
            best = name
    return best


def _by_set(rates: Rates) -> list[Rates]:
    outputs = np.split(rates.output, VALIDATION.sets)
    hidden = [np.split(layer, VALIDATION.sets) for layer in rates.hidden]
    return [Rates(o, tuple(h[k] for h in hidden)) for k, o in enumerate(outputs)]
