"""From a study to its trials: the settings of each, and its name in the table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from itertools import product
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, urlencode

from drivers.registry import driver, driver_of, members_of, split
from hil import config as configuration
from hil.config import Config, Sections, merge_layers
from hil.loop.defaults import find_open_settings
from hil.sections.trials import Cell, Level, PartSummary, Rows, Trials, Unit
from hil.studies.schema import Campaign, Factor, Part, Service, Study, is_named, label
from hil.validation import validate_values

TUNING_SEEDS = 1000  # from the seeds of a comparison to those on which its settings are tuned
Mode = Literal["scratch", "twin", "fine_tune", "deploy", "campaign", "service"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True)
class Job:
    """One thing to do: train a network, or put a trained one on a device, and test it.

    Attributes:
        config: The complete configuration, as JSON.
        start: Key of the job whose weights it starts from; empty for fresh ones.
        train: Whether it trains, else it only tests the weights that it starts from.
        keep: Whether its weights are wanted by others.
        open_settings: Settings that the study left open, for the device to choose.
        campaign: Single faults to put in and test with, as JSON; empty for none.
        calibrate: Whether the device is calibrated first.
        twin: Whether the weights are trained on a twin of the device, measured first.
        samples: How many of the training samples there are to train with; 0 for all.
        service: Service of the chip after it was tested, as JSON; empty for none.
    """

    config: str
    start: str = ""
    train: bool = True
    keep: bool = False
    open_settings: tuple[str, ...] = ()
    campaign: str = ""
    calibrate: bool = False
    twin: bool = False
    samples: int = 0
    service: str = ""

    @property
    def key(self) -> str:
        """Name of the job by what it depends on."""
        text = json.dumps(list(asdict(self).values()))
        return sha256(text.encode()).hexdigest()[:24]

    @property
    def configuration(self) -> Config:
        """The configuration, validated."""
        return configuration.build(json.loads(self.config))


# -- factors and their levels --------------------------------------------------------------------


def read_level(name: str, factor: Factor, level: Any) -> Level:
    """Read a level of a factor: what it sets, and its names."""
    settings = dict(level.get("set", {})) if is_named(level) else nest(factor.key, level)
    number = float(level) if type(level) in (int, float) else None
    text = display = label(level)
    if number is not None and factor.unit == "%":
        number *= 100
        display = f"{number:g} %"
    elif factor.unit and not is_named(level):
        display = f"{text} {factor.unit}"
    about = factor.about or name.replace("_", " ")
    phrase = (factor.phrase or f"with {about} {{}}").replace("{}", display)
    return Level(text, number, settings, display, about, factor.unit, phrase)


def nest(key: str, value: Any) -> Sections:
    """Write `a.b = value` as sections."""
    *path, last = key.split(".")
    sections: Sections = {last: value}
    for name in reversed(path):
        sections = {name: sections}
    return sections


def flatten(sections: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """List every setting with its dotted key."""
    lines: list[tuple[str, Any]] = []
    for key, value in sections.items():
        if isinstance(value, Mapping):
            lines += flatten(value, f"{prefix}{key}.")
        else:
            lines.append((prefix + key, value))
    return lines


def make_cell(levels: Mapping[str, Level], part: str = "", below: Sections | None = None) -> Cell:
    """Combine levels.

    Args:
        levels: By factor.
        part: The part of the study.
        below: Settings of the part.
    """
    return Cell(
        part, levels, merge_layers(below or {}, *(level.settings for level in levels.values()))
    )


def list_cells(study: Study) -> list[Cell]:
    """List every combination of levels, part by part, in the order of the file."""
    return [
        make_cell(levels, name, part.set)
        for name, part in (study.parts or {"": Part()}).items()
        for levels in _combine({**study.factors, **_factors_of(part)})
    ]


def _factors_of(part: Part) -> dict[str, Factor]:
    """The factors of a part; an only one that does not say what it is is what the part is about."""
    if len(part.factors) != 1 or not part.about:
        return part.factors
    ((name, factor),) = part.factors.items()
    return {name: factor if factor.about else factor.model_copy(update={"about": part.about})}


def _combine(factors: Mapping[str, Factor]) -> Iterator[dict[str, Level]]:
    """Every combination of levels, the last factor varying fastest."""
    options = [
        [read_level(n, factor, level) for level in factor.levels] for n, factor in factors.items()
    ]
    for levels in product(*options):
        yield dict(zip(factors, levels, strict=True))


def tabulate(study: Study, rows: Rows) -> Trials:
    """Put finished trials in their table."""
    parts = {n: PartSummary(part.about, tuple(part.factors)) for n, part in study.parts.items()}
    return Trials(rows, tuple(study.factors), parts)


# -- repetitions ---------------------------------------------------------------------------------


def list_units(study: Study, times: int | None = None, first: int = 0) -> list[Unit]:
    """List the repetitions of each cell.

    Args:
        study: The study.
        times: How many; those of the study when None.
        first: Number of the first one.

    Raises:
        ValueError: When repetitions are to have several chips that the device has not.
    """
    what, each, base = study.repeat.what, study.repeat.chips, configuration.build(study.base)
    devices, option = study.repeat.devices, chip_option(study, base.device)
    one = None if option is None else _number(split(base.device_url)[2].get(option, "0"))
    if each > 1 and (one is None or devices):
        raise ValueError(f"repeat.chips = {each}: {base.device} has no option that chooses a chip")
    units = []
    for number in range(first, first + (times or study.repeat.times)):
        if devices:
            device = devices[number % len(devices)]
            units.append(Unit(number, base.seed + number, None, device))
            continue
        seed = base.seed + (number if what != "chip" or one is None else 0)
        start = 0 if what == "seed" else number * each
        chips = [None] if one is None else range(one + start, one + start + each)
        units += [Unit(number, seed, chip) for chip in chips]
    return units


def chip_option(study: Study, device: str) -> str | None:
    """Find the option of a device that chooses the chip, where it has one.

    Raises:
        DeviceNotFound: When no driver serves the address.
    """
    return driver_of(device).chip_option or study.repeat.option or None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


# -- jobs ----------------------------------------------------------------------------------------


def make_jobs(study: Study, unit: Unit, *layers: Mapping[str, Any]) -> tuple[Job, ...]:
    """Make the job of a unit, after the one that it starts from, where there is one.

    Args:
        study: The study.
        unit: The repetition.
        layers: Settings on top of those of every trial.

    Raises:
        ValueError: When the settings do not make a configuration.
    """
    sections = merge_layers(study.base, *layers)
    mode, pretrain = sections.pop("mode", "scratch"), sections.pop("pretrain", {})
    pretrain = merge_layers(study.pretrain, pretrain)
    campaign, service = sections.pop("campaign", {}), sections.pop("service", {})
    options: dict[str, Any] = {
        "train": mode in ("scratch", "fine_tune"),
        "calibrate": bool(sections.pop("calibrate", False)),
        "twin": mode == "twin",
        "samples": int(sections.pop("samples", 0)),
    }
    if mode not in MODES:
        raise ValueError(f"mode = {mode!r}: give one of {', '.join(MODES)}")
    if sections.get("start"):
        raise ValueError("start: trials start as their mode says, from a network of the study")
    config = _configure(study, sections, unit)
    if mode in ("scratch", "twin"):
        return (Job(config, open_settings=_list_open_settings(sections), **options),)
    below = dict(sections)
    if "device" in pretrain:  # one model stands for all chips, or a fleet for each repetition
        below.pop("device_options", None)
        unit = replace(unit, chip=None, device="")
        pretrain["device"] = shift_fleet(str(pretrain["device"]), unit.number)
    for kind, schema, values in (("campaign", Campaign, campaign), ("service", Service, service)):
        if mode == kind:
            valid = validate_values(schema, values, what="study", where=kind)
            options[kind] = valid.model_dump_json()
    options["open_settings"] = _list_open_settings(sections, starts=True)
    if pretrain.keys() == {"start"}:  # each trial reads the model for its own device
        return (Job(_configure(study, {**sections, **pretrain}, unit), **options),)
    # A seed of its own makes it the same network for all repetitions.
    unit = replace(unit, seed=pretrain.pop("seed", unit.seed))
    first = merge_layers(below, pretrain)
    given = "start" in first  # a network that is there already is only tested
    open_settings = _list_open_settings(first, starts=given)
    source = Job(
        _configure(study, first, unit), train=not given, keep=True, open_settings=open_settings
    )
    return source, Job(config, source.key, **options)


def _list_open_settings(sections: Mapping[str, Any], starts: bool = False) -> tuple[str, ...]:
    return tuple(sorted(find_open_settings(sections, starts=starts)))


def _configure(study: Study, sections: Mapping[str, Any], unit: Unit) -> str:
    """A configuration as JSON, with the seed and chip of the unit."""
    layers = [sections, {"seed": unit.seed}]
    if unit.device:
        layers.append({"device": unit.device})
    device = str(sections.get("device", Config.model_fields["device"].default))
    option = chip_option(study, device)
    if unit.chip is not None and option is not None:
        address, _, query = device.partition("?")
        others = urlencode([(k, v) for k, v in parse_qsl(query) if k != option])
        plain = f"{address}?{others}" if others else address
        layers.append({"device": plain, "device_options": {option: unit.chip}})
    return json.dumps(configuration.build(*layers).model_dump(mode="json"), sort_keys=True)


def shift_fleet(device: str, number: int) -> str:
    """Find the fleet of a repetition: its chips follow on those of the repetition before.

    Args:
        device: The fleet of the first one; any other device is the same for all.
        number: The repetition, from 0.
    """
    members = members_of(device)
    if members is None:
        return device
    moved = []
    for member in members.addresses:
        scheme, target, options = split(member)
        option = driver(scheme).chip_option
        if option:
            chip = _number(options.get(option, "0")) + number * len(members.addresses)
            options = {**options, option: str(chip)}
        moved.append(f"{scheme}:{target}?{urlencode(options)}" if options else member)
    return members._replace(addresses=tuple(moved)).join(device.partition(":")[0])
