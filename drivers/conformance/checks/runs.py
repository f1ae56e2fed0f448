"""Does a run depend on the stimulus, the weights and the trial, and on nothing else?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.kit.comparing import (
    ROUNDING,
    alike,
    difference,
    each_step,
    near,
    noise,
    noiseless,
    same,
    shown,
    spread,
    unchanged,
)
from drivers.conformance.kit.ending import Failed, NotApplicable
from drivers.conformance.kit.harness import DRIVE, Harness
from drivers.conformance.kit.verdict import Check
from drivers.contract.messages import Readout, Stimulus

# Half of what membranes may differ by, in thresholds, where two runs of one stimulus differ at all.
VARIES = 0.05
# Runs of one stimulus on a device that varies, mapped twice, give counts this far apart at most;
# half of the steps gives half of them.
LENGTHS = 1.5


def same_trial_same_run(harness: Harness) -> None:
    """Where runs are deterministic, the same trial gives the same run."""
    if not harness.info.abilities.deterministic:
        raise NotApplicable("info says that runs are not deterministic")
    stimulus, probes = harness.work(), shown(harness, 1, 1)
    first = harness.run(stimulus, probes, trial=3)
    harness.run(harness.everything(), trial=4)
    harness.run(stimulus, trial=None)
    found = difference(first, harness.run(stimulus, probes, trial=3))
    if found:
        raise Failed(f"trial 3, run twice: {found}")


def every_run_starts_from_reset(harness: Harness) -> None:
    """What ran before leaves nothing behind in a run."""
    stimulus, strong = harness.work(), harness.everything()

    def after_strong(trial: int) -> NDArray[np.int32]:
        harness.run(strong, trial=trial)
        return harness.run(stimulus, trial=trial).counts

    unchanged(harness, stimulus, "a strong one", after_strong)


def _check_invariant(harness: Harness) -> None:
    if harness.batch < 2:
        raise NotApplicable("the device runs one sample at a time")
    if not harness.info.abilities.batch_invariant:
        raise NotApplicable("info says that the place in a batch matters")


def batch_equals_single_runs(harness: Harness) -> None:
    """A batch of samples gives what they give one by one."""
    _check_invariant(harness)
    stimulus = harness.work()
    singles = [stimulus.part(np.array([b])) for b in range(stimulus.batch)]
    alike(
        "a batch, and its samples one by one",
        lambda trial: harness.run(stimulus, trial=trial).counts,
        lambda trial: np.concatenate([harness.run(one, trial=trial).counts for one in singles]),
        noiseless(harness),
    )


def smaller_batch_is_part_of_the_larger(harness: Harness) -> None:
    """The first samples of a batch give what they give without the others."""
    _check_invariant(harness)
    stimulus = harness.work()
    half = harness.batch // 2
    part = stimulus.part(np.arange(half))
    alike(
        "the first half of a batch, and that half alone",
        lambda trial: harness.run(stimulus, trial=trial).counts[:half],
        lambda trial: harness.run(part, trial=trial).counts,
        noiseless(harness),
    )


def readouts_stay_as_they_are(harness: Harness) -> None:
    """What a run gave is not changed by the next one."""
    stimulus, probes = harness.work(), shown(harness, 1, 1)
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
    stimulus, probes = harness.work(), shown(harness, 1, 1)
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
    if steps < 4:
        raise NotApplicable("runs are too short")
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
            same(told, one, two)
        low, high = sorted((int(one.sum()), int(two.sum())))
        if high > LENGTHS * low + harness.batch * harness.neurons / 2:
            raise Failed(f"{told}: {one.sum()} and {two.sum()} spikes")
    strong = harness.everything()
    half = int(harness.run(harness.begin(strong, steps // 2)).counts.sum())
    whole = int(harness.run(strong).counts.sum())
    if whole <= half:
        raise Failed(
            f"{half} spikes in {steps // 2} steps of a strong drive, and {whole} in {steps}: look "
            "at where _run takes the number of steps from"
        )


def membranes_start_from_reset(harness: Harness) -> None:
    """Membranes are those of their own run, the same after a strong one as before it."""
    offer = harness.info.offer("membrane", 1, 1)
    if offer is None:
        raise NotApplicable("the device does not show membranes")
    stimulus, probe = harness.work(), harness.probe(offer, 1, offer.reductions[0])
    scatter = noise(harness, probe)
    before = harness.run(stimulus, [probe]).samples[probe]
    harness.run(harness.everything(), [probe])
    after = harness.run(stimulus, [probe]).samples[probe]
    if scatter:  # a device that varies may vary more from here to there than between two runs
        swing = abs(harness.info.neuron.membrane.threshold - harness.info.neuron.membrane.rest)
        scatter = max(2 * scatter, VARIES * swing)
    if not near(harness, probe, before, after, scatter):
        raise Failed(
            f"membranes differ by {spread(before, after):g} after a strong run: look at whether "
            "_run resets them, and whose samples it answers with"
        )


def several_spikes_of_a_step_are_counted(harness: Harness) -> None:
    """Where info states several spikes a step, a drive of several thresholds counts as much."""
    most = harness.info.neuron.spikes_per_step
    if most == 1:
        raise NotApplicable("info states one spike a step")
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
    if not harness.info.abilities.runs_on:
        raise NotApplicable("info says that each run begins from reset")
    if harness.steps < 2:
        raise NotApplicable("runs are too short to be parted")
    exact, depth = noiseless(harness), min(2, harness.info.capacity.layers)
    whole, first = harness.work(depth), max(1, harness.steps * 2 // 5)
    parts, probes = _parts(whole, first), each_step(harness, depth)

    def in_two(trial: int) -> tuple[NDArray[np.int32], Readout]:
        begun = harness.run(parts[0], trial=trial).counts
        rest = harness.device.run(parts[1], probes, trial=trial + 1000, carry=True)
        return np.asarray(begun + rest.counts, np.int32), rest

    told = (
        f"a run of {whole.steps} steps, and one of {first} that {whole.steps - first} more carry "
        f"on (look at what _run keeps of membranes and of events on their way for carry=True)"
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


CHECKS: tuple[Check, ...] = (
    counts_are_whole_and_not_below_zero,
    several_spikes_of_a_step_are_counted,
    same_trial_same_run,
    every_run_starts_from_reset,
    membranes_start_from_reset,
    runs_are_as_long_as_asked,
    batch_equals_single_runs,
    smaller_batch_is_part_of_the_larger,
    readouts_stay_as_they_are,
    arguments_are_left_alone,
    a_run_carries_on,
)


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
