"""What an emulated chip states of itself."""

from __future__ import annotations

import math

from device_models import Chip
from device_models.neurons import NeuronModel
from device_models.nonidealities import MembraneADC
from drivers.contract.info import (
    Abilities,
    Arrival,
    Capacity,
    DeviceInfo,
    Identity,
    Offers,
    ProbeOffer,
    Timing,
    WeightFormat,
)
from drivers.contract.neuron import Membrane, Neuron, Role, Setting

UNITS = {"second": "s", "volt": "V", "amp": "A", "hertz": "Hz", "1": ""}


def device_info(chip: Chip, name: str) -> DeviceInfo:
    """The facts of a chip as its maker would know them: all nominal.

    Args:
        chip: The chip.
        name: Name in the identity of the device.
    """
    model, levels = chip.model, chip.nonidealities.programming.levels
    trimmed = chip.nonidealities.fixed_pattern.trim_bits > 0
    unit = UNITS.get(model.unit, model.unit) or "LSB"
    roles = _roles(model)
    # A neuron in discrete time adds what came in a step before the test of the step after.
    arrival: Arrival = "next_step" if model.update else "end_of_step"
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
        contract=3,
        identity=Identity(name, serial=f"chip-{chip.seed}", firmware=model.name),
        capacity=Capacity(
            layers=32,
            inputs=65536,
            neurons=65536,
            batch=1024,
            steps=100_000,
            recurrence=True,
            skips=True,
            delay=256,
            synapse_delays=True,
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
            decay=math.exp(-chip.dt / chip.parameters[model.time_constant]),
        ),
        weights=(WeightFormat(1e-3, 100.0, None if model.weight_unit else levels),),
        offers=_offers(chip.nonidealities.adc),
        abilities=Abilities(deterministic=not chip.ages, resumable=True, runs_on=True),
    )


def _offers(adc: MembraneADC) -> Offers:
    """What a run may be given, and what the converter of membranes can show."""
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
    """Whether a reset clears events of its step: it does where they have just met the membrane."""
    model = chip.model
    at_once = model.update is None and model.receives == model.membrane
    return True if chip.reset == "hard" and at_once else None


def _refractory(chip: Chip) -> int | None:
    """Steps without input after that of a spike; a model may still let events through in them."""
    name = chip.model.refractory
    within_a_step = name is None or chip.parameters[name] <= chip.dt
    return 0 if within_a_step else None


def _roles(model: NeuronModel) -> dict[str, Role]:
    """What the host may use a parameter for, by the parameter's name."""
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
