"""Measuring a device through its contract alone, and writing its twin, a chip file.

The record of a characterisation is plain values; its tables and sentences are made of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from drivers import Device
from hil.characterisation import model_choice, prediction, twin
from hil.characterisation.estimators import MeasuredValue
from hil.characterisation.prediction import RateError
from hil.characterisation.survey import (
    DEVICE_STAGES,
    LAYER_STAGES,
    QUANTITIES,
    Survey,
    Watch,
    ignore_stage,
    survey,
)
from hil.characterisation.timing import TIMING_FIELDS

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]

_QUANTITIES = {
    "threshold_over_gain": ("threshold over gain", "thresholds", 1.0),
    "time_constant": ("time constant", "ms", 1e3),
    "readout_gain": ("readout gain at threshold", "", 1.0),
    "readout_offset": ("readout offset", "thresholds", 1.0),
    "bias": ("resting bias", "thresholds", 1.0),
    "reset": ("reset level", "thresholds", 1.0),
    "synapse_gain": ("synapse gain", "", 1.0),
}
_TIMING = {
    "input": "an input event acts",
    "layer": "an event between layers acts",
    "hard_reset_clears_events": "a hard reset clears the event of its step",
    "events_add": "events of one step add up",
}
_SAMPLED = {"hidden": "membranes of hidden layers", "output": "membranes of the output"}


def summarise_survey(survey: Survey) -> dict[str, Any]:
    """Summarise a survey in plain values: medians and spreads over neurons, with intervals."""
    layers: list[dict[str, Any] | None] = []
    for layer in survey.neurons:
        if layer is None:
            layers.append(None)
            continue
        quantities = {name: _summarise(getattr(layer, name)) for name in QUANTITIES}
        dead, tonic = (np.flatnonzero(which).tolist() for which in (layer.dead, layer.tonic))
        layers.append({"dead": dead, "tonic": tonic, **quantities})
    storage = survey.storage
    return {
        "device": asdict(survey.identity),
        "layers": list(survey.layers),
        "dt": survey.dt,
        "reset": survey.reset,
        "timing": {
            **{name: getattr(survey.timing.timing, name) for name in TIMING_FIELDS},
            "sampled": dict(survey.timing.sampled),
        },
        "differences": [asdict(difference) for difference in survey.differences],
        "neurons": layers,
        "nonidealities": survey.nonidealities(storage.bits or 0),
        "intervals": {
            name: [float(measured.value - measured.half), float(measured.value + measured.half)]
            for name in ("membrane_noise", "readout_noise", "spike_loss", "hidden_spike_loss")
            if (measured := getattr(survey, name)) is not None
        },
        "weights": {
            "levels": len(storage.grid) or None,
            "asked": list(storage.asked),
            "stored": list(storage.stored),
            "realised": None if storage.realised is None else list(storage.realised),
        },
        "skipped": dict(survey.skipped),
    }


def _summarise(measured: MeasuredValue | None) -> dict[str, float] | None:
    """Median and standard deviation over neurons, and the median half-width of the intervals."""
    if measured is None or not np.isfinite(measured.value).any():
        return None
    finite, half = (v[np.isfinite(v)] for v in (measured.value, measured.half))
    return {
        "median": float(np.median(finite)),
        "sd": float(finite.std()),
        "interval": float(np.median(half)),
    }


def tabulate(record: dict[str, Any]) -> list[Table]:
    """Make tables of a record: what was measured, the models tried, and how well they predict.

    Args:
        record: As `characterise` returns it.

    Returns:
        Header and rows of each.
    """
    measured = ("measured", "median", "spread over neurons", "95 % interval of one")
    errors, chosen = record["model"]["errors"], record["model"]["choice"]["neuron"]
    models = sorted(errors.items(), key=lambda model: (model[0] != chosen, model[1]))
    predicted = [
        (name, f"{e['output']:.4f}", "not shown" if e["hidden"] is None else f"{e['hidden']:.4f}")
        for name, e in record["rate_error"].items()
    ]
    return [
        (measured, [(*row, *[""] * (4 - len(row))) for row in _rows(record)]),
        (
            ("neuron model of the twin", "rate error where it was fitted"),
            [(name, f"{error:.4f}") for name, error in models],
        ),
        (("rate error on held-out weights and inputs", "output", "hidden"), [*predicted]),
    ]


def _rows(record: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Rows of what was measured, and of what could not be."""
    for number, layer in enumerate(record["neurons"], 1):
        if layer is None:
            continue
        for key, (name, unit, scale) in _QUANTITIES.items():
            if (value := layer[key]) is not None:
                median, sd, half = (scale * value[part] for part in ("median", "sd", "interval"))
                text = f"{median:.3f} {unit}".rstrip()
                yield f"layer {number}: {name}", text, f"{sd:.3f}", f"+- {half:.3f}"
        for key in ("dead", "tonic"):
            listed = ", ".join([*map(str, layer[key][:12]), *["..."] * (len(layer[key]) > 12)])
            yield f"layer {number}: {key} neurons", str(len(layer[key])), listed
    for name, value in record["nonidealities"].items():
        yield name, f"{value:.4g}"
    for key, name in _TIMING.items():
        if record["timing"][key] is not None:
            yield name, _spell(record["timing"][key])
    yield "reset", record["reset"]
    for place, sampled in record["timing"]["sampled"].items():
        if sampled:
            yield f"{_SAMPLED[place]} are sampled", _spell(sampled)
    for each in record["differences"]:
        yield (
            "stated otherwise",
            each["fact"],
            f"stated {each['stated']}, measured {each['measured']}",
        )
    for what, why in record["skipped"].items():
        yield what, "not measured", why


def _spell(value: str | bool) -> str:
    """Spell a value of the contract."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.replace("_", " ")


def describe_verdict(record: dict[str, Any]) -> str:
    """Say in one line how good the twin is beside an ideal model."""
    twin, ideal = (record["rate_error"][name]["output"] for name in ("twin", "ideal model"))
    model = record["model"]["choice"]["neuron"]
    if twin == ideal == 0:
        return f"the twin ({model}) and an ideal model both do what the device does"
    if twin < ideal:
        share = twin / ideal
        return f"the twin ({model}) is {share:.0%} as far from the device as an ideal model is"
    return f"the twin ({model}) predicts no better than an ideal model"


__all__ = ["characterise", "count_stages", "describe_verdict", "tabulate"]


def count_stages(layers: Sequence[int]) -> int:
    """Count how often `characterise` calls its watcher, for a network of these layers."""
    models = len(twin.MODELS) + model_choice.REFINED
    return LAYER_STAGES * (len(layers) - 1) + DEVICE_STAGES + models + 4


def characterise(
    device: Device, layers: Sequence[int], path: Path, watch: Watch = ignore_stage
) -> dict[str, Any]:
    """Measure a device, write its twin, and say how well the twin predicts the device.

    Args:
        device: The device; what was on it is lost.
        layers: Sizes of the network to map on it, the input first.
        path: The twin, a `.toml`; its arrays (`.npz`) and the record (`.json`) lie beside it.
        watch: Called with the name of each measurement before it starts.

    Returns:
        The record, as in the `.json` file.

    Raises:
        DeviceError: When the device cannot hold the network, or fails.
        ValueError: For a path that does not end in `.toml`.
        OSError: When the folder cannot be written.
    """
    import drivers
    from drivers.files.writing import write_text

    twin.check_path(path)
    sizes = tuple(layers)
    surveyed = survey(device, sizes, watch=watch)
    selected = model_choice.choose_model(device, surveyed, watch)
    twin.write(surveyed, path, selected.choice, selected.storage)
    watch("prediction: the device itself")
    held_out = prediction.draw_prediction_set(device, sizes)
    prediction.map_network(device, held_out)
    measured, _ = prediction.measure_rates(device, held_out)
    again, _ = prediction.measure_rates(device, held_out, trial=1)
    errors: dict[str, RateError] = {"device itself": prediction.compare_rates(again, measured)}
    ideal = f"emulator:ideal?neuron=lif&reset={surveyed.reset}&dt={surveyed.dt}"
    for name, address in (("twin", f"emulator:{path}"), ("ideal model", ideal)):
        watch(f"prediction: {name}")
        with drivers.open(address) as model:
            predicted = prediction.predict_rates(model, held_out, trial=2)
            errors[name] = prediction.compare_rates(predicted, measured)
    record = {
        **summarise_survey(surveyed),
        "model": asdict(selected),
        "rate_error": {name: asdict(error) for name, error in errors.items()},
        "twin": str(path),
    }
    write_text(path.with_suffix(".json"), json.dumps(record, indent=1) + "\n")
    return record
