"""The emulated chip as a device; this package alone of `drivers` imports `device_models`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device_models import (
    Chip,
    NominalProjection,
    RecordingRequest,
    neuron_file,
    neurons,
    profiles,
)
from device_models.faults import offered_kinds
from device_models.naming import select_prefixed
from device_models.neurons import NeuronModel, Parameter
from device_models.nonidealities import MembraneADC, by_name, override
from device_models.profiles import Profile
from drivers.contract.arrays import first_mismatch
from drivers.contract.device import Device
from drivers.contract.faults import Fault
from drivers.contract.info import (
    Abilities,
    Arrival,
    Capacity,
    DeviceInfo,
    Energy,
    Identity,
    Membrane,
    Neuron,
    Offers,
    ProbeOffer,
    Role,
    Setting,
    Timing,
    WeightFormat,
)
from drivers.contract.messages import Probe, Readout, Stimulus
from drivers.contract.network import Network
from drivers.errors import CapacityError, SettingError, WeightError, nearest, parse_number

DEFAULT = "mixed-signal"
SEVERITIES = (0.0, 1e6)
CHIP_OPTIONS = ("chip", "neuron", "profile", "reset", "dt", "severity", "workers")
EXPONENTS = (-1, 7)


class Emulator(Device):
    """`emulator:CHIP?chip=SEED&neuron=MODEL&reset=KIND&dt=0.001&severity=1&workers=N&NAME=VALUE...`.

    CHIP is a profile, or a `.toml` or `.py` file. NAME is a non-ideality, a nominal parameter of
    the neuron model, or `severity.` with the name of a non-ideality.
    """

    independent = True
    chip_option = "chip"

    def __init__(self, chip: Chip, name: str = "emulator", exponent: int | None = None) -> None:
        """Offer an emulated chip as a device.

        Args:
            chip: The chip, without a network.
            name: Name in the identity of the device.
            exponent: Of weights that are whole numbers: a step between levels is 2 to the power of
                it, times 2 of the model's units. None lets each full scale choose.
        """
        self._chip = chip
        self._info = device_info(chip, name, exponent)
        (self._sampled,) = {o.sampled for o in self._info.offers.probes if o.quantity == "membrane"}

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Emulator:
        """Take the chip that a profile or a file, a seed and overridden non-idealities name."""
        try:
            chip = _chip(target, options)
        except ValueError as error:
            raise SettingError(str(error)) from None
        default = None if target.endswith((".toml", ".py")) else 0  # a file may state any levels
        exponent = parse_number(options, "wgt_exp", default, EXPONENTS, int)
        return cls(chip, f"emulator:{target or DEFAULT}", exponent)

    @classmethod
    def code_of(cls, target: str, options: Mapping[str, str]) -> tuple[str, ...]:
        """A chip in Python, and a neuron model in Python."""
        return tuple(filter(profiles.is_code, (target, options.get("neuron", ""))))

    @classmethod
    def catalogue(cls) -> list[tuple[str, str]]:
        """Every profile."""
        return [(f"emulator:{n}", profiles.get(n).description) for n in profiles.names()]

    @property
    def info(self) -> DeviceInfo:
        """Statement of what the chip is and allows."""
        return self._info

    def _configure(self, network: Network) -> None:
        nominal: dict[str, float] = {}
        trims: dict[str, list[NDArray[np.float32]]] = {}
        for name, parameter in self._chip.model.parameters.items():
            if parameter.setting is None:
                continue
            nominal[name] = network.settings[parameter.setting]
            if parameter.setting in network.trims:
                chosen = network.trims[parameter.setting]
                trims[name] = [self._round_trims(parameter, values) for values in chosen]
        projections = [
            NominalProjection(
                p.source,
                p.target,
                p.delay,
                *((p.synapses.pre, p.synapses.post) if p.synapses is not None else ()),
            )
            for p in network.projections
        ]
        try:
            self._chip.configure(network.layers, network.full_scale, nominal, trims, projections)
        except ValueError as error:
            raise CapacityError(str(error)) from None

    def _round_trims(
        self, parameter: Parameter, values: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Values as a converter of `trim_bits` gives them, spread evenly in their logarithm."""
        low, high = math.log(parameter.minimum), math.log(parameter.maximum)
        codes = 2**self._chip.nonidealities.fixed_pattern.trim_bits - 1
        code = np.rint((np.log(values.astype(np.float64)) - low) / (high - low) * codes)
        trimmed: NDArray[np.float64] = np.exp(low + code / codes * (high - low))
        return trimmed.astype(np.float32)

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._chip.write(projection, weights)

    def _set_faults(self, faults: Sequence[Fault]) -> None:
        self._chip.set_faults(faults)

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        counts, recorded = self._chip.run(
            drive=stimulus.data,
            steps=stimulus.steps,
            batch=stimulus.batch,
            requests=[
                RecordingRequest(probe.layer - 1, probe.quantity, probe.every, probe.reduce)
                for probe in probes
            ],
            trial=trial,
            carry=carry,
        )
        samples = {
            probe: own if probe.neurons is None else own[..., list(probe.neurons)]
            for probe, own in zip(probes, recorded, strict=True)
        }
        return Readout(counts, stimulus.steps, samples, self._sampled)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Give what is programmed in every cell, the writes of each projection, the time."""
        return self._chip.state()

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Program every cell exactly as it was.

        Raises:
            WeightError: When it is the state of another chip or network.
        """
        wrong = first_mismatch(state, self._chip.state())
        if wrong:
            raise WeightError(f"this is the state of another chip or network: {wrong}")
        self._chip.restore(state)


def _chip(target: str, options: Mapping[str, str]) -> Chip:
    """The chip that an address names."""
    profile = _profile(target or DEFAULT, options)
    model, parameters = _neuron(profile, options)
    reset = options.get("reset", profile.reset or next(iter(model.resets)))
    if reset not in model.resets:
        raise ValueError(f"reset {reset!r} of {model.name}: {nearest(reset, model.resets)}")
    specs = by_name(profile.nonidealities)
    digital = [*model.mantissas, "wgt_exp"] if model.weight_unit else []
    _refuse_unknown(options, [*specs, *CHIP_OPTIONS, *model.parameters, *digital])
    dt = parse_number(options, "dt", profile.dt, (1e-5, 1e-1), float)
    for name, text in options.items():
        if name in model.parameters and name not in specs:
            parameters[name] = neuron_file.check_parameter(model, name, text)
    for name, word in model.mantissas.items():
        if name in options:
            mantissa = parse_number(options, name, 0, (0, word.most), int)
            decoded = word.decode(mantissa, dt, model.parameters[word.parameter])
            parameters[word.parameter] = decoded
    if model.weight_unit and model.silent in parameters:  # weights are in units of its threshold
        model = replace(model, level=parameters[model.silent])
    # What is overridden is meant as it stands; a severity scales what the profile brings.
    severity = parse_number(options, "severity", 1.0, SEVERITIES, float)
    severities = {
        name: parse_number(options, f"severity.{name}", 1.0, SEVERITIES, float)
        for name in select_prefixed("severity.", options)
    }
    adjusted = profile.nonidealities.at_severity(severity, severities)
    return Chip(
        model,
        override(adjusted, {name: text for name, text in options.items() if name in specs}),
        seed=parse_number(options, "chip", 0, (0, 2**63 - 1), int),
        reset=reset,
        dt=dt,
        parameters=parameters,
        pattern=profile.pattern if severity else None,
        workers=parse_number(options, "workers", 0, (1, 256), int) or None,
        energy=(profile.energy.value, profile.energy.source) if profile.energy else None,
    )


def _profile(name: str, options: Mapping[str, str]) -> Profile:
    """The profile of that name, or the one that a chip file makes."""
    if name.endswith((".toml", ".py")):
        return profiles.read(name, options.get("profile"))
    if "profile" in options:
        raise ValueError("emulator option profile: only a chip of a file has one below it")
    return profiles.get(name)


def _neuron(profile: Profile, options: Mapping[str, str]) -> tuple[NeuronModel, dict[str, float]]:
    """The neuron model asked for, and its nominal parameters that are not the model's own."""
    asked = options.get("neuron", profile.model.name)
    if asked == profile.model.name:
        return profile.model, {name: cited.value for name, cited in profile.parameters.items()}
    code = profiles.is_code(asked)
    return (neuron_file.model_from_python(Path(asked)) if code else neurons.get(asked)), {}


def _refuse_unknown(options: Mapping[str, str], known: Sequence[str]) -> None:
    for option in options:
        if option not in known and not option.startswith("severity."):
            raise ValueError(f"emulator option {option!r} is unknown: {nearest(option, known)}")


UNITS = {"second": "s", "volt": "V", "amp": "A", "hertz": "Hz", "1": ""}


def device_info(chip: Chip, name: str, exponent: int | None = None) -> DeviceInfo:
    """The facts of a chip as its maker would know them: all nominal.

    Args:
        chip: The chip.
        name: Name in the identity of the device.
        exponent: As `Emulator` takes it.
    """
    model, levels = chip.model, chip.nonidealities.programming.levels
    trimmed = chip.nonidealities.fixed_pattern.trim_bits > 0
    unit = UNITS.get(model.unit, model.unit) or "LSB"
    roles = _roles(model)
    # A neuron in discrete time adds what came in a step before the test of the step after.
    arrival: Arrival | None = "next_step" if model.update else "end_of_step"
    if len(model.receivers) > 1:  # a conductance, which acts over several steps
        arrival = None
    settings = tuple(
        Setting(
            name=p.setting,
            unit=unit if roles.get(n) == "threshold" else UNITS.get(p.unit, p.unit),
            minimum=p.minimum,
            maximum=p.maximum,
            default=chip.parameters[n],
            meaning=p.meaning,
            per_neuron=trimmed and p.mismatch is not None and p.minimum > 0,
            role=roles.get(n, ""),
        )
        for n, p in model.parameters.items()
        if p.setting is not None
    )
    return DeviceInfo(
        contract=4,
        energy=Energy(*chip.energy) if chip.energy else Energy(),
        identity=Identity(name, serial=f"chip-{chip.seed}", firmware=model.name),
        capacity=Capacity(
            layers=32,
            inputs=1 << 18,
            neurons=1 << 18,
            batch=1024,
            steps=100_000,
            recurrence=True,
            skips=True,
            delay=256,
            synapse_delays=True,
            sparse=True,
        ),
        timing=Timing(
            dt=chip.dt,
            input=arrival,
            layer=arrival,
            hard_reset_clears_events=_clears_events(chip),
            events_add=True,
        ),
        neuron=Neuron(
            membrane=Membrane(unit, model.rest, model.level),
            settings=settings,
            reset="hard" if chip.reset == "hard" else "soft",
            refractory=_refractory(chip),
            decay=math.exp(-chip.dt / chip.parameters[model.time_constant])
            if model.is_leaky
            else None,
        ),
        weights=(_weight_format(model, levels, exponent),),
        offers=_offers(chip.nonidealities.adc),
        abilities=Abilities(
            deterministic=not chip.ages,
            resumable=True,
            runs_on=True,
            faults=offered_kinds(model, chip.nonidealities, chip.parameters),
        ),
    )


def _weight_format(model: NeuronModel, levels: int | None, exponent: int | None) -> WeightFormat:
    """State what is stored: of whole numbers one full scale, at which levels are spread evenly."""
    if not model.weight_unit or levels is None:
        return WeightFormat(1e-3, 100.0, levels)
    if exponent is None:
        return WeightFormat(1e-3, 100.0)
    largest = model.weight_unit / model.swing * (levels // 2) * 2.0 ** (exponent + 1)
    return WeightFormat(largest, largest, levels)


def _offers(adc: MembraneADC) -> Offers:
    """State what a run may be given, and what the converter of membranes can show."""
    membranes = ProbeOffer(
        "membrane",
        reductions=("mean",) if adc.adc_mean else ("none", "mean", "last"),
        every=adc.adc_every,
        neurons=adc.adc_channels or None,
        sampled="after_reset" if adc.adc_after_reset else "before_reset",
    )
    return Offers(
        stimuli=("current", "current_trace", "spikes"), probes=(ProbeOffer("spikes"), membranes)
    )


def _clears_events(chip: Chip) -> bool | None:
    """Tell whether a reset clears events of its step, as where they have just met the membrane."""
    model = chip.model
    at_once = model.update is None and model.receives == model.membrane
    return True if chip.reset == "hard" and at_once else None


def _refractory(chip: Chip) -> int | None:
    """Steps without input after that of a spike; a model may still let events through in them."""
    name = chip.model.refractory
    within_a_step = name is None or chip.parameters[name] <= chip.dt
    return 0 if within_a_step and chip.model.is_leaky else None


def _roles(model: NeuronModel) -> dict[str, Role]:
    """Name what the host may use a parameter for, by the parameter's name."""
    roles: dict[str, Role] = {
        n: "threshold"
        for n, p in model.parameters.items()
        if p.setting == "threshold" and p.unit == model.unit
    }
    if model.refractory:
        roles[model.refractory] = "refractory"
    if model.synapse:
        roles[model.synapse] = "synapse"
    return {**roles, model.time_constant: "time_constant"}
