"""Chip files: a TOML file of non-idealities, parameters and a neuron model, or a Python model.

    profile = "mixed-signal"     # what it starts from
    neuron = "adex"              # a model by name, or a [neuron] table of one's own
    [nonidealities]
    threshold_cv = {value = 0.3, source = "bench, 3 May"}
    [parameters]
    tau_adaptation = 0.1
    [settings]
    threshold = -0.049           # the same of a setting, by the name that a host knows it by

A twin, as `hil characterise` writes it, is such a file with a `[twin]` table.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from device_models import chip_text, neurons, profiles
from device_models.measured_mismatch import pattern_from_table
from device_models.naming import nearest, shown
from device_models.neuron_file import number, text
from device_models.neurons import NeuronModel, model_from_table, within
from device_models.nonidealities.nonideality import by_name, check
from device_models.nonidealities.programming import Programming
from device_models.nonidealities.tiers import NonIdealities
from device_models.profiles import Cited, Profile

KEYS = (
    "name",
    "description",
    "profile",
    "neuron",
    "reset",
    "parameters",
    "settings",
    "nonidealities",
    "weight_grid",
    "dt",
    "twin",
)


def is_code(name: str | Path) -> bool:
    """Whether a chip or a neuron model of that name is a Python file, which is run."""
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
            return _chip({}, path, base, neurons.from_python(path))
        return _chip(chip_text.table(path), path, base, None)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        said = str(error)
        raise ValueError(said if said.startswith(str(path)) else f"{path}: {said}") from None


def _chip(
    table: Mapping[str, Any], path: Path, base: str | None, given: NeuronModel | None
) -> Profile:
    for key in table:
        if key not in KEYS:
            raise ValueError(f"key {shown(key)} is unknown: {nearest(key, KEYS)}")
    start = profiles.get(base or _text(table, "profile", "mixed-signal"))
    own = table.get("neuron")
    if given is not None:
        model = given
    elif isinstance(own, Mapping):
        model = model_from_table(own)
    else:
        model = neurons.get(_text(table, "neuron", start.model.name))
    known = by_name(NonIdealities())
    cited = dict(start.cited)
    for name, value in _section(table, "nonidealities").items():
        entry = _cited(value, path, f"nonidealities.{name[:40]}")
        cited[name] = Cited(check(name, entry.value, known), entry.source)
    inherited = start.parameters if model.name == start.model.name else {}
    parameters = dict(inherited)
    for name, value in _section(table, "parameters").items():
        entry = _cited(value, path, f"parameters.{name[:40]}")
        parameters[name] = Cited(within(model, name, entry.value), entry.source)
    offered = {p.setting: name for name, p in model.parameters.items() if p.setting is not None}
    for setting, value in _section(table, "settings").items():
        if setting not in offered:
            raise ValueError(
                f"setting {shown(setting)} of {model.name}: {nearest(setting, offered)}"
            )
        entry, name = _cited(value, path, f"settings.{setting}"), offered[setting]
        parameters[name] = Cited(within(model, name, entry.value), entry.source)
    return Profile(
        name=_text(table, "name", path.stem),
        description=_text(table, "description", f"the chip of {path.name}"),
        cited=cited,
        neuron=model,
        parameters=parameters,
        reset=_reset(table, model, start),
        weight_grid=_grid(table),
        pattern=pattern_from_table(_section(table, "twin"), path) if "twin" in table else None,
        dt=_step(table),
    )


def _step(table: Mapping[str, Any]) -> float:
    dt = number(table.get("dt", 1e-3), "dt")
    if not 1e-5 <= dt <= 0.1:
        raise ValueError(f"dt = {dt:g}: give a step from 0.00001 to 0.1 s")
    return dt


def _reset(table: Mapping[str, Any], model: NeuronModel, start: Profile) -> str | None:
    if "reset" not in table:
        return start.reset if start.reset in model.resets else None
    kind = _text(table, "reset", "")
    if kind not in model.resets:
        raise ValueError(f"reset = {shown(kind)}: {nearest(kind, model.resets)}")
    return kind


def _text(table: Mapping[str, Any], key: str, default: str) -> str:
    return text(table.get(key, default), key)


def _section(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, Mapping):
        raise ValueError(f"{key} = {shown(value)}: is a section, write [{key}]")
    return value


def _cited(value: Any, path: Path, key: str) -> Cited:
    source = str(path)
    if isinstance(value, Mapping):
        if set(value) - {"value", "source"} or "value" not in value:
            raise ValueError(f"{key} = {shown(value)}: write a number, or value and source")
        if "source" in value:
            source = text(value["source"], f"{key}.source")
        value = value["value"]
    return Cited(number(value, key), source)


def _grid(table: Mapping[str, Any]) -> tuple[float, ...]:
    grid = table.get("weight_grid", [])
    if not isinstance(grid, list):
        raise ValueError(f"weight_grid = {shown(grid)}: give a list of numbers from -1 to 1")
    values = tuple(number(value, "weight_grid") for value in grid)
    return Programming(weight_grid=values).weight_grid
