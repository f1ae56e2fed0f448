"""The twin of a device: a chip file whose fixed pattern is what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.contract.files import replacing, write_text
from hil.characterisation.survey_data import Survey

# Neuron models whose membrane and threshold are what was measured, by the names that emulated
# devices give as their firmware. Any other device is taken for a plain `lif`.
MODELS = ("lif", "adaptive-lif")
# Measured quantities of a layer, in the order of the record.
QUANTITIES = (
    "threshold_over_gain",
    "time_constant",
    "readout_gain",
    "readout_offset",
    "bias",
    "reset",
    "synapse_gain",
)


def write(survey: Survey, path: Path) -> Path:
    """Write a twin: its arrays beside it, then the chip file that names them.

    Args:
        survey: The survey.
        path: The chip file, `.toml`; the arrays go to a file of the same name and `.npz`.

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
    with replacing(arrays) as handle:
        np.savez(handle, **_arrays(survey))  # type: ignore[arg-type]
    return write_text(path, tomli_w.dumps(_table(survey, path)))


def neuron(survey: Survey) -> str:
    """The neuron model of the twin."""
    named = survey.identity.firmware
    return named if named in MODELS else "lif"


def identity(survey: Survey) -> dict[str, str]:
    """The identity of the device, by field."""
    who = survey.identity
    return {
        "name": who.name,
        "serial": who.serial,
        "firmware": who.firmware,
        "protocol": who.protocol,
    }


def _table(survey: Survey, path: Path) -> dict[str, Any]:
    who = " ".join(part for part in (survey.identity.name, survey.identity.serial) if part)
    table: dict[str, Any] = {
        "name": path.stem,
        "description": f"twin of {who}",
        "profile": "ideal",
        "neuron": neuron(survey),
        "reset": survey.reset,
        "dt": survey.dt,
        "nonidealities": {
            name: {"value": value, "source": f"measured on {who}"}
            for name, value in _nonidealities(survey).items()
        },
    }
    if survey.nominal_time_constant is not None:
        tau = {"value": survey.nominal_time_constant, "source": f"nominal, as {who} states"}
        table["parameters"] = {"tau_membrane": tau}
    if survey.storage.grid and survey.storage.bits is None:
        table["weight_grid"] = list(survey.storage.grid)
    table["twin"] = {
        "layers": list(survey.layers),
        "arrays": path.with_suffix(".npz").name,
        "device": identity(survey),
    }
    return table


def _nonidealities(survey: Survey) -> dict[str, float]:
    stated: dict[str, float] = {}
    for name, measured in (
        ("membrane_noise", survey.membrane_noise),
        ("adc_noise", survey.readout_noise),
        ("spike_loss", survey.spike_loss or survey.hidden_spike_loss),
    ):
        if measured is not None:
            stated[name] = round(min(float(measured.value), 1.0), 6)
    if survey.programming_noise is not None:
        stated["programming_noise"] = round(min(survey.programming_noise, 0.5), 6)
    if survey.storage.bits:
        stated["weight_bits"] = survey.storage.bits
    if survey.adc is not None:
        stated["adc_bits"] = survey.adc.bits
        stated["adc_minimum"] = min(survey.adc.minimum, 0.0)
        stated["adc_maximum"] = max(survey.adc.maximum, 0.1)
    return stated


def _arrays(survey: Survey) -> dict[str, NDArray[np.float32]]:
    """The measured pattern with thresholds at their nominal value, and the intervals.

    What cannot be told apart is put where it acts the same: a threshold over a gain in the gain.
    """
    arrays: dict[str, NDArray[np.float32]] = {}

    def add(
        key: str,
        value: NDArray[np.float64],
        half: NDArray[np.float64],
        unknown: float | None = None,
    ) -> None:
        """Keep an array. What is not known of a neuron is as usual, the median, or as given."""
        known = value[np.isfinite(value)]
        if not known.size:
            return
        fill = float(np.median(known)) if unknown is None else unknown
        arrays[key] = np.where(np.isfinite(value), value, fill).astype(np.float32)
        arrays[f"interval/{key}"] = np.nan_to_num(half, posinf=0.0).astype(np.float32)

    for i, layer in enumerate(survey.neurons):
        if layer is None:
            continue
        ratio = layer.threshold_over_gain
        add(f"layer_{i}/gain", 1 / ratio.value, ratio.half / ratio.value**2)
        if layer.dead.any():
            gain = arrays.setdefault(f"layer_{i}/gain", np.ones(layer.dead.size, np.float32))
            gain[layer.dead] = 0.0
        if layer.time_constant is not None:
            tau = layer.time_constant
            add(f"layer_{i}/parameter/tau_membrane", tau.value, tau.half)
        if layer.reset is not None:
            add(f"layer_{i}/parameter/v_reset", layer.reset.value, layer.reset.half, 0.0)
        if layer.bias is not None:
            add(f"layer_{i}/bias", layer.bias.value, layer.bias.half, 0.0)
        if layer.readout_gain is not None:
            add(f"channels_{i}/gain", layer.readout_gain.value, layer.readout_gain.half)
        if layer.readout_offset is not None:
            add(f"channels_{i}/offset", layer.readout_offset.value, layer.readout_offset.half, 0.0)
        if layer.synapse_gain is not None:
            add(f"cells_{i}/gain", layer.synapse_gain.value, layer.synapse_gain.half, 1.0)
    return arrays


def record(survey: Survey) -> dict[str, Any]:
    """What was measured, in plain values: medians and spreads over neurons, with intervals."""
    layers: list[dict[str, Any] | None] = []
    for layer in survey.neurons:
        if layer is None:
            layers.append(None)
            continue
        layers.append(
            {
                "dead": np.flatnonzero(layer.dead).tolist(),
                "tonic": np.flatnonzero(layer.tonic).tolist(),
                **{
                    name: None if (e := getattr(layer, name)) is None else summary(e.value, e.half)
                    for name in QUANTITIES
                },
            }
        )
    return {
        "device": identity(survey),
        "layers": list(survey.layers),
        "dt": survey.dt,
        "reset": survey.reset,
        "neurons": layers,
        "nonidealities": _nonidealities(survey),
        "intervals": {
            name: [float(e.value - e.half), float(e.value + e.half)]
            for name in ("membrane_noise", "readout_noise", "spike_loss", "hidden_spike_loss")
            if (e := getattr(survey, name)) is not None
        },
        "weights": {
            "levels": len(survey.storage.grid) or None,
            "asked": list(survey.storage.asked),
            "stored": list(survey.storage.stored),
            "realised": None if survey.storage.realised is None else list(survey.storage.realised),
        },
        "skipped": dict(survey.skipped),
    }


def summary(value: NDArray[np.float64], half: NDArray[np.float64]) -> dict[str, float] | None:
    """Median and standard deviation over neurons, and the median half-width of the intervals."""
    known = value[np.isfinite(value)]
    if not known.size:
        return None
    return {
        "median": float(np.median(known)),
        "sd": float(known.std()),
        "interval": float(np.median(half[np.isfinite(half)])),
    }


def save_record(record: dict[str, Any], path: Path) -> Path:
    """Write the record as JSON, whole or not at all."""
    return write_text(path, json.dumps(record, indent=1) + "\n")
