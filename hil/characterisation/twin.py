"""The twin of a device: a chip file whose fixed pattern is what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from drivers.files.writing import replace_file, write_text
from hil.characterisation import layer_results
from hil.characterisation.estimators import Estimate
from hil.characterisation.survey_data import Survey

# Neuron models that a twin may be made of, by the names that an emulator's address gives them, and
# their parameters that are measured neuron by neuron. Of one whose membrane answers an event more
# slowly than by a jump, the measured time constant is not its own: it is sought as a setting.
MODELS: Mapping[str, tuple[str, ...]] = {
    "lif": ("tau_membrane", "v_reset"),
    "adaptive-lif": ("tau_membrane", "v_reset"),
    "lif-exp": ("v_reset",),
    "lif-alpha": ("v_reset",),
    "lif-cond-exp": ("v_reset",),
    "lif-cond-alpha": ("v_reset",),
    "adex": ("tau_membrane",),
    "izhikevich": (),
    "dpi": (),
    "loihi": (),
}
# What differs from neuron to neuron by no more than this cannot be told from measurement errors,
# and neither can a mean that is so near to nominal.
EVEN, NOMINAL = 0.012, 0.025
# What these are shares of where the nominal value is 0, in thresholds.
ZERO = 0.2
Arrays = dict[str, NDArray[np.float32]]
# How a twin stores weights: with so many bits, on the measured grid, or exactly.
Storing = int | Literal["grid", "exact"]


@dataclass(frozen=True)
class Choice:
    """The neuron model of a twin.

    Attributes:
        neuron: Its name.
        reset: Which of its resets.
        gains: Factor of the measured input gains of each layer.
        settings: Nominal settings, by the names that the model gives them.
        pattern: Whether neurons and synapses are as measured, each; else as nominal, but for dead
            neurons.
    """

    neuron: str
    reset: str
    gains: tuple[float, ...]
    settings: Mapping[str, float] = field(default_factory=dict)
    pattern: bool = True


def write(survey: Survey, path: Path, choice: Choice, storage: Storing) -> Path:
    """Write a twin: its arrays beside it, then the chip file that names them.

    Args:
        survey: The survey.
        path: The chip file, `.toml`; the arrays go to a file of the same name and `.npz`.
        choice: The neuron model.
        storage: How the twin stores weights: with so many bits, by the rule of its neuron model; on
            the `grid` that was measured; or `exact`, without noise.

    Returns:
        The chip file.

    Raises:
        ValueError: For a path that does not end in `.toml`.
        OSError: When the folder cannot be written.
    """
    import tomli_w

    if path.suffix != ".toml":
        raise ValueError(f"twin {path}: give a name that ends in .toml")
    arrays = path.with_suffix(".npz")
    with replace_file(arrays) as handle:
        np.savez(handle, **_arrays(survey, choice))  # type: ignore[arg-type]
    return write_text(path, tomli_w.dumps(_table(survey, path, choice, storage)))


def identity(survey: Survey) -> dict[str, str]:
    """The identity of the device, by field."""
    who = survey.identity
    return {
        "name": who.name,
        "serial": who.serial,
        "firmware": who.firmware,
        "protocol": who.protocol,
    }


def _table(survey: Survey, path: Path, choice: Choice, storage: Storing) -> dict[str, Any]:
    who = " ".join(part for part in (survey.identity.name, survey.identity.serial) if part)
    table: dict[str, Any] = {
        "name": path.stem,
        "description": f"twin of {who}",
        "profile": "ideal",
        "neuron": choice.neuron,
        "reset": choice.reset,
        "dt": survey.dt,
        "nonidealities": {
            name: {"value": value, "source": f"measured on {who}"}
            for name, value in nonidealities(survey, storage).items()
        },
    }
    if choice.settings:
        source = f"predicts {who} best"
        table["settings"] = {
            name: {"value": value, "source": source} for name, value in choice.settings.items()
        }
    if storage == "grid":
        table["weight_grid"] = list(survey.storage.grid)
    table["twin"] = {
        "layers": list(survey.layers),
        "arrays": path.with_suffix(".npz").name,
        "device": identity(survey),
    }
    return table


def nonidealities(survey: Survey, storage: Storing) -> dict[str, float]:
    """What a twin states of noise, storage and converter, by the names of a chip file."""
    stated: dict[str, float] = {}
    for name, measured in (
        ("membrane_noise", survey.membrane_noise),
        ("adc_noise", survey.readout_noise),
        ("spike_loss", survey.spike_loss or survey.hidden_spike_loss),
    ):
        if measured is not None:
            stated[name] = round(min(float(measured.value), 1.0), 6)
    for name, most in (("programming_noise", 0.5), ("programming_noise_relative", 1.0)):
        noise: float | None = getattr(survey, name)
        if noise is not None and storage != "exact":
            stated[name] = round(min(noise, most), 6)
    if isinstance(storage, int) and storage:
        stated["weight_bits"] = storage
    if survey.adc is not None:
        stated["adc_bits"] = survey.adc.bits
        stated["adc_minimum"] = min(survey.adc.minimum, 0.0)
        stated["adc_maximum"] = max(survey.adc.maximum, 0.1)
    return stated


def _arrays(survey: Survey, choice: Choice) -> Arrays:
    """The measured pattern with thresholds at their nominal value, and the intervals.

    What cannot be told apart is put where it acts the same: a threshold over a gain in the gain.
    """
    arrays: Arrays = {}
    parameters = MODELS[choice.neuron]
    for i, measured in enumerate(survey.neurons):
        if measured is None:
            continue
        layer = layer_results.repeatable(measured)
        ratio, factor = layer.threshold_over_gain, choice.gains[i]
        if choice.pattern:
            gain = factor * _unless_even(1 / ratio.value)
            half = factor * ratio.half / ratio.value**2
            _add(arrays, f"layer_{i}/gain", Estimate(gain, half), 1.0)
        if layer.dead.any():
            live = arrays.setdefault(f"layer_{i}/gain", np.ones(layer.dead.size, np.float32))
            live[layer.dead] = 0.0
        if not choice.pattern:
            continue
        if "tau_membrane" in parameters:
            tau = layer.time_constant
            _add(arrays, f"layer_{i}/parameter/tau_membrane", tau, survey.nominal_time_constant)
        if "v_reset" in parameters:
            _add(arrays, f"layer_{i}/parameter/v_reset", layer.reset, 0.0, 0.0)
        _add(arrays, f"layer_{i}/bias", layer.bias, 0.0, 0.0)
        _add(arrays, f"channels_{i}/gain", layer.readout_gain, 1.0)
        _add(arrays, f"channels_{i}/offset", layer.readout_offset, 0.0, 0.0)
        _add(arrays, f"cells_{i}/gain", layer.synapse_gain, 1.0, 1.0)
    return arrays


def _add(
    arrays: Arrays,
    key: str,
    measured: Estimate | None,
    nominal: float | None,
    unknown: float | None = None,
) -> None:
    """Keep an array, unless all of it is nominal.

    What is not known of a neuron is as usual, the median, or as given.
    """
    if measured is None:
        return
    value = measured.value
    known = value[np.isfinite(value)]
    if not known.size or (nominal is not None and _is(nominal, known)):
        return
    fill = float(np.median(known)) if unknown is None else unknown
    arrays[key] = np.where(np.isfinite(value), value, fill).astype(np.float32)
    arrays[f"interval/{key}"] = np.nan_to_num(measured.half, posinf=0.0).astype(np.float32)


def _is(nominal: float, known: NDArray[np.float64]) -> bool:
    """Whether what was measured cannot be told from the nominal value of all neurons."""
    unit = abs(nominal) or ZERO
    return (
        float(known.std()) <= EVEN * unit
        and abs(float(np.median(known)) - nominal) <= NOMINAL * unit
    )


def to_nominal(survey: Survey) -> tuple[float, ...]:
    """Factors of the measured input gains of each layer that bring their median to 1."""
    factors = []
    for layer in survey.neurons:
        gains = np.ones(1) if layer is None else _unless_even(1 / layer.threshold_over_gain.value)
        known = gains[np.isfinite(gains)]
        factors.append(1 / float(np.median(known)) if known.size else 1.0)
    return tuple(factors)


def _unless_even(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of all neurons; one for all where they do not differ, 1 where that is nominal."""
    known = values[np.isfinite(values)]
    if not known.size or float(known.std()) > EVEN * abs(float(known.mean())):
        return values
    usual = float(np.median(known))
    return np.where(np.isfinite(values), 1.0 if abs(usual - 1) < NOMINAL else usual, np.nan)
