"""Checks that neurons fire, reset, rest and leak as info states, in every layer and setting."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.charge import ChargeLadder, FiringCharges, peak_membrane, steps_of_inflow
from drivers.conformance.comparing import is_noiseless, last_membranes, run_first_steps
from drivers.conformance.harness import DRIVE, Failed, Harness, NotApplicable, skip_if
from drivers.contract.info import Arrival, ProbeOffer, Setting

# Drive, in thresholds a step, at which a neuron of any model and spread fires now and then.
NOW_AND_THEN = (0.12, 0.8)
# How far the time constant may be from what `decay` states, as a factor.
DECAY_FACTOR = 1.6
# Membranes of a hard reset under a strong drive, in thresholds: they cannot grow beyond it.
GROWN = 2.5
# Of the rates between a spike in every step and one in every third, the share that a soft reset
# leaves between the whole intervals of a hard one, at least.
BETWEEN = 0.1
# An event that makes a neuron fire once, in thresholds, within so many steps; which shares of all
# neurons count as few and as most; and the membrane, in thresholds, between what such a neuron
# shows before its reset, `FIRES_ONCE`, and after it, `FIRES_ONCE - 1` or less.
FIRES_ONCE, LATEST, FEW_NEURONS, MOST_NEURONS = 1.5, 3, 0.1, 0.7
BETWEEN_RESETS = 0.75


def neurons_fire_at_the_stated_threshold(harness: Harness) -> None:
    """The drive that makes neurons fire now and then is a share of the threshold a step."""
    drive = harness.working_share * harness.group * harness.full_scale * harness.amplitude
    if not NOW_AND_THEN[0] <= drive <= NOW_AND_THEN[1]:
        raise Failed(
            f"it takes {drive:.2g} thresholds a step to fire now and then, not about 0.25: look at "
            "how _write and _configure turn weights, full scale and threshold into the device's"
        )


def membranes_show_the_step_of_a_spike(harness: Harness) -> None:
    """In the step of its first spike a membrane is at its highest before the reset, or reset."""
    offer = harness.require_offer("membrane", every=1)
    skip_if(harness.share is None, "no weight was found at which neurons fire now and then")
    if not is_noiseless(harness):
        _check_one_spike(harness, offer)
        return
    stimulus, longest = harness.work(), min(harness.steps, 16)
    counts, shown = [], []
    for steps in range(1, longest + 1):
        found, membranes = run_first_steps(harness, offer, stimulus, steps)
        counts.append(found[:, : membranes.shape[-1]])
        shown.append(membranes)
    series = _difference_steps(shown, offer)
    first = np.argmax(np.array(counts) > 0, axis=0)
    place = np.nonzero((first > 0) & (first < longest - 1))
    skip_if(place[0].size < 4, "too few neurons fired for the first time after the first step")
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
    skip_if(info.neuron.spikes_per_step > 1, "neurons fire several times a step")
    share = harness.working_share
    if info.neuron.reset is None:
        measured = "soft" if _keeps_the_rest(harness, share) else "hard"
        raise NotApplicable(f"info does not say; measured: {measured}")
    if info.neuron.reset == "soft":
        if not _keeps_the_rest(harness, share):
            raise Failed(
                "reset is stated as soft, but the steps from spike to spike are whole numbers at "
                "every drive, as after a hard one: look at what a spike leaves of the membrane, "
                "and at info.neuron.reset"
            )
        return
    offer = harness.require_offer("membrane")
    harness.clear()
    harness.write(np.eye(harness.neurons))
    steps = max(harness.steps, offer.every)
    _, late = run_first_steps(harness, offer, harness.everything(), steps)
    grown = float(np.median(late))
    if grown > GROWN * DRIVE:
        raise Failed(
            f"reset is stated as hard, but membranes grow to {grown:.2f} thresholds under "
            f"{DRIVE:g} a step: look at what a spike leaves of the membrane, and at "
            "info.neuron.reset"
        )


def decay_is_as_stated(harness: Harness) -> None:
    """What is left of a membrane without input falls as info.neuron.decay says."""
    decay, kind = harness.info.neuron.decay, harness.timed_kinds[0]
    if decay is None or not 0.3 < decay < 0.995:
        raise NotApplicable("info states no decay, or one too fast or too slow to be seen")
    offer = harness.require_offer("membrane", every=1)
    first = 3 + steps_of_inflow(harness.info)
    wait = max(2, min(round(-1.0 / math.log(decay)), (harness.steps - first - 1) // 2))
    skip_if(harness.share is None, "no weight was found at which neurons fire now and then")
    skip_if(first + wait + 1 > harness.steps, "runs are too short")
    # One event of half a threshold, and then nothing.
    harness.clear()
    share = 0.5 / (harness.group * harness.full_scale * harness.amplitude)
    stored = harness.write(share * np.eye(harness.neurons))
    if not 0.5 < stored.max() * harness.group * harness.amplitude / 0.5 < 1.7:
        raise NotApplicable("the levels are too coarse for half a threshold")
    left, unit = [], 0.0
    for steps in (first, first + wait, min(first + 2 * wait, harness.steps)):
        shown = last_membranes(harness, offer, harness.pulse(steps, 0, kind))
        dark = last_membranes(harness, offer, harness.pulse(steps, None, kind))
        left.append(shown - dark)
        unit = max(unit, _unit_of_whole_numbers(harness, shown))
    begin, end, later = (float(np.median(each)) for each in left)
    skip_if(begin < 0.05, "half a threshold moves no membrane that could be seen")
    measured = -wait / math.log(min(max(end / begin, 1e-6), 1 - 1e-6))
    stated = -1 / math.log(decay)
    rounded = unit * (1 - decay**wait) / (1 - decay)  # a unit a step, less what leaks of that
    if abs(end - begin * decay**wait) <= rounded:
        return
    if not 1 / DECAY_FACTOR < measured / stated < DECAY_FACTOR:
        flows = end - later > 1.5 * (begin - end) and first == 3
        raise Failed(
            f"decay = {decay:.3g} is stated, {math.exp(-1 / measured):.3g} of a membrane is left "
            "after a step: look at how often _run applies the leak, and at info.neuron.decay"
            + (", or state the time constant of a current by a setting of role synapse" * flows)
        )


def means_are_over_all_steps(harness: Harness) -> None:
    """What moves a membrane early in a run moves its mean more than what comes late."""
    offer, kind = harness.require_offer("membrane", "mean"), harness.timed_kinds[0]
    skip_if(harness.share is None, "no weight was found at which neurons fire now and then")
    steps = max(20, 6 * offer.every)
    skip_if(steps > harness.info.capacity.steps, "runs are too short")
    harness.clear()
    share = 0.5 / (harness.group * harness.full_scale * harness.amplitude)
    harness.write(min(share, 1.0) * np.eye(harness.neurons))
    probe, means = harness.probe(offer, 1, "mean"), []
    for step in (0, steps - 3, None):
        found = harness.run(harness.pulse(steps, step, kind), [probe]).samples[probe]
        shown = harness.info.neuron.membrane.in_thresholds(found.astype(np.float32))
        means.append(float(np.median(shown)))
    early, late = means[0] - means[2], means[1] - means[2]
    if late > early + 0.01:
        raise Failed(
            f"half a threshold in the first of {steps} steps moves the mean by {early:.3f}, in the "
            f"last but two by {late:.3f}: look at which steps _run takes the mean over"
        )


def _check_one_spike(harness: Harness, offer: ProbeOffer) -> None:
    """The membrane in the step of a spike that one event makes nearly every neuron fire.

    A longer run of a noisy device does not begin as a shorter one, but many neurons together tell.
    """
    kinds = sorted(harness.info.offers.stimuli)  # a constant current comes first
    kind = kinds[-1]
    harness.clear()
    share = FIRES_ONCE / (harness.group * harness.full_scale * harness.amplitude)
    harness.write(min(share, 1.0) * np.eye(harness.neurons))
    fired, waiting = np.zeros(0, np.bool_), 0.0
    for steps in range(1, LATEST + 1):
        active = np.ones((steps, harness.batch, harness.neurons))
        active[1:] = 0
        event = harness.stimulus(active[0] if kind == "current" else active, kind, steps)
        counts, shown = run_first_steps(harness, offer, event, steps)
        fired = counts[:, : shown.shape[-1]] > 0
        if fired.mean() > FEW_NEURONS or kind == "current":
            break
        waiting = float(fired.mean())
    if (
        fired.mean() < MOST_NEURONS
        or waiting > FEW_NEURONS
        or not {"last", "none"} & {*offer.reductions}
    ):
        raise NotApplicable("runs differ, and one event does not make all neurons fire at once")
    seen = float(np.median(shown[fired]))
    if (seen > BETWEEN_RESETS) != (offer.sampled == "before_reset"):
        raise Failed(
            f"sampled is stated as {offer.sampled}, but in the step in which an event of "
            f"{FIRES_ONCE} thresholds makes them fire, membranes are at {seen:.2f} thresholds: "
            "look at when _run takes samples, and at ProbeOffer.sampled"
        )


def _unit_of_whole_numbers(harness: Harness, shown: NDArray[np.float32]) -> float:
    """A unit of a membrane that counts in whole numbers, in thresholds; 0 of any other."""
    membrane = harness.info.neuron.membrane
    unit = 1 / abs(membrane.threshold - membrane.rest)
    parts = shown / unit
    return unit if unit < 1 and np.abs(parts - np.rint(parts)).max() < 1e-3 else 0.0


def _keeps_the_rest(harness: Harness, share: float) -> bool:
    """Tell whether mean intervals lie between whole steps, as they do where charge is kept.

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
    skip_if(intervals.size < 8, "no weight was found at which neurons fire in every second step")
    return float(np.mean(np.abs(intervals - np.rint(intervals)) > 0.2)) >= BETWEEN


def _difference_steps(shown: list[NDArray[np.float32]], offer: ProbeOffer) -> NDArray[np.float32]:
    """Membranes of each step from those of runs of 1, 2, 3 ... steps."""
    series = np.array(shown)
    if "none" in offer.reductions or "last" in offer.reductions:
        return series
    sums = series * np.arange(1, len(series) + 1, dtype=np.float32)[:, None, None]
    return np.diff(sums, axis=0, prepend=0)


DEEPEST = 3
# By how much of itself the usual charge may be off: of neurons that are all alike, and of those
# of a chip, whose synapses fail and whose membranes have shapes of their own.
UNIFORM_OFF, SPREAD_OFF = 0.05, 0.45
# Neurons are alike up to this spread, where charges are told this finely.
SPREAD, FINE = 0.06, 0.1
# What is left after a step where nothing is stated, at least.
UNSTATED_DECAY = 0.75
# A charge that makes no neuron fire, and what of it is to be left when the next one comes.
TOO_LITTLE, LEFT = 0.6, 0.45
# How far a time constant may be from what a setting says, as a factor.
LEAK_FACTOR = 1.5
# Drive, in thresholds a step, under which a neuron fires as often as it can.
STRONG = 4.0
# Share of a run that spikes under such a drive fill, each with the steps that it takes, at least.
ENOUGH = 0.8
WHERE = "look at how long _run holds a neuron after a spike, and at info.neuron.refractory"


def a_threshold_makes_neurons_fire(harness: Harness) -> None:
    """In every layer, events of one threshold in a step make a neuron fire, and fewer do not."""
    told: list[str] = []
    checked = False
    for layer in range(1, min(DEEPEST, harness.info.capacity.layers) + 1):
        try:
            found = ChargeLadder(layer).charges(harness)
        except NotApplicable as why:
            told.append(str(why))
            continue
        low, high = _expected_charges(harness, layer, found)
        alike = found.spread < SPREAD and found.part < FINE
        off = (UNIFORM_OFF if alike else SPREAD_OFF) + found.error
        if not low * (1 - off) <= found.usual <= high * (1 + off):
            current = found.usual > high and harness.info.neuron.setting("synapse") is None
            raise Failed(
                f"it takes {found.usual:.2f} thresholds in one step to make neurons of layer "
                f"{layer} fire, not {low:.2f}{f' to {high:.2f}' if high > low else ''}: look at "
                "what scales weights, full scale and threshold on their way to that layer"
                + ", or state the time constant of a current by a setting of role synapse"
                * current
            )
        checked = True
    if not checked:
        raise NotApplicable(told[0])


def roles_of_settings_are_kept(harness: Harness) -> None:
    """A setting with a role moves what the role says, and as far as it says."""
    neuron = harness.info.neuron
    threshold, constant = neuron.setting("threshold"), neuron.setting("time_constant")
    if threshold is None and constant is None:
        raise NotApplicable("no setting has the role of a threshold or a time constant")
    told = []
    for setting, hold in (
        (threshold, _check_threshold_role),
        (constant, _check_time_constant_role),
    ):
        try:
            if setting is not None:
                hold(harness, setting)
                told.append("")
        except NotApplicable as why:
            told.append(str(why))
    if all(told):
        raise NotApplicable(told[0])


def refractory_steps_are_as_stated(harness: Harness) -> None:
    """Under a strong drive neurons fire as often as the stated refractory steps allow."""
    info, stated = harness.info, harness.info.neuron.refractory
    skip_if(info.neuron.spikes_per_step > 1, "neurons fire several times a step")
    skip_if(harness.share is None, "no weight was found at which neurons fire now and then")
    drive = harness.group * harness.full_scale * harness.amplitude
    skip_if(drive * harness.neurons < STRONG, "inputs are too few for a strong drive")
    harness.clear()
    harness.write(min(1.0, STRONG / (drive * harness.neurons)))
    counts = harness.run(harness.everything()).counts
    most = float(np.percentile(counts, 90))
    apart = harness.steps / max(most, 1e-9)
    if stated is None:
        raise NotApplicable(f"info does not say; neurons fire every {apart:.2g} steps at most")
    if most > math.ceil(harness.steps / (1 + stated)) + 1:
        raise Failed(
            f"refractory = {stated} is stated, but neurons fire every {apart:.2g} steps under "
            f"{STRONG:g} thresholds a step: {WHERE}"
        )
    if most * (1 + stated + _count_reset_steps(harness)) < ENOUGH * harness.steps and _is_uniform(
        harness
    ):
        raise Failed(
            f"refractory = {stated} is stated, but under {STRONG:g} thresholds a step neurons fire "
            f"every {apart:.2g} steps only: {WHERE}"
        )


def _is_uniform(harness: Harness) -> bool:
    """Tell whether all neurons take the same charge to fire, as those of a simulator do."""
    try:
        found = ChargeLadder().charges(harness)
    except NotApplicable:
        return False
    return found.spread < SPREAD


def _count_reset_steps(harness: Harness) -> int:
    """Steps that a spike may take beside the refractory ones: its reset may clear what arrives."""
    timing = harness.info.timing
    at_end = timing.input in (None, "end_of_step") and timing.hard_reset_clears_events is not False
    return int(harness.info.neuron.reset != "soft" and at_end)


def _expected_charges(harness: Harness, layer: int, found: FiringCharges) -> tuple[float, float]:
    """Charges, from the least to the greatest, that a right driver may need, in thresholds."""
    timing, decay = harness.info.timing, harness.info.neuron.decay or UNSTATED_DECAY
    arrival: Arrival | None = timing.input if layer == 1 else timing.layer
    low = high = 1.0
    if arrival in (None, "end_of_step"):  # it leaks once before the test
        high /= decay
    if layer == 1 and found.kind != "spikes" and decay < 1:  # it leaks while it flows
        high *= -math.log(decay) / (1 - decay)
    return low, high / peak_membrane(harness.info, decay)


def _check_threshold_role(harness: Harness, setting: Setting) -> None:
    rest = harness.info.neuron.membrane.rest
    low, high = (rest + swing for swing in _choose_values(setting, rest))
    one, two = (ChargeLadder(settings={setting.name: v}).charges(harness) for v in (low, high))
    expected, measured = (high - rest) / (low - rest), two.usual / one.usual
    slack = 2 * UNIFORM_OFF + one.error + two.error
    if not expected * (1 - slack) <= measured <= expected * (1 + slack):
        raise Failed(
            f"setting {setting.name} has the role threshold, but from {low:g} to {high:g} the "
            f"charge that makes neurons fire grows {measured:.2f} times, not {expected:.2f} times: "
            "look at what _configure does with it, and at its unit"
        )


def _check_time_constant_role(harness: Harness, setting: Setting) -> None:
    low, high = _choose_values(setting)
    for value in (low, high):
        stated = math.exp(-harness.info.timing.dt / value)
        left = _measure_leak(harness, stated, {setting.name: value})
        if not 1 / LEAK_FACTOR < math.log(left) / math.log(stated) < LEAK_FACTOR:
            raise Failed(
                f"setting {setting.name} has the role time_constant, but at {value:g} s "
                f"{left:.3f} of a membrane is left after a step, not {stated:.3f}: look at what "
                "_configure does with it, and at its unit"
            )


def _choose_values(setting: Setting, zero: float = 0.0) -> tuple[float, float]:
    """Two values at most a factor of 2 apart, about the default, counted from a zero."""
    least, most, middle = (
        abs(v - zero) for v in (setting.minimum, setting.maximum, setting.default)
    )
    sign = 1 if setting.default > zero else -1
    high = min(max(least, most), 1.4 * middle)
    low = max(min(least, most), high / 2)
    skip_if(not high / low > 1.15, f"setting {setting.name} has too small a range")
    return sign * low, sign * high


def _measure_leak(harness: Harness, stated: float, settings: dict[str, float]) -> float:
    """Measure what a step leaves of a membrane, from the charge that is needed a while later.

    Args:
        harness: The device.
        stated: What is expected, which says when to ask.
        settings: Nominal settings.

    Raises:
        NotApplicable: When the device cannot be asked, or its neurons are too noisy to tell.
    """
    skip_if(not 0.3 < stated < 0.995, "membranes leak too fast, or too slowly, to be followed")
    wait = max(1, round(math.log(LEFT) / math.log(stated)))
    ladder = ChargeLadder(settings=settings)
    alone = ladder.charges(harness)
    after = ladder.charges(harness, before=TOO_LITTLE * alone.usual, wait=wait)
    if alone.spread > SPREAD or after.part > FINE:
        raise NotApplicable("neurons differ too much, or levels are too coarse, to follow a leak")
    first = round(TOO_LITTLE * alone.usual / alone.part) * alone.part
    left = (alone.usual - after.usual) / first
    return float(np.clip(left, 1e-3, 1 - 1e-3) ** (1 / wait))
