"""Is what the device states about itself possible, and does it stay so?"""

from __future__ import annotations

import math

from drivers.conformance.kit.ending import Failed
from drivers.conformance.kit.harness import Harness
from drivers.conformance.kit.verdict import Check
from drivers.contract.info import DeviceInfo


def facts_are_possible(harness: Harness) -> None:
    """What info states could be true."""
    wrong = _impossible(harness.info)
    if wrong:
        raise Failed("; ".join(wrong))


def facts_stay(harness: Harness) -> None:
    """Using the device does not change what info states."""
    harness.clear()
    harness.write(1.0)
    harness.run(harness.everything())
    if harness.device.info != harness.info:
        raise Failed("info is not what it was when the device was opened")


def line_time_never_falls(harness: Harness) -> None:
    """transfer_seconds is time spent so far: finite, at least 0, and growing."""
    harness.clear()
    read = [harness.device.transfer_seconds]
    for share in (1.0, 0.5):
        harness.write(share)
        harness.run(harness.everything())
        read.append(harness.device.transfer_seconds)
    if not (all(map(math.isfinite, read)) and 0 <= read[0] <= read[1] <= read[2]):
        raise Failed(f"transfer_seconds was {', '.join(f'{each:g}' for each in read)}")


CHECKS: tuple[Check, ...] = (facts_are_possible, facts_stay, line_time_never_falls)


def _impossible(info: DeviceInfo) -> list[str]:
    wrong = []

    def need(possible: bool, told: str) -> None:
        if not possible:
            wrong.append(told)

    need(bool(info.identity.name), "identity.name is empty")
    for limit in ("max_layers", "max_inputs", "max_neurons", "max_batch", "max_steps"):
        need(getattr(info, limit) >= 1, f"{limit} = {getattr(info, limit)}")
    need(math.isfinite(info.dt) and info.dt > 0, f"dt = {info.dt}")
    need(info.decay is None or 0 <= info.decay <= 1, f"decay = {info.decay}")
    need(bool(info.weights), "weights states no format")
    for form in info.weights:
        low, high = form.minimum_full_scale, form.maximum_full_scale
        need(0 < low <= high < math.inf, f"full scales from {low} to {high}")
        need(form.levels is None or form.levels >= 2, f"levels = {form.levels}")
    need(bool(info.stimuli), "stimuli states no kind")
    for kind in info.stimuli:
        need(kind in ("current", "current_trace", "spikes"), f"stimuli states {kind!r}")
    for offer in info.probes:
        told = f"probe of {offer.quantity}"
        need(offer.quantity in ("spikes", "membrane"), told)
        need(offer.layers in ("any", "hidden", "output"), f"{told} of {offer.layers!r}")
        known = {"none", "mean", "last"}
        need(bool(offer.reductions) and set(offer.reductions) <= known, f"{told}: reductions")
        need(offer.neurons is None or offer.neurons >= 1, f"{told}: neurons = {offer.neurons}")
        slowest = 1 if offer.quantity == "spikes" else info.max_steps
        need(1 <= offer.every <= slowest, f"{told}: every = {offer.every}")
    need(info.membrane.threshold != info.membrane.rest, "membrane: threshold and rest are the same")
    names = [setting.name for setting in info.settings]
    need(len(set(names)) == len(names), "two settings have the same name")
    for setting in info.settings:
        inside = setting.minimum <= setting.default <= setting.maximum
        need(inside, f"default of setting {setting.name} is out of its range")
    return wrong
