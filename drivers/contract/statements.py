"""Checks of what a device states about itself, made once when it is opened."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from typing import Any, get_args

from drivers.contract.faults import FaultKind
from drivers.contract.info import (
    CONTRACT,
    MANUAL,
    Abilities,
    Arrival,
    Capacity,
    DeviceInfo,
    Energy,
    Identity,
    Layers,
    Neuron,
    ProbeOffer,
    Quantity,
    Reduction,
    Reset,
    Role,
    Sampled,
    Setting,
    Signs,
    StimulusKind,
    Timing,
    WeightFormat,
)
from drivers.errors import ContractMismatch, ReadoutError

MOST_SPIKES = 255  # a raster holds bytes
LONGEST = 20_000  # letters that name the members of a large fleet
MOST = 2**53  # that is counted, and that float64 tells from the next
FURTHEST = 1e30  # membrane or weight, which float32 holds


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
        A few words each, with the field, what it is and what is allowed.
    """
    return [
        *([] if info.identity.name else ["identity.name empty: give it one"]),
        *_check_fields("identity", info.identity, Identity, _is_line, "a line of text"),
        *_check_abilities(info.abilities),
        *_check_energy(info.energy),
        *_check_capacity(info.capacity),
        *_check_timing(info.timing),
        *_check_neuron(info.neuron),
        *_check_weights(info.weights),
        *_check_words("offers.stimuli", info.offers.stimuli, StimulusKind),
        *(
            wrong
            for offer in info.offers.probes
            for wrong in _check_probe(offer, info.capacity.steps)
        ),
    ]


def _check_fields(
    name: str, group: object, kind: type[Any], is_right: Callable[[object], bool], allowed: str
) -> Iterator[str]:
    if not isinstance(group, kind):
        yield f"{name} as {type(group).__name__}: give {kind.__name__}(...)"
        return
    for field in fields(group):
        if not is_right(getattr(group, field.name)):
            yield f"{name}.{field.name} {getattr(group, field.name)!r}: give {allowed}"


def _check_abilities(abilities: Abilities) -> Iterator[str]:
    if not isinstance(abilities, Abilities):
        yield f"abilities as {type(abilities).__name__}: give Abilities(...)"
        return
    others = replace(abilities, faults=False)  # type: ignore[arg-type]
    yield from _check_fields("abilities", others, Abilities, _is_truth, "True or False")
    for kind in abilities.faults:
        yield from _check_word("abilities.faults", kind, FaultKind)


def _check_energy(energy: Energy) -> Iterator[str]:
    if not isinstance(energy, Energy):
        yield f"energy as {type(energy).__name__}: give Energy(...)"
        return
    each = energy.synaptic_event
    if each is not None and not (isinstance(each, int | float) and 0 <= each <= 1):
        yield f"energy.synaptic_event {each!r}: give joules, 0 to 1, or None"
    if not _is_line(energy.source):
        yield f"energy.source {energy.source!r}: give a line of text"


def _is_line(value: object) -> bool:
    return type(value) is str and value.isprintable() and len(value) <= LONGEST


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


def _check_capacity(capacity: Capacity) -> Iterator[str]:
    unlimited = ("fan_in", "synapses", "events_per_step")
    for name in ("inputs", "neurons", "layers", "batch", "steps", *unlimited):
        value = getattr(capacity, name)
        if value is not None or name not in unlimited:
            yield from _check_whole(f"capacity.{name}", value, 1)
    yield from _check_whole("capacity.delay", capacity.delay, 0)
    if capacity.synapse_delays and not capacity.delay:
        yield "capacity.synapse_delays with capacity.delay 0: state the longest delay"


def _check_timing(timing: Timing) -> Iterator[str]:
    if not (math.isfinite(timing.dt) and timing.dt > 0):
        yield f"timing.dt {timing.dt}: give seconds, above 0"
    for name in ("input", "layer"):
        if getattr(timing, name) is not None:
            yield from _check_word(f"timing.{name}", getattr(timing, name), Arrival)


def _check_neuron(neuron: Neuron) -> Iterator[str]:
    if neuron.reset is not None:
        yield from _check_word("neuron.reset", neuron.reset, Reset)
    if neuron.decay is not None and not 0 < neuron.decay <= 1:
        yield f"neuron.decay {neuron.decay}: give above 0 and at most 1, or None"
    yield from _check_whole("neuron.spikes_per_step", neuron.spikes_per_step, 1, MOST_SPIKES)
    if neuron.spikes_per_run is not None:
        yield from _check_whole("neuron.spikes_per_run", neuron.spikes_per_run, 1)
    if neuron.refractory is not None:
        yield from _check_whole("neuron.refractory", neuron.refractory, 0)
    membrane = neuron.membrane
    scale = (membrane.rest, membrane.threshold)
    if not all(abs(each) <= FURTHEST for each in scale) or membrane.rest == membrane.threshold:
        yield "neuron.membrane with rest {:g} and threshold {:g}: give two that differ".format(
            *scale
        )
    for what in ("name", "role"):
        values = [getattr(setting, what) for setting in neuron.settings]
        for twice in sorted({value for value in values if value and values.count(value) > 1}):
            yield f"neuron.settings with two of the {what} {twice!r}: give one"
    for setting in neuron.settings:
        yield from _check_setting(setting, neuron)


def _check_setting(setting: Setting, neuron: Neuron) -> Iterator[str]:
    what = f"setting {setting.name!r}"
    if not setting.name:
        yield "a setting without a name: give it one"
    low, high = setting.minimum, setting.maximum
    if not low <= setting.default <= high:
        yield f"{what} of default {setting.default:g}: give one within {low:g} to {high:g}"
    yield from _check_word(f"{what} of role", setting.role, Role)
    if setting.role == "threshold" and setting.unit != neuron.membrane.unit:
        yield (
            f"{what} of role threshold in {setting.unit!r}: give it in the membrane's unit, "
            f"{neuron.membrane.unit!r}"
        )
    if setting.role in ("time_constant", "synapse") and (setting.unit != "s" or low <= 0):
        yield f"{what} of role {setting.role} in {setting.unit!r}: give seconds, above 0"
    if setting.role == "refractory" and (setting.unit not in ("s", "steps") or low < 0):
        yield f"{what} of role refractory in {setting.unit!r}: give 's' or 'steps', from 0 on"


def _check_weights(weights: tuple[WeightFormat, ...]) -> Iterator[str]:
    if not weights:
        yield "weights empty: give a WeightFormat"
    for form in weights:
        low, high = form.minimum_full_scale, form.maximum_full_scale
        if not 0 < low <= high <= FURTHEST:
            yield f"weights with full scales from {low:g} to {high:g}: give some above 0"
        if form.levels is not None:
            yield from _check_whole("weights.levels", form.levels, 2)
        yield from _check_word("weights.signs", form.signs, Signs)
        if not 0 <= form.residual < 1:
            yield f"weights.residual {form.residual:g}: give a share of the full scale, below 1"


def _check_probe(offer: ProbeOffer, steps: int) -> Iterator[str]:
    what = f"probe of {offer.quantity}"
    yield from _check_word("offers.probes of", offer.quantity, Quantity)
    yield from _check_word(f"{what} of layers", offer.layers, Layers)
    yield from _check_words(f"{what} of reductions", offer.reductions, Reduction)
    yield from _check_word(f"{what} sampled", offer.sampled, Sampled)
    yield from _check_whole(
        f"{what} every", offer.every, 1, 1 if offer.quantity == "spikes" else steps
    )
    if offer.neurons is not None:
        yield from _check_whole(f"{what} of neurons", offer.neurons, 1)


def _check_whole(what: str, value: object, least: int, most: int = MOST) -> Iterator[str]:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not (whole and least <= value <= most):  # type: ignore[operator]
        allowed = f"{least} to {most}" if most < MOST else f"at least {least}"
        yield f"{what} {value!r}: give a whole number, {allowed}"


def _check_word(what: str, value: object, known: object) -> Iterator[str]:
    words = get_args(known)
    if value not in words:
        yield f"{what} {value!r}: give {' or '.join(repr(word) for word in words)}"


def _check_words(what: str, values: Iterable[object], known: object) -> Iterator[str]:
    words = list(values)
    if not words:
        yield f"{what} empty: give some of {', '.join(repr(word) for word in get_args(known))}"
    for value in words:
        yield from _check_word(what, value, known)
