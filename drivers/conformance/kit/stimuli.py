"""Are stimuli taken as they are meant: kind, sample by sample, step by step?"""

from __future__ import annotations

from typing import get_args

import numpy as np

from drivers.conformance.checks.ending import Failed, NotApplicable
from drivers.conformance.kit.comparing import IDLE
from drivers.conformance.kit.harness import Bench
from drivers.conformance.kit.verdict import Check
from drivers.contract.errors import StimulusError
from drivers.contract.info import StimulusKind

# Steps within which a fully driven neuron fires at least once.
SOON = 16
# The same drive in two kinds of stimulus gives counts this far apart at most.
FACTOR = 1.5


def stated_kinds_are_taken(bench: Bench) -> None:
    """Every kind of stimulus stated drives the network, and alike."""
    bench.clear()
    bench.write(np.eye(bench.neurons) * (bench.share or 1.0))
    fired = {
        kind: int(bench.run(bench.everything(kind)).counts.sum()) for kind in bench.info.stimuli
    }
    if max(fired.values()) > FACTOR * min(fired.values()) + bench.batch * bench.neurons:
        told = ", ".join(f"{kind}: {count}" for kind, count in fired.items())
        raise Failed(f"output spikes of the same drive: {told}")


def other_kinds_are_refused(bench: Bench) -> None:
    """A kind of stimulus that is not stated raises StimulusError."""
    others = [kind for kind in get_args(StimulusKind) if kind not in bench.info.stimuli]
    if not others:
        raise NotApplicable("the device takes every kind of stimulus")
    bench.clear()
    for kind in others:
        try:
            bench.run(bench.everything(kind))
        except StimulusError:
            continue
        raise Failed(f"a stimulus of kind {kind} was run, which info does not state")


def samples_are_kept_apart(bench: Bench) -> None:
    """In every kind of stimulus, the samples that are driven are those that fire."""
    # As many samples as steps: who takes one for the other meets no error of shape.
    size = min(bench.info.max_batch, bench.info.max_steps, SOON)
    if size < 4:
        raise NotApplicable("the device runs less than four samples, or steps, at a time")
    bench.clear()
    bench.write(np.eye(bench.neurons))
    driven = np.zeros((size, bench.neurons))
    chosen = np.arange(size) % 4 == 1
    driven[chosen] = 1
    for kind in bench.info.stimuli:
        fired = bench.run(bench.stimulus(driven, kind, size)).counts.sum(axis=1)
        if not fired[chosen].any() or fired[~chosen].mean() > IDLE * fired[chosen].mean():
            raise Failed(
                f"{kind}: {fired[chosen].mean():.1f} spikes in samples that were driven, "
                f"{fired[~chosen].mean():.1f} in the others"
            )


def steps_run_forward(bench: Bench) -> None:
    """What drives the network in the last steps makes it fire in the last steps."""
    kinds = [kind for kind in bench.info.stimuli if kind != "current"]
    offer = bench.info.offer("spikes", 1, 1)
    if not kinds or offer is None or "none" not in offer.reductions:
        raise NotApplicable("the device takes constant currents only, or shows no output raster")
    probe = bench.probe(offer, 1, "none")
    bench.clear()
    bench.write(np.eye(bench.neurons))
    half = bench.steps // 2
    active = np.zeros((bench.steps, bench.batch, bench.neurons))
    active[half:] = 1
    for kind in kinds:
        raster = bench.run(bench.stimulus(active, kind), [probe]).samples[probe]
        early, late = int(raster[:half].sum()), int(raster[half:].sum())
        if not late or early > IDLE * late:
            raise Failed(f"{kind}: {early} spikes before the drive began, {late} after it")


def inputs_are_kept_apart(bench: Bench) -> None:
    """In every kind of stimulus, each input drives through its own weights."""
    bench.clear()
    lit = np.arange(bench.neurons) % 3 == 1
    if not lit.any():
        raise NotApplicable("the device has room for one neuron only")
    bench.write(np.eye(bench.neurons))
    active = np.tile(lit, (bench.batch, 1))
    for kind in bench.info.stimuli:
        fired = bench.run(bench.stimulus(active, kind)).counts.mean(axis=0)
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
