"""What a fleet states of itself: what holds for each of its members."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from drivers.contract.info import (
    Abilities,
    Capacity,
    DeviceInfo,
    Identity,
    Offers,
    ProbeOffer,
    WeightFormat,
)
from drivers.contract.neuron import Neuron, Setting
from drivers.errors import SettingError

Stated = TypeVar("Stated")


def common(infos: Sequence[DeviceInfo], addresses: Sequence[str]) -> DeviceInfo:
    """What holds for all members.

    Capacities are the least of all, what is offered is what all of them offer, and what one of
    them does not know is not known. A fleet takes as many samples at once as all together.

    Args:
        infos: What each member states.
        addresses: Its address, for messages.

    Raises:
        SettingError: When members state what cannot hold for one device, such as two resets.
    """
    first = infos[0]
    for info, address in zip(infos, addresses, strict=True):
        for what, one, other in _facts(first, info):
            if one != other:
                raise SettingError(
                    f"fleet: {what} is {one} at {addresses[0]} and {other} at {address}: the "
                    "members of a fleet have to be alike in it"
                )
    stimuli = [
        kind for kind in first.offers.stimuli if all(kind in i.offers.stimuli for i in infos)
    ]
    if not stimuli:
        raise SettingError(f"fleet: no kind of stimulus that all of {len(infos)} members take")
    capacity = _least_capacity([info.capacity for info in infos])
    names = list(dict.fromkeys(info.identity.name for info in infos))
    serials = ",".join(info.identity.serial or "?" for info in infos)
    return DeviceInfo(
        contract=first.contract,
        identity=Identity(f"fleet of {len(infos)}: {', '.join(names)}", serial=serials),
        capacity=replace(capacity, batch=capacity.batch * len(infos)),
        timing=_agreed([info.timing for info in infos]),
        neuron=_common_neuron([info.neuron for info in infos]),
        weights=tuple(_common_formats(infos)),
        offers=Offers(stimuli=tuple(stimuli), probes=tuple(_common_probes(infos))),
        abilities=replace(
            _shared([info.abilities for info in infos]), batch_invariant=len(infos) == 1
        ),
    )


def _facts(one: DeviceInfo, other: DeviceInfo) -> Iterator[tuple[str, object, object]]:
    """What has to be the same in all members."""
    yield "the reset", one.neuron.reset, other.neuron.reset
    yield "the length of a step", one.timing.dt, other.timing.dt
    yield "the membrane scale", one.neuron.membrane, other.neuron.membrane
    for a in one.offers.probes:
        for b in other.offers.probes:
            if (a.quantity, a.layers) == (b.quantity, b.layers):
                yield f"the sampling of {a.quantity}", a.sampled, b.sampled


def _least_capacity(stated: Sequence[Capacity]) -> Capacity:
    """The least of each limit; None is no limit."""

    def least(name: str) -> Any:
        limits = [getattr(each, name) for each in stated]
        known = [limit for limit in limits if limit is not None]
        return min(known) if known else None

    return Capacity(**{field.name: least(field.name) for field in fields(Capacity)})


def _agreed(stated: Sequence[Stated]) -> Stated:
    """Each fact that all state alike; None for one that they do not."""
    first = stated[0]
    unknown = {
        field.name: None
        for field in fields(first)  # type: ignore[arg-type]
        if any(getattr(each, field.name) != getattr(first, field.name) for each in stated)
    }
    return replace(first, **unknown)  # type: ignore[type-var]


def _common_neuron(stated: Sequence[Neuron]) -> Neuron:
    fastest = max(each.spikes_per_step for each in stated)
    alike = [replace(each, settings=(), spikes_per_step=fastest) for each in stated]
    return replace(_agreed(alike), settings=tuple(_common_settings(stated)))


def _common_settings(stated: Sequence[Neuron]) -> Iterator[Setting]:
    """Settings that all have by the same name, unit and role, within what all allow."""
    for setting in stated[0].settings:
        same = [
            other
            for each in stated
            for other in each.settings
            if (other.name, other.unit, other.role) == (setting.name, setting.unit, setting.role)
        ]
        low, high = max(each.minimum for each in same), min(each.maximum for each in same)
        if len(same) == len(stated) and low <= setting.default <= high:
            yield replace(
                setting,
                minimum=low,
                maximum=high,
                per_neuron=all(each.per_neuron for each in same),
                per_population=all(each.per_population for each in same),
            )


def _common_formats(infos: Sequence[DeviceInfo]) -> Iterator[WeightFormat]:
    """The coarsest format of each projection."""
    for projection in range(max(len(info.weights) for info in infos)):
        formats = [info.weight_format(projection) for info in infos]
        levels = [each.levels for each in formats if each.levels is not None]
        yield WeightFormat(
            max(each.minimum_full_scale for each in formats),
            min(each.maximum_full_scale for each in formats),
            min(levels) if levels else None,
        )


def _common_probes(infos: Sequence[DeviceInfo]) -> Iterator[ProbeOffer]:
    """What all offer to show."""
    for offer in infos[0].offers.probes:
        same = [
            other
            for info in infos
            for other in info.offers.probes
            if (other.quantity, other.layers) == (offer.quantity, offer.layers)
        ]
        shown = [r for r in offer.reductions if all(r in each.reductions for each in same)]
        if len(same) == len(infos) and shown:
            some = [each.neurons for each in same if each.neurons is not None]
            yield replace(
                offer,
                reductions=tuple(shown),
                every=max(each.every for each in same),
                neurons=min(some) if some else None,
            )


def _shared(stated: Sequence[Abilities]) -> Abilities:
    """What all can do."""
    return Abilities(
        **{
            field.name: all(getattr(each, field.name) for each in stated)
            for field in fields(Abilities)
        }
    )
