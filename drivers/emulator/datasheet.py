"""The emulated chips on paper: every non-ideality with its unit, range and source."""

from __future__ import annotations

from dataclasses import dataclass

from device_models import profiles
from device_models.neurons import NeuronModel
from device_models.nonidealities import by_name
from device_models.profiles import Cited, Profile
from drivers.emulator.device import UNITS

TIERS = {
    "fixed_pattern": "fixed pattern",
    "programming": "storage",
    "temporal": "in time",
    "adc": "readout",
}


@dataclass(frozen=True, slots=True)
class DatasheetEntry:
    """A number of a chip, and where it comes from.

    Attributes:
        tier: When it acts: `fixed pattern`, `storage`, `in time` or `readout`; `neuron` for a
            parameter of the neuron model.
        name: Its name, as an option of the emulator's address.
        value: What it is on this chip.
        unit: Its unit; empty when dimensionless.
        minimum: Least value allowed.
        maximum: Greatest value allowed.
        meaning: What it is, in one sentence.
        source: Where the value comes from.
    """

    tier: str
    name: str
    value: float
    unit: str
    minimum: float
    maximum: float
    meaning: str
    source: str


@dataclass(frozen=True, slots=True)
class NeuronSheet:
    """The neuron model of a chip.

    Attributes:
        name: Its name.
        description: What it is, in one line.
        source: Where its equations come from.
        equations: Its equations, condition of a spike and reset, as Brian2 takes them.
        parameters: Its nominal parameters on this chip.
    """

    name: str
    description: str
    source: str
    equations: str
    parameters: tuple[DatasheetEntry, ...]


@dataclass(frozen=True, slots=True)
class Datasheet:
    """A kind of chip.

    Attributes:
        name: Its name.
        description: What it stands for, in one line.
        neuron: Its neuron model.
        nonidealities: Every non-ideality that its profile or file states.
        weight_grid: Storable weights in full scales, where they are not spread evenly.
        layers: The network, input first, on which its fixed pattern was measured; empty where the
            pattern is drawn from a seed.
    """

    name: str
    description: str
    neuron: NeuronSheet
    nonidealities: tuple[DatasheetEntry, ...]
    weight_grid: tuple[float, ...]
    layers: tuple[int, ...]


def names() -> tuple[str, ...]:
    """Every chip that comes with the package."""
    return profiles.names()


def read_profile(name: str) -> Profile:
    """The profile of that name, or of a chip file.

    Raises:
        ValueError: As `datasheet` does.
    """
    return profiles.read(name) if name.endswith((".toml", ".py")) else profiles.get(name)


def datasheet(name: str) -> Datasheet:
    """The non-idealities of a chip.

    Args:
        name: A profile, or a `.toml` or `.py` file of a chip of one's own.

    Raises:
        ValueError: For an unknown name (the nearest one is named) or a file that is no chip.
    """
    profile = read_profile(name)
    model = profile.model
    return Datasheet(
        name=profile.name,
        description=profile.description,
        neuron=NeuronSheet(
            name=model.name,
            description=model.description,
            source=model.source,
            equations=_equations(model),
            parameters=_parameters(profile),
        ),
        nonidealities=_nonidealities(profile),
        weight_grid=profile.weight_grid,
        layers=tuple(getattr(profile.pattern, "layers", ())),
    )


def _equations(model: NeuronModel) -> str:
    reset, statements = next(iter(model.resets.items()))
    lines = [
        *model.equations.splitlines(),
        *(model.update or "").splitlines(),
        f"spike when {model.threshold}",
        f"{reset} reset: {'; '.join(statements.splitlines())}",
    ]
    return "\n".join(line.strip() for line in lines if line.strip())


def _parameters(profile: Profile) -> tuple[DatasheetEntry, ...]:
    entries = []
    for name, p in profile.model.parameters.items():
        cited = profile.parameters.get(name) or Cited(p.value, p.source or profile.model.source)
        unit = UNITS.get(p.unit, p.unit)
        entries.append(
            DatasheetEntry(
                "neuron", name, cited.value, unit, p.minimum, p.maximum, p.meaning, cited.source
            )
        )
    return tuple(entries)


def _nonidealities(profile: Profile) -> tuple[DatasheetEntry, ...]:
    """List what is cited and in force: a grid replaces bits, a measured pattern drawn spreads."""
    tiers, specs = profile.nonidealities, by_name(profile.nonidealities)
    replaced = {"weight_bits"} if profile.weight_grid else set()
    if profile.pattern is not None:
        replaced |= {n for n in vars(tiers.fixed_pattern) if n != "trim_bits"}
        replaced |= {"adc_gain_cv", "adc_offset_sd"}
    stated = [
        (title, name, specs[name])
        for tier, title in TIERS.items()
        for name in vars(getattr(tiers, tier))
        if name in profile.cited and name not in replaced
    ]
    return tuple(
        DatasheetEntry(
            title,
            name,
            e.value,
            e.unit,
            e.minimum,
            e.maximum,
            e.meaning,
            profile.cited[name].source,
        )
        for title, name, e in stated
    )
