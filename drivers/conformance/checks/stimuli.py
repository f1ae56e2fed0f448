"""Does a stimulus drive the inputs, samples and steps that it names?"""

from __future__ import annotations

from typing import get_args

import numpy as np

from drivers.conformance.kit.comparing import IDLE
from drivers.conformance.kit.ending import Failed, NotApplicable
from drivers.conformance.kit.harness import Harness
from drivers.conformance.kit.verdict import Check
from drivers.contract.errors import StimulusError
from drivers.contract.info import StimulusKind

# Steps within which a fully driven neuron fires at least once.
SOON = 16
# The same drive in two kinds of stimulus gives counts this far apart at most.
FACTOR = 1.5


def stated_kinds_are_taken(harness: Harness) -> None:
    """Every kind of stimulus stated drives the network, and alike."""
    harness.clear()
    harness.write(np.eye(harness.neurons) * (harness.share or 1.0))
    fired = {
        kind: int(harness.run(harness.everything(kind)).counts.sum())
        for kind in harness.info.stimuli
    }
    if max(fired.values()) > FACTOR * min(fired.values()) + harness.batch * harness.neurons:
        told = ", ".join(f"{kind}: {count}" for kind, count in fired.items())
        raise Failed(f"output spikes of the same drive: {told}")


def other_kinds_are_refused(harness: Harness) -> None:
    """A kind of stimulus that is not stated raises StimulusError."""
    others = [kind for kind in get_args(StimulusKind) if kind not in harness.info.stimuli]
    if not others:
        raise NotApplicable("the device takes every kind of stimulus")
    harness.clear()
    for kind in others:
        try:
            harness.run(harness.everything(kind))
        except StimulusError:
            continue
        raise Failed(f"a stimulus of kind {kind} was run, which info does not state")


def samples_are_kept_apart(harness: Harness) -> None:
    """In every kind of stimulus, the samples that are driven are those that fire."""
    # As many samples as steps: who takes one for the other meets no error of shape.
    size = min(harness.info.max_batch, harness.info.max_steps, SOON)
    if size < 4:
        raise NotApplicable("the device runs less than four samples, or steps, at a time")
    harness.clear()
    harness.write(np.eye(harness.neurons))
    driven = np.zeros((size, harness.neurons))
    chosen = np.arange(size) % 4 == 1
    driven[chosen] = 1
    for kind in harness.info.stimuli:
        fired = harness.run(harness.stimulus(driven, kind, size)).counts.sum(axis=1)
        if not fired[chosen].any() or fired[~chosen].mean() > IDLE * fired[chosen].mean():
            raise Failed(
                f"{kind}: {fired[chosen].mean():.1f} spikes in samples that were driven, "
                f"{fired[~chosen].mean():.1f} in the others"
            )


def steps_run_forward(harness: Harness) -> None:
    """What drives the network in the last steps makes it fire in the last steps."""
    kinds = [kind for kind in harness.info.stimuli if kind != "current"]
    offer = harness.info.offer("spikes", 1, 1)
    if not kinds or offer is None or "none" not in offer.reductions:
        raise NotApplicable("the device takes constant currents only, or shows no output raster")
    probe = harness.probe(offer, 1, "none")
    harness.clear()
    harness.write(np.eye(harness.neurons))
    half = harness.steps // 2
    active = np.zeros((harness.steps, harness.batch, harness.neurons))
    active[half:] = 1
    for kind in kinds:
        raster = harness.run(harness.stimulus(active, kind), [probe]).samples[probe]
        early, late = int(raster[:half].sum()), int(raster[half:].sum())
        if not late or early > IDLE * late:
            raise Failed(f"{kind}: {early} spikes before the drive began, {late} after it")


def inputs_are_kept_apart(harness: Harness) -> None:
    """In every kind of stimulus, each input drives through its own weights."""
    harness.clear()
    lit = np.arange(harness.neurons) % 3 == 1
    if not lit.any():
        raise NotApplicable("the device has room for one neuron only")
    harness.write(np.eye(harness.neurons))
    active = np.tile(lit, (harness.batch, 1))
    for kind in harness.info.stimuli:
        fired = harness.run(harness.stimulus(active, kind)).counts.mean(axis=0)
        if not fired[lit].any() or fired[~lit].mean() > IDLE * fired[lit].mean():
            raise Failed(
                f"{kind}: {fired[lit].mean():.1f} spikes of neurons whose inputs were driven, "
                f"{fired[~lit].mean():.1f} of the others"
            )


CHECKS: tuple[Check, ...] = (
    stated_kinds_are_taken,
    other_kinds_are_refused,
    samples_are_kept_apart,
    inputs_are_kept_apart,
    steps_run_forward,
)
