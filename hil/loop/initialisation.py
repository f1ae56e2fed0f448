"""Initial weights: drawn, of another run, or of a model; and what a few runs make of them.

Hidden layers begin neither silent nor saturated: a layer that hardly fires, or nearly always does,
shows a rule nothing to learn from. A few runs with the initial weights tell the mean rate of each
hidden layer, the first one first; the weights into one outside the working range are scaled by a
common factor until it is inside. That is layer-wise data-dependent initialisation (D. Mishkin and
J. Matas, All you need is a good init, ICLR 2016) with the device in place of a model. A layer
inside the range is left as it is.

The last of these runs also holds the rate estimators against the output's spikes, so that the
first step already learns from the one that fits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivers import DeviceInfo, WeightFormat
from drivers.contract.arrays import select_prefix
from drivers.errors import name_source
from drivers.files.bounded import read_bytes
from hil import config as configuration
from hil import streams, tasks
from hil.config import Sections
from hil.exchange import model
from hil.exchange.nir_file import LARGEST
from hil.learning.feedback import feedback_matrices, paths_to_output
from hil.loop import mapping
from hil.loop.defaults import Choice, apply_choices
from hil.loop.health import find_better_estimator
from hil.loop.observation.estimation import EstimatorFit
from hil.reasons import Reason, because
from hil.runs.folder import SOURCE_EULER, SOURCE_MODEL, SOURCE_STEP, Arrays, Run
from hil.tasks import Data
from hil.tasks.samples import Samples

if TYPE_CHECKING:
    from hil.config import Config
    from hil.exchange.model import PlacedModel
    from hil.loop.controller import Controller
    from hil.loop.observation.observer import DecodedReadout
    from hil.loop.train_state import TrainState
    from hil.tasks.preparation import Preparation

# Working range of the mean rate of a layer, spikes per step; runs to bring a layer into it.
LOWEST, HIGHEST = 0.02, 0.6
RUNS = 6
MODEL = ".nir"  # ending of a model
SHARES = [share / 20 for share in range(20, 3, -1)]  # of the largest weight, as full scales
SOME = 100_000  # weights that they are tried with


# -- starting from a run or a model ----------------------------------------------------------------


def is_model(start: str | Path) -> bool:
    """Tell if a run would start from a file of NIR, and not from the folder of a run."""
    file = Path(str(start).partition("?")[0])
    return file.is_file() or (file.suffix == MODEL and not file.is_dir())


def start_settings(start: str | Path, *layers: Mapping[str, Any]) -> Sections:
    """The lowest layer of the configuration of a run that starts from another, or from a model.

    Args:
        start: The other run's folder, or the address of a model.
        layers: The layers that will lie on top. Where one of them names a device, the options and
            the calibration of the other run's own are left out.

    Returns:
        The complete configuration of the other run, its seed included, with it as `start`; or
        what the model says of its network, and of what it is shown.

    Raises:
        ValueError: When it is no run folder and no model, or nobody says which task.
    """
    if is_model(start):
        return _model_settings(str(start), configuration.merge_layers(*layers))
    sections = Run.open(start).config().model_dump(mode="json")
    if any("device" in layer for layer in layers):
        del sections["device_options"], sections["network"]["calibration"]
    return {**sections, "start": str(start)}


def _model_settings(start: str, given: Mapping[str, Any]) -> Sections:
    source = model.read_model(start)
    network: Sections = {"hidden": source.hidden, "recurrent": source.is_recurrent}
    network["delays"] = source.delay
    if "steps" in source.notes:
        network["steps"] = source.notes["steps"]
    encoding = {"name": "current", "bias": float(source.has_bias)}
    if "encoding" in source.notes:
        encoding = source.notes["encoding"]
        with name_source(f"{source.path}: metadata.encoding"):
            configuration.build({"encoding": encoding})
    sections: Sections = {"start": start, "network": network, "encoding": encoding}
    task = source.notes.get("task")
    if task in tasks.names():
        sections["task"] = task
    elif "task" not in given:
        raise ValueError(f"{source.path}: does not say which task it is for: name one of hil tasks")
    return sections


def load_initial_weights(
    config: Config, info: DeviceInfo, data: Data | Preparation
) -> tuple[Config, Arrays | None, list[Choice]]:
    """The weights that `config.start` names, and what they ask of the device.

    Args:
        config: The configuration, as far as the device has resolved it.
        info: What the device states.
        data: The samples, or how they are prepared.

    Returns:
        The configuration with what a model chooses; the weights `weights/N`, delays `delays/N`,
        synapses `synapses/N` and cells `cells/N`, None for a run that draws its own, and the ways
        `ways/NAME` that its feedback is to follow, of a model and of a run that has learned it; and
        what was chosen, with what of a model the device cannot have.

    Raises:
        ValueError: When there is no such run or model, or the device cannot have it.
    """
    if not config.start:
        return config, None, []
    if not is_model(config.start):
        weights = _weights_of_run(Run.open(config.start))
        longest = max((int(d.max()) for d in select_prefix(weights, "delays/").values()), default=0)
        return config, weights, _note_missing_delays(config, longest)
    network = model.read_model(config.start)
    left_out = _note_missing_delays(config, network.delay)
    if left_out:
        network = network.without_delays()
    source = model.NetworkInput(*mapping.find_input(config, info, data.spec))
    with name_source(str(network.path)):
        placed = model.place_model(network, info, source, mapping.DECAY)
    choices = [
        Choice(f"network.settings.{name}", value, placed.reasons[name])
        for name, value in placed.settings.items()
        if name not in config.network.settings
    ]
    weights = placed.arrays()
    choices += _choose_full_scale(config, info, placed, weights)
    if network.delay and not any(map(np.any, placed.delays)):
        choices.append(Choice("network.delays", 0, because("no_delayed_weights")))
    notes = [*placed.notes, *_note_cut_weights(info, placed)]
    left_out += [Choice("start", config.start, note) for note in notes]
    hidden = len(config.network.hidden)
    followed = paths_to_output(placed.weights[: hidden + 1], placed.weights[hidden + 1 :])
    weights |= {f"ways/{name}": way for name, way in followed.items()}
    weights[SOURCE_STEP] = np.array(network.dt)
    weights[SOURCE_EULER] = np.array(network.euler)
    weights[SOURCE_MODEL] = np.frombuffer(read_bytes(network.path, LARGEST), np.uint8)
    return apply_choices(config, choices), weights, [*choices, *left_out]


def _weights_of_run(run: Run) -> Arrays:
    """The weights that a run has learned, and its feedback where it has learned that too."""
    weights = run.weights()
    if run.config().rule.get("feedback") == "learned":
        kept = feedback_matrices(select_prefix(run.load_trained(), "rule/"))
        weights |= {f"ways/{name}": way for name, way in kept.items()}
    began = run.load_start() if run.config().start else {}
    return weights | {name: array for name, array in began.items() if name.startswith("source/")}


def _note_missing_delays(config: Config, longest: int) -> list[Choice]:
    """A word on delays that are there and not asked for."""
    if config.network.delays or not longest:
        return []
    return [Choice("start", config.start, because("missing_delays", steps=longest))]


def _choose_full_scale(
    config: Config, info: DeviceInfo, placed: PlacedModel, arrays: Arrays
) -> list[Choice]:
    """Full scales for the weights, where nobody asked for any and those usual do not fit.

    By a kernel's fan-in, which is small, the full scale would be far beyond its weights.
    """
    if config.network.full_scale != "auto":
        return []
    fits, needed = not select_prefix(arrays, "synapses/"), []
    for p, matrix in enumerate(placed.weights):
        weights, form = arrays[f"weights/{p}"].astype(np.float32), info.weight_format(p)
        fan_in = math.ceil(weights.size / matrix.shape[1])
        fits &= bool(abs(weights).max() <= mapping.full_scale(config, form, p, fan_in))
        cells = np.asarray(arrays.get(f"cells/{p}", np.zeros(weights.shape)), np.int32)
        fixed = weights[cells < 0]
        scale = _find_nearest_scale(weights, form, float(abs(fixed).max(initial=0)))
        needed.append(round(scale * math.sqrt(fan_in), 6))
    if fits:
        return []
    return [Choice("network.full_scale", needed, because("nearest_weights"))]


def _find_nearest_scale(weights: NDArray[np.float32], form: WeightFormat, least: float) -> float:
    """Find the full scale whose levels lie nearest to weights, by their squares.

    With few levels it is less than the largest weight, which is cut, but `least` is not.
    """
    some = weights.reshape(-1)[:: max(weights.size // SOME, 1)]
    largest = float(abs(weights).max()) * (1 + 1e-6) or 1.0
    scales = [largest * share for share in SHARES] if form.levels else [largest]
    within = [max(s, form.minimum_full_scale, least) for s in scales]
    off = [float(np.square(form.quantise(some.copy(), s) - some).sum()) for s in within]
    return within[int(np.argmin(off))]


def _note_cut_weights(info: DeviceInfo, placed: PlacedModel) -> list[Reason]:
    """Projections with weights that no full scale of the device holds."""
    notes = []
    for number, matrix in enumerate(placed.weights):
        most = info.weight_format(number).maximum_full_scale
        if count := int((abs(matrix) > most).sum()):
            figures = {"count": count, "size": matrix.size, "projection": number, "most": most}
            notes.append(because("cut_weights", **figures))
    return notes


# -- a few runs before the first step --------------------------------------------------------------


def adjust_initial_response(
    controller: Controller, data: Data, state: TrainState, *, drawn: bool
) -> list[Choice]:
    """Bring hidden layers into their working range and choose the estimator, before any learning.

    The device holds the initial weights, and afterwards those that are kept.

    Args:
        controller: The controller, its weights written.
        data: The samples; a batch of those to train with is shown.
        state: That of the new run; it keeps the estimator.
        drawn: Whether the weights were drawn, not given: those are left as they are.

    Returns:
        What was chosen: a factor for each layer that was brought inside, and the estimator where
        it is another than the one that `auto` takes first.
    """
    x = data.x_train[: controller.config.training.batch]
    choices, seen = [], None
    if drawn and controller.config.network.initial_response == "measured":
        for layer in range(1, controller.depth):
            choice, seen = _scale_layer(controller, x, layer)
            choices += [choice] if choice else []
    if len(controller.observer.held) > 1:
        seen = seen or observe_batch(controller, x, controller.depth, 0)
        estimator = _choose_estimator(controller, seen)
        if estimator is not None:
            choices.append(estimator)
            state.estimator = str(estimator.value)
    return choices


def _scale_layer(
    controller: Controller, x: Samples, layer: int
) -> tuple[Choice | None, DecodedReadout]:
    """Scale the weights into one layer; they stay as drawn where no factor helps."""
    projection = layer - 1
    drawn = controller.weights[projection]
    seen = observe_batch(controller, x, layer, 0)
    first = rate = float(seen.hidden[projection].mean())
    low, high, factor = 0.0, math.inf, 1.0
    for run in range(1, RUNS):
        if LOWEST <= rate <= HIGHEST:
            break
        low, high = (factor, high) if rate < LOWEST else (low, factor)
        factor = low * 4 if high == math.inf else high / 4 if low == 0 else math.sqrt(low * high)
        _replace_weights(controller, projection, drawn * np.float32(factor))
        seen = observe_batch(controller, x, layer, run)
        rate = float(seen.hidden[projection].mean())
    if factor == 1.0:
        return None, seen
    if not LOWEST <= rate <= HIGHEST:
        _replace_weights(controller, projection, drawn)
        return None, seen
    reason = because("response", before=first, after=rate)
    name = f"initial weights into hidden layer {layer}"
    return Choice(name, f"times {factor:g}", reason), seen


def _choose_estimator(controller: Controller, seen: DecodedReadout) -> Choice | None:
    """Another estimator, where it goes better with the output's spikes in one run.

    An output out of its working range tells too little.
    """
    if not LOWEST <= float(seen.rate.mean()) <= HIGHEST:
        return None
    fit, name = EstimatorFit(), controller.observer.estimator.name
    fit.add(seen.held, seen.rate)
    correlations = fit.correlations()
    other = find_better_estimator(name, correlations)
    if other is None:
        return None
    reason = because(
        "fit",
        correlation=correlations[other],
        other=name,
        other_correlation=correlations[name],
    )
    return Choice("estimator of hidden rates", other, reason)


def _replace_weights(controller: Controller, projection: int, weights: NDArray[np.float32]) -> None:
    controller.weights[projection] = weights.copy()
    controller.clip(projection)
    controller.supervised.write(projection, controller.weights[projection])


def observe_batch(controller: Controller, x: Samples, layer: int, run: int) -> DecodedReadout:
    """Run a batch with the probes of a learning step, without learning from it.

    Args:
        controller: The controller, its weights written.
        x: Samples, no more than the device takes in a batch.
        layer: With `run`, what its randomness is named by.
        run: See `layer`.
    """
    controller.begin_series(x, np.arange(len(x)), "response", layer, run)
    stimulus = controller.stimulus(Data.batch(x), "response", layer, run)
    trial = streams.trial(controller.config.seed, "response", layer, run)
    readout = controller.supervised.run(stimulus, controller.observer.probes, trial)
    return controller.observer.decode(readout, stimulus, controller.supervised.stored)
