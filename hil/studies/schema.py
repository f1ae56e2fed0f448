"""Studies as their files state them: what varies, how often it is repeated, what is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from drivers import nearest
from drivers.contract.faults import FACTOR, VALUES, FaultKind
from hil.config import Section, Sections
from hil.extensions import shorten_name
from hil.learning import rules
from hil.sections.trials import MEASURES
from hil.validation import validate_values

VERSION = 1
# Columns of the tables of a study, which no factor may be called by.
COLUMNS = {"trial", "part", "unit", "seed", "chip", "settings", *MEASURES, "error"}


class NamedLevel(Section):
    """One level of a factor that changes more than one setting."""

    label: str = Field(min_length=1)
    set: Sections = Field({}, description="Settings, as in a run's config.toml, and `mode`.")


class Factor(Section):
    """A factor: a setting by its key, or levels that bring their own settings."""

    key: str = Field("", description="Setting, e.g. `rule.name`.")
    about: str = Field("", description="What it is, in words, e.g. `dead neurons`.")
    unit: str = Field("", description="Unit of its levels; `%` shows shares in percent.")
    phrase: str = Field(
        "", description="A level in a sentence, e.g. `at {} of dead neurons`; {} is the level."
    )
    levels: tuple[Any, ...] = Field((), description="Its values, or tables of label and set.")
    open: bool = Field(
        False, description="Whether a device that is named joins the levels, not replaces them."
    )
    low: float | None = Field(None, description="In a search, the smallest value.")
    high: float | None = Field(None, description="In a search, the largest value.")
    log: bool = Field(False, description="Whether a search draws its logarithm.")
    whole: bool = Field(False, description="Whether a search draws whole numbers.")


class Part(Section):
    """A block of trials with factors of its own, beside those that all parts share."""

    about: str = Field("", description="What it varies, in words.")
    set: Sections = Field({}, description="Settings of its trials.")
    factors: dict[str, Factor] = Field({}, description="Its factors, by name.")


class Repeat(Section):
    """Repetitions of each combination, and what is another one each time."""

    what: Literal["seed", "chip", "both"] = Field(
        "seed", description="`both`: seed and chip of repetition n are the n-th ones."
    )
    times: PositiveInt = 3
    chips: PositiveInt = Field(
        1,
        description="Chips that each repetition is made on, different ones for each unless `what` "
        "is `seed`.",
    )
    devices: tuple[str, ...] = Field(
        (), description="Addresses of devices, such as boards, that repetitions take in turn."
    )
    option: str = Field(
        "", description="Option of the device that chooses the chip, where its driver names none."
    )


class Campaign(Section):
    """Single faults that a trial with `mode = "campaign"` puts in, one after another."""

    kind: FaultKind = Field(description="Kind of `Fault`, see `drivers.Fault`.")
    value: float = Field(1.0, description="What the kind needs.")
    most: int = Field(0, ge=0, description="Most neurons or synapses of a place; 0 for all.")

    @model_validator(mode="after")
    def _check_value(self) -> Campaign:
        low, high = VALUES.get(self.kind, FACTOR)
        if not low <= self.value <= high:
            raise ValueError(f"value = {self.value:g} of {self.kind}: give {low:g} to {high:g}")
        return self


class Service(Section):
    """Service of a trial with `mode = "service"`: an ageing chip, and when it learns."""

    learning: Literal["off", "on", "called"] = Field(
        description="Never, a step after each run, or steps when what is seen has departed."
    )
    runs: PositiveInt = Field(672, description="Batches that it serves.")
    day: PositiveInt = Field(24, description="Runs that make a point of the figure.")
    reference: int = Field(24, ge=2, description="Runs at either end that are compared.")
    call: float = Field(2.0, gt=0, description="Departure, in standard errors, that calls.")
    steps: PositiveInt = Field(26, description="Steps of learning of a call.")
    batches: PositiveInt = Field(1, description="Batches that a step of a call learns from.")


class Tune(Section):
    """Settings chosen for each combination on validation samples, before it is compared."""

    by: tuple[str, ...] = Field(description="Factors whose every combination is tuned by itself.")
    factors: dict[str, Factor] = Field(
        description="What is tuned; a setting of a rule where the rule has it."
    )
    settings: PositiveInt = Field(
        description="How many are tried for each combination; 1 takes the given ones untried."
    )
    times: int = Field(2, ge=2, description="Repetitions that each of them is tried on.")
    epochs: float = Field(1.0, gt=0, le=1, description="Share of a trial's epochs.")


class Search(Section):
    """A search over factors with several objectives, and its check against random search."""

    objectives: tuple[str, ...] = Field(description="Measures; a leading `-` minimises.")
    population: int = Field(ge=2)
    generations: PositiveInt
    repeats: PositiveInt = Field(1, description="Searches by each sampler.")
    confirm: PositiveInt = Field(3, description="Fresh seeds on which the best is trained anew.")


class Study(Section):
    """A study, complete."""

    version: int
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    title: str = ""
    question: str = ""
    base: Sections = Field({}, description="Settings of every trial, as in config.toml.")
    factors: dict[str, Factor] = Field({}, description="What varies, by name.")
    parts: dict[str, Part] = Field({}, description="Blocks of trials, by name.")
    repeat: Repeat = Repeat()
    tune: Tune | None = None
    pretrain: Sections = Field(
        {}, description="What differs in the run that `deploy` and `fine_tune` start from."
    )
    search: Search | None = None
    sections: tuple[Sections, ...] = Field((), description="What the page shows, in order.")
    budgets: dict[str, Sections] = Field({}, description="What a budget changes in this file.")

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        for where, factors in self.families():
            for name, factor in factors.items():
                _check_factor(f"{where}.{name}", name, factor, self.search is not None)
        shared = set(self.factors)
        for name, part in self.parts.items():
            if both := shared & set(part.factors):
                raise ValueError(f"factor {min(both)!r} is also in parts.{name}: keep one of them")
        if self.tune is not None:
            _check_tune(self.tune, self.factors)
        if self.search is not None and (self.parts or self.sections or self.tune is not None):
            raise ValueError("search goes with factors alone: leave out parts, tune and sections")
        if not self.factors and not self.parts:
            raise ValueError("there are no factors: give at least one, as [factors.NAME]")
        return self

    def families(self) -> list[tuple[str, Mapping[str, Factor]]]:
        """List the factors of the study, by the place where they stand."""
        return [
            ("factors", self.factors),
            *((f"parts.{name}.factors", part.factors) for name, part in self.parts.items()),
            *([("tune.factors", self.tune.factors)] if self.tune else []),
        ]

    def names(self) -> list[str]:
        """List the names of the factors of the trials, in order."""
        families = [self.factors, *(part.factors for part in self.parts.values())]
        return list(dict.fromkeys(name for factors in families for name in factors))


def check_factor_name(name: str, names: Iterable[str], where: str) -> None:
    """Refuse what is no name of a factor.

    Raises:
        ValueError: Naming the nearest.
    """
    names = list(names)
    if name not in names:
        raise ValueError(f"{where}: no factor {name!r}: {nearest(name, names)}")


def _check_tune(tune: Tune, factors: Mapping[str, Factor]) -> None:
    """Refuse tuning that is not fair: what suits one rule or device need not suit another."""
    for name in tune.by:
        check_factor_name(name, factors, "tune.by")
    for name, factor in factors.items():
        if factor.key in ("rule.name", "device") and name not in tune.by:
            raise ValueError(f"tune.by leaves out {name!r}: tune for each {factor.key} by itself")
    levels = [level for f in factors.values() if f.key == "rule.name" for level in f.levels]
    compared = [level for level in levels if isinstance(level, str)]
    families = [rules.get(name) for name in (*rules.names(), *compared)]
    own = {f"rule.{key}" for family in families for key in family.settings.model_fields}
    for name, factor in tune.factors.items():
        if factor.key.startswith("rule.") and factor.key not in own:
            raise ValueError(
                f"tune.factors.{name}: no rule has {factor.key!r}: {nearest(factor.key, own)}"
            )


def _check_factor(where: str, name: str, factor: Factor, searched: bool) -> None:
    if name in COLUMNS:
        raise ValueError(f"{where}: this name is taken: choose another")
    if factor.phrase and factor.phrase.count("{}") != 1:
        raise ValueError(f"{where}.phrase: give a text with one {{}}, the place of the level")
    if factor.low is not None or factor.high is not None:
        if not searched:
            raise ValueError(f"{where}: a range is for a search: give levels = [...]")
        if factor.low is None or factor.high is None or not factor.low < factor.high:
            raise ValueError(f"{where}: give low and high, low below high")
        if factor.levels or not factor.key:
            raise ValueError(f"{where}: a range needs a key, and no levels")
        if factor.log and factor.low <= 0:
            raise ValueError(f"{where}: log needs low above 0, not {factor.low:g}")
    elif not factor.levels:
        raise ValueError(f"{where} has no levels: give at least one, as levels = [...]")
    labels = [label(level) for level in factor.levels]
    for level, text in zip(factor.levels, labels, strict=True):
        if is_named(level):
            validate_values(NamedLevel, level, what="study", where=f"{where}.levels")
        elif not factor.key:
            raise ValueError(f"{where}: give a key, or levels that are tables of label and set")
        if labels.count(text) > 1:
            raise ValueError(f"{where}: level {text!r} is given twice: give each once")


def is_named(level: Any) -> bool:
    """True where a level brings a label and settings of its own."""
    return isinstance(level, Mapping) and "label" in level


def label(level: Any) -> str:
    """Write a level as text."""
    if isinstance(level, Mapping):
        return str(level["label"]) if is_named(level) else json.dumps(level)
    if isinstance(level, Sequence) and not isinstance(level, str):
        return ", ".join(map(label, level)) or "none"
    return f"{level:g}" if isinstance(level, float) else shorten_name(str(level))
