"""From a study to its trials: which settings each one has, and what it is called in the table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import product
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

from drivers.registry import driver, driver_of, list_addresses, split
from hil import config as configuration
from hil.config import Config, Sections, merged
from hil.loop.defaults import left_open
from hil.studies.schema import Factor, Part, Study, label

TUNING_SEEDS = 1000  # from the seeds of a comparison to those on which its settings are tuned
Mode = Literal["scratch", "fine_tune", "deploy"]
MODES: tuple[Mode, ...] = ("scratch", "fine_tune", "deploy")


@dataclass(frozen=True)
class Job:
    """One thing to do: train a network, or put a trained one on a device, and test it.

    Attributes:
        config: The complete configuration, as JSON.
        start: Key of the job whose weights it starts from; empty for fresh ones.
        train: Whether it trains, else it only tests the weights that it starts from.
        keep: Whether its weights are wanted by others.
        opened: Settings that the study left open, for the device to choose.
    """

    config: str
    start: str = ""
    train: bool = True
    keep: bool = False
    opened: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Names the job by what it depends on."""
        text = json.dumps([self.config, self.start, self.train, self.keep, self.opened])
        return sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Choice:
    """A level that was chosen.

    Attributes:
        text: What it is called in the table.
        value: Its number, where it is one, in the unit in which it is shown.
        settings: What it sets, by section.
        shown: What it is called elsewhere, with its unit.
        about: What the factor is.
        unit: Unit of the factor.
        phrase: The level in a sentence.
    """

    text: str
    value: float | None
    settings: Sections = field(hash=False)
    shown: str = ""
    about: str = ""
    unit: str = ""
    phrase: str = ""


@dataclass(frozen=True)
class Cell:
    """A combination of levels.

    Attributes:
        part: The part of the study, empty where it has none.
        choices: By factor.
    """

    part: str
    choices: Mapping[str, Choice]

    @property
    def settings(self) -> Sections:
        """What all of its levels set."""
        return merged(*(choice.settings for choice in self.choices.values()))


@dataclass(frozen=True)
class Unit:
    """One repetition.

    Attributes:
        number: From 0; trials of equal number in different cells are compared in pairs.
        seed: Seed of the host.
        chip: Which chip, or None where the device offers no choice.
        device: Its device, where repetitions take devices in turn; empty elsewhere.
    """

    number: int
    seed: int
    chip: int | None
    device: str = ""


def choice(name: str, factor: Factor, level: Any) -> Choice:
    """What a level of a factor sets, and what it is called."""
    compound = isinstance(level, Mapping) and "label" in level
    settings = dict(level.get("set", {})) if compound else nested(factor.key, level)
    number = float(level) if type(level) in (int, float) else None
    text = shown = label(level)
    if number is not None and factor.unit == "%":
        number *= 100
        shown = f"{number:g} %"
    elif factor.unit and not compound:
        shown = f"{text} {factor.unit}"
    about = factor.about or name.replace("_", " ")
    phrase = (factor.phrase or f"with {about} {{}}").replace("{}", shown)
    return Choice(text, number, settings, shown, about, factor.unit, phrase)


def nested(key: str, value: Any) -> Sections:
    """`a.b = value` as sections."""
    *path, last = key.split(".")
    sections: Sections = {last: value}
    for name in reversed(path):
        sections = {name: sections}
    return sections


def cells(study: Study) -> list[Cell]:
    """Every combination of levels, part by part, in the order of the file."""
    combined = []
    for name, part in study.parts.items() if study.parts else [("", None)]:
        own = _named(part) if part is not None else {}
        below = part.set if part is not None else {}
        for choices in combinations({**study.factors, **own}):
            if below:
                choices = {"": Choice("", None, below), **choices}
            combined.append(Cell(name, choices))
    return combined


def _named(part: Part) -> dict[str, Factor]:
    """The factors of a part; an only one that does not say what it is is what the part is about."""
    if len(part.factors) != 1 or not part.about:
        return part.factors
    ((name, factor),) = part.factors.items()
    return {name: factor if factor.about else factor.model_copy(update={"about": part.about})}


def combinations(factors: Mapping[str, Factor]) -> Iterator[dict[str, Choice]]:
    """Every combination of levels, the last factor varying fastest."""
    options = [
        [choice(name, factor, level) for level in factor.levels] for name, factor in factors.items()
    ]
    for chosen in product(*options):
        yield dict(zip(factors, chosen, strict=True))


def units(study: Study, times: int | None = None, first: int = 0) -> list[Unit]:
    """The repetitions of each cell.

    Args:
        study: The study.
        times: How many; those of the study when None.
        first: Number of the first one.
    """
    what, each, base = study.repeat.what, study.repeat.chips, configuration.build(study.base)
    devices = study.repeat.devices
    option = chip_option(study, base.device)
    one = None if option is None else _number(split(base.device_url)[2].get(option, "0"))
    if each > 1 and (one is None or devices):
        raise ValueError(f"repeat.chips = {each}: {base.device} has no option that chooses a chip")
    repetitions = []
    for number in range(first, first + (times or study.repeat.times)):
        seed = base.seed + (number if what != "chip" or one is None else 0)
        start = 0 if what == "seed" and each == 1 else number * each
        if devices:
            repetitions.append(
                Unit(number, base.seed + number, None, devices[number % len(devices)])
            )
            continue
        chips = [None] if one is None else range(one + start, one + start + each)
        repetitions += [Unit(number, seed, chip) for chip in chips]
    return repetitions


def job(study: Study, unit: Unit, *layers: Mapping[str, Any]) -> tuple[Job, ...]:
    """The job of a unit, after the one that it starts from, where there is one.

    Args:
        study: The study.
        unit: Which repetition.
        layers: Settings on top of those of every trial.

    Raises:
        ValueError: When the settings do not make a configuration.
    """
    sections = merged(study.base, *layers)
    mode, pretrain = sections.pop("mode", "scratch"), sections.pop("pretrain", {})
    pretrain = merged(study.pretrain, pretrain)
    if mode not in MODES:
        raise ValueError(f"mode = {mode!r}: give one of {', '.join(MODES)}")
    if sections.get("start"):
        raise ValueError("start: trials start as their mode says, from a network of the study")
    config = _config(study, sections, unit)
    if mode == "scratch":
        return (Job(config, opened=_opened(sections)),)
    below = dict(sections)
    if "device" in pretrain:  # one model stands for all chips, or a fleet for each repetition
        below.pop("device_options", None)
        unit = replace(unit, chip=None, device="")
        pretrain["device"] = nth_fleet(str(pretrain["device"]), unit.number)
    first = merged(below, pretrain)
    given = "start" in first  # a network that is there already is only tested
    source = Job(
        _config(study, first, unit), train=not given, keep=True, opened=_opened(first, starts=given)
    )
    opened = _opened(sections, starts=True)
    return source, Job(config, source.key, train=mode == "fine_tune", opened=opened)


def _opened(sections: Mapping[str, Any], starts: bool = False) -> tuple[str, ...]:
    return tuple(sorted(left_open(sections, starts=starts)))


def _config(study: Study, sections: Mapping[str, Any], unit: Unit) -> str:
    """A configuration as JSON, with the seed and chip of the unit."""
    layers = [sections, {"seed": unit.seed}]
    if unit.device:
        layers.append({"device": unit.device})
    device = str(sections.get("device", Config.model_fields["device"].default))
    option = chip_option(study, device)
    if unit.chip is not None and option is not None:
        address, _, query = device.partition("?")
        kept = urlencode([(k, v) for k, v in parse_qsl(query) if k != option])
        plain = f"{address}?{kept}" if kept else address
        layers.append({"device": plain, "device_options": {option: unit.chip}})
    return json.dumps(configuration.build(*layers).model_dump(mode="json"), sort_keys=True)


def nth_fleet(device: str, number: int) -> str:
    """The fleet of a repetition: its chips follow on those of the repetition before.

    Args:
        device: The fleet of the first one; any other device is the same for all.
        number: The repetition, from 0.
    """
    members = list_addresses(device)
    if members == (device,):
        return device
    moved = []
    for member in members:
        scheme, target, options = split(member)
        option = driver(scheme).chip_option
        if option:
            chip = _number(options.get(option, "0")) + number * len(members)
            options = {**options, option: str(chip)}
        moved.append(f"{scheme}:{target}?{urlencode(options)}" if options else member)
    return f"fleet:{','.join(moved)}"


def chip_option(study: Study, device: str) -> str | None:
    """The option of a device by which the chip is chosen, where it has one.

    Raises:
        DeviceNotFound: When no driver serves the address.
    """
    return driver_of(device).chip_option or study.repeat.option or None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def configuration_lines(sections: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Every setting with its dotted key."""
    lines: list[tuple[str, Any]] = []
    for key, value in sections.items():
        if isinstance(value, Mapping):
            lines += configuration_lines(value, f"{prefix}{key}.")
        else:
            lines.append((prefix + key, value))
    return lines
