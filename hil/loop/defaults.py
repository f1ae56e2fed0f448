"""Defaults: what nobody asked for is chosen by what the device states about itself.

A choice is made once, before a run is kept, so that the configuration of the run is complete. What
was asked for is never changed: where it does not fit the device it is refused, with a way out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from drivers import CapacityError, DeviceInfo, SettingError, StimulusError
from drivers.contract.info import StimulusKind
from hil import config as configuration
from hil import encodings, tasks
from hil.config import Config
from hil.encodings.encoding import Kind
from hil.learning import rules
from hil.loop import mapping
from hil.loop.observation.estimation import build_nominal_neuron
from hil.loop.observation.probes import limit_offers
from hil.reasons import Reason, because
from hil.tasks.samples import SampleSpec
from hil.validation import validate_values

if TYPE_CHECKING:
    from hil.tasks import Data
    from hil.tasks.preparation import Preparation

ENCODING, OBSERVE, CLOCK = "encoding.name", "observe", "rule.clock"
STEPS, HIDDEN, RECURRENT = "network.steps", "network.hidden", "network.recurrent"
TIME_CONSTANT, HOLD = "network.time_constant", "encoding.hold"
# What a device can force, and what suits a kind of neuron: each where it was left open.
FORCED = frozenset({ENCODING, OBSERVE, STEPS, CLOCK, RECURRENT, TIME_CONSTANT})
# An encoding for each kind of stimulus, the best first; a current is given as a trace by `mapping`.
ENCODINGS: Mapping[Kind, Mapping[StimulusKind, str]] = {
    "features": {"current": "current", "current_trace": "current", "spikes": "regular"},
    "signals": {"current_trace": "current", "spikes": "regular"},
    "events": {"spikes": "events", "current_trace": "current"},
}
# What suits a kind of neuron or of input, chosen by validation accuracy: docs/configuration.md.
LEARNING_RATE, SCALE = "optimiser.learning_rate", "network.initial_scale"
SOURCE, KAPPA, GAIN = "readout.source", "readout.kappa", "encoding.gain"
BETA, LOSS, HOMEOSTASIS = "readout.beta", "readout.loss", "homeostasis.weight"
# A hard reset throws away what exceeds the threshold: a strong input moves a rate little. Neurons
# that rest after a spike a strong input saturates.
HARD: Mapping[str, float] = {LEARNING_RATE: 1e-2, GAIN: 2.0}
RESTING: Mapping[str, float] = {LEARNING_RATE: 5e-3}
# A time tells more where a neuron fires early.
FEW_SPIKES: Mapping[str, float] = {GAIN: 2.0}
# Outputs that all weights excite differ less: times the logit of one that fires as it can.
POSITIVE = 2
# Most runs of a batch to read one layer, where the device shows few of its neurons at once.
MOST_RUNS = 8
# Input spikes come as whole events, which drive as strongly as a large current.
SPIKES: Mapping[str, float] = {LEARNING_RATE: 1e-2, SCALE: 0.3}
# What drives an output is what leaves it, as spikes and by its leak: rate + (1 - decay) membrane.
# Its errors are small, beside which homeostasis is strong.
REAL: Mapping[str, str | float] = {
    LEARNING_RATE: 1e-2,
    HOMEOSTASIS: 0.0,
    LOSS: "mse",
    SOURCE: "both",
    KAPPA: 1.0,
    BETA: 1 - mapping.DECAY,
}


@dataclass(frozen=True)
class Choice:
    """A setting that was left open, and what the device made of it.

    Attributes:
        setting: Its name, `section.key`.
        value: What was chosen.
        reason: What of the device it follows from.
    """

    setting: str
    value: str | int | float | list[int] | list[float]
    reason: Reason

    def __str__(self) -> str:
        """One line, e.g. `network.steps = 32: this device takes 32 steps in a run`."""
        return f"{self.setting} = {self.value}: {self.reason}"

    def as_json(self) -> dict[str, Any]:
        """Return the fields as the JSON of a run's files."""
        words = {"setting": self.setting, "value": self.value, "reason": str(self.reason)}
        return {**words, "kind": self.reason.kind, "figures": dict(self.reason.figures)}


def find_open_settings(*layers: Mapping[str, Any], starts: bool = False) -> frozenset[str]:
    """The settings that a device may choose: those that nobody asked for.

    Args:
        layers: What was asked for, by section.
        starts: Whether the run starts from weights that are there, whose settings hold as far as
            the device can serve them; of its logits it has to be told where they are to stay.

    Returns:
        Their names, `section.key`.
    """
    named = set(_names(configuration.merge_layers(*layers)))
    if any(name.startswith("encoding.") for name in named):
        named.add(ENCODING)
    return (FORCED | {KAPPA} if starts else FORCED | {HIDDEN, HOLD, *REAL, *HARD, *SPIKES}) - named


def resolve_defaults(
    config: Config, open_settings: Collection[str], info: DeviceInfo, data: Data | Preparation
) -> tuple[Config, tuple[Choice, ...]]:
    """Choose what was left open by what a device states about itself.

    Args:
        config: A complete configuration.
        open_settings: What of it was left open, as `find_open_settings` gives it.
        info: What the device states.
        data: The samples, or how they are prepared.

    Returns:
        The configuration to be run, and what of it was chosen.

    Raises:
        StimulusError: When the device does not take the encoding that was asked for.
        CapacityError: When it has no room for the network, or does not take the steps that were
            asked for.
        SettingError: When no neuron of it fires as often as homeostasis is to aim at.
    """
    target, most = config.homeostasis.target, info.neuron.spikes_per_step
    if target != "auto" and target > most:
        raise SettingError(
            f"homeostasis.target = {target:g} spikes per step: a neuron of this device fires at "
            f"most {most}: give 0 to {most}, or auto"
        )
    choices: list[Choice] = []
    for choose in CHOOSERS:  # each sees what was chosen before
        draft = _draft(config, choices)
        choices += [*choose(draft, open_settings, limit_offers(info, draft.observe), data.spec)]
    return apply_choices(config, choices), tuple(choices)


def apply_choices(config: Config, choices: Sequence[Choice]) -> Config:
    """A configuration with what was chosen; bias and hold outlast their encoding.

    Raises:
        ValueError: When the result is none.
    """
    if not choices:
        return config
    return validate_values(configuration.Config, _draft(config, choices).model_dump(mode="json"))


def _draft(config: Config, choices: Sequence[Choice]) -> Config:
    """The same, not yet validated, for those who choose on top of it."""
    for choice in choices:
        section, _, key = choice.setting.partition(".")
        value: Any = tuple(choice.value) if isinstance(choice.value, list) else choice.value
        if choice.setting == ENCODING:
            settings = encodings.get(str(value)).settings
            outlasting = {"bias": 0.0, "hold": 1} | config.encoding
            kept = {k: outlasting[k] for k in ("bias", "hold") if k in settings.model_fields}
            value = {"name": value, **settings(**kept).model_dump(mode="json", exclude_none=True)}
        elif key:
            value = _replace_setting(getattr(config, section), key, value)
        config = config.model_copy(update={section: value})
    return config


def _replace_setting(section: Any, key: str, value: object) -> Any:
    """A section, or a table in one, with another value of a key `key` or `table.key`."""
    key, _, rest = key.partition(".")
    if isinstance(section, Mapping):
        return {**section, key: _replace_setting(section[key], rest, value) if rest else value}
    value = _replace_setting(getattr(section, key), rest, value) if rest else value
    return section.model_copy(update={key: value})


def _readout(
    config: Config, open_settings: Collection[str], info: DeviceInfo, spec: SampleSpec
) -> Iterator[Choice]:
    """Times of output spikes, else membranes, where neurons fire too few; counts alone need none.

    A device of few spikes that shows neither is read by its counts.
    """
    most, layers = info.neuron.spikes_per_run, len(config.network.hidden) + 1
    if SOURCE not in open_settings:
        return
    membrane, offer = (info.offer(shown, layers, layers) for shown in ("membrane", "spikes"))
    reason = because("spikes_per_run", most=most)
    if most is not None and offer is not None and "none" in offer.reductions:
        yield Choice(SOURCE, "times", reason)
    elif most is not None and membrane is not None:
        yield Choice(SOURCE, "membrane", reason)
    elif membrane is None and config.readout.source != "counts":
        yield Choice(SOURCE, "counts", because("no_output_membranes"))


def _regress(
    config: Config, open_settings: Collection[str], info: DeviceInfo, spec: SampleSpec
) -> Iterator[Choice]:
    """A readout of what drives an output, for targets that are real numbers."""
    setting, decay = info.neuron.setting("time_constant"), info.neuron.decay or mapping.DECAY
    if setting is not None:
        own = mapping.time_constant(config, info) | config.network.settings
        chosen = own.get(setting.name, setting.default)
        decay = math.exp(-info.timing.dt / chosen)
    suited = {**REAL, BETA: round(1 - decay, 6)}
    if config.training.carry:  # one batch is like the last: much faster, each undoes the others
        suited[LEARNING_RATE] = 1e-3
    for name in suited if spec.real else ():
        if name in open_settings:
            yield Choice(name, suited[name], because("real_targets"))


def _room(
    config: Config, open_settings: Collection[str], info: DeviceInfo, spec: SampleSpec
) -> list[Choice]:
    """Choose as many hidden neurons as the device has room for, where that is left open."""
    inputs, *hidden, classes = mapping.layers(config, spec)
    task, room = f"task {config.task}", info.capacity
    reaching = math.inf if room.fan_in is None else room.fan_in
    if inputs > min(room.inputs, reaching):
        has = "" if inputs > room.inputs else " synapses that reach a neuron"
        raise CapacityError(
            f"{task} needs {inputs} inputs: this device has {min(room.inputs, reaching)}{has}, so "
            "use a larger device or a task of fewer features"
        )
    if classes > room.neurons:
        raise CapacityError(
            f"{task} needs {classes} output neurons: this device has {room.neurons} in a "
            "layer, so use a larger device or a task of fewer classes"
        )
    largest = int(min(room.neurons, reaching))
    reason = because("layers", layers=room.layers, neurons=largest)
    fitting = [min(size, largest) for size in hidden[: max(room.layers - 1, 0)]]
    recurrent = config.network.recurrent and (RECURRENT not in open_settings or room.recurrence)
    fewer = mapping.shrink_to_synapses([inputs, *fitting, classes], room, recurrent)
    if fewer != fitting:
        reason, fitting = because("synapses", synapses=room.synapses), fewer
        if room.synapses is None:
            reason = because("fan_in", fan_in=room.fan_in)
    if fitting == hidden:
        return []
    if HIDDEN in open_settings:
        return [Choice(HIDDEN, fitting, reason)]
    remedy = f"--set network.hidden=[{','.join(map(str, fitting))}]"
    raise CapacityError(f"network.hidden = {hidden}: {reason}: use {remedy}")


# -- one choice after the other -------------------------------------------------------------------


def _choose_encoding(
    config: Config, open_settings: Collection[str], info: DeviceInfo, spec: SampleSpec
) -> Iterator[Choice]:
    """An encoding that takes the samples and makes a kind of stimulus that the device takes."""
    name = config.encoding["name"]
    reason = because("stimuli", stimuli=", ".join(info.offers.stimuli))
    if spec.kind not in encodings.get(name).takes:
        reason = because("encoding", encoding=name, samples=spec.kind)
    elif (kind := _kind(config, info, spec)) in info.offers.stimuli:
        return
    else:
        name = f"{name} makes a stimulus of kind {kind!r}"
    possible = ENCODINGS[spec.kind]
    fitting = next((possible[kind] for kind in possible if kind in info.offers.stimuli), None)
    if fitting is None:
        raise StimulusError(f"task {config.task} has {spec.kind}: {reason}, none of {[*possible]}")
    if ENCODING not in open_settings:
        raise StimulusError(
            f"encoding {name}: {reason}: use --set encoding.name={fitting}, or leave encoding out"
        )
    yield Choice(ENCODING, fitting, reason)


def _kind(config: Config, info: DeviceInfo, spec: SampleSpec) -> StimulusKind:
    """The kind of stimulus that the encoding makes for a device."""
    steps = None if spec.steps is None else 1
    dark = replace(spec, features=1, steps=steps).blank(1)
    return mapping.encoder(config, info)(dark, np.random.default_rng(0)).kind


def _steps(
    config: Config, open_settings: Collection[str], info: DeviceInfo, spec: SampleSpec
) -> Iterator[Choice]:
    """Steps of a run: those of the longest signal, each held, or as many as the device takes."""
    steps, most, needed = (
        config.network.steps,
        info.capacity.steps,
        mapping.signal_steps(config, spec),
    )
    if needed is None:
        has = because("steps", steps=most)
        if steps > most and STEPS not in open_settings:
            raise CapacityError(
                f"{STEPS} = {steps}: {has}: use --set {STEPS}={most}, or leave it out"
            )
        if steps > most:
            yield Choice(STEPS, most, has)
        return
    hold, fitting = mapping.hold_steps(config), most // (spec.steps or 1)
    if needed > most and fitting and HOLD in open_settings:
        yield Choice(HOLD, fitting, because("steps", steps=most))
        hold, needed = fitting, fitting * (spec.steps or 1)
    lasts = because("signal", steps=spec.steps, hold=hold, needed=needed)
    if needed > most:
        raise CapacityError(f"{lasts}: this device takes {most}: lower encoding.hold or cut them")
    if steps != needed and STEPS not in open_settings:
        raise ValueError(f"network.steps = {steps}: {lasts}: leave it out, or set encoding.hold")
    if steps != needed:
        yield Choice(STEPS, needed, lasts)


def _observe(
    config: Config, open_settings: Collection[str], info: DeviceInfo, spec: SampleSpec
) -> Iterator[Choice]:
    """Spikes, where hidden membranes are not shown and hidden spikes are; less where it is slow."""
    hidden, membrane = config.network.hidden, info.offer("membrane", 1, 2)
    if not hidden or OBSERVE not in open_settings or config.observe == "spikes":
        return
    if membrane is None and info.offer("spikes", 1, 2) is not None:
        yield Choice(OBSERVE, "spikes", because("no_hidden_membranes"))
    elif membrane is not None and membrane.neurons is not None and not _reads_membranes(config):
        runs = -(-max(hidden) // membrane.neurons)
        if runs > MOST_RUNS and (config.readout.source == "counts" or SOURCE in open_settings):
            reason = because("few_neurons_shown", neurons=membrane.neurons, runs=runs)
            yield Choice(OBSERVE, "output", reason)


def _reads_membranes(config: Config) -> bool:
    """Tell whether the rule reads membranes step by step, or an estimator was asked for."""
    rule = rules.get(str(config.rule["name"]))()
    traced = config.rule.get("clock") == "trace" or (rule.needs_traces and not rule.model)
    return traced or config.activity.estimator != "auto"


def _in_time(
    config: Config, open_settings: Collection[str], info: DeviceInfo, spec: SampleSpec
) -> Iterator[Choice]:
    """Time means without membranes step by step; a chain where nothing recurs."""
    if config.network.recurrent and RECURRENT in open_settings and not info.capacity.recurrence:
        yield Choice(RECURRENT, False, because("no_recurrence"))
    layers = len(config.network.hidden) + 1
    offers = [info.offer("membrane", layer + 1, layers) for layer in range(layers)]
    shown = all(offer and offer.every == 1 and "none" in offer.reductions for offer in offers)
    if config.rule.get("clock") == "trace" and CLOCK in open_settings and not shown:
        yield Choice(CLOCK, "mean", because("no_membrane_steps"))


def _time_constant(
    config: Config, open_settings: Collection[str], info: DeviceInfo, spec: SampleSpec
) -> Iterator[Choice]:
    """Membranes that remember as long as signals ask for, where the device lets choose."""
    network, setting = config.network, info.neuron.setting("time_constant")
    wanted = network.time_constant
    if wanted == "device" or (wanted == "auto" and spec.steps is None):
        return
    if setting is None:
        if TIME_CONSTANT not in open_settings:
            raise SettingError(f"{TIME_CONSTANT} = {wanted}: this device sets none: leave it out")
        yield Choice(TIME_CONSTANT, "device", because("no_time_constant"))
    elif wanted == "auto" and (network.calibration or setting.name in network.settings):
        yield Choice(TIME_CONSTANT, "device", because("given", setting=setting.name))
    elif wanted == "auto":
        part, name = 2, "half_of_steps"
        if config.encoding.get("time_fields"):  # what need not be remembered may be forgotten
            part, name = 8, "eighth_of_steps"
        yield Choice(TIME_CONSTANT, network.steps / part, because(name, steps=network.steps))


def _choose_for_neuron(
    config: Config, open_settings: Collection[str], info: DeviceInfo, spec: SampleSpec
) -> Iterator[Choice]:
    """Choose for the kind of neuron, where the task has nothing better for the rule."""
    suited: dict[str, tuple[float, Reason]] = {}
    if "current" not in info.offers.stimuli and "current_trace" not in info.offers.stimuli:
        suited |= {name: (value, because("input_spikes")) for name, value in SPIKES.items()}
    if info.neuron.reset == "hard":
        rests = _rests(info)
        reason = because("resting" if rests else "hard_reset")
        suited = {n: (v, reason) for n, v in (RESTING if rests else HARD).items()} | suited
    if info.neuron.spikes_per_run is not None:
        reason = because("few_spikes")
        suited = {n: pair for n, pair in suited.items() if n != LEARNING_RATE}
        suited |= {n: (v, reason) for n, v in FEW_SPIKES.items()}
    output, spikes = len(config.network.hidden) + 1, _kind(config, info, spec) == "spikes"
    neuron = build_nominal_neuron(info, mapping.DECAY, output, config.network.steps, spikes)
    highest = neuron.highest_rate
    if info.weight_format(len(config.network.hidden)).signs == "positive":
        suited[KAPPA] = (
            round(POSITIVE * config.readout.kappa / highest, 6),
            because("positive_weights"),
        )
    elif highest < 1:  # the logit of an output that fires as often as it can is the usual one
        reason = because("highest_rate", rate=highest)
        suited[KAPPA] = (round(config.readout.kappa / highest, 6), reason)
    tuned = set(_names(tasks.get(config.task).by_rule.get(str(config.rule["name"]), {})))
    for name, (value, reason) in suited.items():
        weaker = name != GAIN or config.encoding.get("gain", value) < value
        if name in open_settings and name not in tuned and weaker:
            yield Choice(name, value, reason)


def _rests(info: DeviceInfo) -> bool:
    """Tell if neurons rest for more than the step of a spike, as stated or by a setting."""
    if info.neuron.refractory is not None:
        return info.neuron.refractory > 0
    time = info.neuron.setting("refractory")
    return time is not None and time.default > (0 if time.unit == "steps" else info.timing.dt)


def _names(sections: Mapping[str, Any]) -> Iterator[str]:
    for key, value in sections.items():
        if isinstance(value, Mapping):
            yield from (f"{key}.{name}" for name in value)
        else:
            yield key


Chooser = Callable[[Config, Collection[str], DeviceInfo, SampleSpec], Iterable[Choice]]
CHOOSERS: Sequence[Chooser] = (
    _choose_encoding,
    _steps,
    _observe,
    _in_time,
    _time_constant,
    _regress,
    _readout,
    _room,
    _choose_for_neuron,
)
