"""The configuration of a run: complete, validated, and written beside its results."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

from drivers import nearest
from hil import encodings, rules

Sections = dict[str, Any]


class Section(BaseModel):
    """A part of the configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _named(section: str, module: Callable[[str], Any]) -> AfterValidator:
    """Complete `{name = ..., key = ...}` with the settings of the module of that name."""

    def complete(value: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(value.get("name"), str):
            raise ValueError(f"configuration section {section!r} lacks its name: give {section}.name")
        settings = {key: item for key, item in value.items() if key != "name"}
        model = module(value["name"]).Settings
        try:
            return {"name": value["name"], **model(**settings).model_dump()}
        except ValidationError as error:
            raise ValueError(_one_line(error, model, f"{section}.")) from None

    return AfterValidator(complete)


class NetworkSection(Section):
    """The network and how it is laid on the device."""

    hidden: tuple[PositiveInt, ...] = Field((100,), description="Neurons of each hidden layer.")
    steps: PositiveInt = Field(20, description="Time steps that a sample is shown.")
    initial_scale: NonNegativeFloat = Field(
        1.0, description="Standard deviation of initial weights, times the root of the fan-in."
    )
    full_scale: PositiveFloat = Field(
        5.0, description="Largest storable |weight|, times the root of the fan-in."
    )
    settings: dict[str, float] = Field({}, description="Nominal settings of the device, by name.")


class ReadoutSection(Section):
    """How the output layer is read and judged."""

    source: Literal["counts", "membrane", "both"] = "counts"
    kappa: PositiveFloat = Field(10.0, description="Logit of an output that fires at every step.")
    beta: NonNegativeFloat = Field(
        2.0, description="Logit of an output membrane whose mean is at threshold."
    )
    loss: Literal["cross_entropy", "mse"] = "cross_entropy"


class ActivitySection(Section):
    """How hidden activity is estimated from membranes (with `observe = "membrane"`)."""

    estimator: str = Field("auto", description="`auto`, or the name of an estimator.")
    every: PositiveInt = Field(1, description="Steps between two membrane samples.")


class HomeostasisSection(Section):
    """The pull of each hidden neuron's mean rate towards a target."""

    weight: NonNegativeFloat = 0.03
    target: NonNegativeFloat | Literal["auto"] = Field(
        "auto", description="Spikes per step; `auto` takes what suits the estimator."
    )


class OptimiserSection(Section):
    """How a gradient becomes a change of the weights."""

    name: Literal["adamw", "sgd"] = "adamw"
    learning_rate: PositiveFloat = 3e-3
    weight_decay: NonNegativeFloat = 0.1
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of `sgd`.")
    schedule: Literal["constant", "cosine", "step"] = "cosine"


class AugmentationSection(Section):
    """Random affine changes of training images; all zero is none."""

    rotation: float = Field(0.0, ge=0, le=3.15, description="Largest rotation, in rad.")
    scale: float = Field(0.0, ge=0, lt=1, description="Largest relative change of size.")
    shear: float = Field(0.0, ge=0, le=1, description="Largest shear.")
    shift: float = Field(0.0, ge=0, description="Largest shift, in pixels.")


class TrainingSection(Section):
    """How long, and in what portions."""

    epochs: PositiveInt = 20
    batch: PositiveInt = 100
    validation_fraction: float = Field(0.1, ge=0, lt=1)


class Config(Section):
    """Everything that a run depends on."""

    task: str = "digits"
    device: str = "emulator:mixed-signal"
    observe: Literal["membrane", "spikes"] = "membrane"
    seed: int = Field(0, ge=0, lt=2**63)
    network: NetworkSection = NetworkSection()
    encoding: Annotated[dict[str, Any], _named("encoding", encodings.module)] = {"name": "current"}
    readout: ReadoutSection = ReadoutSection()
    rule: Annotated[dict[str, Any], _named("rule", rules.module)] = {"name": "adfa"}
    activity: ActivitySection = ActivitySection()
    homeostasis: HomeostasisSection = HomeostasisSection()
    optimiser: OptimiserSection = OptimiserSection()
    augmentation: AugmentationSection = AugmentationSection()
    training: TrainingSection = TrainingSection()

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @property
    def rule_settings(self) -> dict[str, Any]:
        """Settings of the rule, without its name."""
        return {key: value for key, value in self.rule.items() if key != "name"}

    @property
    def encoding_settings(self) -> dict[str, Any]:
        """Settings of the encoding, without its name."""
        return {key: value for key, value in self.encoding.items() if key != "name"}


def merged(*layers: Mapping[str, Any]) -> Sections:
    """Lay configurations over each other, the last one on top.

    A section that names another rule, encoding or optimiser replaces the one below whole, since
    its settings mean nothing to the new one.
    """
    result: Sections = {}
    for layer in layers:
        for key, value in layer.items():
            below = result.get(key)
            if isinstance(value, Mapping) and isinstance(below, Mapping):
                renamed = "name" in value and value["name"] != below.get("name")
                result[key] = dict(value) if renamed else merged(below, value)
            else:
                result[key] = value
    return result


def build(sections: Mapping[str, Any]) -> Config:
    """Validate a configuration on top of its task's own defaults.

    Args:
        sections: What was asked for, by section.

    Returns:
        The complete configuration.

    Raises:
        ValueError: One line that names the key, what was given and what is allowed.
    """
    from hil import tasks

    task = sections.get("task", Config.model_fields["task"].default)
    if not isinstance(task, str):
        raise ValueError(f"task = {task!r}: give the name of a task")
    try:
        return Config.model_validate(merged(tasks.get(task).defaults, sections))
    except ValidationError as error:
        raise ValueError(_one_line(error, Config)) from None


def read(path: str | Path) -> Sections:
    """Read a configuration file, not yet validated.

    Raises:
        ValueError: When it is missing or no TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"configuration {path}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"configuration {path} is no valid TOML: {error}") from None


def dump(config: Config) -> str:
    """The complete configuration as TOML."""
    import tomli_w

    return tomli_w.dumps(config.model_dump(mode="json"))


def assignments(items: Sequence[str]) -> Sections:
    """Turn `section.key=value` into sections; a value is TOML, or else plain text.

    Raises:
        ValueError: For an item without `=` or key.
    """
    result: Sections = {}
    for item in items:
        path, equals, text = item.partition("=")
        keys = [key.strip() for key in path.split(".")]
        if not equals or not all(keys):
            raise ValueError(f"--set {item}: write section.key=value, e.g. training.epochs=5")
        try:
            value: Any = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        for key in reversed(keys):
            value = {key: value}
        result = merged(result, value)
    return result


def _one_line(error: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    first = error.errors()[0]
    path = prefix + ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"configuration key {path!r} is unknown: {_siblings(first['loc'], model)}"
    if first["type"] == "value_error":  # raised by our own validators, which say it all
        return str(first["ctx"]["error"])
    message = first["msg"]
    return f"configuration {path} = {first['input']!r}: {message[:1].lower() + message[1:]}"


def _siblings(loc: tuple[int | str, ...], model: Any) -> str:
    for part in loc[:-1]:
        model = model.model_fields[str(part)].annotation
    return nearest(str(loc[-1]), model.model_fields)
