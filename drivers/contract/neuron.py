"""What a device states about its neurons: reset, decay, membrane scale and settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Reset = Literal["soft", "hard"]
Role = Literal["", "threshold", "time_constant", "refractory", "synapse"]


@dataclass(frozen=True, slots=True)
class Setting:
    """A nominal setting that a network may choose.

    Attributes:
        name: Its name.
        unit: Its physical unit, e.g. `s` or `V`; empty when dimensionless.
        minimum: Least value allowed.
        maximum: Greatest value allowed.
        default: Value used when the network does not name it.
        meaning: What it does, in one sentence.
        per_neuron: Whether `Population.trims` may choose it for each neuron.
        per_population: Whether populations may differ in it.
        role: What the host may use it for, whatever its name: `threshold` in the unit of
            `Membrane`, `time_constant` of the membrane in s, `refractory` time in s or in steps,
            `synapse` the time constant in s of a synaptic current that decays exponentially and
            brings what its weight says in total; empty for any other setting. A role is given once.
    """

    name: str
    unit: str
    minimum: float
    maximum: float
    default: float
    meaning: str
    per_neuron: bool = False
    per_population: bool = False
    role: Role = ""


@dataclass(frozen=True, slots=True)
class Membrane:
    """The nominal membrane scale, for reading samples in units of the threshold.

    Attributes:
        unit: Physical unit of the samples, e.g. `V` or `LSB`.
        rest: Nominal resting value.
        threshold: Nominal threshold at the default settings.
    """

    unit: str = "V"
    rest: float = 0.0
    threshold: float = 1.0

    def in_thresholds(
        self, samples: NDArray[np.float32], threshold: float | None = None
    ) -> NDArray[np.float32]:
        """Map samples in membrane units to 0 at rest and 1 at the nominal threshold.

        Args:
            samples: Any shape, in `unit`.
            threshold: The threshold in use where a setting moved it, in `unit`.

        Returns:
            Same shape, dimensionless.
        """
        swing = (self.threshold if threshold is None else threshold) - self.rest
        if self.rest == 0.0 and swing == 1.0:
            return samples
        return (samples - np.float32(self.rest)) / np.float32(swing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Neuron:
    """What the neurons of a device are, nominally.

    Attributes:
        reset: What a spike does to the membrane: `soft` subtracts the threshold, `hard` clears;
            None when the maker does not say.
        decay: Fraction of the membrane left after one step without input, at the default
            settings: above 0, and 1 where nothing leaks; None when the maker does not say. Rate
            estimators read it, and rules that claim knowledge of the neuron.
        spikes_per_step: Most spikes that a neuron fires in one step, 1 to 255.
        refractory: For how many steps after that of a spike a neuron ignores its input, at the
            default settings; None when the maker does not say.
        membrane: Scale of membrane samples.
        settings: What a network may choose.
    """

    reset: Reset | None = None
    decay: float | None = None
    spikes_per_step: int = 1
    refractory: int | None = None
    membrane: Membrane = field(default_factory=Membrane)
    settings: tuple[Setting, ...] = ()

    @property
    def assumed_reset(self) -> Reset:
        """The reset, taken for soft where it is neither stated nor measured."""
        return self.reset or "soft"

    def setting(self, role: Role) -> Setting | None:
        """The setting that has a role, or None."""
        return next((setting for setting in self.settings if setting.role == role), None)
