"""Checks that a run depends on its stimulus, the weights and the trial, and on nothing else."""

from __future__ import annotations

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.comparing import (
    IDLE,
    ROUNDING,
    check_alike,
    check_same,
    check_unchanged,
    find_difference,
    is_near,
    is_noiseless,
    measure_noise,
    measure_spread,
    probe_each_step,
    shown_probes,
)
from drivers.conformance.harness import DRIVE, Failed, Harness, NotApplicable, skip_if
from drivers.contract.info import StimulusKind
from drivers.contract.messages import Readout, Stimulus
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
        kind: harness.count_spikes(harness.everything(kind)) for kind in harness.info.offers.stimuli
    }
    if max(fired.values()) > FACTOR * min(fired.values()) + harness.batch * harness.neurons:
        told = ", ".join(f"{kind}: {count}" for kind, count in fired.items())
        raise Failed(f"output spikes of the same drive: {told}")


def other_kinds_are_refused(harness: Harness) -> None:
    """A kind of stimulus that is not stated raises StimulusError."""
    others = [kind for kind in get_args(StimulusKind) if kind not in harness.info.offers.stimuli]
    skip_if(not others, "the device takes every kind of stimulus")
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
    skip_if(size < 4, "the device runs less than four samples, or steps, at a time")
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
    kinds, offer = harness.timed_kinds, harness.require_offer("spikes", "none")
    probe = harness.probe(offer, 1, "none")
    harness.clear()
    harness.write(np.eye(harness.neurons))
    half = harness.steps // 2
    for kind in kinds:
        late_drive = harness.pulse(harness.steps, slice(half, None), kind)
        raster = harness.run(late_drive, [probe]).samples[probe]
        early, late = int(raster[:half].sum()), int(raster[half:].sum())
        if not late or early > IDLE * late:
            raise Failed(f"{kind}: {early} spikes before the drive began, {late} after it")


def inputs_are_kept_apart(harness: Harness) -> None:
    """In every kind of stimulus, each input drives through its own weights."""
    harness.clear()
    lit = np.arange(harness.neurons) % 3 == 1
    skip_if(not lit.any(), "the device has room for one neuron only")
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
    skip_if("spikes" not in harness.info.offers.stimuli, "the device takes no spikes")
    share = harness.working_share
    skip_if(share > 0.5, "twice the weight at which neurons fire is beyond the full scale")
    harness.clear()
    groups = np.ones((harness.batch, harness.neurons))
    fired = []
    for weight, events in ((share, 1), (share, 2), (2 * share, 1)):
        harness.write(weight * np.eye(harness.neurons))
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
    kinds, n, half = harness.timed_kinds, harness.neurons, min(harness.steps // 2, 8)
    skip_if(n < 2 or half < 2, "there is room for one neuron only, or runs are too short")
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
            harness.count_spikes(harness.stimulus(active, kind)) for active in (first, first[::-1])
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
    exact, stimulus = is_noiseless(harness), harness.work()
    lengths = np.full(stimulus.batch, stimulus.steps)
    lengths[:: 2 if stimulus.batch > 1 else 1] = short = max(1, stimulus.steps // 2)
    ended = _with_lengths(stimulus, lengths)

    def alone(trial: int) -> NDArray[np.int32]:
        counts = harness.run(harness.begin(stimulus, short), trial=trial).counts
        counts[lengths > short] = harness.run(stimulus, trial=trial).counts[lengths > short]
        return counts

    check_alike(
        f"samples of {short} steps among some of {stimulus.steps}, and by themselves (look at what "
        "_run does with Stimulus.lengths)",
        lambda trial: harness.run(ended, trial=trial).counts,
        alone,
        exact,
    )
    for probe in probe_each_step(harness, 1):
        after = harness.run(ended, [probe]).samples[probe][short:]
        if after[:, lengths == short].any():
            raise Failed(
                "membranes are shown after the end of a sample: give 0, as sampling.answer does "
                "with Stimulus.lengths"
            )


def _with_lengths(stimulus: Stimulus, lengths: NDArray[np.int64]) -> Stimulus:
    if stimulus.kind == "current":
        return Stimulus.current(stimulus.data, steps=stimulus.steps, lengths=lengths)
    if stimulus.kind == "current_trace":
        return Stimulus.current_trace(stimulus.data, lengths=lengths)
    return Stimulus.spikes(stimulus.data, steps=stimulus.steps, lengths=lengths)


# Half of what membranes may differ by, in thresholds, where two runs of one stimulus differ at all.
VARIES = 0.05
# Runs of one stimulus on a device that varies, mapped twice, give counts this far apart at most;
# half of the steps gives half of them.
LENGTHS = 1.5


def same_trial_same_run(harness: Harness) -> None:
    """Where runs are deterministic, the same trial gives the same run."""
    skip_if(not harness.info.abilities.deterministic, "info says that runs are not deterministic")
    stimulus, probes = harness.work(), shown_probes(harness, 1, 1)
    first = harness.run(stimulus, probes, trial=3)
    harness.run(harness.everything(), trial=4)
    harness.run(stimulus, trial=None)
    found = find_difference(first, harness.run(stimulus, probes, trial=3))
    if found:
        raise Failed(f"trial 3, run twice: {found}")


def every_run_starts_from_reset(harness: Harness) -> None:
    """What ran before leaves nothing behind in a run."""
    stimulus, strong = harness.work(), harness.everything()

    def after_strong(trial: int) -> NDArray[np.int32]:
        harness.run(strong, trial=trial)
        return harness.run(stimulus, trial=trial).counts

    check_unchanged(harness, stimulus, "a strong one", after_strong)


def _require_invariance(harness: Harness) -> None:
    skip_if(harness.batch < 2, "the device runs one sample at a time")
    if not harness.info.abilities.batch_invariant:
        raise NotApplicable("info says that the place in a batch matters")


def batch_equals_single_runs(harness: Harness) -> None:
    """A batch of samples gives what they give one by one."""
    _require_invariance(harness)
    stimulus = harness.work()
    singles = [stimulus.part(np.array([b])) for b in range(stimulus.batch)]
    check_alike(
        "a batch, and its samples one by one",
        lambda trial: harness.run(stimulus, trial=trial).counts,
        lambda trial: np.concatenate([harness.run(one, trial=trial).counts for one in singles]),
        is_noiseless(harness),
    )


def smaller_batch_is_part_of_the_larger(harness: Harness) -> None:
    """The first samples of a batch give what they give without the others."""
    _require_invariance(harness)
    stimulus = harness.work()
    half = harness.batch // 2
    part = stimulus.part(np.arange(half))
    check_alike(
        "the first half of a batch, and that half alone",
        lambda trial: harness.run(stimulus, trial=trial).counts[:half],
        lambda trial: harness.run(part, trial=trial).counts,
        is_noiseless(harness),
    )


def readouts_stay_as_they_are(harness: Harness) -> None:
    """What a run gave is not changed by the next one."""
    stimulus, probes = harness.work(), shown_probes(harness, 1, 1)
    readout = harness.run(stimulus, probes, trial=0)
    kept = [readout.counts.copy(), *(readout.samples[probe].copy() for probe in probes)]
    harness.run(harness.everything(), probes, trial=1)
    now = [readout.counts, *(readout.samples[probe] for probe in probes)]
    if not all(np.array_equal(a, b) for a, b in zip(kept, now, strict=True)):
        raise Failed("the arrays of a readout changed when the device ran again")


def arguments_are_left_alone(harness: Harness) -> None:
    """Weights and stimuli that are handed over are neither changed nor kept."""
    network = harness.configure()
    device, stimulus = harness.device, harness.everything()
    weights = np.repeat(np.eye(harness.neurons, dtype=np.float32), harness.group, axis=0)
    weights *= np.float32(0.5 * harness.full_scale)
    given = weights.copy()
    stored = device.write_weights(0, weights)
    data = stimulus.dense().copy()
    before = harness.run(stimulus).counts
    if not (np.array_equal(weights, given) and np.array_equal(stimulus.dense(), data)):
        raise Failed("the driver changed an array that it was given")
    for array in (weights, stored):
        array[...] = 0
    after = harness.run(stimulus).counts
    if int(after.sum()) < before.sum() / 2:
        raise Failed(
            "the weights on the device changed with an array of "
            f"{network.layers[0]} x {network.layers[1]} that was handed over"
        )


def counts_are_whole_and_not_below_zero(harness: Harness) -> None:
    """Output counts are integers of at least 0, and samples are finite numbers."""
    stimulus, probes = harness.work(), shown_probes(harness, 1, 1)
    readout = harness.run(stimulus, probes)
    if readout.counts.dtype.kind not in "iu":
        raise Failed(f"counts are {readout.counts.dtype}: give int32")
    if readout.counts.min() < 0:
        raise Failed(f"counts reach down to {readout.counts.min()}")
    if readout.steps != stimulus.steps:
        raise Failed(f"readout.steps = {readout.steps} after a run of {stimulus.steps} steps")
    for probe in probes:
        if not np.isfinite(readout.samples[probe].astype(np.float64)).all():
            raise Failed(f"the {probe.quantity} of layer {probe.layer} is not finite")


def runs_are_as_long_as_asked(harness: Harness) -> None:
    """A run lasts as long as its stimulus, whatever the length of the first one."""
    steps = harness.steps
    skip_if(steps < 4, "runs are too short")
    stimulus = harness.work()
    short = harness.begin(stimulus, steps // 2)

    def fresh(first: Stimulus, then: Stimulus) -> NDArray[np.int32]:
        harness.configure()
        harness.work()
        harness.run(first)
        return harness.run(then).counts

    for what, first, then in (("shorter", short, stimulus), ("longer", stimulus, short)):
        told = f"a run of {then.steps} steps after one as long, and after a {what} one"
        one, two = fresh(then, then), fresh(first, then)
        if harness.info.abilities.deterministic:
            check_same(told, one, two)
        low, high = sorted((int(one.sum()), int(two.sum())))
        if high > LENGTHS * low + harness.batch * harness.neurons / 2:
            raise Failed(f"{told}: {one.sum()} and {two.sum()} spikes")
    strong = harness.everything()
    half = harness.count_spikes(harness.begin(strong, steps // 2))
    whole = harness.count_spikes(strong)
    if whole <= half:
        raise Failed(
            f"{half} spikes in {steps // 2} steps of a strong drive, and {whole} in {steps}: look "
            "at where _run takes the number of steps from"
        )


def membranes_start_from_reset(harness: Harness) -> None:
    """Membranes are those of their own run, the same after a strong one as before it."""
    offer = harness.require_offer("membrane")
    stimulus, probe = harness.work(), harness.probe(offer, 1, offer.reductions[0])
    scatter = measure_noise(harness, probe)
    before = harness.run(stimulus, [probe]).samples[probe]
    harness.run(harness.everything(), [probe])
    after = harness.run(stimulus, [probe]).samples[probe]
    if scatter:  # a device that varies may vary more from here to there than between two runs
        swing = abs(harness.info.neuron.membrane.threshold - harness.info.neuron.membrane.rest)
        scatter = max(2 * scatter, VARIES * swing)
    if not is_near(harness, probe, before, after, scatter):
        raise Failed(
            f"membranes differ by {measure_spread(before, after):g} after a strong run: look at "
            "whether _run resets them, and whose samples it answers with"
        )


def several_spikes_of_a_step_are_counted(harness: Harness) -> None:
    """Where info states several spikes a step, a drive of several thresholds counts as much."""
    most = harness.info.neuron.spikes_per_step
    skip_if(most == 1, "info states one spike a step")
    harness.clear()
    harness.write(1.0)
    fired = int(harness.run(harness.everything()).counts.max())
    if fired <= harness.steps:
        raise Failed(
            f"spikes_per_step = {most} is stated, but under {harness.neurons * DRIVE:g} thresholds "
            f"a step at most {fired} spikes are counted in {harness.steps} steps: look at how "
            "_run counts, and at info.neuron.spikes_per_step"
        )


def a_run_carries_on(harness: Harness) -> None:
    """Where info says runs_on, a run in two parts gives what it gives in one."""
    skip_if(not harness.info.abilities.runs_on, "info says that each run begins from reset")
    skip_if(harness.steps < 2, "runs are too short to be parted")
    exact, depth = is_noiseless(harness), min(2, harness.info.capacity.layers)
    whole, first = harness.work(depth), max(1, harness.steps * 2 // 5)
    parts, probes = _split_steps(whole, first), probe_each_step(harness, depth)

    def in_two(trial: int) -> tuple[NDArray[np.int32], Readout]:
        begun = harness.run(parts[0], trial=trial).counts
        rest = harness.device.run(parts[1], probes, trial=trial + 1000, carry=True)
        return np.asarray(begun + rest.counts, np.int32), rest

    told = (
        f"a run of {whole.steps} steps, and one of {first} that {whole.steps - first} more carry "
        f"on (look at what _run keeps of membranes and of events on their way for carry=True)"
    )
    check_alike(
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


def _split_steps(stimulus: Stimulus, first: int) -> tuple[Stimulus, Stimulus]:
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
