"""A device that stands for the one that learns, for rules that go back through a model of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import drivers
from drivers import Device, Stimulus
from drivers.contract.info import StimulusKind
from hil.config import Config
from hil.extensions import in_force
from hil.learning.rule import Rule
from hil.loop import mapping
from hil.loop.observation.observer import DecodedReadout, Observer
from hil.loop.supervised_device import SupervisedDevice

Matrix = NDArray[np.float32]


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
        cls, config: Config, rule: Rule, layers: tuple[int, ...], kind: StimulusKind
    ) -> ModelDevice:
        """Open the device that a rule names and lay the network of a configuration on it.

        Raises:
            UntrustedCode: When it takes code that nobody trusts.
            ValueError: When the network, or what the rule reads, does not fit it.
            DeviceError: When there is no such device.
        """
        network = config.network.model_copy(update={"calibration": ""})  # that of another device
        config = config.model_copy(update={"observe": "spikes", "network": network})
        in_force().check(drivers.code_of(rule.model))
        device = drivers.open(rule.model)
        try:
            supervised = SupervisedDevice(device, mapping.network(config, device.info, layers))
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
