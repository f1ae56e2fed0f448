"""Choice of a twin's neuron model: the one that predicts best what it was not made from.

Every model is given the measured pattern and shown what the device is shown. Its input gains are
sought in a few runs, and of those that come nearest also the settings that it offers. The fitted
model is then held against plainer ones, on weights and inputs that it was not fitted to. Of models
that cannot be told apart the plainest is taken, so that no twin is made of noise: where nothing
predicts better than an ideal neuron, the twin is one, with what is certain of the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import drivers
from drivers import Device, Setting, SettingError
from hil.characterisation import prediction, twin
from hil.characterisation.estimators import Array
from hil.characterisation.prediction import Extent, Matrix, PredictionSet, Rates
from hil.characterisation.survey import StorageForm, Survey
from hil.characterisation.twin import TwinModel
from hil.statistics import student_half_width

# What models are fitted to; the held-out set is another. The device writes it several times, so
# that no model is fitted to what one write left to chance.
FITTING = Extent(seed=2, sets=1, batch=32, writes=4)
# Neither what models are fitted to nor the held-out set. A device whose answers do not vary is
# written once.
VALIDATION = Extent(seed=3, sets=4, batch=24, writes=4)
# Full scale of a model while its gains are sought, in that of what is shown.
ROOM = 8.0
# First factors of a gain that are tried, and how often the spacing is halved about the best.
FACTORS = (0.35, 0.6, 1.7, 2.9)
SPACING, HALVINGS = 1.7, 4
# From which factor on a setting is sought, and how often it is refined.
STRIDE, ROUNDS = 1.6, 3
# A setting that is kept has to lower the error by so much.
BETTER = 0.98
# A model that is so many times as far from the device as the nearest one is given up.
HOPELESS = 3.0
# How many models have their settings sought.
REFINED = 2
# An error that is so near to the device's own noise needs no further search.
CLOSE = 1.2
# Resolutions that are tried where none of those measured stores what the device stored, and how
# near weights are that count as the same, in thresholds.
BITS, SAME = range(3, 11), 1e-5

Watch = Callable[[str], None]


@dataclass(frozen=True)
class ModelSelection:
    """Model and storage that a twin is to be made of.

    Attributes:
        choice: Its neuron model.
        storage: How it stores weights.
        errors: How far each model was from the device in the set that it was fitted to, in spikes
            per step, the nearest first.
        validated: How far the fitted model and plainer ones were in another set, the plainest
            first.
    """

    choice: TwinModel
    storage: StorageForm
    errors: Mapping[str, float]
    validated: Mapping[str, float]


@dataclass
class Candidate:
    """A model under trial.

    Attributes:
        model: The model as far as it is fitted.
        device: It as a device.
        error: How far it is from the device, in spikes per step.
        mapped: The settings under which the network is mapped on it; None where it is not.
    """

    model: TwinModel
    device: Device
    error: float = np.inf
    mapped: Mapping[str, float] | None = None


@dataclass
class ModelFit:
    """Answers of a device that models are fitted to, in a few runs each.

    Attributes:
        test_set: What was shown, as the device stored it.
        measured: What the device answered.
        noise: How far it is from its own second answer.
        nominal: Factors that make the measured input gains of each layer those of a nominal neuron.
    """

    test_set: PredictionSet
    measured: Rates
    noise: float
    nominal: tuple[float, ...]

    def try_model(self, candidate: Candidate, model: TwinModel, enough: float = 1.0) -> bool:
        """Take a model for a candidate where it lowers its error.

        Args:
            candidate: The candidate.
            model: What it might be.
            enough: The share of its error below which the new one has to be.
        """
        if candidate.mapped != model.settings:
            prediction.map_network(candidate.device, self.test_set, model.settings, ROOM)
            candidate.mapped = model.settings
        gains = np.asarray(model.gains) / self.nominal  # the device has nominal ones
        rates, _ = prediction.measure_rates(candidate.device, self.test_set, gains.tolist())
        error = prediction.compare_rates(rates, self.measured).total
        if is_better := error < enough * candidate.error:
            candidate.model, candidate.error = model, error
        return is_better

    def fit_coarsely(self, candidate: Candidate) -> None:
        """Begin as measured or as nominal, and seek the gain of all projections in wide steps."""
        nominal = replace(candidate.model, gains=self.nominal, settings={})
        self.try_model(candidate, candidate.model)
        self.try_model(candidate, nominal)
        self._fit_gain(candidate, range(len(self.nominal)), FACTORS, 0)

    def fit_gains(self, candidate: Candidate) -> None:
        """Seek the gain of all projections together, and then of each."""
        everywhere = range(len(self.nominal))
        self._fit_gain(candidate, everywhere, (), HALVINGS)
        if len(everywhere) > 1:
            for projection in everywhere:
                self._fit_gain(candidate, [projection], (1 / 1.2, 1.2), 2)

    def fit_settings(self, candidate: Candidate) -> None:
        """Seek the settings that a model offers, one after the other."""
        offered = [s for s in candidate.device.info.neuron.settings if s.role != "threshold"]
        stride = STRIDE
        for _ in range(ROUNDS):
            for setting in offered:
                start = candidate.model.settings.get(setting.name, setting.default)
                for value in _nearby_values(setting, start, stride):
                    settings = {**candidate.model.settings, setting.name: value}
                    model = replace(candidate.model, settings=settings)
                    if self.try_model(candidate, model, BETTER):
                        break
            stride = stride**0.5
        self._fit_gain(candidate, range(len(self.nominal)), (1 / 1.1, 1.1), 2)

    def _fit_gain(
        self,
        candidate: Candidate,
        projections: Sequence[int],
        factors: Sequence[float],
        halvings: int,
    ) -> None:
        base = np.asarray(candidate.model.gains)
        spacing = max(factors, default=SPACING)
        best = 1.0

        def attempt(factor: float) -> None:
            nonlocal best
            gains = base.copy()
            gains[list(projections)] *= factor
            model = replace(candidate.model, gains=tuple(float(g) for g in gains))
            if self.try_model(candidate, model):
                best = factor

        for factor in factors:
            attempt(factor)
        for _ in range(halvings):
            spacing = spacing**0.5
            centre = best
            attempt(centre * spacing)
            attempt(centre / spacing)


def _nearby_values(setting: Setting, start: float, stride: float) -> list[float]:
    """Values of a setting to try next."""
    values = [start * stride, start / stride]
    if start == 0:  # nothing to multiply: a few steps of what it is made of
        values = [setting.maximum / 50, setting.maximum / 10]
    allowed = [float(np.clip(v, setting.minimum, setting.maximum)) for v in values]
    return [v for v in allowed if v != start]


def choose_model(device: Device, survey: Survey, watch: Watch) -> ModelSelection:
    """Choose what a twin is made of.

    Args:
        device: The device, open; it is configured anew.
        survey: What was measured of it.
        watch: Called with the name of each model before it is tried.
    """
    test_set = prediction.draw_prediction_set(device, survey.layers, FITTING)
    prediction.map_network(device, test_set)
    measured, stored = prediction.measure_rates(device, test_set)
    again, _ = prediction.measure_rates(device, test_set, trial=1)
    noise = prediction.compare_rates(again, measured).total
    # What the device stored is given to the models, which store it exactly.
    kept = [(weights, x) for weights, (_, x) in zip(stored, test_set.sets, strict=True)]
    nominal = twin.nominal_gains(survey)
    fit = ModelFit(replace(test_set, sets=kept, writes=1), measured, noise, nominal)
    with TemporaryDirectory() as name, ExitStack() as opened:
        folder = Path(name)
        candidates = _fit_models(survey, fit, watch, folder, opened)
        best = candidates[0].model
        storage = _choose_storage(survey, best, test_set, stored, folder)
        watch("validation of the model")
        rivals = _plainer_models(survey, best)
        errors = _validate(device, survey, rivals, storage, noise > 0, folder)
    return ModelSelection(
        choice=rivals[_choose_plainest(errors)],
        storage=storage,
        errors={c.model.neuron: c.error for c in candidates},
        validated={name: float(error.mean()) for name, error in errors.items()},
    )


def _fit_models(
    survey: Survey, fit: ModelFit, watch: Watch, folder: Path, opened: ExitStack
) -> list[Candidate]:
    """Fit every model that there is reason to try; the nearest comes first."""
    candidates = []
    for number, model in enumerate(_possible_models(survey)):
        watch(f"model: {model.neuron}")
        even = replace(model, gains=fit.nominal)
        path = twin.write(survey, folder / f"{number}.toml", even, "exact")
        device = opened.enter_context(drivers.open(f"emulator:{path}"))
        candidates.append(Candidate(model, device))
        fit.fit_coarsely(candidates[-1])
        if candidates[-1].error <= fit.noise:  # no model can be told to be nearer
            break
    nearest = min(c.error for c in candidates)
    for candidate in candidates:
        if CLOSE * fit.noise < candidate.error <= HOPELESS * nearest:
            fit.fit_gains(candidate)
    candidates.sort(key=lambda c: c.error)
    for candidate in candidates[:REFINED]:
        watch(f"settings of {candidate.model.neuron}")
        if candidate.error > CLOSE * fit.noise:
            fit.fit_settings(candidate)
    return sorted(candidates, key=lambda c: c.error)


def _possible_models(survey: Survey) -> Iterator[TwinModel]:
    """Every model that offers the reset of the device."""
    measured = [n.time_constant.value for n in survey.neurons if n is not None and n.time_constant]
    pooled = np.concatenate(measured) if measured else np.empty(0)
    usual = float(np.nanmedian(pooled)) if np.isfinite(pooled).any() else None
    for name, parameters in twin.MODELS.items():
        try:
            address = f"emulator:ideal?neuron={name}&reset={survey.reset}&dt={survey.dt}"
            with drivers.open(address) as model:
                leak = model.info.neuron.setting("time_constant")
        except SettingError:
            continue
        settings = {}
        centre = survey.nominal_time_constant if "tau_membrane" in parameters else usual
        if centre is not None and leak is not None:
            settings[leak.name] = float(np.clip(centre, leak.minimum, leak.maximum))
        gains = (1.0,) * (len(survey.layers) - 1)
        yield TwinModel(neuron=name, reset=survey.reset, gains=gains, settings=settings)


def _choose_storage(
    survey: Survey, model: TwinModel, asked: PredictionSet, stored: list[list[Matrix]], folder: Path
) -> StorageForm:
    """Choose the rule by which a model stores what the device stored of the same weights."""
    forms: list[StorageForm] = [survey.storage.bits or 0]
    if survey.storage.grid:
        forms.append("grid")
    errors: dict[StorageForm, float] = {}
    for form in (*forms, *(bits for bits in BITS if bits not in forms)):
        if errors and min(errors.values()) < SAME:
            break
        path = twin.write(survey, folder / f"{form}.toml", model, form)
        with drivers.open(f"emulator:{path}") as device:
            prediction.map_network(device, asked)
            errors[form] = sum(
                float(np.abs(device.write_weights(p, matrix) - kept).mean())
                for (weights, _), own in zip(asked.sets, stored, strict=True)
                for p, (matrix, kept) in enumerate(zip(weights, own, strict=True))
            )
    return min(errors, key=lambda form: errors[form])


def _plainer_models(survey: Survey, fitted: TwinModel) -> dict[str, TwinModel]:
    """A fitted model and plainer ones, the plainest first."""
    gains = (1.0,) * (len(survey.layers) - 1)
    ideal = TwinModel("lif", survey.reset, gains, pattern=False)
    settings = fitted.settings if fitted.neuron == "lif" else {}
    return {
        "ideal neuron": ideal,
        "measured pattern": replace(ideal, settings=settings, pattern=True),
        "fitted model": fitted,
    }


def _validate(
    device: Device,
    survey: Survey,
    models: Mapping[str, TwinModel],
    storage: StorageForm,
    is_noisy: bool,
    folder: Path,
) -> dict[str, Array]:
    """Measure how far twins are from the device in each set, in spikes per step.

    Args:
        device: The device, open; it is configured anew.
        survey: What was measured of it.
        models: What the twins are made of, by name.
        storage: How they store weights.
        is_noisy: Whether the device answers otherwise when it is asked again.
        folder: Where twins are written.

    Returns:
        For each name, `(SETS,)`.
    """
    extent = VALIDATION if is_noisy else replace(VALIDATION, writes=1)
    test_set = prediction.draw_prediction_set(device, survey.layers, extent)
    prediction.map_network(device, test_set)
    measured = prediction.measure_rates(device, test_set)[0].split(extent.sets)
    errors = {}
    for number, (name, model) in enumerate(models.items()):
        path = twin.write(survey, folder / f"rival_{number}.toml", model, storage)
        with drivers.open(f"emulator:{path}") as emulated:
            predicted = prediction.predict_rates(emulated, test_set).split(extent.sets)
        pairs = zip(predicted, measured, strict=True)
        errors[name] = np.array([prediction.compare_rates(p, m).total for p, m in pairs])
    return errors


def _choose_plainest(errors: Mapping[str, Array]) -> str:
    """Choose the plainest model that no other is nearer than, beyond what sets vary by.

    Args:
        errors: Error of each model in each set, the plainest first; the same sets for all.
    """
    best, *richer = errors
    for name in richer:
        gain = errors[best] - errors[name]
        if gain.mean() > student_half_width(gain.size) * gain.std(ddof=1):
            best = name
    return best
