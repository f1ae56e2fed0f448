"""Many devices as one: a batch is shared out, weights go to all, and all run at the same time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from drivers.address_list import parse
from drivers.contract.arrays import select_prefix
from drivers.contract.composite import Composite
from drivers.contract.device import Device
from drivers.contract.info import DeviceInfo
from drivers.contract.messages import Probe, Readout, Stimulus
from drivers.contract.network import Network
from drivers.errors import (
    DeviceError,
    DriverError,
    LinkError,
    ReadoutError,
)
from drivers.fleet.statement import common

Answer = TypeVar("Answer")
Job = Callable[[Device], Answer]
Rows = NDArray[np.int64]
"""Which samples of a batch, by their number."""
FAILURES = (LinkError, DriverError, ReadoutError)
"""What a member that is at fault raises; anything else is the fault of what was asked."""


class Fleet(Composite):
    """`fleet:[may_fail=N,]ADDRESS[,ADDRESS...]`, e.g. `fleet:emulator:mixed-signal?chip=1..8`.

    Of a batch, each member gets an equal share, in order, so that a training that shuffles its
    samples shows all of them to each. Weights are the same for all.
    """

    def __init__(
        self, devices: Sequence[Device], addresses: Sequence[str], may_fail: int = 0
    ) -> None:
        """Take over devices that are open.

        Args:
            devices: The members; closed with this one.
            addresses: Their addresses, for messages.
            may_fail: How many of them may fail without ending the work.

        Raises:
            SettingError: When they cannot be one device.
        """
        super().__init__(*devices)
        self._info = common([device.info for device in devices], addresses)
        self._addresses, self._spare = tuple(addresses), may_fail
        self._members = list(range(len(devices)))  # those that have not failed
        self._threads = ThreadPoolExecutor(len(devices), thread_name_prefix="fleet")
        self._limit = min(device.info.capacity.batch for device in devices)
        self._last: dict[int, Rows] = {}
        self._failed: tuple[str, ...] = ()

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Fleet:
        """Open all members."""
        from drivers.registry import open as opened
        from drivers.registry import schemes

        members, devices = parse(target, schemes()), list[Device]()
        try:
            for each in members.addresses:
                devices.append(opened(each))
            return cls(devices, members.addresses, members.may_fail)
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

        addresses = parse(target, schemes()).addresses
        return tuple(dict.fromkeys(code for each in addresses for code in code_of(each)))

    @classmethod
    def catalogue(cls) -> list[tuple[str, str]]:
        """What an address looks like."""
        return [
            (
                "fleet:ADDRESS,ADDRESS,...",
                "many devices as one, e.g. fleet:emulator:mixed-signal?chip=1..8",
            )
        ]

    @property
    def info(self) -> DeviceInfo:
        """What holds for all members."""
        return self._info

    @property
    def transfer_seconds(self) -> float:
        """Time spent on the slowest line, in seconds: all are used at the same time."""
        return max(device.transfer_seconds for device in self.devices)

    @property
    def failed(self) -> tuple[str, ...]:
        """What each member failed with that is done without."""
        return self._failed

    def state(self) -> dict[str, NDArray[np.generic]]:
        """All that the members remember, by `NUMBER/NAME`."""
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

    def _configure(self, network: Network) -> None:
        self._all(lambda device: device.configure(network))

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        stored = self._all(lambda device: device.write_weights(projection, weights))
        if all(np.array_equal(each, stored[0]) for each in stored[1:]):
            return stored[0]
        mean = np.asarray(np.mean(stored, axis=0, dtype=np.float64), np.float32)
        scale = self.network.full_scale[projection]
        return self._info.weight_format(projection).quantise(mean, scale)

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        """Share the batch out; what a member had to do that fails is shared out anew."""
        done: list[tuple[Rows, Readout]] = []
        left = np.arange(stimulus.batch)
        while len(left):
            shares = self._carried_on() if carry else self._shares(left)
            jobs = {
                member: _running(stimulus.part(rows), probes, trial, carry)
                for member, rows in shares.items()
            }
            answers = self._each(jobs)
            done += [(shares[member], readout) for member, readout in answers.items()]
            left = np.setdiff1d(left, np.concatenate([rows for rows, _ in done]))
            if carry and len(left):
                raise LinkError(f"{self.failed[-1]}: its samples cannot run on elsewhere")
            self._last = shares if len(answers) == len(shares) and not len(left) else {}
        return joined(done)

    def _shares(self, left: Rows) -> dict[int, Rows]:
        """Which samples each member runs next: as many as all have room for, in equal parts."""
        now = left[: self._limit * len(self._members)]
        parts = np.array_split(now, len(self._members))
        return {
            member: rows for member, rows in zip(self._members, parts, strict=True) if len(rows)
        }

    def _carried_on(self) -> dict[int, Rows]:
        """The shares of the last run, which run on where they ended."""
        if not self._last or not set(self._last) <= set(self._members):
            raise LinkError("the members of the fleet are others than in the last run: run anew")
        return self._last

    def _all(self, act: Job[Answer]) -> list[Answer]:
        """Ask the same of all members."""
        return list(self._each(dict.fromkeys(self._members, act)).values())

    def _each(self, jobs: Mapping[int, Job[Answer]]) -> dict[int, Answer]:
        """Ask something of each of some members, of all at the same time.

        Returns:
            The answers of those that did not fail, in order.

        Raises:
            DeviceError: What a member raised, with its address, where it is not done without.
        """
        # In threads those that are waited for; simulators, which compute in this one, are only
        # slowed down by threads.
        simulated = [n for n in jobs if self.devices[n].independent]
        asked = {  # in a copy of this thread's context, such as how numpy treats overflows
            n: self._threads.submit(copy_context().run, job, self.devices[n])
            for n, job in jobs.items()
            if n not in simulated
        }
        asked |= {n: _done(jobs[n], self.devices[n]) for n in simulated}
        wait(asked.values())
        raised = {n: error for n, each in asked.items() if (error := each.exception())}
        for number, error in raised.items():
            if not isinstance(error, DeviceError):
                raise error
            told = f"{self._addresses[number]}: {error}"
            if not isinstance(error, FAILURES) or len(self.failed) == self._spare:
                raise type(error)(told) from error
            self._members.remove(number)
            self._failed = (*self._failed, told)
            with suppress(DeviceError):
                self.devices[number].close()
        return {n: asked[n].result() for n in jobs if n not in raised}

    def _reset(self) -> None:
        self._all(lambda device: device.reset())

    def _close(self) -> None:
        self._threads.shutdown()
        super()._close()


"""
"""


def _done(job: Job[Answer], device: Device) -> Future[Answer]:
    """What a device answers, or what it raises."""
    found = Future[Answer]()
    try:
        found.set_result(job(device))
    except Exception as error:
        found.set_exception(error)
    return found


def _running(
    share: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
) -> Job[Readout]:
    return lambda device: device.run(share, probes, trial=trial, carry=carry)


def joined(parts: Sequence[tuple[Rows, Readout]]) -> Readout:
    """One answer from those to the parts of a batch.

    Args:
        parts: Which samples, and their answer.
    """
    order, first = np.argsort(np.concatenate([rows for rows, _ in parts])), parts[0][1]
    samples: dict[Probe, NDArray[np.generic]] = {}
    for probe in first.samples:
        axis = 1 if probe.reduce == "none" else 0
        found = np.concatenate([readout.samples[probe] for _, readout in parts], axis)
        samples[probe] = np.take(found, order, axis)
    counts = np.concatenate([readout.counts for _, readout in parts])[order]
    return Readout(counts, first.steps, samples, first.membrane_sampled)
