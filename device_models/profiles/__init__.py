"""Chips as data: a TOML file of non-idealities, parameters and a neuron model, or a Python model.

    profile = "mixed-signal"     # what it starts from
    neuron = "adex"              # a model by name, or a [neuron] table of one's own
    [nonidealities]
    threshold_cv = {value = 0.3, source = "bench, 3 May"}
    [parameters]
    tau_adaptation = 0.1
    [settings]
    threshold = -0.049           # the same of a setting, by the name that a host knows it by

The named chips are the files beside this one, which start from an ideal chip. A twin, as
`hil characterise` writes it, is such a file with a `[twin]` table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from device_models import neurons
from device_models.measured_mismatch import pattern_from_table
from device_models.mismatch import Pattern
from device_models.naming import quote, suggest
from device_models.neuron_file import check_parameter, model_from_python, model_from_table
from device_models.neurons import NeuronModel
from device_models.nonidealities import NonIdealities, Programming, by_name, check, override
from device_models.tables import Number, Text, find_file, list_files, read_as, read_toml


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
        model: Its neuron model.
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
    model: NeuronModel
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


__all__ = ["Cited", "Profile", "get", "is_code", "names", "read"]


def names() -> tuple[str, ...]:
    """Name every profile of this package, e.g. `ideal`, `mixed-signal`."""
    return list_files(__file__)


@cache
def get(name: str) -> Profile:
    """Find the profile of that name.

    Raises:
        ValueError: For an unknown name; the nearest valid one is named.
    """
    path = find_file(__file__, name, "chip")
    table = read_toml(path)
    start = get(table["profile"]) if "profile" in table else Profile("", "", {}, neurons.get("lif"))
    return _read_chip(table, path, start, None)


Table = dict[str, Any]
START = "mixed-signal"  # of a chip of a file that names none
KEYS = (
    *("name", "description", "profile", "neuron", "reset", "parameters", "settings"),
    *("nonidealities", "weight_grid", "dt", "energy", "twin"),
)


def is_code(name: str | Path) -> bool:
    """Tell whether a chip or a neuron model of that name is a Python file, which is run."""
    return Path(name).suffix == ".py"


def read(path: str | Path, base: str | None = None) -> Profile:
    """Read a chip.

    Args:
        path: A `.toml` file as above, or a `.py` file that defines `MODEL`, a `NeuronModel`;
            the latter is run, and may do anything. A `.toml` file can only describe.
        base: Profile to start from, in place of the one that the file names.

    Returns:
        The chip, every non-ideality with its source (the file itself where it names none).

    Raises:
        ValueError: One line that names the file, the key and what is allowed.
    """
    path = Path(path)
    try:
        if is_code(path):
            return _read_chip({}, path, get(base or START), model_from_python(path))
        table = read_toml(path)
        start = get(base or read_as(Text, table.get("profile", START), "profile"))
        return _read_chip(table, path, start, None)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        # Keys stand in it as the file has them.
        reason = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(error))
        raise ValueError(reason if reason.startswith(str(path)) else f"{path}: {reason}") from None


def _read_chip(
    table: Mapping[str, Any], path: Path, start: Profile, model: NeuronModel | None
) -> Profile:
    for key in table:
        if key not in KEYS:
            raise ValueError(f"key {quote(key)} is unknown: {suggest(key, KEYS)}")
    own = table.get("neuron", start.model.name)
    if model is None:
        model = (
            model_from_table(own)
            if isinstance(own, Mapping)
            else neurons.get(read_as(Text, own, "neuron"))
        )
    nonidealities, cited = by_name(NonIdealities()), dict(start.cited)
    for name, entry in _read_section(table, "nonidealities", path).items():
        cited[name] = Cited(check(name, entry.value, nonidealities), entry.source)
    parameters = dict(start.parameters) if model.name == start.model.name else {}
    for name, entry in _read_section(table, "parameters", path).items():
        parameters[name] = Cited(check_parameter(model, name, entry.value), entry.source)
    offered = {p.setting: name for name, p in model.parameters.items() if p.setting is not None}
    for setting, entry in _read_section(table, "settings", path).items():
        if setting not in offered:
            raise ValueError(
                f"setting {quote(setting)} of {model.name}: {suggest(setting, offered)}"
            )
        name = offered[setting]
        parameters[name] = Cited(check_parameter(model, name, entry.value), entry.source)
    twin = read_as(Table, table["twin"], "twin") if "twin" in table else None
    description = table.get("description", f"the chip of {path.name}")
    return Profile(
        name=read_as(Text, table.get("name", path.stem), "name"),
        description=read_as(Text, description, "description"),
        cited=cited,
        model=model,
        parameters=parameters,
        reset=_read_reset(table, model, start),
        weight_grid=_read_grid(table),
        pattern=None if twin is None else pattern_from_table(twin, path),
        dt=_read_step(table),
        energy=_read_cited(table["energy"], "energy", path) if "energy" in table else None,
    )


def _read_step(table: Mapping[str, Any]) -> float:
    dt: float = read_as(Number, table.get("dt", 1e-3), "dt")
    if not 1e-5 <= dt <= 0.1:
        raise ValueError(f"dt = {dt:g}: give a step from 0.00001 to 0.1 s")
    return dt


def _read_reset(table: Mapping[str, Any], model: NeuronModel, start: Profile) -> str | None:
    if "reset" not in table:
        return start.reset if start.reset in model.resets else None
    kind: str = read_as(Text, table["reset"], "reset")
    if kind not in model.resets:
        raise ValueError(f"reset = {quote(kind)}: {suggest(kind, model.resets)}")
    return kind


def _read_cited(value: Any, key: str, path: Path) -> Cited:
    """Read a number, alone or in a table with its source."""
    if not isinstance(value, Mapping):
        return Cited(read_as(Number, value, key), str(path))
    if set(value) - {"value", "source"} or "value" not in value:
        raise ValueError(f"{key} = {quote(value)}: write a number, or value and source")
    source = read_as(Text, value.get("source", str(path)), f"{key}.source")
    return Cited(read_as(Number, value["value"], key), source)


def _read_section(table: Mapping[str, Any], section: str, path: Path) -> dict[str, Cited]:
    return {
        name: _read_cited(value, f"{section}.{name[:40]}", path)
        for name, value in read_as(Table, table.get(section, {}), section).items()
    }


def _read_grid(table: Mapping[str, Any]) -> tuple[float, ...]:
    grid = table.get("weight_grid", [])
    if not isinstance(grid, list):
        raise ValueError(f"weight_grid = {quote(grid)}: give a list of numbers from -1 to 1")
    values = tuple(read_as(Number, value, "weight_grid") for value in grid)
    return Programming(weight_grid=values).weight_grid
