"""Checks that a run depends on its stimulus, the weights and the trial, and on nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivers.conformance import needs
from drivers.conformance.checking import (
    IDLE,
    ROUNDING,
    Failed,
    check,
    check_alike,
    check_same,
    check_unchanged,
    find_difference,
    is_near,
    is_noiseless,
    list_shown_probes,
    measure_noise,
    measure_spread,
    probe_each_step,
)
from drivers.conformance.harness import DRIVE, Harness, NotApplicable, skip_if
from drivers.contract.messages import Readout, Stimulus
from drivers.errors import StimulusError

# Steps within which a fully driven neuron fires at least once.
SOON = 16
# The same drive in two kinds of stimulus gives counts this far apart at most.
FACTOR = 1.5
# The same drive in one kind of stimulus, made of other events.
SAME = 1.25


@check()
def stated_kinds_are_taken(harness: Harness) -> None:
    """Every kind of stimulus stated drives the network, and alike."""
    share, kinds = harness.working_share, harness.info.offers.stimuli
    harness.clear()
    harness.write(np.eye(harness.neurons) * share)
    fired = {kind: harness.count_spikes(harness.drive_all(kind)) for kind in kinds}
    if max(fired.values()) > FACTOR * min(fired.values()) + harness.batch * harness.neurons:
        numbers = ", ".join(f"{kind}: {count}" for kind, count in fired.items())
        raise Failed(f"output spikes of the same drive: {numbers}")


@check()
def samples_are_kept_apart(harness: Harness) -> None:
    """In every kind of stimulus, the samples that are driven are those that fire."""
    # As many samples as steps: who takes one for the other meets no error of shape.
    size = min(harness.info.capacity.batch, harness.info.capacity.steps, SOON)
    skip_if(size < 4, "the device runs less than four samples, or steps, at a time")
    chosen = np.arange(size) % 4 == 1
    active = np.repeat(chosen[:, None], harness.neurons, axis=1)
    harness.clear()
    harness.write(np.eye(harness.neurons))
    for kind in harness.info.offers.stimuli:
        fired = harness.run(harness.stimulus(active, kind, size)).counts.sum(axis=1)
        if not fired[chosen].any() or fired[~chosen].mean() > IDLE * fired[chosen].mean():
            raise Failed(
                f"{kind}: {fired[chosen].mean():.1f} spikes in samples that were driven, "
                f"{fired[~chosen].mean():.1f} in the others"
            )


@check(
    needs.EVENTS,
    needs.PACE,
    look="how _run reads counts of spikes above 1, or state that they count as one",
)
def several_events_of_a_step_add_up(harness: Harness) -> None:
    """Two events of an input in a step drive as one through twice the weight, unless stated."""
    share = harness.working_share
    skip_if(share > 0.5, "twice the weight at which neurons fire is beyond the full scale")
    harness.clear()
    groups = np.ones((harness.batch, harness.neurons))
    fired = []
    for weight, events in ((share, 1), (share, 2), (2 * share, 1)):
        harness.write(weight * np.eye(harness.neurons))
        try:
            fired.append(harness.count_spikes(harness.stimulus(events * groups, "spikes")))
        except StimulusError:
            raise NotApplicable(f"the device refuses {events} events a step") from None
    one, two, twice = fired
    add = harness.info.timing.events_add
    expected = one if add is False else twice
    apart = harness.batch * harness.neurons / 2 + 2 * harness.leaked
    if max(two, expected) > SAME * min(two, expected) + apart:
        raise Failed(
            f"{one} spikes with one event a step, {two} with two, {twice} with one through twice "
            f"the weight, and timing.events_add = {add}"
        )


@check(needs.TIMED, needs.NEURONS, look="the order in which _run takes steps")
def what_excites_first_counts_first(harness: Harness) -> None:
    """A drive that comes before an inhibition fires no less than after it."""
    n, half = harness.neurons, min(harness.steps // 2, 8)
    skip_if(half < 2, "runs are too short")
    harness.clear()
    # Even groups excite their neuron, and odd ones inhibit the neuron before.
    even = np.arange(0, n - 1, 2)
    shares = np.zeros((n, n))
    shares[even, even], shares[even + 1, even] = 0.5, -1.0
    harness.write(shares)
    first = np.zeros((2 * half, harness.batch, n))
    first[:half, :, even] = 1
    first[half:, :, even + 1] = 1
    for kind in harness.timed_kinds:
        before, after = (
            harness.count_spikes(harness.stimulus(active, kind)) for active in (first, first[::-1])
        )
        if after > 1.2 * before + harness.batch:
            raise Failed(
                f"{kind}: {before} spikes with the drive before the inhibition, {after} after it"
            )


@check(needs.LENGTHS, look="what _run and sampling.answer do with Stimulus.lengths")
def samples_end_at_their_lengths(harness: Harness) -> None:
    """Where info says lengths, a sample gives what it gives in a run of its own length."""
    exact, stimulus = is_noiseless(harness), harness.work()
    lengths = np.full(stimulus.batch, stimulus.steps)
    lengths[:: 2 if stimulus.batch > 1 else 1] = short = max(1, stimulus.steps // 2)
    ended = Stimulus.of(stimulus.kind, stimulus.dense(), lengths=lengths)

    def alone(trial: int) -> NDArray[np.int32]:
        counts = harness.run(stimulus.between(0, short), trial=trial).counts.copy()
        counts[lengths > short] = harness.run(stimulus, trial=trial).counts[lengths > short]
        return counts

    check_alike(
        f"samples of {short} steps among some of {stimulus.steps}, and by themselves",
        lambda trial: harness.run(ended, trial=trial).counts,
        alone,
        exact,
    )
    for probe in probe_each_step(harness, 1):
        after = harness.run(ended, [probe]).samples[probe][short:]
        if after[:, lengths == short].any():
            raise Failed("membranes are shown after the end of a sample, where 0 is to be given")


# Half of what membranes may differ by, in thresholds, where two runs of one stimulus differ at all.
VARIES = 0.05
# Runs of one stimulus on a device that varies, mapped twice, give counts this far apart at most;
# half of the steps gives half of them, and a neuron that adapts somewhat more.
APART, HALF = 1.5, 1.2


@check(needs.REPEATS)
def same_trial_same_run(harness: Harness) -> None:
    """Where runs are deterministic, the same trial gives the same run."""
    stimulus, probes = harness.work(), list_shown_probes(harness)
    first = harness.run(stimulus, probes, trial=3)
    harness.run(harness.drive_all(), trial=4)
    harness.run(stimulus, trial=None)
    difference = find_difference(first, harness.run(stimulus, probes, trial=3))
    if difference:
        raise Failed(f"trial 3, run twice: {difference}")


@check()
def every_run_starts_from_reset(harness: Harness) -> None:
    """What ran before leaves nothing behind in a run."""
    strong = harness.drive_all()
    check_unchanged(harness, "a strong one", lambda trial: harness.run(strong, trial=trial))


@check(needs.INVARIANT)
def a_batch_equals_its_parts(harness: Harness) -> None:
    """A batch of samples gives what they give one by one, and half of it by itself."""
    stimulus, exact = harness.work(), is_noiseless(harness)
    singles = [np.array([b]) for b in range(stimulus.batch)]
    halves = np.array_split(np.arange(stimulus.batch), 2)
    for what, rows in (("samples one by one", singles), ("halves by themselves", halves)):
        parts = [stimulus.part(each) for each in rows]
        check_alike(
            f"a batch, and its {what}",
            lambda trial: harness.run(stimulus, trial=trial).counts,
            lambda trial: np.concatenate(
                [harness.run(each, trial=trial).counts for each in parts]  # noqa: B023
            ),
            exact,
        )


@check(look="where _run takes the number of steps from, and how far it counts")
def runs_are_as_long_as_asked(harness: Harness) -> None:
    """A run lasts as long as its stimulus, whatever the length of the first one."""
    steps = harness.steps
    skip_if(steps < 4, "runs are too short")
    stimulus = harness.work()
    short = stimulus.between(0, steps // 2)

    def run_after(first: Stimulus, then: Stimulus) -> NDArray[np.int32]:
        harness.configure()
        harness.work()
        harness.run(first)
        return harness.run(then).counts

    for what, first, then in (("shorter", short, stimulus), ("longer", stimulus, short)):
        runs = f"a run of {then.steps} steps after one as long, and after a {what} one"
        one, two = run_after(then, then), run_after(first, then)
        if harness.info.abilities.deterministic:
            check_same(runs, one, two)
        low, high = sorted((int(one.sum()), int(two.sum())))
        if high > APART * low + harness.batch * harness.neurons / 2:
            raise Failed(f"{runs}: {one.sum()} and {two.sum()} spikes")
    harness.clear()
    harness.write(np.eye(harness.neurons))
    half, whole = (harness.count_spikes(harness.drive_all(steps=n)) for n in (steps // 2, steps))
    if whole < HALF * half and harness.info.neuron.spikes_per_run is None:
        raise Failed(f"{half} spikes in {steps // 2} steps of a strong drive, {whole} in {steps}")


@check(look="whether _run resets membranes, and whose samples it answers with")
def membranes_start_from_reset(harness: Harness) -> None:
    """Membranes are those of their own run, the same after a strong one as before it."""
    view = harness.require_view("membrane")
    probe = harness.probe(view.offer, view.offer.reductions[0])
    scatter, stimulus = measure_noise(harness, probe, view.depth), harness.work(view.depth)
    before = harness.run(stimulus, [probe]).samples[probe]
    harness.run(harness.drive_all(), [probe])
    after = harness.run(stimulus, [probe]).samples[probe]
    if scatter:  # a device that varies may vary more from here to there than between two runs
        swing = abs(harness.info.neuron.membrane.threshold - harness.info.neuron.membrane.rest)
        scatter = max(2 * scatter, VARIES * swing)
    if not is_near(harness, probe, before, after, scatter):
        apart = measure_spread(before, after)
        raise Failed(f"membranes differ by {apart:g} after a strong run")


@check(needs.BURSTS, look="how _run counts, and at info.neuron.spikes_per_step")
def several_spikes_of_a_step_are_counted(harness: Harness) -> None:
    """Where info states several spikes a step, a drive of several thresholds counts as much."""
    harness.clear()
    harness.write(1.0)
    fired = int(harness.run(harness.drive_all()).counts.max())
    stated, drive = harness.info.neuron.spikes_per_step, harness.neurons * DRIVE
    rest = 1 + (harness.info.neuron.refractory or 0)
    if fired <= harness.steps * max(1, 0.8 * min(stated, drive / 2) / rest):
        raise Failed(
            f"spikes_per_step = {stated} is stated, but under "
            f"{drive:g} thresholds a step at most {fired} spikes are counted in "
            f"{harness.steps} steps"
        )


@check(needs.CARRIES, look="what _run keeps of membranes and of events on their way for carry=True")
def a_run_carries_on(harness: Harness) -> None:
    """Where info says runs_on, a run in two parts gives what it gives in one."""
    skip_if(harness.steps < 2, "runs are too short to be parted")
    depth = min(2, harness.info.capacity.layers)
    exact = is_noiseless(harness, depth)
    whole, first = harness.work(depth), max(1, harness.steps * 2 // 5)
    parts = whole.between(0, first), whole.between(first, whole.steps)
    probes = probe_each_step(harness, depth)

    def in_two(trial: int) -> tuple[NDArray[np.int32], Readout]:
        begun = harness.run(parts[0], trial=trial).counts
        rest = harness.device.run(parts[1], probes, trial=trial + 1000, carry=True)
        return np.asarray(begun + rest.counts, np.int32), rest

    what = f"a run of {whole.steps} steps, and one of {first} that is carried on"
    check_alike(
        what,
        lambda trial: harness.run(whole, trial=trial).counts,
        lambda trial: in_two(trial)[0],
        exact,
    )
    # Noise may show in membranes alone.
    for probe in probes if is_noiseless(harness, depth, probes) else ():
        ends = [
            harness.info.neuron.membrane.in_thresholds(readout.samples[probe].astype(np.float32))
            for readout in (harness.run(whole, probes), in_two(0)[1])
        ]
        apart = float(np.abs(ends[0][-1] - ends[1][-1]).max())
        if apart > ROUNDING:
            raise Failed(f"{what}: the last membranes are {apart:.3g} thresholds apart")
