"""Checks that neurons fire, reset, rest and leak as info states, in every layer and setting."""

from __future__ import annotations

import math

import numpy as np

from drivers.conformance import needs
from drivers.conformance.charge import (
    ChargeLadder,
    FiringCharges,
    follow_event,
    membranes_after_event,
    peak_membrane,
    read_last_membranes,
    read_membranes,
    steps_of_inflow,
)
from drivers.conformance.checking import Failed, check, is_noiseless
from drivers.conformance.harness import DRIVE, Harness, Measured, NotApplicable, skip_if
from drivers.conformance.nominal import compare_random_network
from drivers.conformance.wiring import measure_common_delay
from drivers.contract.info import Arrival, Setting

# Drive, in thresholds a step, at which a neuron of any model and spread fires now and then.
NOW_AND_THEN = (0.12, 0.8)
# How far the time constant that a membrane shows may be from what `decay` states, as a factor.
DECAY_FACTOR = 1.6
# Decays that are followed: others are too fast or too slow.
FOLLOWED = (0.3, 0.995)
# Membranes of a hard reset under a strong drive, in thresholds: they cannot grow beyond it.
GROWN = 2.5
# Of the rates between a spike in every step and one in every third, the share that a soft reset
# leaves between the whole intervals of a hard one, at least; and steps enough to tell a hard one.
BETWEEN, MANY_STEPS = 0.1, 30
# An event that makes a neuron fire once, in thresholds, within so many steps; which shares of all
# neurons count as few and as most; and the membrane, in thresholds, between what such a neuron
# shows before its reset, `FIRES_ONCE`, and after it, `FIRES_ONCE - 1` or less.
FIRES_ONCE, LATEST, FEW_NEURONS, MOST_NEURONS = 1.5, 3, 0.1, 0.7
BETWEEN_RESETS = 0.75
# Charges of events that make no neuron fire, in thresholds; how far the membrane that they move may
# be from what they bring, as a factor, of chips and of neurons that are all alike; and how far one
# may be from what the other says.
SMALL, GAIN_FACTOR, EXACT_GAIN, BENT = (0.5, 0.25), 1.7, 1.15, 1.35
# A membrane, in thresholds, that can be seen to move.
SEEN = 0.08
# Least correlation of counts with those of nominal neurons, of any device and of one whose neurons
# all fire at the same charge and at no more thresholds than this; and how many times their spikes.
ALIKE, EXACT, NOMINAL, FEWEST, MOST = 0.4, 0.7, 1.2, 0.5, 1.5
ROUGH_MOST = 1.6  # of neurons that may differ


@check(
    needs.PACE,
    needs.MANY_SPIKES,
    look="how _write and _configure turn weights, full scale and threshold into the device's",
)
def neurons_fire_at_the_stated_threshold(harness: Harness) -> None:
    """The drive that makes neurons fire now and then is a share of the threshold a step."""
    drive = harness.working_share * harness.group * harness.full_scale * harness.amplitude
    # Nobody can say how hard a neuron is driven that leaks in no stated way.
    most = math.inf if harness.info.neuron.decay is None else NOW_AND_THEN[1]
    if not NOW_AND_THEN[0] - harness.residual <= drive <= most:
        raise Failed(f"it takes {drive:.2g} thresholds a step to fire now and then, not about 0.25")


@check(needs.PACE, needs.ZERO, look="when _run takes samples, and at ProbeOffer.sampled")
def membranes_show_the_step_of_a_spike(harness: Harness) -> None:
    """In the step of a spike a membrane is shown before its reset, or after it, as stated."""
    view = harness.require_view("membrane")
    skip_if(not harness.timed_kinds and view.offer.every > 1, "no sample falls on a single spike")
    harness.clear()
    harness.write(harness.find_weight_share(FIRES_ONCE) * np.eye(harness.neurons))
    share = waiting = 0.0
    for late in range(LATEST if harness.timed_kinds else 1):
        share = float((harness.run(harness.pulse(late + 1, 0)).counts > 0).mean())
        if share > FEW_NEURONS:
            break
        waiting = share
    if share < MOST_NEURONS or waiting > FEW_NEURONS:
        raise NotApplicable("one event does not make all neurons fire at once")
    harness.clear(view.depth)
    harness.write(harness.find_weight_share(FIRES_ONCE) * np.eye(harness.neurons))
    seen = float(np.median(membranes_after_event(harness, view, late, harness.event_kind)))
    if (seen > BETWEEN_RESETS) != (view.offer.sampled == "before_reset"):
        raise Failed(
            f"sampled is stated as {view.offer.sampled}, but in the step in which an event of "
            f"{FIRES_ONCE} thresholds makes them fire, membranes are at {seen:.2f} thresholds"
        )


@check(
    needs.ONE_SPIKE,
    needs.PACE,
    look="what a spike leaves of the membrane, and at info.neuron.reset",
)
def reset_is_as_stated(harness: Harness) -> None:
    """A soft reset keeps what is above the threshold, a hard one does not."""
    stated = harness.info.neuron.reset
    if stated is None:
        measured = "soft" if _keeps_the_rest(harness) else "hard"
        raise Measured("neuron.reset", measured)
    if stated == "soft":
        if not _keeps_the_rest(harness):
            raise Failed(
                "reset is stated as soft, but the steps from spike to spike are whole numbers at "
                "every drive, as after a hard one"
            )
        return
    view = harness.view("membrane")
    if view is None:
        exact = is_noiseless(harness) and harness.steps >= MANY_STEPS
        skip_if(not exact, "runs vary or are short, and membranes are not shown")
        if _keeps_the_rest(harness):
            raise Failed(
                "reset is stated as hard, but the steps from spike to spike are no whole numbers, "
                "as after a soft one"
            )
        return
    harness.clear(view.depth)
    harness.write(np.eye(harness.neurons))
    # The last step may be that of a spike, before which a membrane may rise steeply.
    every = view.offer.every
    lengths = {max(harness.steps - late * every, every) for late in range(LATEST)}
    last = [read_last_membranes(harness, view, harness.drive_all(steps=n)) for n in lengths]
    grown = min(float(np.median(each)) for each in last)
    if grown > GROWN * DRIVE:
        raise Failed(
            f"reset is stated as hard, but membranes grow to {grown:.2f} thresholds under "
            f"{DRIVE:g} a step"
        )


def _keeps_the_rest(harness: Harness) -> bool:
    """Tell whether mean intervals lie between whole steps, as they do where charge is kept.

    Those of neurons that rest after a spike are longer by as many steps.
    """
    harness.clear()
    rates = []
    for factor in 2.0 ** np.arange(0, 3.01, 0.2):
        if harness.working_share * factor <= 1:
            harness.write(harness.working_share * factor * np.eye(harness.neurons))
            rates.append(harness.run(harness.drive_all()).counts / harness.steps)
    intervals = 1 / np.maximum(np.concatenate(rates), 1e-3).ravel()
    intervals -= max(np.rint(intervals.min()) - 1, 0)
    intervals = intervals[(intervals > 1.02) & (intervals < 3.2)]
    skip_if(intervals.size < 8, "no weight was found at which neurons fire in every second step")
    return float(np.mean(np.abs(intervals - np.rint(intervals)) > 0.2)) >= BETWEEN


@check(
    needs.TIMED,
    needs.PACE,
    needs.ZERO,
    look="what scales membrane samples, and at info.neuron.membrane",
)
def membranes_move_by_what_events_bring(harness: Harness) -> None:
    """An event of half a threshold moves the membrane by as much, and half of it by half of it."""
    view = harness.require_view("membrane")
    decay = harness.info.neuron.decay or UNSTATED_DECAY
    factor = EXACT_GAIN if _is_uniform(harness, NOMINAL) else GAIN_FACTOR
    gains, kind = [], harness.timed_kinds[0]
    for charge in SMALL:
        ages = range(3 + steps_of_inflow(harness.info))
        response = follow_event(harness, view, charge, ages, kind)
        place = int(np.argmax(np.abs(response.moved)))
        skip_if(place == ages[-1], "an event moves membranes for more steps than it should")
        peak = float(response.moved[place])
        expected = response.charge * peak_membrane(harness.info, decay)
        # A current may flow past the synapse.
        highest = expected if kind == "spikes" else response.charge
        low, high = decay * expected / factor, highest * factor
        slack = response.unit + harness.residual
        if not low - slack <= peak <= high + slack:
            raise Failed(
                f"an event of {response.charge:.2g} thresholds moves membranes by {peak:.2g}, not "
                f"by about {expected:.2g}"
            )
        gains.append((peak + np.array([-1, 1]) * slack) / response.charge)
    inhibited = follow_event(harness, view, -SMALL[0], [place], kind).moved[0]
    if inhibited > SEEN + slack:
        raise Failed(f"an event below zero moves membranes by {inhibited:.2g} thresholds")
    (low, high), (less, more) = gains
    if less > BENT * high or low > BENT * more:
        raise Failed(
            f"events of {SMALL[0]:g} thresholds move membranes by {np.mean(gains[0]):.2g} of what "
            f"they bring, and of {SMALL[1]:g} by {np.mean(gains[1]):.2g}"
        )


@check(needs.TIMED, needs.PACE, look="how often _run applies the leak, and at info.neuron.decay")
def decay_is_as_stated(harness: Harness) -> None:
    """What is left of a membrane without input falls as info.neuron.decay says."""
    decay = harness.info.neuron.decay
    if decay is None or not FOLLOWED[0] < decay < FOLLOWED[1]:
        raise NotApplicable("info states no decay, or one too fast or too slow to be seen")
    view = harness.view("membrane")
    if view is None or not harness.stores_zero(0):
        _check_leak(harness, f"decay = {decay:.3g} is stated", decay, {}, ROUGH_SPREAD)
        return
    first, inflow = 2, steps_of_inflow(harness.info)
    wait = max(2, min(round(-1.0 / math.log(decay)), (harness.steps - inflow) // 2 - 2))
    ages = first + inflow + wait * np.arange(3)
    for charge in SMALL if is_noiseless(harness) else SMALL[:1]:
        response = follow_event(harness, view, charge, ages.tolist(), harness.timed_kinds[0])
        begin, end, later = response.moved
        skip_if(begin < SEEN, f"{charge:g} thresholds move no membrane that could be seen")
        rounded = response.unit * (1 - decay**wait) / (1 - decay)  # a unit a step, less its leak
        left = float(np.clip(end / begin, 1e-6, 1 - 1e-6)) ** (1 / wait)
        far = not 1 / DECAY_FACTOR < math.log(left) / math.log(decay) < DECAY_FACTOR
        if far and abs(end - begin * decay**wait) > rounded:
            flows = bool(inflow == 0 and end - later > 1.5 * (begin - end))
            raise Failed(
                f"decay = {decay:.3g} is stated, {left:.3g} of a membrane of {begin:.2g} "
                "thresholds is left after a step"
                + (", or state the time constant of a current by a setting of role synapse" * flows)
            )


@check(needs.TIMED, needs.PACE, needs.ZERO, look="which steps _run takes the mean over")
def means_are_over_all_steps(harness: Harness) -> None:
    """What moves a membrane early in a run moves its mean more than what comes late."""
    view = harness.require_view("membrane", "mean")
    steps = max(20, 6 * view.offer.every)
    skip_if(steps > harness.info.capacity.steps, "runs are too short")
    harness.clear(view.depth)
    harness.write(harness.find_weight_share(SMALL[0]) * np.eye(harness.neurons))
    places, kind = (0, steps // 3, steps - 3, None), harness.timed_kinds[0]
    moved = [
        float(np.median(read_membranes(harness, view, harness.pulse(steps, step, kind), "mean")))
        for step in places
    ]
    lost = min(abs(np.array(moved[:3]) - moved[3])) < 0.01
    swings = harness.info.neuron.decay is None  # what swings may undo what came early
    if lost or (not swings and (np.diff(moved) > 0.01).any()):
        seen = ", ".join(f"{m:.3f} in step {s}" for m, s in zip(moved, places, strict=True))
        raise Failed(f"with half a threshold in one of {steps} steps the mean is {seen}")


@check(look="the order of samples, steps, channels and neurons in stimuli, weights and counts")
def a_random_network_does_as_predicted(harness: Harness) -> None:
    """Neurons of a network of random weights fire where leaky neurons of stated facts would."""
    neuron, kinds = harness.info.neuron, harness.info.offers.stimuli
    is_plain = not harness.residual and neuron.setting("synapse") is None
    is_exact = is_plain and _is_uniform(harness, at_most=NOMINAL)
    fewest = FEWEST if is_exact and neuron.refractory is not None else -1.0  # it may rest
    is_known = is_plain and None not in (neuron.reset, neuron.decay)
    most = (MOST if is_exact else ROUGH_MOST) if is_known else math.inf
    told: list[str] = []
    asked = [(1, kind) for kind in kinds]
    if harness.info.capacity.layers > 1 and (neuron.decay or not _acts_slowly(harness)):
        asked.append((2, kinds[-1]))
    for depth, kind in asked:
        try:
            comparison = compare_random_network(harness, depth, kind)
        except NotApplicable as why:
            told.append(str(why))
            continue
        usual = float(np.median(comparison.correlations))
        if usual < (EXACT if is_exact and depth == 1 else ALIKE):
            raise Failed(
                f"{kind}: counts of {depth} layers of random weights are correlated by {usual:.2f} "
                "with what the stated neuron would do"
            )
        if depth > 1:
            continue
        if is_exact and comparison.correlations.min() < ALIKE:
            raise Failed(f"{kind}: of neurons that are all alike some do nothing that they should")
        if not fewest < comparison.ratio < most:
            raise Failed(f"{kind}: {comparison.ratio:.2f} times the spikes of the stated neuron")
    if len(told) == len(asked):
        raise NotApplicable(told[0])


DEEPEST = 3
# By how much of itself the usual charge may be off: of neurons that are all alike, and of those
# of a chip, whose synapses fail and whose membranes have shapes of their own.
UNIFORM_OFF, SPREAD_OFF = 0.05, 0.45
# Neurons are alike up to this spread, where charges are told this finely; up to the other one they
# tell a leak roughly.
SPREAD, FINE, ROUGH_SPREAD = 0.06, 0.1, 0.3
# What is left after a step where nothing is stated, at least.
UNSTATED_DECAY = 0.75
# A charge that makes no neuron fire, and what of it is to be left when the next one comes.
TOO_LITTLE, LEFT = 0.6, 0.45
# How far a time constant that charges tell may be from what is stated, as a factor: of neurons that
# are all alike, and of others.
LEAK_FACTOR, ROUGH_FACTOR = 1.5, 3.0
# Why charges of two steps tell no leak, and those of one no threshold.
SLOWLY = "an event acts over several steps"
SOON = 2  # steps in which an event acts that does so at once
# Values of a setting that are told apart, as a factor.
DISTINCT = 1.15
# Drive, in thresholds a step, under which a neuron fires as often as it can.
STRONG = 4.0
# Share of a run that spikes under such a drive fill, each with the steps that it takes, at least.
ENOUGH = 0.8


@check(needs.TIMED, look="what scales weights, full scale and threshold on their way to that layer")
def a_threshold_makes_neurons_fire(harness: Harness) -> None:
    """In every layer, events of one threshold in a step make a neuron fire, and fewer do not."""
    told: list[str] = []
    layers = range(1, min(DEEPEST, harness.info.capacity.layers) + 1)
    for layer in layers:
        try:
            charges = ChargeLadder(layer).charges(harness)
        except NotApplicable as why:
            told.append(str(why))
            continue
        low, high = _expected_charges(harness, layer, charges)
        off = (UNIFORM_OFF if charges.spread < SPREAD else SPREAD_OFF) + charges.error
        if not low * (1 - off) <= charges.median <= high * (1 + off):
            flows = charges.median > high and harness.info.neuron.setting("synapse") is None
            if flows and _acts_slowly(harness):
                told.append(SLOWLY)
                continue
            raise Failed(
                f"it takes {charges.median:.2f} thresholds in one step to make neurons of layer "
                f"{layer} fire, not {low:.2f}{f' to {high:.2f}' if high > low else ''}"
                + ", or state the time constant of a current by a setting of role synapse"
                * flows
            )
    if len(told) == len(layers):
        raise NotApplicable(told[0])


@check(needs.TIMED, look="what _configure does with it, and at its unit")
def roles_of_settings_are_kept(harness: Harness) -> None:
    """A setting with a role moves what the role says, and as far as it says."""
    reasons = ["no setting has the role of a threshold or of a time constant"]
    hold = {
        "threshold": _check_threshold_role,
        "time_constant": _check_time_constant_role,
        "synapse": _check_synapse_role,
    }
    settings = [s for s in harness.info.neuron.settings if s.role in hold]
    for setting in settings:
        try:
            hold[setting.role](harness, setting)
        except NotApplicable as why:
            reasons.append(str(why))
    if len(reasons) > len(settings):
        raise NotApplicable(reasons[-1])


@check(needs.ONE_SPIKE, needs.PACE, look="how long _run holds a neuron after a spike")
def refractory_steps_are_as_stated(harness: Harness) -> None:
    """Under a strong drive neurons fire as often as the stated refractory steps allow."""
    stated = harness.info.neuron.refractory
    drive = harness.group * harness.full_scale * harness.amplitude
    skip_if(drive * harness.neurons < STRONG, "inputs are too few for a strong drive")
    harness.clear()
    harness.write(min(1.0, STRONG / (drive * harness.neurons)))
    counts = harness.run(harness.drive_all()).counts
    most = float(np.percentile(counts, 90))
    apart = harness.steps / max(most, 1e-9)
    if stated is None:
        raise Measured("at most a spike every", f"{apart:.2g} steps")
    what = f"refractory = {stated} is stated, but under {STRONG:g} thresholds a step neurons fire"
    if most > math.ceil(harness.steps / (1 + stated)) + 1:
        raise Failed(f"{what} every {apart:.2g} steps")
    filled = most * (1 + stated + _count_reset_steps(harness))
    # Neurons that differ fire as often as they can, too, where each step brings what they take.
    if filled < ENOUGH * harness.steps and _is_uniform(harness, STRONG / 2, ROUGH_SPREAD):
        raise Failed(f"{what} every {apart:.2g} steps only")


def _is_uniform(harness: Harness, at_most: float = math.inf, spread: float = SPREAD) -> bool:
    """Tell whether all neurons take the same charge to fire, as those of a simulator do.

    Args:
        harness: The device.
        at_most: The greatest such charge, in thresholds.
        spread: Its deviation from neuron to neuron, as a share, below which they are alike.
    """
    try:
        charges = ChargeLadder().charges(harness) if harness.timed_kinds else None
    except NotApplicable:
        return False
    return charges is not None and charges.spread < spread and charges.median <= at_most


def _acts_slowly(harness: Harness) -> bool:
    """Tell whether info leaves open how events act, and it takes more of them to act soon."""
    if None not in (harness.info.timing.input, harness.info.neuron.decay):
        return False
    ladder = ChargeLadder()
    try:
        soon = ladder.charges(harness, rest=SOON).median
        return soon > DISTINCT * ladder.charges(harness).median
    except NotApplicable:
        return True


def _count_reset_steps(harness: Harness) -> int:
    """Steps that a spike may take beside the refractory ones: its reset may clear what arrives."""
    timing = harness.info.timing
    if harness.info.neuron.reset == "soft" or timing.hard_reset_clears_events is False:
        return 0
    if timing.input is not None:
        return int(timing.input == "end_of_step")
    try:
        return measure_common_delay(harness, 1)
    except NotApplicable:
        return 1


def _expected_charges(harness: Harness, layer: int, charges: FiringCharges) -> tuple[float, float]:
    """Charges, from the least to the greatest, that a right driver may need, in thresholds."""
    timing, decay = harness.info.timing, harness.info.neuron.decay or UNSTATED_DECAY
    arrival: Arrival | None = timing.input if layer == 1 else timing.layer
    low = high = 1.0
    if arrival in (None, "end_of_step"):  # it leaks once before the test
        high /= decay
    if layer == 1 and charges.kind != "spikes" and decay < 1:  # it leaks while it flows
        high *= -math.log(decay) / (1 - decay)
    return low, high / peak_membrane(harness.info, decay)


def _check_threshold_role(harness: Harness, setting: Setting) -> None:
    rest = harness.info.neuron.membrane.rest
    low, high = (rest + swing for swing in _choose_values(setting, rest))
    for layer in range(1, min(2, harness.info.capacity.layers) + 1):
        try:
            one, two = (
                ChargeLadder(layer, {setting.name: v}).charges(harness) for v in (low, high)
            )
        except NotApplicable:
            if layer == 1:
                raise
            return
        expected, measured = (high - rest) / (low - rest), two.median / one.median
        slack = 2 * UNIFORM_OFF + one.error + two.error
        if not expected * (1 - slack) <= measured <= expected * (1 + slack):
            raise Failed(
                f"setting {setting.name} has the role threshold, but from {low:g} to {high:g} the "
                f"charge that makes neurons of layer {layer} fire grows {measured:.2f} times, not "
                f"{expected:.2f} times"
            )
        low = setting.default  # one spike of the first layer, not two, for one event
        if not (high - rest) / (low - rest) > DISTINCT:
            return


def _check_time_constant_role(harness: Harness, setting: Setting) -> None:
    for value in _choose_values(setting):
        stated = math.exp(-harness.info.timing.dt / value)
        what = f"setting {setting.name} has the role time_constant and is {value:g} s"
        _check_leak(harness, what, stated, {setting.name: value}, SPREAD)


def _check_synapse_role(harness: Harness, setting: Setting) -> None:
    decay = harness.info.neuron.decay or UNSTATED_DECAY
    low, high = _choose_values(setting)
    short, long = (ChargeLadder(1, {setting.name: v}).charges(harness) for v in (low, high))
    expected = peak_membrane(harness.info, decay, low) / peak_membrane(harness.info, decay, high)
    measured, slack = long.median / short.median, UNIFORM_OFF + short.error + long.error
    if not expected / (1 + slack) <= measured <= expected * (1 + slack):
        raise Failed(
            f"setting {setting.name} has the role synapse, but from {low:g} to {high:g} s the "
            f"charge that makes neurons fire grows {measured:.2f} times, not {expected:.2f} times"
        )


def _choose_values(setting: Setting, zero: float = 0.0) -> tuple[float, float]:
    """Two values at most a factor of 2 apart, about the default, counted from a zero."""
    least, most, middle = (
        abs(v - zero) for v in (setting.minimum, setting.maximum, setting.default)
    )
    sign = 1 if setting.default > zero else -1
    high = min(max(least, most), 1.4 * middle)
    low = max(min(least, most), high / 2)
    skip_if(not high / low > DISTINCT, f"setting {setting.name} has too small a range")
    return sign * low, sign * high


def _check_leak(
    harness: Harness, told: str, stated: float, settings: dict[str, float], spread: float
) -> None:
    """Hold what a step leaves of a membrane to what is stated, by the charge needed a while later.

    Args:
        harness: The device.
        told: What is stated, for the message.
        stated: What a step leaves.
        settings: Nominal settings.
        spread: Most that neurons may differ.

    Raises:
        NotApplicable: When the device cannot be asked, or its neurons are too noisy to tell.
        Failed: When it leaves something else.
    """
    near = FOLLOWED[0] < stated < FOLLOWED[1]
    skip_if(not near, "membranes leak too fast, or too slowly, to be followed")
    wait = max(1, round(math.log(LEFT) / math.log(stated)))
    ladder = ChargeLadder(settings=settings)
    alone = ladder.charges(harness)
    after = ladder.charges(harness, before=TOO_LITTLE * alone.median, wait=wait)
    if alone.spread > spread or after.part > FINE:
        raise NotApplicable("neurons differ too much, or levels are too coarse, to follow a leak")
    first = round(TOO_LITTLE * alone.median / alone.part) * alone.part
    left = float(np.clip((alone.median - after.median) / first, 1e-3, 1 - 1e-3)) ** (1 / wait)
    factor = LEAK_FACTOR if alone.spread < SPREAD else ROUGH_FACTOR
    if not 1 / factor < math.log(left) / math.log(stated) < factor:
        flows = harness.info.neuron.setting("synapse") is not None
        skip_if(flows or _acts_slowly(harness), SLOWLY)
        raise Failed(f"{told}, but {left:.3f} of a membrane is left after a step, not {stated:.3f}")
