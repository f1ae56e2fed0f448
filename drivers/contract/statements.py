"""Checks of what a device states about itself, made once when it is opened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, get_args

from drivers.contract.faults import FaultKind
from drivers.contract.info import CONTRACT, MANUAL, DeviceInfo, Setting
from drivers.contract.messages import adapter_of
from drivers.errors import ContractMismatch, ReadoutError, nearest


def check_info(method: str, info: object) -> DeviceInfo:
    """Refuse a driver of another contract, and one whose `info` contradicts itself.

    Args:
        method: Name of the driver's property, for messages.
        info: What it gave.

    Returns:
        The same.

    Raises:
        ContractMismatch: When the driver is written for another version of the contract.
        ReadoutError: When what it states cannot be.
    """
    if not isinstance(info, DeviceInfo):
        raise ReadoutError(f"{method} gave {type(info).__name__}: give a DeviceInfo, see {MANUAL}")
    if info.contract != CONTRACT:
        raise ContractMismatch(
            f"{method} states contract={info.contract!r}: this spikeloop speaks contract "
            f"{CONTRACT}, see {MANUAL}"
        )
    wrong = contradictions(info)
    if wrong:
        raise ReadoutError(f"{method} states {'; '.join(wrong)}; see {MANUAL}")
    return info


def contradictions(info: DeviceInfo) -> list[str]:
    """List what a device states that cannot be.

    Args:
        info: What it states.

    Returns:
        A few words each, with the field, what it is and what is allowed: of fields that are not of
        their type or beyond its bounds, or else of those that do not go together.
    """
    return _check_types(info) or [*_check_facts(info)]


def _check_types(info: DeviceInfo) -> list[str]:
    from pydantic import ValidationError

    # Nothing that JSON has not is of any type here.
    text = json.dumps(asdict(info), default=lambda value: [repr(value)])
    try:
        adapter_of(DeviceInfo).validate_json(text, strict=True)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
    else:
        return []
    return [
        f"{'.'.join(map(str, each['loc']))} {_find_value(info, each['loc'])!r}: "
        f"{each['msg'].removeprefix('Input ')}"
        for each in wrong
    ]


def _find_value(stated: Any, place: tuple[str | int, ...]) -> Any:
    for part in place:
        stated = stated[part] if isinstance(part, int) else getattr(stated, part)
    return stated


def _check_facts(info: DeviceInfo) -> Iterator[str]:
    texts = {f"identity.{name}": text for name, text in asdict(info.identity).items()}
    for name, text in {**texts, "energy.source": info.energy.source}.items():
        if not text.isprintable():
            yield f"{name} {text!r}: give a line of text"
    for kind in info.abilities.faults:
        if kind not in get_args(FaultKind):
            yield f"abilities.faults {kind!r}: {nearest(kind, get_args(FaultKind))}"
    if info.capacity.synapse_delays and not info.capacity.delay:
        yield "capacity.synapse_delays with capacity.delay 0: state the longest delay"
    membrane = info.neuron.membrane
    if membrane.rest == membrane.threshold:
        yield f"neuron.membrane with rest and threshold {membrane.rest:g}: give two that differ"
    for what in ("name", "role"):
        values = [getattr(setting, what) for setting in info.neuron.settings]
        for twice in sorted({value for value in values if value and values.count(value) > 1}):
            yield f"neuron.settings with two of the {what} {twice!r}: give one"
    for setting in info.neuron.settings:
        yield from _check_setting(setting, membrane.unit)
    if not info.weights:
        yield "weights (): give a WeightFormat"
    for form in info.weights:
        low, high = form.minimum_full_scale, form.maximum_full_scale
        if low > high:
            yield f"weights with full scales from {low:g} to {high:g}: give a range"
    for offer in info.offers.probes:
        most = 1 if offer.quantity == "spikes" else info.capacity.steps
        if offer.every > most:
            yield f"probe of {offer.quantity} every {offer.every}: give 1 to {most}"


def _check_setting(setting: Setting, membrane: str) -> Iterator[str]:
    what, low, high = f"setting {setting.name!r}", setting.minimum, setting.maximum
    if not low <= setting.default <= high:
        yield f"{what} of default {setting.default:g}: give one within {low:g} to {high:g}"
    if setting.role == "threshold" and setting.unit != membrane:
        yield (
            f"{what} of role threshold in {setting.unit!r}: give it in the membrane's unit, "
            f"{membrane!r}"
        )
    if setting.role in ("time_constant", "synapse") and (setting.unit != "s" or low <= 0):
        yield f"{what} of role {setting.role} in {setting.unit!r}: give seconds, above 0"
    if setting.role == "refractory" and (setting.unit not in ("s", "steps") or low < 0):
        yield f"{what} of role refractory in {setting.unit!r}: give 's' or 'steps', from 0 on"
