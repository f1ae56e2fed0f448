"""What a few runs before the first step tell: initial weights, and how to estimate hidden rates.

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
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hil import streams
from hil.loop.health import estimator_diagnosis
from hil.loop.mapping import Batch
from hil.loop.observation.estimation import EstimatorFit
from hil.runs.choice import Choice

if TYPE_CHECKING:
    from hil.loop.controller import Controller
    from hil.loop.observation.observer import DecodedReadout
    from hil.loop.train_state import TrainState
    from hil.tasks import Data

# Working range of the mean rate of a layer, spikes per step; runs to bring a layer into it.
LOWEST, HIGHEST = 0.02, 0.6
RUNS = 6


def begin(controller: Controller, data: Data, state: TrainState, *, drawn: bool) -> list[Choice]:
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
    x = data.batch(data.x_train[: controller.config.training.batch])
    choices, seen = [], None
    if drawn and controller.config.network.initial_response == "measured":
        for layer in range(1, controller.depth):
            choice, seen = _adapted(controller, x, layer)
            choices += [choice] if choice else []
    if len(controller.observer.held) > 1:
        held = _held(controller, seen or look(controller, x, controller.depth, 0))
        if held is not None:
            choices.append(held)
            state.estimator = str(held.value)
    return choices


def _adapted(controller: Controller, x: Batch, layer: int) -> tuple[Choice | None, DecodedReadout]:
    """Scale the weights into one layer; they stay as drawn where no factor helps."""
    projection = layer - 1
    drawn = controller.weights[projection]
    seen = look(controller, x, layer, 0)
    first = rate = float(seen.hidden[projection].mean())
    low, high, factor = 0.0, math.inf, 1.0
    for run in range(1, RUNS):
        if LOWEST <= rate <= HIGHEST:
            break
        low, high = (factor, high) if rate < LOWEST else (low, factor)
        factor = low * 4 if high == math.inf else high / 4 if low == 0 else math.sqrt(low * high)
        _replace(controller, projection, drawn * np.float32(factor))
        seen = look(controller, x, layer, run)
        rate = float(seen.hidden[projection].mean())
    if factor == 1.0:
        return None, seen
    if not LOWEST <= rate <= HIGHEST:
        _replace(controller, projection, drawn)
        return None, seen
    reason = f"they gave {first:.3f} spikes a step, and now give {rate:.3f}"
    name = f"initial weights into hidden layer {layer}"
    return Choice(name, f"times {factor:g}", reason), seen


def _held(controller: Controller, seen: DecodedReadout) -> Choice | None:
    """Another estimator, where it goes better with the output's spikes in one run.

    An output out of its working range tells too little.
    """
    if not LOWEST <= float(seen.rate.mean()) <= HIGHEST:
        return None
    fit, name = EstimatorFit(), controller.observer.estimator.name
    fit.add(seen.held, seen.rate)
    correlations = fit.correlations()
    other = estimator_diagnosis.better(name, correlations)
    if other is None:
        return None
    return Choice(
        "estimator of hidden rates",
        other,
        f"at the output, where spikes are visible, it correlates {correlations[other]:.2f} with "
        f"them, {name!r} {correlations[name]:.2f}",
    )


def _replace(controller: Controller, projection: int, weights: NDArray[np.float32]) -> None:
    limit = np.float32(controller.device.network.full_scale[projection])
    controller.weights[projection] = np.clip(weights, -limit, limit)
    controller.session.write(projection, controller.weights[projection])


def look(controller: Controller, x: Batch, layer: int, run: int) -> DecodedReadout:
    """What one run with the probes of a learning step shows, without learning from it.

    Args:
        controller: The controller, its weights written.
        x: Samples, no more than the device takes in a batch.
        layer: With `run`, what its randomness is named by.
        run: See `layer`.
    """
    stimulus = controller.stimulus(x, "response", layer, run)
    trial = streams.trial(controller.config.seed, "response", layer, run)
    readout = controller.session.run(stimulus, controller.observer.probes, trial)
    return controller.observer.decode(readout, stimulus, controller.session.stored)
