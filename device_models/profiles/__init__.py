"""Named chips as data: every `Profile` that a module here defines; each value has a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from device_models import neurons
from device_models.mismatch import Pattern
from device_models.naming import collect_members, find_member
from device_models.neurons import NeuronModel
from device_models.nonidealities import NonIdealities, override


@dataclass(frozen=True)
class Cited:
    """The value of a non-ideality or a parameter, and where it comes from."""

    value: float
    source: str


@dataclass(frozen=True)
class Profile:
    """A named chip.

    Attributes:
        name: Its name.
        description: What it stands for, in one line.
        cited: Value and source of each non-ideality that is not ideal.
        neuron: Its neuron model.
        parameters: Nominal parameters of that model, where they differ from the model's own.
        reset: Its kind of reset; the model's first one when None.
        weight_grid: Storable weights in full scales, where they are not spread evenly.
        pattern: Its fixed pattern, where it was measured; drawn from a seed elsewhere.
        dt: Step, in seconds.
        energy: Joules of a synaptic event, for an estimate.
    """

    name: str
    description: str
    cited: Mapping[str, Cited]
    neuron: str | NeuronModel = "lif"
    parameters: Mapping[str, Cited] = field(default_factory=dict)
    reset: str | None = None
    weight_grid: tuple[float, ...] = ()
    pattern: Pattern | None = None
    dt: float = 1e-3
    energy: Cited | None = None

    @property
    def nonidealities(self) -> NonIdealities:
        """The non-idealities, tier by tier."""
        tiers = override(NonIdealities(), {name: c.value for name, c in self.cited.items()})
        if not self.weight_grid:
            return tiers
        programming = replace(tiers.programming, weight_bits=0, weight_grid=self.weight_grid)
        return replace(tiers, programming=programming)

    @property
    def model(self) -> NeuronModel:
        """The neuron model."""
        return neurons.get(self.neuron) if isinstance(self.neuron, str) else self.neuron


__all__ = ["Cited", "Profile", "get", "names"]


def names() -> tuple[str, ...]:
    """Name every profile of this package, e.g. `ideal`, `mixed-signal`."""
    return tuple(collect_members(__name__, Profile))


def get(name: str) -> Profile:
    """Find the profile of that name.

    Raises:
        ValueError: For an unknown name; the nearest valid one is named.
    """
    return find_member(__name__, Profile, name, "chip")
