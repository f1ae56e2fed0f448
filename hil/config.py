"""The configuration of a run: complete, validated, and written beside its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from drivers import lab
from drivers.errors import FileFormatError
from drivers.files.bounded import DEPTH, parse_toml, read_toml
from drivers.registry import with_options
from hil import encodings
from hil.discovery import Catalogue, make_name_absolute
from hil.encodings import Encoding
from hil.learning import losses, rules
from hil.learning.rule import RuleFamily
from hil.validation import forbid_other_keys, validate_values

Sections = dict[str, Any]
# Bounds that nothing sensible meets, so that nothing in float32 overflows.
Positive = Annotated[float, Field(gt=0, le=1e6)]
NonNegative = Annotated[float, Field(ge=0, le=1e6)]
AbsoluteName = Annotated[str, AfterValidator(make_name_absolute)]
Whole = Annotated[int, Field(gt=0, le=10**9)]
# Context of the validation of a configuration that is complete, and whose code may be elsewhere.
RECORDED = {"recorded": True}
# What a section means that sets something without naming its rule, encoding or optimiser.
NAMES: Mapping[str, Any] = {
    "encoding": {"name": "current"},
    "rule": {"name": "adfa"},
    "optimiser": {"name": "adamw"},
}


class Section(BaseModel):
    """A part of the configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def find_settings(key: str) -> list[str]:
    """Every setting of that key, in any section and of any rule and encoding, by its whole name."""
    sections = {name: field.default for name, field in Config.model_fields.items()}
    names = [name for name in sections if name == key]
    for name, default in sections.items():
        if isinstance(default, BaseModel) and key in type(default).model_fields:
            names.append(f"{name}.{key}")
    for section, package in (("encoding", encodings), ("rule", rules)):
        settings = [package.get(name).settings.model_fields for name in package.names()]
        if any(key in fields for fields in settings):
            names.append(f"{section}.{key}")
    return sorted(names)


def complete_by(
    section: str, catalogue: Catalogue[RuleFamily] | Catalogue[Encoding]
) -> AfterValidator:
    """Complete `{name = ..., key = ...}` with the settings of what has that name.

    Args:
        section: The section.
        catalogue: What may be named there.
    """

    def validate(value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        settings = dict(value)
        name = settings.pop("name", None)
        if not isinstance(name, str):
            raise ValueError(f"configuration {section}.name = {name!r}: give the name of one")
        if info.context and name not in catalogue.names():
            return value
        name = make_name_absolute(name)
        complete = validate_values(
            forbid_other_keys(catalogue.get(name).settings),
            settings,
            where=section,
            others=("name",),
            places=find_settings,
            context=info.context,
        )
        return {"name": name, **complete.model_dump(mode="json", exclude_none=True)}

    return AfterValidator(validate)


class NetworkSection(Section):
    """The network and how it is laid on the device."""

    hidden: tuple[Whole, ...] = Field((100,), description="Neurons of each hidden layer.")
    steps: Whole = Field(20, description="Time steps that a sample is shown; signals tell theirs.")
    recurrent: bool = Field(False, description="Whether hidden layers project to themselves, too.")
    density: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="Share of the synapses of each projection that there are, drawn."
    )
    delays: Annotated[int, Field(ge=0, le=10_000)] = Field(
        0, description="Longest delay of synapses into hidden layers, drawn from 0 to this."
    )
    initial_scale: NonNegative = Field(
        1.0, description="Standard deviation of initial weights, times the root of the fan-in."
    )
    initial_response: Literal["measured", "as_drawn"] = Field(
        "measured", description="`measured` scales weights into silent and saturated layers."
    )
    full_scale: Positive | tuple[Positive, ...] | Literal["auto"] = Field(
        "auto",
        description="Largest storable |weight|, times the root of the fan-in; of all projections, "
        "or of each.",
    )
    time_constant: Positive | Literal["auto", "device"] = Field(
        "auto", description="Of membranes, in steps; `device` is what it comes with."
    )
    settings: dict[str, float] = Field({}, description="Nominal settings of the device, by name.")
    calibration: str = Field(
        "", description="File of `hil calibrate` for this device and network; empty is none."
    )

    @property
    def connections(self) -> list[tuple[int, int]]:
        """Source and target of each projection, 0 being the input: the chain, then what recurs."""
        layers = range(len(self.hidden) + 2)
        return [*pairwise(layers), *((n, n) for n in layers[1:-1] if self.recurrent)]


class ReadoutSection(Section):
    """Readout of the output layer, and the loss."""

    source: losses.Source = Field(
        "counts",
        description="Logits from counts of output spikes, from the times of the first ones, from "
        "output membranes, or from counts and membranes both.",
    )
    kappa: Positive = Field(10.0, description="Logit of an output that fires at every step.")
    beta: NonNegative = Field(2.0, description="Logit of an output membrane at threshold.")
    loss: losses.Loss = Field(
        "cross_entropy",
        description="Cross-entropy of the softmax, or half the squared distance to one-hot.",
    )


class ActivitySection(Section):
    """Estimation of hidden activity from membranes (with `observe = "membrane"`)."""

    estimator: AbsoluteName = Field("auto", description="`auto`, or the name of an estimator.")
    every: Whole = Field(1, description="Steps between two membrane samples.")


class HomeostasisSection(Section):
    """The pull of each hidden neuron's mean rate towards a target."""

    weight: NonNegative = Field(0.03, description="Strength of the pull; 0 is none.")
    target: NonNegative | Literal["auto"] = Field(
        "auto", description="Spikes per step; `auto` takes what suits the estimator."
    )


class RepairSection(Section):
    """Repair of a hidden layer that is silent or saturated after an epoch."""

    homeostasis: Literal["steady", "adaptive"] = Field(
        "steady", description="`adaptive` raises its homeostasis fourfold an epoch."
    )
    rescale: bool = Field(False, description="Doubles or halves its incoming weights.")


class OptimiserSection(Section):
    """From a gradient to a change of the weights."""

    name: Literal["adamw", "sgd"] = Field(
        "adamw", description="AdamW, or gradient descent with momentum."
    )
    learning_rate: Positive = Field(
        3e-3, description="Step size before the schedule; in thresholds for `adamw`."
    )
    weight_decay: NonNegative = Field(
        0.1, description="Decay of the weights a step, in units of the learning rate."
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of `sgd`.")
    schedule: Literal["constant", "cosine", "step"] = Field(
        "cosine", description="Course of the learning rate over the training."
    )
    warmup: float = Field(
        0.0, ge=0, lt=1, description="Share of the training in which `cosine` first rises from 0."
    )


class AugmentationSection(Section):
    """Random affine changes of training images; all zero is none."""

    rotation: float = Field(0.0, ge=0, le=3.15, description="Largest rotation, in rad.")
    scale: float = Field(0.0, ge=0, lt=1, description="Largest relative change of size.")
    shear: float = Field(0.0, ge=0, le=1, description="Largest shear.")
    shift: NonNegative = Field(0.0, description="Largest shift, in pixels.")


class TrainingSection(Section):
    """Length of the training, and its batches."""

    epochs: Whole = Field(20, description="Passes over the training samples.")
    batch: Whole = Field(100, description="Samples of a step.")
    batches: Annotated[int, Field(ge=0, le=10**9)] = Field(
        0, description="Most batches of an epoch; 0 for all training samples."
    )
    validation_fraction: float = Field(
        0.1, ge=0, lt=1, description="Share of the training samples set aside for validation."
    )
    patience: Annotated[int, Field(ge=0, le=10**9)] = Field(
        0,
        description="Epochs without a better validation after which training stops; the best epoch "
        "is kept then. 0 goes through all and keeps the last.",
    )
    carry: bool = Field(
        False,
        description="Whether samples follow each other in time: a batch is the next one of as many "
        "streams, and the device keeps its state from one to the next.",
    )
    washout: Annotated[int, Field(ge=0, le=10**9)] = Field(
        20, description="With `carry`, samples shown before the first of a series."
    )
    class_weight: Literal["none", "balanced"] | dict[str, NonNegative] = Field(
        "none",
        description="Factor of the loss of each class by its label, or `balanced`: the samples by "
        "those of the class times the number of classes.",
    )

    def count_batches(self, samples: int) -> int:
        """Number of batches of an epoch over so many training samples."""
        whole = max(samples // self.batch, 1) if self.carry else -(-samples // self.batch)
        return min(whole, self.batches or whole)

    def count_samples(self, samples: int) -> int:
        """Number of samples of an epoch."""
        return min(samples, self.count_batches(samples) * self.batch)


class ReportSection(Section):
    """Further content of the page of the run."""

    sections: tuple[AbsoluteName, ...] = Field((), description="Sections of a user's own, by name.")


class Config(Section):
    """Everything that a run depends on."""

    task: str = Field(
        "digits", description="Name of a task, a file such as `csv:FILE`, or `FILE.py:NAME`."
    )
    device: str = Field("emulator:mixed-signal", description="Address of the device.")
    device_options: dict[str, int | float | str] = Field(
        {}, description="Options of the device, as after the `?` of its address."
    )
    observe: Literal["output", "last", "mean", "membrane", "spikes"] = Field(
        "membrane",
        description="Read of hidden layers: membranes alone, of these their mean or last sample, "
        "or spikes as well; `output` reads output spikes and nothing else.",
    )
    seed: int = Field(
        0, ge=0, lt=2**63, description="Seed of all randomness on the host; not of the chip."
    )
    start: str = Field("", description="Run whose weights are the initial ones; empty draws them.")
    network: NetworkSection = NetworkSection()
    encoding: Annotated[dict[str, Any], complete_by("encoding", encodings.CATALOGUE)] = dict(
        NAMES["encoding"]
    )
    readout: ReadoutSection = ReadoutSection()
    rule: Annotated[dict[str, Any], complete_by("rule", rules.CATALOGUE)] = dict(NAMES["rule"])
    activity: ActivitySection = ActivitySection()
    homeostasis: HomeostasisSection = HomeostasisSection()
    repair: RepairSection = RepairSection()
    optimiser: OptimiserSection = OptimiserSection()
    augmentation: AugmentationSection = AugmentationSection()
    training: TrainingSection = TrainingSection()
    report: ReportSection = ReportSection()

    model_config = ConfigDict(validate_default=True)

    @property
    def device_url(self) -> str:
        """The device's address with all of its options."""
        return with_options(self.device, self.device_options)

    @property
    def rule_settings(self) -> dict[str, Any]:
        """Settings of the rule, without its name."""
        return {key: value for key, value in self.rule.items() if key != "name"}

    @property
    def encoding_settings(self) -> dict[str, Any]:
        """Settings of the encoding, without its name."""
        return {key: value for key, value in self.encoding.items() if key != "name"}


def merge_layers(*layers: Mapping[str, Any]) -> Sections:
    """Lay configurations over each other, the last one on top.

    A section that names another rule, encoding or optimiser replaces the one below whole, since
    its settings mean nothing to the new one.
    """
    result: Sections = {}
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, Mapping):
                below = result[key] if isinstance(result.get(key), dict) else {}
                renamed = "name" in value and value["name"] != below.get("name")
                result[key] = merge_layers({} if renamed else below, value)
            else:
                result[key] = value
    return result


def build(*layers: Mapping[str, Any]) -> Config:
    """Validate a configuration on top of what suits its task and its rule on that task.

    Args:
        layers: What was asked for, by section; a later layer lies on top of an earlier one.

    Returns:
        The complete configuration.

    Raises:
        ValueError: One line that names the key, what was given and what is allowed.
    """
    from hil import tasks

    asked = merge_layers(NAMES, *layers)
    name = asked.get("task", Config.model_fields["task"].default)
    if not isinstance(name, str):
        raise ValueError(f"configuration task = {name!r}: give the name of a task")
    task, rule = tasks.get(name), asked["rule"]
    device = asked.get("device")
    calibration = lab.find_calibration(device) if isinstance(device, str) else ""
    own = {"network": {"calibration": calibration}} if calibration else {}
    where = {"task": tasks.make_name_absolute(name)}  # so that it is found from elsewhere, too
    tuned = task.by_rule.get(str(rule.get("name")), {}) if isinstance(rule, dict) else {}
    values = merge_layers(NAMES, task.defaults, tuned, own, *layers, where)
    return validate_values(Config, values, places=find_settings)


def parse_record(sections: Mapping[str, Any]) -> Config:
    """The configuration of a run as its folder keeps it, complete; no code runs for it.

    What is set of a rule or an encoding of a user's own is left as it is.
    """
    return validate_values(Config, merge_layers(NAMES, sections), context=RECORDED)


def read(path: str | Path) -> Sections:
    """Read a configuration file, not yet validated.

    Raises:
        ValueError: When it is missing or no TOML.
    """
    try:
        return read_toml(path)
    except FileFormatError as error:
        raise ValueError(f"configuration {error}") from None


def dump(config: Config) -> str:
    """The complete configuration as TOML."""
    import tomli_w

    return tomli_w.dumps(config.model_dump(mode="json"))


def parse_assignments(items: Sequence[str]) -> Sections:
    """Turn `section.key=value` into sections; a value is TOML, or else plain text.

    Raises:
        ValueError: For an item without `=` or key.
    """
    result: Sections = {}
    for item in items:
        path, equals, text = item.partition("=")
        keys = [key.strip() for key in path.split(".")]
        if not equals or not all(keys) or len(keys) > DEPTH:
            raise ValueError(f"--set {item}: write section.key=value, e.g. training.epochs=5")
        section = result
        for key in keys[:-1]:
            section = section.setdefault(key, {})
            if not isinstance(section, dict):
                raise ValueError(f"--set {item}: another --set makes {key} a plain value")
        try:
            section[keys[-1]] = parse_toml(f"value = {text}".encode(), f"--set {path}")["value"]
        except FileFormatError:
            section[keys[-1]] = text
    return result
