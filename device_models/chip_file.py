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

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from device_models import neurons, profiles
from device_models.measured_mismatch import pattern_from_table
from device_models.naming import quote, suggest
from device_models.neuron_file import (
    check_parameter,
    model_from_python,
    model_from_table,
    read_number,
    read_table,
    read_text,
)
from device_models.neurons import NeuronModel
from device_models.nonidealities import NonIdealities, Programming, by_name, check
from device_models.profiles import Cited, Profile

# Bytes of a file, and characters and dots of a line: the time that parsing takes grows with the
# square of what a line names.
SIZE, LINE, DOTS = 128 * 1024, 4000, 300


def _read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ValueError: When it is none, or is larger than any chip.
        OSError: When it cannot be read.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ValueError("is no ordinary file")
    with path.open("rb") as handle:
        data = handle.read(SIZE + 1)
    if len(data) > SIZE:
        raise ValueError(f"is larger than {SIZE // 1024} KiB: that is no chip")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("is no text in UTF-8") from None
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LINE or line.count(".") > DOTS:
            raise ValueError(
                f"line {number} is longer than {LINE} characters or has more than {DOTS} dots: "
                "break it"
            )
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("is no valid TOML: nested too deeply") from None
    except ValueError as error:  # also a whole number of thousands of digits, a date that is none
        raise ValueError(f"is no valid TOML: {error}") from None


KEYS = (
    *("name", "description", "profile", "neuron", "reset", "parameters", "settings"),
    *("nonidealities", "weight_grid", "dt", "twin"),
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
            return _read_chip({}, path, base, model_from_python(path))
        return _read_chip(_read_toml(path), path, base, None)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        # Keys stand in it as the file has them.
        reason = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(error))
        raise ValueError(reason if reason.startswith(str(path)) else f"{path}: {reason}") from None


def _read_chip(
    table: Mapping[str, Any], path: Path, base: str | None, model: NeuronModel | None
) -> Profile:
    for key in table:
        if key not in KEYS:
            raise ValueError(f"key {quote(key)} is unknown: {suggest(key, KEYS)}")
    start = profiles.get(base or read_text(table.get("profile", "mixed-signal"), "profile"))
    own = table.get("neuron", start.model.name)
    if model is None:
        model = (
            model_from_table(own)
            if isinstance(own, Mapping)
            else neurons.get(read_text(own, "neuron"))
        )
    nonidealities, cited = by_name(NonIdealities()), dict(start.cited)
    for name, entry in _read_cited(table, "nonidealities", path).items():
        cited[name] = Cited(check(name, entry.value, nonidealities), entry.source)
    parameters = dict(start.parameters) if model.name == start.model.name else {}
    for name, entry in _read_cited(table, "parameters", path).items():
        parameters[name] = Cited(check_parameter(model, name, entry.value), entry.source)
    offered = {p.setting: name for name, p in model.parameters.items() if p.setting is not None}
    for setting, entry in _read_cited(table, "settings", path).items():
        if setting not in offered:
            raise ValueError(
                f"setting {quote(setting)} of {model.name}: {suggest(setting, offered)}"
            )
        name = offered[setting]
        parameters[name] = Cited(check_parameter(model, name, entry.value), entry.source)
    twin = pattern_from_table(read_table(table["twin"], "twin"), path) if "twin" in table else None
    return Profile(
        name=read_text(table.get("name", path.stem), "name"),
        description=read_text(table.get("description", f"the chip of {path.name}"), "description"),
        cited=cited,
        neuron=model,
        parameters=parameters,
        reset=_read_reset(table, model, start),
        weight_grid=_read_grid(table),
        pattern=twin,
        dt=_read_step(table),
    )


def _read_step(table: Mapping[str, Any]) -> float:
    dt = read_number(table.get("dt", 1e-3), "dt")
    if not 1e-5 <= dt <= 0.1:
        raise ValueError(f"dt = {dt:g}: give a step from 0.00001 to 0.1 s")
    return dt


def _read_reset(table: Mapping[str, Any], model: NeuronModel, start: Profile) -> str | None:
    if "reset" not in table:
        return start.reset if start.reset in model.resets else None
    kind = read_text(table["reset"], "reset")
    if kind not in model.resets:
        raise ValueError(f"reset = {quote(kind)}: {suggest(kind, model.resets)}")
    return kind


def _read_cited(table: Mapping[str, Any], section: str, path: Path) -> dict[str, Cited]:
    """Read a section of numbers, each alone or in a table with its source."""
    entries = {}
    for name, value in read_table(table.get(section, {}), section).items():
        key, source = f"{section}.{name[:40]}", str(path)
        if isinstance(value, Mapping):
            if set(value) - {"value", "source"} or "value" not in value:
                raise ValueError(f"{key} = {quote(value)}: write a number, or value and source")
            if "source" in value:
                source = read_text(value["source"], f"{key}.source")
            value = value["value"]
        entries[name] = Cited(read_number(value, key), source)
    return entries


def _read_grid(table: Mapping[str, Any]) -> tuple[float, ...]:
    grid = table.get("weight_grid", [])
    if not isinstance(grid, list):
        raise ValueError(f"weight_grid = {quote(grid)}: give a list of numbers from -1 to 1")
    values = tuple(read_number(value, "weight_grid") for value in grid)
    return Programming(weight_grid=values).weight_grid
