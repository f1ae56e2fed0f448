"""The weights that a run starts from, where it does not draw its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from drivers import DeviceInfo
from drivers.contract.arrays import select_prefix
from drivers.errors import FileFormatError
from hil import config as configuration
from hil import tasks
from hil.exchange import model
from hil.exchange.nir_file import NirRefusal
from hil.learning.feedback import feedback_matrices, paths_to_output
from hil.loop import mapping
from hil.loop.defaults import applied, left_open, settle
from hil.runs import warm_start
from hil.runs.choice import Choice
from hil.runs.folder import SOURCE_STEP, Run
from hil.trust import open_device

if TYPE_CHECKING:
    from hil.config import Config
    from hil.exchange.model import PlacedModel
    from hil.runs.folder import Arrays
    from hil.tasks import Data


def taken(
    config: Config, info: DeviceInfo, data: Data
) -> tuple[Config, Arrays | None, list[Choice]]:
    """The weights that `config.start` names, and what they ask of the device.

    Args:
        config: The configuration, as far as the device has settled it.
        info: What the device states.
        data: The samples.

    Returns:
        The configuration with what a model chooses; the weights `weights/N` and delays `delays/N`,
        None for a run that draws its own, and the ways `ways/NAME` that its feedback is to follow,
        of a model and of a run that has learned it; and what was chosen, with what of a model the
        device cannot have.

    Raises:
        ValueError: When there is no such run or model, or the device cannot have it.
    """
    if not config.start:
        return config, None, []
    if not warm_start.is_model(config.start):
        kept = _of_run(Run.open(config.start))
        longest = max(
            (int(late.max()) for late in select_prefix(kept, "delays/").values()), default=0
        )
        return config, kept, _left_out(config, longest)
    found = model.read_model(config.start)
    left_out = _left_out(config, found.delay)
    if left_out:
        found = found.without_delays()
    try:
        source = model.NetworkInput(*mapping.shown(config, info, data.spec))
        placed = model.place_model(found, info, source, mapping.DECAY)
    except NirRefusal as error:
        raise FileFormatError(f"{found.path}: {error}") from None
    choices = [
        Choice(f"network.settings.{name}", value, placed.reasons[name])
        for name, value in placed.settings.items()
        if name not in config.network.settings
    ]
    choices += _holding(config, info, placed)
    if found.delay and not any(map(np.any, placed.delays)):
        choices.append(Choice("network.delays", 0, "what the model delays has no weights"))
    notes = [Choice("start", config.start, note) for note in (*placed.notes, *_cut(info, placed))]
    weights: Arrays = {f"weights/{number}": matrix for number, matrix in enumerate(placed.weights)}
    weights |= {
        f"delays/{number}": np.asarray(delay, np.uint16)
        for number, delay in enumerate(placed.delays)
        if np.any(delay)
    }
    hidden = len(config.network.hidden)
    found_ways = paths_to_output(placed.weights[: hidden + 1], placed.weights[hidden + 1 :])
    weights |= {f"ways/{name}": way for name, way in found_ways.items()}
    weights[SOURCE_STEP] = np.array(found.dt)
    return applied(config, choices), weights, [*choices, *left_out, *notes]


def _of_run(run: Run) -> Arrays:
    """The weights that a run has learned, and its feedback where it has learned that too."""
    weights = run.weights()
    if run.config().rule.get("feedback") == "learned":
        kept = feedback_matrices(select_prefix(run.load_checkpoint() or {}, "rule/"))
        weights |= {f"ways/{name}": way for name, way in kept.items()}
    step = run.source_step()
    return weights if step is None else {**weights, SOURCE_STEP: np.array(step)}


def laid(sections: Mapping[str, Any]) -> Config:
    """The configuration of a run that starts from what it names, as its device settles it.

    Args:
        sections: What was asked for.

    Raises:
        ValueError: When it does not make a configuration, or the device cannot have it.
        DeviceError: When there is no such device.
    """
    config = configuration.build(sections)
    data = tasks.load(config.task, config.seed, config.training.validation_fraction)
    with open_device(config) as device:
        config, _ = settle(config, left_open(sections, starts=True), device.info, data)
        return taken(config, device.info, data)[0]


def _left_out(config: Config, longest: int) -> list[Choice]:
    """A word on delays that are there and not asked for."""
    if config.network.delays or not longest:
        return []
    told = f"its delays, of up to {longest} steps, are left out: network.delays is 0"
    return [Choice("start", config.start, told)]


def _holding(config: Config, info: DeviceInfo, placed: PlacedModel) -> list[Choice]:
    """A full scale for the largest weight, where nobody asked for one that is too small for it."""
    sizes = [abs(matrix).max() * math.sqrt(len(matrix)) for matrix in placed.weights]
    needed = round(float(max(sizes)) * (1 + 1e-6), 6)
    held = all(
        abs(matrix).max() <= mapping.full_scale(config, info.weight_format(p), len(matrix))
        for p, matrix in enumerate(placed.weights)
    )
    if held or config.network.full_scale != "auto":
        return []
    return [Choice("network.full_scale", needed, "the largest weight of the model asks for it")]


def _cut(info: DeviceInfo, placed: PlacedModel) -> list[str]:
    """Projections with weights that no full scale of the device holds."""
    said = []
    for number, matrix in enumerate(placed.weights):
        most = info.weight_format(number).maximum_full_scale
        if count := int((abs(matrix) > most).sum()):
            said.append(
                f"{count} of {matrix.size} weights of projection {number} are cut to {most:g} "
                "thresholds, the most that the device stores"
            )
    return said
