"""From the measurements of a layer to its neurons, and to what the next layer is driven by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hil.characterisation import estimators
from hil.characterisation.bench import Bench
from hil.characterisation.estimators import Estimate
from hil.characterisation.measurements.synapses import MembraneMeasurement
from hil.characterisation.measurements.thresholds import Thresholds
from hil.characterisation.relay import MeasuredLayer
from hil.characterisation.survey_data import QUANTITIES, MeasuredNeurons


def combined(
    membranes: MembraneMeasurement | None, fired: Thresholds | None, dt: float
) -> MeasuredNeurons | None:
    """What the measurements of a layer say of its neurons together.

    Args:
        membranes: Its membranes; None where the device does not show them.
        fired: Its thresholds; None where the device does not show when it fires.
        dt: Length of a step, in seconds.

    Returns:
        The neurons; None where the device shows nothing of the layer.
    """
    if membranes is None:
        return None if fired is None else _by_spikes(fired)
    size = membranes.dead.size
    if fired is None:
        # Without a sign of spikes, a threshold is taken to read as nominal.
        dead, threshold = membranes.dead, Estimate(np.ones(size), np.zeros(size))
    else:
        dead = membranes.dead | (~fired.fired & ~(fired.largest > 0))
        threshold = _reached(fired)
    level = np.where(dead, np.nan, threshold.value)
    tau, bias = membranes.time_constant, membranes.bias
    value = np.where(dead, np.nan, membranes.gain.value)
    half = np.where(dead, np.nan, membranes.gain.half)
    counted = np.maximum(np.isfinite(value).sum(axis=0), 1)
    per_event = np.where(dead, np.nan, np.nansum(value, axis=0) / counted)
    blur = np.sqrt(np.nansum(half**2, axis=0)) / counted / per_event
    ratio = level / per_event
    return MeasuredNeurons(
        threshold_over_gain=Estimate(ratio, np.abs(ratio) * np.hypot(threshold.half / level, blur)),
        time_constant=Estimate(tau.value * dt, tau.half * dt),
        readout_gain=(
            None if fired is None else Estimate(level, np.where(dead, np.nan, threshold.half))
        ),
        readout_offset=membranes.offset,
        bias=Estimate(bias.value / level, bias.half / level),
        reset=None if fired is None else fired.reset,
        synapse_gain=Estimate(value / per_event, half / per_event),
        dead=dead,
        tonic=membranes.tonic,
    )


def _by_spikes(fired: Thresholds) -> MeasuredNeurons:
    ratio = Estimate(np.where(fired.fired, fired.threshold.value, np.nan), fired.threshold.half)
    return MeasuredNeurons(
        threshold_over_gain=ratio,
        time_constant=None,
        readout_gain=None,
        readout_offset=None,
        bias=None,
        reset=None,
        synapse_gain=None,
        dead=~fired.fired,
        tonic=np.zeros(fired.fired.size, bool),
    )


def _reached(fired: Thresholds) -> Estimate:
    """Thresholds; of a neuron that never fired, the largest membrane that it was brought to."""
    threshold = fired.threshold
    value = np.where(np.isfinite(threshold.value), threshold.value, fired.largest)
    return Estimate(value, threshold.half)


def without_loss(neurons: MeasuredNeurons, lost: float) -> MeasuredNeurons:
    """Neurons whose thresholds count the events that arrived, when a share of them was lost."""
    ratio = neurons.threshold_over_gain
    arrived = Estimate(ratio.value * (1 - lost), ratio.half * (1 - lost))
    return replace(neurons, threshold_over_gain=arrived)


def repeatable(neurons: MeasuredNeurons) -> MeasuredNeurons:
    """Neurons that differ by what would be found again, and not by errors of the measurement."""
    drawn_in: dict[str, Any] = {
        name: Estimate(estimators.towards_usual(found), found.half)
        for name in QUANTITIES
        if (found := getattr(neurons, name)) is not None
    }
    return replace(neurons, **drawn_in)


def for_relays(
    bench: Bench, layer: int, membranes: MembraneMeasurement | None, fired: Thresholds | None
) -> MeasuredLayer:
    """What driving the next layer needs to know of a layer.

    Args:
        bench: The bench.
        layer: The layer, 1 to L.
        membranes: As for `combined`.
        fired: Likewise.
    """
    n_pre, size = bench.layers[layer - 1 : layer + 1]
    if fired is None:
        return MeasuredLayer(np.ones((n_pre, size)), np.arange(size))
    if membranes is None:
        return MeasuredLayer(
            np.tile(fired.threshold.value, (n_pre, 1)), np.flatnonzero(fired.fired)
        )
    gain = membranes.gain.value
    needed = np.divide(
        np.broadcast_to(fired.threshold.value, gain.shape),
        gain,
        out=np.full(gain.shape, np.nan),
        where=gain > 0,
    )
    return MeasuredLayer(needed, np.flatnonzero(~membranes.dead & ~membranes.tonic & fired.fired))


def not_measured(
    layer: int, membranes: MembraneMeasurement | None, fired: Thresholds | None
) -> dict[str, str]:
    """What could not be measured of a layer, and why; arguments as for `for_relays`."""
    skipped: dict[str, str] = {}
    if membranes is None:
        skipped[f"layer {layer}: time constant, bias, reset, readout, synapses"] = (
            "its membranes are not shown"
        )
    elif fired is not None and fired.reset is None:
        skipped[f"layer {layer}: reset"] = "its membranes are not sampled at every step"
    if fired is None:
        skipped[f"layer {layer}: threshold, dead neurons"] = (
            "neither its spikes nor its membranes show when it fires; taken as nominal"
        )
    return skipped
