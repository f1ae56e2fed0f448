"""Many devices as one: a batch is shared out, weights go to all, and all run at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from drivers.contract.device import Device
from drivers.contract.messages import Probe, Readout, Stimulus
from drivers.contract.network import Network
from drivers.errors import LinkError
from drivers.group import Group, Job
from drivers.registry import Members

Rows = NDArray[np.int64]
"""Which samples of a batch, by their number."""


class Fleet(Group):
    """`fleet:[may_fail=N,][at_once=N,]ADDRESS[,ADDRESS...]`, e.g. `fleet:emulator:ideal?chip=1..8`.

    Of a batch, each member gets an equal share, in order, so that a training that shuffles its
    samples shows all of them to each; or the next few in turn do. Weights are the same for all.
    """

    def __init__(self, devices: Sequence[Device], members: Members) -> None:
        """Take over devices that are open; see `Group`.

        Weights are written to the members that run next, and to others when it is their turn.
        """
        super().__init__(devices, members)
        info, at_once = self._info, members.at_once
        self._limit = info.capacity.batch
        self._info = replace(
            info,
            identity=replace(info.identity, name=f"fleet of {info.identity.name}"),
            capacity=replace(info.capacity, batch=self._limit * (at_once or len(devices))),
            abilities=replace(info.abilities, batch_invariant=len(devices) == 1),
        )
        if at_once:  # whose turn it is, and what is yet to be written, is in no state
            able = replace(self._info.abilities, deterministic=False, resumable=False)
            self._info = replace(self._info, abilities=able)
        self._at_once, self._turn = at_once, 0
        self._due: dict[tuple[int, int], NDArray[np.float32]] = {}  # by member and projection
        self._last: dict[int, Rows] = {}

    @classmethod
    def catalogue(cls) -> list[tuple[str, str]]:
        """Say what an address looks like."""
        return [
            (
                "fleet:ADDRESS,ADDRESS,...",
                "many devices as one, e.g. fleet:emulator:mixed-signal?chip=1..8",
            )
        ]

    @property
    def failures(self) -> tuple[str, ...]:
        """Errors of the members that are done without."""
        return self._failed

    def _configure(self, network: Network) -> None:
        self._ask_all(lambda device: device.configure(network))
        self._due.clear()

    def _next(self) -> list[int]:
        """List the members whose turn it is."""
        first = self._turn % len(self._members)
        return [*self._members[first:], *self._members[:first]][: self._at_once or None]

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        first: list[NDArray[np.float32]] = []

        def write(device: Device) -> NDArray[np.float32]:
            """Write to a member; what it stores is kept once where it is what the first does."""
            stored = device.write_weights(projection, weights)
            if not first:
                first.append(stored)
            return first[0] if np.array_equal(stored, first[0]) else stored

        now = self._next()
        stored = list(self._ask_each(dict.fromkeys(now, write)).values())
        given = weights.copy() if self._at_once else weights
        self._due |= {(m, projection): given for m in self._members if m not in now}
        for member in now:
            self._due.pop((member, projection), None)
        if all(each is stored[0] for each in stored):
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
            shares = self._last_shares() if carry else self._shares(left)
            jobs: dict[int, Job[Readout]] = {
                member: partial(self._run_member, member, stimulus.part(rows), probes, trial, carry)
                for member, rows in shares.items()
            }
            answers = self._ask_each(jobs)
            if self._at_once and not carry:
                self._turn += len(shares)
            done += [(shares[member], readout) for member, readout in answers.items()]
            left = np.setdiff1d(left, np.concatenate([rows for rows, _ in done]))
            if carry and len(left):
                raise LinkError(f"{self.failures[-1]}: its samples cannot run on elsewhere")
            self._last = shares if len(answers) == len(shares) and not len(left) else {}
        return join_readouts(done)

    def _run_member(
        self,
        member: int,
        stimulus: Stimulus,
        probes: Sequence[Probe],
        trial: int | None,
        carry: bool,
        device: Device,
    ) -> Readout:
        """Run a share on a member, with the weights that it has not been written yet."""
        for projection in range(len(self.network.projections)):
            if (weights := self._due.get((member, projection))) is not None:
                device.write_weights(projection, weights)
                del self._due[member, projection]
        return device.run(stimulus, probes, trial=trial, carry=carry)

    def _shares(self, left: Rows) -> dict[int, Rows]:
        """Choose the samples each member runs next: as many as all take, in equal parts."""
        members = self._next()
        parts = np.array_split(left[: self._limit * len(members)], len(members))
        return {member: rows for member, rows in zip(members, parts, strict=True) if len(rows)}

    def _last_shares(self) -> dict[int, Rows]:
        """Return the shares of the last run, which run on where they ended."""
        if not self._last or not set(self._last) <= set(self._members):
            raise LinkError("the members of the fleet are others than in the last run: run anew")
        return self._last


def join_readouts(parts: Sequence[tuple[Rows, Readout]]) -> Readout:
    """Make one answer of those to the parts of a batch.

    Args:
        parts: Which samples, and their answer.
    """
    order, first = np.argsort(np.concatenate([rows for rows, _ in parts])), parts[0][1]
    samples: dict[Probe, NDArray[np.generic]] = {}
    for probe in first.samples:
        axis = 1 if probe.reduce == "none" else 0
        values = np.concatenate([readout.samples[probe] for _, readout in parts], axis)
        samples[probe] = np.take(values, order, axis)
    counts = np.concatenate([readout.counts for _, readout in parts])[order]
    return Readout(counts, first.steps, samples, first.membrane_sampled)
