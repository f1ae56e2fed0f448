"""Devices that work as one: opened together, asked at the same time, named when they fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import fields, replace
from operator import methodcaller
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from drivers.contract.arrays import select_prefix
from drivers.contract.device import Composite, Device
from drivers.contract.info import (
    Abilities,
    Capacity,
    DeviceInfo,
    Energy,
    Identity,
    Neuron,
    Offers,
    ProbeOffer,
    Setting,
    WeightFormat,
)
from drivers.errors import DeviceError, DriverError, LinkError, ReadoutError, SettingError
from drivers.registry import Members, parse_members

Answer = TypeVar("Answer")
Stated = TypeVar("Stated")
Job = Callable[[Device], Answer]
FAILURES = (LinkError, DriverError, ReadoutError)
"""What a member that is at fault raises; anything else is the fault of what was asked."""


class Group(Composite):
    """Several devices, of addresses with ranges and commas, as one.

    A subclass writes `_configure`, `_write` and `_run` in terms of `_ask_each`.
    """

    def __init__(self, devices: Sequence[Device], members: Members) -> None:
        """Take over devices that are open.

        Args:
            devices: The members; closed with this one.
            members: What their address says of them.

        Raises:
            SettingError: When they cannot be one device.
        """
        super().__init__(*devices)
        self._info = combine_infos([device.info for device in devices], members.addresses)
        self._names, self._spare = list(members.addresses), members.may_fail
        self._members = list(range(len(devices)))  # those that are in use
        self._threads = ThreadPoolExecutor(len(devices), thread_name_prefix="member")
        self._failed: tuple[str, ...] = ()
        self._seconds = max(device.transfer_seconds for device in devices)

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Self:
        """Open all members."""
        from drivers.registry import open as opened
        from drivers.registry import schemes

        members, devices = parse_members(target, schemes()), list[Device]()
        try:
            for each in members.addresses:
                devices.append(opened(each))
            return cls(devices, members)
        except BaseException as error:
            for device in devices:
                with suppress(DeviceError):
                    device.close()
            if isinstance(error, DeviceError) and len(devices) < len(members.addresses):
                raise type(error)(f"{members.addresses[len(devices)]}: {error}") from error
            raise

    @classmethod
    def code_of(cls, target: str, options: Mapping[str, str]) -> tuple[str, ...]:
        """Files of Python that opening the members would run."""
        from drivers.registry import code_of, schemes

        addresses = parse_members(target, schemes()).addresses
        return tuple(dict.fromkeys(code for each in addresses for code in code_of(each)))

    @property
    def info(self) -> DeviceInfo:
        """Statement that holds for all members together."""
        return self._info

    @property
    def transfer_seconds(self) -> float:
        """Time on the slowest line of those in use at the same time, in seconds."""
        return self._seconds

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return all that the members remember, by `NUMBER/NAME`."""
        return {
            f"{number}/{name}": value
            for number in self._members
            for name, value in self.devices[number].state().items()
        }

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Return the members to what `state` gave; one that had failed stays as it is."""
        for number in self._members:
            if remembered := select_prefix(state, f"{number}/"):
                self.devices[number].restore(remembered)

    def _ask_all(self, act: Job[Answer]) -> list[Answer]:
        """Ask the same of all members."""
        return list(self._ask_each(dict.fromkeys(self._members, act)).values())

    def _ask_each(self, jobs: Mapping[int, Job[Answer]]) -> dict[int, Answer]:
        """Ask something of each of some members, of all at the same time.

        Returns:
            The answers of those that did not fail, in order.

        Raises:
            DeviceError: What a member raised, with its address, where it is not done without.
        """
        # In threads those that are waited for; simulators, which compute in this one, are only
        # slowed down by threads.
        lines = {n: self.devices[n].transfer_seconds for n in jobs}
        simulated = [n for n in jobs if self.devices[n].independent]
        waiting = {  # in a copy of this thread's context, such as how numpy treats overflows
            n: self._threads.submit(copy_context().run, _attempt, job, self.devices[n])
            for n, job in jobs.items()
            if n not in simulated
        }
        outcomes = {n: _attempt(jobs[n], self.devices[n]) for n in simulated}
        outcomes |= {n: each.result() for n, each in waiting.items()}
        self._seconds += max(self.devices[n].transfer_seconds - lines[n] for n in jobs)
        raised = {n: each for n in jobs if isinstance(each := outcomes[n], Exception)}
        for number, error in raised.items():
            if not isinstance(error, DeviceError):
                raise error
            message = f"{self._names[number]}: {error}"
            if not isinstance(error, FAILURES) or len(self.failures) == self._spare:
                raise type(error)(message) from error
            self._members.remove(number)
            self._failed = (*self._failed, message)
            with suppress(DeviceError):
                self.devices[number].close()
        return {n: each for n in jobs if not isinstance(each := outcomes[n], Exception)}

    def _reset(self) -> None:
        self._ask_all(methodcaller("reset"))

    def _close(self) -> None:
        self._threads.shutdown()
        super()._close()


def _attempt(job: Job[Answer], device: Device) -> Answer | Exception:
    """Return what a device answers, or the error that it raises."""
    try:
        return job(device)
    except Exception as error:
        return error


def combine_infos(infos: Sequence[DeviceInfo], addresses: Sequence[str]) -> DeviceInfo:
    """State what holds for each member.

    Capacities are the least of all, what is offered is what all of them offer, and what one of
    them does not know is not known.

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
                    f"{what} is {one} at {addresses[0]} and {other} at {address}: members of one "
                    "device have to be alike in it"
                )
    stimuli = [
        kind for kind in first.offers.stimuli if all(kind in i.offers.stimuli for i in infos)
    ]
    if not stimuli:
        raise SettingError(f"no kind of stimulus that all of {len(infos)} members take")
    shared = {
        each.name: all(getattr(info.abilities, each.name) for info in infos)
        for each in fields(Abilities)
        if each.name != "faults"
    }
    faults = set(first.abilities.faults).intersection(*(info.abilities.faults for info in infos))
    names = list(dict.fromkeys(info.identity.name for info in infos))
    serials = ",".join(info.identity.serial or "?" for info in infos)
    return DeviceInfo(
        contract=first.contract,
        energy=first.energy if len({info.energy for info in infos}) == 1 else Energy(),
        identity=Identity(f"{len(infos)}: {', '.join(names)}", serial=serials),
        capacity=_combine_capacities([info.capacity for info in infos]),
        timing=_keep_agreed([info.timing for info in infos]),
        neuron=_combine_neurons([info.neuron for info in infos]),
        weights=tuple(_combine_formats(infos)),
        offers=Offers(stimuli=tuple(stimuli), probes=tuple(_combine_probes(infos))),
        abilities=Abilities(**shared, faults=tuple(sorted(faults))),
    )


def _facts(one: DeviceInfo, other: DeviceInfo) -> Iterator[tuple[str, object, object]]:
    """List what has to be the same in all members."""
    yield "the reset", one.neuron.reset, other.neuron.reset
    yield "the length of a step", one.timing.dt, other.timing.dt
    yield "the signs of weights", one.weights[0].signs, other.weights[0].signs
    yield "the membrane scale", one.neuron.membrane, other.neuron.membrane
    for a in one.offers.probes:
        for b in other.offers.probes:
            if (a.quantity, a.layers) == (b.quantity, b.layers):
                yield f"the sampling of {a.quantity}", a.sampled, b.sampled


def _combine_capacities(stated: Sequence[Capacity]) -> Capacity:
    """Take the least of each limit; None is no limit."""

    def least(name: str) -> Any:
        limits = [getattr(each, name) for each in stated]
        return min((limit for limit in limits if limit is not None), default=None)

    return Capacity(**{field.name: least(field.name) for field in fields(Capacity)})


def _keep_agreed(stated: Sequence[Stated]) -> Stated:
    """Keep each fact that all state alike; None for one that they do not."""
    first = stated[0]
    unknown = {
        field.name: None
        for field in fields(first)  # type: ignore[arg-type]
        if any(getattr(each, field.name) != getattr(first, field.name) for each in stated)
    }
    return replace(first, **unknown)  # type: ignore[type-var]


def _combine_neurons(stated: Sequence[Neuron]) -> Neuron:
    fastest = max(each.spikes_per_step for each in stated)
    runs = [each.spikes_per_run for each in stated]
    most = None if None in runs else max(run for run in runs if run is not None)
    alike = [
        replace(each, settings=(), spikes_per_step=fastest, spikes_per_run=most) for each in stated
    ]
    return replace(_keep_agreed(alike), settings=tuple(_combine_settings(stated)))


def _combine_settings(stated: Sequence[Neuron]) -> Iterator[Setting]:
    """Yield settings that all have by the same name, unit and role, within what all allow."""
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


def _combine_formats(infos: Sequence[DeviceInfo]) -> Iterator[WeightFormat]:
    """Yield the coarsest format of each projection."""
    for projection in range(max(len(info.weights) for info in infos)):
        formats = [info.weight_format(projection) for info in infos]
        levels = [each.levels for each in formats if each.levels is not None]
        yield WeightFormat(
            max(each.minimum_full_scale for each in formats),
            min(each.maximum_full_scale for each in formats),
            min(levels, default=None),
            formats[0].signs,
            max(each.residual for each in formats),
        )


def _combine_probes(infos: Sequence[DeviceInfo]) -> Iterator[ProbeOffer]:
    """Yield what all offer to show."""
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
                neurons=min(some, default=None),
            )
