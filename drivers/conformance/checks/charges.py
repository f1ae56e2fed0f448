"""Does it take the stated threshold to make a neuron fire, in every layer and at every setting?"""

from __future__ import annotations

import math

import numpy as np

from drivers.conformance.kit.charge import Charges, Ladder, peak
from drivers.conformance.kit.ending import Failed, NotApplicable
from drivers.conformance.kit.harness import Harness
from drivers.conformance.kit.verdict import Check
from drivers.contract.info import Arrival
from drivers.contract.neuron import Setting

DEPTH = 3
# By how much of itself the usual charge may be off: of neurons that are all alike, and of those
# of a chip, whose synapses fail and whose membranes have shapes of their own.
ALIKE, APART = 0.05, 0.45
# Neurons are alike up to this spread, where charges are told this finely.
SPREAD, FINE = 0.06, 0.1
# What is left after a step where nothing is stated, at least.
UNSTATED_DECAY = 0.75
# A charge that makes no neuron fire, and what of it is to be left when the next one comes.
BELOW, LEFT = 0.6, 0.45
# How far a time constant may be from what a setting says, as a factor.
TIME_CONSTANT = 1.5
# Drive, in thresholds a step, under which a neuron fires as often as it can.
STRONG = 4.0
# Share of a run that spikes under such a drive fill, each with the steps that it takes, at least.
ENOUGH = 0.8
WHERE = "look at how long _run holds a neuron after a spike, and at info.neuron.refractory"


def a_threshold_makes_neurons_fire(harness: Harness) -> None:
    """In every layer, events of one threshold in a step make a neuron fire, and fewer do not."""
    told: list[str] = []
    checked = False
    for layer in range(1, min(DEPTH, harness.info.capacity.layers) + 1):
        try:
            found = Ladder(layer).charges(harness)
        except NotApplicable as why:
            told.append(str(why))
            continue
        low, high = _expected(harness, layer, found)
        alike = found.spread < SPREAD and found.part < FINE
        off = (ALIKE if alike else APART) + found.error
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
    for setting, hold in ((threshold, _moves_the_threshold), (constant, _moves_the_leak)):
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
    if info.neuron.spikes_per_step > 1 or harness.share is None:
        raise NotApplicable("neurons fire several times a step, or not now and then")
    drive = harness.group * harness.full_scale * harness.amplitude
    if drive * harness.neurons < STRONG:
        raise NotApplicable("inputs are too few for a strong drive")
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
    if most * (1 + stated + _lost(harness)) < ENOUGH * harness.steps and _alike(harness):
        raise Failed(
            f"refractory = {stated} is stated, but under {STRONG:g} thresholds a step neurons fire "
            f"every {apart:.2g} steps only: {WHERE}"
        )


CHECKS: tuple[Check, ...] = (
    a_threshold_makes_neurons_fire,
    roles_of_settings_are_kept,
    refractory_steps_are_as_stated,
)


def _alike(harness: Harness) -> bool:
    """Whether all neurons take the same charge to fire, as those of a simulator do."""
    try:
        found = Ladder().charges(harness)
    except NotApplicable:
        return False
    return found.spread < SPREAD


def _lost(harness: Harness) -> int:
    """Steps that a spike may take beside the refractory ones: its reset may clear what arrives."""
    timing = harness.info.timing
    at_end = timing.input in (None, "end_of_step") and timing.hard_reset_clears_events is not False
    return int(harness.info.neuron.reset != "soft" and at_end)


def _expected(harness: Harness, layer: int, found: Charges) -> tuple[float, float]:
    """Charges, from the least to the greatest, that a right driver may need, in thresholds."""
    timing, decay = harness.info.timing, harness.info.neuron.decay or UNSTATED_DECAY
    arrival: Arrival | None = timing.input if layer == 1 else timing.layer
    low = high = 1.0
    if arrival in (None, "end_of_step"):  # it leaks once before the test
        high /= decay
    if layer == 1 and found.kind != "spikes" and decay < 1:  # it leaks while it flows
        high *= -math.log(decay) / (1 - decay)
    return low, high / peak(harness.info, decay)


def _moves_the_threshold(harness: Harness, setting: Setting) -> None:
    rest = harness.info.neuron.membrane.rest
    low, high = (rest + swing for swing in _two(setting, rest))
    one, two = (Ladder(settings={setting.name: v}).charges(harness) for v in (low, high))
    expected, measured = (high - rest) / (low - rest), two.usual / one.usual
    slack = 2 * ALIKE + one.error + two.error
    if not expected * (1 - slack) <= measured <= expected * (1 + slack):
        raise Failed(
            f"setting {setting.name} has the role threshold, but from {low:g} to {high:g} the "
            f"charge that makes neurons fire grows {measured:.2f} times, not {expected:.2f} times: "
            "look at what _configure does with it, and at its unit"
        )


def _moves_the_leak(harness: Harness, setting: Setting) -> None:
    low, high = _two(setting)
    for value in (low, high):
        stated = math.exp(-harness.info.timing.dt / value)
        left = leak(harness, stated, {setting.name: value})
        if not 1 / TIME_CONSTANT < math.log(left) / math.log(stated) < TIME_CONSTANT:
            raise Failed(
                f"setting {setting.name} has the role time_constant, but at {value:g} s "
                f"{left:.3f} of a membrane is left after a step, not {stated:.3f}: look at what "
                "_configure does with it, and at its unit"
            )


def _two(setting: Setting, zero: float = 0.0) -> tuple[float, float]:
    """Two values at most a factor of 2 apart, about the default, counted from a zero."""
    least, most, middle = (
        abs(v - zero) for v in (setting.minimum, setting.maximum, setting.default)
    )
    sign = 1 if setting.default > zero else -1
    high = min(max(least, most), 1.4 * middle)
    low = max(min(least, most), high / 2)
    if not high / low > 1.15:
        raise NotApplicable(f"setting {setting.name} has too small a range")
    return sign * low, sign * high


def leak(harness: Harness, stated: float, settings: dict[str, float]) -> float:
    """What is left of a membrane after one step, from the charge that is needed a while later.

    Args:
        harness: The device.
        stated: What is expected, which says when to ask.
        settings: Nominal settings.

    Raises:
        NotApplicable: When the device cannot be asked, or its neurons are too noisy to tell.
    """
    if not 0.3 < stated < 0.995:
        raise NotApplicable("membranes leak too fast, or too slowly, to be followed")
    wait = max(1, round(math.log(LEFT) / math.log(stated)))
    ladder = Ladder(settings=settings)
    alone = ladder.charges(harness)
    after = ladder.charges(harness, before=BELOW * alone.usual, wait=wait)
    if alone.spread > SPREAD or after.part > FINE:
        raise NotApplicable("neurons differ too much, or levels are too coarse, to follow a leak")
    first = round(BELOW * alone.usual / alone.part) * alone.part
    left = (alone.usual - after.usual) / first
    return float(np.clip(left, 1e-3, 1 - 1e-3) ** (1 / wait))
