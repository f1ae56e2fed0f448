"""Named chips. Each figure has a source, or says that it is a choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from device_models.adc import MembraneADC
from device_models.figures import override
from device_models.fixed_pattern import FixedPattern
from device_models.naming import nearest
from device_models.programming import Programming
from device_models.temporal import Temporal


@dataclass(frozen=True)
class Imperfections:
    """Everything that is not ideal about a chip, tier by tier."""

    fixed_pattern: FixedPattern = field(default_factory=FixedPattern)
    programming: Programming = field(default_factory=Programming)
    temporal: Temporal = field(default_factory=Temporal)
    adc: MembraneADC = field(default_factory=MembraneADC)


@dataclass(frozen=True)
class Cited:
    """A figure's value and where it comes from."""

    value: float
    source: str


@dataclass(frozen=True)
class Profile:
    """A named chip.

    Attributes:
        name: Its name.
        description: What it stands for, in one line.
        cited: Value and source of each figure that is not ideal.
    """

    name: str
    description: str
    cited: Mapping[str, Cited]

    @property
    def imperfections(self) -> Imperfections:
        """The figures, tier by tier."""
        return override(Imperfections(), {name: c.value for name, c in self.cited.items()})


_DYNAP = (
    "coefficients of variation of 0.1 to 0.2 over the silicon neurons of a DYNAP-SE: Zendrikov, "
    "Solinas & Indiveri 2023, Neuromorph. Comput. Eng. 3 034002"
)
_BSS2 = "BrainScaleS-2: Pehle et al. 2022, Front. Neurosci. 16:795876"
_CHOICE = "a choice, for want of a published figure"

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("ideal", "every neuron and synapse as nominal, exact weights, no noise", {}),
        Profile(
            "mixed-signal",
            "analog neurons with mismatch, 6-bit weights, 8-bit membrane readout, noise",
            {
                "threshold_cv": Cited(0.1, _DYNAP),
                "leak_cv": Cited(0.2, _DYNAP),
                "gain_cv": Cited(0.1, _DYNAP),
                "weight_cv": Cited(0.2, _DYNAP),
                "reset_sd": Cited(0.05, _CHOICE),
                "dead_fraction": Cited(0.01, _CHOICE),
                "weight_bits": Cited(6, f"6-bit synaptic weights; {_BSS2}"),
                "programming_noise": Cited(0.01, _CHOICE),
                "membrane_noise": Cited(0.02, _CHOICE),
                "spike_loss": Cited(0.001, _CHOICE),
                "adc_bits": Cited(8, f"8-bit parallel converter of membranes; {_BSS2}"),
                "adc_gain_cv": Cited(0.05, _CHOICE),
                "adc_offset_sd": Cited(0.02, _CHOICE),
                "adc_noise": Cited(0.02, _CHOICE),
            },
        ),
    )
}


def get(name: str) -> Profile:
    """The profile of that name.

    Raises:
        ValueError: For an unknown name; the nearest valid one is named.
    """
    if name not in PROFILES:
        raise ValueError(f"chip {name!r} is unknown: {nearest(name, PROFILES)}")
    return PROFILES[name]
