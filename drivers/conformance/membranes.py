"""Membranes of the first layer, in thresholds, whatever a device shows of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.harness import Harness, View, skip_if
from drivers.contract.info import Reduction, StimulusKind
from drivers.contract.messages import Stimulus


def read_membranes(
    harness: Harness, view: View, stimulus: Stimulus, reduce: Reduction
) -> NDArray[np.float32]:
    """Run what is mapped, and read samples in thresholds, `(K, B, k)` or `(B, k)`."""
    probe = harness.probe(view.offer, reduce)
    samples = np.asarray(harness.run(stimulus, [probe]).samples[probe], np.float32)
    return harness.info.neuron.membrane.in_thresholds(samples)


def last_membranes(harness: Harness, view: View, stimulus: Stimulus) -> NDArray[np.float32]:
    """Membranes of the last step, in which a sample is taken, in thresholds, `(B, k)`."""
    reduce = next(r for r in ("last", "none", "mean") if r in view.offer.reductions)
    samples = read_membranes(harness, view, stimulus, reduce)
    if reduce == "none":
        return np.asarray(samples[-1])
    every, steps = view.offer.every, stimulus.steps
    if reduce == "last" or steps == every:
        return samples
    shorter = read_membranes(harness, view, stimulus.between(0, steps - every), "mean")
    return samples * (steps // every) - shorter * (steps // every - 1)


def membranes_after_event(
    harness: Harness, view: View, age: int, kind: StimulusKind, events: int = 1
) -> NDArray[np.float32]:
    """Membranes in thresholds, `(B, k)`, in the step of an event of each input, or later.

    Args:
        harness: The device, with a network mapped.
        view: What it shows.
        age: Steps since the event.
        kind: Kind of stimulus.
        events: 0 for none at all.

    Raises:
        NotApplicable: When runs are too short.
    """
    steps = -(-(age + 1) // view.offer.every) * view.offer.every
    skip_if(steps > harness.info.capacity.steps, "runs are too short")
    driven = steps - age - 1 if events else None
    return last_membranes(harness, view, harness.pulse(steps, driven, kind))


@dataclass(frozen=True)
class EventResponse:
    """What an event moves.

    Attributes:
        charge: Charge that it brings, in thresholds, as stored.
        moved: Membranes less those without it, at each age, in thresholds: the median over samples
            and neurons.
        unit: One of a membrane that counts in whole numbers, in thresholds; 0 of any other.
    """

    charge: float
    moved: NDArray[np.float64]
    unit: float


def follow_event(
    harness: Harness, view: View, charge: float, ages: Sequence[int], kind: StimulusKind
) -> EventResponse:
    """Follow a membrane after an event.

    Args:
        harness: The device.
        view: What it shows.
        charge: Charge that the event brings to each neuron, in thresholds.
        ages: Steps since the event.
        kind: Kind of stimulus.

    Raises:
        NotApplicable: When runs are too short, or levels too coarse.
    """
    harness.clear(view.depth)
    stored = harness.write(harness.find_weight_share(charge) * np.eye(harness.neurons))
    brought = float(stored.flat[np.abs(stored).argmax()]) * harness.group * harness.amplitude
    skip_if(not 0.5 < brought / charge < 1.7, f"levels are too coarse for {charge:g} thresholds")
    moved, unit = [], 0.0
    for age in ages:
        lit, dark = (membranes_after_event(harness, view, age, kind, events) for events in (1, 0))
        moved.append(float(np.median(lit - dark)))
        unit = max(unit, _unit_of_whole_numbers(harness, lit))
    return EventResponse(brought, np.array(moved), unit)


def _unit_of_whole_numbers(harness: Harness, shown: NDArray[np.float32]) -> float:
    membrane = harness.info.neuron.membrane
    unit = 1 / abs(membrane.threshold - membrane.rest)
    parts = shown / unit
    return unit if unit < 1 and np.abs(parts - np.rint(parts)).max() < 1e-3 else 0.0
