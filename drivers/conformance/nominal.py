"""A random network of unlike layers, and what nominal neurons would do in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.harness import Harness, NotApplicable, skip_if
from drivers.contract.info import Arrival, DeviceInfo, StimulusKind
from drivers.contract.messages import Stimulus
from drivers.contract.network import Network
from drivers.errors import CapacityError, StimulusError

# Most inputs and neurons of its layers, and samples.
INPUTS, LAYERS, SAMPLES = 200, (20, 13), 24
# Share of the inputs that a sample drives, and mean and deviation of the drive of a neuron from
# sample to sample, in thresholds a step.
ACTIVE, MEAN, SPREAD = 0.3, 0.25, 0.35
# Share of currents that flow the other way.
NEGATIVE = 0.4
# Rate of hidden neurons, about, in spikes a step.
RATE = 0.25
# Full scale in deviations of the weights.
ROOM = 3.0
# Share of the neurons that have to fire, and not alike in all samples.
HALF = 0.5
# Membranes that are at the threshold but for rounding.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Comparison:
    """Counts of a random network, of the device and of nominal neurons.

    Attributes:
        correlations: Over samples, of each neuron that should fire and not alike in all, `(n,)`.
        ratio: Spikes of all, in those that should be.
    """

    correlations: NDArray[np.float64]
    ratio: float


def compare_random_network(harness: Harness, depth: int, kind: StimulusKind) -> Comparison:
    """Run a network of random weights and inputs, and predict it by the weights as stored.

    Args:
        harness: The device.
        depth: Layers, all unlike.
        kind: Kind of stimulus.

    Raises:
        NotApplicable: When the device has no room, or too few neurons should fire.
    """
    info, room, rng = harness.info, harness.info.capacity, np.random.default_rng([6, depth])
    neurons = [min(n, room.neurons, harness.widest) for n in LAYERS[:depth]]
    cells = (room.synapses or math.inf) - sum(a * b for a, b in pairwise(neurons))
    widest = harness.most_at_once if kind == "spikes" else harness.widest
    layers = (int(min(INPUTS, widest, cells // neurons[0])), *neurons)
    skip_if(layers[0] < 2, "there is no room for a random network")
    shape = min(SAMPLES, room.batch), layers[0]
    values = rng.uniform(0.2, 1, shape) * (rng.random(shape) < ACTIVE)
    stimulus = np.broadcast_to(values, (harness.steps, *shape))
    if kind == "spikes":
        stimulus = (rng.random(stimulus.shape) < stimulus).astype(np.float64)
    else:
        stimulus = stimulus * np.where(rng.random(shape) < NEGATIVE, -1, 1)
    weights = []
    for p, size in enumerate(pairwise(layers)):
        sent = size[0] * (RATE if p else 0.6 * ACTIVE)  # events a step
        weights.append(rng.normal(MEAN / sent, SPREAD / math.sqrt(sent), size))
    forms = [info.weight_format(p) for p in range(depth)]
    scales = tuple(
        float(np.clip(ROOM * w.std() + abs(w.mean()), f.minimum_full_scale, f.maximum_full_scale))
        for w, f in zip(weights, forms, strict=True)
    )
    device = harness.device
    try:
        device.configure(Network.feed_forward(layers, scales))
        stored = [device.write_weights(p, w.astype(np.float32)) for p, w in enumerate(weights)]
        measured = harness.run(Stimulus.of(kind, stimulus)).counts.astype(np.float64)
    except (CapacityError, StimulusError) as why:  # as of a current below 0
        raise NotApplicable(str(why)) from None
    predicted = predict_counts(info, stimulus, stored, kind)
    telling = predicted.std(axis=0) > 0
    skip_if(telling.mean() < HALF, "weights are too small, or samples too few, for a prediction")
    spreads = measured[:, telling], predicted[:, telling]
    one, two = (counts - counts.mean(axis=0) for counts in spreads)
    power = np.sqrt((one**2).sum(axis=0) * (two**2).sum(axis=0))
    correlations = (one * two).sum(axis=0) / np.maximum(power, ROUNDING)
    return Comparison(correlations, float(measured.sum() / predicted.sum()))


def predict_counts(
    info: DeviceInfo,
    values: NDArray[np.float64],
    weights: list[NDArray[np.float32]],
    kind: StimulusKind,
) -> NDArray[np.float64]:
    """Predict output counts `(B, n)` by leaky neurons as the device states them.

    Args:
        info: What it states.
        values: Input of each step, `(T, B, n_in)`.
        weights: Of each projection, as stored, in thresholds.
        kind: Kind of stimulus.
    """
    decay = info.neuron.decay or 0.9
    events = values
    for layer, matrix in enumerate(weights):
        charge = events @ matrix.astype(np.float64)
        arrival: Arrival | None = info.timing.layer if layer else info.timing.input
        if layer == 0 and kind != "spikes":
            arrival = "same_step"
            charge *= -(1 - decay) / math.log(decay) if decay < 1 else 1.0
        events = _fire(info, charge, decay, arrival or "same_step")
    most = info.neuron.spikes_per_run
    return np.asarray(np.minimum(events.sum(axis=0), math.inf if most is None else most))


def _fire(
    info: DeviceInfo, charge: NDArray[np.float64], decay: float, arrival: Arrival
) -> NDArray[np.float64]:
    """Spikes of neurons under a charge in each step, `(T, B, n)`."""
    if arrival == "next_step":
        charge = np.concatenate([np.zeros_like(charge[:1]), charge[:-1]])
    late = arrival == "end_of_step"
    membrane, rest = np.zeros_like(charge[0]), np.zeros(charge.shape[1:], int)
    spikes = np.empty_like(charge)
    for step, brought in enumerate(charge):
        arriving = brought * (rest == 0)
        membrane = decay * membrane + (0 if late else arriving)
        fired = np.clip(np.floor(membrane + ROUNDING), 0, info.neuron.spikes_per_step)
        fired *= rest == 0
        kept = membrane - fired if info.neuron.assumed_reset == "soft" else membrane * (fired == 0)
        spared = info.timing.hard_reset_clears_events is False or info.neuron.reset != "hard"
        membrane = kept + (arriving * ((fired == 0) | spared) if late else 0)
        rest = np.where(fired > 0, info.neuron.refractory or 0, np.maximum(rest - 1, 0))
        spikes[step] = fired
    return spikes
