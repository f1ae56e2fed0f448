"""Facts that the maker of a device leaves open and training needs, measured in a few runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from drivers import Device, DeviceInfo, DeviceRestarted, Diverged
from drivers.contract.device import Composite
from drivers.contract.info import Timing
from hil.characterisation import timing
from hil.characterisation.timing import TIMING_FIELDS, MeasuredTiming, fill_timing

# The value of what these runs could not tell.
UNKNOWN = "unknown"
TIMING, NEURON = "timing.", "neuron."
OF_NEURONS = ("reset", "decay", "refractory")
Value = str | float


def measure_unstated(device: Device) -> dict[str, Value]:
    """Measure what training needs of a device and its maker does not state.

    Args:
        device: The open device; it is configured anew where something is measured.

    Returns:
        What was measured, by the names that `DeviceInfo` gives it; nothing where all is stated.
    """
    info = device.info
    by_spikes = "spikes" in info.offers.stimuli
    if (
        info.timing.layer is not None
        and not _open_facts(info)
        and (info.timing.input is not None or not by_spikes)
    ):
        return {}
    try:
        seen = _measure(device)
    except Diverged:  # a recording, which answers only what its device was asked
        seen = MeasuredTiming(Timing(dt=info.timing.dt))
    measured: dict[str, Value] = {}
    for name in TIMING_FIELDS:
        value = getattr(seen.timing, name)
        if getattr(info.timing, name) is None and (value is not None or name == "layer"):
            measured[TIMING + name] = UNKNOWN if value is None else value
    for name in _open_facts(info):
        value = getattr(seen, name)
        measured[NEURON + name] = UNKNOWN if value is None else value
    return measured


def _measure(device: Device, tries: int = 3) -> MeasuredTiming:
    try:
        return timing.measure(device)
    except DeviceRestarted:  # it is configured anew for each run
        if tries == 1:
            raise
        return _measure(device, tries - 1)


def _open_facts(info: DeviceInfo) -> list[str]:
    """Facts of its neurons that a device neither states nor lets a network choose."""
    chosen = ("refractory",) if info.neuron.setting("refractory") else ()
    return [n for n in OF_NEURONS if getattr(info.neuron, n) is None and n not in chosen]


def complete_info(info: DeviceInfo, measured: Mapping[str, Any]) -> DeviceInfo:
    """Complete what a device states by what was measured of it.

    Args:
        info: What it states.
        measured: As `measure_unstated` gives it.
    """
    facts = {name: value for name, value in measured.items() if value != UNKNOWN}
    seen = {name: facts[TIMING + name] for name in TIMING_FIELDS if TIMING + name in facts}
    with_timing = fill_timing(info.timing, replace(info.timing, **seen))
    of_neurons = {
        name: facts[NEURON + name] for name in _open_facts(info) if NEURON + name in facts
    }
    return replace(info, timing=with_timing, neuron=replace(info.neuron, **of_neurons))


def complete_device(device: Device, measured: Mapping[str, Any]) -> Device:
    """A device that also states what was measured of it: itself, where that is nothing.

    Args:
        device: The open device.
        measured: As `measure_unstated` gives it.
    """
    return CompletedDevice(device, measured) if measured else device


class CompletedDevice(Composite):
    """A device that states what was measured of it beside what its maker does."""

    def __init__(self, device: Device, measured: Mapping[str, Any]) -> None:
        """Take over an open device.

        Args:
            device: The device; closed with this one.
            measured: What was measured, as `measure_unstated` gives it.
        """
        super().__init__(device)
        self._info = complete_info(device.info, measured)

    @property
    def info(self) -> DeviceInfo:
        """Facts that its maker states, completed."""
        return self._info
