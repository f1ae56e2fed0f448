"""A device under a controller: timed, counted, and brought back when it has restarted.

A second one may stand for it, for rules that go back through a model of the device.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

import drivers
from drivers import Device, DeviceRestarted, Network, Probe, Readout, Stimulus
from drivers.contract.arrays import first_mismatch, select_prefix
from drivers.contract.info import StimulusKind
from hil import streams
from hil.config import Config
from hil.extensions import in_force
from hil.learning.rule import Rule
from hil.loop import mapping
from hil.loop.costs import Costs
from hil.loop.mapping import graph_of
from hil.loop.observation.observer import DecodedReadout, Observer
from hil.partial_runs import Group, join_batches, join_groups, split_probes

Matrix = NDArray[np.float32]
Answer = TypeVar("Answer")
RESTARTS = 10  # in a row, without a single request done, from which a device is given up


@dataclass
class Clock:
    """Times spent, in seconds.

    Attributes:
        device: In the device: running and storing weights.
        transfer: On the line to it.
        restarts: How often it had to be brought back.
    """

    device: float = 0.0
    transfer: float = 0.0
    restarts: int = 0

    def __sub__(self, other: Clock) -> Clock:
        return Clock(self.device - other.device, self.transfer - other.transfer)


class SupervisedDevice:
    """A configured device under supervision: timed, restored after a restart, and what it stores.

    Attributes:
        stored: What the device says that it stores of each projection, as `Network.shapes`.
        clock: Where the time went since the network was configured.
        costs: What the device paid since the training began.
    """

    def __init__(self, device: Device, network: Network, series: int | None = None) -> None:
        """Configure a network.

        Args:
            device: The open device.
            network: As `Device.configure` takes it.
            series: Runs to keep, so that each goes on from the one before, by a device that has
                restarted, too; None begins each from reset.
        """
        self._before = None if series is None else deque[tuple[Stimulus, int]](maxlen=series + 1)
        self._is_lost = False
        self._device, self._network, self.clock = device, network, Clock()
        self.costs, self.stored = Costs.none(network.shapes), list[Matrix]()
        self._perform(device.configure, network)
        self.stored = [np.zeros(shape, np.float32) for shape in network.shapes]
        self._largest_batch = device.info.capacity.batch
        self._probes: Sequence[Probe] = ()
        self._groups = list[Group]()  # the runs that answer these

    def check_run(
        self, kind: StimulusKind, batch: int, steps: int, probes: Sequence[Probe]
    ) -> None:
        """Refuse, as `run` would, what the device cannot serve; runs nothing."""
        rounds, most = self._rounds_of(probes), self._largest_batch
        if self._before is not None:
            has = "training.carry: each sample is run once and from where the last one ended"
            if not self._device.info.abilities.runs_on:
                raise ValueError(f"{has}: this device begins each run from reset: leave it out")
            if batch > most:
                raise ValueError(f"{has}: this device takes {most} at once: lower training.batch")
            if len(rounds) > 1:
                raise ValueError(f"{has}: this device shows a layer in parts: set observe=output")
        for each in rounds:
            self._device.check_run(kind, min(batch, most), steps, list(each.values()))

    def begin_series(self) -> None:
        """Begin the next run from reset, where each goes on from the one before."""
        if self._before is not None:
            self._before.clear()

    def run(self, stimulus: Stimulus, probes: Sequence[Probe], trial: int) -> Readout:
        """Run a batch, as `Device.run` does, whatever the device takes and shows at once.

        A batch larger than it takes is run in parts, each a trial of its own; each part anew for
        every group of neurons that are shown at once.
        """
        parts = -(-stimulus.batch // self._largest_batch)
        if parts > 1:
            answers = []
            for number, rows in enumerate(np.array_split(np.arange(stimulus.batch), parts)):
                name = streams.trial(trial, "part", number) if number else trial
                answers.append(self.run(stimulus.part(rows), probes, name))
            return join_batches(answers)
        readouts, groups = [], self._rounds_of(probes)
        for each in groups:
            asked = list(each.values())
            readout = self._perform(self._run_on, stimulus, asked, trial)
            if self._before is not None:
                self._before.append((stimulus, trial))
            self.costs.count_run(stimulus, readout)
            readouts.append(readout)
        return readouts[0] if len(readouts) == 1 else join_groups(groups, readouts)

    def write(self, projection: int, weights: Matrix) -> None:
        """Write one projection, as `Device.write_weights` does."""
        stored = self._perform(self._device.write_weights, projection, weights)
        self.costs.count_write(projection, self.stored[projection], stored)
        self.stored[projection] = stored

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Delays, what is stored, what was paid, and all that a resumable device remembers."""
        arrays: dict[str, NDArray[np.generic]] = {
            f"stored/{p}": stored for p, stored in enumerate(self.stored)
        }
        arrays |= graph_of(self._network)
        arrays |= {f"costs/{name}": value for name, value in self.costs.state().items()}
        if self._device.info.abilities.resumable:
            state = self._device.state()
            arrays |= {f"device/{name}": value for name, value in state.items()}
        return arrays

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> bool:
        """Return to what `state` gave, and say whether the device could; else it holds nothing."""
        costs, device = select_prefix(state, "costs/"), select_prefix(state, "device/")
        wrong = first_mismatch(
            select_prefix(state, "stored/"), select_prefix(self.state(), "stored/")
        )
        if wrong:
            raise ValueError(f"stored/{wrong}")
        self.costs.restore(costs)
        if not (device and self._device.info.abilities.resumable):
            return False
        self._device.restore({name: array.copy() for name, array in device.items()})
        self.stored = [state[f"stored/{p}"].astype(np.float32) for p in range(len(self.stored))]
        return True

    def _run_on(self, stimulus: Stimulus, probes: Sequence[Probe], trial: int) -> Readout:
        """Run a batch; show a device that has restarted in a series what came before it again."""
        before = self._before or ()
        for number, (earlier, name) in enumerate(before if self._is_lost else ()):
            self._device.run(earlier, trial=name, carry=number > 0)
        self._is_lost = False
        return self._device.run(stimulus, probes, trial=trial, carry=bool(before))

    def _rounds_of(self, probes: Sequence[Probe]) -> list[Group]:
        """The runs that answer some probes; those of a step are the same for all steps."""
        if not self._groups or probes != self._probes:
            self._probes = probes
            self._groups = split_probes(probes, self._network, self._device.info)
        return self._groups

    def _perform(self, request: Callable[..., Answer], *args: Any, **options: Any) -> Answer:
        """Ask the device, count the time, and ask again where it lost its network meanwhile."""
        device, restarts = self._device, 0
        started, line, sent = time.perf_counter(), device.transfer_seconds, device.transfer_bytes
        try:
            while True:
                try:
                    if restarts:
                        self._bring_back()
                    return request(*args, **options)
                except DeviceRestarted as error:
                    restarts += 1
                    self.clock.restarts += 1
                    if restarts == RESTARTS:
                        raise DeviceRestarted(
                            f"{error}; it restarted {restarts} times without getting anything "
                            "done, so look at its power, or its driver"
                        ) from None
        finally:
            lasted = time.perf_counter() - started
            transfer = min(max(0.0, device.transfer_seconds - line), lasted)
            self.clock.transfer += transfer
            self.costs.usage.line_bytes += max(0, device.transfer_bytes - sent)
            self.clock.device += lasted - transfer

    def _bring_back(self) -> None:
        """Give the device the network and the weights that it had."""
        self._is_lost = True
        self._device.configure(self._network)
        for projection, weights in enumerate(self.stored):
            stored = self._device.write_weights(projection, weights)
            self.costs.count_write(projection, np.zeros_like(stored), stored)


@dataclass(eq=False)
class ModelDevice:
    """The model: it is given what the device stores and is shown, and shows what it does.

    Attributes:
        device: The device that is the model, open.
        supervised: The same, with the network on it; what it pays is counted for nobody.
        observer: What is read of it: everything.
    """

    device: Device
    supervised: SupervisedDevice
    observer: Observer

    @classmethod
    def open(
        cls,
        config: Config,
        rule: Rule,
        layers: tuple[int, ...],
        kind: StimulusKind,
        initial: mapping.Initial,
    ) -> ModelDevice:
        """Open the device that a rule names and lay the network of a configuration on it.

        Args:
            config: The configuration.
            rule: The rule.
            layers: Sizes of the network, the input first.
            kind: That of the stimulus.
            initial: Arrays that the network begins with, as `mapping.network` takes them.

        Raises:
            UntrustedCode: When it takes code that nobody trusts.
            ValueError: When the network, or what the rule reads, does not fit it.
            DeviceError: When there is no such device.
        """
        in_force().check(drivers.code_of(rule.model))
        device = drivers.open(rule.model)
        try:
            # What another device has been given, as far as it is known here.
            names = {setting.name for setting in device.info.neuron.settings}
            settings = {n: value for n, value in config.network.settings.items() if n in names}
            own = config.network.model_copy(update={"calibration": "", "settings": settings})
            config = config.model_copy(update={"observe": "spikes", "network": own})
            network = mapping.network(config, device.info, layers, initial)
            supervised = SupervisedDevice(device, network)
            observer = Observer(config, device, rule, kind)
            batch, steps = config.training.batch, config.network.steps
            supervised.check_run(kind, batch, steps, observer.probes)
        except BaseException:
            device.close()
            raise
        return cls(device, supervised, observer)

    def show(self, stimulus: Stimulus, stored: Sequence[Matrix], trial: int) -> DecodedReadout:
        """Run a batch with the weights that the device stores."""
        for projection, weights in enumerate(stored):
            self.supervised.write(projection, weights)
        readout = self.supervised.run(stimulus, self.observer.probes, trial)
        return self.observer.decode(readout, stimulus, self.supervised.stored)
