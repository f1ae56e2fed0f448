"""Do neurons fire, reset and leak as info states? Asked without a raster."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.kit.charge import flows_for
from drivers.conformance.kit.comparing import noiseless
from drivers.conformance.kit.ending import Failed, NotApplicable
from drivers.conformance.kit.harness import DRIVE, Harness
from drivers.conformance.kit.verdict import Check
from drivers.contract.info import ProbeOffer
from drivers.contract.messages import Stimulus

# Drive, in thresholds a step, at which a neuron of any model and spread fires now and then.
NOW_AND_THEN = (0.12, 0.8)
# How far the time constant may be from what `decay` states, as a factor.
TIME_CONSTANT = 1.6
# Membranes of a hard reset under a strong drive, in thresholds: they cannot grow beyond it.
GROWN = 2.5
# Of the rates between a spike in every step and one in every third, the share that a soft reset
# leaves between the whole intervals of a hard one, at least.
BETWEEN = 0.1
# An event that makes a neuron fire once, in thresholds, within so many steps; which shares of all
# neurons count as few and as most; and the membrane, in thresholds, between what such a neuron
# shows before its reset, `ONCE`, and after it, `ONCE - 1` or less.
ONCE, LATEST, FEW, MOST = 1.5, 3, 0.1, 0.7
BETWEEN_RESETS = 0.75


def neurons_fire_at_the_stated_threshold(harness: Harness) -> None:
    """The drive that makes neurons fire now and then is a share of the threshold a step."""
    if harness.share is None:
        raise NotApplicable("no weight was found at which neurons fire now and then")
    drive = harness.share * harness.group * harness.full_scale * harness.amplitude
    if not NOW_AND_THEN[0] <= drive <= NOW_AND_THEN[1]:
        raise Failed(
            f"it takes {drive:.2g} thresholds a step to fire now and then, not about 0.25: look at "
            "how _write and _configure turn weights, full scale and threshold into the device's"
        )


def membranes_show_the_step_of_a_spike(harness: Harness) -> None:
    """In the step of its first spike a membrane is at its highest before the reset, or reset."""
    offer = harness.info.offer("membrane", 1, 1)
    if offer is None or offer.every > 1 or harness.share is None:
        raise NotApplicable("the device does not show membranes of every step")
    if not noiseless(harness):
        _shows_one_spike(harness, offer)
        return
    stimulus, longest = harness.work(), min(harness.steps, 16)
    counts, shown = [], []
    for steps in range(1, longest + 1):
        found, membranes = _run_of(harness, offer, stimulus, steps)
        counts.append(found[:, : membranes.shape[-1]])
        shown.append(membranes)
    series = _of_each_step(shown, offer)
    first = np.argmax(np.array(counts) > 0, axis=0)
    place = np.nonzero((first > 0) & (first < longest - 1))
    if place[0].size < 4:
        raise NotApplicable("too few neurons fired for the first time after the first step")
    rise = series[first[place], *place] - series[first[place] - 1, *place]
    fall = series[first[place], *place] - series[first[place] + 1, *place]
    before = offer.sampled == "before_reset"
    again = harness.info.neuron.spikes_per_step > 1  # the next step may have its own reset
    fits = (rise > 0) & (fall > 0) if before else (rise < 0) & ((fall <= 0) | again)
    if float(np.mean(fits)) < 0.5:
        raise Failed(
            f"sampled is stated as {offer.sampled}, but to the step of its first spike a membrane "
            f"moves by {np.median(rise):+.2f} thresholds, and by {-np.median(fall):+.2f} after it: "
            "look at when _run takes samples, and at ProbeOffer.sampled"
        )


def reset_is_as_stated(harness: Harness) -> None:
    """A soft reset keeps what is above the threshold, a hard one does not."""
    info = harness.info
    if info.neuron.spikes_per_step > 1 or harness.share is None:
        raise NotApplicable("neurons fire several times a step, or not now and then")
    if info.neuron.reset is None:
        found = "soft" if _keeps_the_rest(harness, harness.share) else "hard"
        raise NotApplicable(f"info does not say; measured: {found}")
    if info.neuron.reset == "soft":
        if not _keeps_the_rest(harness, harness.share):
            raise Failed(
                "reset is stated as soft, but the steps from spike to spike are whole numbers at "
                "every drive, as after a hard one: look at what a spike leaves of the membrane, "
                "and at info.neuron.reset"
            )
        return
    offer = info.offer("membrane", 1, 1)
    if offer is None:
        raise NotApplicable("a hard reset is told from membranes, which the device does not show")
    harness.clear()
    harness.write(np.eye(harness.neurons))
    steps = max(harness.steps, offer.every)
    _, late = _run_of(harness, offer, harness.everything(), steps)
    grown = float(np.median(late))
    if grown > GROWN * DRIVE:
        raise Failed(
            f"reset is stated as hard, but membranes grow to {grown:.2f} thresholds under "
            f"{DRIVE:g} a step: look at what a spike leaves of the membrane, and at "
            "info.neuron.reset"
        )


def decay_is_as_stated(harness: Harness) -> None:
    """What is left of a membrane without input falls as info.neuron.decay says."""
    offer, decay = harness.info.offer("membrane", 1, 1), harness.info.neuron.decay
    kinds = [kind for kind in harness.info.offers.stimuli if kind != "current"]
    if decay is None or not 0.3 < decay < 0.995 or offer is None or offer.every > 1 or not kinds:
        raise NotApplicable("info states no decay, or the device does not show it step by step")
    first = 3 + flows_for(harness.info)
    wait = max(2, min(round(-1.0 / math.log(decay)), (harness.steps - first - 1) // 2))
    if harness.share is None or first + wait + 1 > harness.steps:
        raise NotApplicable("no weight was found at which neurons fire, or runs are too short")
    # One event of half a threshold, and then nothing.
    harness.clear()
    share = 0.5 / (harness.group * harness.full_scale * harness.amplitude)
    stored = harness.write(share * np.eye(harness.neurons))
    if not 0.5 < stored.max() * harness.group * harness.amplitude / 0.5 < 1.7:
        raise NotApplicable("the levels are too coarse for half a threshold")
    left, unit = [], 0.0
    for steps in (first, first + wait, min(first + 2 * wait, harness.steps)):
        active = np.zeros((steps, harness.batch, harness.neurons))
        dark = harness.stimulus(active, kinds[0])
        active[0] = 1
        lit = harness.stimulus(active, kinds[0])
        shown = last_membranes(harness, offer, lit)
        left.append(shown - last_membranes(harness, offer, dark))
        unit = max(unit, _whole(harness, shown))
    begin, end, later = (float(np.median(each)) for each in left)
    if begin < 0.05:
        raise NotApplicable("half a threshold moves no membrane that could be seen")
    measured = -wait / math.log(min(max(end / begin, 1e-6), 1 - 1e-6))
    stated = -1 / math.log(decay)
    rounded = unit * (1 - decay**wait) / (1 - decay)  # a unit a step, less what leaks of that
    if abs(end - begin * decay**wait) <= rounded:
        return
    if not 1 / TIME_CONSTANT < measured / stated < TIME_CONSTANT:
        flows = end - later > 1.5 * (begin - end) and first == 3
        raise Failed(
            f"decay = {decay:.3g} is stated, {math.exp(-1 / measured):.3g} of a membrane is left "
            "after a step: look at how often _run applies the leak, and at info.neuron.decay"
            + (", or state the time constant of a current by a setting of role synapse" * flows)
        )


def means_are_over_all_steps(harness: Harness) -> None:
    """What moves a membrane early in a run moves its mean more than what comes late."""
    offer = harness.info.offer("membrane", 1, 1)
    kinds = [kind for kind in harness.info.offers.stimuli if kind != "current"]
    if offer is None or "mean" not in offer.reductions or not kinds or harness.share is None:
        raise NotApplicable("the device shows no means, or takes constant currents only")
    steps = max(20, 6 * offer.every)
    if steps > harness.info.capacity.steps:
        raise NotApplicable("runs are too short")
    harness.clear()
    share = 0.5 / (harness.group * harness.full_scale * harness.amplitude)
    harness.write(min(share, 1.0) * np.eye(harness.neurons))
    probe, means = harness.probe(offer, 1, "mean"), []
    for step in (0, steps - 3, None):
        active = np.zeros((steps, harness.batch, harness.neurons))
        if step is not None:
            active[step] = 1
        found = harness.run(harness.stimulus(active, kinds[0]), [probe]).samples[probe]
        shown = harness.info.neuron.membrane.in_thresholds(found.astype(np.float32))
        means.append(float(np.median(shown)))
    early, late = means[0] - means[2], means[1] - means[2]
    if late > early + 0.01:
        raise Failed(
            f"half a threshold in the first of {steps} steps moves the mean by {early:.3f}, in the "
            f"last but two by {late:.3f}: look at which steps _run takes the mean over"
        )


CHECKS: tuple[Check, ...] = (
    neurons_fire_at_the_stated_threshold,
    membranes_show_the_step_of_a_spike,
    reset_is_as_stated,
    decay_is_as_stated,
    means_are_over_all_steps,
)


def _shows_one_spike(harness: Harness, offer: ProbeOffer) -> None:
    """The membrane in the step of a spike that one event makes nearly every neuron fire.

    A longer run of a noisy device does not begin as a shorter one, but many neurons together tell.
    """
    kinds = sorted(harness.info.offers.stimuli)  # a constant current comes first
    kind = kinds[-1]
    harness.clear()
    share = ONCE / (harness.group * harness.full_scale * harness.amplitude)
    harness.write(min(share, 1.0) * np.eye(harness.neurons))
    fired, waiting = np.zeros(0, np.bool_), 0.0
    for steps in range(1, LATEST + 1):
        active = np.ones((steps, harness.batch, harness.neurons))
        active[1:] = 0
        event = harness.stimulus(active[0] if kind == "current" else active, kind, steps)
        counts, shown = _run_of(harness, offer, event, steps)
        fired = counts[:, : shown.shape[-1]] > 0
        if fired.mean() > FEW or kind == "current":
            break
        waiting = float(fired.mean())
    if fired.mean() < MOST or waiting > FEW or not {"last", "none"} & {*offer.reductions}:
        raise NotApplicable("runs differ, and one event does not make all neurons fire at once")
    seen = float(np.median(shown[fired]))
    if (seen > BETWEEN_RESETS) != (offer.sampled == "before_reset"):
        raise Failed(
            f"sampled is stated as {offer.sampled}, but in the step in which an event of {ONCE} "
            f"thresholds makes them fire, membranes are at {seen:.2f} thresholds: look at when "
            "_run takes samples, and at ProbeOffer.sampled"
        )


def _whole(harness: Harness, shown: NDArray[np.float32]) -> float:
    """A unit of a membrane that counts in whole numbers, in thresholds; 0 of any other."""
    membrane = harness.info.neuron.membrane
    unit = 1 / abs(membrane.threshold - membrane.rest)
    parts = shown / unit
    return unit if unit < 1 and np.abs(parts - np.rint(parts)).max() < 1e-3 else 0.0


def _keeps_the_rest(harness: Harness, share: float) -> bool:
    """Whether mean intervals lie between whole steps, as they do where charge is kept.

    Those of neurons that rest after a spike are longer by as many steps.
    """
    harness.clear()
    rates = []
    for factor in 2.0 ** np.arange(0, 3.01, 0.2):
        if share * factor <= 1:
            harness.write(share * factor * np.eye(harness.neurons))
            rates.append(harness.run(harness.everything()).counts / harness.steps)
    intervals = 1 / np.maximum(np.concatenate(rates), 1e-3).ravel()
    intervals -= max(np.rint(intervals.min()) - 1, 0)
    intervals = intervals[(intervals > 1.02) & (intervals < 3.2)]
    if intervals.size < 8:
        raise NotApplicable("no weight was found at which neurons fire in every second step")
    return float(np.mean(np.abs(intervals - np.rint(intervals)) > 0.2)) >= BETWEEN


def _run_of(
    harness: Harness, offer: ProbeOffer, stimulus: Stimulus, steps: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Counts, and the last or mean membranes in thresholds, of the first steps of a stimulus."""
    reduce = next(r for r in ("last", "none", "mean") if r in offer.reductions)
    probe = harness.probe(offer, 1, reduce)
    found = harness.run(harness.begin(stimulus, steps), [probe])
    samples = found.samples[probe][-1] if reduce == "none" else found.samples[probe]
    return found.counts, harness.info.neuron.membrane.in_thresholds(samples.astype(np.float32))


def last_membranes(harness: Harness, offer: ProbeOffer, stimulus: Stimulus) -> NDArray[np.float32]:
    """Membranes of the last step, in thresholds."""
    _, shown = _run_of(harness, offer, stimulus, stimulus.steps)
    if "none" in offer.reductions or "last" in offer.reductions:
        return shown
    shorter = _run_of(harness, offer, stimulus, stimulus.steps - 1)[1]
    return shown * stimulus.steps - shorter * (stimulus.steps - 1)


def _of_each_step(shown: list[NDArray[np.float32]], offer: ProbeOffer) -> NDArray[np.float32]:
    """Membranes of each step from those of runs of 1, 2, 3 ... steps."""
    series = np.array(shown)
    if "none" in offer.reductions or "last" in offer.reductions:
        return series
    sums = series * np.arange(1, len(series) + 1, dtype=np.float32)[:, None, None]
    return np.diff(sums, axis=0, prepend=0)
