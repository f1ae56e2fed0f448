"""What was measured of a device, in plain values: the record that lies beside its twin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.files.writing import write_text
from hil.characterisation import twin
from hil.characterisation.survey_data import QUANTITIES, Survey
from hil.characterisation.timing_data import NAMES


def of(survey: Survey) -> dict[str, Any]:
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
        "device": twin.identity(survey),
        "layers": list(survey.layers),
        "dt": survey.dt,
        "reset": survey.reset,
        "timing": {
            **{name: getattr(survey.timing.timing, name) for name in NAMES},
            "sampled": dict(survey.timing.sampled),
        },
        "differences": list(survey.differences),
        "neurons": layers,
        "nonidealities": twin.nonidealities(survey, survey.storage.bits or 0),
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


def save(record: dict[str, Any], path: Path) -> Path:
    """Write the record as JSON, whole or not at all."""
    return write_text(path, json.dumps(record, indent=1) + "\n")
