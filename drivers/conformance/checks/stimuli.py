"""Does a stimulus drive the inputs, samples and steps that it names?"""

from __future__ import annotations

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.kit.comparing import IDLE, alike, each_step, noiseless
from drivers.conformance.kit.ending import Failed, NotApplicable
from drivers.conformance.kit.harness import Harness
from drivers.conformance.kit.verdict import Check
from drivers.contract.info import StimulusKind
from drivers.contract.messages import Stimulus
from drivers.errors import StimulusError

# Steps within which a fully driven neuron fires at least once.
SOON = 16
# The same drive in two kinds of stimulus gives counts this far apart at most.
FACTOR = 1.5
# The same drive in one kind of stimulus, made of other events.
SAME = 1.25


def stated_kinds_are_taken(harness: Harness) -> None:
    """Every kind of stimulus stated drives the network, and alike."""
    harness.clear()
    harness.write(np.eye(harness.neurons) * (harness.share or 1.0))
    fired = {
        kind: int(harness.run(harness.everything(kind)).counts.sum())
        for kind in harness.info.offers.stimuli
    }
    if max(fired.values()) > FACTOR * min(fired.values()) + harness.batch * harness.neurons:
        told = ", ".join(f"{kind}: {count}" for kind, count in fired.items())
        raise Failed(f"output spikes of the same drive: {told}")


def other_kinds_are_refused(harness: Harness) -> None:
    """A kind of stimulus that is not stated raises StimulusError."""
    others = [kind for kind in get_args(StimulusKind) if kind not in harness.info.offers.stimuli]
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
    size = min(harness.info.capacity.batch, harness.info.capacity.steps, SOON)
    if size < 4:
        raise NotApplicable("the device runs less than four samples, or steps, at a time")
    harness.clear()
    harness.write(np.eye(harness.neurons))
    driven = np.zeros((size, harness.neurons))
    chosen = np.arange(size) % 4 == 1
    driven[chosen] = 1
    for kind in harness.info.offers.stimuli:
        fired = harness.run(harness.stimulus(driven, kind, size)).counts.sum(axis=1)
        if not fired[chosen].any() or fired[~chosen].mean() > IDLE * fired[chosen].mean():
            raise Failed(
                f"{kind}: {fired[chosen].mean():.1f} spikes in samples that were driven, "
                f"{fired[~chosen].mean():.1f} in the others"
            )


def steps_run_forward(harness: Harness) -> None:
    """What drives the network in the last steps makes it fire in the last steps."""
    kinds = [kind for kind in harness.info.offers.stimuli if kind != "current"]
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
    for kind in harness.info.offers.stimuli:
        fired = harness.run(harness.stimulus(active, kind)).counts.mean(axis=0)
        if not fired[lit].any() or fired[~lit].mean() > IDLE * fired[lit].mean():
            raise Failed(
                f"{kind}: {fired[lit].mean():.1f} spikes of neurons whose inputs were driven, "
                f"{fired[~lit].mean():.1f} of the others"
            )


def several_events_of_a_step_add_up(harness: Harness) -> None:
    """Two events of an input in a step drive as one through twice the weight, unless stated."""
    if "spikes" not in harness.info.offers.stimuli:
        raise NotApplicable("the device takes no spikes")
    if harness.share is None or harness.share > 0.5:
        raise NotApplicable("no weight was found at which neurons fire now and then")
    harness.clear()
    groups = np.ones((harness.batch, harness.neurons))
    fired = []
    for share, events in ((harness.share, 1), (harness.share, 2), (2 * harness.share, 1)):
        harness.write(share * np.eye(harness.neurons))
        try:
            found = harness.run(harness.stimulus(events * groups, "spikes"))
        except StimulusError:
            raise NotApplicable(f"the device refuses {events} events a step") from None
        fired.append(int(found.counts.sum()))
    one, two, twice = fired
    add = harness.info.timing.events_add
    expected = one if add is False else twice
    if max(two, expected) > SAME * min(two, expected) + harness.batch * harness.neurons / 2:
        raise Failed(
            f"{one} spikes with one event a step, {two} with two, {twice} with one through twice "
            f"the weight, and timing.events_add = {add}: look at how _run reads counts of spikes "
            "above 1, or state that they count as one"
        )


def what_excites_first_counts_first(harness: Harness) -> None:
    """A drive that comes before an inhibition fires no less than after it."""
    kinds = [kind for kind in harness.info.offers.stimuli if kind != "current"]
    n, half = harness.neurons, min(harness.steps // 2, 8)
    if not kinds or n < 2 or half < 2:
        raise NotApplicable("the device takes constant currents only, or has a neuron only")
    harness.clear()
    # Even groups excite their neuron, and odd ones inhibit the neuron before.
    even = np.arange(0, n - 1, 2)
    shares = np.zeros((n, n))
    shares[even, even], shares[even + 1, even] = 0.5, -1.0
    harness.write(shares)
    first = np.zeros((2 * half, harness.batch, n))
    first[:half, :, even] = 1
    first[half:, :, even + 1] = 1
    for kind in kinds:
        before, after = (
            int(harness.run(harness.stimulus(active, kind)).counts.sum())
            for active in (first, first[::-1])
        )
        if after > 1.2 * before + harness.batch:
            raise Failed(
                f"{kind}: {before} spikes with the drive before the inhibition, {after} after it: "
                "look at the order in which _run takes steps"
            )


def samples_end_at_their_lengths(harness: Harness) -> None:
    """Where info says lengths, a sample gives what it gives in a run of its own length."""
    if not harness.info.abilities.lengths:
        raise NotApplicable("info says that all samples of a batch last as long")
    exact, stimulus = noiseless(harness), harness.work()
    lengths = np.full(stimulus.batch, stimulus.steps)
    lengths[:: 2 if stimulus.batch > 1 else 1] = short = max(1, stimulus.steps // 2)
    ended = _ending(stimulus, lengths)

    def alone(trial: int) -> NDArray[np.int32]:
        counts = harness.run(harness.begin(stimulus, short), trial=trial).counts
        counts[lengths > short] = harness.run(stimulus, trial=trial).counts[lengths > short]
        return counts

    alike(
        f"samples of {short} steps among some of {stimulus.steps}, and by themselves (look at what "
        "_run does with Stimulus.lengths)",
        lambda trial: harness.run(ended, trial=trial).counts,
        alone,
        exact,
    )
    for probe in each_step(harness, 1):
        after = harness.run(ended, [probe]).samples[probe][short:]
        if after[:, lengths == short].any():
            raise Failed(
                "membranes are shown after the end of a sample: give 0, as sampling.answer does "
                "with Stimulus.lengths"
            )


CHECKS: tuple[Check, ...] = (
    stated_kinds_are_taken,
    other_kinds_are_refused,
    samples_are_kept_apart,
    inputs_are_kept_apart,
    steps_run_forward,
    what_excites_first_counts_first,
    several_events_of_a_step_add_up,
    samples_end_at_their_lengths,
)


def _ending(stimulus: Stimulus, lengths: NDArray[np.int64]) -> Stimulus:
    if stimulus.kind == "current":
        return Stimulus.current(stimulus.data, steps=stimulus.steps, lengths=lengths)
    if stimulus.kind == "current_trace":
        return Stimulus.current_trace(stimulus.data, lengths=lengths)
    return Stimulus.spikes(stimulus.data, steps=stimulus.steps, lengths=lengths)
