"""Does a run that carries on go on where the last one ended, and does a sample end at its end?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.kit.comparing import ROUNDING, alike, noiseless
from drivers.conformance.kit.ending import Failed, NotApplicable
from drivers.conformance.kit.harness import Harness
from drivers.conformance.kit.verdict import Check
from drivers.contract.messages import Probe, Readout, Stimulus


def a_run_carries_on(harness: Harness) -> None:
    """Where info says runs_on, a run in two parts gives what it gives in one."""
    if not harness.info.abilities.runs_on:
        raise NotApplicable("info says that each run begins from reset")
    if harness.steps < 2:
        raise NotApplicable("runs are too short to be parted")
    exact, depth = noiseless(harness), min(2, harness.info.capacity.layers)
    whole, first = harness.work(depth), max(1, harness.steps * 2 // 5)
    parts, probes = _parts(whole, first), _last(harness, depth)

    def in_two(trial: int) -> tuple[NDArray[np.int32], Readout]:
        begun = harness.run(parts[0], trial=trial).counts
        rest = harness.device.run(parts[1], probes, trial=trial + 1000, carry=True)
        return np.asarray(begun + rest.counts, np.int32), rest

    told = (
        f"a run of {whole.steps} steps, and one of {first} that {whole.steps - first} more carry "
        f"on (look at what _run keeps of membranes and of events on their way, and at _run_on)"
    )
    alike(
        told,
        lambda trial: harness.run(whole, trial=trial).counts,
        lambda trial: in_two(trial)[0],
        exact,
    )
    for probe in probes if exact else ():
        one, two = harness.run(whole, probes), in_two(0)[1]
        ends = [
            harness.info.neuron.membrane.in_thresholds(readout.samples[probe].astype(np.float32))
            for readout in (one, two)
        ]
        apart = float(np.abs(ends[0][-1] - ends[1][-1]).max())
        if apart > ROUNDING:
            raise Failed(f"{told}: the last membranes are {apart:.3g} thresholds apart")


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
    for probe in _last(harness, 1):
        after = harness.run(ended, [probe]).samples[probe][short:]
        if after[:, lengths == short].any():
            raise Failed(
                "membranes are shown after the end of a sample: give 0, as sampling.answer does "
                "with Stimulus.lengths"
            )


CHECKS: tuple[Check, ...] = (a_run_carries_on, samples_end_at_their_lengths)


def _parts(stimulus: Stimulus, first: int) -> tuple[Stimulus, Stimulus]:
    """The first steps of a stimulus, and the rest."""
    rest = stimulus.steps - first
    if stimulus.kind == "current":
        data = stimulus.data
        return Stimulus.current(data, steps=first), Stimulus.current(data, steps=rest)
    if stimulus.kind == "current_trace":
        parts = stimulus.data[:first], stimulus.data[first:]
        return Stimulus.current_trace(parts[0]), Stimulus.current_trace(parts[1])
    row = first * stimulus.batch
    begun, rows = stimulus.data[:row], stimulus.data[row:]
    return Stimulus.spikes(begun, steps=first), Stimulus.spikes(rows, steps=rest)


def _last(harness: Harness, depth: int) -> list[Probe]:
    """A probe whose last sample is that of the last step, where there is one."""
    offer = harness.info.offer("membrane", depth, depth)
    if offer is None or offer.every != 1 or "none" not in offer.reductions:
        return []
    return [harness.probe(offer, depth, "none")]


def _ending(stimulus: Stimulus, lengths: NDArray[np.int64]) -> Stimulus:
    if stimulus.kind == "current":
        return Stimulus.current(stimulus.data, steps=stimulus.steps, lengths=lengths)
    if stimulus.kind == "current_trace":
        return Stimulus.current_trace(stimulus.data, lengths=lengths)
    return Stimulus.spikes(stimulus.data, steps=stimulus.steps, lengths=lengths)
